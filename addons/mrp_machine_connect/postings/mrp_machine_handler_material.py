from odoo import api, models

from ..quantities import number_text
from .outcome import Waiting


class MachineHandlerMaterial(models.AbstractModel):
    """Which lot of a component is on the machine: loaded, taken off, or followed by another.

    It comes before counts, so that pieces of the same batch are of their lot. It touches no document: a machine that is
    only observed, or paused, has its material loaded all the same.
    """

    _name = "mrp.machine.handler.material"
    _inherit = "mrp.machine.handler"
    _description = "Material on the Machine"
    _event_types = ("material.loaded", "material.unloaded", "material.lot_changed")
    _touches_documents = False
    _handler_sequence = 8

    @api.model
    def _takes(self, event):
        # A lot that the machine names by itself is the product's, unless it says, or its signal does, of which component.
        if event.type != "material.lot_changed":
            return super()._takes(event)
        if event.signal_id.component_id:
            return True
        data, machine = event.data or {}, event.machine_id
        if not (data.get("product") or data.get("gtin")):
            return False
        production = machine._order_for_time(event)[0]
        return not machine._names_product(production.product_id, data)

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine, data = event.machine_id.with_env(self.env), event.data or {}
        name = str(data.get("lot") or data.get("value") or "").strip()
        production = machine._order_for_time(event)[0]
        if event.type == "material.lot_changed" and not name:
            load = self._take_off(machine, event, production, name, data)
        elif event.type == "material.unloaded":
            load = self._take_off(machine, event, production, name, data)
        else:
            lot = machine._component_lot(event, production, name)
            quantity = machine._amount_in(data, lot.product_id.uom_id)
            load = machine._load_material(lot.product_id, lot, event.occurred, quantity or 0.0, event)
        return self._posting(
            rows,
            self._words(event, load),
            load,
            production_id=load.production_id.id,
            explanation=self.env._("By the machine's own word."),
        )

    @api.model
    def _take_off(self, machine, event, production, name, data):
        lot = machine._component_lot(event, production, name) if name else self.env["stock.lot"]
        product = lot.product_id or machine._component_named(event, production)
        if not product:
            raise Waiting("component_unknown", self.env._("Which component was taken off the machine is not known."))
        return machine._unload_material(product, lot, event.occurred, machine._amount_in(data, product.uom_id), event)

    @api.model
    def _words(self, event, load):
        _ = self.env._
        words = {
            "lot": load.lot_id.name,
            "product": load.product_id.display_name,
            "machine": load.machine_id.name,
            "quantity": number_text(load.quantity),
            "rest": number_text(load.rest),
            "unit": load.uom_id.name,
        }
        if load.left_event_id == event:
            if load.is_rest_known:
                return _("Lot %(lot)s of %(product)s taken off %(machine)s with a rest of %(rest)s %(unit)s", **words)
            return _("Lot %(lot)s of %(product)s taken off %(machine)s", **words)
        if load.quantity:
            return _("Lot %(lot)s of %(product)s loaded on %(machine)s: %(quantity)s %(unit)s", **words)
        return _("Lot %(lot)s of %(product)s loaded on %(machine)s", **words)


class MachineHandlerLot(models.AbstractModel):
    _inherit = "mrp.machine.handler.lot"

    @api.model
    def _takes(self, event):
        # What a signal tells of a component is no lot of the product.
        return super()._takes(event) and not event.signal_id.component_id
