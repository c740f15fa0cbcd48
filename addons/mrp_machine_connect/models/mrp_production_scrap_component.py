"""What rejects took of a component is scrapped of the lots that were on the machine when the rejects fell."""

from math import inf

from odoo import models
from odoo.tools import SQL

from . import mrp_production_reject, mrp_production_scrap_lot  # noqa: F401 - extended here, so they must be there
from .mrp_production_material import PIECES, WITHOUT_REJECTS


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _scrap(self, product, quantity, unit, tag, lot=None, **values):
        if lot is not None or product.tracking == "none" or not values.get("is_reject_component"):
            return super()._scrap(product, quantity, unit, tag, lot, **values)
        scraps = self.env["stock.scrap"]
        due, unused = self._reject_component_lots(product, unit)
        # Where good pieces were posted before the rejects were known, there may be less left of a lot than those took.
        for each, left in [*due.items(), *unused.items()]:
            part = min(left, unused.get(each, 0.0), quantity)
            if unit.compare(part, 0.0) > 0:
                scraps |= super()._scrap(product, part, unit, tag, each, **values)
                quantity, unused[each] = unit.round(quantity - part), unused[each] - part
        if unit.compare(quantity, 0.0) > 0:
            scraps |= super()._scrap(product, quantity, unit, tag, lot, **values)
        return scraps

    def _reject_component_lots(self, product, unit):
        """Return how much of each lot of a component rejects took, and how much no good piece has: ``{lot: quantity}`` of each.

        The first lot first, and without what is scrapped already. Less than nothing where too much is.

        :param unit: in which it is reckoned
        """
        self.ensure_one()
        moves = self.move_raw_ids.filtered(lambda move: move.product_id == product and move.state != "cancel")
        machines, told = self._machine_rows().machine_id, self._told_of(moves, self._told())
        each = self._components_of_a_piece().get((product, unit))
        if not moves or not machines or not each:
            return {}, {}
        told_lots = moves._told_by_lot(told, unit)
        found = {} if told_lots else moves._taken_by_lot(machines, unit, each, kinds=("reject",))
        scrapped = self._scrapped_by_lot(product, unit)
        if found:
            due = self._less(found, scrapped, unit)
            return due, dict(due)
        taken = told_lots or moves._taken_by_lot(machines, unit, each)
        due = self._less(_at_places(taken, moves._places_of_rejects(each)), scrapped, unit)
        return due, self._less(self._less(taken, moves._posted_by_lot(unit), unit), scrapped, unit)

    def _correct_lots(self, product):
        """Let what was scrapped of a component for rejects be of the lots that are known by now as well."""
        result = super()._correct_lots(product)
        if product.tracking == "lot" and self.machine_reject_booking == "component":
            unit = self._reject_component_scraps().filtered(lambda scrap: scrap.product_id == product).product_uom_id
            if len(unit) == 1:
                self._correct_scrap_lots(product, self._reject_component_lots(product, unit)[0], unit)
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

    def _rejects_in_order(self, step):
        """Return ``[(how many pieces had gone through with them, rejects)]``, the first first, in the order's unit.

        :param step: a work order, or none: only what was rejected in it or in a later one
        """
        rows = self._since(step, self._machine_rows())
        if not rows:
            return []
        units = {(row.machine_id.id, row.workorder_id.id or 0): row._uom() for row in rows}
        for model in ("mrp.machine", "mrp.machine.posting", "mrp.machine.event.posting"):
            self.env[model].flush_model()
        # By SQL: an order may have ten thousand counts, and only its rejects are asked for.
        self.env.cr.execute(
            SQL(
                """SELECT machine_id, workorder_id, through, pieces, (data->>'qty')::float, data->>'unit', type = 'quality.scrap'
                     FROM (SELECT counted.*,
                                  sum(CASE WHEN type <> 'quality.scrap' AND (kind = 'good' OR counting_role IN %(beside)s)
                                      THEN pieces ELSE 0 END)
                                  OVER (PARTITION BY machine_id, workorder_id ORDER BY occurred, event_id) AS through
                             FROM (SELECT posting.machine_id, coalesce(posting.workorder_id, 0) AS workorder_id,
                                          posting.kind, machine.counting_role, event.occurred,
                                          event.id AS event_id, event.type, event.data, %(pieces)s AS pieces
                                     FROM (%(counts)s) posting
                                     JOIN mrp_machine machine ON machine.id = posting.machine_id
                                     JOIN mrp_machine_event event ON event.id = posting.event_id
                                    WHERE posting.production_id = %(order)s AND posting.kind IN ('good', 'reject')
                                  ) counted
                          ) counts
                    WHERE kind = 'reject' ORDER BY occurred, event_id""",
                beside=tuple(WITHOUT_REJECTS),
                pieces=PIECES,
                counts=self.env["stock.move"]._counts(rows.machine_id),
                order=self.id,
            )
        )
        found, told_before = [], {}
        for machine_id, workorder_id, through, pieces, quantity, code, is_told in self.env.cr.fetchall():
            place = machine_id, workorder_id
            if place not in units:
                continue
            pieces = units[place]._compute_quantity(pieces, self.product_uom_id, round=False)
            if is_told:  # it is in no counter
                pieces = self._pieces_of(quantity, self.env["uom.uom"]._of_code(code))
                told_before[place] = told_before.get(place, 0.0) + pieces
            through = units[place]._compute_quantity(through, self.product_uom_id, round=False)
            found.append((through + told_before.get(place, 0.0), pieces))
        return found

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

    def _told_by_lot(self, told, unit):
        """Return ``{lot: how much of it machines said they used}``, the first first; empty where they do not say of which.

        :param told: what they said of this component
        :param unit: in which it is reckoned
        """
        found = {}
        if told.lot_id and all(row.lot_id for row in told):
            for row in told.sorted("id"):
                found[row.lot_id] = found.get(row.lot_id, 0.0) + row._quantity_in(unit)
        return found

    def _taken_by_rejects(self):
        """Return how much of this component is scrapped instead of used, in its own unit and not rounded."""
        order = self.raw_material_production_id
        if order.machine_reject_booking != "component":
            return 0.0
        return self._for_a_piece() * order._rejects_beside(since=self._component_step())

    def _places_of_rejects(self, each):
        """Return where among all that was taken of this component rejects took theirs: ``[(up to where, how much)]``.

        The third piece that goes through a machine has the third part of the component, whichever machine took it.

        :param float each: how much of it a piece takes, in the unit of what is returned
        """
        order, step = self.raw_material_production_id, self._component_step()
        left, found = order._rejects_beside(since=step), []
        for through, rejected in order._rejects_in_order(step):
            part = min(rejected, left)
            found.append((through * each, part * each))
            left -= part
        # Those that nobody counted, as a person's, are the last ones.
        return [*found, (inf, left * each)]

    def _leave_out_rejects(self, taken, each, loaded=None):
        """Take out of what was taken of this component what rejects took that it is scrapped for.

        What a later machine rejected was a good piece for the one that has the component.

        :param dict taken: ``{load or lot: how much}``, the first first
        :param float each: how much of it a piece takes, in the same unit
        :param loaded: the machines of the loads; where they rejected pieces themselves, those are not among these
        """
        order = self.raw_material_production_id
        if order.machine_reject_booking != "component" or not each:
            return
        if loaded and any(self._pieces_by_load(loaded, kinds=("reject",))):
            return
        for key, part in _at_places(taken, self._places_of_rejects(each)).items():
            taken[key] -= part
            if taken[key] <= 1e-9:
                del taken[key]


def _at_places(taken, places):
    """Return how much lies at some places of what was taken in a row, ``{key: how much}``.

    >>> _at_places({"A": 3.0, "B": 6.0}, [(3.0, 1.0), (8.0, 1.0)])
    {'A': 1.0, 'B': 1.0}

    :param dict taken: ``{key: how much}``, the first first
    :param list places: ``[(up to where, how much)]``; what lies there no more is taken of the last that is left
    """
    left, found, whole = dict(taken), dict.fromkeys(taken, 0.0), sum(taken.values())
    for until, quantity in places:
        start, until, passed, lacking = min(until, whole) - quantity, min(until, whole), 0.0, quantity
        for key, length in taken.items():
            part = min(left[key], lacking, max(0.0, min(until, passed + length) - max(start, passed)))
            passed += length
            found[key], left[key], lacking = found[key] + part, left[key] - part, lacking - part
        for key in reversed(taken):
            part = min(left[key], lacking)
            found[key], left[key], lacking = found[key] + part, left[key] - part, lacking - part
    return {key: part for key, part in found.items() if part > 1e-9}
