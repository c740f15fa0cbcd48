from decimal import ROUND_HALF_UP, Decimal

from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from .common import T0, MachineConnectCommon
from .test_mrp_machine_reject import RejectCommon


@tagged("post_install", "-at_install")
class TestCountingRole(MachineConnectCommon):
    """A count is booked by the role that fed the order when it was received, whatever feeds it by the time it is posted."""

    def load(self):
        order = self.make_order(100)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, order.workorder_ids, self.at(0).replace(tzinfo=None)
        )
        return order

    def test_pieces_that_wait_for_an_order_are_booked_after_the_role_changed(self):
        events = self.receive(self.idle_machine, self.count(30))
        self.post()
        self.assertEqual(self.rows(events).reason, "no_order")
        self.idle_machine.counting_role = "cycle"
        order = self.load()

        self.rows(events).action_retry()
        self.post()

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual((order.qty_producing, self.rows(events).posting_id.quantity), (30, 30))

    def test_pieces_still_queued_are_booked_by_the_role_they_were_received_under(self):
        order = self.load()
        self.receive(self.idle_machine, self.count(30), *[self.cycle(70 + second) for second in range(30)])
        self.idle_machine.counting_role = "cycle"
        self.receive(self.idle_machine, self.count(5, seconds=200), self.cycle(200), self.cycle(201))

        self.post()

        self.assertEqual(order.qty_producing, 32, "thirty by the good counter, then two by cycles")

    def test_the_role_can_change_there_and_back(self):
        order = self.load()
        for role, first in (("good", 0), ("cycle", 100), ("good", 200)):
            self.idle_machine.counting_role = role
            self.receive(self.idle_machine, self.count(10, seconds=first + 1, before=first), self.cycle(first + 2))

        self.post()

        self.assertEqual(order.qty_producing, 21)

    def test_a_copy_of_the_machine_starts_without_that_history(self):
        self.receive(self.idle_machine, self.count(30))
        self.idle_machine.counting_role = "cycle"

        self.assertTrue(self.idle_machine.former_roles)
        self.assertFalse(self.idle_machine.copy().former_roles)


