"""What rejects took of a component is scrapped of the lots that were on the machine when the rejects fell."""

from odoo import models

from . import mrp_production_reject, mrp_production_scrap_lot  # noqa: F401 - extended here, so they must be there


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _scrap(self, product, quantity, unit, tag, lot=None, **values):
        if lot is not None or product.tracking == "none" or not values.get("is_reject_component"):
            return super()._scrap(product, quantity, unit, tag, lot, **values)
        scraps = self.env["stock.scrap"]
        for each, left in self._reject_component_lots(product, unit).items():
            part = min(left, quantity)
            if unit.compare(part, 0.0) > 0:
                scraps |= super()._scrap(product, part, unit, tag, each, **values)
                quantity = unit.round(quantity - part)
        if unit.compare(quantity, 0.0) > 0:
            scraps |= super()._scrap(product, quantity, unit, tag, lot, **values)
        return scraps

    def _reject_component_lots(self, product, unit):
        """Return ``{lot: how much of a component rejects took of it and is not scrapped yet}``, the first lot first.

        Where no load was on the machine that rejected, it is what was taken in all and did not become good pieces.

        :param unit: in which it is reckoned
        """
        self.ensure_one()
        moves = self.move_raw_ids.filtered(lambda move: move.product_id == product and move.state != "cancel")
        machines, told = self._machine_rows().machine_id, self._told_of(moves, self._told())
        each = self._components_of_a_piece().get((product, unit))
        if not moves or not machines or not each:
            return {}
        found = {}
        if told.lot_id and all(row.lot_id for row in told):
            for row in told.sorted("id"):
                found[row.lot_id] = found.get(row.lot_id, 0.0) + row._quantity_in(unit)
        else:
            found = moves._taken_by_lot(machines, unit, each, kinds=("reject",))
            if found:
                return self._less(found, self._scrapped_by_lot(product, unit), unit)
            found = moves._taken_by_lot(machines, unit, each)
        good = {}
        for line in moves.filtered(lambda move: move.state == "done").move_line_ids:
            used = line.product_uom_id._compute_quantity(line.quantity, unit, round=False)
            good[line.lot_id] = good.get(line.lot_id, 0.0) + used
        return self._less(self._less(found, good, unit), self._scrapped_by_lot(product, unit), unit)

    def _correct_lots(self, product):
        """Let what was scrapped of a component for rejects be of the lots that are known by now as well."""
        result = super()._correct_lots(product)
        if product.tracking == "lot" and self.machine_reject_booking == "component":
            unit = self._reject_component_scraps().filtered(lambda scrap: scrap.product_id == product).product_uom_id
            if len(unit) == 1:
                self._correct_scrap_lots(product, self._reject_component_lots(product, unit), unit)
        return result

    def _correct_scrap_lots(self, product, open_lots, unit):
        """Let scraps of one lot be of another where too much was scrapped of the one.

        :param dict open_lots: ``{lot: how much is still to be scrapped of it}``; less than nothing where too much is
        """
        lacking = {lot: quantity for lot, quantity in open_lots.items() if unit.compare(quantity, 0.0) > 0}
        scraps = self._reject_component_scraps().filtered(lambda scrap: scrap.product_id == product)
        for scrap in scraps.sorted("id", reverse=True):
            too_much = min(-open_lots.get(scrap.lot_id, 0.0), scrap.scrap_qty)
            for lot in list(lacking):
                part = min(lacking[lot], too_much)
                if unit.compare(part, 0.0) <= 0:
                    continue
                open_lots[scrap.lot_id] += part
                scrap._change_lot(lot, part)
                lacking[lot] = unit.round(lacking[lot] - part)
                too_much = unit.round(too_much - part)

    def _less(self, by_lot, gone, unit):
        """Return ``{lot: what is left}`` of something by lot."""
        return {
            lot.with_env(self.env): unit.round(by_lot.get(lot, 0.0) - gone.get(lot, 0.0), rounding_method="HALF-UP")
            for lot in [*by_lot, *(lot for lot in gone if lot not in by_lot)]
            if lot
        }

    def _scrapped_by_lot(self, product, unit):
        """Return ``{lot: how much of a component is scrapped because rejects took it}``, in a unit."""
        found = {}
        for scrap in self._reject_component_scraps().filtered(lambda scrap: scrap.product_id == product):
            quantity = scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            found[scrap.lot_id] = found.get(scrap.lot_id, 0.0) + quantity
        return found


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _taken_by_lot(self, machines, unit, each, kinds=None):
        """Return ``{lot: how much of this component pieces took of it that were made while it was on a machine}``.

        :param unit: in which it is reckoned, and ``each`` how much of it a piece takes
        :param kinds: as :meth:`_pieces_by_load` has them
        """
        found = {}
        for load, pieces in self._pieces_by_load(machines, kinds=kinds).items():
            if load:
                found[load.lot_id] = found.get(load.lot_id, 0.0) + self._in_order_unit(pieces, machines) * each
        return found

    def _taken_by_rejects(self):
        """Return how much of this component is scrapped instead of used, in its own unit and not rounded."""
        order = self.raw_material_production_id
        if order.machine_reject_booking != "component":
            return 0.0
        return self._for_a_piece() * order._rejects_beside(since=self._component_step())

    def _leave_out_scrapped(self, pieces, machines):
        """Take those pieces out of what was made of each load whose components were scrapped, where they are among them.

        What a later machine rejected was a good piece for the one that has the component.

        :param dict pieces: ``{load: pieces}``, in the order's unit
        """
        order, each, unit = self.raw_material_production_id, self._for_a_piece(), self[:1].product_uom
        scrapped = order._scrapped_by_lot(self.product_id, unit)
        if not scrapped or not each or any(self._pieces_by_load(machines, kinds=("reject",))):
            return
        for load in list(pieces):
            taken = min(pieces[load], scrapped.get(load.lot_id, 0.0) / each)
            if taken:
                scrapped[load.lot_id] -= taken * each
                pieces[load] -= taken
        for load in [load for load, count in pieces.items() if count <= 1e-9]:
            del pieces[load]
