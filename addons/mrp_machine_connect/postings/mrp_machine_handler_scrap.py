from odoo import api, models

from ..quantities import number_text
from .outcome import Ignored, Waiting

#: First of a group: pieces of the order, or a component of it.
PIECES, COMPONENT = "pieces", "component"


class MachineHandlerScrap(models.AbstractModel):
    """Scrap that is told with its reason: of an order's pieces it is noted why, a component of it is scrapped at once.

    A person may say the reason with a correction; how many rejects there are is changed by the handler of counts.

    The scraps of pieces are made with the goods' entry into stock, or at the close, by what is noted until then.
    """

    _name = "mrp.machine.handler.scrap"
    _inherit = "mrp.machine.handler"
    _description = "Scrap"
    _event_types = ("quality.scrap", "correction.adjust")
    _asked_types = ("correction.adjust",)
    # After the counts of the same batch, before goods enter stock.
    _handler_sequence = 12

    @api.model
    def _takes(self, event):
        if event.type == "correction.adjust":
            data = event.data or {}
            return bool(data.get("scrap_tag_id")) and data.get("kind") in ("reject", "rework")
        return super()._takes(event)

    @api.model
    def _quantity(self, event):
        """Return how much an event tells; a correction may take pieces away, and is below zero then."""
        return event.data["delta" if event.type == "correction.adjust" else "qty"]

    @api.model
    def _groups(self, rows):
        machine, events = rows[:1].machine_id, rows.event_id
        orders = machine._orders_at(events)
        events = dict(zip(rows.ids, events, strict=True))

        def group_of(row):
            event = events[row.id]
            if not self._quantity(event):
                raise Ignored("no_pieces", self.env._("Nothing was scrapped."))
            order = orders[event.id]
            if isinstance(order, Waiting):
                raise order
            return self._group_on(order, machine, event)

        return self._sort(rows, group_of)

    @api.model
    def _group_on(self, order, machine, event):
        """Return what the scraps of one effect have in common.

        :param order: ``(production, work order, why)``
        """
        (production, workorder, explanation), data = order, event.data
        if event.type == "correction.adjust":
            # One that was deleted since says no more than how many there are.
            tag = self.env["stock.scrap.reason.tag"].browse(data["scrap_tag_id"]).exists()
            unit = self.env["uom.uom"]._of_code(None)
            return (PIECES, production.id, workorder.id, tag.id, "", unit.id, explanation, data["kind"])
        code = self._code_of(event, machine)
        product = self._product_of(event, production)
        unit = self._unit_of(event, production, product)
        stage = str(data.get("stage") or "").strip()
        if product == production.product_id:
            kind = "rework" if code.is_rework else "reject"
            return (PIECES, production.id, workorder.id, code.scrap_tag_id.id, stage, unit.id, explanation, kind)
        lot = self._lot_of(event, production, product)
        return (
            *(COMPONENT, production.id, workorder.id, code.scrap_tag_id.id, stage, unit.id, explanation),
            *(product.id, lot.id),
        )

    @api.model
    def _code_of(self, event, machine):
        """Return the code of the reason that an event tells, empty where it tells none.

        :raise Waiting: nobody has said what the machine means by it
        """
        codes, word = self.env["mrp.machine.code"], (event.data or {}).get("reason")
        if word in (None, ""):
            return codes
        code = codes._lookup(machine, "scrap_reason", word)
        if not code:
            raise Waiting(
                "unknown_code",
                self.env._(
                    "The machine gives «%s» as the reason of scrap, and nobody has said yet which reason that is.", word
                ),
                detail=f"scrap_reason:{word}",
            )
        return code

    @api.model
    def _product_of(self, event, production):
        """Return the product that is scrapped: the order's own, or the component that the event names.

        :raise Waiting: it names what the order neither makes nor takes
        """
        word = str((event.data or {}).get("product") or "").strip()
        own = production.product_id
        if not word:
            return own
        for product in own | production.move_raw_ids.product_id:
            if word.casefold() in {
                str(name).casefold() for name in (product.default_code, product.barcode, product.name) if name
            }:
                return product
        raise Waiting(
            "scrap_product",
            self.env._(
                "«%(product)s» is told as scrap, and %(order)s neither makes nor takes that.",
                product=word,
                order=production.display_name,
            ),
            detail=f"production:{production.id}",
        )

    @api.model
    def _unit_of(self, event, production, product):
        """Return the unit in which scrap is told: pieces, or what a component is counted in, where none is said.

        :raise Waiting: it has nothing to do with that of the order
        """
        code, own = (event.data or {}).get("unit"), production.product_uom_id
        if product != production.product_id:
            own = production.move_raw_ids.filtered(lambda move: move.product_id == product)[:1].product_uom
        unit = self.env["uom.uom"]._of_code(code)
        if not code and product != production.product_id:
            unit = own
        if unit and unit._has_common_reference(own):
            return unit
        if unit and product == production.product_id and product._pieces_by_weight(1.0, unit, own) is not None:
            return unit
        raise Waiting(
            "unit",
            self.env._(
                "Scrap of %(product)s is told in «%(code)s», which cannot be converted to %(unit)s.",
                product=product.display_name,
                code=code or self.env["uom.uom"]._of_code("C62").name,
                unit=own.name,
            ),
        )

    @api.model
    def _lot_of(self, event, production, product):
        """Return the lot of a component that was scrapped: the one that is told, else the one that the order takes.

        :raise Waiting: nobody knows which it is
        """
        if product.tracking == "none":
            return self.env["stock.lot"]
        word = str((event.data or {}).get("lot") or "").strip()
        if word:
            lot = self.env["stock.lot"].search([("product_id", "=", product.id), ("name", "=", word)], limit=1)
        else:
            lot = production._scrap_lot(product)
        if lot:
            return lot
        raise Waiting(
            "scrap_tracked",
            self.env._(
                "%(product)s has lots or serial numbers, and which of them was scrapped for %(order)s nobody said.",
                product=product.display_name,
                order=production.display_name,
            )
            if not word
            else self.env._("Of %(product)s there is no lot «%(lot)s».", product=product.display_name, lot=word),
        )

    @api.model
    def _products(self, group):
        return {group[7]} if group[0] == COMPONENT else set()

    @api.model
    def _post(self, group, rows):
        # Read before anything is written: whoever works on documents has no right to the queue.
        events, machine = rows.event_id, rows[:1].machine_id
        if group[0] == COMPONENT:
            return self._post_component(group, rows, events)
        _pieces, production_id, workorder_id, tag_id, stage, unit_id, explanation, kind = group
        production = self.env["mrp.production"].browse(production_id)
        unit = self.env["uom.uom"].browse(unit_id)
        quantity = sum(production._pieces_of(self._quantity(event), unit) for event in events)
        key = {
            "machine_id": machine.id,
            "production_id": production_id,
            "workorder_id": workorder_id,
            "tag_id": tag_id,
            "stage": stage or False,
            "kind": kind,
        }
        # sudo: what was said is the poster's own; people only read it
        rejects = self.env["mrp.machine.reject"].sudo()
        if quantity < 0:
            quantity = max(quantity, -rejects._of(key).quantity)
            if not quantity:
                raise Ignored("no_pieces", self.env._("No pieces are noted with this reason that could be taken away."))
        rejects._add(key, quantity, events[-1:].occurred)
        production._decide_scrap()  # what is scrapped already gets its reason
        return self._posting(
            rows,
            self._words(production, quantity, tag_id, kind),
            production,
            production_id=production_id,
            workorder_id=workorder_id,
            quantity=quantity,
            explanation=explanation,
        )

    @api.model
    def _words(self, production, quantity, tag_id, kind):
        """Return in a sentence what was noted of an order's pieces."""
        words = {
            "quantity": f"{number_text(production.product_uom_id.round(quantity))} {production.product_uom_id.name}",
            "order": production.display_name,
            "reason": self.env["stock.scrap.reason.tag"].browse(tag_id).name or self.env._("no reason"),
        }
        if kind == "rework":
            return self.env._("%(quantity)s of %(order)s to rework: %(reason)s", **words)
        return self.env._("%(quantity)s of %(order)s rejected: %(reason)s", **words)

    @api.model
    def _post_component(self, group, rows, events):
        """Scrap a component of an order where it lies, at the machine's time, beside what the pieces take of it."""
        _component, production_id, workorder_id, tag_id, stage, unit_id, explanation, product_id, lot_id = group
        production = self.env["mrp.production"].browse(production_id)
        product, unit = self.env["product.product"].browse(product_id), self.env["uom.uom"].browse(unit_id)
        lot, tag = self.env["stock.lot"].browse(lot_id), self.env["stock.scrap.reason.tag"].browse(tag_id)
        if production.state == "cancel":
            raise Waiting(
                "order_cancelled",
                self.env._("%s was cancelled: nothing is booked on it.", production.display_name),
            )
        move_unit = production.move_raw_ids.filtered(lambda move: move.product_id == product)[:1].product_uom
        quantity = unit._compute_quantity(sum(event.data["qty"] for event in events), move_unit, round=False)
        quantity = move_unit.round(quantity, rounding_method="HALF-UP")
        if move_unit.is_zero(quantity):
            raise Ignored("no_pieces", self.env._("It is less than can be booked."))
        scrap = production._scrap(
            product, quantity, move_unit, tag, lot, workorder_id=workorder_id, machine_stage=stage or False
        )
        words = {
            "quantity": f"{number_text(quantity)} {move_unit.name}",
            "product": product.display_name,
            "order": production.display_name,
            "location": scrap.location_id.display_name,
            "reason": tag.name or self.env._("no reason"),
        }
        if scrap.state != "done":
            raise Waiting(
                "scrap_missing",
                self.env._(
                    "%(quantity)s of %(product)s were scrapped for %(order)s, and are not in %(location)s.", **words
                ),
            )
        scrap.date_done = events[-1:].occurred
        scrap.move_ids._date_at(events[-1:].occurred)
        posting = self._posting(
            rows,
            self.env._("%(quantity)s of %(product)s scrapped for %(order)s: %(reason)s", **words),
            scrap,
            production_id=production_id,
            workorder_id=workorder_id,
            explanation=explanation,
        )
        scrap.move_ids.sudo().machine_posting_id = posting  # sudo: nobody writes by hand which posting made a move
        return posting
