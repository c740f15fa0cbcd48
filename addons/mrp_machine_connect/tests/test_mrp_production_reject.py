import random

from odoo.tests import tagged

from .proof import unproven
from .test_mrp_machine_scrap import ScrapCommon


@tagged("post_install", "-at_install")
class TestRejectBookings(ScrapCommon):
    """Rejects that are no quantity: their components are used for the good ones, or scrapped."""

    def test_net_the_quantity_is_good_and_the_components_are_those_of_all(self):
        self.machine.reject_booking = "net"
        self.told(self.count(96), self.rejects(4), self.scrap(1, "JAM"))
        self.assertEqual((self.order.qty_producing, self.machine.good, self.machine.reject), (96, 96, 4))

        self.close(self.order)

        self.assertEqual((self.used(), self.scraps()), ({"Sheet": 100, "Rivet": 400}, {}))
        self.assertEqual(self.in_stock(self.product), 96)
        self.assertEqual(self.order.machine_reject_booking, "net")

    def test_net_through_beats_no_component_is_forgotten(self):
        self.machine.write({"reject_booking": "net", "stock_beat": "pieces", "beat_pieces": 10})
        order = self.make_order(40)
        self.load(order, 1000)
        good = bad = 0
        # So many rejects that their components exceed what the order demanded at first.
        for number, (more_good, more_bad) in enumerate(((10, 15), (10, 12), (10, 8), (5, 0), (5, 3))):
            at = 1100 + 100 * number
            self.told(
                *([self.rejects(more_bad, at, before=bad)] if more_bad else []),
                self.count(more_good, seconds=at + 1, before=good),
            )
            good, bad = good + more_good, bad + more_bad
        self.assertEqual((order.qty_producing, order.qty_produced), (40, 30))
        self.close(order)

        self.assertEqual(self.used(order), {"Sheet": 40 + 38, "Rivet": 4 * (40 + 38)})
        self.assertEqual(self.in_stock(self.product), 40)
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 78)

    def test_net_of_a_total_counter_the_rejects_are_taken_from_it(self):
        for number, events in enumerate(
            (
                (self.count(9, 1060, kind="total"), self.rejects(2, 1070)),
                (self.rejects(2, 2060), self.count(9, 2070, kind="total")),
            )
        ):
            with self.subTest(number):
                self.machine.write({"reject_booking": "net", "counting_role": "total"})
                order = self.load(self.make_order(1000), 1000 * (number + 1))
                self.told(*events)
                self.assertEqual((order.qty_producing, self.machine.good, self.machine.reject), (7, 7, 2))
                self.close(order)
                self.assertEqual(self.used(order), {"Sheet": 9, "Rivet": 36})

    def test_net_a_person_who_closes_a_strict_order_is_asked_nothing(self):
        self.machine.reject_booking = "net"
        self.bom.consumption = "strict"
        order = self.make_order(1000)
        self.load(order, 1000)
        self.told(self.count(96, seconds=1060), self.rejects(4, 1070))

        order.with_context(skip_backorder=True).button_mark_done()

        self.assertEqual((order.state, self.used(order)), ("done", {"Sheet": 100, "Rivet": 400}))

    def test_net_rejects_that_are_known_late_take_their_components(self):
        self.machine.write({"reject_booking": "net", "late_booking": "correct"})
        self.told(self.count(96), self.rejects(4))
        self.close(self.order)

        self.told(self.rejects(3, 90, before=4))
        self.assertEqual(self.used(), {"Sheet": 103, "Rivet": 412})
        self.told(self.count(2, 91, before=96))

        self.assertEqual((self.used(), self.in_stock(self.product)), ({"Sheet": 105, "Rivet": 420}, 98))

    def test_component_the_components_of_rejects_are_scrapped_by_reason(self):
        self.machine.reject_booking = "component"
        self.told(self.count(96), self.rejects(4), self.scrap(1, "JAM"))
        self.assertEqual((self.order.qty_producing, self.machine.reject), (96, 4))

        self.close(self.order)

        self.assertEqual((self.used(), self.scraps()), ({"Sheet": 96, "Rivet": 384}, {}))
        self.assertEqual(self.scraps(product=self.component_a), {"Jammed": 1, "–": 3})
        self.assertEqual(self.scraps(product=self.component_b), {"Jammed": 4, "–": 12})
        self.assertEqual((self.in_stock(self.product), self.in_stock(self.component_b)), (96, 10_000 - 400))

    def test_component_once_on_beats_and_twice_told(self):
        self.machine.write({"reject_booking": "component", "stock_beat": "pieces", "beat_pieces": 10})
        events = (self.rejects(2), self.scrap(2, "JAM", 71), self.count(10, 72))
        self.told(*events)
        self.assertFalse(self.told(*events))
        self.told(self.rejects(3, 90, before=2), self.scrap(1, "CRACK", 91), self.count(10, 92, before=10))
        self.told(self.rejects(1, 100, before=5), self.count(5, 101, before=10))
        self.close(self.order)
        self.order._decide_scrap()
        self.post_all()

        self.assertEqual(self.scraps(product=self.component_a), {"Jammed": 2, "Cracked": 1, "–": 3})
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 4 * (25 + 6))

    def test_component_a_reason_that_comes_after_the_scrap_is_put_to_it(self):
        self.machine.reject_booking = "component"
        self.told(self.count(96), self.rejects(4))
        self.close(self.order)
        self.assertEqual(self.scraps(product=self.component_b), {"–": 16})

        self.told(self.scrap(3, "JAM", 75))

        self.assertEqual(self.scraps(product=self.component_a), {"Jammed": 3, "–": 1})
        self.assertEqual(self.scraps(product=self.component_b), {"Jammed": 12, "–": 4})
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 400)

    def test_component_scrap_that_is_told_is_not_that_of_rejects(self):
        self.machine.reject_booking = "component"
        self.told(self.count(96), self.rejects(4), self.scrap(7, "JAM", 85, product="Sheet"))
        self.close(self.order)

        self.assertEqual(self.scraps(product=self.component_a), {"Jammed": 7, "–": 4})
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 100 - 7)

    def test_component_rejects_are_not_taken_back_once_their_components_are_scrapped(self):
        self.machine.write({"reject_booking": "component", "stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.rejects(4), self.count(10, 72))
        self.machine._adjust("reject", -1, "It was good enough", at=self.at(90).replace(tzinfo=None))
        self.post_all()

        row = self.env["mrp.machine.event.posting"].search([("reason", "=", "scrapped")])
        self.assertEqual((row.state, self.machine.reject), ("waiting", 4))
        self.assertIn("scrapped already for rejects", row.message)

    def test_the_ways_are_never_mixed_on_one_order(self):
        ways = ["gross", "net", "component", "noted"]
        for number, way in enumerate(ways):
            for other in [other for other in ways if other != way]:
                with self.subTest(way=way, other=other):
                    at = 1000 * (number * 4 + ways.index(other) + 1)
                    order = self.load(self.make_order(1000), at)
                    self.machine.reject_booking = way
                    self.told(self.count(10, at + 60), self.rejects(2, at + 61))
                    self.machine.reject_booking = other
                    self.told(self.count(5, at + 70, before=10), self.rejects(1, at + 71, before=2))
                    self.assertEqual(order.machine_reject_booking, way)
                    self.close(order)
                    pieces = {"gross": 18, "net": 18, "component": 15, "noted": 15}[way]
                    self.assertEqual(self.used(order), {"Sheet": pieces, "Rivet": 4 * pieces})
                    self.assertEqual(
                        [sum(self.scraps(order, product).values()) for product in (self.product, self.component_a)],
                        {"gross": [3, 0], "net": [0, 0], "component": [0, 3], "noted": [0, 0]}[way],
                    )

    def test_the_way_is_fixed_with_the_first_reject_and_not_before(self):
        self.told(self.count(10))
        self.assertFalse(self.order.machine_reject_booking)
        self.machine.reject_booking = "net"
        self.told(self.rejects(2, 90))

        self.assertEqual(self.order.machine_reject_booking, "net")
        self.assertEqual(self.order.qty_producing, 10)


@tagged("post_install", "-at_install")
class TestScrapDays(ScrapCommon):
    """Days of all kinds: what left stock is what the pieces took and what was scrapped, however and whenever it was told."""

    DAYS = 12

    def test_all_that_left_stock_is_accounted_for(self):
        for number in range(self.DAYS):
            with self.subTest(day=number):
                self.run_day(random.Random(number), number)

    def run_day(self, chance, number):
        way = ("gross", "net", "component", "noted")[number % 4]
        own = bool(number // 4 % 2)
        self.machine.write(
            {
                "reject_booking": way,
                "scrap_events": "add" if own else "explain",
                "stock_beat": "pieces" if number % 3 else "close",
                "beat_pieces": chance.randint(3, 12),
            }
        )
        stock = {product: self.in_stock(product) for product in (self.product, self.component_a, self.component_b)}
        start = 10_000 * (number + 1)
        order = self.load(self.make_order(chance.randint(60, 90)), start)
        events, good, bad, bent, told = [], 0, 0, 0, {"JAM": 0, "CRACK": 0}
        for step in range(30):
            at = start + 60 * (step + 1)
            match chance.choice("gggrrsc"):
                case "g":
                    pieces = chance.randint(1, 4)
                    events.append(self.count(pieces, at, before=good))
                    good += pieces
                case "r" if not own:
                    pieces = chance.randint(1, 3)
                    events.append(self.rejects(pieces, at, before=bad))
                    bad += pieces
                case "s" if own or sum(told.values()) < bad:
                    reason = chance.choice(list(told))
                    pieces = chance.randint(1, 2) if own else 1
                    events.append(self.scrap(pieces, reason, at))
                    told[reason] += pieces
                case "c":
                    sheets = chance.randint(1, 3)
                    events.append(self.scrap(sheets, "JAM", at, product="Sheet"))
                    bent += sheets
        bad = sum(told.values()) if own else bad
        late = [event for event in events if event.type == "quality.scrap" and not own and chance.random() < 0.3]
        events = [event for event in events if event not in late]
        chance.shuffle(events)
        while events:
            part, events = events[:7], events[7:]
            self.told(*part)
            if chance.random() < 0.5:
                self.told(*part)
        self.close(order)
        if late:
            self.told(*late)

        took = good + (0 if way == "noted" else bad)
        left = {product: before - self.in_stock(product) for product, before in stock.items()}
        self.assertEqual(left, {self.product: -good, self.component_a: took + bent, self.component_b: 4 * took})
        expected = {"Jammed": told["JAM"], "Cracked": told["CRACK"], "–": bad - sum(told.values())}
        expected = {name: pieces for name, pieces in expected.items() if pieces}
        self.assertEqual(self.scraps(order), expected if way == "gross" else {})
        rivets = {name: 4 * pieces for name, pieces in expected.items()}
        self.assertEqual(self.scraps(order, self.component_b), rivets if way == "component" else {})
        self.assertFalse(
            self.env["mrp.machine.event.posting"].search([("state", "in", ("waiting", "held", "failed", "received"))])
        )
        self.assertEqual(unproven(self.env, self.machine), [])
