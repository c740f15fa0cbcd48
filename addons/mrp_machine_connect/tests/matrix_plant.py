"""The plant in which the cases of the matrix run, and the comparison of what was booked with what is true."""

import random

from odoo.fields import Command
from odoo.tests import Form, tagged

from . import matrix
from .posting_faults import PostingFaults
from .proof import unproven

#: Manufacturing in one, two and three steps, as warehouses call it.
STEPS = {1: "mrp_one_step", 2: "pbm", 3: "pbm_sam"}
#: What the last machine of an order is told about its end.
ENDINGS = {
    "under": {"order_finish": "person"},
    "equal": {"order_finish": "quantity"},
    "over": {"order_finish": "signal", "order_remainder": "short"},
    "early": {"order_finish": "signal", "order_remainder": "backorder"},
}
#: The GTIN on labels of the tracked products.
GTIN = {"lot": "04006381333931", "serial": "05901234123457"}
#: Names of the two lots, where somebody outside of Odoo gives them.
LOTS = ("LA", "LB")
#: Sheets that are tracked: in the warehouse, and beside the machines where they are brought there first.
TRACKED_AT_HAND, TRACKED_BESIDE = 40, 40
#: Events in one delivery: fewer and more than a beat of stock.
CHUNKS = (3, 7, 11)
#: Cases of one class: each class has a transaction of its own, which is slow when it grows old, and a process to itself.
CLASS = 160


def as_tests(cases):
    """Return a class decorator that adds a test for each case."""

    def add(into):
        for case in cases:

            def test(self, case=case):
                self.run_case(case)

            test.__name__ = f"test_{case.name}"
            setattr(into, test.__name__, test)
        return into

    return add


def add_whole(namespace, name, base, cases):
    """Add classes to a module that test all of these cases, in a run of everything only."""
    for number, start in enumerate(range(0, len(cases), CLASS), 1):
        part = type(f"{name}{number}", (base,), {"__doc__": base.__doc__, "__module__": namespace["__name__"]})
        as_tests(cases[start : start + CLASS])(part)
        namespace[part.__name__] = tagged("post_install", "-at_install", "full")(part)


