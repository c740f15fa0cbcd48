from odoo import fields, models


class MachineVarianceDecide(models.TransientModel):
    """Approve or refuse differences of consumption, for a reason that a person gives."""

    _name = "mrp.machine.variance.decide"
    _description = "Decide on Differences of Consumption"

    variance_ids = fields.Many2many("mrp.machine.variance", string="Differences", readonly=True)
    decision = fields.Selection(
        [("approved", "Approve: book what was used"), ("refused", "Refuse: the bill of materials holds")],
        required=True,
        default="approved",
        help="What is booked.",
    )
    reason = fields.Char(required=True, help="Stays with each difference, with your name.")

    def action_decide(self):
        """Decide; what follows is booked in a moment."""
        self.ensure_one()
        self.variance_ids._settle(self.decision, self.reason)
        return {"type": "ir.actions.act_window_close"}
