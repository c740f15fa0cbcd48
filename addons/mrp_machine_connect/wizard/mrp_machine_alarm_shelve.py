from datetime import timedelta

from odoo import fields, models


class MachineAlarmShelve(models.TransientModel):
    """Put alarms out of the way until a moment: they come back by themselves."""

    _name = "mrp.machine.alarm.shelve"
    _description = "Shelve Alarms"

    alarm_ids = fields.Many2many("mrp.machine.alarm", required=True, help="The alarms that are to be out of the way.")
    until = fields.Datetime(
        required=True,
        default=lambda self: fields.Datetime.now() + timedelta(hours=8),
        help="They come back by themselves from then on.",
    )
    reason = fields.Char(required=True, help="Shown with each of them.")

    def action_shelve(self):
        """Shelve them."""
        self.ensure_one()
        self.alarm_ids._shelve(self.until, self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
