from fnmatch import fnmatchcase

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..machine_connect.networks import is_within, unfit

#: Kinds that live in Odoo itself and need no key.
INSIDE = ("poller", "people", "rules")
#: Environments in which a bearer key needs no reason; any other one may be production by another name.
HARMLESS_ENVIRONMENTS = ("development", "dev", "test", "staging")


class MachineSource(models.Model):
    """Who delivers events: the poller inside Odoo, people, and whoever else is let in. The sender's rights hang here."""

    _name = "mrp.machine.source"
    _description = "Machine Event Source"
    _inherit = ["mail.thread", "mrp.machine.armed"]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True, help="Who delivers: a poller, a middleware, people in Odoo.")
    kind = fields.Selection(
        [
            ("poller", "Poller in Odoo"),
            ("people", "People in Odoo"),
            ("rules", "Rules in Odoo"),
            ("gateway", "Edge gateway"),
            ("middleware", "Middleware or MES"),
            ("client", "Machine or script"),
        ],
        required=True,
        default="client",
        tracking=True,
        help="Poller: Odoo itself reads the machines. People: pieces that somebody added or corrected by hand. Rules: what "
        "follows from what was counted, such as that an order is complete. All others deliver signed events over HTTPS.",
    )
    company_id = fields.Many2one(
        "res.company",
        default=lambda self: self.env.company,
        tracking=True,
        help="The company whose machines it speaks for. Empty, for what lives in Odoo: all companies.",
    )
    active = fields.Boolean(default=True, tracking=True)
    is_outside = fields.Boolean(compute="_compute_is_outside", help="Delivers over HTTPS and needs a key.")
    machine_ids = fields.Many2many(
        "mrp.machine",
        string="Machines",
        check_company=True,
        help="It may speak for these machines, and for those of the areas. Without one nothing is taken from it.",
    )
    areas = fields.Text(
        tracking=True,
        help="It may speak for all machines of these areas as well, also for those that come later: an area a line, or an "
        "area and a line: Hall 2 / Line 4. Written as on the machines.",
    )
    spoken_machine_ids = fields.Many2many(
        "mrp.machine",
        compute="_compute_spoken_machine_ids",
        string="Speaks For",
        help="The machines that it may speak for now.",
    )
    event_types = fields.Char(
        default="machine.* production.* alarm.* quality.*",
        tracking=True,
        help="Types of events that it may deliver, with * for any part, apart by spaces: machine.* production.count. What "
        "corrects pieces (correction.*) must be named.",
    )
    allows_deliver = fields.Boolean("Deliver Events", default=True, tracking=True, help="It may deliver events.")
    allows_heartbeat = fields.Boolean(
        "Say That It Is Alive", default=True, tracking=True, help="It may send heartbeats: version, spool, clock."
    )
    allows_config = fields.Boolean(
        "Read Its Configuration",
        default=True,
        tracking=True,
        help="It may read connections (without secrets), signals and codes of its machines.",
    )
    allows_trace = fields.Boolean(
        "Ask for Its Events", default=True, tracking=True, help="It may read what became of an event that it delivered."
    )
    allows_metrics = fields.Boolean(
        "Read Figures",
        tracking=True,
        help="It may read the figures of its company's sources, for Prometheus. For a monitoring system, not for a sender.",
    )
    networks = fields.Char(
        "Allowed Networks",
        tracking=True,
        help="Where it may call from, apart by spaces: 192.168.10.0/24 10.0.0.7. Empty: from anywhere. Must be set where "
        "bearer keys are allowed.",
    )
    allows_bearer = fields.Boolean(
        "Cannot Sign",
        copy=False,
        tracking=True,
        help="Allow bearer keys, for a device that cannot sign: the key itself is sent with each request, and whoever listens "
        "can use it. It may correct nothing, and call from the allowed networks only. Not for production.",
    )
    allows_bearer_in_production = fields.Boolean(
        "Also in Production",
        copy=False,
        tracking=True,
        help="Take its bearer keys in production too. Say why: the reason is logged.",
    )
    bearer_reason = fields.Char(
        "Reason",
        copy=False,
        tracking=True,
        help="Why bearer keys are taken in production, and until when that is meant.",
    )
    key_ids = fields.One2many(
        "mrp.machine.source.key", "source_id", string="Keys", help="What it signs with. Several may be valid at a time."
    )
    refusal_ids = fields.One2many(
        "mrp.machine.refusal",
        "source_id",
        string="Refused",
        help="What was not taken from it, a line a day and reason.",
    )
    last_heard = fields.Datetime(
        compute="_compute_last_heard", help="When a request with one of its keys was last taken."
    )
    stream_ids = fields.One2many(
        "mrp.machine.stream",
        "source_id",
        string="Streams",
        help="The ordered flows of its events, each with how far it has come: one for each connection.",
    )
    translation_ids = fields.One2many(
        "mrp.machine.source.translation",
        "source_id",
        string="Translations",
        groups="mrp_machine_connect.group_supervisor",
        help="What the metrics of a sender that knows nothing of events become, such as Telegraf's.",
    )

    _company_outside = models.Constraint(
        "CHECK (kind IN ('poller', 'people', 'rules') OR company_id IS NOT NULL)",
        "A source that delivers from outside belongs to a company: choose one.",
    )

    @api.depends("kind")
    def _compute_is_outside(self):
        for source in self:
            source.is_outside = source.kind not in INSIDE

    @api.depends("machine_ids", "areas", "company_id")
    def _compute_spoken_machine_ids(self):
        for source in self:
            source.spoken_machine_ids = source._machines()

    @api.depends("key_ids.last_used")
    def _compute_last_heard(self):
        for source in self:
            source.last_heard = max(filter(None, source.key_ids.mapped("last_used")), default=False)

    @api.constrains("networks")
    def _check_networks(self):
        for source in self:
            if word := unfit(source.networks or ""):
                raise ValidationError(
                    self.env._(
                        "Allowed Networks: «%s» is no network. Enter an address such as 10.0.0.7 or a network such as "
                        "192.168.10.0/24.",
                        word,
                    )
                )

    @api.constrains("allows_bearer", "networks", "allows_bearer_in_production", "bearer_reason")
    def _check_bearer(self):
        for source in self:
            if source.allows_bearer and not (source.networks or "").split():
                raise ValidationError(
                    self.env._(
                        "Cannot Sign: enter the networks that %s may call from. Whoever listens can use a bearer key, so it "
                        "is taken from there only.",
                        source.name,
                    )
                )
            if source.allows_bearer_in_production and not (source.bearer_reason or "").strip():
                raise ValidationError(
                    self.env._("Also in Production: say why %s may send bearer keys in production.", source.name)
                )

    def _machines(self, codes=None):
        """Return the machines that this source may speak for: those chosen and those of its areas, of its company, in use.

        :param codes: only those with these codes; None: all
        """
        self.ensure_one()
        return self.env["mrp.machine"].browse(row["id"] for row in self._machine_rows(codes))

    def _machine_rows(self, codes=None):
        """Return what each event asks of its machine, a dict a machine: ``id, code, company_id, late_window, early_window``.

        :param codes: only the machines with these codes; None: all
        """
        self.env["mrp.machine"].flush_model(
            ["active", "area", "code", "company_id", "early_window", "late_window", "line", "sequence"]
        )
        areas = [line.strip() for line in (self.areas or "").splitlines() if line.strip()]
        relation = self._fields["machine_ids"]
        chosen = SQL(
            "EXISTS (SELECT FROM %s chosen WHERE chosen.%s = %s AND chosen.%s = machine.id)",
            SQL.identifier(relation.relation),
            SQL.identifier(relation.column1),
            self.id or None,
            SQL.identifier(relation.column2),
        )
        if not isinstance(self.id, int):  # a form that is not saved yet
            chosen = SQL("machine.id = ANY(%s::int[])", self.machine_ids.ids)
        if areas:
            chosen = SQL(
                """%(chosen)s OR machine.area = ANY(%(areas)s::text[])
                   OR CONCAT(machine.area, ' / ', machine.line) = ANY(%(areas)s::text[])""",
                chosen=chosen,
                areas=areas,
            )
        # By SQL: asked at each request; a gateway may speak for hundreds of machines, and a batch is about a few. Of its own
        # company alone, also where a machine has moved to another one since.
        self.env.cr.execute(
            SQL(
                """SELECT machine.id, machine.code, machine.company_id, machine.late_window, machine.early_window
                     FROM mrp_machine machine
                    WHERE machine.active AND (%(company)s IS NULL OR machine.company_id = %(company)s)
                      AND (%(codes)s::text[] IS NULL OR machine.code = ANY(%(codes)s::text[])) AND (%(chosen)s)
                    ORDER BY machine.sequence, machine.id""",
                company=self.company_id.id or None,
                codes=None if codes is None else list(codes),
                chosen=chosen,
            )
        )
        return self.env.cr.dictfetchall()

    def _allows(self, action):
        """Return whether this source may ask for something, of :data:`mrp_machine_door.ACTIONS`."""
        self.ensure_one()
        return bool(self[f"allows_{action}"])

    def _takes_bearer(self, environment):
        """Return whether this source may send a key instead of a signature in an environment."""
        self.ensure_one()
        is_harmless = environment in HARMLESS_ENVIRONMENTS
        return self.allows_bearer and (is_harmless or self.allows_bearer_in_production)

    def _takes_from(self, address, is_bearer=False):
        """Return whether requests may come from this address; what is not signed only from networks that are named."""
        self.ensure_one()
        networks = (self.networks or "").strip()
        return is_within(address, networks) if networks else not is_bearer

    def _may_deliver(self, event_type):
        """Return whether events of this type may come from this source."""
        self.ensure_one()
        patterns = (self.event_types or "").split()
        if event_type.startswith("correction."):
            if self.env.context.get("machine_bearer"):
                return False  # whoever listens could take pieces away
            # Taking pieces away is never meant by a star alone.
            patterns = [pattern for pattern in patterns if pattern.startswith("correction.")]
        return any(fnmatchcase(event_type, pattern) for pattern in patterns)

    def action_add_telegraf(self):
        """Add the translations of what the recipe for Telegraf sends."""
        self.ensure_one()
        self.env["mrp.machine.source.translation"]._add_telegraf(self)

    def action_new_key(self):
        """Make a key for this source and show its secret, once."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Key"),
            "res_model": "mrp.machine.source.new.key",
            "view_mode": "form",
            "target": "new",
            "context": {"default_source_id": self.id},
        }
