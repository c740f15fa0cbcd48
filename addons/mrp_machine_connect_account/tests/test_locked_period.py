"""Journal entries carry the machine's day; where that is locked, the company's setting decides."""

from datetime import date, timedelta

from odoo import fields
from odoo.addons.mrp_machine_connect.tests.common import T0
from odoo.tests import Form, tagged

from .common import MachineAccountCommon

#: The day of the tests' machine, long past.
DAY = date(2026, 3, 2)


@tagged("post_install", "-at_install")
class TestLockedPeriod(MachineAccountCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for product in (cls.product, cls.component_a, cls.component_b):
            product.categ_id = cls.categories["average", "real_time"]
        cls.component_a.standard_price, cls.component_b.standard_price = 1.0, 0.25
        cls.known_before(cls.product | cls.component_a | cls.component_b)
        cls.machine.write({"stock_beat": "pieces", "beat_pieces": 200})
        cls.order = cls.make_order(1000)
        cls.workorder = cls.order.workorder_ids
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.order, cls.workorder, T0.replace(tzinfo=None))

    def beat(self, pieces=200, seconds=600, **values):
        """Let the machine count pieces and goods enter stock; return the events of the beat."""
        self.receive(self.machine, self.count(pieces, seconds=seconds, **values))
        self.post(self.machine)
        self.post(self.machine)
        return self.env["mrp.machine.event"].search(
            [("type", "=", "production.stock_due"), ("machine_id", "=", self.machine.id)]
        )

    def entries(self, order=None):
        moves = (order or self.order).move_raw_ids | (order or self.order).move_finished_ids
        return moves.account_move_id

    def test_entries_have_the_day_of_the_machine(self):
        events = self.beat()

        self.assertEqual(self.states(events, "stock_beat"), ["posted"])
        self.assertEqual(set(self.entries().mapped("date")), {DAY})
        self.assertEqual(set(self.entries().mapped("state")), {"posted"})
        self.assertEqual(set(self.entries().mapped("machine_moment")), {self.naive(600)})
        # 200 sheets of 1.00, 800 rivets of 0.25, and 200 pieces of 2.00.
        self.assertEqual(sorted(self.entries().mapped("amount_total_signed")), [400, 400])

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def test_the_day_is_the_one_where_the_company_is(self):
        self.company.partner_id.tz = "Pacific/Auckland"  # 13 hours ahead: 19:00 UTC is the next morning

        self.beat(seconds=13 * 3600)

        self.assertEqual(set(self.entries().mapped("date")), {DAY + timedelta(days=1)})

    def test_labour_is_booked_once_on_the_day_of_the_machine(self):
        self.machine.order_finish = "quantity"
        self.work(self.order, 0, 60)
        self.beat()
        self.work(self.order, 60, 100)
        self.beat(800, seconds=7200, before=200)
        self.post(self.machine)
        self.assertEqual(self.order.state, "done")

        lines = self.env["account.move.line"].search([("account_id", "=", self.production_account.id)])
        labour = lines.move_id.filtered(lambda move: "Labour" in (move.ref or ""))
        self.assertEqual(labour.mapped("date"), [DAY])
        self.assertEqual(labour.amount_total_signed, 100)
        # All that went into production came out of it again.
        self.assertAlmostEqual(sum(lines.mapped("balance")), 0)
        self.order._post_labour()
        self.assertEqual(self.order.workorder_ids.labour_booked, 100)
        again = self.env["account.move.line"].search([("account_id", "=", self.production_account.id)])
        self.assertEqual(again, lines)

    def test_a_locked_period_waits_with_order_day_and_lock(self):
        self.company.fiscalyear_lock_date = date(2026, 3, 31)

        events = self.beat()

        [row] = self.rows(events, "stock_beat")
        self.assertEqual((row.state, row.reason), ("waiting", "locked_period"))
        for words in (self.order.name, "03/02/2026", "03/31/2026", self.company.name):
            self.assertIn(words, row.message)
        self.assertIn("accountant", row.remedy)
        self.assertFalse(self.entries())
        self.assertEqual(self.order.qty_produced, 0)
        self.assertEqual(self.order.qty_producing, 200, "what was counted stands on the order")

    def test_what_waited_is_posted_when_the_period_is_opened(self):
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        events = self.beat()

        self.company.fiscalyear_lock_date = date(2026, 2, 28)
        self.post(self.machine)

        self.assertEqual(self.states(events, "stock_beat"), ["posted"])
        self.assertEqual(set(self.entries().mapped("date")), {DAY})

    def test_what_waited_is_posted_when_the_setting_changes(self):
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        events = self.beat()

        with Form(self.env["res.config.settings"]) as settings:
            settings.machine_locked_period = "next_open"
        settings.record.execute()
        self.post(self.machine)

        self.assertEqual(self.states(events, "stock_beat"), ["posted"])

    def test_the_first_open_day_takes_the_entries_and_moves_keep_the_machines_time(self):
        self.company.machine_locked_period = "next_open"
        self.company.fiscalyear_lock_date = date(2026, 3, 31)

        events = self.beat()

        [row] = self.rows(events, "stock_beat")
        self.assertEqual(row.state, "posted")
        self.assertEqual(set(self.entries().mapped("date")), {date(2026, 4, 1)})
        self.assertEqual(set(self.entries().mapped("machine_moment")), {self.naive(600)})
        done = (self.order.move_raw_ids | self.order.move_finished_ids).filtered(lambda move: move.state == "done")
        self.assertEqual(set(done.mapped("date")), {self.naive(600)})
        self.assertIn(
            "Journal entries are dated 04/01/2026: the books are locked up to 03/31/2026.", row.posting_id.explanation
        )

    def test_an_open_period_leaves_no_word(self):
        self.company.machine_locked_period = "next_open"

        events = self.beat()

        self.assertNotIn("Journal", self.rows(events, "stock_beat").posting_id.explanation)

    def test_the_hard_lock_counts_too_and_the_later_of_both_decides(self):
        self.company.machine_locked_period = "next_open"
        self.company.hard_lock_date = date(2026, 4, 30)
        self.company.fiscalyear_lock_date = date(2026, 3, 31)

        self.beat()

        self.assertEqual(set(self.entries().mapped("date")), {date(2026, 5, 1)})

    def test_where_no_day_is_open_yet_it_waits_in_both_cases(self):
        self.company.machine_locked_period = "next_open"
        # By SQL: the bank statements of Odoo's demonstration, which nobody reconciled, forbid such a lock.
        self.env.cr.execute(
            "UPDATE res_company SET fiscalyear_lock_date = %s WHERE id = %s",
            [fields.Date.today() + timedelta(days=1), self.company.id],
        )
        self.env.invalidate_all()

        events = self.beat()

        self.assertEqual(self.rows(events, "stock_beat").reason, "locked_period")

    def test_a_locked_period_waits_with_periodic_valuation_too(self):
        for product in (self.product, self.component_a, self.component_b):
            self.use("average", products=product)
        self.company.fiscalyear_lock_date = date(2026, 3, 31)

        events = self.beat()

        self.assertEqual(self.rows(events, "stock_beat").reason, "locked_period")
        self.assertEqual(self.order.qty_produced, 0)

    def test_an_exception_for_all_opens_the_period(self):
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        self.env["account.lock_exception"].create(
            {
                "company_id": self.company.id,
                "user_id": False,
                "fiscalyear_lock_date": False,
                "end_datetime": fields.Datetime.now() + timedelta(days=1),
                "reason": "Late machines",
            }
        )

        events = self.beat()

        self.assertEqual(self.states(events, "stock_beat"), ["posted"])
        self.assertEqual(set(self.entries().mapped("date")), {DAY})

    def test_a_person_who_closes_an_order_meets_accountings_own_answer(self):
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        order = self.make_order(100)
        self.work(order, 0, 30)

        self.close(order, 100)

        self.assertEqual({move.date for move in self.entries(order)}, {fields.Date.today()})
        self.assertFalse(any(self.entries(order).mapped("machine_moment")))

    def test_late_pieces_of_a_closed_order_are_booked_by_an_entry_of_their_own(self):
        self.machine.late_booking = "correct"
        self.machine.order_finish = "quantity"
        self.beat(1000, seconds=3600)
        self.post(self.machine)
        self.assertEqual(self.order.state, "done")
        before = self.entries()

        late = self.receive(self.machine, self.count(10, seconds=3000, before=5000))
        self.post(self.machine)

        self.assertEqual(self.states(late), ["posted"])
        self.assertEqual(self.made(self.order).mapped("value"), [2020])
        corrected = self.env["account.move"].search([("ref", "like", "Value Corrected"), ("id", "not in", before.ids)])
        self.assertEqual(set(corrected.mapped("date")), {DAY})
        # 10 sheets of 1.00, 40 rivets of 0.25, and 10 pieces of 2.00.
        self.assertEqual(sum(corrected.mapped("amount_total_signed")), 10 + 10 + 20)
        lines = (before | corrected).line_ids.filtered(lambda line: line.account_id == self.production_account)
        self.assertAlmostEqual(sum(lines.mapped("balance")), 0)

    def test_a_state_that_lasts_at_the_close_is_labour_up_to_it(self):
        self.machine.order_finish = "quantity"
        self.receive(self.machine, self.state("running", 0))
        self.post(self.machine)
        self.beat(1000, seconds=3600)
        self.post(self.machine)

        self.assertEqual(self.order.state, "done")
        # 60 minutes of one hour at 60.
        self.assertEqual(self.order.workorder_ids.labour_taken, 60)
        self.assertEqual(sum(self.made(self.order).mapped("value")), 2060)

    def test_time_that_comes_after_the_close_is_put_right_in_value_and_entries(self):
        self.machine.order_finish = "quantity"
        self.receive(self.machine, self.state("running", 0))
        self.post(self.machine)
        self.beat(1000, seconds=3600)
        self.post(self.machine)
        self.assertEqual(self.product.total_value, 2060)

        # It turns out that the machine stood for the second half.
        self.receive(self.machine, self.state("stopped", 1800))
        self.post(self.machine)

        self.assertEqual(self.product.total_value, 2030)
        self.assertEqual(self.order.workorder_ids.labour_taken, 30)
        self.assertEqual(self.order.workorder_ids.labour_booked, 30)
        lines = self.env["account.move.line"].search([("account_id", "=", self.production_account.id)])
        self.assertAlmostEqual(sum(lines.mapped("balance")), 0)
        self.assertEqual(set(lines.mapped("date")), {DAY})

    def test_late_pieces_of_a_locked_period_wait(self):
        self.machine.late_booking = "correct"
        self.machine.order_finish = "quantity"
        self.beat(1000, seconds=3600)
        self.post(self.machine)
        self.company.fiscalyear_lock_date = date(2026, 3, 31)

        late = self.receive(self.machine, self.count(10, seconds=3000, before=5000))
        self.post(self.machine)

        self.assertEqual(self.rows(late).reason, "locked_period")
        self.assertEqual(self.made(self.order).mapped("quantity"), [1000])

    def test_counts_alone_are_no_matter_of_the_books(self):
        self.machine.stock_beat = "close"
        self.company.fiscalyear_lock_date = date(2026, 3, 31)
        events = self.receive(self.machine, self.count(200))
        self.post(self.machine)

        self.assertEqual(self.states(events), ["posted"])
