from odoo.exceptions import UserError
from odoo.tests import tagged

from .test_mrp_machine_stock_beat import BeatCommon


class LotCommon(BeatCommon):
    """A press that makes a product with lots, and what of each lot is where."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"stock_beat": "close", "lot_source": "machine"})
        cls.product.tracking = "lot"
        cls.order = cls.make_order(1000)
        cls.workorder = cls.order.workorder_ids
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.order, cls.workorder, cls.order.date_start)

    def lot_changed(self, value, seconds, **data):
        return self.event("material.lot_changed", seconds, {"value": value, **data})

    def per_lot(self, product=None):
        """Return how much of each lot of a product lies in the warehouse; no quant may be less than nothing."""
        product, found = product or self.product, {}
        for quant in self.env["stock.quant"].search(
            [("product_id", "=", product.id), ("location_id", "child_of", self.location.id)]
        ):
            self.assertGreaterEqual(quant.quantity, 0.0, "there is never less than nothing")
            if quant.quantity:
                found[quant.lot_id.name] = found.get(quant.lot_id.name, 0.0) + quant.quantity
        return found

    def counted(self, order=None):
        """Return ``{lot: pieces that machines made of it}``."""
        found = {}
        for row in (order or self.order)._machine_lots():
            found[row.lot_id.name] = found.get(row.lot_id.name, 0.0) + row.quantity
        return found

    def why(self, events, handler="production_count"):
        return [(row.state, row.reason) for row in self.rows(events, handler)]

    def made_of(self, lot, order=None):
        """Return how much of each component went into a lot, as Odoo's traceability links them."""
        lines = (order or self.order).move_finished_ids.move_line_ids.filtered(lambda line: line.lot_id.name == lot)
        found = {}
        for line in lines.consume_line_ids:
            found[line.product_id.name] = found.get(line.product_id.name, 0.0) + line.quantity
        return found


