"""When does a shift on a machine begin and end? By the calendar of its work center, or at times of the day."""

from datetime import timedelta, timezone

import pytz

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..shifts import changes, joined, times_of_day

#: The longest pause within a shift of a calendar.
PAUSE = timedelta(hours=2)
#: So far around a time a calendar is looked at for the blocks of work that lie there.
BLOCK = timedelta(days=2)
#: What is longer has shifts that the calendar does not tell apart.
LONGEST = timedelta(days=1)
#: When nothing else is said: whole days.
MIDNIGHT = "00:00"


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    statement_shifts = fields.Selection(
        [
            ("calendar", "For each shift of the work center's calendar"),
            ("times", "For each shift by «Shifts End At»"),
            ("none", "None"),
        ],
        string="Statements",
        default="calendar",
        required=True,
        tracking=True,
        help="At the end of each shift a statement says what the counters moved by and what became of it, for a supervisor to "
        "sign. By the calendar: two blocks of work that meet are two shifts, and a pause of up to two hours is part of one; "
        "where it has no working hours, or goes on day and night, «Shifts End At» counts. What was made between two shifts has a "
        "statement of its own. A shift without counts and without an order has none.",
    )
    statement_until = fields.Datetime(
        "Statements Up To",
        readonly=True,
        copy=False,
        help="Up to when shifts of this machine were looked at for a statement.",
    )

    @api.constrains("statement_shifts", "beat_shifts")
    def _check_statement_shifts(self):
        for machine in self:
            if machine.statement_shifts != "times":
                continue
            try:
                times_of_day(machine.beat_shifts or "")
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "%(machine)s: «%(text)s» is no time of the day. Enter when shifts end, such as "
                        "06:00, 14:00, 22:00.",
                        machine=machine.name,
                        text=error,
                    )
                ) from error

    def write(self, vals):
        if vals.get("statement_shifts") not in (None, "none"):
            # What it had none for is over: it begins with the last shift, like a new machine.
            silent = self.filtered(lambda machine: machine.statement_shifts == "none").sudo()  # sudo: readonly to all
            super(Machine, silent).write({"statement_until": False})
        return super().write(vals)

    def _shift_zone(self):
        """Return the name of the time zone that the shifts of this machine are in."""
        return self.workcenter_id.tz or self.company_id.resource_calendar_id.tz or "UTC"

    def _shifts(self, first, last):
        """Return the shifts, and the times between them, that ended after one moment and up to another (naive UTC).

        They leave nothing out: each begins where the one before it ended, the first of them at ``first``.

        :return: ``[(start, end, whether it is a shift)]``, the earliest first
        """
        self.ensure_one()
        edges = first - BLOCK, last + BLOCK
        blocks = self._shift_blocks(*edges) if self.statement_shifts == "calendar" else []
        ends = set() if blocks else set(changes(self._shift_times(), self._shift_zone(), first, last))
        for block in blocks:
            # What is cut off by the time that was asked for is no beginning or end of a shift.
            ends.update(moment for moment in block if moment not in edges)
            if block[1] - block[0] > LONGEST:
                ends.update(changes(self._shift_times(), self._shift_zone(), *block))
        ends = sorted(moment for moment in ends if first < moment <= last)
        found, start = [], first
        for end in ends:
            middle = start + (end - start) / 2
            found.append((start, end, not blocks or any(begin <= middle < until for begin, until in blocks)))
            start = end
        return found

    def _shift_times(self):
        """Return at which times of the day shifts end, as a text; whole days where it cannot be read."""
        try:
            times_of_day(self.beat_shifts or "")
        except ValueError:
            return MIDNIGHT
        return self.beat_shifts

    def _shift_blocks(self, first, last):
        """Return ``[(start, end)]`` of the shifts of the work center's calendar around a time; none where it has none."""
        calendar = self.workcenter_id.resource_calendar_id
        if not calendar or calendar.flexible_hours:
            return []
        zone = self._shift_zone()
        found = calendar._attendance_intervals_batch(
            first.replace(tzinfo=timezone.utc), last.replace(tzinfo=timezone.utc), tz=pytz.timezone(zone)
        )[False]
        blocks = [
            tuple(moment.astimezone(timezone.utc).replace(tzinfo=None) for moment in (start, end))
            for start, end, _attendance in found
            if start < end
        ]
        return joined(blocks, zone, PAUSE)
