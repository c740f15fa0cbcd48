"""What goes into quarantine goes through the gate."""

from odoo import api, models

from .stock_quant import PASSES, RELEASED


class StockMove(models.Model):
    _inherit = "stock.move"

    def _update_reserved_quantity_vals(
        self, need, location_id, lot_id=None, package_id=None, owner_id=None, strict=True
    ):
        if self.location_dest_id.is_quality_quarantine and not location_id.is_quality_quarantine:
            self = self.with_context(**{PASSES: RELEASED})
        return super()._update_reserved_quantity_vals(need, location_id, lot_id, package_id, owner_id, strict)


class StockMoveLine(models.Model):
    _inherit = "stock.move.line"

    # Recall asks for the moves of lots, and stock has no index for that.
    _quality_lot_index = models.Index("(lot_id) WHERE lot_id IS NOT NULL")

    @api.model_create_multi
    def create(self, vals_list):
        """Reserve what goes into quarantine although it is held."""
        locations, lines = self.env["stock.location"], {}
        places = {True: [], False: []}
        for place, vals in enumerate(vals_list):
            move = self.env["stock.move"].browse(vals.get("move_id") or [])
            target = locations.browse(vals.get("location_dest_id") or move.location_dest_id.ids[:1])
            source = locations.browse(vals.get("location_id") or move.location_id.ids[:1])
            into = target.is_quality_quarantine and not source.is_quality_quarantine
            places[bool(into)].append(place)
        if not places[True]:
            return super().create(vals_list)
        for into, theirs in places.items():
            records = self.with_context(**{PASSES: RELEASED}) if into else self
            made = super(StockMoveLine, records).create([vals_list[place] for place in theirs])
            lines.update(zip(theirs, made.with_env(self.env), strict=True))
        return self.browse([lines[place].id for place in range(len(vals_list))])

    def _synchronize_quant(self, quantity, location, action="available", in_date=False, **quants_value):
        if (
            self.location_dest_id.is_quality_quarantine
            and location == self.location_id
            and not location.is_quality_quarantine
        ):
            self = self.with_context(**{PASSES: RELEASED})
        return super()._synchronize_quant(quantity, location, action, in_date, **quants_value)
