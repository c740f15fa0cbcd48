"""From a machine's timeline to the time of its work center.

What the time of a work center counts, where one minute has several candidates:

- Of machines that run at once on one work order, the one that began first; another's time counts from where it ends.
- A stop counts only while no other machine of the work center runs, and of several stops the one that began first.
- People's own timers on a work order come before the machine's time on it.
- Stops count within the working hours of the work center alone; outside of them, and in their pauses, they are planned.
"""

from datetime import timedelta
from itertools import zip_longest

from odoo import api, models
from odoo.tools.date_utils import localized, to_timezone
from odoo.tools.intervals import Intervals

from .mrp_machine_interval import PRODUCTIVE
from .mrp_workorder import CLOSED

#: The usual loss of a stop, unless the code of the machine names another one.
LOSSES = {
    "starved": "mrp.block_reason0",
    "blocked": "mrp.block_reason0",
    "fault": "mrp.block_reason1",
    "setup": "mrp.block_reason2",
    "held": "mrp_machine_connect.loss_stopped",
    "stopped": "mrp_machine_connect.loss_stopped",
    "idle": "mrp_machine_connect.loss_stopped",
    "completed": "mrp_machine_connect.loss_stopped",
    "maintenance": "mrp_machine_connect.loss_maintenance",
    "trial": "mrp_machine_connect.loss_trial",
}
#: Stops that are a loss of the work center whether or not an order is there.
LOSS_WITHOUT_ORDER = ("fault", "setup", "maintenance")
#: What a setup does not explain: the machine produces, or it stands still for a reason of its own.
NOT_SETUP = (*PRODUCTIVE, "fault", "maintenance", "setup")
#: A time line shorter than this is lost in Odoo's rounding to hundredths of a minute.
SHORTEST_LINE = timedelta(seconds=1)


