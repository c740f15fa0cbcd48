"""Of what was each part made that entered stock? Of what was used with it, whatever is posted later."""

from odoo import models

#: In a context: ids of what entered stock before, and keeps the components that it was made of.
EARLIER = "machine_made_earlier"


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _post_inventory(self, cancel_backorder=False):
        """Let each part keep what it was made of."""
        earlier = self.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
        result = super(MrpProduction, self.with_context(**{EARLIER: earlier.ids}))._post_inventory(cancel_backorder)
        for production in self:
            finished = production.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
            production._link_taken_before(finished - earlier)
            if not finished - earlier:
                production._link_taken_alone()
        return result

    def _link_taken_alone(self):
        """Link what was used where nothing entered stock with it, as by a step ahead at the close, to the last part.

        Pieces of it that come to be known late are put to parts that entered stock.
        """
        done = (self.move_raw_ids | self.move_finished_ids).filtered(
            lambda move: move.state == "done" and move.quantity
        )
        alone = (done & self.move_raw_ids).move_line_ids.filtered(
            lambda line: line.quantity and not line.produce_line_ids
        )
        finished = (done & self.move_finished_ids).filtered(lambda move: move.product_id == self.product_id)
        last = finished.sorted(lambda move: (move.date, move.id))[-1:].move_line_ids.filtered("quantity")
        if alone and last:
            alone.produce_line_ids = last

    def _link_taken_before(self, lines):
        """Link what entered stock, and took nothing of a component, to what the part before it took: that is of its pieces too.

        A machine may say what it used before it has counted what it made of that.

        :param lines: the move lines of what entered stock
        """
        used = self.move_raw_ids.filtered(lambda move: move.state == "done" and move.bom_line_id and move.quantity)
        # Together where they are made of the same: an order may have a thousand serial numbers.
        for made_of, alike in lines.filtered("quantity").grouped("consume_line_ids").items():
            earlier = self.env["stock.move.line"]
            for product in used.product_id - made_of.filtered("quantity").product_id:
                last = used.filtered(lambda move, product=product: move.product_id == product).sorted("id")[-1:]
                earlier |= last.move_line_ids.filtered("quantity")
            if earlier:
                alike.consume_line_ids = made_of | earlier


class StockMoveLine(models.Model):
    _inherit = "stock.move.line"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        """Leave what entered stock earlier linked to its own components: MRP links all of it to those used last."""
        if vals.keys() == {"consume_line_ids"} and self.env.context.get(EARLIER):
            self -= self.browse(self.env.context[EARLIER])
        return super().write(vals)
