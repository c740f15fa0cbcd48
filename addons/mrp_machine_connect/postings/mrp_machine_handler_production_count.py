from collections import defaultdict

from odoo import api, models
from odoo.tools import float_is_zero

from ..machine_connect.folding import folded
from ..quantities import number_text, pieces_text
from .outcome import Ignored, Outcome, Waiting

#: Which column of the ledger a kind of count goes to.
COLUMNS = {"good": "good", "reject": "reject", "rework": "rework", "total": "total"}
#: The same of a completed part, by MTConnect's PartStatus.
PARTS = {"PASS": "part", "FAIL": "failed"}
#: Roles of which rejects are no part yet: they are quantity on top.
WITHOUT_REJECTS = ("good", "part")


class Quants(dict):
    """Quants by what tells them apart, looked up once each; a ``quants_cache``, which is stock's own way to do so.

    A change of quantity asks for the same quants of each component six times over. What is not here yet is searched, for
    all products at once, and what is written or created meanwhile is seen, for these are the transaction's own records.

    :param products: that are asked for sooner or later
    """

    #: After the product, what the key of a quant says.
    _PLACE = ("location_id", "lot_id", "package_id", "owner_id")

    # Part of a context: two of these are never the same, whatever they hold.
    __eq__, __hash__ = object.__eq__, object.__hash__

    def __init__(self, products):
        super().__init__()
        self._products = set(products.ids)
        self._quants = products.env["stock.quant"].sudo()  # sudo: as stock itself looks for them

    def __missing__(self, key):
        product_id, *place = key
        self._products.add(product_id)
        asked = [asked_id for asked_id in sorted(self._products) if (asked_id, *place) not in self]
        domain = [(field, "=", value) for field, value in zip(self._PLACE, place, strict=True)]
        found = self._quants.search([("product_id", "in", asked), *domain], order="in_date, id")
        found = found.grouped("product_id")
        for asked_id in asked:
            self[(asked_id, *place)] = found.get(self._quants.product_id.browse(asked_id), self._quants)
        return self[key]


