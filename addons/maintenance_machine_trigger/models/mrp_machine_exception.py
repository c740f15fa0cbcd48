from odoo import models


class MachineException(models.Model):
    _inherit = "mrp.machine.exception"

    def action_choose_equipment(self):
        """Open the machine, where its equipment is chosen."""
        return self._present()[:1].last_id.action_choose_equipment()
