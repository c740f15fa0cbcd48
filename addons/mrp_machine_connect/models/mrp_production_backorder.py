"""What is left of an order that entered stock in parts is an order like any other."""

from odoo import models

from .mrp_workorder import CLOSED


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _split_productions(self, amounts=False, cancel_remaining_qty=False, set_consumed_qty=False):
        """Let a backorder finish its product by one move.

        MRP divides each move of the order between order and backorder, those of the parts that are in stock included, and
        what a backorder finishes it writes to each of its moves: it would make its quantity once for each part.
        """
        productions = super()._split_productions(amounts, cancel_remaining_qty, set_consumed_qty)
        for production in productions - self:
            made = production.move_finished_ids.filtered(
                lambda move, product=production.product_id: move.product_id == product and move.state not in CLOSED
            )
            if len(made) > 1:
                made.price_unit = 0.0  # of the parts in stock; moves of different prices are not merged
                made._merge_moves(merge_into=made[:1])
        return productions
