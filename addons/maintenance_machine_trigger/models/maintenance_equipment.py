from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.models.mrp_machine_interval import PRODUCTIVE


class MaintenanceEquipment(models.Model):
    _inherit = "maintenance.equipment"

    machine_ids = fields.One2many(
        "mrp.machine", "equipment_id", string="Machines", help="The machines that report the faults of this equipment."
    )
    machine_asset_ids = fields.One2many(
        "maintenance.machine.asset",
        "equipment_id",
        string="Parts of Machines",
        help="What of which machine is about this equipment, where it is a part of one.",
    )
    machine_plan_ids = fields.One2many(
        "maintenance.machine.plan",
        "equipment_id",
        string="Plans by Use",
        help="Services that come by use or by calendar.",
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
    machine_hours = fields.Float(
        string="Running Hours",
        compute="_compute_machine_hours",
        compute_sudo=True,
        digits=(16, 1),
        help="How long its machines ran, by the timeline of their states; of several machines the sum.",
    )

    @api.model
    def _selection_machine_state(self):
        return self.env["mrp.machine"]._fields["state"]._description_selection(self.env)

    def _machines(self):
        """Return the machines that tell of this equipment: its own, and those that it is a part of."""
        return self.machine_ids | self.machine_asset_ids.machine_id

    @api.depends("machine_ids.status_id.state", "machine_ids.status_id.state_since", "machine_asset_ids.machine_id")
    def _compute_machine(self):
        for equipment in self:
            machines = equipment._machines()
            machine = machines[:1]
            equipment.machine_count = len(machines)
            equipment.machine_state = machine.state
            equipment.machine_state_since = machine.state_since

    def _compute_machine_hours(self):
        machines = self._machines()
        domain = [("machine_id", "in", machines.ids), ("state", "in", PRODUCTIVE)]
        intervals = self.env["mrp.machine.interval"]
        seconds = dict(intervals._read_group(domain, ["machine_id"], ["duration:sum"]))
        now = fields.Datetime.now()
        for interval in intervals.search([*domain, ("end_us", "=", False)]):
            seconds[interval.machine_id] += max((now - interval.date_start).total_seconds(), 0.0)
        for equipment in self:
            equipment.machine_hours = sum(seconds.get(machine, 0.0) for machine in equipment._machines()) / 3600

    def write(self, vals):
        result = super().write(vals)
        if vals.get("maintenance_team_id"):
            # sudo: whoever chooses a team need not be allowed to see machines
            self.env["mrp.machine.event.posting"]._requeue_waiting("no_team", self.sudo()._machines())
        return result

    def action_machines(self):
        """Open the machine of this equipment, or the list when there are several."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_action")
        machines = self._machines()
        action["domain"] = [("id", "in", machines.ids)]
        action["context"] = {"default_equipment_id": self.id}
        if len(machines) == 1:
            action.update(view_mode="form", views=[(False, "form")], res_id=machines.id)
        return action
