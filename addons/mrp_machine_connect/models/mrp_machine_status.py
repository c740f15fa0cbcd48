from odoo import fields, models

from .mrp_machine import STATES


class MachineStatus(models.Model):
    """The machine's hot row: written by every poll, so that none meets a person saving the form.

    What postings write is in ``mrp.machine.progress``: a posting takes longer than the time to the next poll, and two
    who write one row at the same time cost one of them all its work.
    """

    _name = "mrp.machine.status"
    _description = "Machine Status"
    _log_access = False
    _rec_name = "machine_id"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    state = fields.Selection(STATES, default="unknown", readonly=True)
    state_since = fields.Datetime(readonly=True)
    reason = fields.Char(readonly=True, help="What the machine gave as its reason for this state.")
    health = fields.Selection(
        [("none", "Not connected"), ("ok", "Connected"), ("failing", "Failing"), ("silent", "Silent")],
        default="none",
        readonly=True,
    )
    last_seen = fields.Datetime(readonly=True, help="When it last gave a good answer.")
    last_event = fields.Datetime(readonly=True, help="When its latest event occurred.")

    _machine_unique = models.UniqueIndex("(machine_id)")
