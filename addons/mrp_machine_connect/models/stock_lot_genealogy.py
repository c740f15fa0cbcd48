"""What is a lot made of, and what was made of it?"""

from odoo import fields, models


class StockLot(models.Model):
    _inherit = "stock.lot"  # pylint: disable=consider-merging-classes-inherited; one question a file

    used_lot_count = fields.Integer(
        compute="_compute_genealogy", string="Made Of", help="Lots of components that were used for it, on all levels."
    )
    made_lot_count = fields.Integer(
        compute="_compute_genealogy", string="Made Into", help="Lots that were made of it, on all levels."
    )

    def _compute_genealogy(self):
        for lot in self:
            lot.used_lot_count = len(lot._lots_used())
            lot.made_lot_count = len(lot._lots_made())

    def _lots_used(self):
        """Return the lots of components that were used for these lots, and for those, on all levels."""
        return self._lots_along("consume_line_ids")

    def _lots_made(self):
        """Return the lots that were made of these lots, and of those, on all levels."""
        return self._lots_along("produce_line_ids")

    def _lots_along(self, link):
        found, level = self.browse(), self._origin
        while level:
            lines = self.env["stock.move.line"].search(
                [("lot_id", "in", level.ids), ("state", "=", "done"), ("quantity", ">", 0), (link, "!=", False)]
            )
            level = lines[link].filtered("quantity").lot_id - found - self
            found |= level
        return found

    def action_lots_used(self):
        """Open the lots of components that were used for this lot."""
        return self._action_genealogy(self._lots_used(), self.env._("Made Of"))

    def action_lots_made(self):
        """Open the lots that were made of this lot."""
        return self._action_genealogy(self._lots_made(), self.env._("Made Into"))

    def _action_genealogy(self, lots, name):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("%(lot)s: %(what)s", lot=self.name, what=name),
            "res_model": "stock.lot",
            "view_mode": "list,form",
            "domain": [("id", "in", lots.ids)],
        }
