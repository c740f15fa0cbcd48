"""How much scrap is planned, and how much was there of it?"""

from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..quantities import number_text
from .mrp_workorder import CLOSED


class MrpBom(models.Model):
    _inherit = "mrp.bom"  # pylint: disable=consider-merging-classes-inherited; one question a file

    planned_scrap_rate = fields.Float(
        "Planned Scrap (%)",
        digits=(16, 3),
        help="So many of a hundred pieces that are made are expected to be scrap. What orders really had is compared with "
        "it; it changes no quantity. An order keeps the rate with which it was made.",
    )

    @api.constrains("planned_scrap_rate")
    def _check_planned_scrap_rate(self):
        for bom in self:
            if not (isfinite(bom.planned_scrap_rate) and 0 <= bom.planned_scrap_rate < 100):
                raise ValidationError(
                    self.env._("%s: the planned scrap is a percentage, from 0 to below 100.", bom.display_name)
                )


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    planned_scrap_rate = fields.Float(
        "Planned Scrap (%)",
        compute="_compute_planned_scrap_rate",
        store=True,
        digits=(16, 3),
        help="What was planned by the bill of materials when it was chosen for this order.",
    )
    machine_made = fields.Float(
        "Made",
        compute="_compute_machine_scrap",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Good and rejected pieces together, in the unit of the order.",
    )
    machine_rejected = fields.Float(
        "Rejected",
        compute="_compute_machine_scrap",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Pieces that machines rejected, in the unit of the order.",
    )
    machine_planned_scrap = fields.Float(
        "Planned Scrap",
        compute="_compute_machine_scrap",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Scrap that was to be expected of what was made until now.",
    )
    machine_scrap_ratio = fields.Float(
        "Actual to Planned Scrap",
        compute="_compute_machine_scrap",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Rejected pieces divided by the planned scrap (ISO 22400-2): above 1 there is more than was planned. 0 where "
        "none is planned.",
    )
    machine_scrap_words = fields.Char(
        "Scrap",
        compute="_compute_machine_scrap",
        groups="mrp.group_mrp_user",
        help="Rejected pieces, and how many were planned of what was made until now.",
    )

    @api.depends("bom_id")
    def _compute_planned_scrap_rate(self):
        for production in self:
            production.planned_scrap_rate = production.bom_id.planned_scrap_rate

    @api.depends("planned_scrap_rate", "qty_producing", "state", "machine_reject_booking")
    def _compute_machine_scrap(self):
        for production in self:
            unit, rows = production.product_uom_id, production._machine_rows()
            rejected = unit.round(rows._shown_in(unit), rounding_method="HALF-UP")
            beside = 0.0 if production.machine_reject_booking == "gross" else rejected
            made = production.qty_produced if production.state in CLOSED else production.qty_producing
            production.machine_made = made + beside
            production.machine_rejected = rejected
            production.machine_planned_scrap = planned = production.machine_made * production.planned_scrap_rate / 100
            production.machine_scrap_ratio = rejected / planned if planned else 0.0
            production.machine_scrap_words = number_text(rejected)
            if production.planned_scrap_rate:
                production.machine_scrap_words = self.env._(
                    "%(rejected)s of %(planned)s planned",
                    rejected=number_text(rejected),
                    planned=number_text(round(planned, 2)),
                )
