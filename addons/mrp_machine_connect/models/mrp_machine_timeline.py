"""Whose time was it? The timeline of a machine is cut where its order or its work center changes."""

from odoo import fields, models

from ..machine_connect import clock
from ..machine_connect.event import microseconds
from ..moments import microseconds_of

#: Later than any order is loaded.
FOREVER = fields.Datetime.to_datetime("9999-12-31 00:00:00")


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    working_hours_id = fields.Many2one(
        "resource.calendar",
        string="Working Hours",
        related="workcenter_id.resource_calendar_id",
        help="Of the work center. A stop outside of them, or in their pauses, is planned: it stays in the timeline and is no "
        "loss. Empty, or 24 hours on each day: the machine is to work around the clock.",
    )

    def _cut_time(self, us, unless=None):
        """Cut the state that lasts across a moment in two.

        :param int us: the moment in microseconds since 1970
        :param tuple unless: production and work order whose time need not be cut
        :return: the interval that begins there now, or an empty recordset when none lasted across it
        """
        self.ensure_one()
        # sudo: the timeline is the poster's own
        timeline = self.env["mrp.machine.interval"].sudo()
        across = timeline.search(
            [("machine_id", "=", self.id), ("start_us", "<", us), "|", ("end_us", "=", False), ("end_us", ">", us)],
            order="start_us desc",
            limit=1,
        )
        if not across or unless == (across.production_id, across.workorder_id):
            return timeline
        rest = {
            "machine_id": self.id,
            "workcenter_id": across.workcenter_id.id,
            "state": across.state,
            "reason": across.reason,
            "raw_value": across.raw_value,
            "production_id": across.production_id.id,
            "workorder_id": across.workorder_id.id,
            "loss_id": across.loss_id.id,
            "event_id": across.event_id.id,
            "is_setup": across.is_setup,
            "start_us": us,
            "end_us": across.end_us or False,
        }
        across.end_us = us
        rest = timeline.create(rest)
        (across | rest)._schedule_projection()
        return rest

    def _give_time(self, start, end, production, workorder):
        """Give the machine's time from a moment on (naive UTC), up to another or for good, to an order or to none."""
        self.ensure_one()
        timeline = self.env["mrp.machine.interval"].sudo()  # sudo: as above
        order = (production, workorder)
        domain = [("machine_id", "=", self.id), ("start_us", ">=", microseconds_of(start))]
        self._cut_time(microseconds_of(start), unless=order)
        if end:
            self._cut_time(microseconds_of(end), unless=order)
            domain.append(("start_us", "<", microseconds_of(end)))
        given = timeline.search(domain).filtered(
            lambda interval: (interval.production_id, interval.workorder_id) != order
        )
        given.write({"production_id": production.id, "workorder_id": workorder.id})
        given._schedule_projection()
        self._join_time(microseconds_of(start), end and microseconds_of(end))

    def _join_time(self, first, last=None):
        """Make one of neighbours in the timeline that say the same: what comes late, or is taken back, leaves no seam.

        A stop is as long as it was, in whatever pieces it became known.

        :param int first: where neighbours may have become alike, in microseconds since 1970
        :param int last: up to where, or nothing for up to now
        """
        self.ensure_one()
        timeline = self.env["mrp.machine.interval"].sudo()  # sudo: as above
        domain = [("machine_id", "=", self.id)]
        kept = timeline.search([*domain, ("start_us", "<", first)], order="start_us desc", limit=1)
        domain.append(("start_us", ">=", first))
        if last:
            domain.append(("start_us", "<=", last))
        pieces = timeline.search(domain, order="start_us")
        standings = (kept | pieces)._standings()
        run = kept
        for piece in pieces:
            if run and run[-1]._is_alike(piece, standings):
                run += piece
                continue
            run[:1]._take_in(run[1:])
            run = piece
        run[:1]._take_in(run[1:])

    def _divide_time(self, interval):
        """Cut an interval of the timeline where another order was loaded within it, and give each part its own.

        One that comes late, or is the first of all, may reach over loads that were known before it.
        """
        self.ensure_one()
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        loadings = self.env["mrp.machine.loading"]._between(self, interval.date_start, interval.date_end or FOREVER)
        moments = {
            microseconds_of(moment) for each in loadings for moment in (each.date_start, each.date_end) if moment
        }
        end = interval.end_us
        for us in sorted(us for us in moments if us > interval.start_us and (not end or us < end)):
            rest = self._cut_time(us)
            loading = loadings.filtered(
                lambda each, us=us: (
                    microseconds_of(each.date_start) <= us
                    and (not each.date_end or microseconds_of(each.date_end) > us)
                )
            )[:1]
            order = self._loaded_order(loading) if loading else none
            production, workorder = order[:2] if isinstance(order, tuple) else none
            rest.write({"production_id": production.id, "workorder_id": workorder.id})

    def _move_time(self):
        """Let the state that lasts go on, from now, on the work center that the machine has by now."""
        now = clock.now()
        # sudo: whoever may move a machine need not be allowed to read the orders of a work center
        for machine in self.sudo():
            rest = machine._cut_time(microseconds(now))
            if not rest:
                continue
            values = {"workcenter_id": machine.workcenter_id.id}
            if not machine.loading_ids._current(machine):
                # Without a loading it was the order of the work center that the machine left.
                found = machine._order_in_progress(machine._running_orders(), now.replace(tzinfo=None))
                production, workorder = found[:2] if isinstance(found, tuple) else (None, None)
                values.update(production_id=production and production.id, workorder_id=workorder and workorder.id)
            rest.write(values)
