"""When is something wrong with a machine? Rules over its values, states, alarms and use, set up by people.

What a rule says is in ``machine_connect/condition.py``. What it finds is an event of the log, raised by our own rules, and
has its effect like any other: an alarm, and what other addons make of alarms.
"""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..machine_connect.condition import OWN_CODES, Rule, RuleInvalid
from ..machine_connect.instants import instant
from ..quantities import number_text
from .mrp_machine import STATES
from .mrp_machine_alarm import SEVERITIES

#: The states that a choice stands for, beside those that stand for themselves.
GROUPS = {
    "making": ("running", "transient"),
    "on": tuple(code for code, _label in STATES if code not in ("off", "unknown")),
    "stop": ("starved", "blocked", "held", "stopped", "fault"),
}
#: Settings that change what a rule remembers: with others, what was raised stays.
MEANING = {"kind", "signal_id", "signal_name", "counted", "watched_state", "reason", "alarm_code", "meter_id"}
MINUTE = 60.0
#: Where a transaction keeps what the conditions of a machine look at.
LOOKED_AT = "mrp_machine_connect.conditions"


class MachineCondition(models.Model):
    """One rule, for one machine or several."""

    _name = "mrp.machine.condition"
    _description = "Machine Condition"
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(
        required=True, translate=True, help="What is wrong, in words: people read it as the alarm's text."
    )
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company, index=True)
    armed = fields.Boolean(
        default=True,
        help="Only an armed condition looks at its machines. Disarm it while you try it out, or while a machine is being "
        "worked on.",
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        index="btree_not_null",
        check_company=True,
        ondelete="cascade",
        help="The machine that it looks at.",
    )
    machine_ids = fields.Many2many(
        "mrp.machine",
        "mrp_machine_condition_machine_rel",
        string="Further Machines",
        check_company=True,
        help="Machines that it looks at as well, each by itself.",
    )
    template_id = fields.Many2one(
        "mrp.machine.template",
        string="Machine Type",
        index="btree_not_null",
        check_company=True,
        ondelete="cascade",
        help="It looks at all machines of this type, each by itself.",
    )
    kind = fields.Selection(
        [
            ("threshold", "A value is beyond a limit"),
            ("rate_of_change", "A value changes too fast"),
            ("times_in_window", "Something happens too often"),
            ("state_longer", "A state lasts too long"),
            ("stop_reason", "The machine stops for a reason"),
            ("alarm", "The machine raises an alarm"),
            ("usage", "The machine was used so much"),
        ],
        string="Looks For",
        required=True,
        default="threshold",
        help="What it looks for.",
    )
    level = fields.Selection(
        [("fault", "Fault"), ("warning", "Warning")],
        required=True,
        default="fault",
        help="A fault needs somebody; a warning is only shown among the alarms, unless a setting says otherwise.",
    )
    severity = fields.Integer(
        compute="_compute_severity",
        store=True,
        readonly=False,
        help="1 to 1000: low to 333, medium to 666, high to 900, critical above (OPC UA Part 9).",
    )
    # Values
    signal_id = fields.Many2one(
        "mrp.machine.signal",
        domain="[('machine_id', '=', machine_id), ('role', 'in', ('condition', 'meter', 'value'))]",
        index="btree_not_null",
        ondelete="restrict",
        help="The signal whose value it looks at.",
    )
    signal_name = fields.Char(
        string="Signal's Name",
        compute="_compute_signal_name",
        store=True,
        readonly=False,
        help="On further machines it looks at the signal of this name.",
    )
    has_above = fields.Boolean("Upper Limit", help="It is wrong above a limit.")
    above = fields.Float(digits=(16, 6), help="Wrong is a value greater than this, or one that rises faster.")
    has_below = fields.Boolean("Lower Limit", help="It is wrong below a limit.")
    below = fields.Float(
        digits=(16, 6),
        help="Wrong is a value less than this, or one that falls faster: -5 for five a minute downwards.",
    )
    hysteresis = fields.Float(
        digits=(16, 6),
        help="So far back within the limit it is right again; keeps a value around its limit from chattering.",
    )
    validity = fields.Float(
        string="Value Holds (s)",
        help="So long a value counts after the machine said it; after that nobody knows. 0: until the next value.",
    )
    per_minute = fields.Float(
        string="Per (min)", default=1.0, help="The limits of a rate are meant for so many minutes."
    )
    # How often, how long
    counted = fields.Selection(
        [
            ("value", "A value goes beyond a limit"),
            ("state", "The machine comes into a state"),
            ("stop", "It stops for a reason"),
            ("alarm", "It raises an alarm"),
        ],
        string="What Happens",
        default="value",
        help="What is counted.",
    )
    times = fields.Integer(default=3, help="So often within the window, up to 100.")
    window = fields.Float(
        string="Within (min)", default=10.0, help="Minutes that a rate or a number of times is taken over."
    )
    watched_state = fields.Selection(
        selection="_selection_states", string="State", default="stop", help="The state that lasts, or is counted."
    )
    duration = fields.Float(string="Longer Than (min)", default=30.0, help="Minutes that the state may last.")
    reason = fields.Char(
        string="Reason of the Stop",
        help="The machine's word for it; * stands for anything, ? for one character: *jam*.",
    )
    alarm_code = fields.Char(
        string="Alarm", help="The machine's code; * stands for anything, ? for one character. Empty: each alarm."
    )
    alarm_severity = fields.Integer(
        string="From Severity", default=1, help="Only alarms that are at least so severe, 1 to 1000."
    )
    meter_id = fields.Many2one(
        "mrp.machine.meter",
        index="btree_not_null",
        ondelete="restrict",
        domain="[('machine_id', '=', machine_id)]",
        help="The meter that shows how much the machine was used.",
    )
    every = fields.Float(string="After", help="So much use since the last service, in the meter's unit.")
    # When that counts
    on_delay = fields.Float(
        string="On-Delay (s)",
        help="It must be wrong for so long before it is raised. What began and ended within is no alarm.",
    )
    off_delay = fields.Float(string="Off-Delay (s)", help="It must be right for so long before it is cleared.")
    only_while = fields.Selection(
        selection="_selection_only_while",
        help="In other states it is not looked at: it neither raises nor clears. Empty: always.",
    )
    memory_ids = fields.One2many("mrp.machine.condition.memory", "condition_id", string="Machines", readonly=True)
    raised_count = fields.Integer(
        "Active Now", compute="_compute_raised_count", help="On how many of its machines it is raised now."
    )
    alarm_count = fields.Integer(compute="_compute_alarm_count", help="Alarms that it has raised.")
    words = fields.Char("Rule", compute="_compute_words", help="The rule in a sentence.")

    _severity_range = models.Constraint("CHECK (severity BETWEEN 1 AND 1000)", "A severity lies between 1 and 1000.")

    @api.model
    def _selection_states(self):
        states = self.env["mrp.machine.status"]._fields["state"]._description_selection(self.env)
        return [("stop", self.env._("Any stop"))] + [item for item in states if item[0] != "unknown"]

    @api.model
    def _selection_only_while(self):
        return [
            ("making", self.env._("It runs")),
            ("on", self.env._("It is switched on")),
            *(item for item in self._selection_states() if item[0] != "stop"),
        ]

    @api.depends("level")
    def _compute_severity(self):
        for condition in self:
            if not condition.severity or condition.severity in SEVERITIES.values():
                condition.severity = SEVERITIES[condition.level]

    @api.depends("signal_id")
    def _compute_signal_name(self):
        for condition in self:
            if condition.signal_id:
                condition.signal_name = condition.signal_id.name

    @api.depends("memory_ids.is_raised")
    def _compute_raised_count(self):
        for condition in self:
            condition.raised_count = len(condition.memory_ids.filtered("is_raised"))

    def _compute_alarm_count(self):
        counts = dict(
            self.env["mrp.machine.alarm"]._read_group([("condition_id", "in", self.ids)], ["condition_id"], ["__count"])
        )
        for condition in self:
            condition.alarm_count = counts.get(condition, 0)

    # What it says

    def _rule(self):
        """Return the Rule of this condition for the pure core.

        :raise RuleInvalid: it cannot be used
        """
        self.ensure_one()
        looks_at_limits = self.kind in ("threshold", "rate_of_change") or (
            self.kind == "times_in_window" and self.counted == "value"
        )
        return Rule(
            kind=self.kind,
            above=self.above if looks_at_limits and self.has_above else None,
            below=self.below if looks_at_limits and self.has_below else None,
            hysteresis=self.hysteresis if looks_at_limits else 0.0,
            on_delay=self.on_delay,
            off_delay=self.off_delay,
            only_while=_states(self.only_while),
            validity=self.validity or None,
            window=self.window * MINUTE,
            per=self.per_minute * MINUTE,
            times=self.times,
            counted=self.counted or "value",
            states=_states(self.watched_state),
            duration=self.duration * MINUTE,
            reason=self.reason or "",
            code=self.alarm_code or "",
            severity=self.alarm_severity or 1,
            every=self.every,
        )

    @api.constrains(
        "kind", "has_above", "above", "has_below", "below", "hysteresis", "validity", "per_minute", "counted", "times",
        "window", "watched_state", "duration", "reason", "alarm_severity", "every", "on_delay", "off_delay", "only_while",
    )  # fmt: skip
    def _check_rule(self):
        for condition in self:
            try:
                condition._rule()
            except RuleInvalid as invalid:
                raise ValidationError(
                    self.env._("%(condition)s: %(words)s", condition=condition.name, words=self._invalid_words(invalid))
                ) from invalid

    @api.constrains(
        "kind", "counted", "signal_name", "signal_id", "machine_id", "machine_ids", "template_id", "meter_id"
    )
    def _check_subject(self):
        for condition in self:
            _ = self.env._
            if not (condition.machine_id or condition.machine_ids or condition.template_id):
                raise ValidationError(_("%s: choose the machine that it looks at.", condition.name))
            if condition._looks_at_values() and not condition.signal_name:
                raise ValidationError(_("%s: choose the signal whose value it looks at.", condition.name))
            if condition.signal_id and condition.machine_id and condition.signal_id.machine_id != condition.machine_id:
                raise ValidationError(_("%s: the signal belongs to another machine.", condition.name))
            if condition.kind == "usage" and not condition.meter_id:
                raise ValidationError(
                    _("%s: choose the meter that shows how much the machine was used.", condition.name)
                )

    def _invalid_words(self, invalid):
        """Return in a sentence what is wrong with a rule, by the name that the setting has on the form."""
        _ = self.env._
        names = {"states": "watched_state", "severity": "alarm_severity", "per": "per_minute", "above": "has_above"}
        field = self._fields[names.get(invalid.field, invalid.field)]._description_string(self.env)
        match invalid.field, invalid.code:
            case "above", "missing":
                return _("Set an upper limit, a lower limit or both.")
            case "hysteresis", "out_of_range" if self.hysteresis >= 0:
                return _(
                    "Between the two limits, less the hysteresis at each, no value is left that would be right again."
                )
            case "times", "out_of_range":
                return _("«%s» lies between 1 and 100.", field)
            case _, "missing":
                return _("Enter «%s».", field)
            case _, "not_a_number":
                return _("«%s» must be a number.", field)
            case _:
                return _("«%s» cannot be so; enter 0 or more.", field)

    def _looks_at_values(self):
        return self.kind in ("threshold", "rate_of_change") or (
            self.kind == "times_in_window" and self.counted == "value"
        )

    @api.depends(
        "kind", "signal_name", "has_above", "above", "has_below", "below", "hysteresis", "counted", "times", "window",
        "watched_state", "duration", "reason", "alarm_code", "every", "meter_id", "per_minute", "on_delay", "only_while",
    )  # fmt: skip
    @api.depends_context("lang")
    def _compute_words(self):
        for condition in self:
            condition.words = condition._sentence()

    def _sentence(self):
        """Return the rule in a sentence."""
        _ = self.env._
        states = dict(self._selection_states() + self._selection_only_while())
        limits = _(" or ").join(
            [_("above %s", number_text(self.above))] * self.has_above
            + [_("below %s", number_text(self.below))] * self.has_below
        )
        words = {
            "signal": self.signal_name or "…",
            "limits": limits or "…",
            "per": number_text(self.per_minute),
            "window": number_text(self.window),
            "times": self.times,
            "state": states.get(self.watched_state, "…"),
            "duration": number_text(self.duration),
            "reason": self.reason or "…",
            "code": self.alarm_code or "*",
            "every": number_text(self.every),
            "meter": self.meter_id.display_name or "…",
        }
        match self.kind:
            case "threshold":
                said = _("%(signal)s is %(limits)s", **words)
            case "rate_of_change":
                said = _("%(signal)s changes by %(limits)s in %(per)s min", **words)
            case "times_in_window":
                what = {
                    "value": _("%(signal)s goes %(limits)s", **words),
                    "state": _("the machine comes into «%(state)s»", **words),
                    "stop": _("it stops because of «%(reason)s»", **words),
                    "alarm": _("it raises the alarm «%(code)s»", **words),
                }
                said = _("%(times)s × within %(window)s min: %(what)s", what=what[self.counted or "value"], **words)
            case "state_longer":
                said = _("«%(state)s» lasts longer than %(duration)s min", **words)
            case "stop_reason":
                said = _("it stops because of «%(reason)s»", **words)
            case "alarm":
                said = _("it raises the alarm «%(code)s»", **words)
            case _:
                said = _("%(every)s on %(meter)s since the last service", **words)
        if self.on_delay:
            said = _("%(said)s, for %(seconds)s s", said=said, seconds=number_text(self.on_delay))
        if self.only_while:
            said = _("%(said)s, while: %(state)s", said=said, state=states.get(self.only_while, ""))
        return said

    # Which machines

    def _machines(self):
        """Return the machines that these conditions look at."""
        machines = self.machine_id | self.machine_ids
        if self.template_id:
            machines |= self.env["mrp.machine"].search(
                [("template_id", "in", self.template_id.ids), ("company_id", "in", self.company_id.ids)]
            )
        return machines

    @api.model
    def _of_machine(self, machine):
        """Return the armed conditions that look at a machine."""
        return self.search(
            [
                ("company_id", "=", machine.company_id.id),
                ("armed", "=", True),
                "|",
                "|",
                ("machine_id", "=", machine.id),
                ("machine_ids", "in", machine.ids),
                ("template_id", "=", machine.template_id.id or 0),
            ]
        )

    def _signal_of(self, machine):
        """Return the signal of a machine that this condition looks at, or an empty recordset."""
        self.ensure_one()
        if self.signal_id and self.signal_id.machine_id == machine:
            return self.signal_id
        return machine.signal_ids.filtered(lambda signal: signal.name == self.signal_name)[:1]

    def _is_polled(self, machine):
        """Return whether the poller looks at the value itself; of other values and of all else, events tell."""
        signal = self._signal_of(machine) if self._looks_at_values() else None
        return bool(signal and signal.active and signal.connection_id.active)

    @api.model_create_multi
    def create(self, vals_list):
        conditions = super().create(vals_list)
        conditions._changed(conditions._machines())
        return conditions

    def write(self, vals):
        before = self._machines()
        meant = {condition: tuple(condition[name] for name in sorted(MEANING)) for condition in self}
        watched = {
            condition: condition._machines() if condition.active and condition.armed else None for condition in self
        }
        result = super().write(vals)
        for condition in self:
            left = condition._machines() if condition.active and condition.armed else self.env["mrp.machine"]
            if watched[condition] is None:
                continue
            if meant[condition] != tuple(condition[name] for name in sorted(MEANING)):
                left = self.env["mrp.machine"]
            condition._forget(watched[condition] - left)
        self._changed(before | self._machines())
        return result

    def unlink(self):
        machines = self._machines()
        for condition in self:
            condition._forget(machines)
        result = super().unlink()
        self._changed(machines)
        return result

    def _forget(self, machines):
        """Forget what is known of machines that this condition no longer looks at; what is raised there is cleared."""
        # sudo: what a rule remembers is nobody's to write by hand
        rows = self.memory_ids.sudo().filtered(lambda row: row.machine_id in machines)
        now = fields.Datetime.now()
        for row in rows.filtered("is_raised"):
            data = self._data(row.machine_id, row.failed_us, {})
            row.machine_id._decide("alarm.cleared", now, {**data, "because": "condition_ended"})
        rows.unlink()

    def _changed(self, machines):
        """Let whoever looks at these machines know that their rules changed."""
        self.env.cr.cache.pop(LOOKED_AT, None)
        machines.exists()._bump_mapping()

    def _snapshot(self):
        """Return what this condition says as JSON, for the record of mapping versions."""
        self.ensure_one()
        return {
            "name": self.name,
            "level": self.level,
            "severity": self.severity,
            "signal": self.signal_name or "",
            "meter": self.meter_id.id or 0,
            "rule": self._rule().as_json(),
        }

    def _serviced(self, machine):
        """Count use anew from what the meter of a machine shows now: it was serviced."""
        for condition in self.filtered(lambda condition: condition.kind == "usage"):
            # sudo: what a rule remembers is nobody's to write by hand
            self.env["mrp.machine.condition.memory"].sudo()._restart(machine.sudo(), condition.sudo())

    # What it finds

    def _code(self):
        """Return the code of the alarms that this condition raises."""
        return f"{OWN_CODES}{self.id}"

    def _data(self, machine, since, evidence):
        """Return what an event of this condition says.

        :param int since: the moment of failure, in microseconds since 1970
        :param dict evidence: of Raised or Cleared
        """
        signal = self._signal_of(machine) if self._looks_at_values() else self.env["mrp.machine.signal"]
        data = {
            "code": self._code(),
            "condition_id": self.id,
            "severity": self.severity,
            "level": self.level,
            "text": self.name,
            "since": instant(since).isoformat(),
            "kind": self.kind,
            **evidence,
        }
        if signal:
            data["signal"] = signal.name
            if signal.unit and signal.unit != "C62":
                data["unit"] = signal.unit
        if "times" in data:
            data["times"] = [instant(moment).isoformat() for moment in data["times"]]
        return {key: value for key, value in data.items() if value is not None}

    def action_alarms(self):
        """Open the alarms that these conditions raised."""
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_alarm_action")
        action.update(domain=[("condition_id", "in", self.ids)], context={})
        return action

    def action_arm(self):
        """Let these conditions look at their machines."""
        self.write({"armed": True})

    def action_disarm(self):
        """Let these conditions look at nothing for the time being."""
        self.write({"armed": False})


def _states(choice):
    """Return the states that a choice stands for; none for nothing chosen."""
    return GROUPS.get(choice) or ((choice,) if choice else ())
