from odoo import api, models

from .outcome import Ignored, Waiting

#: Why there is no order that a lot can be of: the word is kept for the one to come.
WITHOUT_ORDER = ("no_order", "order_untold", "ambiguous", "order_draft")


class MachineHandlerLot(models.AbstractModel):
    """What the machine says of the lot that it makes decides of which lot the pieces are from that moment on.

    It comes before counts, so that pieces of the same batch find their lot.
    """

    _name = "mrp.machine.handler.lot"
    _inherit = "mrp.machine.handler"
    _description = "Lot of the Product"
    _event_types = ("material.lot_changed",)
    _handler_sequence = 9

    @api.model
    def _takes(self, event):
        # What a signal says of a component is another handler's matter.
        return super()._takes(event) and not event.signal_id.component_id

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id.with_env(self.env)
        production, workorder, explanation = self._order_then(machine, event)
        self._check_product(production, event)
        row = machine._take_lot(
            production, str((event.data or {}).get("value") or ""), event.occurred, "machine", event
        )
        return self._posting(
            rows,
            self._words(machine, row),
            row.production_id or machine,
            production_id=row.production_id.id,
            workorder_id=workorder.id if row.production_id else False,
            explanation=explanation,
            machine_lot_id=row.id,
        )

    @api.model
    def _order_then(self, machine, event):
        try:
            return machine._order_at(event)
        except Waiting as waiting:
            if waiting.reason not in WITHOUT_ORDER:
                raise
            return self.env["mrp.production"], self.env["mrp.workorder"], waiting.message

    @api.model
    def _check_product(self, production, event):
        """Refuse a lot of something else than what the order makes.

        :raise Ignored: it is a component, which is another handler's matter
        :raise Waiting: no order says whether it is
        """
        data, product = event.data or {}, production.product_id
        named = [str(data[key]).strip() for key in ("product", "gtin") if data.get(key)]
        if not named:
            return
        if not product:
            raise Waiting("no_order", self.env._("No order says whether %s is what is made, or used.", named[0]))
        own = {product.default_code, product.barcode, product.name, product.display_name} - {False, None, ""}
        # A GTIN has 14 digits; barcodes leave out the zeros that it begins with.
        own |= {name.lstrip("0") for name in own if name.isdigit()}
        if not any(name in own or (name.isdigit() and name.lstrip("0") in own) for name in named):
            raise Ignored(
                "component",
                self.env._(
                    "It is a lot of %(named)s, and %(order)s makes %(product)s.",
                    named=named[0],
                    order=production.display_name,
                    product=product.display_name,
                ),
            )

    @api.model
    def _words(self, machine, row):
        _ = self.env._
        words = {"lot": row.lot_id.name or row.told, "machine": machine.name, "order": row.production_id.display_name}
        if not words["lot"]:
            return _("No lot on %(machine)s any more", **words)
        if not row.production_id:
            return _("Lot %(lot)s on %(machine)s", **words)
        if row.lot_id.product_id.tracking == "serial":
            return _("Serial number %(lot)s for %(order)s", **words)
        return _("Lot %(lot)s on %(machine)s, for %(order)s", **words)
