from odoo import api, fields, models
from odoo.exceptions import ValidationError


class MrpWorkcenter(models.Model):
    _inherit = "mrp.workcenter"

    machine_ids = fields.One2many("mrp.machine", "workcenter_id", string="Machines")
    machine_count = fields.Integer(compute="_compute_machine_count")
    is_machine_fed = fields.Boolean(
        compute="_compute_machine_count",
        help="A machine reports its pieces: starting and finishing a work order never invents quantities here.",
    )
    machine_counting = fields.Selection(
        [("add", "Their pieces add up"), ("one", "One of them counts for all")],
        string="Several Machines",
        default="add",
        required=True,
        help="Their pieces add up: each machine makes pieces of its own. One of them counts for all: the pieces go through "
        "all of them, as in a line, and only one feeds the order; the others are compared with it.",
    )
    counting_machine_id = fields.Many2one(
        "mrp.machine",
        domain="[('workcenter_id', '=', id)]",
        index="btree_not_null",
        ondelete="restrict",
        copy=False,
        check_company=True,
        help="The machine whose pieces become quantity of the order; mostly the last of the line.",
    )

    @api.constrains("machine_counting", "counting_machine_id")
    def _check_counting_machine(self):
        for workcenter in self.filtered(lambda workcenter: workcenter.machine_counting == "one"):
            counting = workcenter.sudo().counting_machine_id  # sudo: whoever plans work centers need not see machines
            if not counting.active or counting.workcenter_id != workcenter:
                raise ValidationError(
                    self.env._(
                        "%s: one machine counts for all. Choose which, among the machines that stand here.",
                        workcenter.name,
                    )
                )

    @api.depends("machine_ids.active", "machine_ids.posting_mode", "machine_counting", "counting_machine_id")
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
