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
    maintenance_warnings = fields.Boolean(
        string="Requests for Warnings",
        tracking=True,
        help="Faults make requests; warnings are only shown among the alarms. Set it for a machine whose warnings need "
        "somebody as well. A template that is for warnings makes requests of them in any case.",
    )
    maintenance_asset_ids = fields.One2many(
        "maintenance.machine.asset",
        "machine_id",
        string="Parts",
        help="Parts of the machine that are equipment of their own. The first that fits an alarm is taken, else the equipment "
        "above.",
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

    def _asset(self, code, signal, condition_id):
        """Return the equipment that an alarm is about: that of the part it comes from, else the machine's.

        :param str signal: the name of the signal that told it, where one did
        :param int condition_id: of the condition that raised it, where one did
        """
        self.ensure_one()
        # sudo: parts are looked up for whoever posts
        parts = self.sudo().maintenance_asset_ids
        part = next((part for part in parts if part._is_about(code, signal, condition_id)), None)
        return part.equipment_id.with_env(self.env) if part else self.equipment_id

    def _maintenance_reader(self, equipment):
        """Return ``(language, time zone)`` of those who read what is written into a request: its technician's, or else
        the company's."""
        self.ensure_one()
        # sudo: of a colleague no more than this
        technician = equipment.sudo().technician_user_id
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
