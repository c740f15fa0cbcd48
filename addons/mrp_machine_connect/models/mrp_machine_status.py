from odoo import fields, models

from .mrp_machine import STATES


class MachineStatus(models.Model):
    """The machine's hot row: written by every poll and posting, so that these never meet a person saving the form."""

    _name = "mrp.machine.status"
    _description = "Machine Status"
    _log_access = False
    _rec_name = "machine_id"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    state = fields.Selection(STATES, default="unknown", readonly=True)
    state_since = fields.Datetime(readonly=True)
    reason = fields.Char(readonly=True, help="What the machine gave as its reason for this state.")
    production_id = fields.Many2one(
        "mrp.production", string="Order", readonly=True, index="btree_not_null", ondelete="set null"
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", ondelete="set null"
    )
    good = fields.Float(readonly=True, digits=(16, 3), help="Good pieces counted on the order in progress.")
    reject = fields.Float(readonly=True, digits=(16, 3), help="Rejected pieces counted on the order in progress.")
    target = fields.Float(readonly=True, digits=(16, 3), help="Quantity of the order in progress.")
    health = fields.Selection(
        [("none", "Not connected"), ("ok", "Connected"), ("failing", "Failing"), ("silent", "Silent")],
        default="none",
        readonly=True,
    )
    last_seen = fields.Datetime(readonly=True, help="When it last gave a good answer.")
    last_event = fields.Datetime(readonly=True, help="When its latest event occurred.")

    _machine_unique = models.UniqueIndex("(machine_id)")
