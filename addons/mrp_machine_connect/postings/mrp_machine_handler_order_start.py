from odoo import api, models

from ..order_words import BEGUN
from .outcome import Ignored, Waiting


class MachineHandlerOrderStart(models.AbstractModel):
    """An order begins when the machine says so, where that is the machine's setting; else its first piece starts it."""

    _name = "mrp.machine.handler.order_start"
    _inherit = "mrp.machine.handler"
    _description = "Start of the Order"
    _event_types = BEGUN
    _handler_sequence = 9

    @api.model
    def _takes(self, event):
        # An order that nobody knows yet waits once: where it is loaded. When that is tried again, this comes with it.
        if not super()._takes(event) or event.machine_id.order_start != "signal":
            return False
        try:
            event.machine_id._order_told(event)
        except Waiting:
            return False
        return True

    @api.model
    def _group(self, row):
        event = row.event_id
        machine = event.machine_id.with_env(self.env)
        production, workorder, _explanation = machine._order_told(event)
        loading = self.env["mrp.machine.loading"]._at(machine, event.occurred)
        if not loading._is_of(production, workorder):
            raise Ignored("not_loaded", self.env._("Another order is loaded at that time."))
        return (event.id, production.id, workorder.id)

    @api.model
    def _products(self, group):
        # A work order that begins later moves the dates of its components.
        production = self.env["mrp.production"].browse(group[1])
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        _event_id, production_id, workorder_id = group
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        moment = rows.event_id.occurred
        record = workorder or production
        record._start_at(moment)
        return self._posting(
            rows,
            self.env._("%s begun", record.display_name),
            record,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=self.env._("By the machine's own word."),
        )
