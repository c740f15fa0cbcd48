from odoo import fields, models


class StockLocation(models.Model):
    _inherit = "stock.location"

    is_quality_quarantine = fields.Boolean(
        "Quarantine",
        help="Lots that quality holds may be moved here, and nowhere else. What is held and stands here leaves it once it is "
        "released.",
    )
