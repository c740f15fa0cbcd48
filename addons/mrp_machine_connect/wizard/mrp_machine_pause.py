from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError


class MachinePause(models.TransientModel):
    """Let a machine's events wait until a moment: they are kept, and posted afterwards at their own time."""

    _name = "mrp.machine.pause"
    _description = "Pause Posting"

    machine_id = fields.Many2one("mrp.machine", required=True)
    until = fields.Datetime(
        required=True,
        default=lambda self: fields.Datetime.now() + timedelta(hours=1),
        help="Posting goes on by itself from then on.",
    )
    reason = fields.Char(required=True, help="Shown on the machine and with each event that waits.")

    def action_pause(self):
        """Pause the machine."""
        self.ensure_one()
        if self.until <= fields.Datetime.now():
            raise UserError(self.env._("Until: this moment has passed. Choose when posting is to go on."))
        self.machine_id._pause(self.until, self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
