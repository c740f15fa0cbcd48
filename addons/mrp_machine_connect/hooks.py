"""What happens once, when the addon comes and when it goes."""

from odoo.tools import SQL

SERVICE_LOGIN = "__machine_connect__"

#: Our tables that hold what machines said and what became of it, children first; they go with the addon.
LOG_TABLES = (
    "mrp_machine_event_posting",
    "mrp_machine_queue",
    "mrp_machine_interval",
    "mrp_machine_posting",
    "mrp_machine_event",
    "mrp_machine_gap",
    "mrp_machine_stream",
    "mrp_machine_ledger",
    "mrp_machine_loading",
)

#: Records of data and demo that business documents may point at by now: they stay, as the company's own.
KEPT_MODELS = (
    "product.product",
    "product.template",
    "mrp.bom",
    "mrp.bom.line",
    "mrp.routing.workcenter",
    "mrp.workcenter",
    "mrp.workcenter.productivity.loss",
    "mrp.production",
    "stock.quant",
    "resource.calendar",
    "res.users",
    "res.partner",
)


def pre_init_hook(env):
    """Make the extension that the timeline's exclusion constraint needs, and take up what a former life left.

    ``btree_gist`` is a trusted extension: the database's owner may create it. It is part of PostgreSQL's contrib.
    """
    env.cr.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    user = env["res.users"].with_context(active_test=False).search([("login", "=", SERVICE_LOGIN)])
    if user:
        _name(env, user, "user_machine_connect")
        _name(env, user.partner_id, "partner_machine_connect")
    for loss in ("stopped", "maintenance", "trial"):
        # Time was booked on it, so it stayed; a second one of that name would split the reports.
        kept = env["ir.config_parameter"].get_param(f"mrp_machine_connect.loss_{loss}")
        record = env["mrp.workcenter.productivity.loss"].browse(int(kept or 0)).exists()
        if record:
            _name(env, record, f"loss_{loss}")


def _name(env, record, name):
    env["ir.model.data"].create(
        {
            "module": "mrp_machine_connect",
            "name": name,
            "model": record._name,
            "res_id": record.id,
            "noupdate": True,
        }
    )


def post_init_hook(env):
    """Let the service user work in every company that exists already."""
    env["res.company"]._machine_connect_join(env["res.company"].sudo().search([]))


def uninstall_hook(env):
    """Let the log go, which refuses to be deleted row by row, and leave to the company what documents point at."""
    for loss in ("stopped", "maintenance", "trial"):
        record = env.ref(f"mrp_machine_connect.loss_{loss}", raise_if_not_found=False)
        if record:
            env["ir.config_parameter"].set_param(f"mrp_machine_connect.loss_{loss}", record.id)
    env.flush_all()
    # Workers may post at this moment, and no transaction deletes what another one wrote after it began. So the log is not
    # emptied: it lets go what it points at, and its tables go as they are. This waits for who is at work, and stops the others.
    env.cr.execute("LOCK TABLE mrp_machine_event, mrp_machine_queue IN ACCESS EXCLUSIVE MODE")
    let_go(env, LOG_TABLES)
    env["ir.model.data"].search([("module", "=", "mrp_machine_connect"), ("model", "in", KEPT_MODELS)]).unlink()
    env.invalidate_all()


def let_go(env, tables):
    """Let tables go as they are when their addon goes: nothing in them keeps what they point at."""
    env.cr.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])",
        [list(tables)],
    )
    for table, constraint in env.cr.fetchall():
        env.cr.execute(SQL("ALTER TABLE %s DROP CONSTRAINT %s", SQL.identifier(table), SQL.identifier(constraint)))
