"""What machines used reaches the value of what was made with it, once, where the company wants it."""

from odoo.tests import tagged

from .common import MachineAccountCommon


@tagged("post_install", "-at_install")
class TestEnergyCost(MachineAccountCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.machine_energy_cost = True
        cls.prices = cls.env["mrp.machine.energy.price"].create(
            [
                {"carrier": "electricity", "unit": "KWH", "price": 0.25},
                {"carrier": "Gas", "unit": "MTQ", "price": 2.0},
            ]
        )

    def used(self, begin, end, kwh, **data):
        """Tell of energy from one minute of the day to another."""
        said = {"start": self.at(60 * begin).isoformat(), "end": self.at(60 * end).isoformat(), "kwh": kwh, **data}
        event = self.receive(self.machine, self.event("energy.interval", 60 * end, said))
        self.env["mrp.machine.poster"]._post_machine(self.machine, only=event.ids)
        self.assertEqual(self.states(event, "energy"), ["posted"])
        return event

    def order_on_the_press(self, quantity=1000):
        order = self.new_order(quantity)
        self.env["mrp.machine.loading"]._load(self.machine, order, order.workorder_ids, self.zero)
        return order

    # 200 brackets are components of 400; an hour of work is 60; a kWh is 0.25.

    def test_each_part_takes_the_energy_since_the_last_one(self):
        self.use("average")
        order = self.order_on_the_press()
        self.work(order, 0, 60)
        self.used(0, 60, 40.0)
        self.put_in_stock(order, 200, minute=60)
        self.used(60, 120, 80.0)
        self.put_in_stock(order, 400, minute=120)
        self.close(order, 600, minute=180)

        self.assertEqual(self.made(order).mapped("value"), [400 + 60 + 10, 400 + 20, 400])

    def test_what_is_told_after_the_close_reaches_the_value_of_the_last_part(self):
        for method in ("average", "fifo"):
            with self.subTest(method=method), self.undone():
                self.use(method, "real_time")
                order = self.order_on_the_press(200)
                self.work(order, 0, 60)
                self.close(order, 200, minute=60)
                self.assertEqual(self.made(order).value, 460)
                self.used(0, 60, 40.0)

                self.assertEqual(self.made(order).value, 470)
                self.assertEqual(sum(order.workorder_ids.mapped("labour_taken")), 70)

    def test_carriers_have_prices_of_their_own(self):
        self.use("average")
        order = self.order_on_the_press(200)
        self.used(0, 60, None, quantity=3.0, unit="MTQ", carrier="gas")
        self.used(0, 60, 40.0)
        self.close(order, 200, minute=60)

        self.assertEqual(self.made(order).value, 400 + 6 + 10)

    def test_a_price_for_another_unit_of_the_same_kind_is_converted(self):
        self.prices[1].write({"carrier": "air", "unit": "LTR", "price": 0.002})
        self.use("average")
        order = self.order_on_the_press(200)
        self.used(0, 60, None, quantity=3.0, unit="MTQ", carrier="air")
        self.close(order, 200, minute=60)

        # 3,000 litres.
        self.assertEqual(self.made(order).value, 400 + 6)

    def test_the_price_is_that_of_its_day(self):
        self.prices.create({"carrier": "electricity", "unit": "KWH", "price": 9.0, "date_from": "2026-03-03"})
        self.prices.create({"carrier": "electricity", "unit": "KWH", "price": 0.5, "date_from": "2026-03-02"})
        order = self.order_on_the_press(200)
        self.used(0, 60, 10.0)

        self.assertEqual(self.env["mrp.machine.energy"].search([("production_id", "=", order.id)]).cost, 5.0)

    def test_a_company_that_does_not_want_it_has_no_cost_of_it(self):
        self.company.machine_energy_cost = False
        self.use("average")
        order = self.order_on_the_press(200)
        self.used(0, 60, 40.0)
        self.close(order, 200, minute=60)

        self.assertEqual(self.made(order).value, 400)

    def test_the_energy_of_no_order_is_in_no_value(self):
        self.use("average")
        order = self.order_on_the_press(200)
        self.used(-60, 60, 40.0)
        self.close(order, 200, minute=60)

        self.assertEqual(self.made(order).value, 400 + 5)
