import re
from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models

from ..fields import BigInteger
from ..machine_connect import clock
from .mrp_machine_metrics import BUCKETS, COUNTED

#: So much older than the latest request a heartbeat may be and still say how the sender's clock is.
HEARTBEATS = timedelta(minutes=10)
#: The header with the sender's time, which nobody has verified where a bearer key was sent.
_SECONDS = re.compile(r"[0-9]{1,12}")


def _within(milliseconds):
    return BigInteger(f"Answered Within {milliseconds} ms", required=True, readonly=True, default=0)


class MachineSourceFigure(models.Model):
    """How much came from a source: a row a day and action, the same for all workers and hosts.

    It is counted in the transaction of the request, so that what is taken back is not counted either.
    """

    _name = "mrp.machine.source.figure"
    _description = "Figures of a Machine Event Source"
    _log_access = False
    _order = "day desc, action, id desc"
    _rec_name = "source_id"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="source_id.company_id")
    day = fields.Date(
        required=True, readonly=True, help="In UTC. 1970-01-01: all days that are older than 90 days, together."
    )
    action = fields.Selection(
        [
            ("deliver", "Events"),
            ("heartbeat", "Heartbeat"),
            ("config", "Configuration"),
            ("trace", "Trace"),
            ("metrics", "Metrics"),
        ],
        required=True,
        readonly=True,
        help="What was asked for.",
    )
    requests = BigInteger(required=True, readonly=True, default=0, help="Requests that were let in and answered.")
    events = BigInteger(required=True, readonly=True, default=0, help="Events in them.")
    accepted = BigInteger(required=True, readonly=True, default=0, help="Events that were stored.")
    duplicates = BigInteger(required=True, readonly=True, default=0, help="Events that were known already.")
    held = BigInteger(required=True, readonly=True, default=0, help="Events that were stored and wait for a person.")
    rejected = BigInteger(required=True, readonly=True, default=0, help="Events that were not taken.")
    answer_us = BigInteger("Answering (µs)", required=True, readonly=True, default=0, help="All answer times together.")
    answers_5 = _within(5)
    answers_10 = _within(10)
    answers_25 = _within(25)
    answers_50 = _within(50)
    answers_100 = _within(100)
    answers_250 = _within(250)
    answers_500 = _within(500)
    answers_1000 = _within(1000)
    answers_2500 = _within(2500)
    answers_5000 = _within(5000)
    answers_10000 = _within(10000)
    last = fields.Datetime(required=True, readonly=True, help="When the last of them came.")
    clock_offset = fields.Float(
        "Clock Offset (s)",
        readonly=True,
        digits=(16, 3),
        help="Seconds by which the sender's clock was ahead of ours at the last of them; negative: behind.",
    )
    minute = fields.Datetime(required=True, readonly=True, help="The minute of the last of them.")
    minute_events = BigInteger(required=True, readonly=True, default=0, help="Events in that minute.")
    minute_before = BigInteger(required=True, readonly=True, default=0, help="Events in the minute before it.")

    _source_unique = models.UniqueIndex("(source_id, day, action)")

    @api.model
    def _note(self, source_id, action, seconds, counted, said_time=None):
        """Count one answered request. It must be the last that its transaction does.

        :param int source_id: who asked
        :param str action: what for
        :param float seconds: that the answer took
        :param dict counted: how many events were ``accepted``, ``duplicate``, ``held``, ``rejected``; and under
            ``clock_offset``, where it is known better than by the header, the seconds by which the sender's clock is ahead
        :param said_time: the header with the sender's time, whole seconds since 1970-01-01 UTC, or None
        """
        now = clock.now()
        moment = now.replace(tzinfo=None, microsecond=0)
        minute = moment.replace(second=0)
        columns = {field: counted.get(status, 0) for status, field in COUNTED.items()}
        events = sum(columns.values())
        columns |= {"requests": 1, "events": events, "answer_us": round(seconds * 1e6)}
        columns |= {f"answers_{bound}": 0 for bound in BUCKETS}
        if bucket := next((bound for bound in BUCKETS if seconds * 1000 <= bound), None):
            columns[f"answers_{bucket}"] = 1
        offset = counted.get("clock_offset")
        if offset is None and _SECONDS.fullmatch(said_time or ""):
            # The header has whole seconds, cut off: half a second more is right on average.
            offset = int(said_time) + 0.5 - now.timestamp()
        names = list(columns)
        # By SQL: one statement that is right for any number of workers and hosts, and locks its row for its own time only.
        self.env.cr.execute(
            f"""INSERT INTO mrp_machine_source_figure AS line (source_id, day, action, last, clock_offset, minute,
                       minute_events, minute_before, {", ".join(names)})
                VALUES %s
                ON CONFLICT (source_id, day, action) DO UPDATE SET
                       {", ".join(f"{name} = line.{name} + EXCLUDED.{name}" for name in names)},
                       last = GREATEST(line.last, EXCLUDED.last),
                       clock_offset = COALESCE(EXCLUDED.clock_offset, line.clock_offset),
                       minute_before = CASE WHEN line.minute >= EXCLUDED.minute THEN line.minute_before
                                            WHEN line.minute = EXCLUDED.minute - interval '1 minute' THEN line.minute_events
                                            ELSE 0 END,
                       minute_events = EXCLUDED.minute_events
                                       + CASE WHEN line.minute >= EXCLUDED.minute THEN line.minute_events ELSE 0 END,
                       minute = GREATEST(line.minute, EXCLUDED.minute)""",
            [(source_id, moment.date(), action, moment, offset, minute, events, 0, *columns.values())],
        )

    def _newest_offset(self):
        """Return the sender's clock offset of one of these lines, the latest first: a heartbeat knows it better."""
        newest = self[:1]
        beats = self.filtered(lambda line: line.action == "heartbeat" and line.last >= newest.last - HEARTBEATS)
        return (beats or newest)[:1].clock_offset

    def _per_minute(self, moment):
        """Return how many events came in the last whole minute.

        :param datetime moment: now, naive UTC
        """
        minute = moment.replace(second=0, microsecond=0)
        if self.minute == minute:
            return self.minute_before
        return self.minute_events if self.minute == minute - timedelta(minutes=1) else 0


