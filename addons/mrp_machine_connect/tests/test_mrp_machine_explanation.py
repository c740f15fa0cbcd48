"""Is it said of each event what was captured, transformed, delivered, accepted and reflected, and the way back found?"""

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..machine_connect.event import Event
from ..machine_connect.instants import microseconds
from .common import MachineConnectCommon
from .test_mrp_machine_door import DoorCommon

STEPS = ["captured", "transformed", "delivered", "accepted", "reflected"]


def lines(answers, step):
    """Return what is said in one answer, as one text."""
    return "\n".join(map(str, next(answer["lines"] for answer in answers if answer["step"] == step)))


@tagged("post_install", "-at_install")
class TestMachineExplanation(MachineConnectCommon):
    def explain(self, event):
        self.env.invalidate_all()
        return self.env["mrp.machine.explanation"]._of(event)

    def good_signal(self):
        connection = self.env["mrp.machine.connection"].create({"machine_id": self.machine.id, "host": "127.0.0.1"})
        return self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": "Good",
                "role": "good",
                "address": "holding:2",
                "data_type": "u32",
                "fastest_cycle": 1,
            }
        )

    def test_the_five_answers_of_a_count(self):
        signal = self.good_signal()
        raw = {"unit": 1, "table": "holding", "address": 2, "registers": [1, 34464]}
        said = self.event(
            "production.count",
            60,
            {"kind": "good", "delta": 5, "total_before": 100_000, "total_after": 100_005, "unit": "C62", "raw": raw},
            rules=({"rule": "plausibility", "outcome": "passed", "detail": {"pieces": 5}},),
            quality="good",
            signal="Good",
        )
        log, source = self.env["mrp.machine.event"], self.env.ref("mrp_machine_connect.source_poller")
        event = log._receive(
            source, [(self.machine, "tests", {"Good": signal.id}, self.machine.mapping_version, [said])]
        )
        self.post()
        answers = self.explain(event)

        self.assertEqual([answer["step"] for answer in answers], STEPS)
        captured = lines(answers, "captured")
        self.assertIn("«Good» at holding:2", captured)
        self.assertIn("0x0001 0x86A0 (1 34464)", captured)
        self.assertIn("Quality: good", captured)
        self.assertIn("Odoo's own clock", captured)
        transformed = lines(answers, "transformed")
        self.assertIn("from 100000 to 100005: 5 pieces", transformed)
        self.assertIn("Plausibility: passed", transformed)
        self.assertIn(f"version {self.machine.mapping_version}", transformed)
        self.assertIn("stream tests, number 1", lines(answers, "delivered"))
        self.assertIn("Accepted as it came", lines(answers, "accepted"))
        reflected = lines(answers, "reflected")
        self.assertIn("Quantity on the Order", reflected)
        self.assertIn(self.workorder.display_name, reflected)
        self.assertIn("+5 pieces", reflected)
        self.assertIn("Loaded on the machine at that time.", reflected)

    def test_each_answer_has_its_time_and_how_long_it_took(self):
        event = self.receive(
            self.machine,
            Event("production.count", self.at(60), self.at(64), {"kind": "good", "delta": 1}),
        )
        self.post()
        answers = self.explain(event)

        occurred, recorded = microseconds(self.at(60)), microseconds(self.at(64))
        booked = microseconds(self.rows(event).posting_id.create_date.replace(tzinfo=self.at(0).tzinfo))
        self.assertEqual(
            [answer["at"] for answer in answers],
            [occurred, recorded, event.received_us, event.received_us, booked],
        )
        self.assertEqual(
            [answer["delay"] for answer in answers],
            [None, 4.0, (event.received_us - recorded) / 1e6, 0.0, (booked - event.received_us) / 1e6],
        )
        self.assertIn("4 s later", event.answers)
        self.assertIn("By the machine's own clock", lines(answers, "captured"))

    def test_what_waits_says_why_and_what_to_do(self):
        event = self.receive(self.idle_machine, self.count(3))
        self.assertIn("Not yet", lines(self.explain(event), "reflected"))
        self.post()

        reflected = lines(self.explain(event), "reflected")
        self.assertIn("Waiting", reflected)
        self.assertIn("No manufacturing order ran", reflected)
        self.assertIn("Load the order on the machine", reflected)

    def test_what_was_held_says_why_and_who_released_it(self):
        event = self.receive(
            self.machine, self.event("production.count", 60, {"kind": "good", "delta": 4}, held="jump")
        )
        self.post()
        self.assertIn("faster than the machine can work", lines(self.explain(event), "accepted"))
        supervisor = self.env["res.users"].create(
            {
                "name": "Shift Leader",
                "login": "explain-supervisor",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_supervisor").id])],
            }
        )
        self.rows(event).with_user(supervisor).action_release()
        self.post()

        self.assertIn("released by Shift Leader", lines(self.explain(event), "accepted"))
        self.assertIn("Posted", lines(self.explain(event), "reflected"))

    def test_a_correction_and_what_it_corrects_name_each_other(self):
        event = self.receive(self.machine, self.count(10, before=40))
        self.post()
        correction = self.machine._adjust(
            "good", -3, "Three were test pieces", at=self.at(70).replace(tzinfo=None), refers_to=event.uid
        )
        self.post()

        said = lines(self.explain(event), "reflected")
        self.assertIn("Three were test pieces", said)
        self.assertIn(f"/odoo/machine-events/{correction.id}", said)
        back = self.explain(correction)
        self.assertIn(f"/odoo/machine-events/{event.id}", lines(back, "reflected"))
        self.assertIn(f"{self.env.user.name} entered it by hand", lines(back, "captured"))

    def test_what_a_machine_says_is_never_html(self):
        event = self.receive(self.machine, self.state("fault", 60, raw="<img src=x onerror=alert(1)>"))
        self.post()
        self.env.invalidate_all()

        self.assertNotIn("<img", event.answers)
        self.assertIn("&lt;img", event.answers)

    def test_no_link_to_what_one_may_not_read(self):
        event = self.receive(self.machine, self.count(2))
        self.post()
        employee = self.env["res.users"].create(
            {"name": "E", "login": "explain-e", "group_ids": [(6, 0, [self.env.ref("base.group_user").id])]}
        )
        service = self.env["mrp.machine.explanation"].with_user(employee)
        posting = self.rows(event).posting_id

        self.assertEqual(service._link(posting, "X"), "X")
        self.assertIn("/odoo/mrp.workorder/", self.env["mrp.machine.explanation"]._link(posting, "X"))

    # Postings

    def test_a_posting_lists_its_events_with_the_counter_and_adds_up(self):
        counts = [(60, 7, 100), (61, 5, 107), (62, 30, 112)]
        events = self.receive(self.machine, *(self.count(n, at, before=before) for at, n, before in counts))
        self.post()
        posting = self.rows(events).posting_id
        self.env.invalidate_all()

        self.assertEqual(len(posting), 1)
        rows = posting.event_posting_ids.sorted(lambda row: row.event_id.occurred_us)
        self.assertEqual(
            [(row.counter_before, row.counter_after, row.pieces) for row in rows],
            [("100", "107", 7), ("107", "112", 5), ("112", "142", 30)],
        )
        self.assertEqual(sum(rows.mapped("pieces")), posting.quantity)
        self.assertEqual((posting.counter_before, posting.counter_after, posting.event_count), ("100", "142", 3))
        self.assertEqual(posting.proof, "3 events: 7 +5 +30 = 42, as booked.")
        action = posting.action_events()
        self.assertEqual(self.env["mrp.machine.event"].search(action["domain"]), events)
        self.assertEqual(rows[0].action_event()["res_id"], rows[0].event_id.id)
        self.assertEqual(events.action_postings()["res_id"], posting.id)

    def test_a_posting_that_does_not_add_up_says_so(self):
        events = self.receive(self.machine, self.count(7))
        self.post()
        posting = self.rows(events).posting_id
        posting.quantity = 6

        self.assertEqual(posting.proof, "1 event: 7, and 6 are booked here.")

    def test_many_counts_are_told_in_short(self):
        events = self.receive(self.machine, *(self.count(2, 60 + n, before=2 * n) for n in range(20)))
        self.post()

        self.assertEqual(self.rows(events).posting_id.proof, "20 events: 2 +2 +2 +2 +2 +2 +2 … +2 = 40, as booked.")

    # The way back

    def opened(self, record):
        """Return the postings that the button of a document opens."""
        action = record.action_machine_postings()
        self.assertEqual(action["res_model"], "mrp.machine.posting")
        postings = self.env["mrp.machine.posting"]
        return postings.browse(action["res_id"]) if action.get("res_id") else postings.search(action["domain"])

    def test_from_a_stock_move_to_the_counter_values(self):
        early = self.receive(self.machine, self.count(40, 60, before=500))
        self.post()
        late = self.receive(self.machine, self.count(2, 120, before=540))
        self.post()
        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.assertEqual(self.order.state, "done")

        for move in self.order.move_finished_ids | self.order.move_raw_ids:
            with self.subTest(product=move.product_id.name):
                self.assertTrue(move.has_machine_postings)
                found = self.opened(move)
                self.assertEqual(found, self.rows(early | late).posting_id)
                self.assertEqual(move.machine_posting_count, 2)
                self.assertEqual(sum(found.mapped("quantity")), 42)
                self.assertEqual(self.opened(move.move_line_ids[:1]), found)
        self.assertEqual(self.opened(self.order.move_finished_ids).mapped("counter_after"), ["542", "540"])

    def test_each_posting_stands_behind_one_move_of_a_product(self):
        shares = []
        for beat, (pieces, before) in enumerate(((30, 0), (12, 30), (8, 42))):
            events = self.receive(self.machine, self.count(pieces, 60 + 60 * beat, before=before))
            self.post()
            shares.append(self.rows(events).posting_id)
            known = self.order.move_finished_ids.filtered(lambda move: move.state == "done")
            self.order._post_inventory()
            made = self.order.move_finished_ids.filtered(lambda move: move.state == "done") - known
            made.machine_posting_id = shares[-1]
        done = self.order.move_finished_ids.filtered(lambda move: move.state == "done").sorted("id")

        self.assertEqual(done.mapped("quantity"), [30, 12, 8])
        for move, posting in zip(done, shares, strict=True):
            self.assertEqual(self.opened(move), posting)
            self.assertEqual(posting.quantity, move.quantity)

    def test_from_a_work_order_and_its_time_to_what_the_machine_said(self):
        self.receive(self.machine, self.state("running", 0), self.count(5, 60), self.state("off", 600))
        self.post()
        self.env.invalidate_all()
        line = self.workorder.time_ids
        running = self.machine.env["mrp.machine.event"].search(
            [("machine_id", "=", self.machine.id), ("type", "=", "machine.state_changed")], order="occurred_us"
        )[0]

        self.assertEqual(len(line), 1)
        self.assertTrue(line.has_machine_postings)
        self.assertIn(running, self.opened(line).event_posting_ids.event_id)
        self.assertIn("production_count", self.opened(self.workorder).mapped("handler"))
        self.assertTrue(self.workorder.has_machine_postings)

    def test_what_no_machine_made_has_no_way(self):
        other = self.make_order(5)
        other.qty_producing = 5
        other._set_qty_producing(False)
        other.workorder_ids.button_finish()
        other.with_context(skip_consumption=True).button_mark_done()

        self.assertFalse((other.move_finished_ids | other.move_raw_ids).filtered("has_machine_postings"))
        self.assertFalse(self.opened(other.move_finished_ids))
        self.assertFalse(other.workorder_ids.time_ids.filtered("has_machine_postings"))

    def test_a_stock_user_opens_moves_and_has_no_business_with_machines(self):
        self.receive(self.machine, self.count(4))
        self.post()
        user = self.env["res.users"].create(
            {
                "name": "Stock",
                "login": "explain-stock",
                "group_ids": [(6, 0, [self.env.ref("stock.group_stock_user").id])],
            }
        )
        moves = self.order.move_raw_ids.with_user(user)
        views = [(self.env.ref("stock.view_move_tree").id, "list"), (self.env.ref("stock.view_move_form").id, "form")]
        fields = moves.get_views(views)["models"]["stock.move"]["fields"]

        self.assertNotIn("has_machine_postings", fields)
        moves.read(["product_id"])
        with self.assertRaises(AccessError):
            moves.read(["machine_posting_count"])