class MachineInterval(models.Model):
    _inherit = "mrp.machine.interval"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _project(self, env):
        """Write the work center's time lines of these intervals, in the name of the environment's user.

        Closed lines, never an open one: a running line would count up to now by Odoo's clock, and an operator's own timer
        could not be told from it. One an interval, unless timers, other machines or working hours divide it.

        :return: the mrp.workcenter.productivity written for these intervals
        """
        lines = env["mrp.workcenter.productivity"]
        others = self._others_to_project()
        for interval in (self | others).sorted("start_us"):
            kept = interval._write_lines(env)
            former = interval.earlier_productivity_ids
            interval.productivity_id = kept[-1:].id
            if len(kept) > 1 or former:
                interval.earlier_productivity_ids = [(6, 0, kept[:-1].ids)]
            interval.is_due = False
            if interval in self:
                lines |= kept
        return lines

    def _others_to_project(self):
        """Return the intervals of other machines of the same work centers whose time lines depend on these."""
        others = self.browse()
        shared = self.workcenter_id.filtered(self._is_shared)
        if shared:
            # By SQL: two posters that do not see each other's machine must not both write; the second one is refused here
            # and begins anew. The rows have no other meaning than this number.
            self.env.cr.execute(
                "UPDATE mrp_workcenter SET machine_time_guard = coalesce(machine_time_guard, 0) + 1 WHERE id = ANY(%s)",
                [sorted(shared.ids)],
            )
            for interval in self.filtered(lambda interval: interval.workcenter_id in shared):
                others |= interval._at_once()
        return (others - self)._bookable()

    @api.model
    def _is_shared(self, workcenter):
        """Return whether several machines have time on a work center, or are there and may be about to have their first."""
        there = self.env["mrp.machine"].with_context(active_test=False).search([("workcenter_id", "=", workcenter.id)])
        return len({*there.ids, *self._machine_ids(workcenter)}) > 1

    @api.model
    def _machine_ids(self, workcenter):
        """Return the ids of all machines that ever had time on a work center."""
        self.flush_model(["machine_id", "workcenter_id"])
        # By SQL: from machine to machine through the index; a work center has millions of intervals, and few machines.
        self.env.cr.execute(
            """WITH RECURSIVE leap AS (
                   SELECT min(machine_id) AS machine_id FROM mrp_machine_interval WHERE workcenter_id = %(workcenter)s
                    UNION ALL
                   SELECT (SELECT min(machine_id) FROM mrp_machine_interval
                            WHERE workcenter_id = %(workcenter)s AND machine_id > leap.machine_id)
                     FROM leap WHERE leap.machine_id IS NOT NULL)
               SELECT machine_id FROM leap WHERE machine_id IS NOT NULL""",
            {"workcenter": workcenter.id},
        )
        return [row[0] for row in self.env.cr.fetchall()]

    def _at_once(self):
        """Return the intervals of other machines on the work center that have time in common with this one."""
        self.ensure_one()
        machines = [each for each in self._machine_ids(self.workcenter_id) if each != self.machine_id.id]
        if not machines:
            return self.browse()
        self.flush_model()
        # By SQL: the intervals of a machine follow each other, so those in question begin with the last one before.
        self.env.cr.execute(
            """SELECT other.id FROM unnest(%(machines)s) machine (id)
                 JOIN mrp_machine_interval other ON other.machine_id = machine.id
                WHERE other.workcenter_id = %(workcenter)s
                  AND other.start_us < coalesce(%(end)s, 9223372036854775807)
                  AND (other.end_us IS NULL OR other.end_us > %(start)s)
                  AND other.start_us >= coalesce(
                      (SELECT max(start_us) FROM mrp_machine_interval
                        WHERE machine_id = machine.id AND start_us <= %(start)s), 0)""",
            {
                "machines": machines,
                "workcenter": self.workcenter_id.id,
                "start": self.start_us,
                "end": self.end_us or None,
            },
        )
        others = self.browse([row[0] for row in self.env.cr.fetchall()])
        return others.filtered(lambda other: other.machine_id._posts())

    def _write_lines(self, env):
        """Make the time lines of this interval what they are to be, and return them in order."""
        self.ensure_one()
        kept = lines = env["mrp.workcenter.productivity"]
        mine = lines.browse((self.earlier_productivity_ids | self.productivity_id).ids).sorted("date_start")
        for line, values in zip_longest(mine, self._prepare_lines(env)):
            if not values:
                line.unlink()
                continue
            if not line:
                line = lines.create(values)
            elif changed := {
                name: value
                for name, value in values.items()
                if (line[name].id if line._fields[name].type == "many2one" else line[name]) != value
            }:
                line.write(changed)
            kept |= line
        return kept

    def _prepare_lines(self, env):
        """Return the values of this interval's time lines; none where its time is nobody's loss or gain."""
        self.ensure_one()
        claim = self._claim(env)
        if not claim:
            return []
        start, end, loss, workorder = claim
        spans = self._spans([(start, end)])
        if not self._runs():
            spans &= self._working_hours(start, end)
        if spans and (taken := self._taken_by_others(env, workorder)):
            spans -= taken
        if spans and workorder:
            spans -= self._taken_by_people(env, workorder, start, end)
        return [
            {
                "workcenter_id": self.workcenter_id.id,
                "workorder_id": workorder.id,
                "company_id": self.company_id.id,
                "loss_id": loss.id,
                "date_start": begin,
                "date_end": until,
                "description": self.reason or self._state_label(),
            }
            for begin, until, _none in spans
            if until - begin >= SHORTEST_LINE
        ]

    def _runs(self):
        return self.state in PRODUCTIVE

    def _spans(self, pairs):
        return Intervals([(start, end, self.browse()) for start, end in pairs])

    def _claim(self, env):
        """Return ``(start, end, loss, work order)`` of the time that this interval has to give, or None.

        Whether others come before it is not asked here.
        """
        state = self._state_for_time()
        if not self.workcenter_id or state in ("unknown", "off"):
            return None
        start = max(self.date_start, self.machine_id.automatic_since or self.date_start).replace(microsecond=0)
        ended = self._ended(env)
        end = (ended or self._known_until()).replace(microsecond=0)
        if end - start < SHORTEST_LINE:
            return None
        loss, workorder = self._loss(env, end - start, bool(ended))
        if not loss:
            return None
        if workorder.state in CLOSED and workorder.date_finished:
            # The machine may run on for hours; what has ended costs no more.
            end = min(end, workorder.date_finished.replace(microsecond=0))
        if workorder.state == "cancel":
            # The work center worked, whatever became of the order; MRP takes time off a work order that is cancelled.
            workorder = workorder.browse()
        return (start, end, loss, workorder) if end - start >= SHORTEST_LINE else None

    def _ended(self, env):
        """Return when the time of this interval ended, naive UTC; nothing where it lasts still."""
        return self.date_end

    def _known_until(self):
        """Return how far it is certain that an open interval lasts: until the machine was last heard."""
        status = self.machine_id.status_id
        return max(moment for moment in (self.date_start, status.last_seen, status.last_event) if moment)

    def _state_for_time(self):
        """Return the state that the time of this interval is booked by."""
        return "setup" if self.is_setup and self.state not in NOT_SETUP else self.state

    def _loss(self, env, length, has_ended):
        """Return ``(loss, work order)`` for this interval's time; without loss it is not booked.

        :param bool has_ended: it is as long as it will ever be
        """
        none = env["mrp.workcenter.productivity.loss"], env["mrp.workorder"]
        workorder = none[1].browse(self.workorder_id.id)
        if self._runs():
            return (env.ref("mrp.block_reason7"), workorder) if workorder else none
        state = self._state_for_time()
        if not self.production_id and state not in LOSS_WITHOUT_ORDER:
            return none
        # A short setup is a setup: only what nobody planned is a micro stop.
        if state != "setup" and length.total_seconds() < self.machine_id.micro_stop_limit:
            if not has_ended:
                return none
            return (env.ref("mrp.block_reason4"), workorder) if workorder else none
        return (none[0].browse(self.loss_id.id) or env.ref(LOSSES[state])), none[1]

    def _taken_by_others(self, env, workorder):
        """Return the spans of time that other machines of the work center come before this one with, or None."""
        spans = []
        for other in self._at_once()._bookable():
            first = (other.start_us, other.machine_id.id) < (self.start_us, self.machine_id.id)
            if not first and (self._runs() or not other._runs()):
                continue
            claim = other._claim(env)
            if claim and (not self._runs() or (other._runs() and claim[3] == workorder)):
                spans.append(claim[:2])
        return self._spans(spans) if spans else None

    @api.model
    def _taken_by_people(self, env, workorder, start, end):
        """Return the spans that people's own timers on a work order count already."""
        theirs = env["mrp.workcenter.productivity"].search(
            [
                ("workorder_id", "=", workorder.id),
                ("user_id", "!=", env.ref("mrp_machine_connect.user_machine_connect").id),
                ("date_start", "<", end),
                "|",
                ("date_end", "=", False),
                ("date_end", ">", start),
            ]
        )
        return self._spans((line.date_start, line.date_end or end) for line in theirs)

    def _working_hours(self, start, end):
        """Return the spans within which the work center is to work; around the clock where no hours are set.

        They are what Odoo itself reckons the minutes of a loss with, so that a line within them counts as long as it is.
        """
        workcenter = self.workcenter_id
        calendar = workcenter.resource_calendar_id
        if not calendar or calendar.flexible_hours:
            return self._spans([(start, end)])
        hours = calendar._work_intervals_batch(localized(start), localized(end), workcenter.resource_id)
        return self._spans(
            (_naive(begin), _naive(until)) for begin, until, _attendances in hours[workcenter.resource_id.id]
        )


def _naive(moment):
    """Return an aware moment in UTC without its zone; a day that ends a microsecond before midnight ends at midnight."""
    return (to_timezone(None)(moment) + timedelta(microseconds=1)).replace(microsecond=0)
