from datetime import timedelta

from odoo import api, fields, models

from .mrp_machine_retention import BATCH


class MachineRetention(models.AbstractModel):
    """Keeps also the occurrences of alarms at a constant size."""

    _inherit = "mrp.machine.retention"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _trim_batch(self):
        return super()._trim_batch() + self._trim_alarms()

    def _trim_alarms(self, limit=BATCH):
        """Delete one batch of the alarms that were cleared long ago; one that stands stays, however old it is."""
        days = self._days("alarm")
        if not days:
            return 0
        border = fields.Datetime.now() - timedelta(days=days)
        alarms = self.env["mrp.machine.alarm"].search(
            [("is_active", "=", False), ("cleared", "<", border)], order="raised_us, id", limit=limit
        )
        self._archive("alarms", alarms)
        alarms.unlink()
        return len(alarms)
