"""Time of an order that ended in shadow is put right there, too, when nothing is heard of the machine any more."""

import logging

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api, models

from ..shadow import Shadow

_logger = logging.getLogger(__name__)


class MachineInterval(models.Model):
    _inherit = "mrp.machine.interval"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _cron_extend(self):
        result = super()._cron_extend()
        due = self.search([("is_due", "=", True), ("machine_id.posting_mode", "=", "shadow")])
        for machine_id in due.machine_id.ids:
            try:
                self.env["mrp.machine.poster"]._cast_time(machine_id)
            except Exception:  # one machine's trouble must not keep the others' time
                _logger.exception("the time of machine %s in shadow could not be put right", machine_id)
        return result


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _cast_time(self, machine_id):
        """Say what the time would be of intervals that are not up to date, in a transaction of its own."""
        with self.env.registry.cursor() as cr:
            if not self._lock(cr, machine_id, ()):
                return
            env = api.Environment(cr, SUPERUSER_ID, {})
            machine, poster = env["mrp.machine"].browse(machine_id), env["mrp.machine.poster"]
            due = env["mrp.machine.interval"].search(
                [("machine_id", "=", machine_id), ("is_due", "=", True)], order="start_us"
            )
            due = due._bookable()
            if machine.is_paused or not due:
                return

            def work(poster, machine):
                # sudo: the timeline is the poster's own; the time lines themselves are written as the service user
                poster.env["mrp.machine.interval"].sudo().browse(due.ids)._project(machine.env)

            events = due.event_id.sorted("occurred_us")
            shadow = Shadow(machine, events)
            try:
                kept = poster._cast(shadow, poster._service(machine), work, None, events)
                poster._keep(shadow, kept)
                env.flush_all()
            except OperationalError as conflict:
                cr.rollback()
                _logger.info("the time of machine %s in shadow met another transaction: %s", machine_id, conflict)
