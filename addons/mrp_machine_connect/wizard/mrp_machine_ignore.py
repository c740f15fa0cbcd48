from odoo import api, fields, models


class MachineIgnore(models.TransientModel):
    """End effects that wait, without one, for a reason that a person gives: some, or all that wait for some causes."""

    _name = "mrp.machine.ignore"
    _description = "Ignore Machine Events"

    event_posting_ids = fields.Many2many("mrp.machine.event.posting", string="Events", readonly=True)
    causes = fields.Json(help="What tells the causes whose events are ignored from others.")
    events = fields.Integer("Waiting Events", readonly=True, help="So many events wait for these causes.")
    count = fields.Integer(compute="_compute_count")
    reason = fields.Char(required=True, help="Stays with each event, with your name.")

    @api.depends("event_posting_ids", "events")
    def _compute_count(self):
        for wizard in self:
            wizard.count = wizard.events or len(wizard.event_posting_ids)

    def action_ignore(self):
        """Ignore them: a few at once, all of a cause in passes."""
        self.ensure_one()
        reason = self.reason.strip()
        if self.causes:
            return self.env["mrp.machine.remedy"]._start(self.causes, "ignore", reason)._started()
        self.event_posting_ids._ignore(reason)
        return {"type": "ir.actions.act_window_close"}