@tagged("post_install", "-at_install")
class TestExplanationOfDelivered(DoorCommon):
    def explain(self, uid):
        event = self.env["mrp.machine.event"].search([("uid", "=", uid)])
        return self.env["mrp.machine.explanation"]._of(event)

    def test_deliveries_of_the_same_are_known(self):
        self.send(self.said("a", time="2026-03-02T06:01:00Z"))
        self.assertIn("No second delivery of it is known", lines(self.explain("a"), "delivered"))
        answer = self.send(self.said("a", time="2026-03-02T06:01:00Z"))
        self.assertIn("duplicate", str(answer))
        # The door's controller counts them when it has answered.
        figures = self.env["mrp.machine.source.figure"]
        figures._note(self.source.id, "deliver", 0.01, {"accepted": 1, "duplicate": 1})
        figures.invalidate_model()

        delivered = lines(self.explain("a"), "delivered")
        self.assertIn("1 came again", delivered)
        self.assertIn(self.source.name, delivered)
        captured = lines(self.explain("a"), "captured")
        self.assertIn("By the clock of the sender.", captured)
        self.assertIn("names no signal", captured)

    def test_the_same_said_by_two_is_named(self):
        self.send(self.said("a", time="2026-03-02T06:01:00Z"))
        self.send(self.said("b", time="2026-03-02T06:01:00Z"))

        self.assertIn("as b.", lines(self.explain("a"), "delivered"))
        self.assertIn("as a.", lines(self.explain("b"), "delivered"))
