from odoo import fields, models


class MachineConnectionStatus(models.Model):
    """The connection's hot row: when it is due, and how it fared."""

    _name = "mrp.machine.connection.status"
    _description = "Machine Connection Status"
    _log_access = False
    _rec_name = "connection_id"

    connection_id = fields.Many2one(
        "mrp.machine.connection", required=True, readonly=True, index=True, ondelete="cascade"
    )
    endpoint_id = fields.Many2one("mrp.machine.endpoint", readonly=True, index=True, ondelete="restrict")
    next_poll = fields.Datetime(readonly=True, help="When it is due; by the clock of PostgreSQL.")
    last_try = fields.Datetime(readonly=True)
    last_ok = fields.Datetime(readonly=True, help="When it last answered.")
    failing_since = fields.Datetime(readonly=True)
    failures = fields.Integer(readonly=True, help="Failed tries in a row.")
    code = fields.Char(readonly=True, help="Why the last try failed.")
    params = fields.Json(readonly=True)
    seconds = fields.Float(readonly=True, digits=(16, 3), help="How long the last read took.")
    skipped = fields.Integer(readonly=True, help="Polls left out because the one before had not ended.")
    silent_since = fields.Datetime(readonly=True, help="Since when the responsible person knows.")

    _connection_unique = models.UniqueIndex("(connection_id)")
    _due = models.Index("(next_poll)")
