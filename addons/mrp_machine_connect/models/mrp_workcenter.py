from odoo import api, fields, models


class MrpWorkcenter(models.Model):
    _inherit = "mrp.workcenter"

    machine_ids = fields.One2many("mrp.machine", "workcenter_id", string="Machines")
    machine_count = fields.Integer(compute="_compute_machine_count")
    is_machine_fed = fields.Boolean(
        compute="_compute_machine_count",
        help="A machine reports its pieces: starting and finishing a work order never invents quantities here.",
    )

    @api.depends("machine_ids.active", "machine_ids.posting_mode")
    def _compute_machine_count(self):
        for workcenter in self:
            machines = workcenter.machine_ids
            workcenter.machine_count = len(machines)
            workcenter.is_machine_fed = any(machine.active and machine._feeds() for machine in machines)

    def action_machines(self):
        """Open the machines that serve this work center."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_action")
        action["domain"] = [("workcenter_id", "=", self.id)]
        action["context"] = {"default_workcenter_id": self.id}
        return action
