from odoo import api, fields, models


class MaintenanceEquipment(models.Model):
    _inherit = "maintenance.equipment"

    machine_ids = fields.One2many(
        "mrp.machine", "equipment_id", string="Machines", help="The machines that report the faults of this equipment."
    )
    machine_count = fields.Integer(compute="_compute_machine", compute_sudo=True)
    machine_state = fields.Selection(
        "_selection_machine_state",
        compute="_compute_machine",
        compute_sudo=True,
        help="What the machine says it does; of several machines the first.",
    )
    machine_state_since = fields.Datetime(
        compute="_compute_machine", compute_sudo=True, help="Since when the machine has been in this state."
    )

    @api.model
    def _selection_machine_state(self):
        return self.env["mrp.machine"]._fields["state"]._description_selection(self.env)

    @api.depends("machine_ids.status_id.state", "machine_ids.status_id.state_since")
    def _compute_machine(self):
        for equipment in self:
            machine = equipment.machine_ids[:1]
            equipment.machine_count = len(equipment.machine_ids)
            equipment.machine_state = machine.state
            equipment.machine_state_since = machine.state_since

    def write(self, vals):
        result = super().write(vals)
        if vals.get("maintenance_team_id"):
            self.env["mrp.machine.event.posting"]._requeue_waiting("no_team", self.sudo().machine_ids)
        return result

    def action_machines(self):
        """Open the machine of this equipment, or the list when there are several."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_action")
        action["domain"] = [("equipment_id", "=", self.id)]
        action["context"] = {"default_equipment_id": self.id}
        if len(self.machine_ids) == 1:
            action.update(view_mode="form", views=[(False, "form")], res_id=self.machine_ids.id)
        return action