class MachineHandlerProductionCount(models.AbstractModel):
    """Pieces reported by a machine become quantity produced on its order.

    Many events are folded into one write of the cumulative total: what the order shows plus what was counted since.
    A person's own change on the order is therefore kept, and shown on the ledger.
    """

    _name = "mrp.machine.handler.production_count"
    _inherit = "mrp.machine.handler"
    _description = "Quantity on the Order"
    _event_types = (
        "production.count",
        "production.cycle_completed",
        "production.part_completed",
        "correction.adjust",
    )

    @api.model
    def _counted(self, event, machine, role):
        """Return ``(column of the ledger, pieces)`` of an event.

        :param str role: what fed the order when the event was received
        """
        return self._counted_in(event, machine, role)[:2]

    @api.model
    def _counted_in(self, event, machine, role):
        """Return ``(column of the ledger, pieces, code of their unit)`` of an event; no code where it says none.

        :param str role: what fed the order when the event was received
        """
        kind, data = event.type, event.data or {}
        unit = data.get("unit") or ""
        if kind == "production.count":
            return COLUMNS[data["kind"]], float(data["delta"]), unit
        if kind == "production.cycle_completed":
            return "cycle", float(data.get("qty", 1)) * machine.cavities, unit
        if kind == "production.part_completed":
            return PARTS[data["status"]], 1.0, unit
        return self._counted_by_words(event, machine, role)

    @api.model
    def _counted_by_words(self, event, machine, role):
        """Return the same as :meth:`_counted_in` of what a person, or a scale, says beside the counters."""
        column, pieces = COLUMNS[event.data["kind"]], float(event.data["delta"])
        # A person means what is booked, whichever counter that is.
        return {"good": "adjusted", "reject": self._reject_column(role)}.get(column, column), pieces, ""

    @api.model
    def _reject_column(self, role):
        """Return the column of what counts rejects: where parts feed, those that failed."""
        return "failed" if role == "part" else "reject"

    @api.model
    def _kind(self, event, column, machine, role):
        """Return what pieces are booked as: ``good``, ``reject``, ``rework`` or ``compared``."""
        if not machine._counts_here() and event.type != "correction.adjust":
            return "compared"
        if column in (role, "adjusted"):
            return "good"
        if column == self._reject_column(role):
            return "reject"
        return column if column == "rework" else "compared"

    @api.model
    def _groups(self, rows):
        machine, events = rows[:1].machine_id, rows.event_id
        orders = machine._orders_at(events)
        role_of = machine._roles_of(events)
        said = dict(zip(rows.ids, zip(events.ids, events, events.mapped("type"), strict=True), strict=True))
        known = {}

        def group_of(row):
            event_id, event, kind = said[row.id]
            role = role_of[event_id]
            column, pieces, unit = self._counted_in(event, machine, role)
            if not pieces:
                raise Ignored("no_pieces", self.env._("Nothing was counted."))
            order = orders[event_id]
            key = (kind, column, role, unit, id(order))  # events of one order share the very same answer
            if key not in known:
                kind = self._kind(event, column, machine, role)
                try:
                    known[key] = self._group_on(order, machine, kind, column, role, unit)
                except Outcome as outcome:
                    known[key] = outcome
            return known[key]

        return self._sort(rows, group_of)

    @api.model
    def _group_on(self, order, machine, kind, column, role, unit):
        """Return the group of counts on an order: what they are booked as, on what, why, and by which role.

        :param order: as :meth:`mrp.machine._orders_at` found it, or why it found none
        """
        if isinstance(order, Waiting):
            if kind != "compared":
                raise order
            raise Ignored("compared", self.env._("Another counter feeds the order, and no order ran."))
        production, workorder, explanation = order
        feeds = kind == "good" or self._may_add(production, machine, kind, column, role)
        self._check_order(production, workorder, feeds, self._unit(machine, production, workorder, role, unit))
        return (kind, production.id, workorder.id, explanation, role, feeds)

    @api.model
    def _may_add(self, production, machine, kind, column, role):
        """Return whether pieces that do not feed an order become part of its quantity: as rejects, counted or derived."""
        way = self._way(production, machine)
        if way == "noted":
            return False
        if kind == "reject":
            # Where they are part of the count already, the steps that follow are still to know of them; and where they are
            # no quantity, the quantity or the components are to do without them.
            return way != "gross" or role in WITHOUT_REJECTS or len(production._steps()) > 1
        return (
            column == "total" and role == "good" and machine._counts_here() and machine._derives_rejects() is not False
        )

    @api.model
    def _way(self, production, machine):
        """Return how the rejects of an order are booked: as its first one was."""
        return production.machine_reject_booking or machine.reject_booking

    @api.model
    def _unit(self, machine, production, workorder, role, code):
        """Return the unit that a machine means by a code, or when it says none; empty for one that Odoo does not know."""
        units = self.env["uom.uom"]
        if code:
            return units._of_code(code)
        # sudo: the ledger is the poster's own, people only read it; and whoever posts need not be allowed to see signals
        ledger = self.env["mrp.machine.ledger"].sudo()
        row = ledger.search([("machine_id", "=", machine.id), ("production_id", "=", production.id)])
        row = row.filtered(lambda row: row.workorder_id == workorder and row.uom_id)
        signal = machine.sudo().signal_ids.filtered(lambda signal: signal.role == role)[:1]
        return row.uom_id or units._of_code(signal.unit)

    @api.model
    def _check_order(self, production, workorder, feeds, counted_in=None):
        """Refuse an order that does not take these pieces.

        :param bool feeds: they become its quantity
        :param counted_in: the uom.uom in which they are counted; None: pieces
        """
        if production.state in ("done", "cancel") or workorder.state in ("done", "cancel"):
            raise Waiting("order_closed", self.env._("%s is closed already.", (workorder or production).display_name))
        if not feeds:
            return
        product, order_unit = production.product_id, production.product_uom_id
        # Of all products of the order at once: stock asks for each of them later on.
        products = product | production.move_raw_ids.product_id
        products.mapped("is_kits")
        products.mapped("tracking")
        if product.is_kits or production.bom_id.type == "phantom":
            raise Waiting(
                "kit",
                self.env._(
                    "%s is a kit: Odoo keeps no stock of it, so no pieces of it are made; make its components, or a product "
                    "of its own.",
                    product.display_name,
                ),
            )
        if counted_in is None:
            counted_in = self._piece_unit()
        if counted_in and counted_in._has_common_reference(order_unit):
            return
        if counted_in == self._piece_unit():
            words = self.env._(
                "%(order)s is in %(unit)s, and pieces cannot be converted to that.",
                order=production.display_name,
                unit=order_unit.name,
            )
        elif counted_in:
            words = self.env._(
                "%(order)s is in %(unit)s, and the machine counts in %(counted)s, which cannot be converted to that.",
                order=production.display_name,
                unit=order_unit.name,
                counted=counted_in.name,
            )
        else:
            words = self.env._(
                "The machine counts in a unit whose code Odoo does not know; %(order)s is in %(unit)s.",
                order=production.display_name,
                unit=order_unit.name,
            )
        raise Waiting("unit", words)

    @api.model
    def _piece_unit(self):
        return self.env["uom.uom"]._of_code("C62")

    @api.model
    def _products(self, group):
        _kind, production_id, _workorder_id, _explanation, _role, feeds = group
        if not feeds:
            return set()
        production = self.env["mrp.production"].browse(production_id)
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        kind, production_id, workorder_id, explanation, role, feeds = group
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        machine, events = rows[:1].machine_id, rows.event_id
        ledgers = self._ledgers_of(production)
        ledger = ledgers._row_of(machine, production, workorder)
        ledgers |= ledger
        sums = self._sums(events, machine, role, ledger, feeds)
        # Found before anything is counted: what is a person's is told apart by what was counted until then.
        found = self._found(production, workorder, ledgers) if feeds else None
        before = self._booked(production, workorder, ledgers)
        values = {column: ledger[column] + pieces for column, pieces in sums.items()}
        changed = self._rejects(ledger, machine, role, kind, sums, values)
        counted = [value for column, value in values.items() if column != "adjusted"]
        if any(value < 0 for value in (*counted, changed.get("rejected", 0.0), changed.get("beside", 0.0))):
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        is_first = not ledger.posted
        if kind == "good":
            changed["posted"] = ledger.posted + sum(sums.values())
        fewer = any(changed.get(name, ledger[name]) < ledger[name] for name in ("rejected", "beside"))
        if kind == "reject" or {"rejected", "beside"} & changed.keys():
            production._keep_reject_booking(self._way(production, machine))
        ledger.write({**values, **changed})
        if fewer:
            self._check_scrapped(production, ledgers)
        total = None
        if feeds and changed:
            total = self._feed(production, workorder, ledger, ledgers, events, before, found)
            if is_first:
                production._retry_completed(min(events.mapped("occurred")))
        posting = self._posting(
            rows,
            self._words(kind, sums, production, workorder, total),
            production if total is None else workorder or production,
            production_id=production.id,
            workorder_id=workorder.id,
            kind=kind,
            quantity=sum(sums.values()),
            explanation=explanation,
        )
        machine._show_order(production, workorder, ledger)
        return posting

    @api.model
    def _ledgers_of(self, production):
        """Return the rows of what machines counted on an order."""
        return production._machine_rows()

    @api.model
    def _sums(self, events, machine, role, ledger, feeds):
        """Return ``{column of the ledger: pieces}`` of events, in the unit of the ledger's row.

        :param bool feeds: they become quantity of the order; what is only compared is taken as it is told
        """
        sums, units, counted_in = defaultdict(float), {}, ledger.uom_id
        for event in events:
            column, pieces, code = self._counted_in(event, machine, role)
            if code not in units:
                units[code] = self._unit(machine, ledger.production_id, ledger.workorder_id, role, code)
            unit = units[code]
            if feeds and not counted_in:
                ledger.uom_id = counted_in = unit
            if unit != counted_in and unit and counted_in:
                if unit._has_common_reference(counted_in):
                    pieces = unit._compute_quantity(pieces, counted_in, round=False)
                elif feeds:
                    raise Waiting(
                        "unit",
                        self.env._(
                            "The machine counted in %(first)s on this order, and now in %(unit)s.",
                            first=counted_in.name,
                            unit=unit.name,
                        ),
                    )
            sums[column] += pieces
        return sums

    @api.model
    def _rejects(self, ledger, machine, role, kind, sums, values):
        """Return what counts change of the rejects that took components: values of the ledger's row.

        They are part of the order's quantity, or beside it. Where only a total and a good counter are read, rejects are
        what the total has more.
        """
        way = self._way(ledger.production_id, machine)
        if way == "noted" or not (kind == "reject" or machine._counts_here()):
            return {}
        place = "rejected" if way == "gross" else "beside"
        counts = {name: values.get(name, ledger[name]) for name in COLUMNS}
        if kind == "good" and not counts["total"] and ledger[place] == counts["reject"]:
            return {}  # nothing to derive rejects from
        derives = machine._derives_rejects()
        if derives is None:
            derives = role in ("good", "total") and counts["good"] and counts["total"] and not counts["reject"]
        if derives and role in ("good", "total"):
            rejected = max(0.0, counts["total"] - counts["good"]) + counts["reject"]
        elif kind == "reject":
            column = self._reject_column(role)
            # What was derived until a reject counter spoke is what it counts as well.
            derived = ledger[place] - ledger[column] if not ledger[column] else 0.0
            rejected = ledger[place] - derived + sums[column]
        else:
            return {}
        more = rejected - ledger[place]
        if float_is_zero(more, precision_digits=9):
            return {}
        changed = {place: rejected}
        if way == "gross" and role in WITHOUT_REJECTS:
            changed["added"] = ledger.added + more
        elif way != "gross" and role not in WITHOUT_REJECTS:
            changed["added"] = ledger.added - more
        return changed

    @api.model
    def _check_scrapped(self, production, ledgers):
        """Refuse to take back rejects that are scrapped already, themselves or by their components."""
        if words := production._scrapped_beyond_words():
            raise Waiting("scrapped", words)
        unit, scrapped = production.product_uom_id, production._machine_scrapped()
        if unit.compare(scrapped, 0.0) > 0 and unit.compare(ledgers._rejected_in(unit), scrapped) < 0:
            raise Waiting(
                "scrapped",
                self.env._(
                    "%(scrapped)s of %(order)s are scrapped already, and fewer would be rejects.",
                    scrapped=number_text(scrapped),
                    order=production.display_name,
                ),
            )

    @api.model
    def _booked(self, production, workorder, ledgers):
        """Return what all machines counted as quantity of a work order, in the order's unit and not rounded."""
        return ledgers.filtered(lambda row: row.workorder_id == workorder)._quantity_in(production.product_uom_id)

    @api.model
    def _words(self, kind, sums, production, workorder, total):
        """Return in a sentence what became of counts.

        :param float total: the quantity that was written, None where none was
        """
        if total is None:
            return self._note_words(kind, sums, production)
        _ = self.env._
        words = {
            "pieces": pieces_text(self.env, sum(sums.values()), signed=True),
            "order": (workorder or production).display_name,
            "total": number_text(total),
        }
        if kind == "good":
            return _("%(pieces)s on %(order)s, now %(total)s", **words)
        if production.machine_reject_booking not in ("gross", False):
            return _("%(pieces)s rejected on %(order)s, which has %(total)s without them", **words)
        if kind == "reject":
            return _("%(pieces)s rejected on %(order)s, now %(total)s with rejects", **words)
        return _("%(pieces)s in total compared on %(order)s, now %(total)s with rejects", **words)

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
            "part": _("by parts that passed"),
            "failed": _("rejected"),
        }
        counts = ", ".join(f"{pieces_text(self.env, pieces)} {words[column]}" for column, pieces in sums.items())
        if kind == "compared":
            return _("%(counts)s compared on %(order)s", counts=counts, order=production.display_name)
        return _("%(counts)s noted on %(order)s", counts=counts, order=production.display_name)

    @api.model
    def _feed(self, production, workorder, ledger, ledgers, events, before, found):
        """Write the order's new total once for all pieces of the group, and return it.

        :param ledger: of this machine on this work order, with the new counts
        :param ledgers: of all machines on the whole order
        :param float before: what they had counted for this work order until then
        :param tuple found: what :meth:`_found` returned before the new counts
        """
        unit, machine = production.product_uom_id, ledger.machine_id
        (on_order, kept), here = found, ledgers.filtered(lambda row: row.workorder_id == workorder)
        by_hand = on_order - ledger.last_written + kept - ledger.kept_on_order
        # Folded in the machine's unit and converted as a total: 12 pieces one by one would round to 0.96 dozen.
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        total = folded(on_order, before, here._quantity_in(unit), digits)
        if unit.compare(total, 0.0) < 0:
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        machine._check_quantity(production, workorder, total)
        self._write_total(production, workorder, total, kept, events[:1].occurred)
        if production.machine_reject_booking == "net":
            production._use_for_rejects(pick=False)
        if not float_is_zero(by_hand, precision_digits=6):
            ledger.by_hand += by_hand
        here.last_written = total
        ledgers.write({"last_on_order": production.qty_producing, "kept_on_order": kept})
        machine._counted_on(production, workorder, events)
        return total

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
    def _write_total(self, production, workorder, total, kept, began):
        """Set the cumulative quantity of an order, by its work order where it has one.

        :param float kept: what is to stay on the order beside what its work orders say
        """
        quants = Quants((production.move_raw_ids | production.move_finished_ids).product_id)
        production = production.with_context(quants_cache=quants)
        workorder = workorder.with_context(quants_cache=quants)
        if not workorder:
            self._check_in_stock(production, total)
            production._start_at(began)
            production.qty_producing = total
            production._set_qty_producing(False)
            return
        workorder._start_at(began)
        if len(production._steps()) == 1:
            self._check_in_stock(production, total + kept)
        workorder._report_quantity(total)
        # MRP takes the least of all work orders, also of those that say nothing, and never goes back to 0 by itself.
        on_order = max(0.0, production._machine_quantity() + kept)
        self._check_in_stock(production, on_order)
        if production.product_uom_id.compare(production.qty_producing, on_order) != 0:
            production.qty_producing = on_order
            production._set_qty_producing(False)

    @api.model
    def _check_in_stock(self, production, quantity):
        """Refuse a quantity of an order that is less than what entered stock of it already."""
        if words := production._in_stock_words(quantity):
            raise Waiting("in_stock", words)
