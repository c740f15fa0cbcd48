"""How soon does an event have its effect? By what a delay would cost, per type of event and machine."""

from datetime import timezone
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from ..machine_connect.event import EVENT_TYPES, Sync
from ..sync_moments import due

#: What each type of event does by itself: mode and seconds; a day's batch is booked at midnight.
DEFAULTS = {
    Sync.IMMEDIATE: ("immediate", 0, 0.0),
    Sync.MICRO_BATCH: ("micro_batch", 0, 0.0),
    Sync.WINDOW: ("window", 60, 0.0),
    Sync.BATCH: ("daily", 0, 0.0),
}
#: People react to these: later than so many seconds, and they react too late.
URGENT, URGENT_SECONDS = ("machine.", "downtime.", "alarm.", "condition.", "quality."), 60
#: What ends a window early: an order that begins or ends takes along what was counted before.
TAKES_ALONG = (
    "production.order_started",
    "production.order_paused",
    "production.order_resumed",
    "production.order_completed",
    "production.stock_due",
    "machine.program_changed",
)
DAY = 86_400


class MachineSync(models.Model):
    """When events of one type, or of a class, are booked; for one machine, or for all of a company."""

    _name = "mrp.machine.sync"
    _description = "Booking of Machine Events"
    _order = "machine_id, event_type, id"
    _rec_name = "event_type"
    _check_company_auto = True

    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company, index=True)
    machine_id = fields.Many2one(
        "mrp.machine",
        check_company=True,
        index="btree_not_null",
        ondelete="cascade",
        help="For this machine alone. Empty: for all machines of the company that have no row of their own.",
    )
    event_type = fields.Char(
        required=True,
        help="A type of event, such as production.count, or a class, such as production.*. The most exact row wins: that "
        "of the machine before that of the company, then the type before the class.",
    )
    mode = fields.Selection(
        [
            ("immediate", "At once"),
            ("micro_batch", "Together, within seconds"),
            ("window", "At the end of a window"),
            ("daily", "Once a day"),
        ],
        required=True,
        default="micro_batch",
        help="At once: with the next pass. Together: what comes within the seconds is booked as one. Window: the day is "
        "cut in windows of that length. Once a day: at that time. Until then events are kept and count as not booked.",
    )
    seconds = fields.Integer(default=60, help="Length of the batch or window. 0: with the next pass.")
    time_of_day = fields.Float(
        "At", help="Time of day, by the machine's clock where one is set, else by the company's time zone."
    )
    sentence = fields.Char(compute="_compute_sentence", string="In Words", help="What this row means.")
    warning = fields.Char(compute="_compute_warning", help="What this row costs, where people wait for these events.")

    _type_unique = models.UniqueIndex(
        "(company_id, COALESCE(machine_id, 0), event_type)", "There is a row for this already."
    )
    _seconds_range = models.Constraint(
        "CHECK (seconds >= 0 AND seconds <= 86400)", "Seconds: a number from 0 up to 86,400, which is a day."
    )
    _time_range = models.Constraint(
        "CHECK (time_of_day >= 0 AND time_of_day < 24)", "At: a time from 00:00 up to 23:59."
    )

    @api.constrains("event_type")
    def _check_event_type(self):
        for row in self:
            if not row._types():
                raise ValidationError(
                    self.env._(
                        "«%s» is no type of event. Enter one, such as production.count, or a class, such as production.*.",
                        row.event_type,
                    )
                )

    def _types(self):
        """Return the types of events that this row means."""
        return [name for name in EVENT_TYPES if fnmatchcase(name, self.event_type or "")]

    @api.depends("event_type", "mode", "seconds", "time_of_day", "machine_id")
    def _compute_sentence(self):
        _ = self.env._
        for row in self:
            words = {
                "what": row._what(),
                "seconds": row.seconds,
                "length": _length_words(self.env, row.seconds),
                "time": _clock_text(row.time_of_day),
                "zone": row._zone_name(),
            }
            match row.mode:
                case "micro_batch" if row.seconds:
                    text = _("%(what)s are booked together, at most %(length)s after the first of them came.", **words)
                case "window" if row.seconds:
                    text = _("%(what)s are booked every %(length)s, all together that came in that time.", **words)
                case "daily":
                    text = _("%(what)s are booked once a day, at %(time)s (%(zone)s).", **words)
                case _:
                    text = _("%(what)s are booked at once, with the next pass.", **words)
            if row._slowness() and any(name.startswith("production.") for name in row._types()):
                text += " " + _("An order that begins or ends takes what came before along at once.")
            row.sentence = text

    @api.depends("event_type", "mode", "seconds")
    def _compute_warning(self):
        for row in self:
            urgent = [name for name in row._types() if name.startswith(URGENT)]
            row.warning = (
                self.env._(
                    "People react to stops, alarms and quality: these would be known up to %(length)s late. "
                    "Up to %(bound)s is sensible.",
                    length=_length_words(self.env, row._slowness()),
                    bound=_length_words(self.env, URGENT_SECONDS),
                )
                if urgent and row._slowness() > URGENT_SECONDS
                else False
            )

    @api.onchange("event_type", "mode", "seconds")
    def _onchange_warning(self):
        if self.warning:
            return {"warning": {"title": self.env._("Later Than People Need It"), "message": self.warning}}
        return None

    def _slowness(self):
        """Return how many seconds an event may wait by this row."""
        return {"immediate": 0, "daily": DAY}.get(self.mode, self.seconds)

    def _what(self):
        _ = self.env._
        words = {
            "production.count": _("Counts"),
            "production.cycle_completed": _("Completed cycles"),
            "production.*": _("All events of production"),
            "machine.state_changed": _("States"),
            "machine.*": _("All events of the machine itself"),
            "alarm.*": _("Alarms"),
            "quality.*": _("Events of quality"),
            "downtime.*": _("Stops"),
            "condition.*": _("Conditions"),
            "material.*": _("Events of material"),
            "material.consumed": _("Consumptions"),
            "correction.adjust": _("Corrections"),
            "*": _("All events"),
        }
        return words.get(self.event_type) or _("Events «%s»", self.event_type or "")

    def _zone_name(self):
        return self.machine_id.clock_zone or self.company_id.partner_id.tz or "UTC"

    # What applies

    @api.model_create_multi
    def create(self, vals_list):
        rows = super().create(vals_list)
        rows._changed()
        return rows

    def write(self, vals):
        machines = self._machines()
        result = super().write(vals)
        self._changed(machines)
        return result

    def unlink(self):
        machines = self._machines()
        result = super().unlink()
        self.browse()._changed(machines)
        return result

    def _machines(self):
        """Return the machines that these rows may concern."""
        machines = self.machine_id
        for company in self.filtered(lambda row: not row.machine_id).company_id:
            # sudo: that these wait no longer than they should is no right of the user
            machines |= self.env["mrp.machine"].sudo().search([("company_id", "=", company.id)])
        return machines

    def _changed(self, before=None):
        """Let events that were set apart by rows as they were before be met anew."""
        self.env.registry.clear_cache()
        machines = self._machines() | (before if before is not None else self.env["mrp.machine"])
        if not machines:
            return
        # By SQL: the queue is a plain table. What was tried already waits for another reason, and keeps its pause.
        self.env.cr.execute(
            """UPDATE mrp_machine_queue queue SET not_before = NULL
                WHERE machine_id = ANY(%s) AND not_before IS NOT NULL
                  AND NOT EXISTS (SELECT FROM mrp_machine_event_posting effect WHERE effect.event_id = queue.event_id)""",
            [machines.ids],
        )
        if self.env.cr.rowcount:
            self.env["mrp.machine.poster"]._wake()

    @api.model
    @tools.ormcache("company_id", "machine_id")
    def _rules(self, company_id, machine_id):
        """Return ``{event type: (mode, seconds, time of day)}`` of a machine."""
        # sudo: the poster books by these rules whoever may read them
        rows = self.sudo().search([("company_id", "=", company_id), ("machine_id", "in", (machine_id, False))])
        # The most exact last: it overwrites what the others said.
        rows = rows.sorted(lambda row: (bool(row.machine_id), "*" not in row.event_type, len(row.event_type), row.id))
        rules = {name: DEFAULTS[kind.sync] for name, kind in EVENT_TYPES.items()}
        for row in rows:
            rules.update(dict.fromkeys(row._types(), (row.mode, row.seconds, row.time_of_day)))
        return rules

    @api.model
    def _sets_apart(self, machine):
        """Return whether any event of a machine that has an effect is booked later than with the next pass."""
        return self._any_waits(machine.company_id.id, machine.id, machine.consumption_way == "signal")

    @api.model
    @tools.ormcache("company_id", "machine_id", "is_measured")
    def _any_waits(self, company_id, machine_id, is_measured):
        rules = self._rules(company_id, machine_id)
        usual = None if is_measured else DEFAULTS[EVENT_TYPES["material.consumed"].sync]
        # What is only compared need not be gathered, unless somebody wants that.
        names = [
            name for name in self._takers() if name in rules and (name, rules[name]) != ("material.consumed", usual)
        ]
        return any(_waits(rules[name]) for name in names)

    @api.model
    def _set_apart(self, machine):
        """Give the events of a machine that are met for the first time the moment from which on they are booked.

        Within a handler none overtakes an earlier one that is set apart. Where an order begins or ends, all that came
        before is due.
        """
        cr = self.env.cr
        # By SQL: the queue is a plain table without a row in any cache. What has an effect already is not met anew.
        cr.execute(
            """SELECT queue.id, event.type, event.occurred_us, event.received, queue.not_before
                 FROM mrp_machine_queue queue JOIN mrp_machine_event event ON event.id = queue.event_id
                WHERE queue.machine_id = %s
                  AND (queue.not_before IS NULL OR queue.not_before > clock_timestamp() AT TIME ZONE 'UTC')
                  AND NOT EXISTS (SELECT FROM mrp_machine_event_posting effect WHERE effect.event_id = event.id)
                ORDER BY event.occurred_us, event.id""",
            [machine.id],
        )
        rows, takers = cr.fetchall(), self._takers()
        rules, zone = self._rules(machine.company_id.id, machine.id), self._zone(machine)
        latest, batches, apart, taken_along = {}, {}, {}, []
        for _entry, name, _occurred, _received, not_before in rows:
            if not_before and rules.get(name, ("",))[0] == "micro_batch":
                batches[name] = min(batches.get(name, not_before), not_before)
        for entry, name, _occurred, received, not_before in rows:
            moment = not_before
            if not moment and takers.get(name):
                moment = due(*rules[name], zone, received)
                if moment and rules[name][0] == "micro_batch":
                    # One batch for all that come before it is booked.
                    moment = batches[name] = min(moment, batches.get(name, moment))
                for handler in takers[name]:
                    if handler in latest and (not moment or moment < latest[handler]):
                        moment = latest[handler]
            if name in TAKES_ALONG:
                taken_along += apart
                apart, latest, batches = {}, {}, {}
                if not_before:
                    taken_along.append(entry)
                continue
            if moment:
                apart[entry] = moment
                for handler in takers.get(name, ()):
                    latest[handler] = max(moment, latest.get(handler, moment))
        new = {entry for entry, _name, _occurred, _received, not_before in rows if not not_before}
        values = [(entry, moment) for entry, moment in apart.items() if entry in new]
        if values:
            cr.execute_values(
                """UPDATE mrp_machine_queue queue SET not_before = apart.moment
                     FROM (VALUES %s) AS apart (entry, moment) WHERE queue.id = apart.entry""",
                values,
                template="(%s, %s::timestamp)",
            )
            self.env["mrp.machine.poster"]._wake(min(moment for _entry, moment in values))
        if taken_along:
            cr.execute(
                """UPDATE mrp_machine_queue SET not_before = clock_timestamp() AT TIME ZONE 'UTC'
                    WHERE id = ANY(%s) AND not_before IS NOT NULL""",
                [taken_along],
            )

    @api.model
    def _takers(self):
        """Return ``{event type: names of the handlers that take it}``."""
        takers = {}
        for handler in self.env["mrp.machine.poster"]._handlers():
            if handler._takes_telemetry:
                # It only looks: no state or alarm waits because a sum of readings came before it.
                continue
            for name in handler._event_types:
                takers.setdefault(name, []).append(handler._handler_name())
        return takers

    @api.model
    def _zone(self, machine):
        name = machine.clock_zone or machine.company_id.partner_id.tz
        return ZoneInfo(name) if name else timezone.utc


def _waits(rule):
    mode, seconds, _time_of_day = rule
    return mode == "daily" or bool(seconds and mode != "immediate")


def _clock_text(hours):
    minutes = round(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _length_words(env, seconds):
    """Return a length of time as people say it."""
    if seconds and seconds % DAY == 0:
        days = seconds // DAY
        return env._("%s days", days) if days > 1 else env._("a day")
    if seconds and seconds % 3600 == 0:
        hours = seconds // 3600
        return env._("%s hours", hours) if hours > 1 else env._("an hour")
    if seconds >= 120 and seconds % 60 == 0:
        return env._("%s min", seconds // 60)
    return env._("%s s", seconds)
