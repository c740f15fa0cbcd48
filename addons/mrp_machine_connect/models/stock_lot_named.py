"""A lot of a component that a machine, or a scan, named before Odoo knew it."""

from odoo import api, models


class StockLot(models.Model):
    _inherit = "stock.lot"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        lots = super().create(vals_list)
        lots._retry_named()
        return lots

    def write(self, vals):
        result = super().write(vals)
        if "name" in vals:
            self._retry_named()
        return result

    def _retry_named(self):
        """Let effects try again that wait for lots of these names."""
        # sudo: whoever creates a lot need not be allowed to touch effects, which are the poster's matter
        rows = self.env["mrp.machine.event.posting"].sudo()
        details = [f"lot:{name}" for name in set(self.mapped("name"))]
        rows.search(
            [("state", "=", "waiting"), ("reason", "in", ("lot_unknown", "unknown_lot")), ("detail", "in", details)]
        )._requeue()
