"""Which of Odoo's units does a machine mean by its code? UN/CEFACT Recommendation 20, as signals and events name them."""

from odoo import api, models

#: Odoo's unit of each code that pieces and amounts are told in.
UNITS = {
    "C62": "product_uom_unit",
    "H87": "product_uom_unit",
    "EA": "product_uom_unit",
    "PCE": "product_uom_unit",
    "DZN": "product_uom_dozen",
    "KGM": "product_uom_kgm",
    "GRM": "product_uom_gram",
    "TNE": "product_uom_ton",
    "LBR": "product_uom_lb",
    "ONZ": "product_uom_oz",
    "MTR": "product_uom_meter",
    "CMT": "product_uom_cm",
    "MMT": "product_uom_millimeter",
    "KMT": "product_uom_km",
    "INH": "product_uom_inch",
    "FOT": "product_uom_foot",
    "YRD": "product_uom_yard",
    "MTK": "product_uom_square_meter",
    "FTK": "product_uom_square_foot",
    "LTR": "product_uom_litre",
    "MLT": "product_uom_milliliter",
    "MTQ": "product_uom_cubic_meter",
    "FTQ": "product_uom_cubic_foot",
    "INQ": "product_uom_cubic_inch",
    "GLL": "product_uom_gal",
    "QTL": "product_uom_qt",
    "OZA": "product_uom_floz",
    "HUR": "product_uom_hour",
    "MIN": "product_uom_minute",
    "DAY": "product_uom_day",
    "KWH": "product_uom_kwh",
}


class UomUom(models.Model):
    _inherit = "uom.uom"

    @api.model
    def _of_code(self, code):
        """Return the unit of a code; pieces where there is none, and an empty record for one that Odoo does not know."""
        name = UNITS.get(code.strip().upper()) if code else "product_uom_unit"
        # Not by env.ref, which asks the database each time whether it is still there.
        known = name and self.env["ir.model.data"]._xmlid_to_res_id(f"uom.{name}", raise_if_not_found=False)
        return self.browse(known or ())
