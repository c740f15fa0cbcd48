from collections import defaultdict

from odoo import api, models
from odoo.tools import float_is_zero

from ..quantities import number_text, pieces_text
from .outcome import Ignored, Outcome, Waiting

#: Which column of the ledger a kind of count goes to.
COLUMNS = {"good": "good", "reject": "reject", "rework": "rework", "total": "total"}
#: Kinds that are never quantity of an order, and not compared with what is either.
NOTED = ("reject", "rework")


class Quants(dict):
    """Quants by what tells them apart, looked up once each; a ``quants_cache``, which is stock's own way to do so.

    A change of quantity asks for the same quants of each component six times over. What is not here yet is searched,
    and what is written or created meanwhile is seen, for these are the transaction's own records.
    """

    _KEY = ("product_id", "location_id", "lot_id", "package_id", "owner_id")

    # Part of a context: two of these are never the same, whatever they hold.
    __eq__, __hash__ = object.__eq__, object.__hash__

    def __init__(self, env):
        super().__init__()
        self._quants = env["stock.quant"].sudo()  # sudo: as stock itself looks for them

    def __missing__(self, key):
        domain = [(field, "=", value) for field, value in zip(self._KEY, key, strict=True)]
        self[key] = found = self._quants.search(domain, order="in_date, id")
        return found


