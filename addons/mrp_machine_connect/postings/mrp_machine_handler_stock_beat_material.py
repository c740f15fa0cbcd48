from odoo import api, models
from odoo.exceptions import UserError

from .outcome import Waiting


class MachineHandlerStockBeat(models.AbstractModel):
    _inherit = "mrp.machine.handler.stock_beat"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _check(self, production):
        """Wait, with words, where of a component it is not known, or not possible, of which lot it was."""
        try:
            return super()._check(production)
        except UserError as refused:
            raise Waiting("component_lot", str(refused), detail=f"production:{production.id}") from None
