"""What happens once, when the addon goes."""

from odoo.tools import SQL

#: The handlers that this addon brings.
HANDLERS = (
    "quality_alert",
    "quality_defect",
    "quality_due",
    "quality_event",
    "quality_measurement",
)

#: Of the demo data, what documents point at by now: it stays.
KEPT_MODELS = ("product.template", "product.product", "stock.lot", "stock.quant")


def uninstall_hook(env):
    """End what still waits for this addon: nobody is left who could give it an effect; what it kept back goes on."""
    rows = env["mrp.machine.event.posting"]
    for handler in HANDLERS:
        rows._end_handler(handler, env._("The addon that looks after quality was uninstalled."))
    # With the addon its holds go, so what waited for them is tried again.
    rows.search([("state", "=", "waiting"), ("reason", "in", ("lot_held", "order_held"))])._requeue()
    env["ir.model.data"].sudo().search(
        [("module", "=", "quality_machine_event"), ("model", "in", KEPT_MODELS)]
    ).unlink()
    _let_go(env)


def _let_go(env):
    """Let this addon's tables go as they are: nothing in them keeps a machine that goes with them."""
    env.flush_all()
    env.cr.execute(
        """SELECT conrelid::regclass::text, conname FROM pg_constraint
            WHERE contype = 'f' AND conrelid IN (
                  SELECT oid FROM pg_class WHERE relkind = 'r' AND relname LIKE 'quality\\_machine\\_%'
                     AND relnamespace = current_schema()::regnamespace)"""
    )
    for table, constraint in env.cr.fetchall():
        env.cr.execute(SQL("ALTER TABLE %s DROP CONSTRAINT %s", SQL.identifier(table), SQL.identifier(constraint)))
