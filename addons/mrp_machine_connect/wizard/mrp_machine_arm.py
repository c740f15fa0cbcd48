from odoo import fields, models


class MachineArm(models.TransientModel):
    """Arms a database for the place where it is, for a reason that a person gives."""

    _name = "mrp.machine.arm"
    _description = "Arm a Database"

    reason = fields.Char(required=True, help="Stays on record with your name, here and on each connection and source.")

    def action_arm(self):
        """Arm it."""
        self.ensure_one()
        self.env["mrp.machine.arming"]._arm(self.reason)
        return {"type": "ir.actions.client", "tag": "soft_reload"}
