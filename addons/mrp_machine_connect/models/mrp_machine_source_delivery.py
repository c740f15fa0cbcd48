import json
import logging
import time
from collections import Counter

from odoo import models
from odoo.exceptions import AccessError, UserError
from odoo.http import request

from ..machine_connect.envelope import BATCH, parse
from ..machine_connect.refusals import RequestRefused
from .mrp_machine_door import superuser

_logger = logging.getLogger(__name__)


class MachineSource(models.Model):
    """Events by Odoo's own API (JSON-2), for whoever cannot call the door. What the source may say is the same as there."""

    _inherit = "mrp.machine.source"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def deliver(self, events):
        """Take events for this source from a manager who is logged in, or from a key of his.

        :param list events: CloudEvents as of :mod:`machine_connect.envelope`, JSON only
        :return: what the door answers: ``{"results": [one an event, in the order sent], "watermarks": [...]}``
        :raise AccessError: whoever asks is no manager of this source
        :raise UserError: this source may not deliver here and now, or none of the events is taken
        """
        started = time.perf_counter()
        self.ensure_one()
        if not self.env.user.has_group("mrp_machine_connect.group_manager"):
            raise AccessError(
                self.env._("Only managers of machines deliver events for a source. Others use its key, at the door.")
            )
        self.check_access("write")
        self._check_may_deliver_here()
        # As at the door: what is written are tables of our own, and what may be said hangs on the source. The context is the
        # caller's own and must change nothing.
        source = superuser(self.env(context={}))["mrp.machine.source"].browse(self.id)
        try:
            parsed = parse(json.dumps(events).encode(), BATCH, "")
            parsed = source.env["mrp.machine.pressure"]._admit(source, parsed)
        except RequestRefused as refused:
            raise UserError(
                self.env._(
                    "None of these events was taken: %(why)s (%(code)s).",
                    why=str(refused).partition(": ")[2],
                    code=refused.code,
                )
            ) from None
        answer = source.env["mrp.machine.intake"]._take(source, parsed)
        counted = Counter(result["status"] for result in answer["results"])
        _logger.info("user %s delivered events for source %s: %s", self.env.uid, self.id, dict(counted))
        # Last of all: the row that is counted in is locked from here to the commit.
        source.env["mrp.machine.source.figure"]._note(source.id, "deliver", time.perf_counter() - started, counted)
        return answer

    def _check_may_deliver_here(self):
        """Raise a UserError where the door would let this source in with no key at all."""
        if not self.is_outside:
            raise UserError(self.env._("%s lives in Odoo itself: nobody delivers events for it.", self.name))
        if not self.active:
            raise UserError(self.env._("%s is archived: nothing is taken from it.", self.name))
        if not self._is_armed():
            raise UserError(
                self.env._(
                    "Machines are disarmed in this database: nothing is taken from %s. See the banner.", self.name
                )
            )
        if not self._allows("deliver"):
            raise UserError(self.env._("%s may not deliver events: allow it on the source.", self.name))
        if request and not self._takes_from(request.httprequest.remote_addr):
            raise UserError(self.env._("%s may not call from this address: see its allowed networks.", self.name))
