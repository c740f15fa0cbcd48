from datetime import timedelta

from odoo import api, fields, models

from .mrp_machine_retention import BATCH
from .mrp_workorder import CLOSED


class MachineRetention(models.AbstractModel):
    """Keeps also what machines in shadow would have booked at a constant size."""

    _inherit = "mrp.machine.retention"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _trim_batch(self):
        return super()._trim_batch() + self._trim_shadows()

    def _trim_shadows(self, limit=BATCH):
        """Delete one batch of the lines of shadows.

        Those stay that a shadow still goes on from, of an order that is open or was in shadow lately, and those that a
        supervisor is to decide by.
        """
        days = self._days("shadow")
        if not days:
            return 0
        border = fields.Datetime.now() - timedelta(days=days)
        memories = self.env["mrp.machine.shadow.memory"]
        ended = memories.search(
            [("write_date", "<", border), ("production_id.state", "in", CLOSED)], order="id", limit=limit
        )
        count = len(ended)
        ended.unlink()
        going_on = [production.id for (production,) in memories._read_group([], ["production_id"])]
        lines = self.env["mrp.machine.shadow"].search(
            [
                ("create_date", "<", border),
                "|",
                ("production_id", "=", False),
                ("production_id", "not in", going_on),
                "|",
                ("proposal_id", "=", False),
                ("proposal_id.state", "!=", "proposed"),
            ],
            order="id",
            limit=limit,
        )
        count += len(lines)
        self._archive("shadows", lines)
        lines.unlink()
        return count
