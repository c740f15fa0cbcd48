from odoo import fields, models


class MrpProduction(models.Model):
    _inherit = "mrp.production"

    quality_machine_alert_ids = fields.One2many("quality.machine.alert", "production_id", string="Quality Alerts")
    quality_machine_alert_count = fields.Integer(
        compute="_compute_quality_machine_alert_count", compute_sudo=True, help="All alerts of this order."
    )

    def _compute_quality_machine_alert_count(self):
        counts = dict(
            self.env["quality.machine.alert"]._read_group(
                [("production_id", "in", self.ids)], ["production_id"], ["__count"]
            )
        )
        for production in self:
            production.quality_machine_alert_count = counts.get(production, 0)

    def action_quality_machine_alerts(self):
        """Open the quality alerts of this order."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_alert_action")
        action["domain"] = [("production_id", "=", self.id)]
        action["context"] = {"default_production_id": self.id}
        if len(self.quality_machine_alert_ids) == 1:
            action.update(view_mode="form", views=[(False, "form")], res_id=self.quality_machine_alert_ids.id)
        return action
