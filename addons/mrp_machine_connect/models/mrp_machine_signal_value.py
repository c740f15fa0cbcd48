from odoo import fields, models


class MachineSignalValue(models.Model):
    """The signal's hot row: its last value and what its counter remembers."""

    _name = "mrp.machine.signal.value"
    _description = "Machine Signal Value"
    _log_access = False
    _rec_name = "signal_id"

    signal_id = fields.Many2one("mrp.machine.signal", required=True, readonly=True, index=True, ondelete="cascade")
    value = fields.Char(readonly=True, help="The value after extraction, scale and offset.")
    at = fields.Datetime(readonly=True, help="When it was so, by the machine's clock.")
    read_at = fields.Datetime(readonly=True, help="When it was read.")
    quality = fields.Selection(
        [("good", "Good"), ("uncertain", "Uncertain"), ("bad", "Bad"), ("stale", "Stale")], readonly=True
    )
    code = fields.Char(readonly=True, help="Why it is not good.")
    raw = fields.Json(readonly=True, help="Registers or DataValue as read.")
    memory = fields.Json(readonly=True, help="What the counter or the state remembers between two readings.")

    _signal_unique = models.UniqueIndex("(signal_id)")
