"""What a machine in shadow says that it would have booked is what it books afterwards, and nothing of it is in stock."""

import random

from odoo.fields import Command
from odoo.tests import tagged

from .common import T0
from .test_mrp_machine_reject import RejectCommon

#: Tables that a shadow writes: what it is kept in, and what any event is kept in.
OURS = {
    "mrp_machine_shadow",
    "mrp_machine_shadow_memory",
    "mrp_machine_shadow_memory_machine_rel",
    "mrp_machine_event",
    "mrp_machine_event_posting",
    "mrp_machine_queue",
    "mrp_machine_stream",
    "mrp_machine_interval",
    "mrp_machine_posting",
    "mrp_machine_status",
    "ir_cron_trigger",
}


class ShadowCommon(RejectCommon):
    """A second press that makes the same of stock of its own, so that one is shadowed and the other books."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.posting_mode = "shadow"
        cls.twin = cls.make_machine("t-twin", workcenter=cls.workcenter.copy({"name": "Twin line"}))
        cls.twin_bom = cls.bom.copy()
        cls.twin_bom.operation_ids.workcenter_id = cls.twin.workcenter_id
        cls.twin_order = cls.make_order(1000, bom=cls.twin_bom)
        cls.env["mrp.machine.loading"]._load(
            cls.twin, cls.twin_order, cls.twin_order.workorder_ids, T0.replace(tzinfo=None)
        )

    def day(self, *batches):
        """Let both machines tell the same in the same batches, each posted before the next comes."""
        for batch in batches:
            for machine in (self.machine, self.twin):
                self.told(*batch, machine=machine)

    def shadowed(self, order=None):
        """Return the lines of stock that the shadow of an order has, as they would be compared."""
        rows = self.env["mrp.machine.shadow"].search([("production_id", "=", (order or self.order).id)])
        return sorted(
            (row._line_key() for row in rows if row.kind in ("move", "scrap")), key=lambda key: tuple(map(str, key))
        )

    def booked(self, order):
        """Return the same of what an order really moved."""
        moves = order.move_raw_ids | order.move_finished_ids | order.scrap_ids.move_ids
        found = {}
        for line in moves.filtered(lambda move: move.state == "done").move_line_ids:
            move = line.move_id  # of which MRP makes two lines where more is made than was ordered
            key = (move, line.lot_id.name or "", line.location_id.id, line.location_dest_id.id)
            found[key] = found.get(key, 0.0) + line.quantity
        lines = [
            (move.product_id.id, lot, round(quantity, 6), source, destination, move.date, bool(move.scrap_id))
            for (move, lot, source, destination), quantity in found.items()
            if quantity
        ]
        return sorted(lines, key=lambda key: tuple(map(str, key)))

    def tables(self):
        """Return ``{table: digest of all its rows}`` of the whole database, but what shadows and events are kept in."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename != ALL(%s)", [list(OURS)]
        )
        found = {}
        for (table,) in self.env.cr.fetchall():
            self.env.cr.execute(
                f"""SELECT count(*), md5(string_agg(row::text, ',' ORDER BY row::text)) FROM "{table}" AS row"""
            )
            found[table] = self.env.cr.fetchone()
        return found


