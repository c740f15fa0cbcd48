"""Which alarms does a machine have, and who knows of them? Occurrences in the sense of ISA-18.2 and IEC 62682.

An occurrence begins when the alarm is raised and ends when it is cleared and acknowledged; raised anew it is another one.
What is raised again while it stands, or chatters, is counted on the occurrence that is there: a flood makes no flood of rows.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..fields import BigInteger
from ..machine_connect.event import instant
from ..quantities import number_text
from . import mrp_machine_event, mrp_machine_event_posting  # noqa: F401 - extended here, so they must be there

#: The severity of an alarm that does not say how severe it is, by its level: medium where that is not known either.
SEVERITIES = {"fault": 700, "warning": 300, None: 500}
#: Up to here an alarm that does not say its level is a warning: the lowest third of OPC UA's severities (Part 9).
WARNING_UP_TO = 333
#: What counts as chattering and as standing unless the settings say otherwise.
CHATTER_TIMES, CHATTER_SECONDS, STANDING_HOURS = 3, 60, 24
STATES = [
    ("unack_active", "Active, not acknowledged"),
    ("ack_active", "Active, acknowledged"),
    ("rtn_unack", "Cleared, not acknowledged"),
    ("normal", "Cleared"),
    ("shelved", "Shelved"),
    ("suppressed", "Suppressed"),
    ("out_of_service", "Out of service"),
]
#: What a person looks after: neither settled nor set aside.
OPEN_STATES = ("unack_active", "ack_active", "rtn_unack")


class MachineAlarm(models.Model):
    """One occurrence of an alarm on a machine."""

    _name = "mrp.machine.alarm"
    _description = "Machine Alarm"
    _order = "raised_us desc, id desc"
    _rec_name = "code"
    _check_company_auto = True

    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, ondelete="cascade", help="The machine that it is about."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    workcenter_id = fields.Many2one(related="machine_id.workcenter_id", string="Work Center")
    code = fields.Char(required=True, readonly=True, help="What the machine calls it, or which condition raised it.")
    native_code = fields.Char(
        readonly=True, help="The code in the machine's own words, where a table of codes gave it another."
    )
    condition_id = fields.Many2one(
        "mrp.machine.condition",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The rule that raised it. Empty: the machine itself did.",
    )
    text = fields.Char(readonly=True, help="What it means, in words.")
    severity = fields.Integer(
        readonly=True,
        aggregator="max",
        help="1 to 1000: low to 333, medium to 666, high to 900, critical above (OPC UA Part 9).",
    )
    level = fields.Selection(
        [("fault", "Fault"), ("warning", "Warning")],
        readonly=True,
        help="A fault needs somebody; a warning is only shown here, unless a setting says otherwise.",
    )
    raised = fields.Datetime(
        compute="_compute_dates", store=True, help="The first time of this occurrence, by the machine's clock."
    )
    last_raised = fields.Datetime(compute="_compute_dates", store=True, help="The last time of this occurrence.")
    cleared = fields.Datetime(
        compute="_compute_dates", store=True, help="When the machine took it back. Empty: it still stands."
    )
    duration = fields.Float(
        string="Seconds",
        compute="_compute_dates",
        store=True,
        aggregator="sum",
        help="How long it stood; 0 while it does. Sums have one that stands up to now.",
    )
    raised_us = BigInteger("Raised (µs)", required=True, readonly=True)
    last_raised_us = BigInteger("Last Raised (µs)", required=True, readonly=True)
    cleared_us = BigInteger("Cleared (µs)", readonly=True)
    # Not «active»: that would be Odoo's word for what is not archived.
    is_active = fields.Boolean("Active", compute="_compute_is_active", store=True, help="It was not cleared yet.")
    repeats = fields.Integer(readonly=True, help="How often it was raised again within this occurrence.")
    occurrences = fields.Integer(
        compute="_compute_occurrences", store=True, aggregator="sum", help="How often it was raised in all."
    )
    is_chattering = fields.Boolean(
        string="Chattering",
        readonly=True,
        help="It came and went so often in a short time that it is counted here instead of beginning anew. The settings say "
        "how often that is.",
    )
    is_standing = fields.Boolean(
        "Standing",
        compute="_compute_is_standing",
        search="_search_is_standing",
        help="It has been active for so long that nobody seems to look after it. The settings say how long that is.",
    )
    acknowledged = fields.Datetime(readonly=True, help="When somebody said that they know of it.")
    acknowledged_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    shelved_until = fields.Datetime(readonly=True, help="Until then it is out of the way; it comes back by itself.")
    shelved_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    shelve_reason = fields.Char(readonly=True, help="Why it was shelved or taken out of service.")
    is_suppressed = fields.Boolean(
        string="Suppressed", readonly=True, help="The machine itself keeps it back, as it was designed to."
    )
    is_out_of_service = fields.Boolean(
        "Out of Service",
        readonly=True,
        help="A manager took this alarm of the machine out of use, until one brings it back.",
    )
    state = fields.Selection(
        STATES,
        compute="_compute_state",
        store=True,
        help="Where it stands by IEC 62682: whether it is active, and whether somebody knows of it.",
    )
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Raised by Event",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event that raised it first; empty once the log was trimmed.",
    )
    values = fields.Json(
        "Values as Kept", readonly=True, help="What the machine's meters and conditions showed at that moment."
    )
    values_text = fields.Char(
        "Values", compute="_compute_values_text", help="What the machine's meters and conditions showed at that moment."
    )

    _machine_code_raised = models.Index("(machine_id, code, raised_us DESC)")
    _machine_active = models.Index("(machine_id) WHERE is_active")
    _shelved = models.Index("(shelved_until) WHERE shelved_until IS NOT NULL")
    _raised = models.Index("(raised_us DESC, id DESC)")
    _open = models.Index("(state, raised_us DESC) WHERE state IN ('unack_active', 'ack_active', 'rtn_unack')")

    @api.depends("raised_us", "last_raised_us", "cleared_us")
    def _compute_dates(self):
        for alarm in self:
            alarm.raised = _naive(alarm.raised_us)
            alarm.last_raised = _naive(alarm.last_raised_us)
            alarm.cleared = _naive(alarm.cleared_us)
            alarm.duration = (alarm.cleared_us - alarm.raised_us) / 1e6 if alarm.cleared_us else 0.0

    @api.depends("cleared_us")
    def _compute_is_active(self):
        for alarm in self:
            alarm.is_active = not alarm.cleared_us

    @api.depends("repeats")
    def _compute_occurrences(self):
        for alarm in self:
            alarm.occurrences = alarm.repeats + 1

    @api.depends("cleared_us", "acknowledged", "shelved_until", "is_suppressed", "is_out_of_service")
    def _compute_state(self):
        for alarm in self:
            if alarm.is_out_of_service:
                alarm.state = "out_of_service"
            elif alarm.is_suppressed:
                alarm.state = "suppressed"
            elif alarm.shelved_until:
                alarm.state = "shelved"
            elif not alarm.cleared_us:
                alarm.state = "ack_active" if alarm.acknowledged else "unack_active"
            else:
                alarm.state = "normal" if alarm.acknowledged else "rtn_unack"

    def _compute_is_standing(self):
        limit = self._standing_since()
        for alarm in self:
            alarm.is_standing = bool(alarm.is_active and alarm.raised and alarm.raised < limit)

    def _search_is_standing(self, operator, value):
        if operator != "in":
            return NotImplemented
        standing = [("is_active", "=", True), ("raised", "<", self._standing_since())]
        if True not in value:
            return ["!", "&", *standing]
        return [(1, "=", 1)] if False in value else standing

    @api.model
    def _standing_since(self):
        return fields.Datetime.now() - timedelta(hours=self._setting("standing_hours", STANDING_HOURS))

    @api.model
    def _setting(self, name, default):
        # sudo: settings are read for whoever looks at alarms
        said = self.env["ir.config_parameter"].sudo().get_param(f"mrp_machine_connect.alarm_{name}")
        try:
            return max(int(said), 0)
        except (TypeError, ValueError):
            return default

    @api.depends("values")
    def _compute_values_text(self):
        for alarm in self:
            alarm.values_text = ", ".join(
                f"{said['signal']}: {number_text(said['value'])}{' ' + said['unit'] if said.get('unit') else ''}"
                for said in alarm.values or []
            )

    @api.depends("code", "text", "condition_id")
    def _compute_display_name(self):
        for alarm in self:
            if alarm.condition_id or not alarm.text or alarm.text == alarm.code:
                alarm.display_name = alarm.text or alarm.code
            else:
                alarm.display_name = f"{alarm.code} {alarm.text}"

    @api.model
    def _read_group_select(self, aggregate_spec, query):
        """Let sums of how long alarms stood have those that stand still: they are what is looked for."""
        select = super()._read_group_select(aggregate_spec, query)
        if aggregate_spec != "duration:sum":
            return select
        return SQL(
            """COALESCE(SUM(CASE WHEN %(is_active)s
                                 THEN GREATEST(0, EXTRACT(EPOCH FROM now() AT TIME ZONE 'UTC' - %(raised)s))
                                 ELSE %(duration)s END), 0)::float8""",
            is_active=self._field_to_sql(self._table, "is_active", query),
            raised=self._field_to_sql(self._table, "raised", query),
            duration=self._field_to_sql(self._table, "duration", query),
        )

    # What the machine says; by the handler alone

    @api.model
    def _around(self, machine, moments):
        """Return the occurrences that moments belong to, and when the next ones began.

        :param dict moments: ``{code: moment}``, in microseconds since 1970
        :return: ``{code: (the latest occurrence that was raised by then, or none, when the next was raised, or 0)}``
        """
        self.flush_model(["machine_id", "code", "raised_us"])
        # By SQL: of a flood, one look for all codes.
        self.env.cr.execute(
            """SELECT wanted.code,
                      (SELECT id FROM mrp_machine_alarm alarm
                        WHERE machine_id = %(machine)s AND alarm.code = wanted.code AND raised_us <= wanted.us
                        ORDER BY raised_us DESC LIMIT 1),
                      (SELECT raised_us FROM mrp_machine_alarm alarm
                        WHERE machine_id = %(machine)s AND alarm.code = wanted.code AND raised_us > wanted.us
                        ORDER BY raised_us LIMIT 1)
                 FROM unnest(%(codes)s::varchar[], %(moments)s::bigint[]) AS wanted (code, us)""",
            {"machine": machine.id, "codes": list(moments), "moments": list(moments.values())},
        )
        rows = self.env.cr.fetchall()
        alarms = self.browse([alarm_id for _code, alarm_id, _later in rows if alarm_id])  # read in one go
        return {
            code: (self.browse(alarm_id).with_prefetch(alarms.ids) if alarm_id else self.browse(), later or 0)
            for code, alarm_id, later in rows
        }

    def _is_quiet(self):
        """Return whether somebody, or the machine itself, set this alarm aside."""
        self.ensure_one()
        return self.state in ("shelved", "suppressed", "out_of_service")

    @api.model
    def _raise(self, machine, code, event, known):
        """Take in that an alarm was raised, and return its occurrence.

        :param event: the mrp.machine.event of type alarm.raised
        :param known: the last occurrence before it, or none
        """
        us = event.occurred_us
        if not known._is_again(us):
            return self._raise_first(machine, {code: (event, known)})[code]
        came_again = {"repeats": known.repeats + 1, "last_raised_us": max(us, known.last_raised_us)}
        if not known.is_active and us > known.cleared_us:
            came_again.update(cleared_us=False, is_chattering=True)
        known.write(came_again)
        return known

    @api.model
    def _raise_first(self, machine, raised):
        """Begin the occurrences of alarms that were raised, where they are no more of ones that are known.

        :param dict raised: ``{code: (mrp.machine.event of type alarm.raised, the last occurrence before it or none)}``
        :return: ``{code: occurrence}`` of those that began
        """
        values = {
            code: {**self._said(machine, code, event), **known._kept_aside(event.occurred_us)}
            for code, (event, known) in raised.items()
            if not known._is_again(event.occurred_us)
        }
        return dict(zip(values, self.create(list(values.values())), strict=True))

    def _is_again(self, us):
        """Return whether an alarm that is raised at a moment is this occurrence once more, and no new one."""
        return bool(self and (self.is_active or us <= self.cleared_us or self._takes_in(us)))

    def _takes_in(self, us):
        """Return whether an alarm that comes again at a moment only chatters: then it is the same occurrence."""
        times = self._setting("chatter_times", CHATTER_TIMES)
        window = self._setting("chatter_seconds", CHATTER_SECONDS) * 1_000_000
        if not times or us - self.last_raised_us > window:
            return False
        if self.is_chattering:
            return True
        before = self.search(
            [
                ("machine_id", "=", self.machine_id.id),
                ("code", "=", self.code),
                ("raised_us", "<=", us),
                ("last_raised_us", ">", us - window),
            ],
            limit=times,
        )
        return sum(before.mapped("occurrences")) >= times

    def _kept_aside(self, us):
        """Return the values of a new occurrence by which it is as much out of the way as this one, the last."""
        if not self:
            return {}
        kept = {"is_out_of_service": self.is_out_of_service}
        if self.shelved_until and self.shelved_until > _naive(us):
            kept.update(shelved_until=self.shelved_until, shelved_by_id=self.shelved_by_id.id)
        if len(kept) > 1 or self.is_out_of_service:
            kept["shelve_reason"] = self.shelve_reason
        return kept

    @api.model
    def _said(self, machine, code, event):
        """Return the values of an occurrence by what its event says."""
        data = event.data or {}
        level = str(data.get("level") or "").lower()
        level = level if level in ("fault", "warning") else None
        severity = _whole(data.get("severity"))
        if severity is None:
            severity = SEVERITIES[level]
        severity = min(max(severity, 1), 1000)
        condition = self.env["mrp.machine.condition"]
        # Of our own rules alone: whoever else names one is not believed. By its id, for this is asked for each alarm of a flood.
        if event.source_id.id == self.env["ir.model.data"]._xmlid_to_res_id("mrp_machine_connect.source_rules"):
            condition = condition.browse(_whole(data.get("condition_id"))).exists()
        return {
            "machine_id": machine.id,
            "code": code,
            "native_code": data.get("native_code") or False,
            "condition_id": condition.id,
            "text": str(data.get("text") or "")[:1024] or False,
            "severity": severity,
            "level": level or ("warning" if severity <= WARNING_UP_TO else "fault"),
            "raised_us": event.occurred_us,
            "last_raised_us": event.occurred_us,
            "event_id": event.id,
            "values": self._shown(machine, data) or False,
        }

    @api.model
    def _shown(self, machine, data):
        """Return what the machine shows: first what the alarm itself is about, then the last values of its signals."""
        shown = []
        if data.get("value") not in (None, "") and not isinstance(data["value"], (dict, list)):
            shown.append(
                {"signal": data.get("signal") or self.env._("Value"), "value": data["value"], "unit": data.get("unit")}
            )
        if data.get("limit") not in (None, ""):
            shown.append({"signal": self.env._("Limit"), "value": data["limit"], "unit": data.get("unit")})
        # sudo: hot rows are the poller's own
        for signal in machine.sudo().signal_ids.filtered(lambda signal: signal.role in ("meter", "condition")):
            hot = signal.value_id
            if hot.value and hot.quality == "good" and signal.name != data.get("signal"):
                shown.append(
                    {
                        "signal": signal.name,
                        "value": signal.last_value,
                        "unit": False if signal.unit == "C62" else signal.unit,
                        "at": fields.Datetime.to_string(hot.at),
                    }
                )
        return shown

    def _clear(self, event):
        """Take in that this occurrence was cleared; return whether that is news."""
        us = event.occurred_us
        if not self or not self.is_active or us < self.last_raised_us:
            return False
        self.cleared_us = us
        return True

    # What people do

    def action_acknowledge(self):
        """Say that one knows of these alarms."""
        self._check_right("group_operator", self.env._("Only operators of the machines may acknowledge alarms."))
        # sudo: of an alarm this is the only thing that an operator may write
        self.sudo().filtered(lambda alarm: not alarm.acknowledged).write(
            {"acknowledged": fields.Datetime.now(), "acknowledged_by_id": self.env.uid}
        )

    def action_shelve(self):
        """Ask until when these alarms are to be out of the way, and why."""
        self._check_right("group_supervisor", self.env._("Only supervisors of the machines may shelve alarms."))
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Shelve"),
            "res_model": "mrp.machine.alarm.shelve",
            "view_mode": "form",
            "target": "new",
            "context": {"default_alarm_ids": self.ids},
        }

    def action_unshelve(self):
        """Bring these alarms back before their time."""
        self._check_right("group_supervisor", self.env._("Only supervisors of the machines may shelve alarms."))
        self.sudo().write(_NOT_SHELVED)  # sudo: the right was asked for; nobody writes alarms by hand

    def action_out_of_service(self):
        """Take these alarms of their machines out of use, also when they are raised anew."""
        self._check_right("group_manager", self.env._("Only managers of the machines may take alarms out of service."))
        self.sudo().write({"is_out_of_service": True})  # sudo: as above

    def action_in_service(self):
        """Take these alarms back into use."""
        self._check_right("group_manager", self.env._("Only managers of the machines may take alarms out of service."))
        self.sudo().write({"is_out_of_service": False})  # sudo: as above

    def _shelve(self, until, reason):
        """Put these alarms out of the way.

        :param until: naive UTC
        :raise UserError: that is over already
        """
        self._check_right("group_supervisor", self.env._("Only supervisors of the machines may shelve alarms."))
        if not until or until <= fields.Datetime.now():
            raise UserError(self.env._("Choose an end that is still to come: a shelved alarm comes back by itself."))
        # sudo: as above
        self.sudo().write({"shelved_until": until, "shelved_by_id": self.env.uid, "shelve_reason": reason})

    @api.model
    def _unshelve_due(self):
        """Bring back what was shelved until now."""
        self.search([("shelved_until", "!=", False), ("shelved_until", "<=", fields.Datetime.now())]).write(
            _NOT_SHELVED
        )

    def _check_right(self, group, words):
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(f"mrp_machine_connect.{group}"):
            raise UserError(words)


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    alarm_count = fields.Integer(
        compute="_compute_alarm_count", help="Alarms of this machine that are active and not set aside."
    )

    def _compute_alarm_count(self):
        counts = dict(
            self.env["mrp.machine.alarm"]._read_group(
                [("machine_id", "in", self.ids), ("state", "in", ("unack_active", "ack_active"))],
                ["machine_id"],
                ["__count"],
            )
        )
        for machine in self:
            machine.alarm_count = counts.get(machine, 0)

    def action_alarms(self):
        """Open the alarms of this machine."""
        return self._action_records("mrp_machine_connect.mrp_machine_alarm_action", [("machine_id", "=", self.id)])


_NOT_SHELVED = {"shelved_until": False, "shelved_by_id": False, "shelve_reason": False}


def _naive(us):
    return instant(us).replace(tzinfo=None) if us else False


def _whole(value):
    """Return a value as a whole number, None where it is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
