"""Pieces beyond what their order is to take, and pieces that have no order."""

from odoo import api, models

from ..quantities import number_text
from .mrp_machine_handler_production_count import WITHOUT_REJECTS
from .outcome import Waiting

#: First of a group of pieces that an order is drafted for.
MISSING = "missing"


class MachineHandlerProductionCount(models.AbstractModel):
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited; as above

    @api.model
    def _groups(self, rows):
        groups, refused = super()._groups(rows)
        machine = rows[:1].machine_id
        if groups and machine._limits_orders():
            groups = self._within_limits(machine, rows, groups, refused)
        if refused and machine.order_missing == "draft":
            self._without_order(machine, rows, groups, refused)
        return groups, refused

    @api.model
    def _within_limits(self, machine, rows, groups, refused):
        """Return the groups with what their orders may take; what does not fit is added to ``refused``.

        Piece after piece in the order in which they were made, so that the same pieces fit however they arrive.
        """
        group_of = {row_id: group for group, ids in groups.items() for row_id in ids}
        events = dict(zip(rows.ids, rows.event_id, strict=True))
        released, good, within = self._released(rows), {}, {}
        for row_id in rows.ids:
            if row_id not in group_of:
                continue
            group = group_of[row_id]
            if group[0] in ("good", "reject"):
                why = self._beyond(machine, group, events[row_id], events[row_id].id in released, good)
                if why:
                    refused[row_id] = why
                    continue
            within.setdefault(group, []).append(row_id)
        return within

    @api.model
    def _released(self, rows):
        """Return the ids of the events that a supervisor let pass."""
        # sudo: effects are the poster's own
        effects = self.env["mrp.machine.event.posting"].sudo()
        return set(
            effects.search(
                [
                    ("event_id", "in", rows.event_id.ids),
                    ("handler", "=", self._handler_name()),
                    ("released_by", "!=", False),
                ]
            ).event_id.ids
        )

    @api.model
    def _beyond(self, machine, group, event, is_released, good):
        """Return why an event does not fit on its order any more, or None where it does.

        :param dict good: what each order has by now, of good pieces; brought up to date
        """
        kind, production_id, workorder_id, _explanation, role, _feeds = group
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        order, unit = (production_id, workorder_id), production.product_uom_id
        if order not in good:
            good[order] = machine._good_of(production, workorder)
        pieces = self._pieces_in(event, machine, production, workorder, role)
        if kind == "reject":
            # Where they are part of what feeds the order, they were taken for good until now.
            good[order] -= pieces if role not in WITHOUT_REJECTS else 0.0
            return None
        if pieces > 0 and not is_released:
            name, target = (workorder or production).display_name, machine._target_of(production, workorder)
            most = machine._most_of(production, workorder)
            words = {
                "order": name,
                "target": number_text(target),
                "good": number_text(unit.round(good[order])),
                "pieces": number_text(unit.round(pieces)),
            }
            if machine.order_finish == "quantity" and unit.compare(good[order], target) >= 0:
                return Waiting(
                    "order_complete",
                    self.env._("%(order)s has its %(target)s pieces already, and these were made after that.", **words),
                    detail=f"production:{production_id}",
                )
            if most is not None and unit.compare(good[order] + pieces, most) > 0:
                return Waiting(
                    "over_production",
                    self.env._(
                        "%(order)s is to make %(target)s and has %(good)s; with these %(pieces)s it would have more than the "
                        "%(most)s that the machine's setting allows.",
                        most=number_text(most),
                        **words,
                    ),
                    detail=f"production:{production_id}",
                )
        good[order] += pieces
        return None

    @api.model
    def _pieces_in(self, event, machine, production, workorder, role):
        """Return how many pieces an event tells, in the order's unit and not rounded."""
        _column, pieces, code = self._counted_in(event, machine, role)
        counted_in = self._unit(machine, production, workorder, role, code) or self._piece_unit()
        return counted_in._compute_quantity(pieces, production.product_uom_id, round=False)

    @api.model
    def _without_order(self, machine, rows, groups, refused):
        """Let good pieces that have no order form a group of their own: an order is drafted for them."""
        role_of = machine._roles_of(rows.event_id)
        for row_id, event in zip(rows.ids, rows.event_id, strict=True):
            if getattr(refused.get(row_id), "reason", None) != "no_order" or event.type == "correction.adjust":
                continue
            role = role_of[event.id]
            column = self._counted(event, machine, role)[0]
            if self._kind(event, column, machine, role) == "good":
                del refused[row_id]
                groups.setdefault((MISSING, 0, 0), []).append(row_id)

    @api.model
    def _products(self, group):
        # A draft touches no stock.
        return set() if group[0] == MISSING else super()._products(group)

    @api.model
    def _post(self, group, rows):
        if group[0] == MISSING:
            machine = rows[:1].machine_id
            role_of = machine._roles_of(rows.event_id)
            pieces = sum(self._counted(event, machine, role_of[event.id])[1] for event in rows.event_id)
            return machine._draft_for(pieces, rows.event_id[:1].occurred)
        moved = any(event.type == "correction.adjust" for event in rows.event_id)
        posting = super()._post(group, rows)
        if moved and posting:
            self._retry_moving(group)
        return posting

    @api.model
    def _retry_moving(self, group):
        """Let the end of an order that waited for these pieces to be moved try again."""
        production = self._orders_of(group)[0]
        # sudo: effects are the poster's own
        self.env["mrp.machine.event.posting"].sudo().search(
            [
                ("state", "=", "waiting"),
                ("reason", "=", "pieces_moving"),
                ("detail", "=", f"production:{production.id}"),
            ]
        )._requeue()
