"""Rejects of what is tracked leave stock as the lots, or with the serial numbers, that they were made as."""

from odoo import models

#: In a context: ``{lot: rejects of it that are in stock and not scrapped yet}``, brought up to date.
OPEN_LOTS = "machine_open_lots"


class OpenLots(dict):
    """Rejects by lot, as a part of a context: two of these are never the same, whatever they hold."""

    __eq__, __hash__ = object.__eq__, object.__hash__


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _scrap_rejects(self):
        if self.product_id.tracking != "none" and (open_lots := self._open_rejects()):
            self = self.with_context(**{OPEN_LOTS: OpenLots(open_lots)})
        return super()._scrap_rejects()

    def _open_rejects(self):
        """Return ``{lot: rejects of it that are in stock and not scrapped yet}``, in the order's unit."""
        self.ensure_one()
        unit, in_stock, found = self.product_uom_id, self._lots_in_stock(), {}
        scrapped = dict.fromkeys(in_stock, 0.0)
        for scrap in self._machine_scraps():
            quantity = scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            scrapped[scrap.lot_id] = scrapped.get(scrap.lot_id, 0.0) + quantity
        for lot, rejected in self._rejects_by_lot().items():
            found[lot] = max(0.0, unit.round(min(rejected, in_stock.get(lot, 0.0)) - scrapped.get(lot, 0.0)))
        return found

    def _scrap(self, product, quantity, unit, tag, lot=None, **values):
        """Scrap the product lot by lot, where machines said which rejects are of which.

        What is of a lot that is not in stock yet is scrapped once it is.
        """
        open_lots = self.env.context.get(OPEN_LOTS)
        if lot is not None or product != self.product_id or open_lots is None:
            return super()._scrap(product, quantity, unit, tag, lot, **values)
        scraps, order_unit = self.env["stock.scrap"], self.product_uom_id
        for each, left in open_lots.items():
            part = min(left, order_unit.round(unit._compute_quantity(quantity, order_unit, round=False)))
            if order_unit.compare(part, 0.0) > 0:
                scraps |= super()._scrap(product, part, order_unit, tag, each, **values)
                open_lots[each] = order_unit.round(left - part)
                quantity -= order_unit._compute_quantity(part, unit, round=False)
        return scraps