class MachineSource(models.Model):
    """What people see of a source: how much comes, what is refused, whether it is heard."""

    _name = "mrp.machine.source"
    _inherit = ["mrp.machine.source", "mail.activity.mixin"]

    figure_ids = fields.One2many(
        "mrp.machine.source.figure", "source_id", string="Figures", help="How much came, a line a day and action."
    )
    responsible_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        tracking=True,
        help="Who gets an activity when the source falls silent or is refused again and again.",
    )
    silent_after = fields.Integer(
        "Silent After (min)",
        tracking=True,
        help="So many minutes without a request of it, and the responsible person is told. 0: nobody is told.",
    )
    refused_limit = fields.Integer(
        "Told When Refused",
        default=100,
        tracking=True,
        help="When so many of its requests and events were refused within a day, the responsible person is told, once. 0: "
        "nobody is told.",
    )
    status_ids = fields.One2many("mrp.machine.source.status", "source_id", help="What it says of itself.")
    is_silent = fields.Boolean(compute="_compute_status", help="It was not heard for longer than it may be silent.")
    software = fields.Char(compute="_compute_status", help="What the sender runs, as it says itself in its heartbeat.")
    spool_depth = BigInteger(
        "Not Delivered Yet",
        compute="_compute_status",
        help="Events that the sender has not delivered yet, as it says itself.",
    )
    spool_oldest = fields.Float(
        "Oldest Waits (s)",
        compute="_compute_status",
        help="Seconds for which the oldest of them waited at its last heartbeat.",
    )
    clock_offset = fields.Float(
        "Clock Offset (s)",
        compute="_compute_figures",
        digits=(16, 3),
        help="Seconds by which the sender's clock is ahead of ours; negative: behind. To about a second, or exactly where it "
        "sends heartbeats with its time.",
    )
    requests_today = BigInteger(compute="_compute_figures", help="Requests that were let in today (UTC).")
    events_today = BigInteger(
        compute="_compute_figures", help="Events that came today (UTC), known and refused ones too."
    )
    duplicates_today = BigInteger(compute="_compute_figures", help="Events that came again today (UTC).")
    held_today = BigInteger(
        compute="_compute_figures", help="Events of today (UTC) that were stored and wait for a person."
    )
    events_per_minute = BigInteger(compute="_compute_figures", help="Events that came in the last whole minute.")
    gaps_open = fields.Integer(
        "Open Gaps", compute="_compute_gaps_open", help="Ranges of numbers that are missing still."
    )
    refused_today = fields.Integer(
        compute="_compute_refused_today",
        groups="mrp_machine_connect.group_supervisor",
        help="What was refused of it today (UTC): requests and events.",
    )

    @api.depends("key_ids.last_used", "figure_ids.last")
    def _compute_last_heard(self):
        found = super()._compute_last_heard()
        groups = self.env["mrp.machine.source.figure"]._read_group(
            [("source_id", "in", self.ids)], ["source_id"], ["last:max"]
        )
        last = {source.id: moment for source, moment in groups}
        for source in self:
            source.last_heard = max(filter(None, (source.last_heard, last.get(source.id))), default=False)
        return found

    def _compute_status(self):
        for source in self:
            status = source.status_ids[:1]
            source.is_silent = bool(status.silent_since)
            source.software = " ".join(filter(None, (status.software, status.version)))
            source.spool_depth = status.spool_depth
            source.spool_oldest = status.spool_oldest

    def _compute_figures(self):
        moment = fields.Datetime.now()
        lines = self.env["mrp.machine.source.figure"].search(
            [("source_id", "in", self.ids), ("day", ">=", moment.date() - timedelta(days=1))], order="last desc, id"
        )
        by_source = lines.grouped("source_id")
        for source in self:
            recent = by_source.get(source, lines.browse())
            today = recent.filtered(lambda line: line.day == moment.date())
            source.requests_today = sum(today.mapped("requests"))
            source.events_today = sum(today.mapped("events"))
            source.duplicates_today = sum(today.mapped("duplicates"))
            source.held_today = sum(today.mapped("held"))
            source.events_per_minute = sum(line._per_minute(moment) for line in recent)
            source.clock_offset = recent._newest_offset()

    def _compute_gaps_open(self):
        groups = self.env["mrp.machine.gap"]._read_group(
            [("stream_id.source_id", "in", self.ids), ("closed", "=", False)], ["stream_id"], ["__count"]
        )
        count_of = defaultdict(int)
        for stream, count in groups:
            count_of[stream.source_id.id] += count
        for source in self:
            source.gaps_open = count_of[source.id]

    def _compute_refused_today(self):
        groups = self.env["mrp.machine.refusal"]._read_group(
            [("source_id", "in", self.ids), ("day", "=", fields.Datetime.now().date())], ["source_id"], ["count:sum"]
        )
        count_of = {source.id: count for source, count in groups}
        for source in self:
            source.refused_today = count_of.get(source.id, 0)
