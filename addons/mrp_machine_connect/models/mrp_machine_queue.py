from odoo import fields, models

from ..fields import LooseMany2one


class MachineQueue(models.Model):
    """Events whose effect is due: written with the event, deleted with its effect. Narrow, so nobody scans the log."""

    _name = "mrp.machine.queue"
    _description = "Machine Event Queue"
    _log_access = False
    _rec_name = "event_id"

    event_id = LooseMany2one("mrp.machine.event", required=True, readonly=True, ondelete="restrict")
    machine_id = LooseMany2one("mrp.machine", required=True, readonly=True, ondelete="restrict")
    not_before = fields.Datetime(readonly=True, help="A failed try waits so long.")
    is_patient = fields.Boolean(readonly=True, help="Only effects are left that other machines' pieces go before.")

    _event_unique = models.UniqueIndex("(event_id)")
    _machine_index = models.Index("(machine_id, event_id)")
