import base64

from odoo import fields, models
from odoo.exceptions import UserError


class MachineTemplateImport(models.TransientModel):
    """Make a template from a file that another database exported."""

    _name = "mrp.machine.template.import"
    _description = "Import a Machine Template"

    file = fields.Binary(required=True, attachment=False, help="A file that «Export to a File» on a template made.")
    filename = fields.Char()

    def action_import(self):
        """Make the template and open it."""
        self.ensure_one()
        try:
            text = base64.b64decode(self.file).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(
                self.env._("This is not a machine template file. Export one to see what it looks like.")
            ) from error
        template = self.env["mrp.machine.template"]._import(text)
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine.template",
            "res_id": template.id,
            "view_mode": "form",
        }