@tagged("post_install", "-at_install")
class TestMachineLot(LotCommon):
    """Of which lot pieces are, and that stock says the same."""

    def test_counts_wait_for_a_lot_and_are_posted_once_it_is_told(self):
        events = self.told(self.count(5, 60))
        self.assertEqual(self.why(events), [("waiting", "lot")])
        self.assertIn("nobody had said which lot", self.rows(events).message)
        self.assertTrue(self.rows(events).remedy)
        self.assertEqual(self.order.qty_producing, 0)

        self.told(self.lot_changed("A", 30))

        self.assertEqual(self.why(events), [("posted", False)])
        self.assertEqual((self.order.qty_producing, self.counted()), (5, {"A": 5}))

    def test_the_lot_of_one_batch_with_its_counts(self):
        self.told(self.lot_changed("A", 10), self.count(3, 60), self.count(4, 120, before=3))
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 7})
        self.assertEqual(self.order.lot_producing_ids.mapped("name"), ["A"])

    def test_trap_8_what_is_left_after_a_lot_change_is_of_the_new_lot(self):
        self.told(self.lot_changed("A", 10), self.count(60, 60))
        self.told(self.lot_changed("B", 100))
        self.assertEqual(self.per_lot(), {"A": 60}, "what was made on the old lot is in stock as that lot")
        self.told(self.count(40, 120, before=60))
        self.assertEqual((self.order.qty_producing, self.counted()), (100, {"A": 60, "B": 40}))
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 60, "B": 40})
        self.assertEqual(self.moved(self.order), {"Sheet": 100, "Rivet": 400, "Bracket": 100})
        self.assertEqual(self.made_of("A"), {"Sheet": 60, "Rivet": 240})
        self.assertEqual(self.made_of("B"), {"Sheet": 40, "Rivet": 160})

    def test_net_each_lot_takes_the_components_of_its_own_rejects(self):
        self.machine.reject_booking = "net"
        self.told(self.lot_changed("A", 10), self.count(60, 60), self.count(10, 70, kind="reject"))
        self.told(self.lot_changed("B", 100), self.count(40, 120, before=60))
        self.assertEqual(self.made_of("A"), {"Sheet": 70, "Rivet": 280})
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 60, "B": 40})
        self.assertEqual(self.made_of("B"), {"Sheet": 40, "Rivet": 160})
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 110)

    def test_each_lot_takes_its_own_components_also_of_those_that_a_step_takes(self):
        bom = self.bom.copy()
        bom.bom_line_ids.operation_id = bom.operation_ids
        order = self.make_order(1000, bom=bom)
        self.load(order, seconds=1000)
        self.told(
            self.lot_changed("A", 1000),
            self.count(60, 1060),
            self.lot_changed("B", 1100),
            self.count(40, 1160, before=60),
        )

        self.assertEqual(self.made_of("A", order), {"Sheet": 60, "Rivet": 240})
        self.close(order)

        self.assertEqual(self.per_lot(), {"A": 60, "B": 40})
        self.assertEqual(self.made_of("B", order), {"Sheet": 40, "Rivet": 160})

    def test_a_lot_change_within_one_delivery_breaks_the_fold(self):
        self.told(
            self.lot_changed("A", 10),
            *(self.count(1, 20 + piece, before=piece) for piece in range(10)),
            self.lot_changed("B", 25),
        )
        self.assertEqual(self.counted(), {"A": 5, "B": 5})
        self.assertEqual(self.per_lot(), {"A": 5})
        postings = self.env["mrp.machine.posting"].search(
            [("production_id", "=", self.order.id), ("handler", "=", "production_count")], order="id"
        )
        self.assertEqual(
            [(posting.quantity, posting.machine_lot_id.told) for posting in postings], [(5, "A"), (5, "B")]
        )

        self.close(self.order)
        self.assertEqual(self.per_lot(), {"A": 5, "B": 5})

    def test_what_entered_stock_bears_the_moment_of_the_change(self):
        self.told(self.lot_changed("A", 10), self.count(60, 60))
        self.told(self.lot_changed("B", 100))

        done = self.order.move_finished_ids.filtered(lambda move: move.state == "done")
        self.assertEqual(done.mapped("date"), [self.naive(100)])
        self.assertIn("lot changed", done.sudo().machine_posting_id.explanation)

    def test_trap_20_the_close_invents_no_lot(self):
        lots = self.env["stock.lot"].search([("product_id", "=", self.product.id)])
        self.assertFalse(lots)
        self.machine.write({"order_finish": "signal", "order_remainder": "short"})
        self.workorder.qty_produced = 8  # by hand: no machine said which lot
        self.assertEqual(self.order.qty_producing, 8)
        told = self.told(self.event("production.order_completed", 200, {"order": self.order.name}))

        row = self.rows(told, "order_finish")
        self.assertEqual((row.state, row.reason, self.order.state), ("waiting", "not_closed", "progress"))
        self.assertIn("nobody said which lot", row.message)
        with self.assertRaises(UserError):
            self.order.with_context(skip_backorder=True).button_mark_done()
        self.assertFalse(self.env["stock.lot"].search([("product_id", "=", self.product.id)]))

        self.order.lot_producing_ids = self.env["stock.lot"].create({"name": "H", "product_id": self.product.id})
        row.action_retry()
        self.post_all()
        self.assertEqual((self.order.state, self.per_lot()), ("done", {"H": 8}))

    def test_a_lot_of_a_count_that_names_it(self):
        self.told(self.count(3, 60, lot="A"), self.count(2, 70, before=3, lot="B"), self.count(1, 80, before=5))
        self.assertEqual(self.counted(), {"A": 3, "B": 3})
        self.told(self.count(1, 65, before=6, lot="A"))
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 4, "B": 3})

    def test_a_late_count_of_an_earlier_lot_is_of_that_lot(self):
        self.told(self.lot_changed("A", 10), self.count(60, 60))
        self.told(self.lot_changed("B", 100), self.count(40, 120, before=60))
        self.told(self.count(5, 90, before=100))
        self.assertEqual(self.counted(), {"A": 65, "B": 40})
        self.assertEqual(self.per_lot(), {"A": 65})
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 65, "B": 40})

    def test_a_late_lot_change_takes_the_pieces_made_since(self):
        self.told(self.lot_changed("A", 10), self.count(60, 60), self.count(40, 120, before=60))
        self.assertEqual(self.counted(), {"A": 100})
        self.told(self.lot_changed("B", 100))
        self.assertEqual(self.counted(), {"A": 60, "B": 40})
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 60, "B": 40})

    def test_a_late_lot_change_corrects_the_lot_of_pieces_in_stock(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 50})
        self.told(self.lot_changed("A", 10), self.count(60, 60), self.count(38, 120, before=60))
        self.told(self.count(2, 121, kind="reject"), self.count(50, 125, before=98))
        self.assertEqual(self.per_lot(), {"A": 148})
        moved = self.moved(self.order)
        told = self.told(self.lot_changed("B", 100))

        self.assertEqual(self.why(told, "lot"), [("posted", False)])
        self.assertEqual((self.counted(), self.per_lot()), ({"A": 60, "B": 90}, {"A": 60, "B": 88}))
        self.assertEqual({scrap.lot_id.name: scrap.scrap_qty for scrap in self.order.scrap_ids}, {"B": 2})
        self.assertEqual(self.moved(self.order), moved)

    def test_a_late_lot_change_divides_what_was_scrapped(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 50})
        self.told(self.lot_changed("A", 10), self.count(60, 60), self.count(3, 70, kind="reject"))
        self.told(self.count(38, 120, before=60), self.count(2, 121, kind="reject", before=3))
        self.told(self.count(50, 125, before=98))
        self.assertEqual(self.per_lot(), {"A": 148})
        before = len(self.order.scrap_ids)
        self.told(self.lot_changed("B", 100))

        self.assertEqual((self.counted(), self.per_lot()), ({"A": 63, "B": 90}, {"A": 60, "B": 88}))
        scrapped = {}
        for scrap in self.order.scrap_ids:
            scrapped[scrap.lot_id.name] = scrapped.get(scrap.lot_id.name, 0) + scrap.scrap_qty
            self.assertEqual(sum(scrap.move_ids.mapped("quantity")), scrap.scrap_qty)
            self.assertEqual(scrap.move_ids.move_line_ids.lot_id, scrap.lot_id)
        self.assertEqual((scrapped, before), ({"A": 3, "B": 2}, before))

    def test_a_late_lot_change_of_pieces_that_have_left_waits_with_words(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 50})
        self.told(self.lot_changed("A", 10), self.count(60, 60), self.count(40, 120, before=60))
        lot = self.env["stock.lot"].search([("product_id", "=", self.product.id)])
        self.env["stock.quant"]._update_available_quantity(self.product, self.location, -90, lot_id=lot)
        told = self.told(self.lot_changed("B", 100))

        self.assertEqual(self.why(told, "lot"), [("waiting", "lot_in_stock")])
        self.assertIn("not in", self.rows(told, "lot").message)
        self.assertEqual((self.counted(), self.per_lot()), ({"A": 100}, {"A": 10}))

    def test_late_pieces_of_a_closed_order_are_of_the_lot_of_their_time(self):
        self.machine.late_booking = "correct"
        self.told(
            self.lot_changed("A", 10), self.count(60, 60), self.lot_changed("B", 100), self.count(40, 120, before=60)
        )
        self.close(self.order)
        events = self.told(self.count(5, 90, before=100), self.count(2, 130, before=105))
        self.assertEqual(self.why(events), [("posted", False)] * 2)

        self.assertEqual((self.counted(), self.per_lot()), ({"A": 65, "B": 42}, {"A": 65, "B": 42}))
        self.assertEqual(self.moved(self.order), {"Sheet": 107, "Rivet": 428, "Bracket": 107})

    def test_late_pieces_have_an_order_of_their_own_and_their_lot(self):
        self.machine.late_booking = "new_order"
        self.told(
            self.lot_changed("A", 10), self.count(60, 60), self.lot_changed("B", 100), self.count(40, 120, before=60)
        )
        self.close(self.order)
        events = self.told(self.count(5, 90, before=100))
        self.assertEqual(self.why(events), [("posted", False)])

        late = self.env["mrp.production"].search([("machine_late_of_id", "=", self.order.id)])
        self.assertEqual((late.state, self.counted(late)), ("done", {"A": 5}))
        self.assertEqual((self.counted(), self.per_lot()), ({"A": 60, "B": 40}, {"A": 65, "B": 40}))

    def test_there_and_back_again(self):
        for number, (lot, pieces) in enumerate((("A", 10), ("B", 5), ("A", 7))):
            self.told(
                self.lot_changed(lot, 100 * number + 10), self.count(pieces, 100 * number + 60, before=1000 * number)
            )
        self.assertEqual(self.counted(), {"A": 17, "B": 5})
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 17, "B": 5})

    def test_no_lot_any_more(self):
        self.told(self.lot_changed("A", 10), self.count(10, 60))
        self.told(self.lot_changed("", 100))
        self.assertEqual(self.per_lot(), {"A": 10})
        events = self.told(self.count(5, 120, before=10))
        self.assertEqual(self.why(events), [("waiting", "lot")])

        self.told(self.lot_changed("B", 110))
        self.close(self.order)
        self.assertEqual(self.per_lot(), {"A": 10, "B": 5})

    def test_delivered_twice_is_told_once(self):
        day = [self.lot_changed("A", 10), self.count(6, 60), self.lot_changed("B", 100), self.count(4, 120, before=6)]
        self.told(*day)
        self.assertFalse(self.told(*day))
        self.post_all()

        self.assertEqual(self.counted(), {"A": 6, "B": 4})

    def test_rejects_are_scrapped_as_the_lot_they_were_made_on(self):
        self.told(
            self.lot_changed("A", 10),
            self.count(6, 60),
            self.count(2, 61, kind="reject"),
            self.lot_changed("B", 100),
            self.count(4, 120, before=6),
            self.count(1, 121, kind="reject", before=2),
        )
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"A": 6, "B": 4})
        scrapped = {scrap.lot_id.name: scrap.scrap_qty for scrap in self.order.scrap_ids}
        self.assertEqual(scrapped, {"A": 2, "B": 1})
        self.assertEqual(self.moved(self.order), {"Sheet": 13, "Rivet": 52, "Bracket": 13, "Scrapped": 3})

    def test_the_last_lot_reaches_the_quantity_with_its_close(self):
        self.machine.write({"order_finish": "quantity"})
        order = self.load(self.make_order(10), seconds=1000)
        self.told(
            self.lot_changed("A", 1001), self.count(6, 1060), self.lot_changed("B", 1100), self.count(4, 1120, before=6)
        )

        self.assertEqual((order.state, self.per_lot()), ("done", {"A": 6, "B": 4}))
        self.assertEqual(self.made_of("A", order), {"Sheet": 6, "Rivet": 24})

    def test_a_lot_that_makes_more_than_the_order_is_about_leaves_the_next_its_own(self):
        order = self.load(self.make_order(10), seconds=1000)
        self.told(
            self.lot_changed("A", 1001),
            self.count(12, 1060),
            self.lot_changed("B", 1100),
            self.count(3, 1120, before=12),
        )
        self.assertNotEqual(order.state, "done", "no post closes the order behind one's back")
        self.close(order)

        self.assertEqual(self.per_lot(), {"A": 12, "B": 3})
        self.assertEqual(self.moved(order), {"Sheet": 15, "Rivet": 60, "Bracket": 15})

    def test_a_backorder_goes_on_with_the_lot(self):
        self.machine.write({"order_finish": "signal", "order_remainder": "backorder"})
        self.told(
            self.lot_changed("A", 10), self.count(60, 60), self.lot_changed("B", 100), self.count(10, 120, before=60)
        )
        self.told(self.event("production.order_completed", 200, {"order": self.order.name}))
        self.assertEqual((self.order.state, self.per_lot()), ("done", {"A": 60, "B": 10}))
        rest = self.order.production_group_id.production_ids - self.order
        self.assertFalse(rest.lot_producing_ids)
        self.assertFalse(rest.move_finished_ids.move_line_ids.lot_id, "no lot sticks to what is still to be made")

        self.told(self.count(5, 300, before=70))
        self.assertEqual(self.counted(rest), {"B": 5})
        self.close(rest)
        self.assertEqual(self.per_lot(), {"A": 60, "B": 15})

    def test_a_lot_that_is_told_before_its_order(self):
        machine = self.idle_machine
        self.told(self.lot_changed("A", 10), machine=machine)
        order = self.make_order(100, bom=self.bom_on(machine))
        self.load(order, machine=machine, seconds=50)
        self.told(self.count(5, 60), machine=machine)

        self.assertEqual(self.counted(order), {"A": 5})

    def bom_on(self, machine):
        bom = self.bom.copy()
        bom.operation_ids.workcenter_id = machine.workcenter_id
        return bom

    def test_a_lot_of_another_product_is_none_of_the_order(self):
        told = self.told(self.lot_changed("C7", 10, product="Sheet"))
        self.assertEqual(self.why(told, "lot"), [("ignored", "component")])

        self.product.barcode = "4006381333931"
        told = self.told(self.lot_changed("A", 20, gtin="04006381333931"))
        self.assertEqual(self.why(told, "lot"), [("posted", False)])

    def test_a_blocked_lot_waits_and_goes_on_once_it_is_released(self):
        lot = self.env["stock.lot"].create({"name": "A", "product_id": self.product.id, "machine_blocked": True})
        events = self.told(self.lot_changed("A", 10), self.count(5, 60))
        self.assertEqual(self.why(events[:1], "lot"), [("waiting", "lot_blocked")])
        self.assertEqual(self.why(events[1:]), [("waiting", "lot")])
        self.assertTrue(self.rows(events[:1], "lot").remedy)

        lot.machine_blocked = False
        self.post_all()

        self.assertEqual((self.why(events[1:]), self.counted()), ([("posted", False)], {"A": 5}))

    def test_a_change_while_nobody_looked_waits(self):
        self.told(self.lot_changed("A", 10), self.count(5, 60))
        window = [self.at(90).isoformat(), self.at(150).isoformat()]
        self.told(self.lot_changed("B", 100))
        events = self.told(self.count(7, 150, before=5, window=window))

        self.assertEqual(self.why(events), [("waiting", "lot_change")])
        self.assertIn("A, B", self.rows(events).message)

    def test_a_person_enters_the_lot_on_the_order(self):
        events = self.told(self.count(5, 60))
        self.assertEqual(self.why(events), [("waiting", "lot")])
        self.order.lot_producing_ids = self.env["stock.lot"].create({"name": "H", "product_id": self.product.id})
        self.post_all()
        self.assertEqual((self.why(events), self.counted()), ([("posted", False)], {"H": 5}))

    def test_only_a_scan_counts_where_the_setting_says_so(self):
        self.machine.lot_source = "scan"
        told = self.told(self.lot_changed("A", 10), self.count(5, 60))
        self.assertEqual(self.why(told[:1], "lot"), [("ignored", "lot_source")])
        self.assertEqual(self.why(told[1:]), [("waiting", "lot")])

        self.machine._take_lot(self.order, "S", self.naive(50), "scan")
        self.post_all()

        self.assertEqual(self.counted(), {"S": 5})
        self.assertEqual(self.machine._lot_at(self.order, self.naive(55)).name, "S")
        self.assertFalse(self.machine._lot_at(self.order, self.naive(45)))

    def test_odoo_numbers_lots_by_the_products_sequence(self):
        self.machine.lot_source = "sequence"
        self.product.lot_sequence_id = self.env["ir.sequence"].create(
            {"name": "Brackets", "prefix": "BR", "padding": 3}
        )
        self.told(self.count(5, 60), self.count(2, 50, before=5))
        self.assertEqual(self.counted(), {"BR001": 7})
        self.told(self.lot_changed("17", 100), self.count(3, 120, before=7))
        self.assertEqual(self.counted(), {"BR001": 7, "BR002": 3})
        self.close(self.order)

        self.assertEqual(self.per_lot(), {"BR001": 7, "BR002": 3})

        order = self.load(self.make_order(10), seconds=1000)
        self.told(self.count(1, 1060, before=10))
        self.assertEqual(self.counted(order), {"BR003": 1})

    def test_pieces_that_are_taken_back_are_of_their_lot(self):
        self.told(self.lot_changed("A", 10), self.count(60, 60))
        self.machine._adjust("good", -5, "miscounted", at=self.naive(70))
        self.post_all()
        self.assertEqual(self.counted(), {"A": 55})
        self.told(self.lot_changed("B", 100))
        self.assertEqual(self.per_lot(), {"A": 55})

    def test_two_machines_one_after_the_other(self):
        """Of an order with several steps the finished pieces are those of the last: earlier ones need no lot."""
        bom = self.bom.copy()
        bom.operation_ids = [(0, 0, {"name": "Drill", "workcenter_id": self.idle_machine.workcenter_id.id})]
        order = self.make_order(100, bom=bom)
        press, drill = order.workorder_ids
        self.load(order, workorder=press, seconds=1000)
        self.load(order, machine=self.idle_machine, workorder=drill, seconds=1000)
        first = self.told(self.count(10, 1060))
        self.assertEqual(self.why(first), [("posted", False)])
        last = self.told(self.count(6, 1070), machine=self.idle_machine)
        self.assertEqual(self.why(last), [("waiting", "lot")])
        self.told(self.lot_changed("A", 1001), machine=self.idle_machine)
        self.told(self.lot_changed("B", 1100), self.count(4, 1160, before=6), machine=self.idle_machine)
        self.close(order)

        self.assertEqual(self.per_lot(), {"A": 6, "B": 4})


