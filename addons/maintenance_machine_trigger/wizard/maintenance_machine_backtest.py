"""Would this rule have found what broke, and nothing else? A condition over recorded values, before it is armed."""

import base64
from datetime import timedelta
from zoneinfo import ZoneInfo

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.machine_connect.condition import Alarm, RuleInvalid
from odoo.addons.mrp_machine_connect.machine_connect.instants import instant
from odoo.addons.mrp_machine_connect.moments import microseconds_of
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import UserError

from .. import backtest

#: Events of the log that are looked at, at most.
MOST_EVENTS = 200_000
#: Requests and breakdowns that are shown.
MOST_LINES = 200
#: Use is looked at so often, at most.
USE_STEPS = 500


class MaintenanceMachineBacktest(models.TransientModel):
    """Which requests a condition would have raised, against the breakdowns that happened."""

    _name = "maintenance.machine.backtest"
    _description = "Back-Test of a Condition"

    condition_id = fields.Many2one(
        "mrp.machine.condition", required=True, ondelete="cascade", help="The rule that is tried; it need not be armed."
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        compute="_compute_machine_id",
        precompute=True,
        store=True,
        readonly=False,
        required=True,
        help="The machine whose past is looked at.",
    )
    source = fields.Selection(
        [("log", "What was recorded in the log"), ("file", "A CSV file with times and values")],
        required=True,
        default="log",
        help="The log: states, alarms, use and recorded values of this machine, as far back as it reaches.",
    )
    file = fields.Binary(
        attachment=False, help="The first line names the columns, one of them timestamp and one value."
    )
    file_name = fields.Char()
    date_from = fields.Datetime(string="From", help="Empty: from the beginning.")
    date_to = fields.Datetime(string="To", help="Empty: to the end.")
    breakdowns = fields.Selection(
        [
            ("requests", "Corrective requests of the equipment"),
            ("faults", "Times in which the machine said that it is faulty"),
            ("text", "Times that you enter"),
        ],
        required=True,
        default="requests",
        help="What really broke. Of requests: those that were closed as done and are no mistake, from the day of the request to "
        "the day it was closed; what this condition raised itself does not count.",
    )
    windows = fields.Text(
        string="Broken From, To",
        help="On each line when it began and when it ended, separated by a comma: 2026-03-02 06:00, 2026-03-02 14:30",
    )
    open_hours = fields.Float(
        string="A Request Stays Open (h)",
        default=24.0,
        help="What is raised meanwhile is counted on it, as with real ones.",
    )
    horizon_hours = fields.Float(
        string="Warns Ahead (h)", default=48.0, help="A request so long before a breakdown is right as well."
    )
    judged_from = fields.Datetime(
        string="Choose Before, Judge After",
        help="To look for better limits: they are chosen by what was before this moment, and judged by what came after.",
    )
    # What came out
    is_done = fields.Boolean(readonly=True)
    requests = fields.Integer(readonly=True, help="Requests that would have been made.")
    right = fields.Integer(readonly=True, help="Those that fall into a breakdown, or shortly before.")
    breakdown_count = fields.Integer(
        string="Breakdowns That Happened", readonly=True, help="In the time that is looked at."
    )
    found = fields.Integer(readonly=True, help="Breakdowns with a request.")
    precision = fields.Float(readonly=True, help="Right requests of all.")
    recall = fields.Float(readonly=True, help="Breakdowns with a request of all.")
    lead_hours = fields.Float(
        string="Lead Time (h)", readonly=True, help="From the first request to the end of the breakdown, on average."
    )
    words = fields.Text(string="Result", readonly=True, help="What came out, in sentences.")
    better = fields.Json(readonly=True, help="The limits that were chosen.")
    better_words = fields.Char(string="Chosen Limits", readonly=True, help="What was chosen, by what was before.")
    line_ids = fields.One2many("maintenance.machine.backtest.line", "backtest_id", readonly=True)

    @api.depends("condition_id")
    def _compute_machine_id(self):
        for wizard in self:
            machines = wizard.condition_id._machines()
            if wizard.machine_id not in machines:
                wizard.machine_id = machines[:1]

    # What was

    def _zone(self):
        return ZoneInfo(self.machine_id.clock_zone or self.env.user.tz or "UTC")

    def _between(self, moments):
        """Return those of ``[(microseconds, …)]`` that lie in the time that is looked at."""
        start = microseconds_of(self.date_from) if self.date_from else None
        end = microseconds_of(self.date_to) if self.date_to else None
        return [item for item in moments if (start is None or item[0] >= start) and (end is None or item[0] < end)]

    def _news(self):
        """Return ``[(microseconds, {kind of news: what})]`` for the condition, in the order of time."""
        rule = self.condition_id._rule()
        if self.source == "file":
            if "value" not in rule.looks_at:
                raise UserError(
                    self.env._("A file holds values; this condition looks at something else. Choose the log.")
                )
            return [(at, {"value": value}) for at, value in self._between(self._file_values())]
        news = []
        if "value" in rule.looks_at:
            news += self._logged_values(rule)
        if "state" in rule.looks_at:
            news += self._logged_states()
        if "alarm" in rule.looks_at:
            news += self._logged_alarms()
        if "usage" in rule.looks_at:
            news += self._logged_use()
        return sorted(self._between(news), key=lambda item: item[0])

    def _file_values(self):
        if not self.file:
            raise UserError(self.env._("Choose the file with the values."))
        try:
            text = base64.b64decode(self.file).decode("utf-8-sig", errors="replace")
            return backtest.read_values(text.splitlines(), self._zone())
        except backtest.FileUnreadable as wrong:
            raise UserError(self._wrong_words(wrong)) from wrong

    def _wrong_words(self, wrong):
        """Return in a sentence why a file or a text cannot be used."""
        _ = self.env._
        words = {"line": wrong.line, "said": wrong.said, "most": backtest.MOST_VALUES}
        match wrong.code:
            case "empty":
                return _("The file is empty.")
            case "columns":
                return _("Line %(line)s: a time and a value are needed, and this stands there: %(said)s", **words)
            case "time":
                return _("Line %(line)s: «%(said)s» is no time such as 2026-03-02 06:00.", **words)
            case "value":
                return _("Line %(line)s: «%(said)s» is no number.", **words)
            case _:
                return _("The file holds more than %(most)s values. Choose a part of it.", **words)

    def _events(self, types, more=()):
        """Return the events of the machine of some types, in the time that is looked at, oldest first."""
        domain = [
            ("machine_id", "=", self.machine_id.id),
            ("type", "in", types),
            ("disposition", "=", "accepted"),
            *more,
        ]
        if self.date_from:
            domain.append(("occurred", ">=", self.date_from))
        if self.date_to:
            domain.append(("occurred", "<", self.date_to))
        # sudo: of the log no more is told than what the rule would have made of it
        return self.env["mrp.machine.event"].sudo().search(domain, order="occurred_us, id", limit=MOST_EVENTS)

    def _logged_values(self, rule):
        name, found = self.condition_id.signal_name, []
        for event in self._events(("meter.reading", "process.summary")):
            data = event.data or {}
            if (data.get("signal") or event.signal_id.name) != name:
                continue
            if event.type == "meter.reading":
                found.append((event.occurred_us, {"value": data.get("value")}))
                continue
            # Of a while the value that is nearest to a limit, as the condition itself looks at it.
            value = data.get("max") if rule.below is None else data.get("min") if rule.above is None else None
            found.append((event.occurred_us, {"value": data.get("last") if value is None else value}))
        return found

    def _logged_states(self):
        intervals = self.env["mrp.machine.interval"].sudo()  # sudo: as with events
        return [
            (interval.start_us, {"state": interval.state, "reason": interval.reason or ""})
            for interval in intervals.search(
                [("machine_id", "=", self.machine_id.id)], order="start_us", limit=MOST_EVENTS
            )
        ]

    def _logged_alarms(self):
        found, handler = [], self.env["mrp.machine.handler.maintenance_request"]
        for event in self._events(("alarm.raised", "alarm.cleared")):
            data = event.data or {}
            alarm = Alarm(
                handler._fault_key(event),
                event.type == "alarm.raised",
                handler._severity(event),
                str(data.get("text") or ""),
            )
            found.append((event.occurred_us, {"alarm": alarm}))
        return found

    def _logged_use(self):
        meter = self.condition_id.meter_id.sudo()  # sudo: as with events
        end = self.date_to or fields.Datetime.now()
        start = self.date_from or end - timedelta(days=USE_STEPS)
        step = (end - start) / USE_STEPS
        moments = [start + step * number for number in range(USE_STEPS + 1)]
        return [(microseconds_of(moment), {"usage": meter.value_at(moment)}) for moment in moments]

    def _breakdowns(self, news):
        """Return the breakdowns in the time that is looked at, as windows."""
        if self.breakdowns == "text":
            try:
                found = backtest.read_windows((self.windows or "").splitlines(), self._zone())
            except backtest.FileUnreadable as wrong:
                raise UserError(self._wrong_words(wrong)) from wrong
        elif self.breakdowns == "faults":
            intervals = self.env["mrp.machine.interval"].sudo()  # sudo: as with events
            found = [
                backtest.Window(interval.start_us, interval.end_us)
                for interval in intervals.search([("machine_id", "=", self.machine_id.id), ("state", "=", "fault")])
                if interval.end_us
            ]
        else:
            found = self._repaired()
        if not news:
            return []
        return sorted(window for window in found if window.end >= news[0][0] and window.start <= news[-1][0])

    def _repaired(self):
        """Return from when to when the equipment was broken, by its corrective requests that were done."""
        machine = self.machine_id
        equipment = machine.equipment_id | machine.maintenance_asset_ids.equipment_id
        # sudo: of requests no more is told than that something was broken
        requests = (
            self.env["maintenance.request"]
            .sudo()
            .search(
                [
                    ("maintenance_type", "=", "corrective"),
                    ("stage_id.done", "=", True),
                    ("archive", "=", False),
                    ("machine_verdict", "=", False),
                    "|",
                    ("equipment_id", "in", equipment.ids),
                    ("machine_id", "=", machine.id),
                    "|",
                    ("machine_condition_id", "=", False),
                    ("machine_condition_id", "!=", self.condition_id.id),
                ]
            )
        )
        found = []
        for request in requests:
            start = request.machine_first_occurred or fields.Datetime.to_datetime(request.request_date)
            closed = request.close_date or request.request_date
            end = max(fields.Datetime.to_datetime(closed) + timedelta(days=1), start)
            found.append(backtest.Window(microseconds_of(start), microseconds_of(end)))
        return found

    # What would have been

    def action_run(self):
        """Run the condition over what was, and show which requests it would have raised."""
        self.ensure_one()
        news = self._news()
        if not news:
            raise UserError(
                self.env._("Nothing was recorded that this condition looks at. Upload a file, or choose another time.")
            )
        windows = self._breakdowns(news)
        rule = self.condition_id._rule()
        self._show(self._score(rule, news, windows), windows)
        return self._again()

    def _score(self, rule, news, windows):
        found = backtest.requests(rule, news, self.open_hours * 3600)
        return backtest.score(found, windows, self.horizon_hours * 3600)

    def action_choose(self):
        """Choose the limits by what was before a moment, and show how good they would have been after it."""
        self.ensure_one()
        rule = self.condition_id._rule()
        if rule.kind != "threshold":
            raise UserError(
                self.env._("Limits are looked for where a value is beyond a limit; this condition is another one.")
            )
        if not self.judged_from:
            raise UserError(
                self.env._("Enter the moment before which limits are chosen and after which they are judged.")
            )
        news = self._news()
        border = microseconds_of(self.judged_from)
        before = [item for item in news if item[0] < border]
        after = [item for item in news if item[0] >= border]
        known = [window for window in self._breakdowns(news) if window.start < border]
        if not before or not after or not known:
            raise UserError(
                self.env._(
                    "Before that moment values and at least one breakdown are needed, and values after it as well."
                )
            )
        rules = backtest.limits([(at, said.get("value")) for at, said in before], rule)
        try:
            best, by = backtest.choose(rules, before, known, self.open_hours * 3600, self.horizon_hours * 3600)
        except (ValueError, RuleInvalid):
            raise UserError(self.env._("Before that moment there are no numbers to choose limits by.")) from None
        self.better = {
            name: value
            for name, value in best.as_json().items()
            if name in ("above", "below", "hysteresis", "on_delay") and value is not None
        }
        limits = []
        if best.above is not None:
            limits.append(self.env._("above %s", number_text(round(best.above, 6))))
        if best.below is not None:
            limits.append(self.env._("below %s", number_text(round(best.below, 6))))
        self.better_words = self.env._(
            "%(limits)s for %(delay)s s: before that moment %(found)s of %(all)s breakdowns, %(right)s of %(made)s requests right",
            limits=self.env._(" or ").join(limits),
            delay=number_text(best.on_delay),
            found=sum(lead is not None for lead in by.leads),
            all=len(by.leads),
            right=sum(by.right),
            made=len(by.right),
        )
        later = [window for window in self._breakdowns(after) if window.start >= border]
        self._show(self._score(best, after, later), later)
        return self._again()

    def action_apply(self):
        """Give the condition the limits that were chosen."""
        self.ensure_one()
        # The condition's own rights say who may.
        self.condition_id.write(self.better or {})
        return self._again()

    def action_arm(self):
        """Let the condition look at its machines from now on."""
        self.condition_id.action_arm()
        return {"type": "ir.actions.act_window_close"}

    def _show(self, score, windows):
        """Write down what came out, with a line for each request and each breakdown."""
        hours = None if score.mean_lead is None else score.mean_lead / 3600
        found = sum(lead is not None for lead in score.leads)
        lines = [
            {
                "kind": "request",
                "at": _naive(request.at),
                "since": _naive(request.since),
                "repeats": request.repeats,
                "value": number_text(request.value),
                "is_right": right,
            }
            for request, right in zip(score.requests, score.right, strict=True)
        ] + [
            {
                "kind": "breakdown",
                "at": _naive(window.start),
                "until": _naive(window.end),
                "is_right": lead is not None,
                "lead_hours": (lead or 0.0) / 3600,
            }
            for window, lead in zip(windows, score.leads, strict=True)
        ]
        lines.sort(key=lambda line: line["at"])
        self.line_ids.unlink()
        self.write(
            {
                "is_done": True,
                "requests": len(score.requests),
                "right": sum(score.right),
                "breakdown_count": len(score.leads),
                "found": found,
                "precision": score.precision or 0.0,
                "recall": score.recall or 0.0,
                "lead_hours": hours or 0.0,
                "words": self._result_words(score, found, hours),
                "line_ids": [(0, 0, line) for line in lines[:MOST_LINES]],
            }
        )

    def _result_words(self, score, found, hours):
        _ = self.env._
        words = {
            "made": len(score.requests),
            "right": sum(score.right),
            "found": found,
            "all": len(score.leads),
            "hours": "" if hours is None else f"{hours:.1f}",
        }
        said = [_("%(made)s requests would have been made, %(right)s of them right.", **words)]
        if score.leads:
            said.append(_("%(found)s of %(all)s breakdowns would have had one.", **words))
        else:
            said.append(_("No breakdown is known in this time, so nobody can say whether a request was right."))
        if hours is not None:
            said.append(_("From the first request to the end of the breakdown: %(hours)s h on average.", **words))
        return " ".join(said)

    def _again(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Back-Test"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }


class MaintenanceMachineBacktestLine(models.TransientModel):
    """A request that would have been made, or a breakdown that happened."""

    _name = "maintenance.machine.backtest.line"
    _description = "Line of a Back-Test"
    _order = "at, id"

    backtest_id = fields.Many2one("maintenance.machine.backtest", required=True, ondelete="cascade", index=True)
    kind = fields.Selection([("request", "Request"), ("breakdown", "Breakdown")], required=True, help="What it is.")
    at = fields.Datetime(string="When", help="When the request would have been made, or the breakdown began.")
    since = fields.Datetime(help="The moment of failure.")
    until = fields.Datetime(help="When the breakdown ended.")
    repeats = fields.Integer(help="How often more it would have been raised while the request was open.")
    value = fields.Char(help="What the rule looked at.")
    is_right = fields.Boolean(
        string="Right", help="Of a request: it falls into a breakdown. Of a breakdown: it had a request."
    )
    lead_hours = fields.Float(string="Lead Time (h)", help="From the first request to the end of the breakdown.")


def _naive(us):
    return instant(us).replace(tzinfo=None)


class MachineCondition(models.Model):
    _inherit = "mrp.machine.condition"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def action_backtest(self):
        """Try this condition over what was, before it is armed."""
        self.ensure_one()
        wizard = self.env["maintenance.machine.backtest"].create({"condition_id": self.id})
        return wizard._again()
