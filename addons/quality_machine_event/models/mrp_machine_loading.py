from odoo import api, models


class MachineLoading(models.Model):
    _inherit = "mrp.machine.loading"

    @api.model
    def _begun(self, machine, production, workorder, at, until):
        result = super()._begun(machine, production, workorder, at, until)
        self.env["quality.machine.alert"]._give_to_order(machine, production, workorder, at, until)
        return result
