from odoo import fields, models

from ..fields import BigInteger


class MachineGap(models.Model):
    """Numbers of a stream that were left out: noticed when a higher one came, closed when the last of them has come."""

    _name = "mrp.machine.gap"
    _description = "Machine Event Gap"
    _log_access = False
    _order = "opened desc, id desc"
    _rec_name = "stream_id"

    stream_id = fields.Many2one("mrp.machine.stream", required=True, readonly=True, ondelete="cascade")
    source_id = fields.Many2one(related="stream_id.source_id")
    company_id = fields.Many2one(related="stream_id.company_id")
    first = BigInteger("From Number", required=True, readonly=True, help="The first number that was missing.")
    last = BigInteger("To Number", required=True, readonly=True, help="The last number that was missing.")
    missing = fields.Json(readonly=True, help="Ranges of what is missing still.")
    opened = fields.Datetime(required=True, readonly=True, help="When it was noticed.")
    closed = fields.Datetime(readonly=True, help="When the last of them came. Empty: something is missing still.")

    _open = models.Index("(stream_id) WHERE closed IS NULL")
    _stream = models.Index("(stream_id, id)")
