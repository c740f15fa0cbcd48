"""What does an order still need of each component when its quantity changes while a part of it is in stock?"""

from odoo import models


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _component_shares(self):
        """Return ``{component: how much of it a piece takes}`` of an order of which a part is in stock, else nothing."""
        self.ensure_one()
        if not self.qty_produced or not self.product_qty:
            return {}
        shares = {}
        for move in self.move_raw_ids.filtered(lambda move: move.state != "cancel"):
            key = _component(move)
            shares[key] = shares.get(key, 0.0) + move.product_uom_qty / self.product_qty
        return shares

    def _demand_components(self, shares):
        """Let what is open of each component be what the whole order takes less what it took by now.

        MRP scales only what is open by the change of the whole, as if nothing had been made of it.

        :param dict shares: of :meth:`_component_shares`, before the quantity changed
        """
        self.ensure_one()
        for key, share in shares.items():
            moves = self.move_raw_ids.filtered(lambda move, key=key: move.state != "cancel" and _component(move) == key)
            done = moves.filtered(lambda move: move.state == "done")
            rest = moves - done
            if not done or not rest:
                continue
            wanted = (
                share * self.product_qty - sum(done.mapped("product_uom_qty")) - sum(rest[1:].mapped("product_uom_qty"))
            )
            wanted = max(0.0, rest[0].product_uom.round(wanted, rounding_method="HALF-UP"))
            if rest[0].product_uom.compare(rest[0].product_uom_qty, wanted) != 0:
                rest[0].product_uom_qty = wanted


def _component(move):
    return move.bom_line_id, move.product_id, move.product_uom
