from odoo import fields, models


class MachineSource(models.Model):
    """Who delivers events: the poller inside Odoo, people, and whoever else is let in. The sender's rights hang here."""

    _name = "mrp.machine.source"
    _description = "Machine Event Source"
    _order = "name, id"

    name = fields.Char(required=True, help="Who delivers: a poller, a middleware, people in Odoo.")
    kind = fields.Selection(
        [("poller", "Poller in Odoo"), ("people", "People in Odoo")],
        required=True,
        default="poller",
        help="Poller: Odoo itself reads the machines. People: pieces that somebody added or corrected by hand.",
    )
    company_id = fields.Many2one("res.company", help="Empty: for all companies.")
    active = fields.Boolean(default=True)
    stream_ids = fields.One2many(
        "mrp.machine.stream",
        "source_id",
        string="Streams",
        help="The ordered flows of its events, each with how far it has come: one for each connection.",
    )
