from odoo import api, fields, models

from ..fields import BigInteger


class MachineStream(models.Model):
    """One ordered flow of a sender (CloudEvents ``source``), with how far it has come."""

    _name = "mrp.machine.stream"
    _description = "Machine Event Stream"
    _log_access = False
    _rec_name = "name"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, index=True, ondelete="restrict")
    machine_id = fields.Many2one("mrp.machine", readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", related="machine_id.company_id")
    name = fields.Char(required=True, readonly=True)
    epoch = BigInteger(required=True, readonly=True, default=1, help="Grows when the sender lost its own count.")
    lowest = BigInteger(readonly=True, help="The lowest number that came; empty where Odoo itself counts.")
    sequence = BigInteger(required=True, readonly=True, default=0, help="The highest sequence number stored.")

    gap_ids = fields.One2many("mrp.machine.gap", "stream_id", string="Gaps", help="Numbers that were left out.")

    gap_count = fields.Integer("Open Gaps", compute="_compute_gap_count", help="How many gaps are open still.")

    _stream_unique = models.UniqueIndex("(source_id, name, epoch)")

    @api.depends("gap_ids.closed")
    def _compute_gap_count(self):
        for stream in self:
            stream.gap_count = len(stream.gap_ids.filtered(lambda gap: not gap.closed))
