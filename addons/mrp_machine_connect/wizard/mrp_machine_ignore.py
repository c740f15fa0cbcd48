from odoo import api, fields, models


class MachineIgnore(models.TransientModel):
    """End effects that wait, without one, for a reason that a person gives."""

    _name = "mrp.machine.ignore"
    _description = "Ignore Machine Events"

    event_posting_ids = fields.Many2many("mrp.machine.event.posting", string="Events", readonly=True)
    count = fields.Integer(compute="_compute_count")
    reason = fields.Char(required=True, help="Stays with each event, with your name.")

    @api.depends("event_posting_ids")
    def _compute_count(self):
        for wizard in self:
            wizard.count = len(wizard.event_posting_ids)

    def action_ignore(self):
        """Ignore them."""
        self.ensure_one()
        self.event_posting_ids._ignore(self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
