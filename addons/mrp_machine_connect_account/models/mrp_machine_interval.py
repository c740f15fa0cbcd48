from odoo import models

from ..books import BOOKS


class MachineInterval(models.Model):
    _inherit = "mrp.machine.interval"

    def _project(self, env):
        """Let time that came to be known after its order was closed reach the value of what was made."""
        before = self.productivity_id.workorder_id
        lines = super()._project(env)
        if BOOKS in env.context:
            orders = env["mrp.production"].browse((before | self.workorder_id | lines.workorder_id).production_id.ids)
            orders.filtered(lambda order: order.state == "done")._take_late_labour()
        return lines
