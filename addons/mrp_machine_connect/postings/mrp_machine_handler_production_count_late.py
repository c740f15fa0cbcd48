"""Pieces of an order that is closed, and pieces that a person corrects."""

from odoo import api, models
from odoo.tools import float_round

from ..machine_connect.folding import folded
from ..models.mrp_production_late import LATE, change_words
from ..models.mrp_workorder import CLOSED
from ..moments import moment_words
from ..quantities import number_text
from .outcome import Outcome, Waiting

#: In a context: the quantity of the document before the effect.
BEFORE = "machine_quantity_before"
#: In a context: ``{work order id: rejects of the steps before it}`` before the effect.
REJECTS = "machine_rejects_before"
#: In a context: ids of the events of the group that a person entered.
CORRECTIONS = "machine_corrections"
#: In a context: what is in stock may be taken back, for a person, or the machine's setting, said so.
MAY_TAKE_BACK = "machine_may_take_back"


class MachineHandlerProductionCount(models.AbstractModel):
    # One question a file.
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _check_order(self, production, workorder, *how):
        try:
            return super()._check_order(production, workorder, *how)
        except Waiting as outcome:
            # Whether it waits is found in _groups, where it is known who said it: a machine or a person.
            if outcome.reason != "order_closed":
                raise
            return None

    @api.model
    def _groups(self, rows):
        groups, refused = super()._groups(rows)
        sorted_anew, machine, events = {}, rows[:1].machine_id, None
        for group, ids in groups.items():
            production, workorder = self._orders_of(group)
            if production.state not in CLOSED and workorder.state not in CLOSED:
                sorted_anew[group] = ids
                continue
            events = events or dict(zip(rows.ids, rows.event_id, strict=True))
            for row_id in ids:
                policy = machine._late_policy(events[row_id])
                if policy == "wait":
                    refused[row_id] = Waiting(
                        "order_closed",
                        self.env._("%s is closed already.", (workorder or production).display_name),
                    )
                else:
                    sorted_anew.setdefault((LATE, policy, group), []).append(row_id)
        return sorted_anew, refused

    @api.model
    def _orders_of(self, group):
        """Return the production and work order of a group, late or not."""
        group = group[2] if group[0] == LATE else group
        return self.env["mrp.production"].browse(group[1]), self.env["mrp.workorder"].browse(group[2])

    @api.model
    def _products(self, group):
        if group[0] != LATE:
            return super()._products(group)
        production = self._orders_of(group)[0]
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        if BEFORE in self.env.context:
            # Of what is closed: the pieces are counted like any others, see _post_late.
            return super()._post(group, rows)
        machine, corrections = rows[:1].machine_id, self._corrections(rows)
        production, workorder = self._orders_of(group)
        takes_back = machine.late_booking == "correct" or len(corrections) == len(rows)
        self = self.with_context(
            **{
                BEFORE: _quantity_of(workorder or production),
                MAY_TAKE_BACK: takes_back,
                LATE: group[0] == LATE,
                CORRECTIONS: tuple(corrections.ids),
            }
        )
        if group[0] == LATE:
            posting = self._post_late(group[1], group[2], rows)
        else:
            posting = super()._post(group, rows)
        if not isinstance(posting, Outcome) and posting.corrected_words:
            self._tell_correction(posting)
        return posting

    @api.model
    def _corrections(self, rows):
        """Return those of the events that a person entered."""
        # sudo: queue and log are the poster's alone
        return rows.sudo().event_id.filtered(lambda event: event.type == "correction.adjust" and event.user_id)

    @api.model
    def _posting_values(self, rows, summary, document=None, **values):
        """Write down an effect with the quantity before and after, and who corrected it."""
        if BEFORE in self.env.context and document:
            after = _quantity_of(document)
            values = {"quantity_before": self.env.context[BEFORE], "quantity_after": after, **values}
            if values["quantity_before"] == after and values.get("kind") != "good":
                # Only noted: the quantity of the document has nothing to do with it.
                del values["quantity_before"], values["quantity_after"]
        values["is_late"] = bool(self.env.context.get(LATE))
        # sudo: see _corrections, by which they were found once for a group of hundreds
        if corrections := rows.sudo().event_id.browse(self.env.context.get(CORRECTIONS, ())):
            values["corrected_words"] = "; ".join(
                f"{event.user_id.name}: {(event.data or {}).get('why') or '–'}" for event in corrections
            )
        return super()._posting_values(rows, summary, document, **values)

    @api.model
    def _tell_correction(self, posting):
        """Say on the order who corrected it, why, and from what to what."""
        words = {"summary": posting.summary, "who": posting.corrected_words}
        if posting.quantity_before != posting.quantity_after:
            words.update(before=number_text(posting.quantity_before), after=number_text(posting.quantity_after))
            body = self.env._("Corrected: %(summary)s (%(before)s → %(after)s). %(who)s", **words)
        else:
            body = self.env._("Corrected: %(summary)s. %(who)s", **words)
        self._tell(posting.production_id, body)

    @api.model
    def _tell(self, production, body):
        self.env["mrp.production"].browse(production.id).message_post(body=body)

    # What is in stock by now, or done, or scrapped

    @api.model
    def _check_scrapped(self, production, ledgers):
        """Take back what is scrapped and was no reject, where a person said so; else refuse as ever."""
        if self.env.context.get(MAY_TAKE_BACK):
            unit = production.product_uom_id
            too_many = unit.round(
                production._machine_scrapped() - ledgers._rejected_in(unit), rounding_method="HALF-UP"
            )
            if unit.compare(too_many, 0.0) > 0:
                production._take_back_scrap(too_many)
        return super()._check_scrapped(production, ledgers)

    @api.model
    def _write_total(self, production, workorder, total, kept, began):
        """Set the cumulative quantity, also where the step is done already or the pieces are in stock by now."""
        moved = production.move_finished_ids.filtered(
            lambda move: move.state == "done" and move.product_id == production.product_id
        )
        if moved and self.env.context.get(MAY_TAKE_BACK):
            # Below what is in stock the open moves would become negative: what was moved is changed first.
            in_stock, wanted = sum(moved.mapped("quantity")), self._on_order(production, workorder, total, kept)
            if production.product_uom_id.compare(wanted, in_stock) < 0:
                production._correct_done_moves([(began, wanted - in_stock)])
        return super()._write_total(production, workorder, total, kept, began)

    @api.model
    def _on_order(self, production, workorder, total, kept):
        """Return what the order's quantity becomes when its step, or itself, has a total."""
        if not workorder:
            return total
        others = production._steps() - workorder
        if others:
            fed = others._machine_fed()
            others = others.filtered(lambda step: step.qty_produced or step in fed)
        return max(0.0, min([total, *others.mapped("qty_produced")]) + kept)

    # Of what is closed

    @api.model
    def _post_late(self, policy, group, rows):
        kind, _production_id, _workorder_id, _explanation, role, feeds = group
        production, workorder = self._orders_of(group)
        if not feeds or (production.state not in CLOSED and workorder.state == "done"):
            # Only noted; or the order itself is open, and its quantity is all that counts.
            return self._post(group, rows)
        quantity = self._late_quantity(rows, production, role)
        if policy == "new_order" and production.product_uom_id.compare(quantity, 0.0) > 0:
            return self._post_late_order(production, workorder, quantity, kind, role, feeds, rows)
        if production.state != "done" or workorder.state == "cancel":
            raise Waiting(
                "order_cancelled",
                self.env._("%s was cancelled: nothing is booked on it.", (workorder or production).display_name),
            )
        if policy == "new_order":
            raise Waiting(
                "order_closed",
                self.env._(
                    "%s is closed, and an order of their own cannot take pieces away.",
                    (workorder or production).display_name,
                ),
            )
        events, made = rows.event_id, production.qty_produced
        self = self.with_context(
            **{REJECTS: {step.id: rejects for step, rejects in production._rejects_before().items()}}
        )
        posting = self._post(group, rows)
        # Rejects that are known late are scrapped in a transaction of their own, as at the close.
        production._decide_scrap()
        if not posting.corrected_words:
            self._tell(
                production,
                self.env._(
                    "Booked late: %(summary)s. %(machine)s reported it of %(moment)s, and it was known after the order "
                    "was closed. %(change)s. The machine's setting «Pieces After Closing» says so.",
                    summary=posting.summary,
                    moment=moment_words(posting.machine_id, events[:1].occurred),
                    machine=posting.machine_id.name,
                    change=change_words(self.env, made, production.qty_produced, production.product_uom_id),
                ),
            )
        return posting

    @api.model
    def _late_quantity(self, rows, production, role):
        """Return how much the events of a group are in the unit of their order.

        :raise Waiting: their unit has nothing to do with it
        """
        quantity, unit = 0.0, production.product_uom_id
        for event in rows.event_id:
            code = None if event.type == "correction.adjust" else (event.data or {}).get("unit")
            counted_in = self.env["uom.uom"]._of_code(code)
            if not counted_in or not counted_in._has_common_reference(unit):
                raise Waiting(
                    "unit",
                    self.env._(
                        "%(order)s is in %(unit)s, and the machine's unit cannot be converted to that.",
                        order=production.display_name,
                        unit=unit.name,
                    ),
                )
            pieces = self._counted(event, rows[:1].machine_id, role)[1]
            quantity += counted_in._compute_quantity(pieces, unit, round=False)
        return unit.round(quantity, rounding_method="HALF-UP")

    @api.model
    def _found(self, production, workorder, ledgers):
        if production.state in CLOSED:
            return _quantity_of(workorder or production), 0.0
        return super()._found(production, workorder, ledgers)

    @api.model
    def _feed(self, production, workorder, ledger, ledgers, events, before, found):
        """Change what a closed order made, by what it made; anything else as ever."""
        if production.state not in CLOSED:
            return super()._feed(production, workorder, ledger, ledgers, events, before, found)
        unit, on_order = production.product_uom_id, found[0]
        here = ledgers.filtered(lambda row: row.workorder_id == workorder)
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        total = folded(on_order, before, here._quantity_in(unit), digits)
        if unit.compare(total, 0.0) < 0:
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        change = total - on_order
        if workorder:
            change = self._late_on_step(production, workorder, ledgers, total)
        if not unit.is_zero(change):
            weights = [abs((event.data or {}).get("delta", (event.data or {}).get("qty", 1))) for event in events]
            # A serial number is one piece, and no part of one.
            step = 1.0 if production.product_id.tracking == "serial" else unit.rounding
            production._correct_done_moves(_shares(events.mapped("occurred"), weights, change, step))
        elif production._rejects_lie_beside():
            production._correct_done_moves([(events[:1].occurred, 0.0)])  # what its rejects took
        here.last_written = total
        return total

    @api.model
    def _late_on_step(self, production, workorder, ledgers, total):
        """Put the quantity of a closed order's step right, and return by how much that of the order changes."""
        steps = production._steps()
        counted = steps & (ledgers.filtered("posted").workorder_id | workorder)
        rejects = {workorder.browse(step_id): quantity for step_id, quantity in self.env.context[REJECTS].items()}
        change, before = total - workorder.qty_produced, steps._limiting_quantity(counted, rejects)
        workorder.with_context(**{LATE: True}).qty_produced = total
        if len(steps) == 1:
            return change
        return steps._limiting_quantity(counted, production._rejects_before()) - before

    @api.model
    def _post_late_order(self, production, workorder, quantity, kind, role, feeds, rows):
        """Make an order for pieces of one that is closed, count them on it like any others, and close it at their time."""
        events, first = rows.event_id, (workorder or production).display_name
        start, finish = events[:1].occurred, events[-1:].occurred
        late = production._make_late_order(quantity, start, finish)
        step = late.workorder_ids.filtered(
            lambda new: new.operation_id == workorder.operation_id and new.workcenter_id == workorder.workcenter_id
        )[:1]
        explanation = self.env._(
            "%s was closed already; by the machine's setting «Pieces After Closing» late pieces have an order of their own.",
            first,
        )
        posting = self.with_context(**{BEFORE: 0.0})._post((kind, late.id, step.id, explanation, role, feeds), rows)
        late._close_late_order(start, finish)
        self._tell(
            production,
            self.env._(
                "%(summary)s: of %(moment)s by %(machine)s, known after %(first)s was closed. They have an order of "
                "their own, %(order)s.",
                summary=posting.summary,
                moment=moment_words(posting.machine_id, start),
                machine=posting.machine_id.name,
                first=first,
                order=late.display_name,
            ),
        )
        return posting


def _quantity_of(document):
    """Return the quantity that a work order, or an order, shows as made."""
    if document._name != "mrp.production":
        return document.qty_produced
    return document.qty_produced if document.state in CLOSED else document.qty_producing


def _shares(moments, weights, quantity, step):
    """Return a quantity in shares by when it was made: ``[(moment, share)]``, whose sum it is.

    :param float step: what a share is a multiple of
    """
    given, so_far, whole, shares = 0.0, 0.0, sum(weights), []
    for moment, weight in zip(moments[:-1], weights[:-1], strict=True):
        so_far += weight
        share = float_round(quantity * so_far / whole - given, precision_rounding=step) if whole else 0.0
        shares.append((moment, share))
        given += share
    return [*shares, (moments[-1], quantity - given)]
