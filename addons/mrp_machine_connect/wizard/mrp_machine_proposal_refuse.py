from odoo import fields, models


class MachineProposalRefuse(models.TransientModel):
    """Refuse what machines propose, for a reason that a person gives."""

    _name = "mrp.machine.proposal.refuse"
    _description = "Refuse Proposals of Machines"

    proposal_ids = fields.Many2many("mrp.machine.proposal", string="Proposals", readonly=True)
    reason = fields.Char(required=True, help="Stays with each event, with your name.")

    def action_refuse(self):
        """Refuse them."""
        self.ensure_one()
        self.proposal_ids._refuse(self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
