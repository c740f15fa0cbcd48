from odoo import api, fields, models
from odoo.exceptions import ValidationError


class MaintenanceMachineEscalation(models.Model):
    """One step of a ladder: what happens to a request that is still open after so long."""

    _name = "maintenance.machine.escalation"
    _description = "Escalation of Machine Requests"
    _order = "hours, id"
    _rec_name = "hours"

    template_id = fields.Many2one("maintenance.machine.template", required=True, index=True, ondelete="cascade")
    hours = fields.Float(
        string="After (h)",
        required=True,
        default=4.0,
        help="Hours since the request was made. A snooze puts the step off until it is over.",
    )
    maintenance_team_id = fields.Many2one(
        "maintenance.team",
        string="To Team",
        ondelete="restrict",
        help="The request goes to this team. Empty: it stays.",
    )
    user_id = fields.Many2one("res.users", string="To", ondelete="restrict", help="Who is told.")
    group_id = fields.Many2one(
        "res.groups", string="To Role", ondelete="restrict", help="All users of this role are told."
    )
    by = fields.Selection(
        [("activity", "Activity"), ("mail", "Mail")],
        required=True,
        default="activity",
        help="Activity: it stands in their list until it is done. Mail: a message that they get as they get others.",
    )
    raise_priority = fields.Boolean(string="Priority High", help="The request becomes urgent.")

    _hours = models.Constraint("CHECK (hours >= 0)", "A request escalates after it was made.")

    @api.constrains("template_id", "maintenance_team_id", "user_id", "group_id", "raise_priority")
    def _check_target(self):
        for step in self:
            if not (step.maintenance_team_id or step.user_id or step.group_id or step.raise_priority):
                raise ValidationError(
                    self.env._("A step of an escalation needs a team, a person, a role or a priority.")
                )

    def _people(self, request):
        """Return the users who are told of a request by this step: of its company alone."""
        self.ensure_one()
        users = self.user_id | self.group_id.all_user_ids
        if not users and self.maintenance_team_id:
            users = self.maintenance_team_id.member_ids
        return users.filtered(lambda user: user.active and not user.share and request.company_id in user.company_ids)
