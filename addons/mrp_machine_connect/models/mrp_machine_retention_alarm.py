from odoo import api, models

from .mrp_machine_retention import BATCH


class MachineRetention(models.AbstractModel):
    """Keeps also the occurrences of alarms at a constant size."""

    _inherit = "mrp.machine.retention"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _trim_batch(self):
        return super()._trim_batch() + self._trim_alarms()

    def _trim_alarms(self, limit=BATCH):
        """Delete one batch of the alarms that were cleared long ago; one that stands stays, however old it is."""
        return self._trim_older("alarm", "alarms", "cleared", [("is_active", "=", False)], "raised_us, id", limit)
