import logging
from datetime import timedelta
from itertools import zip_longest

from odoo import api, fields, models

from ..fields import BigInteger
from ..machine_connect.event import instant
from .mrp_machine import STATES
from .mrp_workorder import CLOSED

_logger = logging.getLogger(__name__)

#: States in which the machine makes parts or is about to.
PRODUCTIVE = ("running", "transient")

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
#: A time line shorter than this is lost in Odoo's rounding to hundredths of a minute.
SHORTEST_LINE = timedelta(seconds=1)


class MachineInterval(models.Model):
    """The state timeline: in which state a machine was from when to when. No two intervals of a machine overlap."""

    _name = "mrp.machine.interval"
    _description = "Machine State Interval"
    _order = "start_us desc, id desc"
    _rec_name = "state"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, ondelete="restrict")
    workcenter_id = fields.Many2one("mrp.workcenter", string="Work Center", readonly=True, index="btree_not_null")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    state = fields.Selection(STATES, required=True, readonly=True)
    reason = fields.Char(readonly=True)
    reason_words = fields.Char(
        "Why", compute="_compute_reason_words", help="The reason as people say it: the machine's own word, or ours."
    )
    raw_value = fields.Char(readonly=True, help="What the machine called it.")
    date_start = fields.Datetime(string="From", compute="_compute_dates", store=True)
    date_end = fields.Datetime(string="To", compute="_compute_dates", store=True)
    start_us = BigInteger("From (µs)", required=True, readonly=True)
    end_us = BigInteger("To (µs)", readonly=True, help="Empty: still so.")
    duration = fields.Float(
        string="Seconds", compute="_compute_dates", store=True, aggregator="sum", help="0 while it is still so."
    )
    duration_class = fields.Selection(
        [("micro_stop", "Micro stop"), ("short_stop", "Short stop"), ("down", "Downtime")],
        compute="_compute_duration_class",
        store=True,
        help="Of a stop, by its length; final when it has ended.",
    )
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True, index="btree_not_null")
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True, index="btree_not_null")
    loss_id = fields.Many2one("mrp.workcenter.productivity.loss", readonly=True)
    event_id = fields.Many2one("mrp.machine.event", readonly=True, index="btree_not_null", ondelete="restrict")
    is_due = fields.Boolean(readonly=True, help="Its time on the work center is not up to date.")
    productivity_id = fields.Many2one(
        "mrp.workcenter.productivity", string="Time Line", readonly=True, index="btree_not_null", ondelete="set null"
    )
    earlier_productivity_ids = fields.Many2many(
        "mrp.workcenter.productivity",
        string="Earlier Time Lines",
        readonly=True,
        help="Where people's own timers on the work order divide its time: the lines before the last.",
    )

    # The timeline is ours to keep whole: checked at the end of the savepoint, since the ORM inserts before it updates.
    _no_overlap = models.Constraint(
        "EXCLUDE USING gist (machine_id WITH =, int8range(start_us, end_us) WITH &&) DEFERRABLE INITIALLY DEFERRED",
        "Two states of one machine overlap.",
    )
    _end_after_start = models.Constraint(
        "CHECK (end_us IS NULL OR end_us >= start_us)", "An interval ends after it began."
    )
    _machine_start = models.Index("(machine_id, start_us DESC)")
    _due = models.Index("(machine_id) WHERE is_due")
    _still = models.Index("(machine_id) WHERE end_us IS NULL")

    @api.depends("start_us", "end_us")
    def _compute_dates(self):
        for interval in self:
            interval.date_start = instant(interval.start_us).replace(tzinfo=None) if interval.start_us else False
            interval.date_end = instant(interval.end_us).replace(tzinfo=None) if interval.end_us else False
            interval.duration = (interval.end_us - interval.start_us) / 1e6 if interval.end_us else 0.0

    @api.depends("duration", "state", "end_us")
    def _compute_duration_class(self):
        for interval in self:
            machine = interval.machine_id
            if interval.state in (*PRODUCTIVE, "unknown", "off") or not interval.end_us:
                interval.duration_class = False
            elif interval.duration < machine.micro_stop_limit:
                interval.duration_class = "micro_stop"
            elif interval.duration < machine.short_stop_limit:
                interval.duration_class = "short_stop"
            else:
                interval.duration_class = "down"

    @api.depends("reason")
    @api.depends_context("lang")
    def _compute_reason_words(self):
        events = self.env["mrp.machine.event"]
        for interval in self:
            interval.reason_words = interval.reason and events._reason_words(interval.reason)

    def _state_label(self):
        self.ensure_one()
        return dict(self._fields["state"]._description_selection(self.env)).get(self.state, self.state)

    def _schedule_projection(self):
        """Note that the work center's time of these intervals is to be written, where their machine may post."""
        self.filtered(lambda interval: interval.machine_id.posting_mode == "automatic").is_due = True

    @api.model
    def _cron_extend(self):
        """Let the time line of what is still going on grow, so that a stop is seen while it lasts."""
        service = self.env["mrp.machine.poster"]
        # By SQL: the partial indexes on what is open and what is due are met by exactly these conditions.
        self.env.cr.execute(
            """SELECT id FROM mrp_machine machine
                WHERE machine.active AND machine.posting_mode = 'automatic'
                  AND (EXISTS (SELECT FROM mrp_machine_interval WHERE machine_id = machine.id AND end_us IS NULL)
                       OR EXISTS (SELECT FROM mrp_machine_interval WHERE machine_id = machine.id AND is_due))"""
        )
        for (machine_id,) in self.env.cr.fetchall():
            try:
                with self.env.registry.cursor() as cr:
                    service._extend(cr, machine_id)
            except Exception:  # one machine's trouble must not keep the others' time
                _logger.exception("the time of machine %s could not be extended", machine_id)

    def _bookable(self):
        """Return those of these intervals whose time may be booked: a person or a pause may keep it back.

        The timeline shows what happened, whatever becomes of it. Its time is an effect with a row of its own, and goes to
        the work center only where that row is not in the way: waiting, held, failed or ignored by a person.
        """
        # sudo: effects are the poster's matter
        rows = (
            self.env["mrp.machine.event.posting"]
            .sudo()
            .search(
                [
                    ("event_id", "in", self.event_id.ids),
                    ("handler", "=", "work_time"),
                    "|",
                    ("state", "in", ("waiting", "held", "failed")),
                    ("reason", "=", "by_person"),
                ]
            )
        )
        ignored = rows.filtered(lambda row: row.state == "ignored").event_id
        given_up = self.filtered(lambda interval: interval.event_id in ignored)
        given_up.is_due = False
        return self.filtered(lambda interval: interval.event_id not in rows.event_id)

    def _project(self, env):
        """Write the work center's time lines of these intervals, in the name of the environment's user.

        Closed lines, never an open one: a running line would count up to now by Odoo's clock, and an operator's own timer
        could not be told from it. One an interval, unless people's timers on the work order divide it.

        :return: the mrp.workcenter.productivity written
        """
        lines = env["mrp.workcenter.productivity"]
        for interval in self.sorted("start_us"):
            kept = interval._write_lines(env)
            former = interval.earlier_productivity_ids
            interval.productivity_id = kept[-1:].id
            if len(kept) > 1 or former:
                interval.earlier_productivity_ids = [(6, 0, kept[:-1].ids)]
            interval.is_due = False
            lines |= kept
        return lines

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
        workcenter = self.workcenter_id
        if not workcenter or self.state in ("unknown", "off"):
            return []
        start = max(self.date_start, self.machine_id.automatic_since or self.date_start).replace(microsecond=0)
        end = (self.date_end or self._known_until()).replace(microsecond=0)
        if end - start < SHORTEST_LINE:
            return []
        loss, workorder = self._loss(env, end - start)
        if not loss:
            return []
        if workorder.state in CLOSED and workorder.date_finished:
            # The machine may run on for hours; what has ended costs no more.
            end = min(end, workorder.date_finished.replace(microsecond=0))
        spans = self._without_people(env, workorder, start, end) if workorder else [(start, end)]
        return [
            {
                "workcenter_id": workcenter.id,
                "workorder_id": workorder.id,
                "company_id": self.company_id.id,
                "loss_id": loss.id,
                "date_start": begin,
                "date_end": until,
                "description": self.reason or self._state_label(),
            }
            for begin, until in spans
            if until - begin >= SHORTEST_LINE
        ]

    @api.model
    def _without_people(self, env, workorder, start, end):
        """Return what is left of a time when people's own timers on the work order, which count it already, are taken out.

        :return: ``[(start, end)]`` in order
        """
        theirs = env["mrp.workcenter.productivity"].search(
            [
                ("workorder_id", "=", workorder.id),
                ("user_id", "!=", env.ref("mrp_machine_connect.user_machine_connect").id),
                ("date_start", "<", end),
                "|",
                ("date_end", "=", False),
                ("date_end", ">", start),
            ],
            order="date_start, id",
        )
        left = []
        for line in theirs:
            if line.date_start > start:
                left.append((start, line.date_start))
            start = max(start, line.date_end or end)
            if start >= end:
                return left
        return [*left, (start, end)]

    def _known_until(self):
        """Return how far it is certain that an open interval lasts: until the machine was last heard."""
        status = self.machine_id.status_id
        return max(moment for moment in (self.date_start, status.last_seen, status.last_event) if moment)

    def _loss(self, env, length):
        """Return ``(loss, work order)`` for this interval's time; without loss it is not booked."""
        none = env["mrp.workcenter.productivity.loss"], env["mrp.workorder"]
        workorder = none[1].browse(self.workorder_id.id)
        if self.state in PRODUCTIVE:
            return (env.ref("mrp.block_reason7"), workorder) if workorder else none
        if not self.production_id and self.state not in LOSS_WITHOUT_ORDER:
            return none
        if length.total_seconds() < self.machine_id.micro_stop_limit:
            if not self.end_us:
                return none
            return (env.ref("mrp.block_reason4"), workorder) if workorder else none
        return (none[0].browse(self.loss_id.id) or env.ref(LOSSES[self.state])), none[1]
