from odoo import api, models
from odoo.exceptions import UserError

from ..models.mrp_workorder import CLOSED
from ..quantities import number_text
from .outcome import Ignored, Outcome, Waiting

#: First of a group that puts right what is booked, by what became known, or was decided, since.
DECIDED = "decided"


class MachineHandlerConsumption(models.AbstractModel):
    """What a machine says that it used becomes consumption of its order, where it is believed.

    Many events are folded into one write of the cumulative total. What differs from the bill of materials by more than
    the tolerance is proposed to a supervisor, and nothing of the difference is booked before it is approved.
    """

    _name = "mrp.machine.handler.consumption"
    _inherit = "mrp.machine.handler"
    _description = "Consumption of Components"
    _event_types = ("material.consumed",)
    # After the counts of the same batch, which say what should have been used, and before goods enter stock.
    _handler_sequence = 14

    @api.model
    def _groups(self, rows):
        machine, events = rows[:1].machine_id.with_env(self.env), rows.event_id
        rules = self.env.ref("mrp_machine_connect.source_rules")
        told = events.filtered(lambda event: event.source_id != rules)
        orders = machine._orders_at(told)
        events = dict(zip(rows.ids, events, strict=True))

        def group_of(row):
            event = events[row.id]
            if event.source_id == rules:
                return (DECIDED, event.data["production_id"], event.data["product_id"])
            return self._group_on(machine, event, orders[event.id])

        return self._sort(rows, group_of)

    @api.model
    def _group_on(self, machine, event, order):
        """Return the group of consumptions on an order: of what, and why of that.

        :param order: as :meth:`mrp.machine._orders_at` found it, or why it found none
        """
        data = event.data or {}
        if data.get("basis") == "theoretical":
            raise Ignored(
                "theoretical",
                self.env._("The machine reckoned this, and did not measure it: the bill of materials does so."),
            )
        if not data.get("qty"):
            raise Ignored("nothing_used", self.env._("Nothing was used."))
        if isinstance(order, Outcome):
            raise order
        production, workorder, explanation = order
        if production.state == "cancel":
            raise Waiting("order_cancelled", self.env._("%s was cancelled.", production.display_name))
        if production.state == "done" and machine._late_policy(event) == "wait":
            raise Waiting("order_closed", self.env._("%s is closed already.", production.display_name))
        product, lot = self._component(machine, event, production, workorder)
        # Refused here, where it is this event's matter alone.
        machine._amount_in(data, product.uom_id)
        return (production.id, workorder.id, product.id, lot.id, explanation)

    @api.model
    def _component(self, machine, event, production, workorder):
        """Return the component that an event means, and the lot of it.

        :raise Waiting: it means none of the order, or which one is not known
        """
        name, lot = str((event.data or {}).get("lot") or "").strip(), self.env["stock.lot"]
        components = production.move_raw_ids.filtered(lambda move: move.state != "cancel").product_id
        product = machine._component_named(event, production)
        if name and product.tracking != "none":
            lot = machine._component_lot(event, production, name)
            product = lot.product_id
        if not product:
            here = (
                components
                & production.move_raw_ids.filtered(
                    lambda move: not move.workorder_id or move.workorder_id == workorder
                ).product_id
            )
            product = here if len(here) == 1 else components
        if len(product) != 1:
            raise Waiting(
                "component_unknown",
                self.env._("Which component of %s was used, the machine does not say.", production.display_name),
            )
        if product not in components:
            raise Waiting(
                "no_component",
                self.env._(
                    "%(product)s is no component of %(order)s.",
                    product=product.display_name,
                    order=production.display_name,
                ),
                detail=f"production:{production.id}",
            )
        if not lot and product.tracking != "none":
            # sudo: what is on a machine is the poster's own; people only read it
            lot = self.env["mrp.machine.material"].sudo()._at(machine, product, event.occurred).lot_id
        return product, lot

    @api.model
    def _products(self, group):
        production_id = group[1] if group[0] == DECIDED else group[0]
        production = self.env["mrp.production"].browse(production_id).exists()
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        if group[0] == DECIDED:
            return self._post_decided(rows, *group[1:])
        production_id, workorder_id, product_id, lot_id, explanation = group
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        product, lot = self.env["product.product"].browse(product_id), self.env["stock.lot"].browse(lot_id)
        machine, events = rows[:1].machine_id.with_env(self.env), rows.event_id
        # sudo: what machines said is the poster's own; people only read it
        row = self.env["mrp.machine.consumption"].sudo()._row_of(machine, production, workorder, product, lot)
        used = sum(machine._amount_in(event.data, product.uom_id) for event in events)
        row.quantity += used
        row.last_told = max(filter(None, [row.last_told, *events.mapped("occurred")]))
        self._settle(production, product)
        production._components_are_known()
        return self._posting(
            rows,
            self._words(production, product, lot, used),
            production,
            production_id=production.id,
            workorder_id=workorder.id,
            kind="consumed",
            quantity=used,
            explanation=explanation,
        )

    @api.model
    def _post_decided(self, rows, production_id, product_id):
        production = self.env["mrp.production"].browse(production_id).exists()
        product = self.env["product.product"].browse(product_id).exists()
        if not production or not product or production.state == "cancel":
            raise Ignored("no_order", self.env._("The order is no more."))
        before = self._state(production, product)
        self._settle(production, product)
        if self._state(production, product) == before:
            raise Ignored("nothing_due", self.env._("All of it is booked as it is known."))
        return self._posting(
            rows,
            self.env._(
                "%(product)s of %(order)s put right, now %(quantity)s %(unit)s",
                product=product.display_name,
                order=production.display_name,
                quantity=number_text(sum(self._moves(production, product).mapped("quantity"))),
                unit=product.uom_id.name,
            ),
            production,
            production_id=production.id,
            kind="consumed",
            explanation=self._why(rows.event_id[-1:]),
        )

    @api.model
    def _why(self, event):
        if (event.data or {}).get("rule") == "variance":
            return self.env._("A supervisor decided on a difference of consumption.")
        if (event.data or {}).get("rule") == "late":
            return self.env._("Late pieces were booked.")
        return self.env._("Which lot was on the machine became known.")

    @api.model
    def _moves(self, production, product):
        return production.move_raw_ids.filtered(lambda move: move.product_id == product and move.state != "cancel")

    @api.model
    def _state(self, production, product):
        """Return what is booked of a component, by lot, and what is proposed."""
        moves = self._moves(production, product)
        lines = sorted((line.move_id.id, line.lot_id.id, line.quantity) for line in moves.move_line_ids)
        return lines, [(row.id, row.expected, row.actual) for row in production._variances(moves)]

    @api.model
    def _settle(self, production, product):
        """Book what is believed of a component: on what is open, and on what is posted where it is another by now."""
        try:
            if production.state in CLOSED:
                production._correct_consumption(product)
            else:
                production._book_consumption()
            production._correct_lots(product)
        except UserError as refused:
            raise Waiting("consumption", str(refused), detail=f"production:{production.id}") from refused

    @api.model
    def _words(self, production, product, lot, used):
        moves = self._moves(production, product)
        words = {
            "used": number_text(used),
            "unit": product.uom_id.name,
            "product": product.display_name,
            "lot": lot.name,
            "order": production.display_name,
            "total": number_text(sum(moves.mapped("quantity"))),
        }
        if open_row := production._variances(moves).filtered(lambda row: row.state == "proposed"):
            words["actual"] = number_text(sum(open_row.mapped("actual")))
            return self.env._(
                "%(used)s %(unit)s of %(product)s used on %(order)s: %(actual)s in all differ too much from the bill of "
                "materials, and wait for a supervisor",
                **words,
            )
        if lot:
            return self.env._(
                "%(used)s %(unit)s of %(product)s, lot %(lot)s, used on %(order)s, now %(total)s", **words
            )
        return self.env._("%(used)s %(unit)s of %(product)s used on %(order)s, now %(total)s", **words)
