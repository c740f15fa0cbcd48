from odoo import models

from ..models.mrp_workorder import KEEP_QUANTITY


class ChangeProductionQty(models.TransientModel):
    _inherit = "change.production.qty"

    def change_prod_qty(self):
        """Change the target of orders that machines feed, and not what was counted: MRP would report the rest as made."""
        orders = self.mo_id._machine_fed()
        fed = self.filtered(lambda wizard: wizard.mo_id in orders)
        if fed:
            shares = {wizard: wizard.mo_id._component_shares() for wizard in fed}
            super(ChangeProductionQty, fed.with_context(**{KEEP_QUANTITY: True})).change_prod_qty()
            for wizard, of_each in shares.items():
                wizard.mo_id._demand_components(of_each)
        if others := self - fed:
            return super(ChangeProductionQty, others).change_prod_qty()
        return {}