@tagged("post_install", "-at_install")
class TestShadow(ShadowCommon):
    def counts(self, upto, step=10, start=0, kind="good"):
        return [
            [self.count(step, seconds=60 + number, before=number, kind=kind)] for number in range(start, upto, step)
        ]

    def test_nothing_is_booked_and_it_is_said_what_would_be(self):
        events = self.told(self.count(5), self.count(2, kind="reject"))

        self.assertEqual(self.states(events), ["ignored", "ignored"])
        self.assertEqual(set(self.rows(events).mapped("reason")), {"shadow"})
        self.assertIn("+5", self.rows(events)[0].message)
        self.assertEqual((self.order.qty_producing, self.order.state), (0, "confirmed"))
        # Other addons have effects of their own: a reject becomes a quality alert.
        counts = [("production_id", "=", self.order.id), ("handler", "=", "production_count")]
        rows = self.env["mrp.machine.shadow"].search(counts)
        self.assertEqual(sorted(rows.mapped("quantity")), [2, 5])
        self.assertEqual(set(rows.mapped("kind")), {"quantity"})

    def test_shadow_is_truth_at_the_close(self):
        for machine in (self.machine, self.twin):
            machine.order_finish = "quantity"
        self.day(
            *self.counts(990), [self.count(7, seconds=1060, kind="reject")], [self.count(20, seconds=1100, before=990)]
        )

        self.assertEqual(self.twin_order.state, "done")
        self.assertEqual(self.order.state, "confirmed")
        self.assertEqual(self.shadowed(), self.booked(self.twin_order))
        self.assertTrue(any(key[-1] for key in self.shadowed()), "the rejects are scrapped")

    def test_shadow_is_truth_with_a_beat_and_the_close(self):
        for machine in (self.machine, self.twin):
            machine.write({"stock_beat": "pieces", "beat_pieces": 100, "order_finish": "quantity"})
        rejects = [[self.count(3, seconds=100 + number, kind="reject", before=number)] for number in range(0, 12, 3)]
        batches = self.counts(1010, step=35)
        for place, batch in enumerate(rejects):
            batches.insert(5 * place + 3, batch)
        self.day(*batches)

        self.assertEqual(self.twin_order.state, "done")
        self.assertGreater(len(self.booked(self.twin_order)), 20)
        self.assertEqual(self.shadowed(), self.booked(self.twin_order))

    def test_quantities_that_do_not_divide_round_alike(self):
        for bom in (self.bom, self.twin_bom):
            bom.bom_line_ids[0].product_qty = 0.333
        orders = [self.make_order(1000, bom=bom) for bom in (self.bom, self.twin_bom)]
        for machine, order in zip((self.machine, self.twin), orders, strict=True):
            machine.write({"stock_beat": "pieces", "beat_pieces": 50, "order_finish": "quantity"})
            self.env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, self.at(5).replace(tzinfo=None))
        self.day(*self.counts(1001, step=77))

        self.assertEqual(orders[1].state, "done")
        self.assertEqual(self.shadowed(orders[0]), self.booked(orders[1]))

    def test_events_that_come_late_and_twice(self):
        for machine in (self.machine, self.twin):
            machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        chance = random.Random(11)
        events = [self.count(10, seconds=60 + number, before=10 * number) for number in range(60)]
        events += [self.count(1, seconds=60 + number, kind="reject", before=number) for number in range(9)]
        chance.shuffle(events)
        again = [events[start : start + 7] for start in range(0, len(events), 7)]
        self.day(*again, *again[:4])

        self.assertGreater(len(self.booked(self.twin_order)), 5)
        self.assertEqual(self.shadowed(), self.booked(self.twin_order))
        memory = self.env["mrp.machine.shadow.memory"].search([("production_id", "=", self.order.id)])
        self.assertEqual(memory.ledgers[0]["posted"], 600)
        self.assertEqual(self.ledger(self.twin_order).posted, 600)

    def test_corrections_and_pieces_that_are_taken_away(self):
        self.day([self.count(50)])
        for machine in (self.machine, self.twin):
            machine._adjust("good", -8, "Counted twice", at=self.at(80).replace(tzinfo=None))
            machine.order_finish = "signal"
        self.post_all()
        for machine, order in ((self.machine, self.order), (self.twin, self.twin_order)):
            self.told(self.event("production.order_completed", 200, {"order": order.name}), machine=machine)

        self.assertEqual(
            sum(self.twin_order.move_finished_ids.filtered(lambda m: m.state == "done").mapped("quantity")), 42
        )
        self.assertEqual(self.shadowed(), self.booked(self.twin_order))

    def test_time_is_what_it_would_be(self):
        self.day(
            [self.state("running", 0), self.count(5, seconds=30)],
            [self.state("fault", 600)],
            [self.state("running", 1200), self.count(5, seconds=1300, before=5)],
            [self.state("idle", 1800)],
            [self.state("running", 900)],  # it was known late
        )
        lines = self.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", self.twin.workcenter_id.id)])

        self.assertTrue(lines)
        rows = self.env["mrp.machine.shadow"].search([("machine_id", "=", self.machine.id), ("kind", "=", "time")])
        self.assertEqual(
            sorted((row.date, row.date_end, row.duration, row.loss_id.id) for row in rows),
            sorted((line.date_start, line.date_end, line.duration, line.loss_id.id) for line in lines),
        )
        none = self.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", self.workcenter.id)])
        self.assertFalse(none)

    def test_the_time_of_an_order_ends_with_it_though_the_state_lasts(self):
        for machine in (self.machine, self.twin):
            machine.order_finish = "quantity"
        self.day(
            [self.state("running", 0), self.count(990, seconds=500)],
            [self.state("idle", 590), self.count(10, seconds=600, before=990)],
        )
        with self.enter_registry_test_mode():
            self.env["mrp.machine.interval"]._cron_extend()
        self.env.invalidate_all()

        lines = self.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", self.twin.workcenter_id.id)])
        booked = sorted((line.date_start, line.date_end, line.loss_id.id) for line in lines)
        self.assertEqual(
            [(end - start).seconds for start, end, _loss in booked], [590, 10], "a micro stop, and no more"
        )
        rows = self.env["mrp.machine.shadow"].search([("machine_id", "=", self.machine.id), ("kind", "=", "time")])
        self.assertEqual(sorted((row.date, row.date_end, row.loss_id.id) for row in rows), booked)

    def test_it_leaves_no_trace(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100, "order_finish": "quantity"})
        self.told(self.state("running", 0))
        before = self.tables()
        self.assertGreater(len(before), 200)

        self.told(self.state("fault", 50), *(event for batch in self.counts(990, step=90) for event in batch))
        self.told(self.count(4, seconds=300, kind="reject"))
        self.told(self.count(100, seconds=400, before=990))

        self.assertTrue(self.shadowed(), "it was closed in the shadow")
        after = self.tables()
        self.assertEqual({table for table in after if after[table] != before.get(table)}, set())
        postings = self.env["mrp.machine.posting"].search([("machine_id", "=", self.machine.id)])
        self.assertEqual(set(postings.mapped("handler")), {"state_interval"})

    def test_a_beat_by_the_clock(self):
        self.machine.write({"stock_beat": "minutes", "beat_minutes": 10})
        self.told(self.count(5, seconds=60))
        self.told(self.count(5, seconds=120, before=5))
        self.assertFalse(self.shadowed())

        self.told(self.count(5, seconds=700, before=10))
        self.assertEqual({key[2] for key in self.shadowed()}, {15, 60})
        self.told(self.count(5, seconds=900, before=15))
        self.assertEqual(len(self.shadowed()), 3)
        with self.enter_registry_test_mode():
            self.env["mrp.machine"]._cron_beat()  # half a year later

        self.assertEqual(sorted(key[2] for key in self.shadowed()), [5, 5, 15, 15, 20, 60])

    def test_what_people_book_meanwhile_is_not_counted_twice(self):
        self.told(self.count(5))
        self.order.workorder_ids.qty_produced = 300

        events = self.told(self.count(7, seconds=90, before=5))

        self.assertIn("12", self.rows(events).message)
        self.assertEqual(self.order.qty_producing, 300)

    def test_what_people_entered_before_the_first_piece_stays_under_it(self):
        for order in (self.order, self.twin_order):
            order.workorder_ids.qty_produced = 300
        events = self.told(self.count(5))

        self.day([self.count(5, seconds=61)])

        self.assertIn("305", self.rows(events).message)
        self.assertEqual(self.twin_order.qty_producing, 305)

    def test_what_is_made_after_the_close_in_shadow_waits(self):
        self.machine.order_finish = "quantity"
        self.told(self.count(1000))
        events = self.told(self.count(3, seconds=100, before=1000))

        self.assertEqual((self.states(events), self.rows(events).reason), (["waiting"], "order_complete"))
        self.machine.order_finish = "signal"
        events = self.told(self.count(3, seconds=120, before=1003))
        self.assertEqual((self.states(events), self.rows(events).reason), (["waiting"], "order_closed"))

    def test_what_would_not_be_possible_is_said_once(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        quants = self.env["stock.quant"].search([("product_id", "=", self.component_a.id)])
        quants.unlink()
        for number in range(3):
            self.told(self.count(20, seconds=60 + number, before=20 * number))

        refused = self.env["mrp.machine.shadow"].search([("kind", "=", "refused")])
        self.assertEqual(len(refused), 3)  # each time something else is missing
        self.assertIn("Sheet", refused[0].summary)

    def test_a_machine_without_an_order_waits_as_ever(self):
        self.idle_machine.posting_mode = "shadow"
        events = self.told(self.count(5), machine=self.idle_machine)
        self.assertEqual((self.states(events), self.rows(events).reason), (["waiting"], "no_order"))

    def test_each_line_says_whether_it_is_booked_by_now(self):
        self.machine.order_finish = "quantity"
        self.told(self.count(1000))
        rows = self.env["mrp.machine.shadow"].search([("kind", "=", "move")])
        self.assertEqual(rows.mapped("is_booked"), [False] * 3)

        self.machine._change_mode("automatic", self.at(0).replace(tzinfo=None), "It agrees", takes_over=True)
        self.post_all()

        rows.invalidate_recordset()
        self.assertEqual(rows.mapped("is_booked"), [True] * 3)

    def test_with_what_was_shadowed_is_posted_exactly_once(self):
        first = self.told(self.count(5), self.state("running", 30))
        self.told(self.state("idle", 90))
        self.machine._change_mode("automatic", self.at(0).replace(tzinfo=None), "It agrees", takes_over=True)
        later = self.told(self.count(6, seconds=95, before=5))
        self.post_all()

        self.assertEqual(self.states(first | later), ["posted", "posted"])
        self.assertEqual((self.order.qty_producing, self.ledger().posted), (11, 11))
        self.assertTrue(self.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", self.workcenter.id)]))
        self.machine._take_over(self.at(0).replace(tzinfo=None))
        self.post_all()
        self.assertEqual(self.order.qty_producing, 11)

    def test_from_now_on_leaves_what_was_shadowed(self):
        first = self.told(self.count(5))
        self.machine._change_mode("automatic", self.at(70).replace(tzinfo=None), "It agrees")
        late = self.told(self.count(2, seconds=65, before=5))  # from before the change
        later = self.told(self.count(6, seconds=95, before=7))

        self.assertEqual(self.states(first | late | later), ["ignored", "ignored", "posted"])
        self.assertEqual(self.order.qty_producing, 6)

    def test_a_shadow_that_begins_again_begins_anew(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.count(20))
        self.machine.posting_mode = "observe"
        self.machine.posting_mode = "shadow"
        self.told(self.count(30, seconds=90, before=20))

        self.assertEqual(sorted(key[2] for key in self.shadowed()), [20, 20, 30, 30, 80, 120])


@tagged("post_install", "-at_install")
class TestShadowOfLots(ShadowCommon):
    """Lots and serial numbers of pieces and of components, line by line.

    The whole day in shadow first: its lots are in no books when the other machine tells the same.
    """

    def orders(self, quantity, **settings):
        """Return an order each for the machine in shadow and for the one that books, loaded on them."""
        orders = [self.make_order(quantity, bom=bom) for bom in (self.bom, self.twin_bom)]
        for machine, order in zip((self.machine, self.twin), orders, strict=True):
            machine.write({"order_finish": "quantity", **settings})
            self.env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, self.at(5).replace(tzinfo=None))
        return orders

    def both(self, *batches):
        for machine in (self.machine, self.twin):
            for batch in batches:
                self.told(*batch, machine=machine)

    def coil(self, *names):
        """Let a piece take a coil as well, of which there are lots, and return the product."""
        coil = self.env["product.product"].create({"name": "Coil", "is_storable": True, "tracking": "lot"})
        for bom in (self.bom, self.twin_bom):
            bom.bom_line_ids = [Command.create({"product_id": coil.id, "product_qty": 2.0})]
        for name in names:
            lot = self.env["stock.lot"].create({"name": name, "product_id": coil.id})
            self.env["stock.quant"]._update_available_quantity(coil, self.location, 1000, lot_id=lot)
        return coil

    def lots(self, lines, product):
        return {key[1] for key in lines if key[0] == product.id}

    def test_lots_that_the_machine_tells_and_changes(self):
        self.product.tracking = "lot"
        orders = self.orders(100, lot_source="machine")
        self.both(
            [self.count(5, seconds=20)],  # nobody has said its lot yet
            [self.event("material.lot_changed", 10, {"value": "A"})],
            [self.count(25, seconds=60, before=5)],
            [self.count(2, seconds=70, kind="reject")],
            [self.event("material.lot_changed", 100, {"value": "B"}), self.count(30, seconds=120, before=30)],
            [self.event("material.lot_changed", 200, {"value": "C"})],
            [self.count(4, seconds=190, before=60)],  # it was known late, and is of the lot before
            [self.count(36, seconds=240, before=64)],
        )

        self.assertFalse(orders[0].move_finished_ids.filtered(lambda move: move.state == "done"))
        self.assertEqual(orders[1].state, "done")
        self.assertEqual(self.lots(self.booked(orders[1]), self.product), {"A", "B", "C"})
        self.assertEqual(self.shadowed(orders[0]), self.booked(orders[1]))

    def test_serial_numbers_on_beats_with_parts_that_failed(self):
        self.product.tracking = "serial"
        orders = self.orders(12, lot_source="machine", counting_role="part", stock_beat="pieces", beat_pieces=4)
        parts = [
            self.event(
                "production.part_completed",
                20 + 10 * number,
                {"serial": f"S{number}", "status": "FAIL" if number in (3, 9) else "PASS"},
            )
            for number in range(14)
        ]
        self.both(*(parts[start : start + 3] for start in range(0, 14, 3)))

        self.assertEqual(orders[1].state, "done")
        self.assertEqual(len(self.lots(self.booked(orders[1]), self.product)), 14)
        self.assertEqual(self.shadowed(orders[0]), self.booked(orders[1]))

    def test_lots_of_a_component_that_change_between_beats_and_within_one(self):
        coil = self.coil("C1", "C2")
        orders = self.orders(40, consumption_way="lot", stock_beat="pieces", beat_pieces=8)

        def loaded(name, seconds):
            return self.event("material.loaded", seconds, {"product": coil.name, "lot": name})

        self.both(
            [loaded("C1", 10), self.count(5, seconds=20)],
            [self.count(5, seconds=30, before=5)],
            [self.count(3, seconds=40, before=10), loaded("C2", 45), self.count(3, seconds=50, before=13)],
            [self.count(4, seconds=60, before=16), self.count(1, seconds=61, kind="reject")],
            [self.count(20, seconds=70, before=20)],
        )

        self.assertEqual(orders[1].state, "done")
        self.assertEqual(self.lots(self.booked(orders[1]), coil), {"C1", "C2"})
        self.assertEqual(self.shadowed(orders[0]), self.booked(orders[1]))
