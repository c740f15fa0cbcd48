"""What does a machine mean by the reason of scrap that it tells?"""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from . import mrp_machine_code  # noqa: F401 - extended here, so it must be there


class MachineCode(models.Model):
    _inherit = "mrp.machine.code"  # pylint: disable=consider-merging-classes-inherited; one question a file

    kind = fields.Selection(selection_add=[("scrap_reason", "Scrap Reason")], ondelete={"scrap_reason": "cascade"})
    scrap_tag_id = fields.Many2one(
        "stock.scrap.reason.tag",
        string="Scrap Reason",
        ondelete="restrict",
        help="The reason that the scraps bear in stock.",
    )
    is_rework = fields.Boolean(
        "To Rework",
        help="Pieces with this reason are no scrap: they are noted, and will be good or rejected later.",
    )

    @api.constrains("kind", "scrap_tag_id")
    def _check_scrap_reason(self):
        for code in self:
            if code.kind == "scrap_reason" and not code.scrap_tag_id:
                raise ValidationError(self.env._("Code %s: choose the scrap reason it stands for.", code.code))

    def _snapshot(self):
        return {**super()._snapshot(), "scrap_tag": self.scrap_tag_id.id or 0, "is_rework": self.is_rework}

    def _exported_scrap_reason(self):
        """Return what a template's file has of the reason beside the code: tags are known by their names there."""
        if self.kind != "scrap_reason":
            return {}
        return {"scrap_reason": self.scrap_tag_id.name, "is_rework": self.is_rework}

    @api.model
    def _imported_scrap_reason(self, values):
        """Return the values of a code of a template's file, with the tag of its reason, made where there is none."""
        name = values.pop("scrap_reason", None)
        if name:
            tags = self.env["stock.scrap.reason.tag"]
            # sudo: whoever may import templates need not be a stock manager
            values["scrap_tag_id"] = (
                tags.search([("name", "=", name)], limit=1) or tags.sudo().create({"name": name})
            ).id
        return values
