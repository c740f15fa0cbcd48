"""What machines used, shared out among the orders that ran meanwhile: nothing of it is lost, whatever comes late."""

import random

from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestEnergy(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.make_order(50)

    def used(self, start, end, kwh=12.0, seconds=None, machine=None, **data):
        """Tell of energy used from one second of the day to another, give it its effect at once, and return the event."""
        said = {"start": self.at(start).isoformat(), "end": self.at(end).isoformat(), **data}
        if kwh is not None:
            said["kwh"] = kwh
        machine = machine or self.machine
        event = self.receive(machine, self.event("energy.interval", end if seconds is None else seconds, said))
        self.env["mrp.machine.poster"]._post_machine(machine, only=event.ids)
        return event

    def row(self, event):
        return self.rows(event, "energy")

    def shares(self, machine=None):
        """Return ``{order name, or None: kWh}``."""
        rows = self.env["mrp.machine.energy"].search([("machine_id", "=", (machine or self.machine).id)])
        return {
            order.name or None: sum(lines.mapped("quantity")) for order, lines in rows.grouped("production_id").items()
        }

    def load(self, order, seconds):
        self.env["mrp.machine.loading"]._load(
            self.machine, order, order.workorder_ids, self.at(seconds).replace(tzinfo=None)
        )

    def test_what_one_order_used_is_its_own(self):
        event = self.used(0, 900)

        self.assertEqual(self.row(event).state, "posted", self.row(event).message)
        energy = self.env["mrp.machine.energy"].search([("event_id", "=", event.id)])
        self.assertEqual((energy.production_id, energy.workorder_id), (self.order, self.workorder))
        self.assertEqual((energy.quantity, energy.unit, energy.carrier), (12.0, "KWH", "electricity"))
        self.assertEqual(energy.unit_sign, "kWh", "people read signs, not codes")
        self.assertEqual(self.row(event).posting_id.production_id, self.order)

    def test_a_change_of_order_shares_it_by_time(self):
        self.load(self.other, 600)
        self.used(0, 900)

        # 600 of 900 seconds are two thirds.
        self.assertEqual(self.shares(), {self.order.name: 8.0, self.other.name: 4.0})

    def test_a_time_without_an_order_is_nobody_s(self):
        self.env["mrp.machine.loading"]._unload(self.machine, self.at(300).replace(tzinfo=None))
        self.used(-300, 900)

        self.assertEqual(self.shares(), {None: 9.0, self.order.name: 3.0})

    def test_an_order_that_is_loaded_afterwards_gets_its_share(self):
        self.used(0, 900)
        self.used(900, 1800)
        self.load(self.other, 600)

        self.assertEqual(self.shares(), {self.order.name: 8.0, self.other.name: 16.0})

    def test_gas_and_air_come_in_their_own_units(self):
        gas = self.used(0, 900, kwh=None, quantity=3.5, unit="MTQ", carrier="Gas")
        air = self.used(0, 900, kwh=None, quantity=40, unit="MTQ", carrier="compressed air")

        rows = self.env["mrp.machine.energy"].search([("event_id", "in", (gas | air).ids)])
        self.assertEqual(
            sorted((row.carrier, row.quantity, row.unit) for row in rows),
            [("compressed air", 40.0, "MTQ"), ("gas", 3.5, "MTQ")],
        )

    def test_a_machine_that_is_observed_uses_energy_all_the_same(self):
        self.machine.posting_mode = "observe"
        self.assertEqual(self.row(self.used(0, 900)).state, "posted")

    def test_what_cannot_be_is_held(self):
        for reason, data in {
            "energy_time": {"start": 900, "end": 900},
            "energy_amount": {"start": 0, "end": 900, "kwh": None},
        }.items():
            with self.subTest(reason=reason):
                row = self.row(self.used(**data))
                self.assertEqual((row.state, row.reason), ("held", reason))
                self.assertTrue(row.message and row.remedy)

    def test_the_same_meter_does_not_tell_twice_of_one_time(self):
        self.used(0, 900)
        row = self.row(self.used(600, 1200))
        self.assertEqual((row.state, row.reason), ("held", "energy_twice"))

        self.assertEqual(self.row(self.used(900, 1200)).state, "posted")
        self.assertEqual(self.row(self.used(600, 1200, signal="second meter")).state, "posted")

    def test_whatever_is_loaded_meanwhile_nothing_is_lost(self):
        """A day of intervals and changes of orders in any order: the sum is what was told, and each share is its time."""
        random.seed(20260302)
        orders = [self.order, self.other, self.make_order(30)]
        steps = [("used", at) for at in range(0, 28_800, 900)]
        changes = sorted(random.sample(range(60, 28_000), 12))
        steps += [("load", at) for at in changes]
        random.shuffle(steps)
        loaded = {}
        for what, at in steps:
            if what == "used":
                self.used(at, at + 900, kwh=9.0)
                continue
            # An order can only be loaded after the ones that were, as people do it.
            if loaded and at < max(loaded):
                continue
            order = random.choice(orders)
            self.load(order, at)
            loaded[at] = order
        spans = sorted({0: self.order, **loaded}.items())
        expected = {}
        for (start, order), (end, _next) in zip(spans, [*spans[1:], (28_800, None)], strict=True):
            expected[order.name] = expected.get(order.name, 0.0) + 9.0 * (end - start) / 900
        shares = self.shares()

        self.assertEqual(shares.keys(), expected.keys())
        for name, quantity in expected.items():
            self.assertAlmostEqual(shares[name], quantity, 4)
        self.assertAlmostEqual(sum(shares.values()), 32 * 9.0, 6)
