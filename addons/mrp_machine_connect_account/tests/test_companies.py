"""Two companies, each with its own books, prices and locks."""

from datetime import date

from odoo.addons.mrp_machine_connect.tests.common import T0
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import MachineAccountCommon


@tagged("post_install", "-at_install")
class TestCompanies(MachineAccountCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})
        cls.env["account.chart.template"]._load("generic_coa", cls.elsewhere, install_demo=False)
        cls.env.user.company_ids += cls.elsewhere

    def press_of(self, company):
        """Return ``(press, order)`` of a company: 400 of the same bracket, at twice the price where it is elsewhere."""
        here = self.env(context={**self.env.context, "allowed_company_ids": company.ids})
        factor = 2 if company == self.elsewhere else 1
        self.product.with_env(here).categ_id.property_cost_method = "average"
        self.product.with_env(here).categ_id.property_valuation = "real_time"
        self.component_a.with_env(here).standard_price = 1.0 * factor
        self.component_b.with_env(here).standard_price = 0.25 * factor
        self.known_before(self.product | self.component_a | self.component_b)
        workcenter = here["mrp.workcenter"].create(
            {"name": company.name, "resource_calendar_id": False, "costs_hour": 60.0, "company_id": company.id,
             "time_start": 0, "time_stop": 0}
        )  # fmt: skip
        stock = here["stock.warehouse"].search([("company_id", "=", company.id)], limit=1).lot_stock_id
        for component in (self.component_a, self.component_b):
            here["stock.quant"]._update_available_quantity(component.with_env(here), stock, 10_000)
        account = here["account.account"].create(
            {"name": "In production", "code": f"MC{company.id:04}", "account_type": "asset_current"}
        )
        self.product.with_env(here).with_company(company).property_stock_production.valuation_account_id = account
        bom = here["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "company_id": company.id,
                "operation_ids": [Command.create({"name": "Press", "workcenter_id": workcenter.id})],
                "bom_line_ids": [
                    Command.create({"product_id": self.component_a.id, "product_qty": 1.0}),
                    Command.create({"product_id": self.component_b.id, "product_qty": 4.0}),
                ],
            }
        )
        machine = here["mrp.machine"].create(
            {
                "name": company.name,
                "code": f"press-{company.id}",
                "workcenter_id": workcenter.id,
                "company_id": company.id,
                "late_window": 0,
                "stock_beat": "pieces",
                "beat_pieces": 200,
            }
        )
        order = here["mrp.production"].create(
            {
                "product_id": self.product.id,
                "bom_id": bom.id,
                "product_qty": 1000,
                "company_id": company.id,
                "date_start": T0.replace(tzinfo=None),
            }
        )
        order.action_confirm()
        here["mrp.machine.loading"]._load(machine, order, order.workorder_ids, T0.replace(tzinfo=None))
        return machine.with_env(self.env), order.with_env(self.env)

    def run_two_beats(self, machine, order):
        """Make 200 pieces twice, with an hour of labour before each; return the rows of the beats."""
        for part in (1, 2):
            self.work(order, 60 * part - 60, 60 * part)
            self.receive(machine, self.count(200, seconds=3600 * part, before=200 * part))
            self.post(machine)
            self.post(machine)
        events = self.env["mrp.machine.event"].search(
            [("type", "=", "production.stock_due"), ("machine_id", "=", machine.id)]
        )
        return self.rows(events, "stock_beat")

    def test_each_company_has_its_own_prices_labour_and_entries(self):
        self.use("average", "real_time")
        for company, part in ((self.company, 400 + 60), (self.elsewhere, 800 + 60)):
            with self.subTest(company=company.name):
                machine, order = self.press_of(company)

                rows = self.run_two_beats(machine, order)

                self.assertEqual(rows.mapped("state"), ["posted", "posted"], rows.mapped("message"))
                self.assertEqual(self.made(order).mapped("value"), [part, part])
                self.assertEqual(self.product.with_company(company).total_value, 2 * part)
                entries = (order.move_finished_ids).account_move_id
                self.assertEqual(entries.company_id, company)
                self.assertEqual(set(entries.mapped("date")), {date(2026, 3, 2)})

    def test_a_lock_of_one_company_is_no_others(self):
        self.use("average", "real_time")
        here, elsewhere = self.press_of(self.company), self.press_of(self.elsewhere)
        self.elsewhere.fiscalyear_lock_date = date(2026, 3, 31)

        self.assertEqual(self.run_two_beats(*here).mapped("state"), ["posted", "posted"])
        rows = self.run_two_beats(*elsewhere)
        self.assertEqual(set(rows.mapped("reason")), {"locked_period"})

        self.company.fiscalyear_lock_date = date(2026, 3, 1)
        self.assertEqual(set(rows.mapped("state")), {"waiting"}, "opening here opens nothing there")
        self.elsewhere.machine_locked_period = "next_open"
        self.post(elsewhere[0])
        self.assertEqual(set(rows.mapped("state")), {"posted"})

    def test_who_may_see_labour_and_who_may_set_what_becomes_of_locked_periods(self):
        operator = self.env["res.users"].create(
            {
                "name": "Operator",
                "login": "account-operator",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_operator").id])],
            }
        )
        order = self.new_order()
        self.assertEqual(order.workorder_ids.with_user(operator).labour_taken, 0)
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            self.company.with_user(operator).machine_locked_period = "next_open"
