"""What was made on a lot that ended enters stock as that lot, whatever the beat of the machine is."""

from odoo import api, models

from ..models.mrp_production_lot import ENDED_LOTS


class MachineHandlerStockBeat(models.AbstractModel):
    _inherit = "mrp.machine.handler.stock_beat"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _post(self, group, rows):
        if all((event.data or {}).get("rule") == "lot" for event in rows.event_id):
            self = self.with_context(**{ENDED_LOTS: True})
        return super()._post(group, rows)

    @api.model
    def _explanation(self, event, production):
        if event.data.get("rule") == "lot" and production.state != "done":
            return self.env._("The lot changed: what was made before is of the earlier one.")
        return super()._explanation(event, production)
