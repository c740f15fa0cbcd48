import random

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tests.common import BaseCase

from ..models.mrp_production_scrap_component import _at_places
from .test_mrp_machine_material import MaterialCommon


@tagged("post_install", "-at_install")
class TestRejectComponents(MaterialCommon):
    """Rejects of which the components are scrapped took the lots that were used when they were made; a bracket has two."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"consumption_way": "signal", "reject_booking": "component"})

    def took(self, lot, pieces, seconds):
        return self.used(2 * pieces, seconds, product="COIL", lot=lot)

    def rejects(self, count, seconds, before=0):
        return self.count(count, seconds=seconds, kind="reject", before=before)

    def scrapped(self):
        found = {}
        for scrap in self.order.scrap_ids.filtered(lambda scrap: scrap.product_id == self.coil):
            self.assertEqual(scrap.state, "done")
            found[scrap.lot_id.name] = found.get(scrap.lot_id.name, 0.0) + scrap.scrap_qty
        return found

    def test_of_the_lot_that_was_used_when_they_fell(self):
        self.told(
            self.took("C1", 30, 1050),
            self.count_from(0, 20, 1060),
            self.rejects(5, 1061),
            self.count_from(20, 5, 1062),
            self.took("C2", 30, 1070),
            self.count_from(25, 20, 1080),
            self.rejects(2, 1081, before=5),
            self.count_from(45, 8, 1082),
        )
        self.close(self.order)

        self.assertEqual(self.scrapped(), {"C1": 10, "C2": 4})
        self.assertEqual(self.lots_used(), {"C1": 50, "C2": 56})
        self.assertEqual((self.left("C1"), self.left("C2")), (440, 440))
        self.assertEqual(self.exceptions(), [])

    def test_on_a_beat_what_enters_stock_is_not_of_what_they_took(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.took("C1", 10, 1050), self.count_from(0, 6, 1060), self.rejects(4, 1061))
        self.told(self.took("C2", 10, 1070), self.count_from(6, 10, 1080))
        made = self.order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids.sorted("id")
        self.close(self.order)

        self.assertEqual(self.scrapped(), {"C1": 8})
        self.assertEqual(self.lots_used(), {"C1": 12, "C2": 20})
        self.assertEqual(made[0].consume_line_ids.filtered("lot_id").lot_id.mapped("name"), ["C1", "C2"])

    def test_scrap_that_no_counter_has_as_well(self):
        self.machine.scrap_events = "add"
        self.told(
            self.took("C1", 10, 1050),
            self.count_from(0, 7, 1060),
            self.event("quality.scrap", 1061, {"qty": 3}),
            self.took("C2", 10, 1070),
            self.count_from(7, 8, 1080),
            self.event("quality.scrap", 1081, {"qty": 2}),
        )
        self.close(self.order)

        self.assertEqual(self.scrapped(), {"C1": 6, "C2": 4})
        self.assertEqual(self.lots_used(), {"C1": 14, "C2": 16})

    def test_no_more_leaves_of_a_lot_than_was_used_though_rejects_are_known_late(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.took("C1", 10, 1050), self.count_from(0, 10, 1065), self.took("C2", 12, 1070))
        self.assertEqual(self.lots_used(), {"C1": 20})
        self.told(self.rejects(2, 1060), self.count_from(10, 10, 1080))
        self.close(self.order)

        left = {name: 500 - self.left(name) for name in ("C1", "C2")}
        self.assertEqual(left, {"C1": 20, "C2": 24})

    def test_each_step_of_one_machine_is_a_row_of_its_own(self):
        bom = self.coil_bom.copy()
        bom.operation_ids = [
            Command.create({"name": name, "workcenter_id": self.machine.workcenter_id.id})
            for name in ("Press", "Check")
        ]
        order = self.make_order(100, bom=bom)
        for number, step in enumerate(order.workorder_ids):
            start = 2000 + 1000 * number
            self.env["mrp.machine.loading"]._load(self.machine, order, step, self.T(start))
            self.told(self.count_from(10 * number, 10, start + 60))
        self.told(self.rejects(4, 3070))

        for step in order.workorder_ids:
            self.assertEqual(order._rejects_in_order(step), [(14.0, 4.0)])

    def test_those_that_a_person_adds_are_of_what_was_used_last(self):
        self.told(self.took("C1", 10, 1050), self.count_from(0, 10, 1060), self.took("C2", 10, 1070))
        self.told(self.count_from(10, 7, 1080))
        self.machine._adjust("reject", 3, "Found in the box", at=self.T(1090))
        self.post_all()
        self.close(self.order)

        self.assertEqual(self.scrapped(), {"C2": 6})
        self.assertEqual(self.lots_used(), {"C1": 20, "C2": 14})


@tagged("post_install", "-at_install")
class TestAtPlaces(BaseCase):
    """What lies at places of something taken in a row, whatever the places."""

    def test_nothing_is_taken_twice_and_all_that_is_there_is_found(self):
        chance = random.Random(7)
        for number in range(500):
            taken = {name: float(chance.randint(1, 9)) for name in "ABCD"[: chance.randint(0, 4)]}
            places = [
                (float(chance.randint(0, 40)), float(chance.randint(0, 5))) for _place in range(chance.randint(0, 6))
            ]
            with self.subTest(number=number, taken=taken, places=places):
                found = _at_places(taken, places)
                self.assertLessEqual(found.keys(), taken.keys())
                self.assertTrue(all(0 < found[key] <= taken[key] for key in found))
                wanted = sum(quantity for _until, quantity in places)
                self.assertAlmostEqual(sum(found.values()), min(wanted, sum(taken.values())))

    def test_each_has_what_lies_there(self):
        self.assertEqual(_at_places({"A": 3.0, "B": 6.0}, [(3.0, 1.0), (8.0, 1.0)]), {"A": 1.0, "B": 1.0})
        self.assertEqual(_at_places({"A": 3.0, "B": 6.0}, [(4.0, 2.0)]), {"A": 1.0, "B": 1.0})
        self.assertEqual(_at_places({"A": 3.0, "B": 6.0}, [(99.0, 2.0), (99.0, 2.0)]), {"B": 4.0})
        self.assertEqual(_at_places({}, [(4.0, 2.0)]), {})
