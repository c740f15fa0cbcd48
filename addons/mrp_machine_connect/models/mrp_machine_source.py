from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from odoo import api, fields, models
from odoo.exceptions import ValidationError

#: Kinds that live in Odoo itself and need no key.
INSIDE = ("poller", "people")


class MachineSource(models.Model):
    """Who delivers events: the poller inside Odoo, people, and whoever else is let in. The sender's rights hang here."""

    _name = "mrp.machine.source"
    _description = "Machine Event Source"
    _inherit = ["mail.thread"]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True, help="Who delivers: a poller, a middleware, people in Odoo.")
    kind = fields.Selection(
        [
            ("poller", "Poller in Odoo"),
            ("people", "People in Odoo"),
            ("gateway", "Edge gateway"),
            ("middleware", "Middleware or MES"),
            ("client", "Machine or script"),
        ],
        required=True,
        default="client",
        tracking=True,
        help="Poller: Odoo itself reads the machines. People: pieces that somebody added or corrected by hand. All others "
        "deliver signed events over HTTPS.",
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
        help="It may speak for these machines only. Without one nothing is taken from it.",
    )
    event_types = fields.Char(
        default="machine.* production.* alarm.* quality.*",
        tracking=True,
        help="Types of events that it may deliver, with * for any part, apart by spaces: machine.* production.count. What "
        "corrects pieces (correction.*) must be named.",
    )
    networks = fields.Char(
        "Allowed Networks",
        tracking=True,
        help="Where it may call from, apart by spaces: 192.168.10.0/24 10.0.0.7. Empty: from anywhere.",
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

    _company_outside = models.Constraint(
        "CHECK (kind IN ('poller', 'people') OR company_id IS NOT NULL)",
        "A source that delivers from outside belongs to a company: choose one.",
    )

    @api.depends("kind")
    def _compute_is_outside(self):
        for source in self:
            source.is_outside = source.kind not in INSIDE

    @api.depends("key_ids.last_used")
    def _compute_last_heard(self):
        for source in self:
            source.last_heard = max(filter(None, source.key_ids.mapped("last_used")), default=False)

    @api.constrains("networks")
    def _check_networks(self):
        for source in self:
            for word in (source.networks or "").split():
                try:
                    ip_network(word)
                except ValueError:
                    raise ValidationError(
                        self.env._(
                            "Allowed Networks: «%s» is no network. Enter an address such as 10.0.0.7 or a network such as "
                            "192.168.10.0/24.",
                            word,
                        )
                    ) from None

    def _takes_from(self, address):
        """Return whether requests may come from this address."""
        self.ensure_one()
        networks = (self.networks or "").split()
        if not networks:
            return True
        try:
            caller = ip_address(address or "")
        except ValueError:
            return False
        return any(caller in ip_network(network) for network in networks)

    def _may_deliver(self, event_type):
        """Return whether events of this type may come from this source."""
        self.ensure_one()
        patterns = (self.event_types or "").split()
        if event_type.startswith("correction."):
            # Taking pieces away is never meant by a star alone.
            patterns = [pattern for pattern in patterns if pattern.startswith("correction.")]
        return any(fnmatchcase(event_type, pattern) for pattern in patterns)

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
