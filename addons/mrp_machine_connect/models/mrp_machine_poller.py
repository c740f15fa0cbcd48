import contextlib
import logging
import time

from odoo import api, models
from odoo.exceptions import UserError

from ..polling_host import PASSING, REFRESH, PollingHost, worker_name

_logger = logging.getLogger(__name__)

#: Seconds that a scheduled pass may take; the next one comes within the minute.
CRON_BUDGET = 8.0
#: Seconds that a poller which finds its lease gone needs to hang up.
HANDOVER = 0.5


class MachinePoller(models.AbstractModel):
    """The door from Odoo to the polling host: the scheduled pass, and the lease that a form borrows."""

    _name = "mrp.machine.poller"
    _description = "Machine Poller"

    @api.model
    def _cron_poll(self):
        """Read once what is due, within :data:`CRON_BUDGET` seconds; never raise, whatever the machines do."""
        host = PollingHost(self.env.registry, worker_name("cron"), "cron")
        try:
            host.run_pass(CRON_BUDGET)
        except PASSING as met:
            _logger.info("a polling pass met another one; the next pass goes on: %s", str(met).strip())
        finally:
            # What cannot be given back now ends by itself, half a minute later.
            with contextlib.suppress(*PASSING):
                host.close(0.0)

    @api.model
    @contextlib.contextmanager
    def _borrowed(self, endpoint, holder, seconds=60.0):
        """Hold the lease of an endpoint while a person's question is asked, in transactions of its own.

        The form's own transaction holds no lock then. A poller that held the lease finds it gone, drops its results and
        hangs up; it is given the time to, so that a device with a single connection answers the person.

        :raise UserError: another person is asking just now
        """
        with self.env.registry.cursor() as cr:
            cr.execute(
                """INSERT INTO mrp_machine_endpoint (key, token) VALUES (%s, 0) ON CONFLICT (key) DO NOTHING""",
                [endpoint],
            )
        with self.env.registry.cursor() as cr:
            cr.execute(
                """UPDATE mrp_machine_endpoint endpoint
                      SET holder = %(holder)s, token = endpoint.token + 1,
                          lease_until = (clock_timestamp() AT TIME ZONE 'UTC') + %(seconds)s * interval '1 second'
                     FROM (SELECT id, holder, coalesce(lease_until > clock_timestamp() AT TIME ZONE 'UTC', false) AS held
                             FROM mrp_machine_endpoint WHERE key = %(key)s) before
                    WHERE endpoint.id = before.id AND NOT (before.held AND coalesce(before.holder, '') LIKE 'form-%%')
                RETURNING before.held""",
                {"holder": holder, "seconds": seconds, "key": endpoint},
            )
            taken = cr.fetchone()
        if not taken:
            raise UserError(self.env._("Somebody else is testing this connection just now. Try again in a moment."))
        try:
            if taken[0]:
                time.sleep(REFRESH + HANDOVER)
            yield
        finally:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    "UPDATE mrp_machine_endpoint SET holder = NULL, lease_until = NULL WHERE key = %s AND holder = %s",
                    [endpoint, holder],
                )
