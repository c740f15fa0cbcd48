from odoo import fields, models

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
    sequence = BigInteger(required=True, readonly=True, default=0, help="The highest sequence number stored.")

    _stream_unique = models.UniqueIndex("(source_id, name, epoch)")