@tagged("post_install", "-at_install")
class TestSeveralMachines(RejectCommon):
    """Machines of one work center add up, or one of them counts for all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = cls.make_machine("t-second", workcenter=cls.workcenter)
        cls.env["mrp.machine.loading"]._load(cls.second, cls.order, cls.workorder, T0.replace(tzinfo=None))

    def test_they_add_up(self):
        self.told(self.count(5), self.count(1, kind="reject"))
        self.told(self.count(7), self.count(2, kind="reject"), machine=self.second)

        self.assertEqual(self.order.qty_producing, 15)
        self.close(self.order)
        self.assertEqual(self.moved(self.order), {"Sheet": 15, "Rivet": 60, "Bracket": 15, "Scrapped": 3})
        self.assertEqual(len(self.order.scrap_ids), 1, "one scrap, whoever counted the rejects")

    def test_one_counts_for_all_and_the_others_are_compared(self):
        self.workcenter.write({"machine_counting": "one", "counting_machine_id": self.second.id})
        first = self.told(self.count(9), self.count(1, kind="reject"), self.count(10, kind="total"))
        self.told(self.count(7), self.count(2, kind="reject"), machine=self.second)

        self.assertEqual((self.order.qty_producing, self.second.good, self.second.reject), (9, 7, 2))
        self.assertEqual(set(self.rows(first).posting_id.mapped("kind")), {"compared"})
        self.assertEqual(
            (self.machine._feeds(), self.second._feeds(), self.workcenter.is_machine_fed), (False, True, True)
        )
        mine = self.ledger().filtered(lambda row: row.machine_id == self.machine)
        self.assertEqual((mine.good, mine.reject, mine.posted, mine.rejected), (9, 1, 0, 0))

    def test_what_a_person_adds_on_another_machine_counts_all_the_same(self):
        self.workcenter.write({"machine_counting": "one", "counting_machine_id": self.second.id})

        self.machine._adjust("good", 3, "Made by hand", at=self.at(90).replace(tzinfo=None))
        self.post_all()

        self.assertEqual(self.order.qty_producing, 3)

    def test_which_one_must_be_said_and_it_must_stand_there(self):
        with self.assertRaisesRegex(ValidationError, "Choose which"):
            self.workcenter.machine_counting = "one"
        with self.assertRaisesRegex(ValidationError, "Choose which"):
            self.workcenter.write({"machine_counting": "one", "counting_machine_id": self.idle_machine.id})
        self.workcenter.write({"machine_counting": "one", "counting_machine_id": self.second.id})
        with self.assertRaisesRegex(ValidationError, "Choose which"):
            self.second.workcenter_id = self.idle_machine.workcenter_id
        with self.assertRaisesRegex(ValidationError, "Choose which"):
            self.second.active = False

    def test_a_cycle_makes_more_than_nothing(self):
        for cavities in (0, -1, float("inf")):
            with self.subTest(cavities), self.assertRaises(ValidationError):
                self.machine.cavities = cavities


@tagged("post_install", "-at_install")
class TestUnits(RejectCommon):
    """Counts are folded in the machine's unit and converted as a total."""

    def order_in(self, unit, quantity=1000):
        product = self.env["product.product"].create({"name": "Rod", "is_storable": True, "uom_id": self.unit(unit).id})
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "product_uom_id": product.uom_id.id,
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 1})],
            }
        )
        order = self.make_order(quantity, bom=bom)
        self.env["mrp.machine.loading"]._load(
            self.idle_machine, order, self.env["mrp.workorder"], self.at(0).replace(tzinfo=None)
        )
        return order

    def unit(self, name):
        return self.env.ref(f"uom.product_uom_{name}")

    def test_trap_15_twelve_pieces_one_by_one_are_one_dozen(self):
        order = self.order_in("dozen")
        for number in range(12):
            self.told(self.count(1, seconds=60 + number, before=number), machine=self.idle_machine)

        self.assertEqual(order.qty_producing, 1)

    def test_trap_15_ten_thousand_fractions_are_exact(self):
        order = self.order_in("kgm", quantity=10_000)
        grams = [Decimal(number % 97 + 1) / Decimal(8) for number in range(10_000)]
        truth = sum(grams) / 1000
        for start in range(0, 10_000, 500):
            events = [
                self.count(float(amount), seconds=60 + start + place, before=start + place, unit="GRM")
                for place, amount in enumerate(grams[start : start + 500])
            ]
            self.receive(self.idle_machine, *events)
            # As autovacuum does meanwhile, where not all is one transaction.
            self.env.cr.execute("ANALYZE mrp_machine_queue, mrp_machine_event, mrp_machine_event_posting")
            self.post(self.idle_machine)

        self.assertEqual(Decimal(str(self.ledger(order).posted)), sum(grams))
        self.assertEqual(Decimal(str(order.qty_producing)), truth.quantize(Decimal("0.01"), ROUND_HALF_UP))
        self.assertEqual(self.ledger(order).uom_id, self.unit("gram"))
        self.assertEqual(self.ledger(order).by_hand, 0)

    def test_trap_15_what_has_nothing_to_do_with_the_order_is_refused(self):
        order = self.order_in("kgm")
        pieces = self.told(self.count(5, seconds=60), machine=self.idle_machine)
        metres = self.told(self.count(5, seconds=61, unit="MTR"), machine=self.idle_machine)
        unknown = self.told(self.count(5, seconds=62, unit="XYZ"), machine=self.idle_machine)

        for events in (pieces, metres, unknown):
            self.assertEqual((self.states(events), self.rows(events).reason), (["waiting"], "unit"))
        self.assertIn("pieces cannot be converted", self.rows(pieces).message)
        self.assertIn("the machine counts in m, which", self.rows(metres).message)
        self.assertIn("a unit whose code Odoo does not know", self.rows(unknown).message)
        self.assertEqual((order.qty_producing, order.state), (0, "confirmed"))

    def test_a_correction_is_in_the_machines_unit(self):
        order = self.order_in("kgm")
        self.told(self.count(2500, unit="GRM"), machine=self.idle_machine)

        self.idle_machine._adjust("good", -500, "Wrong scale", at=self.at(90).replace(tzinfo=None))
        self.post_all()

        self.assertEqual(order.qty_producing, 2)

    def test_rejects_are_scrapped_in_the_orders_unit(self):
        order = self.order_in("kgm")
        self.told(self.count(2500, unit="GRM"), self.count(250, kind="reject", unit="GRM"), machine=self.idle_machine)
        self.assertEqual(order.qty_producing, 2.75)

        self.close(order)

        self.assertEqual(self.moved(order), {"Rod": 2.75, "Sheet": 2.75, "Scrapped": 0.25})
        self.assertEqual(order.scrap_ids.product_uom_id, self.unit("kgm"))

    def test_two_machines_that_count_in_different_units_add_up(self):
        order = self.order_in("kgm")
        self.env["mrp.machine.loading"]._load(
            self.machine, order, self.env["mrp.workorder"], self.at(30).replace(tzinfo=None)
        )
        self.told(self.count(2500, unit="GRM"), machine=self.idle_machine)
        self.told(self.count(2, unit="KGM"))

        self.assertEqual(order.qty_producing, 4.5)

    def test_a_kit_is_refused_in_one_sentence(self):
        self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "type": "phantom",
                "sequence": 0,
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 1})],
            }
        )
        events = self.told(self.count(5))

        self.assertEqual((self.states(events), self.rows(events).reason), (["waiting"], "kit"))
        self.assertIn("Bracket is a kit", self.rows(events).message)
        self.assertEqual(self.order.qty_producing, 0)
