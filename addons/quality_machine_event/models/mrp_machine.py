from odoo import fields, models


class Machine(models.Model):
    _inherit = "mrp.machine"

    quality_responsible_id = fields.Many2one(
        "res.users",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
        tracking=True,
        help="Who gets the alerts of this machine. Empty: the person responsible for the machine.",
    )
    quality_alert_ids = fields.One2many("quality.machine.alert", "machine_id", string="Quality Alerts")
    quality_alert_count = fields.Integer(
        compute="_compute_quality_alert_count", compute_sudo=True, help="Alerts that are not done."
    )

    def _compute_quality_alert_count(self):
        counts = dict(
            self.env["quality.machine.alert"]._read_group(
                [("machine_id", "in", self.ids), ("state", "!=", "done")], ["machine_id"], ["__count"]
            )
        )
        for machine in self:
            machine.quality_alert_count = counts.get(machine, 0)

    def action_quality_alerts(self):
        """Open the quality alerts of this machine."""
        return self._action_records(
            "quality_machine_event.quality_machine_alert_action", [("machine_id", "=", self.id)], search_default_open=1
        )
