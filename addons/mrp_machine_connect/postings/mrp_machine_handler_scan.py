from odoo import api, models

from .outcome import Outcome

#: What a scan may mean that touches no document: the machine's context.
CONTEXT = ("order", "operator")


class MachineHandlerScan(models.AbstractModel):
    """What was scanned at a machine, and what follows: a lot begins, material is loaded, an order runs, a person came.

    What it means stands in ``mrp.machine._scan_meaning``; here it has its effect.
    """

    _name = "mrp.machine.handler.scan"
    _inherit = "mrp.machine.handler"
    _description = "Scan"
    _event_types = ("identity.scan",)
    # After what loads orders, before counts: pieces of the same batch find the lot.
    _handler_sequence = 9

    @api.model
    def _takes(self, event):
        return super()._takes(event) and self._whose(event) == "scan"

    @api.model
    def _whose(self, event):
        """Return the handler whose a scan is. It stays so when a scan that waited turns out to mean something else."""
        # sudo: effects are the poster's own
        rows = self.env["mrp.machine.event.posting"].sudo()
        known = rows.search([("event_id", "=", event.id), ("handler", "in", ("scan", "scan_context"))], limit=1)
        return known.handler or ("scan_context" if self._is_context(event) else "scan")

    @api.model
    def _is_context(self, event):
        """Return whether a scan clearly means an order or a person, which no posting mode and no pause holds up."""
        service = self.env["mrp.machine.poster"]._service(event.machine_id)
        try:
            return service._scan_meaning(event.with_env(service.env)).kind in CONTEXT
        except Outcome:
            return False

    @api.model
    def _products(self, group):
        # sudo: the queue is the poster's own
        event = self.env["mrp.machine.queue"].sudo().browse(group).event_id
        orders = [order for order, _moment in event.machine_id.with_env(self.env)._scan_orders(event)]
        moves = self.env["mrp.production"].union(*orders)
        return set((moves.move_raw_ids | moves.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id.with_env(self.env)
        meaning = machine._scan_meaning(event.with_env(self.env))
        match meaning.kind:
            case "order":
                return self._order_meant(rows, machine, meaning)
            case "operator":
                operator = self.env["mrp.machine.handler.operator"]
                return operator._log_on(rows, machine, meaning.name, meaning.user).with_env(self.env)
            case "lot":
                machine._take_lot(meaning.production, meaning.name, meaning.moment, "scan", event)
            case "material":
                machine._load_material(
                    meaning.product, meaning.lot, meaning.moment, quantity=meaning.quantity, event=event
                )
        return self._posting(
            rows,
            machine._scan_words(meaning),
            meaning.production,
            production_id=meaning.production.id,
            workorder_id=meaning.workorder.id,
            explanation=meaning.explanation,
        )

    @api.model
    def _order_meant(self, rows, machine, meaning):
        event = rows.event_id
        # sudo: a loading is written by nobody; what was scanned does
        loadings = self.env["mrp.machine.loading"].sudo()
        values = {"found_by": "person", "explanation": meaning.explanation}
        if event.user_id:
            values["user_id"] = event.user_id.id
        loading = loadings._tell(machine, meaning.production, meaning.workorder, event, **values)
        loadings._retry_since(machine, loading.date_start, loading.date_end, event)
        return self._posting(
            rows,
            machine._scan_words(meaning),
            meaning.workorder or meaning.production,
            production_id=meaning.production.id,
            workorder_id=meaning.workorder.id,
            explanation=machine._loaded_words(loading),
        )


class MachineHandlerScanContext(models.AbstractModel):
    """A scan that says which order runs or who is there: it counts while the machine is observed or paused as well."""

    _name = "mrp.machine.handler.scan_context"
    _inherit = "mrp.machine.handler.scan"
    _description = "Scan of an Order or a Badge"
    _touches_documents = False
    _handler_sequence = 7

    @api.model
    def _takes(self, event):
        return event.type in self._event_types and self._whose(event) == "scan_context"