class MatrixCommon(PostingFaults):
    """Three warehouses, three machines in a row, and one order a case."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.warehouses = {
            steps: cls.env["stock.warehouse"].create(
                {"name": f"Works {steps}", "code": f"MX{steps}", "manufacture_steps": STEPS[steps]}
            )
            for steps in STEPS
        }
        cls.machines = cls.env["mrp.machine"].concat(
            *(
                cls.make_machine(
                    f"t-row-{number}",
                    workcenter=cls.env["mrp.workcenter"].create(
                        {
                            "name": f"Row {number}",
                            "resource_calendar_id": False,
                            "costs_hour": 60.0 * number,
                            "time_start": 0,
                            "time_stop": 0,
                        }
                    ),
                )
                for number in (1, 2, 3)
            )
        )
        cls.products = {"none": cls.product}
        for tracking, gtin in GTIN.items():
            sequence = cls.env["ir.sequence"].create({"name": tracking, "prefix": "N", "padding": 4})
            cls.products[tracking] = cls.env["product.product"].create(
                {
                    "name": f"Bracket by {tracking}",
                    "is_storable": True,
                    "tracking": tracking,
                    "barcode": gtin,
                    "lot_sequence_id": sequence.id,
                }
            )
        # What machines say of their consumption is gathered for a minute otherwise.
        cls.env["mrp.machine.sync"].create({"event_type": "material.consumed", "mode": "immediate"})
        cls.sheets = {"none": cls.component_a}
        for tracking in ("lot", "serial"):
            cls.sheets[tracking] = cls.env["product.product"].create(
                {"name": f"Sheet by {tracking}", "is_storable": True, "tracking": tracking}
            )
        quants = cls.env["stock.quant"]
        for steps, warehouse in cls.warehouses.items():
            for component in (cls.component_a, cls.component_b):
                quants._update_available_quantity(component, warehouse.lot_stock_id, matrix.AT_HAND)
                if steps > 1:
                    quants._update_available_quantity(component, warehouse.pbm_loc_id, matrix.BESIDE)

    # One case

    def run_case(self, case):
        """Let a case happen, and compare all that was booked with what is true of it."""
        self.prepare(case)
        order = self.order_of(case)
        fed = self.load(case, order)
        self.bring_components(order)
        for machine in fed:
            machine.write(self.settings_of(case, last=machine == fed[-1]))
        events = [(fed[number], event) for number in range(len(fed)) for event in self.day(case, number, order)]
        events.sort(key=lambda pair: pair[1].occurred)
        before, after = self.arrival(case, events)
        self.deliver(case, before)
        self.finish(case, order, fed[-1])
        if after:
            self.deliver(case, after)
        self.store_products(order)
        self.compare(case, order, fed)

    def prepare(self, case):
        """Choose what is made of what, and let there be sheets of the lots that a case speaks of."""
        self.product, self.component_a = self.products[case.tracking], self.sheets[case.sheet_tracking]
        if case.sheet_tracking == "none":
            return
        warehouse, quants = self.warehouses[case.steps], self.env["stock.quant"]
        places = [(warehouse.lot_stock_id, TRACKED_AT_HAND)]
        if case.steps > 1:
            # Beside the machines lies what they take; in the warehouse what is brought.
            places = [(warehouse.pbm_loc_id, TRACKED_BESIDE), (warehouse.lot_stock_id, TRACKED_AT_HAND)]
        for number, (place, quantity) in enumerate(places):
            names = {"CA": quantity / 2, "CB": quantity / 2}
            if case.sheet_tracking == "serial":
                names = {f"{'K' if not number else 'W'}{piece}": 1.0 for piece in range(quantity)}
            known = self.env["stock.lot"].search(
                [("product_id", "=", self.component_a.id), ("name", "in", list(names))]
            )
            known |= known.create(
                [
                    {"name": name, "product_id": self.component_a.id}
                    for name in names
                    if name not in known.mapped("name")
                ]
            )
            for lot in known:
                quants._update_available_quantity(self.component_a, place, names[lot.name], lot_id=lot)

    def order_of(self, case):
        """Return the confirmed order of a case, with a bill of materials of its own."""
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "consumption": case.consumption,
                "operation_ids": [
                    Command.create({"name": f"Step {number + 1}", "workcenter_id": machine.workcenter_id.id})
                    for number, machine in enumerate(self.machines[: case.workorders])
                ],
            }
        )
        operations = bom.operation_ids
        bom.bom_line_ids = [
            Command.create({"product_id": product.id, "product_qty": quantity, "operation_id": operation.id})
            for product, quantity, operation in (
                (self.component_a, matrix.SHEETS, operations[:1] if case.workorders == 3 else operations[:0]),
                (self.component_b, matrix.RIVETS, operations[-1:] if case.workorders == 3 else operations[:0]),
            )
        ]
        warehouse = self.warehouses[case.steps]
        return self.make_order(matrix.ORDERED, bom=bom, picking_type_id=warehouse.manu_type_id.id)

    def load(self, case, order):
        """Load the machines of a case with the work orders of its order, and return them."""
        fed = self.machines[: max(1, case.workorders)]
        for number, machine in enumerate(fed):
            workorder = order.workorder_ids[number : number + 1]
            self.env["mrp.machine.loading"]._load(machine, order, workorder, self.naive(0))
        return fed

    def settings_of(self, case, last):
        settings = {
            "reject_booking": case.reject_booking,
            "consumption_way": case.consumption_way,
            "late_booking": "correct",
        }
        if last and case.lots:
            settings |= {"lot_source": case.lots, "counting_role": "part" if self.by_parts(case) else "good"}
        ending = ENDINGS[case.made if case.delivery != "after_close" or case.made != "equal" else "over"]
        if not last and case.made != "under":
            settings["order_finish"] = "signal"
        if last:
            settings |= ending
            settings |= {"stock_beat": case.beat, "beat_pieces": matrix.BEAT}
        return settings

    def day(self, case, number, order):
        """Return what a machine says: that it runs, each piece, that it stands still.

        Of several machines in a row the last one finds the bad pieces; the ones before made them as good as any, and say
        when they are through with the order.
        """
        is_last = number >= case.workorders - 1
        rejects = case.rejected if is_last else set()
        said = [self.state("running", number)]
        if not number and case.consumption_way == "lot":
            said.append(self.coil(case, 0, 1))
        counted = {"good": 0, "reject": 0}
        for piece in range(case.gross):
            kind, moment = "reject" if piece in rejects else "good", (piece + 1) * matrix.CYCLE + number
            said += self.used(case, piece, moment, number)
            if is_last:
                said += self.names(case, piece, moment)
            if is_last and self.by_parts(case):
                status = "FAIL" if kind == "reject" else "PASS"
                said.append(self.event("production.part_completed", moment, {"serial": f"S{piece}", "status": status}))
            else:
                said.append(self.count(1, seconds=moment, kind=kind, before=counted[kind]))
            counted[kind] += 1
        # A moment after the last piece: where that closes the order, what follows is nobody's any more.
        said.append(self.state("idle", case.gross * matrix.CYCLE + number))
        if not is_last and case.made != "under":
            said.append(
                self.event("production.order_completed", case.gross * matrix.CYCLE + number, {"order": order.name})
            )
        return said

    def used(self, case, piece, moment, number):
        """Return what a machine says, just before it makes a piece, of the components that it takes.

        The first machine of a row takes the sheets, and the last one the rivets.
        """
        if case.consumption_way == "lot" and not number and piece == case.second_coil:
            return [self.coil(case, piece, moment - 2)]
        said = []
        if case.consumption_way == "signal":
            if not number:
                lot = {"lot": name} if (name := case.sheet_lot(piece)) else {}
                said.append(self.took(self.component_a, matrix.SHEETS, moment - 2, **lot))
            if number >= case.workorders - 1:
                lost = case.lost if piece == case.gross // 2 else 0
                said.append(self.took(self.component_b, matrix.RIVETS + lost, moment - 2))
        return said

    def took(self, product, quantity, seconds, **data):
        return self.event(
            "material.consumed", seconds, {"product": product.name, "qty": quantity, "unit": "C62", **data}
        )

    def coil(self, case, piece, seconds):
        data = {"product": self.component_a.name, "lot": case.sheet_lot(piece)}
        return self.event("material.loaded", seconds, data)

    def by_parts(self, case):
        """Return whether the last machine says of each piece its serial number and whether it passed."""
        return (case.tracking, case.lots) == ("serial", "machine")

    def names(self, case, piece, moment):
        """Return what is said just before a piece is made of the lot that it is of, or of its own number."""
        number = (0, case.second_lot).index(piece) if piece in (0, case.second_lot) else None
        match case.tracking, case.lots:
            case "serial", "scan":
                return [self.scan(case, moment - 1, {"21": f"S{piece}"})]
            case "lot", "scan" if number is not None:
                return [self.scan(case, moment - 1, {"10": LOTS[number]})]
            case "lot", _other if number is not None and (case.lots == "machine" or number):
                return [self.event("material.lot_changed", moment - 1, {"value": LOTS[number]})]
        return []

    def scan(self, case, seconds, elements):
        elements = {"01": GTIN[case.tracking], **elements}
        value = "".join(f"({identifier}){text}" for identifier, text in elements.items())
        return self.event("identity.scan", seconds, {"value": value, "elements": elements})

    def arrival(self, case, events):
        """Return what arrives before the order is closed and what arrives after, in the order in which it does."""
        third = len(events) // 3
        match case.delivery:
            case "late":
                return [*events[:third], *events[2 * third : -2], *events[third : 2 * third], *events[-2:]], []
            case "out_of_order":
                shuffled = events[:-2]
                random.Random(case.name).shuffle(shuffled)
                # The last good piece closes an order that ends at its quantity.
                return [*shuffled, *events[-2:]], []
            case "after_close":
                return [*events[:third], *events[2 * third :]], events[third : 2 * third]
        return events, []

    def deliver(self, case, events):
        """Deliver events in parts, as a connection that comes and goes does, and post after each."""
        chunk = random.Random(f"{case.name} delivered").choice(CHUNKS)
        for start in range(0, len(events), chunk):
            part = events[start : start + chunk]
            for machine in self.machines:
                mine = [event for owner, event in part if owner == machine]
                if mine:
                    self.receive(machine, *mine)
                    if case.delivery == "twice":
                        self.assertFalse(self.receive(machine, *mine), "what was received is not received again")
            if case.delivery == "crash":
                self.crash_half_way(self.machines, start // chunk % 3)
            self.post_all(self.machines)
            if case.delivery == "twice":
                self.post_all(self.machines)

    def finish(self, case, order, last):
        """Close an order in the way of its case: a person, the quantity or the machine's word does it."""
        match self.settings_of(case, last=True)["order_finish"]:
            case "person":
                self.press_produce_all(order)
            case "signal":
                moment = case.gross * matrix.CYCLE + max(0, case.workorders - 1)
                self.receive(last, self.event("production.order_completed", moment, {"order": order.name}))
        self.post_all(self.machines)

    def press_produce_all(self, order):
        """Press *Produce All* as a person does, who answers that nothing more is to be made."""
        asked = order.button_mark_done()
        if isinstance(asked, dict):
            self.assertEqual(asked["res_model"], "mrp.production.backorder", "only that there is less may be asked")
            Form.from_action(self.env, asked).save().action_close_mo()

    def bring_components(self, order):
        """Bring the components to the machines, in warehouses where that is a step."""
        self.carry_out(order.picking_ids.filtered(lambda picking: picking.state != "done"))

    def store_products(self, order):
        """Store what was made, in warehouses where that is a step."""
        self.carry_out(order.picking_ids.filtered(lambda picking: picking.state not in ("done", "cancel")))

    def carry_out(self, pickings):
        for picking in pickings:
            picking.action_assign()
            if picking.state != "assigned":
                continue
            for move in picking.move_ids:
                move.picked = True
            picking.with_context(skip_backorder=True, picking_ids_not_to_backorder=picking.ids).button_validate()
            self.assertEqual(picking.state, "done")

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    # What is true

    def compare(self, case, order, fed):
        """Compare all that was booked for a case with what is true of it."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(self.exceptions(fed), [])
        self.assertEqual(order.state, "done", "the order is closed, and no question is left open")
        self.assertEqual(self.stock(case), self.true_stock(case))
        self.assertEqual(self.moved(order), self.true_moves(case))
        self.compare_lots(case, order)
        self.compare_components(case, order)
        self.compare_counts(case, order, fed)
        self.compare_times(case, order, fed)
        self.compare_remainder(case, order)
        self.assertEqual(unproven(self.env, fed), [])

    def exceptions(self, fed):
        """Return what still waits, is held or has failed, and why."""
        rows = self.env["mrp.machine.event.posting"].search(
            [("machine_id", "in", fed.ids), ("state", "in", ("waiting", "held", "failed", "received"))]
        )
        return [(row.handler, row.state, row.reason, row.message) for row in rows]

    def stock(self, case):
        """Return what lies where, as the sums of the quants say it; none may be less than nothing."""
        places = self.env["stock.location"].search(
            [("id", "child_of", self.warehouses[case.steps].view_location_id.id), ("usage", "=", "internal")]
        )
        found = {}
        products = self.component_a | self.component_b | self.product
        for quant in self.env["stock.quant"].search(
            [("location_id", "in", places.ids), ("product_id", "in", products.ids)]
        ):
            place = quant.product_id.name, quant.location_id.name
            found[place] = found.get(place, 0.0) + quant.quantity
            self.assertGreaterEqual(quant.quantity, 0.0, place)
            self.assertGreaterEqual(quant.quantity, quant.reserved_quantity, place)
        return {place: quantity for place, quantity in found.items() if quantity}

    def true_stock(self, case):
        """Return what must lie where: by what was there, was brought, was used and was good."""
        warehouse = self.warehouses[case.steps]
        stock, beside = warehouse.lot_stock_id.name, warehouse.pbm_loc_id.name
        true = {(self.product.name, stock): float(case.good)}
        sheets = (matrix.AT_HAND, matrix.BESIDE)
        if case.sheet_tracking != "none":
            sheets = (TRACKED_AT_HAND, TRACKED_BESIDE)
        for component, quantity, used, (at_hand, lies_beside) in (
            (self.component_a, matrix.SHEETS, case.sheets, sheets),
            (self.component_b, matrix.RIVETS, case.rivets, (matrix.AT_HAND, matrix.BESIDE)),
        ):
            if case.steps == 1:
                true[component.name, stock] = float(at_hand - used)
                continue
            brought = quantity * matrix.ORDERED
            true[component.name, beside] = float(lies_beside + brought - used)
            true[component.name, stock] = float(at_hand - brought)
        return true

    def moved(self, order):
        """Return what the done moves of an order took and gave, by product and by where it went."""
        moves = order.move_raw_ids | order.move_finished_ids | order.scrap_ids.move_ids
        found = {}
        for move in moves.filtered(lambda move: move.state == "done"):
            key = move.product_id.name, move.location_dest_id.usage
            found[key] = found.get(key, 0.0) + move.quantity
        return found

    def true_moves(self, case):
        apart = {
            self.component_a.name: float(matrix.SHEETS * case.scrapped_apart),
            self.component_b.name: float(matrix.RIVETS * case.scrapped_apart),
        }
        true = {
            (self.component_a.name, "production"): case.sheets - apart[self.component_a.name],
            (self.component_b.name, "production"): case.rivets - apart[self.component_b.name],
            (self.product.name, "internal"): float(case.quantity),
            (self.product.name, "inventory"): float(case.scrapped),
            **{(name, "inventory"): quantity for name, quantity in apart.items()},
        }
        return {place: quantity for place, quantity in true.items() if quantity}

    def compare_lots(self, case, order):
        """Compare how much of each lot is in stock and was scrapped, and that all that was used is in one of them."""
        if case.tracking == "none":
            return
        places = self.env["stock.location"].search(
            [("id", "child_of", self.warehouses[case.steps].view_location_id.id), ("usage", "=", "internal")]
        )
        stock, scrapped = {}, {}
        for quant in self.env["stock.quant"].search(
            [("location_id", "in", places.ids), ("product_id", "=", self.product.id)]
        ):
            stock[quant.lot_id] = stock.get(quant.lot_id, 0.0) + quant.quantity
        for line in order.scrap_ids.move_ids.move_line_ids.filtered(lambda line: line.product_id == self.product):
            scrapped[line.lot_id] = scrapped.get(line.lot_id, 0.0) + line.quantity
        found = [{lot.name: quantity for lot, quantity in lots.items() if quantity} for lots in (stock, scrapped)]
        self.assertGreaterEqual(min(stock.values()), 0.0, "there is never less than nothing of a lot")
        if case.tracking == "serial":
            true = [{f"S{piece}": 1.0 for piece in pieces} for pieces in (self.good_pieces(case), case.rejected)]
            true[1] = true[1] if case.scrapped else {}
        else:
            before = sum(piece < case.second_lot for piece in self.good_pieces(case))
            true = [dict(zip(LOTS, (float(before), float(case.good - before)), strict=True))]
            true.append(dict.fromkeys(LOTS, 1.0) if case.scrapped else {})
        if case.lots == "sequence" or (case.tracking == "serial" and case.lots == "scan"):
            # Which number a piece has is of no matter, so long as it has one.
            found, true = ([sorted(lots.values()) for lots in several] for several in (found, true))
        self.assertEqual(found, true)
        made = order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids.filtered("quantity")
        used = order.move_raw_ids.filtered(lambda move: move.state == "done").move_line_ids.filtered("quantity")
        self.assertEqual(made.consume_line_ids.filtered("quantity"), used, "what was used leads to what it became")
        self.assertEqual(used.produce_line_ids.filtered("quantity"), made, "and what was made to what it is of")

    def compare_components(self, case, order):
        """Compare how much of each lot of the sheets left stock, of which the pieces are, and what is to be decided."""
        doubted = self.env["mrp.machine.variance"].search([("production_id", "=", order.id)])
        self.assertEqual(
            [(row.product_id, row.state, row.deviation) for row in doubted],
            [(self.component_b, "proposed", case.doubted)] if case.doubted else [],
        )
        if case.sheet_tracking == "none":
            return
        left, true = {}, {}
        moves = order.move_raw_ids | order.scrap_ids.move_ids
        for line in moves.filtered(lambda move: move.state == "done").move_line_ids:
            if line.product_id == self.component_a and line.quantity:
                left[line.lot_id.name] = left.get(line.lot_id.name, 0.0) + line.quantity
        for piece in range(case.gross):
            name = case.sheet_lot(piece)
            true[name] = true.get(name, 0.0) + matrix.SHEETS
        self.assertEqual(left, true, "how much of each lot left stock")
        self.compare_genealogy(case, order)

    def compare_genealogy(self, case, order):
        """Compare of which sheets each lot is, and what became of each lot of sheets."""
        made = order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
        used = order.move_raw_ids.filtered(lambda move: move.state == "done").move_line_ids
        used = used.filtered(lambda line: line.product_id == self.component_a and line.quantity)
        linked = made.consume_line_ids.filtered(lambda line: line.product_id == self.component_a and line.quantity)
        self.assertEqual(linked, used)
        for line in used:
            self.assertTrue(line.produce_line_ids, f"nothing became of {line.lot_id.name}")
        if (case.tracking, case.sheet_tracking) != ("lot", "lot") or case.lots == "sequence":
            return
        if case.delivery not in ("in_order", "twice", "crash"):
            return  # what comes late is added to the part of its time, which another lot may have entered stock with
        true = {}
        for piece in range(case.gross) if case.reject_booking == "gross" else self.good_pieces(case):
            true.setdefault(LOTS[piece >= case.second_lot], set()).add(case.sheet_lot(piece))
        found = {}
        for line in made.filtered("quantity"):
            sheets = line.consume_line_ids.filtered(lambda each: each.product_id == self.component_a and each.quantity)
            found.setdefault(line.lot_id.name, set()).update(sheets.lot_id.mapped("name"))
        self.assertEqual(found, true, "of which sheets each lot is")

    def good_pieces(self, case):
        return [piece for piece in range(case.gross) if piece not in case.rejected]

    def compare_counts(self, case, order, fed):
        """Compare what the ledger, the work orders and the machines show."""
        for machine in fed:
            ledger = machine.ledger_ids.filtered(lambda row: row.production_id == order)
            is_last = machine == fed[-1]
            counted = (ledger.good, ledger.reject, ledger.by_hand)
            if is_last and self.by_parts(case):
                counted = (ledger.part, ledger.failed, ledger.by_hand)
            self.assertEqual(counted, (case.good, matrix.REJECTS, 0) if is_last else (case.gross, 0, 0))
        for workorder in order.workorder_ids:
            through = case.quantity if workorder == order.workorder_ids[-1:] else case.gross
            self.assertEqual((workorder.state, workorder.qty_produced), ("done", through))

    def compare_times(self, case, order, fed):
        """Compare when it all happened: on the machines' day, not when it was booked.

        Only an order that a person closes, and its work orders, end with that: until then the machine's time was theirs.
        """
        first, last = self.naive(0), self.naive(case.gross * matrix.CYCLE + 60)
        moves = order.move_raw_ids | order.move_finished_ids | order.scrap_ids.move_ids
        for move in moves.filtered(lambda move: move.state == "done"):
            self.assertTrue(first <= move.date <= last, f"{move.display_name}: {move.date}")
        for record in (order, *order.workorder_ids):
            self.assertTrue(first <= record.date_start <= last, f"{record.display_name}: {record.date_start}")
            if case.made != "under":
                self.assertTrue(record.date_start <= record.date_finished <= last, record.date_finished)
        for machine, workorder in zip(fed, order.workorder_ids, strict=False):
            lines = workorder.time_ids
            self.assertTrue(all(first <= line.date_start <= line.date_end <= last for line in lines))
            productive = lines.filtered(lambda line: line.loss_type == "productive")
            self.assertAlmostEqual(sum(productive.mapped("duration")), case.minutes, 1, machine.name)

    def compare_remainder(self, case, order):
        """Compare what is left to be made: of an order that ended early, on an order of its own."""
        rest = order.production_group_id.production_ids - order
        if case.made == "early":
            self.assertEqual(rest.mapped("qty_producing"), [0.0])
            self.assertNotIn(rest.state, ("done", "cancel"))
        else:
            self.assertFalse(rest)
