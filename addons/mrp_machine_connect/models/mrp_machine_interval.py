import logging

from odoo import api, fields, models

from ..fields import BigInteger
from ..machine_connect.event import instant
from .mrp_machine import STATES

_logger = logging.getLogger(__name__)

#: States in which the machine makes parts or is about to.
PRODUCTIVE = ("running", "transient")


class MachineInterval(models.Model):
    """The state timeline: in which state a machine was from when to when. No two intervals of a machine overlap."""

    _name = "mrp.machine.interval"
    _description = "Machine State Interval"
    _order = "start_us desc, id desc"
    _rec_name = "state"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, ondelete="restrict")
    workcenter_id = fields.Many2one("mrp.workcenter", string="Work Center", readonly=True)
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
    is_setup = fields.Boolean(
        "Within a Setup", readonly=True, help="The machine was being set up, by its own word, whatever its state was."
    )
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
    # Which machines were ever on a work center is found by leaps.
    _workcenter_machine = models.Index("(workcenter_id, machine_id) WHERE workcenter_id IS NOT NULL")
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
        self.filtered(lambda interval: interval.machine_id.posting_mode != "observe").is_due = True

    @api.model
    def _cron_extend(self):
        """Let the time line of what is still going on grow, so that a stop is seen while it lasts."""
        service = self.env["mrp.machine.poster"]
        # By SQL: the partial indexes on what is open and what is due are met by exactly these conditions.
        self.env.cr.execute(
            """SELECT id FROM mrp_machine machine
                WHERE machine.active AND machine.posting_mode IN ('automatic', 'propose')
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

    def _is_alike(self, following, standings):
        """Return whether the interval that follows this one says nothing else of the machine.

        :param dict standings: what :meth:`_standings` said of both
        """
        if self.end_us != following.start_us:
            return False
        fields_of_time = ("state", "loss_id", "production_id", "workorder_id", "workcenter_id", "is_setup")
        if any(self[name] != following[name] for name in fields_of_time):
            return False
        if (self.reason or "") != (following.reason or ""):
            return False
        if self.event_id == following.event_id:
            return True
        # A word without a meaning may come to mean something else than the next one.
        timeline = self.env["mrp.machine.handler.state_interval"]
        if not timeline._is_known(self.event_id) or not timeline._is_known(following.event_id):
            return False
        return standings.get(self.event_id) == standings.get(following.event_id)

    def _standings(self):
        """Return ``{event: what keeps the time of its interval back}``, state and reason; without those kept by nothing."""
        # sudo: effects are the poster's matter
        rows = self.env["mrp.machine.event.posting"].sudo()
        kept = rows.search(
            [
                ("event_id", "in", self.event_id.ids),
                ("handler", "=", "work_time"),
                "|",
                ("state", "in", ("waiting", "held", "failed")),
                ("reason", "=", "by_person"),
            ]
        )
        return {row.event_id: (row.state, row.reason) for row in kept}

    def _take_in(self, following):
        """Let this interval last as long as those that follow, in their order, which are no longer told from it."""
        if not following:
            return
        lines = following.productivity_id | following.earlier_productivity_ids
        if lines:
            self.earlier_productivity_ids |= lines
        # sudo: postings are the poster's own; what they brought about goes on in this interval
        postings = self.env["mrp.machine.posting"].sudo()
        postings.search([("res_model", "=", self._name), ("res_id", "in", following.ids)]).res_id = self.id
        # Of a state that lasts still there is no end; empty reads as 0.
        end = following[-1].end_us or False
        following.unlink()
        self.end_us = end
        self._schedule_projection()
