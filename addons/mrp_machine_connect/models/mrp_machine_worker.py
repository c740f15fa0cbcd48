from odoo import fields, models


class MachineWorker(models.Model):
    """A process that polls and posts (``odoo machine_worker``, or Odoo's cron): when it was last alive."""

    _name = "mrp.machine.worker"
    _description = "Machine Worker"
    _log_access = False
    _order = "last_seen desc, id desc"

    name = fields.Char(required=True, readonly=True, help="Host and process.")
    kind = fields.Selection([("worker", "Worker"), ("cron", "Scheduled action")], required=True, readonly=True)
    started = fields.Datetime(readonly=True)
    last_seen = fields.Datetime(readonly=True, index=True)
    stopped = fields.Datetime(readonly=True, help="When it said goodbye; empty while it runs, or when it was killed.")
    connections = fields.Integer(readonly=True, help="Connections whose lease it holds.")
    events = fields.Integer(readonly=True, help="Events stored since it started.")
    silent_since = fields.Datetime(readonly=True, help="Since when the responsible person knows that it is gone.")

    _name_unique = models.UniqueIndex("(name)")
