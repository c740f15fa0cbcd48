from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .test_mrp_machine_stock_beat import BeatCommon


class ConsumptionCommon(BeatCommon):
    """A press that says how much sheet it used; of rivets it says nothing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"consumption_way": "signal", "consumption_tolerance": 5.0, "stock_beat": "close"})
        cls.component_a.default_code = "SHEET"
        # What is gathered for a minute otherwise.
        cls.env["mrp.machine.sync"].create({"event_type": "material.consumed", "mode": "immediate"})
        cls.supervisor = cls.env["res.users"].create(
            {
                "name": "Sam Supervisor",
                "login": "sam-supervisor",
                "group_ids": [Command.set(cls.env.ref("mrp_machine_connect.group_supervisor").ids)],
            }
        )

    def used(self, quantity, seconds, product="SHEET", **data):
        return self.event(
            "material.consumed", seconds, {"qty": quantity, "product": product, "basis": "actual", **data}
        )

    def raw(self, product, order=None):
        moves = (order or self.order).move_raw_ids
        return moves.filtered(lambda move: move.product_id == product and move.state != "cancel")

    def quantity(self, product, order=None):
        return sum(self.raw(product, order).mapped("quantity"))

    def variances(self, order=None):
        return self.env["mrp.machine.variance"].search([("production_id", "=", (order or self.order).id)], order="id")

    def decide(self, state, reason="Looked at the coil", order=None):
        open_rows = self.variances(order).filtered(lambda row: row.state == "proposed")
        self.assertTrue(open_rows)
        wizard = (
            self.env["mrp.machine.variance.decide"]
            .with_user(self.supervisor)
            .create({"variance_ids": open_rows.ids, "decision": state, "reason": reason})
        )
        wizard.action_decide()
        self.post_all()
        return open_rows

    def exceptions(self):
        rows = self.env["mrp.machine.event.posting"].search([("state", "in", ("waiting", "failed", "held"))])
        return [(row.handler, row.reason, row.message) for row in rows]


@tagged("post_install", "-at_install")
class TestConsumption(ConsumptionCommon):
    """What a machine says that it used is booked, where it is within the tolerance; the rest a person decides."""

    def test_what_was_used_is_on_the_order_and_leaves_stock_with_it(self):
        self.pieces(100, 60)
        told = self.told(self.used(102, 61))

        self.assertEqual(self.states(told, "consumption"), ["posted"])
        self.assertEqual((self.quantity(self.component_a), self.quantity(self.component_b)), (102, 400))
        self.assertFalse(self.variances())

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 102, "Rivet": 400, "Bracket": 100})
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 102)

    def test_it_is_cumulative_and_counts_that_follow_leave_it(self):
        for number in range(1, 6):
            self.pieces(number * 20, number * 60)
            self.told(self.used(20.4, number * 60 + 1))
            self.assertAlmostEqual(self.quantity(self.component_a), number * 20.4, 6)
        self.pieces(101, 400)

        self.assertAlmostEqual(self.quantity(self.component_a), 102, 6)

    def test_twice_delivered_is_once_used(self):
        self.pieces(100, 60)
        event = self.used(101, 61)
        self.told(event)
        self.assertFalse(self.told(event))
        self.close(self.order)

        self.assertEqual(self.moved(self.order)["Sheet"], 101)

    def test_on_a_beat_each_part_takes_what_was_used_since(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.count(100, seconds=60), self.used(103, 60))
        self.assertEqual((self.in_stock(self.product), self.in_stock(self.component_a)), (100, 10_000 - 103))

        self.told(self.count(100, seconds=160, before=100), self.used(98, 160))
        self.assertEqual((self.in_stock(self.product), self.in_stock(self.component_a)), (200, 10_000 - 201))
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 800)
        self.told(self.count(20, seconds=190, before=200), self.used(21, 190))
        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 222, "Rivet": 880, "Bracket": 220})
        dates = {move.quantity: move.date for move in self.raw(self.component_a)}
        self.assertEqual((dates[103], dates[98]), (self.naive(60), self.naive(160)))

    def test_outside_the_tolerance_nothing_is_booked_before_it_is_approved(self):
        self.pieces(100, 60)
        told = self.told(self.used(130, 61))

        row = self.variances()
        self.assertEqual((row.expected, row.actual, row.deviation, row.percent), (100, 130, 30, 30))
        self.assertEqual((row.state, row.machine_id, row.product_id), ("proposed", self.machine, self.component_a))
        self.assertEqual(self.quantity(self.component_a), 100)
        self.assertIn("wait for a supervisor", self.rows(told, "consumption").message)
        self.assertEqual(self.machine.variance_count, 1)

        self.decide("approved", "The first coil was damaged")

        self.assertEqual(
            (row.state, row.decided_by, row.reason), ("approved", self.supervisor, "The first coil was damaged")
        )
        self.assertEqual(self.quantity(self.component_a), 130)
        self.close(self.order)
        self.assertEqual(self.moved(self.order)["Sheet"], 130)

    def test_what_is_refused_is_never_booked_and_what_follows_is(self):
        self.pieces(100, 60)
        self.told(self.used(130, 61))
        self.decide("refused")
        self.assertEqual(self.quantity(self.component_a), 100)

        self.pieces(200, 120)
        self.told(self.used(101, 121))

        self.assertEqual(self.quantity(self.component_a), 201)
        self.assertEqual(self.variances().mapped("state"), ["refused"])
        self.close(self.order)
        self.assertEqual(self.moved(self.order)["Sheet"], 201)

    def test_what_was_approved_is_the_measure_of_what_follows(self):
        self.pieces(100, 60)
        self.told(self.used(130, 61))
        self.decide("approved")
        self.pieces(200, 120)
        self.told(self.used(101, 121))
        self.assertEqual((self.quantity(self.component_a), self.variances().mapped("state")), (231, ["approved"]))

        self.told(self.used(20, 130))

        self.assertEqual(self.variances().mapped("state"), ["approved", "proposed"])
        self.assertEqual(self.variances()[-1:].deviation, 251 - 230)
        self.assertEqual(self.quantity(self.component_a), 230)

    def test_a_difference_that_settles_by_itself_is_withdrawn(self):
        self.told(self.used(50, 10))
        self.assertEqual(self.variances().mapped("actual"), [50])

        self.pieces(50, 60)

        self.assertFalse(self.variances())
        self.assertEqual(self.quantity(self.component_a), 50)

    def test_after_the_close_what_is_approved_changes_what_was_posted_at_its_date(self):
        self.machine.order_finish = "signal"
        self.pieces(100, 60)
        self.told(self.used(130, 61), self.event("production.order_completed", 90, {"order": self.order.name}))
        self.assertEqual((self.order.state, self.moved(self.order)["Sheet"]), ("done", 100))

        self.decide("approved")

        self.assertEqual(self.moved(self.order)["Sheet"], 130)
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 130)
        self.assertEqual(set(self.raw(self.component_a).mapped("date")), {self.naive(90)})
        self.assertEqual(self.exceptions(), [])

    def test_the_close_asks_nothing_about_what_machines_said(self):
        self.order.consumption = "warning"
        self.pieces(1000, 60)
        self.told(self.used(1030, 61))

        self.assertIs(self.order.button_mark_done(), True)

        self.assertEqual((self.order.state, self.moved(self.order)["Sheet"]), ("done", 1030))

    def test_what_a_person_changed_beside_it_is_still_asked_about(self):
        self.order.consumption = "warning"
        self.pieces(1000, 60)
        self.told(self.used(1030, 61))
        self.raw(self.component_b).write({"quantity": 4100, "picked": True, "manual_consumption": True})

        asked = self.order.button_mark_done()

        self.assertEqual(asked["res_model"], "mrp.consumption.warning")
        self.assertEqual(
            asked["context"]["default_mrp_consumption_warning_line_ids"][0][2]["product_id"], self.component_b.id
        )

    def test_what_a_person_entered_instead_of_it_is_asked_about_as_well(self):
        self.order.consumption = "warning"
        self.pieces(1000, 60)
        self.told(self.used(1030, 61))
        self.raw(self.component_a).write({"quantity": 1200})

        asked = self.order.button_mark_done()

        self.assertEqual(asked["res_model"], "mrp.consumption.warning")

    def test_a_strict_bill_of_materials_allows_no_difference_without_approval(self):
        self.order.consumption = "strict"
        self.pieces(100, 60)
        self.told(self.used(101, 61))
        self.assertEqual((self.quantity(self.component_a), self.variances().deviation), (100, 1))

        self.decide("approved")

        self.assertEqual(self.quantity(self.component_a), 101)

    def test_a_flexible_one_allows_any(self):
        self.order.consumption = "flexible"
        self.pieces(100, 60)
        self.told(self.used(180, 61))

        self.assertEqual((self.quantity(self.component_a), self.variances()), (180, self.variances().browse()))

    def test_by_the_bill_of_materials_it_is_only_compared(self):
        self.machine.consumption_way = "bom"
        self.pieces(100, 60)
        self.told(self.used(104, 61))
        self.assertEqual((self.quantity(self.component_a), len(self.variances())), (100, 0))
        self.told(self.used(6, 62))
        self.assertEqual((self.quantity(self.component_a), self.variances().deviation), (100, 10))

        self.decide("approved")
        self.pieces(200, 120)
        self.told(self.used(104, 121))

        self.assertEqual(self.quantity(self.component_a), 210)
        self.close(self.order)
        self.assertEqual(self.moved(self.order), {"Sheet": 210, "Rivet": 800, "Bracket": 200})

    def test_rejects_are_expected_to_have_taken_components(self):
        self.pieces(90, 60)
        self.pieces(10, 61, kind="reject")
        self.told(self.used(100, 62))
        self.close(self.order)

        self.assertFalse(self.variances())
        self.assertEqual(self.moved(self.order), {"Sheet": 100, "Rivet": 400, "Bracket": 100, "Scrapped": 10})

    def test_what_a_person_entered_stays(self):
        self.pieces(100, 60)
        self.told(self.used(101, 61))
        with Form(self.order) as form:
            with form.move_raw_ids.edit(0) as line:
                self.assertEqual(line.product_id, self.component_a)
                line.quantity = 95
        self.told(self.used(2, 70))
        self.assertEqual(self.quantity(self.component_a), 95)

        self.close(self.order)

        self.assertEqual(self.moved(self.order)["Sheet"], 95)

    def test_more_than_was_planned_is_used_after_all_of_it_was(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 900})
        self.order.consumption = "flexible"
        self.told(self.count(900, seconds=60), self.used(1100, 60))
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 1100)
        self.told(self.count(100, seconds=120, before=900), self.used(90, 120))
        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 1190, "Rivet": 4000, "Bracket": 1000})

    def test_units_are_converted_as_a_total(self):
        dozen = self.env.ref("uom.product_uom_dozen")
        self.assertTrue(dozen._has_common_reference(self.component_a.uom_id))
        self.pieces(96, 60)
        self.told(*[self.used(1, 61 + number, unit="DZN") for number in range(8)])

        self.assertEqual((self.quantity(self.component_a), self.variances()), (96, self.variances().browse()))

    def test_a_unit_that_cannot_be_waits_with_words(self):
        told = self.told(self.used(5, 61, unit="KGM"))

        row = self.rows(told, "consumption")
        self.assertEqual((row.state, row.reason), ("waiting", "component_unit"))
        self.assertIn("kg", row.message)
        self.assertTrue(row.remedy)

    def test_what_is_reckoned_or_nothing_is_ignored(self):
        told = self.told(self.used(5, 61, basis="theoretical"), self.used(0, 62))

        self.assertEqual(self.rows(told, "consumption").mapped("reason"), ["theoretical", "nothing_used"])

    def test_what_is_no_component_waits_with_words(self):
        glue = self.env["product.product"].create({"name": "Glue", "default_code": "GLUE"})
        told = self.told(
            self.used(5, 61, product="GLUE"), self.used(5, 62, product="TAR"), self.used(5, 63, product="")
        )

        rows = self.rows(told, "consumption")
        self.assertEqual(rows.mapped("reason"), ["no_component", "component_unknown", "component_unknown"])
        self.assertTrue(all(rows.mapped("remedy")))
        self.order.move_raw_ids = [
            Command.create(
                {
                    "product_id": glue.id,
                    "product_uom_qty": 10,
                    "location_id": self.order.location_src_id.id,
                    "location_dest_id": self.order.production_location_id.id,
                }
            )
        ]
        rows[:1].action_retry()
        self.post_all()
        self.assertEqual(rows[:1].state, "posted")

    def test_a_gtin_names_the_component_whatever_its_length(self):
        self.component_a.barcode = "9506000134352"
        self.pieces(100, 60)
        told = self.told(self.event("material.consumed", 61, {"qty": 100, "gtin": "09506000134352"}))

        self.assertEqual((self.states(told, "consumption"), self.quantity(self.component_a)), (["posted"], 100))

    def test_late_it_corrects_the_closed_order_where_the_machine_says_so(self):
        self.pieces(100, 60)
        self.told(self.used(100, 61))
        self.close(self.order)
        late = self.told(self.used(3, 62))
        self.assertEqual(self.rows(late, "consumption").mapped("reason"), ["order_closed"])

        self.machine.late_booking = "correct"
        self.rows(late, "consumption").action_retry()
        self.post_all()

        self.assertEqual(self.states(late, "consumption"), ["posted"])
        self.assertEqual(self.moved(self.order), {"Sheet": 103, "Rivet": 400, "Bracket": 100})

    def test_observed_it_is_only_kept(self):
        self.machine.posting_mode = "observe"
        told = self.told(self.used(5, 61))

        self.assertEqual(self.states(told, "consumption"), ["ignored"])
        self.assertFalse(self.env["mrp.machine.consumption"].search([("production_id", "=", self.order.id)]))

    def test_only_a_supervisor_decides_and_says_why(self):
        self.pieces(100, 60)
        self.told(self.used(130, 61))
        row = self.variances()
        operator = self.env["res.users"].create(
            {
                "name": "Olga Operator",
                "login": "olga-operator",
                "group_ids": [Command.set(self.env.ref("mrp_machine_connect.group_operator").ids)],
            }
        )
        with self.assertRaises(UserError):
            row.with_user(operator).action_approve()
        with self.assertRaises(UserError):
            row.with_user(operator)._settle("approved", "I say so")
        with self.assertRaises(UserError):
            row.with_user(self.supervisor)._settle("approved", "  ")
        self.assertEqual(row.state, "proposed")
        self.assertEqual(row.with_user(self.supervisor).action_approve()["context"]["default_decision"], "approved")

    def test_a_tolerance_is_no_negative_number(self):
        with self.assertRaises(ValidationError):
            self.machine.consumption_tolerance = -1

    def test_decided_twice_is_booked_once(self):
        self.pieces(100, 60)
        self.told(self.used(130, 61))
        row = self.decide("approved")
        row.with_user(self.supervisor)._settle("refused", "Changed my mind")
        self.machine._decide_consumption(self.order, self.component_a, self.naive(61), "variance")
        self.post_all()

        self.assertEqual((row.state, self.quantity(self.component_a)), ("approved", 130))
