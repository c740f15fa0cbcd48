from odoo import api, models


class MachineLoading(models.Model):
    _inherit = "mrp.machine.loading"

    @api.model
    def _load(self, machine, production, workorder, at):
        loading = super()._load(machine, production, workorder, at)
        self.env["quality.machine.alert"]._give_to_order(machine, production, workorder, at, loading.date_end)
        return loading
