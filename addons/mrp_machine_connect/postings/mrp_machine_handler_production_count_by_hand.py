"""What people change on an order between two postings is noted with its time, so that a shift's statement knows of it."""

from odoo import api, models
from odoo.tools import float_is_zero


class MachineHandlerProductionCount(models.AbstractModel):
    # One question a file.
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _feed(self, production, workorder, ledger, ledgers, events, before, found):
        known = ledger.by_hand
        total = super()._feed(production, workorder, ledger, ledgers, events, before, found)
        change = ledger.by_hand - known
        if not float_is_zero(change, precision_digits=6):
            # sudo: nobody writes by hand what was found
            self.env["mrp.machine.order.change"].sudo().create(
                {
                    "machine_id": ledger.machine_id.id,
                    "company_id": ledger.machine_id.company_id.id,
                    "production_id": production.id,
                    "workorder_id": workorder.id,
                    "quantity": change,
                    "found_us": events[:1].occurred_us,
                }
            )
        return total
