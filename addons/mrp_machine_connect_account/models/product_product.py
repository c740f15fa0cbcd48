from datetime import timedelta

from odoo import models
from odoo.fields import Domain

from ..layers import Average, Fifo

#: What is read of the moves of a product, however many there are.
READ = ("date", "is_in", "is_out", "value", "move_line_ids", "raw_material_production_id", "is_machine_dated")
ENTERING = Domain("is_in", "=", True)
VALUED = ENTERING | Domain("is_out", "=", True)


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _is_valued_in_order(self):
        """Return whether it matters to the value of this product what came first."""
        return self.cost_method != "standard" and not self.lot_valuated

    def _is_valued_after(self, moment, moves):
        """Return whether after a moment anything happened whose value depends on these moves, or theirs on it.

        :param moment: naive UTC
        :param moves: the moves of this product that lie there
        """
        average = self.cost_method == "average"
        # What leaves does not change an average.
        which = ENTERING if average and not any(moves.mapped("is_in")) else VALUED
        later = which & Domain("date", ">", moment) & Domain("id", "not in", moves.ids)
        return bool(
            self._moves_in_order(later, limit=1) or (average and self._prices_set(Domain("date", ">", moment), limit=1))
        )

    def _value_taken(self, since):
        """Return what machines took of this product since a moment, where its value by the order of the dates differs.

        What people delivered or consumed keeps its value, for it may be on an invoice; it only goes before or after.

        :param since: naive UTC
        :return: ``{stock.move: value}``
        """
        self.ensure_one()
        if self.cost_method == "average":
            layers, moves, prices = Average(), self._moves_in_order(VALUED), self._prices_set()
        else:
            layers, prices = self._layers_before(since), []
            moves = self._moves_in_order(VALUED & Domain("date", ">=", since))
        values = {}
        for move in moves:
            while prices and prices[0].date <= move.date:
                layers.set_price(prices[0].value)
                prices = prices[1:]
            quantity = move._get_valued_qty()
            if move.is_in:
                layers.add(quantity, move.value)
                continue
            value = layers.take(quantity)
            if value is None or move.date < since or not (move.is_machine_dated and move.raw_material_production_id):
                continue
            value = move.company_currency_id.round(value)
            if move.company_currency_id.compare_amounts(value, move.value):
                values[move] = value
        return values

    def _layers_before(self, moment):
        """Return what lay in stock just before a moment, first in, first out.

        :param moment: naive UTC
        """
        before = moment - timedelta(seconds=1)
        layers = Fifo()
        stack, left = self._run_fifo_get_stack(at_date=before)
        for move in stack:
            quantity = move._get_valued_qty()
            here = left or quantity
            layers.add(here, move.value * here / quantity if quantity else 0.0)
            left = 0.0
        if not stack:
            layers.owe(-self._with_valuation_context().with_context(to_date=before).qty_available)
        return layers

    def _moves_in_order(self, which, limit=None):
        """Return moves of a product in the environment's company, in the order in which they are valued."""
        wanted = Domain("product_id", "=", self.id) & Domain("company_id", "=", self.env.company.id) & which
        return self.env["stock.move"].search_fetch(wanted, READ, order="date, id", limit=limit)

    def _prices_set(self, which=Domain.TRUE, limit=None):
        """Return the prices that people set for the whole product in the environment's company, in order."""
        wanted = Domain("product_id", "=", self.id) & Domain("company_id", "=", self.env.company.id) & which
        whole = Domain("move_id", "=", False) & Domain("lot_id", "=", False)
        # sudo: as Odoo itself reads them
        return self.env["product.value"].sudo().search(wanted & whole, order="date, id", limit=limit)
