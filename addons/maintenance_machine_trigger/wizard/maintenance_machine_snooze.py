from datetime import timedelta

from odoo import fields, models


class MaintenanceMachineSnooze(models.TransientModel):
    """Leave requests of machines alone until a moment, for a reason."""

    _name = "maintenance.machine.snooze"
    _description = "Snooze Requests of Machines"

    request_ids = fields.Many2many("maintenance.request", string="Requests", readonly=True)
    until = fields.Datetime(
        required=True,
        default=lambda self: fields.Datetime.now() + timedelta(days=1),
        help="It wakes by itself then. What comes meanwhile is counted in silence.",
    )
    reason = fields.Char(required=True, help="Why it can wait so long; it stands on the request.")

    def action_snooze(self):
        """Snooze them."""
        self.ensure_one()
        self.request_ids._snooze(self.until, self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
