"""Which request does a fault make? Templates: for what they are, and what the request looks like."""

from datetime import timedelta
from fnmatch import fnmatchcase

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..placeholders import NAMES, unknown

#: Where a transaction keeps which templates there are.
LOOKED_UP = "maintenance_machine_trigger.templates"


class MaintenanceMachineTemplate(models.Model):
    """What request a fault of a machine makes, or that it makes none. The first that fits is taken."""

    _name = "maintenance.machine.template"
    _description = "Template of Machine Requests"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, help="What people call it.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        default=lambda self: self.env.company,
        help="Whose machines it is for.",
    )

    # For what
    condition_ids = fields.Many2many(
        "mrp.machine.condition",
        "maintenance_machine_template_condition_rel",
        string="Conditions",
        check_company=True,
        help="Only for what these conditions raise. Empty: for the machine's own alarms as well.",
    )
    alarm_code = fields.Char(
        string="Alarm", help="Only for alarms of this code; * stands for anything, ? for one character. Empty: for all."
    )
    machine_ids = fields.Many2many(
        "mrp.machine",
        "maintenance_machine_template_machine_rel",
        string="Machines",
        check_company=True,
        help="Only for these machines. Empty: for all.",
    )
    category_ids = fields.Many2many(
        "maintenance.equipment.category",
        "maintenance_machine_template_category_rel",
        string="Equipment Categories",
        help="Only for equipment of these categories. Empty: for all.",
    )
    level = fields.Selection(
        [("fault", "Fault"), ("warning", "Warning")],
        help="Only for faults, or only for warnings. Warnings make a request where a template is for warnings, or where the "
        "machine asks for it. Empty: for faults, and for the warnings of such machines.",
    )
    min_severity = fields.Integer(
        string="From Severity", default=1, required=True, help="Only for what is at least so severe, 1 to 1000."
    )

    # What is made of it
    makes = fields.Selection(
        [("request", "A request"), ("nothing", "No request")],
        required=True,
        default="request",
        help="No request: it stays an alarm, whoever looks at the alarms sees it.",
    )
    maintenance_type = fields.Selection(
        [("corrective", "Corrective"), ("preventive", "Preventive")],
        required=True,
        default="corrective",
        help="Corrective: something broke. Preventive: something will.",
    )
    maintenance_team_id = fields.Many2one(
        "maintenance.team",
        string="Team",
        check_company=True,
        ondelete="restrict",
        help="Who gets the request. Empty: the team of the equipment.",
    )
    user_id = fields.Many2one(
        "res.users", string="Technician", ondelete="restrict", help="Empty: the technician of the equipment."
    )
    priority_by = fields.Selection(
        [("severity", "Severity"), ("fixed", "Always the same")],
        required=True,
        default="severity",
        help="How urgent the request is.",
    )
    priority = fields.Selection(
        [("0", "Very Low"), ("1", "Low"), ("2", "Normal"), ("3", "High")], default="2", help="Of each request."
    )
    normal_from = fields.Integer(
        default=334,
        required=True,
        help="From this severity on the priority is Normal, 1 to 1000.",
    )
    high_from = fields.Integer(
        default=667, required=True, help="From this severity on the priority is High, 1 to 1000."
    )
    title = fields.Char(
        translate=True,
        help="Names in braces are filled in: {machine}, {equipment}, {code}, {text}, {severity}, {level}, {value}, {limit}, "
        "{unit}, {signal}, {occurred}, {order}, {values}. Empty: machine, text and code.",
    )
    text = fields.Text(
        translate=True, help="What is to be done, in front of what the machine said; with the same names in braces."
    )
    is_scheduled = fields.Boolean(
        string="Schedule", help="The request gets a date, and with it a place in the calendar."
    )
    schedule_hours = fields.Float(string="After (h)", default=24.0, help="So many hours after the moment of failure.")
    block_workcenter = fields.Boolean(
        string="Block Work Center",
        help="While the request is open nobody can start a work order on the machine's work center.",
    )
    rearm = fields.Selection(
        [("clear", "It was closed, and the machine took the fault back"), ("close", "It was closed")],
        string="Next Request Once",
        required=True,
        default="clear",
        help="While a fault stands, closing its request does not make another one. Choose the second for machines that never "
        "say that a fault is over.",
    )
    escalation_ids = fields.One2many(
        "maintenance.machine.escalation",
        "template_id",
        copy=True,
        help="What happens when it takes long.",
    )

    _severities = models.Constraint(
        "CHECK (min_severity BETWEEN 1 AND 1000 AND normal_from BETWEEN 1 AND 1000 AND high_from BETWEEN normal_from AND 1000)",
        "Severities lie between 1 and 1000, and High does not begin below Normal.",
    )
    _schedule = models.Constraint(
        "CHECK (schedule_hours >= 0)", "A request is scheduled for the time after the failure."
    )

    @api.constrains("title", "text")
    def _check_text(self):
        for template in self:
            if names := unknown(template.title) + unknown(template.text):
                raise ValidationError(
                    self.env._(
                        "%(template)s: nothing is known by the name {%(name)s}. Use one of: %(names)s.",
                        template=template.name,
                        name=names[0],
                        names=", ".join(NAMES),
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.cr.cache.pop(LOOKED_UP, None)
        return super().create(vals_list)

    def write(self, vals):
        self.env.cr.cache.pop(LOOKED_UP, None)
        return super().write(vals)

    def unlink(self):
        self.env.cr.cache.pop(LOOKED_UP, None)
        return super().unlink()

    @api.model
    def _of_company(self, company):
        """Return the templates of a company in their order; asked for each event, so kept as long as the transaction."""
        memory = self.env.cr.cache.setdefault(LOOKED_UP, {})
        if company.id not in memory:
            # sudo: rules are read for whoever's machine raised the fault
            memory[company.id] = self.sudo().search([("company_id", "=", company.id)]).ids
        return self.sudo().browse(memory[company.id])

    @api.model
    def _for_fault(self, machine, equipment, code, level, severity, condition_id=None):
        """Return the template of a fault, or an empty recordset where none fits.

        :param str level: ``fault`` or ``warning``
        :param int severity: 1 to 1000
        :param int condition_id: of the condition that raised it
        """
        for template in self._of_company(machine.company_id):
            if template._fits(machine, equipment, code, level, severity, condition_id):
                return template
        return self.sudo().browse()

    def _fits(self, machine, equipment, code, level, severity, condition_id):
        self.ensure_one()
        if self.level and self.level != level or severity < self.min_severity:
            return False
        if self.condition_ids and condition_id not in self.condition_ids.ids:
            return False
        if self.alarm_code and not fnmatchcase(code.casefold(), self.alarm_code.strip().casefold()):
            return False
        if self.machine_ids and machine.id not in self.machine_ids.ids:
            return False
        return not self.category_ids or equipment.category_id.id in self.category_ids.ids

    def _priority(self, severity):
        """Return the priority of a request by how severe its fault is; of no template as well."""
        if self and self.priority_by == "fixed":
            return self.priority or "0"
        normal, high = (self.normal_from, self.high_from) if self else (334, 667)
        return "3" if severity >= high else "2" if severity >= normal else "1"

    def _scheduled(self, failed):
        """Return for when a request is scheduled, by the moment of failure; naive UTC, whole minutes."""
        return (failed + timedelta(hours=self.schedule_hours)).replace(second=0, microsecond=0)

    # Buttons

    def action_requests(self):
        """Open the requests that these templates made."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "maintenance_machine_trigger.maintenance_request_action_machine"
        )
        action.update(domain=[("machine_template_id", "in", self.ids)], context={})
        return action
