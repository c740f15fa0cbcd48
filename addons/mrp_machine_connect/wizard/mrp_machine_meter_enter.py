from odoo import fields, models
from odoo.exceptions import UserError

from ..moments import microseconds_of


class MachineMeterEnter(models.TransientModel):
    """Enter what a meter shows, or that another one took its place."""

    _name = "mrp.machine.meter.enter"
    _description = "Enter a Reading of a Meter"

    meter_id = fields.Many2one("mrp.machine.meter", required=True)
    unit = fields.Selection(related="meter_id.unit")
    at = fields.Datetime(required=True, default=fields.Datetime.now, help="When it showed this.")
    shows = fields.Float(digits=(16, 3), help="What the meter shows.")
    is_replaced = fields.Boolean(
        "Another Meter", help="The meter was replaced, or set to another value: the sum goes on from here."
    )
    shown_before = fields.Float(
        "The Old One Showed", digits=(16, 3), help="What the old meter showed in the end. 0: as at its last reading."
    )

    def action_enter(self):
        """Take the reading in."""
        self.ensure_one()
        if not self.env.user.has_group("mrp_machine_connect.group_supervisor"):
            raise UserError(self.env._("Only supervisors of the machines may enter readings of meters."))
        if self.at > fields.Datetime.now():
            raise UserError(self.env._("At: this moment is still to come."))
        if self.shows < 0:
            raise UserError(self.env._("Shows: enter 0 or more."))
        kind = "replaced" if self.is_replaced else "reading"
        self.meter_id._read(microseconds_of(self.at), self.shows, kind, shown_before=self.shown_before or None)
        return {"type": "ir.actions.act_window_close"}
