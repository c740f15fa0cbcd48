"""What a hold keeps from being booked waits with words, and is tried again when it is released."""

from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Waiting
from odoo.exceptions import UserError

from ..models.stock_quant import LotHeld


class OrderHeld(UserError):
    """More was to be booked on an order that quality holds.

    :param production: the mrp.production
    """

    def __init__(self, message, production):
        super().__init__(message)
        self.production_id = production.id


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"

    def _ending(self, error):
        """What meets a held lot waits for its release; it is no technical error."""
        if isinstance(error, LotHeld):
            return "waiting", "lot_held", str(error), f"stock.lot:{error.lot_id}"
        if isinstance(error, OrderHeld):
            return "waiting", "order_held", str(error), f"quality.order:{error.production_id}"
        return super()._ending(error)


class MachineHandlerStockBeat(models.AbstractModel):
    _inherit = "mrp.machine.handler.stock_beat"

    @api.model
    def _check(self, production):
        production._quality_gate()
        try:
            return super()._check(production)
        except Waiting as waiting:
            # What is wrong with components is put in words there; a hold has its own, and is waited for as such.
            if isinstance(waiting.__context__, LotHeld):
                raise waiting.__context__ from None
            raise


class MachineHandlerOrderFinish(models.AbstractModel):
    _inherit = "mrp.machine.handler.order_finish"

    @api.model
    def _group(self, row):
        group = super()._group(row)
        self.env["mrp.production"].browse(group[1])._quality_gate()
        return group


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _quality_gate(self):
        """Refuse to book more on an order that quality holds.

        :raise OrderHeld: until a person releases it
        """
        for production in self:
            if holds := self.env["quality.machine.hold"]._of_order(production):
                raise OrderHeld(holds._order_words(), production)

    def _post_inventory(self, cancel_backorder=False):
        """Whoever posts it, machine or person: nothing more is booked on an order that quality holds."""
        self._quality_gate()
        return super()._post_inventory(cancel_backorder=cancel_backorder)