class MachineHandlerProductionCount(models.AbstractModel):
    """Pieces reported by a machine become quantity produced on its order.

    Many events are folded into one write of the cumulative total: what the order shows plus what was counted since.
    A person's own change on the order is therefore kept, and shown on the ledger.
    """

    _name = "mrp.machine.handler.production_count"
    _inherit = "mrp.machine.handler"
    _description = "Quantity on the Order"
    _event_types = ("production.count", "production.cycle_completed", "correction.adjust")

    @api.model
    def _counted(self, event):
        """Return ``(column of the ledger, pieces)`` of an event."""
        data = event.data or {}
        if event.type == "production.cycle_completed":
            return "cycle", float(data.get("qty", 1))
        if event.type == "correction.adjust":
            return ("adjusted" if data.get("kind") == "good" else data.get("kind")), float(data["delta"])
        return COLUMNS[data["kind"]], float(data["delta"])

    @api.model
    def _groups(self, rows):
        machine, events = rows.machine_id, dict(zip(rows.ids, rows.event_id, strict=True))
        orders = machine._orders_at(rows.event_id)
        role_of = machine._roles_of(rows.event_id)
        known = {}

        def group_of(row):
            event = events[row.id]
            column, pieces = self._counted(event)
            if not pieces:
                raise Ignored("no_pieces", self.env._("Nothing was counted."))
            order = orders[event.id]
            feeds = column in (role_of[event.id], "adjusted")
            key = (column, feeds, id(order))  # events of one order share the very same answer
            if key not in known:
                try:
                    known[key] = self._group_on(order, column, feeds)
                except Outcome as outcome:
                    known[key] = outcome
            return known[key]

        return self._sort(rows, group_of)

    @api.model
    def _group_on(self, order, column, feeds):
        """Return the group of counts on an order: what they are booked as, and on what.

        :param order: as :meth:`mrp.machine._orders_at` found it, or why it found none
        """
        if isinstance(order, Waiting):
            if feeds or column in NOTED:
                raise order
            raise Ignored("compared", self.env._("Another counter feeds the order, and no order ran."))
        production, workorder, explanation = order
        self._check_order(production, workorder, feeds)
        kind = "good" if feeds else column if column in NOTED else "compared"
        return (kind, production.id, workorder.id, explanation)

    @api.model
    def _check_order(self, production, workorder, feeds):
        if production.state in ("done", "cancel") or workorder.state in ("done", "cancel"):
            raise Waiting("order_closed", self.env._("%s is closed already.", (workorder or production).display_name))
        if feeds and production.product_id.tracking == "serial":
            raise Waiting(
                "serial",
                self.env._("%s is tracked by serial number, one a piece.", production.product_id.display_name),
            )
        if feeds and not self._piece_unit()._has_common_reference(production.product_uom_id):
            raise Waiting(
                "unit",
                self.env._(
                    "%(order)s is in %(unit)s, and pieces cannot be converted to that.",
                    order=production.display_name,
                    unit=production.product_uom_id.name,
                ),
            )

    @api.model
    def _piece_unit(self):
        # Not by env.ref, which asks the database each time whether it is still there.
        return self.env["uom.uom"].browse(self.env["ir.model.data"]._xmlid_to_res_id("uom.product_uom_unit", True))

    @api.model
    def _products(self, group):
        kind, production_id, _workorder_id, _explanation = group
        if kind != "good":
            return set()
        production = self.env["mrp.production"].browse(production_id)
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        kind, production_id, workorder_id, explanation = group
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        machine = rows.machine_id
        sums = defaultdict(float)
        for event in rows.event_id:
            column, pieces = self._counted(event)
            sums[column] += pieces
        # sudo: the ledger is the poster's own; people only read it
        ledgers = self.env["mrp.machine.ledger"].sudo().search_fetch([("production_id", "=", production.id)])
        ledger = ledgers._row_of(machine, production, workorder)
        ledgers |= ledger
        values = {column: ledger[column] + pieces for column, pieces in sums.items()}
        if any(value < 0 for column, value in values.items() if column != "adjusted"):
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        ledger.write(values)
        if kind == "good":
            posting = self._feed(production, workorder, ledger, ledgers, rows, sum(sums.values()), explanation)
        else:
            posting = self._posting(
                rows,
                self._note_words(kind, sums, production),
                production,
                production_id=production.id,
                workorder_id=workorder.id,
                kind=kind,
                quantity=sum(sums.values()),
                explanation=explanation,
            )
        machine._show_order(production, workorder, ledger)
        return posting

    @api.model
    def _note_words(self, kind, sums, production):
        """Return in a sentence what was noted on an order without becoming its quantity."""
        _ = self.env._
        words = {
            "good": _("good"),
            "reject": _("rejected"),
            "rework": _("to rework"),
            "total": _("in total"),
            "cycle": _("by completed cycles"),
        }
        counts = ", ".join(f"{pieces_text(self.env, pieces)} {words[column]}" for column, pieces in sums.items())
        if kind == "compared":
            return _("%(counts)s compared on %(order)s", counts=counts, order=production.display_name)
        return _("%(counts)s noted on %(order)s", counts=counts, order=production.display_name)

    @api.model
    def _feed(self, production, workorder, ledger, ledgers, rows, pieces, explanation):
        """Write the order's new total once for all pieces of the group.

        :param ledger: of this machine on this work order
        :param ledgers: of all machines on the whole order
        """
        here = ledgers.filtered(lambda row: row.workorder_id == workorder)
        before = sum(here.mapped("posted"))
        # Folded in the machine's unit and converted as a total: 12 pieces one by one would round to 0.96 dozen.
        delta = self._convert(before + pieces, production) - self._convert(before, production)
        found, kept = self._found(production, workorder, ledgers)
        by_hand = found - ledger.last_written + kept - ledger.kept_on_order
        total = production.product_uom_id.round(found + delta)
        if production.product_uom_id.compare(total, 0.0) < 0:
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        self._write_total(production, workorder, total, kept, rows.event_id[:1].occurred)
        ledger.posted += pieces
        if not float_is_zero(by_hand, precision_digits=6):
            ledger.by_hand += by_hand
        here.last_written = total
        ledgers.write({"last_on_order": production.qty_producing, "kept_on_order": kept})
        return self._posting(
            rows,
            self.env._(
                "%(pieces)s on %(order)s, now %(total)s",
                pieces=pieces_text(self.env, pieces, signed=True),
                order=(workorder or production).display_name,
                total=number_text(total),
            ),
            workorder or production,
            production_id=production.id,
            workorder_id=workorder.id,
            kind="good",
            quantity=pieces,
            explanation=explanation,
        )

    @api.model
    def _found(self, production, workorder, ledgers):
        """Return ``(quantity, kept)``: what is found where the pieces go, and what a person entered on the order beside it.

        People change the quantity of the order as well as that of a work order. Of the latter MRP makes the order's, the
        least of all its work orders; only what is neither that nor what was last written is a person's word on the order.

        :param ledgers: of all machines on the whole order
        """
        if not workorder:
            return production.qty_producing, 0.0
        unit, on_order = production.product_uom_id, production.qty_producing
        if unit.compare(on_order, ledgers[:1].last_on_order) == 0:
            kept = ledgers[:1].kept_on_order
        else:
            kept = unit.round(on_order - production._machine_quantity())
            if not any(ledgers.mapped("last_written")) and unit.compare(kept, production.product_qty) == 0:
                # Before the first count this is no person's word: Start reports the full quantity where nothing feeds yet.
                kept = 0.0
        if len(production._steps()) == 1:
            return workorder.qty_produced + kept, 0.0
        return workorder.qty_produced, kept

    @api.model
    def _convert(self, pieces, production):
        return self._piece_unit()._compute_quantity(pieces, production.product_uom_id, rounding_method="HALF-UP")

    @api.model
    def _write_total(self, production, workorder, total, kept, began):
        """Set the cumulative quantity of an order, by its work order where it has one.

        :param float kept: what is to stay on the order beside what its work orders say
        """
        quants = Quants(self.env)
        production = production.with_context(quants_cache=quants)
        workorder = workorder.with_context(quants_cache=quants)
        if not workorder:
            if production.state == "confirmed":
                production.with_context(force_date=True).date_start = began
            production.qty_producing = total
            production._set_qty_producing(False)
            return
        if workorder.state in ("blocked", "ready"):
            # button_start would report the full quantity and take now for the start.
            workorder.with_context(bypass_duration_calculation=True).write(
                {
                    "state": "progress",
                    "date_start": began,
                    "date_finished": workorder._calculate_date_finished(began),
                }
            )
        workorder.qty_produced = total
        # MRP takes the least of all work orders, also of those that say nothing, and never goes back to 0 by itself.
        on_order = max(0.0, production._machine_quantity() + kept)
        if production.product_uom_id.compare(production.qty_producing, on_order) != 0:
            production.qty_producing = on_order
            production._set_qty_producing(False)
