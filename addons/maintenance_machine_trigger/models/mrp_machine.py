from odoo import api, fields, models


class Machine(models.Model):
    _inherit = "mrp.machine"

    equipment_id = fields.Many2one(
        "maintenance.equipment",
        check_company=True,
        copy=False,
        index="btree_not_null",
        tracking=True,
        help="What maintenance calls this machine. Faults become requests on it, for its team and its technician.",
    )
    maintenance_min_severity = fields.Integer(
        string="Requests From Severity",
        default=1,
        tracking=True,
        help="Alarms less severe than this stay in the log and make no request. 1 to 1000: low to 333, medium to 666, "
        "high to 900, critical above (OPC UA Part 9).",
    )
    maintenance_request_ids = fields.One2many("maintenance.request", "machine_id", string="Maintenance Requests")
    maintenance_open_count = fields.Integer(
        compute="_compute_maintenance_open_count",
        compute_sudo=True,
        string="Open Maintenance Requests",
        help="Requests for this machine that are neither done nor cancelled.",
    )

    _maintenance_min_severity_range = models.Constraint(
        "CHECK (maintenance_min_severity BETWEEN 1 AND 1000)",
        "The lowest severity of a request lies between 1 and 1000.",
    )

    def _compute_maintenance_open_count(self):
        counts = dict(
            self.env["maintenance.request"]._read_group(
                [("machine_id", "in", self.ids), ("stage_id.done", "=", False), ("archive", "=", False)],
                ["machine_id"],
                ["__count"],
            )
        )
        for machine in self:
            machine.maintenance_open_count = counts.get(machine, 0)

    @api.model
    def _supervisor_fields(self):
        # What a fault belongs to is found out at the exceptions, by whoever looks after them.
        return super()._supervisor_fields() | {"equipment_id"}

    def write(self, vals):
        result = super().write(vals)
        if vals.get("equipment_id"):
            self.env["mrp.machine.event.posting"]._requeue_waiting("no_equipment", self)
        return result

    def _maintenance_reader(self):
        """Return ``(language, time zone)`` of those who read what is written into a request: its technician's, or else
        the company's."""
        self.ensure_one()
        # sudo: of a colleague no more than this
        technician = self.equipment_id.sudo().technician_user_id
        company = self.company_id.sudo().partner_id
        zone = technician.tz or company.tz or self.workcenter_id.tz or self.clock_zone or "UTC"
        return technician.lang or company.lang or self.env.lang, zone

    # Buttons

    def action_maintenance_requests(self):
        """Open the maintenance requests of this machine."""
        return self._action_records(
            "maintenance_machine_trigger.maintenance_request_action_machine",
            [("machine_id", "=", self.id)],
            default_equipment_id=self.equipment_id.id,
            search_default_active=1,
            search_default_todo=1,
        )

    def action_equipment(self):
        """Open the equipment of this machine."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "maintenance.equipment",
            "res_id": self.equipment_id.id,
            "view_mode": "form",
        }