@tagged("post_install", "-at_install")
class TestMachineSerial(LotCommon):
    """One number a piece."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.counting_role = "part"
        cls.serial = cls.env["product.product"].create(
            {"name": "Pump", "is_storable": True, "tracking": "serial", "uom_id": cls.product.uom_id.id}
        )
        bom = cls.bom.copy({"product_tmpl_id": cls.serial.product_tmpl_id.id, "product_id": False})
        cls.order = cls.make_order(10, bom=bom)
        cls.env["mrp.machine.loading"]._load(
            cls.machine, cls.order, cls.order.workorder_ids, cls.order.date_start.replace(hour=7)
        )

    def part(self, serial, seconds, status="PASS"):
        return self.event("production.part_completed", 3600 + seconds, {"serial": serial, "status": status})

    def test_each_part_has_its_number_and_failed_ones_are_scrapped(self):
        self.told(self.part("P1", 10), self.part("P2", 20, "FAIL"), self.part("P3", 30))
        self.assertEqual(self.order.qty_producing, 3)
        self.assertEqual(sorted(self.order.lot_producing_ids.mapped("name")), ["P1", "P2", "P3"])
        self.close(self.order)

        self.assertEqual(self.per_lot(self.serial), {"P1": 1, "P3": 1})
        self.assertEqual(self.order.scrap_ids.lot_id.mapped("name"), ["P2"])
        results = {row.told: row.result for row in self.order._machine_lots()}
        self.assertEqual(results, {"P1": "pass", "P2": "fail", "P3": "pass"})
        self.assertEqual(self.moved(self.order), {"Sheet": 3, "Rivet": 12, "Pump": 3, "Scrapped": 1})

    def test_a_number_that_was_made_is_refused_in_words(self):
        self.told(self.part("P1", 10))
        events = self.told(self.part("P1", 50), self.part("P2", 60), self.part("P2", 70))

        self.assertEqual(
            self.why(events), [("waiting", "serial_twice"), ("posted", False), ("waiting", "serial_twice")]
        )
        self.assertIn("P1 of Pump was made on", self.rows(events[:1]).message)
        self.assertEqual(self.order.qty_producing, 2)

    def test_parts_enter_stock_on_the_beat(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 2})
        for number in range(1, 6):
            self.told(self.part(f"P{number}", 10 * number))
        self.assertEqual(self.per_lot(self.serial), {"P1": 1, "P2": 1, "P3": 1, "P4": 1})
        self.close(self.order)

        self.assertEqual(self.per_lot(self.serial), {f"P{number}": 1 for number in range(1, 6)})
        self.assertEqual(self.moved(self.order), {"Sheet": 5, "Rivet": 20, "Pump": 5})

    def test_counted_pieces_take_the_numbers_that_are_scanned(self):
        self.machine.write({"counting_role": "good", "lot_source": "scan"})
        events = self.told(self.count(2, 3660), self.count(1, 3670, before=2))
        self.assertEqual(self.why(events), [("waiting", "serial")] * 2)
        for number in (1, 2, 3):
            self.machine._take_lot(self.order, f"S{number}", self.naive(3660 + number), "scan")
        self.post_all()

        self.assertEqual(self.why(events), [("posted", False)] * 2)
        self.close(self.order)
        self.assertEqual(self.per_lot(self.serial), {"S1": 1, "S2": 1, "S3": 1})

    def test_odoo_numbers_them(self):
        self.machine.write({"counting_role": "good", "lot_source": "sequence"})
        self.serial.lot_sequence_id = self.env["ir.sequence"].create({"name": "Pumps", "prefix": "PU", "padding": 2})
        self.told(self.count(2, 3660), self.count(1, 3670, before=2))
        self.close(self.order)

        self.assertEqual(self.per_lot(self.serial), {"PU01": 1, "PU02": 1, "PU03": 1})

    def test_counts_without_numbers_wait(self):
        self.machine.counting_role = "good"
        events = self.told(self.count(2, 3660))
        self.assertEqual(self.why(events), [("waiting", "serial")])
        self.assertTrue(self.rows(events).remedy)

    def test_a_late_part_of_a_closed_order(self):
        self.machine.late_booking = "correct"
        self.told(self.part("P1", 10), self.part("P3", 30))
        self.close(self.order)
        events = self.told(self.part("P2", 20), self.part("P3", 25))

        self.assertEqual(self.why(events), [("posted", False), ("waiting", "serial_twice")])
        self.assertEqual(self.per_lot(self.serial), {"P1": 1, "P2": 1, "P3": 1})
        self.assertEqual(self.moved(self.order), {"Sheet": 3, "Rivet": 12, "Pump": 3})

    def test_a_backorder_takes_the_rest(self):
        self.machine.write({"order_finish": "signal", "order_remainder": "backorder"})
        self.told(self.part("P1", 10), self.part("P2", 20))
        self.told(self.event("production.order_completed", 3700, {"order": self.order.name}))
        rest = self.order.production_group_id.production_ids - self.order
        self.assertEqual((self.order.state, rest.product_qty), ("done", 8))
        self.told(self.part("P3", 300))
        self.close(rest)

        self.assertEqual(self.per_lot(self.serial), {"P1": 1, "P2": 1, "P3": 1})
