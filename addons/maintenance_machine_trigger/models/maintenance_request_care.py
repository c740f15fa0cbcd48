"""What becomes of a machine's request while it is open: snoozed, standing, escalated, or found to be no fault."""

from datetime import timedelta

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

from . import maintenance_request  # noqa: F401 - extended here, so it must be there

#: Hours after which a fault that was never taken back is said to stand, unless the settings of alarms say otherwise.
STANDING_HOURS = 24
#: Alarms that a request shows.
MOST_ALARMS = 20


class MaintenanceRequest(models.Model):
    _inherit = "maintenance.request"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_snoozed_until = fields.Datetime(
        string="Snoozed Until",
        readonly=True,
        copy=False,
        tracking=True,
        help="Until then the fault is counted here in silence: no note, no escalation, and no new request if this one is "
        "closed. It wakes by itself.",
    )
    machine_snooze_reason = fields.Char(
        string="Why Snoozed", readonly=True, copy=False, help="Why it can wait so long."
    )
    machine_is_snoozed = fields.Boolean(
        string="Snoozed",
        compute="_compute_machine_is_snoozed",
        search="_search_machine_is_snoozed",
        help="It is snoozed now.",
    )
    machine_is_standing = fields.Boolean(
        string="Standing",
        readonly=True,
        copy=False,
        help="The machine has not taken it back for so long that nobody seems to look after it. The settings of alarms say how "
        "long that is.",
    )
    machine_escalations = fields.Integer(
        string="Escalated", readonly=True, copy=False, help="How many steps of its template's ladder it has climbed."
    )
    machine_escalated = fields.Datetime(
        string="Last Escalated", readonly=True, copy=False, help="When it climbed the last."
    )
    machine_verdict = fields.Selection(
        [("not_fault", "Not a fault")],
        string="Verdict",
        readonly=True,
        copy=False,
        tracking=True,
        help="What a person found it to be. Not a fault: the rule should not have raised it.",
    )
    machine_verdict_reason = fields.Char(string="Why", readonly=True, copy=False, help="Why it is not a fault.")
    # As a table and not as records: whoever gets the task need not be allowed to see machines.
    machine_history = fields.Html(
        string="Alarm History",
        compute="_compute_machine_history",
        compute_sudo=True,
        help="The latest occurrences of this fault, with the values that the machine showed.",
    )

    @api.depends("machine_fault_key", "machine_occurrences", "machine_cleared")
    @api.depends_context("lang", "tz")
    def _compute_machine_history(self):
        alarms = self.env["mrp.machine.alarm"]
        for request in self:
            domain = [("machine_id", "=", request.machine_id.id), ("code", "=", request.machine_fault_key)]
            found = alarms.search(domain, limit=MOST_ALARMS) if request.machine_fault_key else alarms
            request.machine_history = request._history(found) if found else False

    def _history(self, alarms):
        """Return a table of alarms as HTML; all words in it are escaped."""
        _ = self.env._
        head = (_("Raised"), _("Cleared"), _("Times"), _("What"), _("Values"))
        rows = [
            (
                self._moment(alarm.raised),
                self._moment(alarm.cleared) or _("stands"),
                alarm.occurrences,
                alarm.display_name,
                alarm.values_text or "",
            )
            for alarm in alarms
        ]
        cells = [Markup("<tr>%s</tr>") % Markup().join(Markup("<td>%s</td>") % cell for cell in row) for row in rows]
        titles = Markup().join(Markup("<th>%s</th>") % title for title in head)
        return Markup('<table class="table table-sm"><thead><tr>%s</tr></thead><tbody>%s</tbody></table>') % (
            titles, Markup().join(cells),
        )  # fmt: skip

    @api.depends("machine_snoozed_until")
    def _compute_machine_is_snoozed(self):
        now = fields.Datetime.now()
        for request in self:
            request.machine_is_snoozed = request._is_snoozed(now)

    def _search_machine_is_snoozed(self, operator, value):
        if operator != "in":
            return NotImplemented
        snoozed = [("machine_snoozed_until", ">", fields.Datetime.now())]
        if True not in value:
            return ["|", ("machine_snoozed_until", "=", False), ("machine_snoozed_until", "<=", fields.Datetime.now())]
        return [(1, "=", 1)] if False in value else snoozed

    def _is_snoozed(self, moment):
        return bool(self.machine_snoozed_until and moment < self.machine_snoozed_until)

    # Snooze

    def action_snooze(self):
        """Ask until when these requests are to be left alone, and why."""
        self._check_machines_request()
        return self._action_ask("maintenance.machine.snooze", self.env._("Snooze"))

    def action_wake(self):
        """End the snooze of these requests before its time."""
        self._check_machines_request()
        self.write({"machine_snoozed_until": False, "machine_snooze_reason": False})

    def _snooze(self, until, reason):
        """Leave these requests alone until a moment, naive UTC, that is still to come."""
        self._check_machines_request()
        if until <= fields.Datetime.now():
            raise UserError(self.env._("Choose an end that is still to come: a snooze ends by itself."))
        self.write({"machine_snoozed_until": until, "machine_snooze_reason": reason})

    def _check_machines_request(self):
        self.check_access("write")
        if not all(self.mapped("machine_fault_key")):
            raise UserError(self.env._("Only requests that a machine raised can be handled in this way."))

    def _action_ask(self, model, name):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "form",
            "target": "new",
            "context": {"default_request_ids": self.ids},
        }

    # Not a fault

    def action_not_fault(self):
        """Ask why this is not a fault, and show how the rule would not raise it again."""
        self.ensure_one()
        self._check_machines_request()
        return self._action_ask("maintenance.machine.not.fault", self.env._("Not a Fault"))

    def _not_fault(self, reason):
        """Close these requests because nothing is wrong."""
        self._check_machines_request()
        for request in self:
            request.write({"machine_verdict": "not_fault", "machine_verdict_reason": reason})
            request._message_log(body=self.env._("Not a fault: %s", reason))
        self.archive_equipment_request()

    # What time does

    @api.model
    def _cron_care(self):
        """Wake what was snoozed until now, say what stands for long, and let what waits for long climb its ladder."""
        self._wake_due()
        self._find_standing()
        self._escalate_due()

    @api.model
    def _wake_due(self):
        now = fields.Datetime.now()
        due = self.search([("machine_snoozed_until", "!=", False), ("machine_snoozed_until", "<=", now)])
        for request in due.filtered("machine_fault_open"):
            language, zone = request._reader()
            spoken = request.with_context(lang=language)
            request._message_log(body=spoken.env._("The snooze is over. %s", spoken._fault_sentence(zone)))
        due.write({"machine_snoozed_until": False, "machine_snooze_reason": False})

    @api.model
    def _find_standing(self):
        """Say once of each fault that stands for long that it does."""
        hours = self.env["mrp.machine.alarm"]._setting("standing_hours", STANDING_HOURS)
        border = fields.Datetime.now() - timedelta(hours=hours)
        standing = self.search(
            [
                ("machine_fault_key", "!=", False),
                ("archive", "=", False),
                ("machine_cleared", "=", False),
                ("machine_is_standing", "=", False),
                ("machine_last_occurred", "<", border),
                "|",
                ("machine_template_id", "=", False),
                ("machine_template_id.rearm", "=", "clear"),
            ]
        )
        for request in standing.filtered(lambda request: not request.machine_is_snoozed):
            language, zone = request._reader()
            spoken = request.with_context(lang=language)
            words = spoken.env._("It stands since %s.", spoken._moment(request.machine_last_occurred, zone))
            request.machine_is_standing = True
            request._message_log(body=words)
            if not request.machine_fault_open and request.user_id:
                # Closed, and still there: nobody else would look at it again.
                request.activity_schedule(
                    "mail.mail_activity_data_warning",
                    user_id=request.user_id.id,
                    summary=spoken.env._("Closed, but the fault still stands"),
                    note=words,
                )

    @api.model
    def _escalate_due(self):
        """Let open requests climb one step, or those that are due by now."""
        waiting = self.search([("machine_fault_open", "=", True), ("machine_template_id.escalation_ids", "!=", False)])
        now = fields.Datetime.now()
        for request in waiting.filtered(lambda request: not request.machine_is_snoozed):
            # sudo: the ladder is read for the request, whoever may read templates
            steps = request.machine_template_id.sudo().escalation_ids.sorted(lambda step: (step.hours, step.id))
            age = (now - request.create_date).total_seconds() / 3600
            for step in steps[request.machine_escalations :].filtered(lambda step, age=age: step.hours <= age):
                request._escalate(step)

    def _escalate(self, step):
        """Take one step of the ladder with this request."""
        self.ensure_one()
        vals = {"machine_escalations": self.machine_escalations + 1, "machine_escalated": fields.Datetime.now()}
        if step.maintenance_team_id:
            vals["maintenance_team_id"] = step.maintenance_team_id.id
        if step.raise_priority:
            vals["priority"] = "3"
        self.write(vals)
        language, zone = self._reader()
        spoken = self.with_context(lang=language)
        hours = f"{step.hours:g}"
        words = spoken.env._("Still open after %(hours)s h. %(fault)s", hours=hours, fault=spoken._fault_sentence(zone))
        people = step._people(self)
        if step.by == "mail" and people:
            self.message_post(
                body=words,
                subject=spoken.env._("Still open: %s", self.name),
                partner_ids=people.partner_id.ids,
                message_type="notification",
                subtype_xmlid="mail.mt_comment",
            )
            return
        self._message_log(body=words)
        for user in people:
            self.activity_schedule(
                "mail.mail_activity_data_warning",
                user_id=user.id,
                summary=spoken.env._("Still open: %s", self.name),
                note=words,
            )
