"""Scrap that is told where no counter counts it: rejects of their own."""

from odoo import api, models

from .outcome import Ignored, Waiting


class MachineHandlerProductionCount(models.AbstractModel):
    # One question a file.
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited
    _event_types = (
        "production.count",
        "production.cycle_completed",
        "production.part_completed",
        "correction.adjust",
        "quality.scrap",
    )
    _asked_types = ("quality.scrap",)

    @api.model
    def _takes(self, event):
        return super()._takes(event) and (event.type != "quality.scrap" or event.machine_id.scrap_events == "add")

    @api.model
    def _counted_by_words(self, event, machine, role):
        if event.type != "quality.scrap":
            return super()._counted_by_words(event, machine, role)
        data = event.data or {}
        code = self.env["mrp.machine.code"]._lookup(machine, "scrap_reason", data.get("reason"))
        column = "rework" if code.is_rework else self._reject_column(role)
        pieces = self._weighed(event, machine)
        if pieces is not None:
            return column, pieces, ""
        return column, float(data["qty"]), data.get("unit") or ""

    @api.model
    def _weighed(self, event, machine):
        """Return how many pieces a scrap is that was weighed, None where it was not or its order is not known."""
        unit, piece = self.env["uom.uom"]._of_code(event.data.get("unit")), self._piece_unit()
        if not unit or unit._has_common_reference(piece):
            return None
        order = machine._orders_at(event)[event.id]
        if isinstance(order, Waiting) or unit._has_common_reference(order[0].product_uom_id):
            return None
        return order[0].product_id._pieces_by_weight(event.data["qty"], unit, piece)

    @api.model
    def _groups(self, rows):
        """Leave components to their own effect, and let what waits for the meaning of its reason wait as a whole."""
        scrap = self.env["mrp.machine.handler.scrap"]
        groups, refused = super()._groups(rows)
        events = rows.event_id
        if "quality.scrap" not in (kinds := events.mapped("type")):
            return groups, refused
        machine = rows[:1].machine_id
        told = {
            row_id: event
            for row_id, event, kind in zip(rows.ids, events, kinds, strict=True)
            if kind == "quality.scrap"
        }
        for group in list(groups):
            for row_id in [row_id for row_id in groups[group] if row_id in told]:
                try:
                    production = self._orders_of(group)[0]
                    scrap._code_of(told[row_id], machine)
                    if scrap._product_of(told[row_id], production) != production.product_id:
                        raise Ignored("component", self.env._("A component that is scrapped is no piece of the order."))
                except (Ignored, Waiting) as outcome:
                    refused[row_id] = outcome
                    groups[group].remove(row_id)
            if not groups[group]:
                del groups[group]
        return groups, refused
