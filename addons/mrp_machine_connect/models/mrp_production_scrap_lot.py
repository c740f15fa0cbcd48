"""Rejects of what is tracked leave stock as the lots, or with the serial numbers, that they were made as."""

from odoo import models

#: In a context: ``{lot: rejects of it that are in stock and not scrapped yet}``, brought up to date.
OPEN_LOTS = "machine_open_lots"


class OpenLots(dict):
    """Rejects by lot, as a part of a context: two of these are never the same, whatever they hold."""

    __eq__, __hash__ = object.__eq__, object.__hash__


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _has_scrap_due(self):
        return super()._has_scrap_due() or bool(self._scraps_amiss())

    def _scrap_rejects(self):
        for scrap, lot, quantity in self._scraps_amiss():
            self._put_scrap_right(scrap, lot, quantity)
        if self.product_id.tracking != "none" and (open_lots := self._open_rejects()):
            self = self.with_context(**{OPEN_LOTS: OpenLots(open_lots)})
        return super()._scrap_rejects()

    def _open_rejects(self):
        """Return ``{lot: rejects of it that are in stock and not scrapped yet}``, in the order's unit."""
        self.ensure_one()
        unit, in_stock, scrapped, found = self.product_uom_id, self._lots_in_stock(), self._scrapped_of_lots(), {}
        for lot, rejected in self._rejects_by_lot().items():
            found[lot] = max(0.0, unit.round(min(rejected, in_stock.get(lot, 0.0)) - scrapped.get(lot, 0.0)))
        return found

    def _scrapped_of_lots(self):
        """Return ``{lot: how many rejects are scrapped of it}``, in the order's unit."""
        unit, found = self.product_uom_id, {}
        for scrap in self._machine_scraps():
            quantity = scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            found[scrap.lot_id] = found.get(scrap.lot_id, 0.0) + quantity
        return found

    def _scraps_amiss(self):
        """Return ``[(scrap, lot, quantity)]``: what is of another lot, in the order's unit.

        A lot change that comes to be known late makes rejects of the earlier lot some of the later one. They are put right
        once that is in stock.
        """
        self.ensure_one()
        if self.product_id.tracking == "none" or not (scraps := self._machine_scraps()):
            return []
        unit, found = self.product_uom_id, []
        rejected, scrapped = self._rejects_by_lot(), self._scrapped_of_lots()
        too_many = {lot: unit.round(quantity - rejected.get(lot, 0.0)) for lot, quantity in scrapped.items()}
        if not any(unit.compare(quantity, 0.0) > 0 for quantity in too_many.values()):
            return []
        lacking = {lot: quantity for lot, quantity in self._open_rejects().items() if unit.compare(quantity, 0.0) > 0}
        for scrap in scraps.sorted("id", reverse=True):
            has = scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            for lot in lacking:
                part = unit.round(min(has, too_many[scrap.lot_id], lacking[lot]))
                if unit.compare(part, 0.0) > 0:
                    found.append((scrap, lot, part))
                    has, too_many[scrap.lot_id] = has - part, too_many[scrap.lot_id] - part
                    lacking[lot] -= part
        return found

    def _put_scrap_right(self, scrap, lot, quantity):
        """Let a part of a scrap be of another lot, where so much of that still lies there.

        :param float quantity: in the order's unit
        """
        following = self._taken_on_with(lot)
        following._do_unreserve()
        there = self.env["stock.quant"]._get_available_quantity(
            self.product_id, scrap.location_id, lot_id=lot, strict=True
        )
        if (
            self.product_id.uom_id.compare(
                there, self.product_uom_id._compute_quantity(quantity, self.product_id.uom_id)
            )
            >= 0
        ):
            scrap._change_lot(lot, self.product_uom_id._compute_quantity(quantity, scrap.product_uom_id, round=False))
        following._action_assign()

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
