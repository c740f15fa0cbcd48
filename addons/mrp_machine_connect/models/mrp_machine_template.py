import json

from odoo import api, fields, models
from odoo.exceptions import UserError


class MachineTemplate(models.Model):
    """A machine type: the signals and codes that all machines of it share."""

    _name = "mrp.machine.template"
    _description = "Machine Template"
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, help="Maker and type, or what the machine does.")
    description = fields.Text(translate=True, help="What a person must know before applying it.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", help="Empty: for all companies.")
    protocol = fields.Selection(
        "_selection_protocol",
        required=True,
        default="modbus",
        help="What machines of this type speak. It is applied to a connection of this protocol.",
    )
    counting_role = fields.Selection(
        [("good", "Good counter"), ("cycle", "Completed cycles"), ("total", "Total counter")],
        default="good",
        required=True,
        string="Order Counts By",
        help="Which signal feeds the order on a machine that is connected with this template.",
    )
    default_host = fields.Char(help="Proposed in the wizard.")
    default_port = fields.Integer(help="Proposed in the wizard.")
    default_url = fields.Char(string="Default Address", help="OPC UA: proposed in the wizard.")
    default_interval = fields.Float(
        string="Poll Every (s)", default=60.0, help="Proposed in the wizard: seconds between two reads."
    )
    signal_ids = fields.One2many(
        "mrp.machine.template.signal",
        "template_id",
        string="Signals",
        copy=True,
        help="What machines of this type get when it is applied, where they have no signal of that name yet.",
    )
    code_ids = fields.One2many(
        "mrp.machine.code",
        "template_id",
        string="Codes",
        copy=True,
        help="What machines of this type get when it is applied, where they do not have the code yet.",
    )
    machine_count = fields.Integer(
        compute="_compute_machine_count", help="Machines that this template was applied to last."
    )

    @api.model
    def _selection_protocol(self):
        return self.env["mrp.machine.connection"]._fields["protocol"]._description_selection(self.env)

    def _compute_machine_count(self):
        counts = dict(
            self.env["mrp.machine"]._read_group([("template_id", "in", self.ids)], ["template_id"], ["__count"])
        )
        for template in self:
            template.machine_count = counts.get(template, 0)

    def _apply(self, machine, connection):
        """Add what a machine does not have yet; nothing that a person added or changed is touched.

        :return: the new signals
        """
        self.ensure_one()
        present = set(machine.with_context(active_test=False).signal_ids.mapped("name"))
        signals = self.env["mrp.machine.signal"].create(
            [
                {
                    **{name: line[name] for name in line._definition_fields()},
                    "machine_id": machine.id,
                    "connection_id": connection.id,
                }
                for line in self.signal_ids
                if line.name not in present
            ]
        )
        known = {(code.kind, code.code) for code in machine.code_ids}
        self.env["mrp.machine.code"].create(
            [
                {
                    "machine_id": machine.id,
                    "kind": code.kind,
                    "code": code.code,
                    "state": code.state,
                    "loss_id": code.loss_id.id,
                    "label": code.label,
                    "severity": code.severity,
                    "scrap_tag_id": code.scrap_tag_id.id,
                    "is_rework": code.is_rework,
                }
                for code in self.code_ids
                if (code.kind, code.code) not in known
            ]
        )
        machine.template_id = self
        return signals

    def _export(self):
        """Return this template as JSON text that :meth:`_import` takes."""
        self.ensure_one()
        return json.dumps(
            {
                "machine_template": 1,
                "name": self.name,
                "description": self.description or "",
                "protocol": self.protocol,
                "counting_role": self.counting_role,
                "default_port": self.default_port,
                "default_interval": self.default_interval,
                "signals": [{name: line[name] for name in line._definition_fields()} for line in self.signal_ids],
                "codes": [
                    {
                        "kind": code.kind,
                        "code": code.code,
                        "state": code.state or "",
                        "label": code.label or "",
                        "severity": code.severity,
                        **code._exported_scrap_reason(),
                    }
                    for code in self.code_ids
                ],
            },
            indent=2,
            ensure_ascii=False,
        )

    @api.model
    def _import(self, text):
        """Make a template from the text of :meth:`_export`.

        :raise UserError: the text is not such a file
        """
        try:
            content = json.loads(text)
            if content["machine_template"] != 1:
                raise KeyError("machine_template")
            known = set(self.env["mrp.machine.template.signal"]._definition_fields())
            return self.create(
                {
                    **{
                        key: content[key]
                        for key in (
                            "name",
                            "description",
                            "protocol",
                            "counting_role",
                            "default_port",
                            "default_interval",
                        )
                    },
                    "signal_ids": [
                        fields.Command.create({key: value for key, value in signal.items() if key in known})
                        for signal in content["signals"]
                    ],
                    "code_ids": [
                        fields.Command.create(self.env["mrp.machine.code"]._imported_scrap_reason(dict(code)))
                        for code in content["codes"]
                    ],
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                self.env._("This is not a machine template file: %s. Export one to see what it looks like.", error)
            ) from error

    def action_machines(self):
        """Open the machines that this template was applied to."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_action")
        action["domain"] = [("template_id", "=", self.id)]
        action["context"] = {"default_template_id": self.id}
        return action

    def action_import_file(self):
        """Ask for a file that :meth:`action_export` made."""
        return self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_template_import_action")

    def action_export(self):
        """Offer this template as a file."""
        self.ensure_one()
        attachment = self.env["ir.attachment"].create(
            {
                "name": f"{self.name}.machine-template.json",
                "raw": self._export().encode(),
                "mimetype": "application/json",
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        return {"type": "ir.actions.act_url", "url": f"/web/content/{attachment.id}?download=true", "target": "self"}


class MachineTemplateSignal(models.Model):
    """One signal of a machine type."""

    _name = "mrp.machine.template.signal"
    _description = "Machine Template Signal"
    _inherit = ["mrp.machine.signal.mixin"]
    _order = "template_id, sequence, id"

    template_id = fields.Many2one("mrp.machine.template", required=True, index=True, ondelete="cascade")

    _name_unique = models.UniqueIndex("(template_id, name)", "This template has a signal of that name already.")
