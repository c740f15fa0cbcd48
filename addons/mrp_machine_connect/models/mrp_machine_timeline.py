"""Whose time was it? The timeline of a machine is cut where its order or its work center changes."""

from odoo import models

from ..machine_connect import clock
from ..machine_connect.event import microseconds
from ..moments import microseconds_of


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

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
