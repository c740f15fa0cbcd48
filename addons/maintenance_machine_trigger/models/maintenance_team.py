from odoo import api, models


class MaintenanceTeam(models.Model):
    _inherit = "maintenance.team"

    @api.model_create_multi
    def create(self, vals_list):
        teams = super().create(vals_list)
        self.env["mrp.machine.event.posting"]._requeue_waiting("no_team")
        return teams

    def write(self, vals):
        result = super().write(vals)
        if {"company_id", "active"} & vals.keys():
            self.env["mrp.machine.event.posting"]._requeue_waiting("no_team")
        return result
