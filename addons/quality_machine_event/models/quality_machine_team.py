"""Who looks into what goes wrong, and who is called when nobody does."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.moments import moment_words
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import ValidationError

#: Alerts that one pass of the ladder looks at.
PASS = 500


class QualityMachineTeam(models.Model):
    """The people who get alerts and checks, and the ladder of those who are called after them."""

    _name = "quality.machine.team"
    _description = "Quality Team"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, help="As it shows on alerts and checks.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", index=True, help="Empty: for all companies.")
    member_ids = fields.Many2many("res.users", string="Members", help="Their checks and alerts are those of the team.")
    step_ids = fields.One2many(
        "quality.machine.escalation", "team_id", string="Escalation", help="Who is called when an alert stays open."
    )


class QualityMachineEscalation(models.Model):
    """A step of the ladder: so long after an alert was raised, and it is still open, this person is called."""

    _name = "quality.machine.escalation"
    _description = "Escalation Step"
    _order = "team_id, delay, id"

    team_id = fields.Many2one(
        "quality.machine.team", required=True, index=True, ondelete="cascade", help="Whose ladder."
    )
    delay = fields.Float("After (hours)", required=True, default=4.0, help="Hours since the alert was raised.")
    role = fields.Char(required=True, translate=True, help="Who that is: shift leader, head of quality, plant manager.")
    user_id = fields.Many2one(
        "res.users", required=True, domain="[('share', '=', False)]", help="Gets an activity for it."
    )
    by_mail = fields.Boolean("Mail as Well", help="The person gets a mail beside the activity.")
    least_priority = fields.Selection(
        [("0", "Low"), ("1", "Medium"), ("2", "High"), ("3", "Critical")],
        string="From Severity",
        required=True,
        default="0",
        help="Alerts of a lower severity do not come here.",
    )

    _delay_range = models.Constraint("CHECK (delay >= 0 AND delay <= 8760)", "After: hours from 0 to a year.")

    @api.constrains("delay")
    def _check_delay(self):
        for step in self:
            if not 0 <= step.delay <= 8760:  # NaN is neither
                raise ValidationError(self.env._("After: hours from 0 to a year."))


class QualityMachineAlert(models.Model):
    _inherit = "quality.machine.alert"

    escalation_ids = fields.Many2many(
        "quality.machine.escalation",
        string="Called",
        readonly=True,
        copy=False,
        help="Steps of the ladder that were taken.",
    )
    escalation_words = fields.Char(
        "Escalated To", compute="_compute_escalation_words", help="Who was called because the alert stayed open."
    )

    @api.depends("escalation_ids")
    def _compute_escalation_words(self):
        for alert in self:
            alert.escalation_words = ", ".join(
                f"{step.role}: {step.user_id.name}" for step in alert.sudo().escalation_ids.sorted("delay")
            )  # sudo: whoever sees the alert may know who was called

    @api.model
    def _cron_escalate(self):
        """Call the next person of each ladder whose time has come; each step once."""
        now = fields.Datetime.now()
        steps = self.env["quality.machine.escalation"].search([("team_id.active", "=", True)])
        for step in steps:
            alerts = self.search(
                [
                    ("team_id", "=", step.team_id.id),
                    ("state", "in", ("new", "in_progress")),
                    ("raised", "<=", now - timedelta(hours=step.delay)),
                    ("priority", ">=", step.least_priority),
                    ("escalation_ids", "not in", step.ids),
                ],
                limit=PASS,
                order="id",
            )
            for alert in alerts:
                alert._escalate(step)

    def _escalate(self, step):
        """Call a person for this alert, and say so on it and on its order."""
        self.ensure_one()
        words = self.env._(
            "%(alert)s is open since %(since)s: %(role)s %(who)s is called.",
            alert=self.display_name,
            since=moment_words(self, self.raised),
            role=step.role,
            who=step.user_id.name,
        )
        self.write({"escalation_ids": [(4, step.id)]})
        self.activity_schedule(
            "quality_machine_event.activity_type_escalation",
            fields.Date.context_today(self),
            user_id=step.user_id.id,
            summary=self.env._("Open for %s h", number_text(step.delay)),
            note=words,
        )
        partners = step.user_id.partner_id.ids if step.by_mail else []
        self.message_post(
            body=words, partner_ids=partners, subtype_xmlid="mail.mt_note" if not partners else "mail.mt_comment"
        )
        if self.production_id:
            self.production_id.message_post(body=words)
