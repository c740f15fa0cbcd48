"""Which order a machine works on by its own word: its name, its program, late, wrong or unclear."""

from odoo.fields import Command
from odoo.tests import tagged

from .test_mrp_machine_loading import LoadingCase


class ToldCase(LoadingCase):
    """A machine that names its orders, and two open orders for it."""

    def started(self, order, seconds, **data):
        """Return the event of a signal that names an order from a moment on."""
        return self.told("production.order_started", order, seconds, value=self.word(order), **data)

    def paused(self, order, seconds, **data):
        return self.told("production.order_paused", order, seconds, **data)

    def emptied(self, order, seconds):
        """Return the event of a signal that is empty from a moment on."""
        return self.told("production.order_paused", order, seconds, value="", previous=self.word(order))

    def told(self, kind, order, seconds, **data):
        return self.event(kind, seconds, {"order": self.word(order), **data})

    def program(self, word, seconds, previous=None):
        return self.event("machine.program_changed", seconds, {"value": word, "previous": previous})

    def word(self, order):
        return order if isinstance(order, str) else order.name

    def tell(self, *events, machine=None):
        """Receive events and give them their effects; return their records in the order given."""
        received = self.receive(machine or self.idle_machine, *events)
        self.post()
        return received

    def begin(self, order):
        """Let a person have started an order when the day began."""
        order.workorder_ids.with_context(bypass_duration_calculation=True).write(
            {"state": "progress", "date_start": self.naive(0)}
        )

    def rounds(self, count=3):
        """Post what follows from what was posted."""
        for _round in range(count):
            self.post()

    def outcome(self, events, handler="order_loading"):
        """Return ``[(state, reason)]`` of the effects of a handler."""
        return [(row.state, row.reason or "") for row in self.rows(events, handler)]


@tagged("post_install", "-at_install")
class TestOrderTold(ToldCase):
    """The machine names its order: it is loaded from that moment on, and pieces go there."""

    def test_an_order_by_its_name(self):
        told = self.tell(self.started(self.first, 0), self.count(5, seconds=60))

        self.assertEqual(self.outcome(told[0]), [("posted", "")])
        self.assertEqual(self.spans(), [(self.first, 0, False)])
        self.assertEqual(self.made(self.first, self.second), [5, 0])
        loading = self.idle_machine.loading_ids
        self.assertEqual((loading.found_by, loading.event_id), ("machine", told[0]))
        posting = self.rows(told[1]).posting_id
        self.assertIn(f"«{self.first.name}»", posting.explanation)
        self.assertEqual(self.rows(told[0], "order_loading").posting_id.explanation, posting.explanation)

    def test_the_next_word_ends_it(self):
        self.tell(
            self.started(self.first, 0),
            self.count(5, seconds=60),
            self.started(self.second, 100),
            self.count(7, seconds=160, before=5),
        )

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.second, 100, False)])
        self.assertEqual(self.made(self.first, self.second), [5, 7])

    def test_between_two_words_of_one_second_each_piece_finds_its_order(self):
        self.tell(
            self.started(self.first, 10.1),
            self.count(1, seconds=10.2),
            self.started(self.second, 10.3),
            self.count(2, seconds=10.4, before=1),
            self.started(self.first, 10.5),
            self.count(4, seconds=10.6, before=3),
        )

        self.assertEqual(self.made(self.first, self.second), [5, 2])

    def test_a_work_order_by_its_barcode(self):
        step = self.second.workorder_ids
        told = self.tell(self.started(step.barcode, 0))

        self.assertEqual(self.idle_machine.loading_ids.workorder_id, step)
        self.assertIn("barcode", self.rows(told, "order_loading").posting_id.explanation)

    def test_an_order_by_its_source_document_where_that_is_one_orders_alone(self):
        self.first.origin = "S00017"
        self.tell(self.started("S00017", 0))
        self.assertEqual(self.spans(), [(self.first, 0, False)])

        self.second.origin = "S00017"
        unclear = self.tell(self.started("S00017", 100))
        row = self.rows(unclear, "order_loading")

        self.assertEqual((row.state, row.reason), ("waiting", "ambiguous"))
        self.assertIn(self.first.display_name, row.message)
        self.assertIn(self.second.display_name, row.message)

    def test_a_work_order_by_its_name_where_one_is_called_so_here(self):
        self.first.workorder_ids.name = "Job 4711"
        told = self.tell(self.started("job 4711", 0))

        self.assertEqual(self.spans(), [(self.first, 0, False)])
        self.assertIn("job 4711", self.rows(told, "order_loading").posting_id.explanation)

    def test_an_order_without_work_orders(self):
        bom = self.bom.copy({"operation_ids": [Command.clear()]})
        plain = self.make_order(10, bom=bom)
        self.assertFalse(plain.workorder_ids)

        self.tell(self.started(plain, 0), self.count(3))

        self.assertEqual(plain.qty_producing, 3)

    def test_said_again_it_is_the_same(self):
        told = self.tell(self.started(self.first, 0), self.started(self.first, 50), self.count(5))

        self.assertEqual(self.outcome(told[:2]), [("posted", ""), ("ignored", "no_change")])
        self.assertEqual(self.spans(), [(self.first, 0, False)])

    def test_delivered_twice_it_counts_once(self):
        event = self.started(self.first, 0)
        self.tell(event)
        self.assertFalse(self.tell(event))

        self.assertEqual(self.spans(), [(self.first, 0, False)])

    def test_its_word_wins_over_what_a_person_loaded(self):
        self.load(self.first, 0)
        self.tell(self.started(self.second, 100), self.count(5, seconds=160))

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.second, 100, False)])
        self.assertEqual(self.made(self.first, self.second), [0, 5])

    def test_and_over_the_single_work_order_in_progress(self):
        self.begin(self.second)
        self.tell(self.started(self.first, 0), self.count(5))

        self.assertEqual(self.made(self.first, self.second), [5, 0])

    def test_time_follows_it(self):
        self.tell(
            self.state("running", 0),
            self.started(self.first, 600),
            self.started(self.second, 1800),
            self.state("off", 3600),
        )

        self.assertEqual((self.first.workorder_ids.duration, self.second.workorder_ids.duration), (20, 30))

    def test_a_machine_that_is_only_observed_has_its_order_and_touches_none(self):
        self.idle_machine.posting_mode = "observe"
        self.tell(self.started(self.first, 0), self.count(5))

        self.assertEqual(self.spans(), [(self.first, 0, False)])
        self.assertEqual(self.made(self.first), [0])


@tagged("post_install", "-at_install")
class TestOrderLeft(ToldCase):
    """A machine that names its order no longer works on none, and its pieces wait."""

    def test_an_empty_word_unloads(self):
        self.tell(self.started(self.first, 0), self.count(5, seconds=60), self.emptied(self.first, 100))
        late = self.tell(self.count(2, seconds=160, before=5))

        self.assertEqual(self.spans(), [(self.first, 0, 100)])
        # Its work order is the only one in progress, and the machine said that it does not work on it.
        self.assertEqual(self.first.workorder_ids.state, "progress")
        self.assertEqual(self.outcome(late, "production_count"), [("waiting", "no_order")])
        self.assertIn("no longer works on", self.rows(late).message)
        self.assertEqual(self.made(self.first), [5])
        self.assertFalse(self.idle_machine.production_id)

    def test_pieces_of_the_very_moment_are_its_own(self):
        told = self.tell(
            self.started(self.first, 0),
            self.count(5, seconds=100),
            self.paused(self.first, 100),
            self.count(1, 101, before=5),
        )

        self.assertEqual(self.made(self.first), [5])
        self.assertEqual(self.states(told), ["posted", "waiting"])

    def test_what_a_person_loaded_meanwhile_stays(self):
        self.tell(self.started(self.first, 0))
        self.load(self.second, 50)
        left = self.tell(self.emptied(self.first, 100))

        self.assertEqual(self.outcome(left), [("ignored", "not_loaded")])
        self.assertEqual(self.spans(), [(self.first, 0, 50), (self.second, 50, False)])

    def test_resumed_it_goes_on(self):
        self.tell(
            self.started(self.first, 0),
            self.paused(self.first, 100),
            self.told("production.order_resumed", self.first, 200),
            self.count(5, seconds=260),
        )

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.first, 200, False)])
        self.assertEqual(self.made(self.first), [5])

    def test_told_late_it_takes_its_pieces_back(self):
        self.tell(
            self.started(self.first, 0),
            self.count(5, seconds=60),
            self.count(3, seconds=160, before=5),
            self.count(2, seconds=170, kind="reject"),
        )
        self.assertEqual(self.made(self.first), [10])

        self.tell(self.paused(self.first, 100))
        self.rounds()
        self.assertEqual(self.made(self.first), [5])
        waiting = self.env["mrp.machine.event.posting"].search(
            [("machine_id", "=", self.idle_machine.id), ("state", "=", "waiting"), ("handler", "=", "production_count")]
        )
        self.assertEqual(sorted(waiting.mapped(lambda row: (row.event_id.data["kind"], row.event_id.data["delta"]))),
                         [("good", 3), ("reject", 2)])  # fmt: skip

        self.load(self.second, 100)
        self.rounds()
        self.assertEqual(self.made(self.first, self.second), [5, 5])


@tagged("post_install", "-at_install")
class TestToldLate(ToldCase):
    """Words that come late or out of order splice into what was loaded, and pieces go where they belong."""

    def ideal(self):
        return [
            self.started(self.first, 0),
            self.count(1, seconds=10),
            self.started(self.second, 100),
            self.count(2, seconds=110, before=1),
            self.started(self.first, 200),
            self.count(4, seconds=210, before=3),
            self.emptied(self.first, 300),
            self.count(8, seconds=310, before=7),
            self.started(self.second, 400),
            self.count(16, seconds=410, before=15),
        ]

    def books(self):
        self.rounds(5)
        return self.made(self.first, self.second)

    def test_a_change_told_late_gives_its_pieces_to_the_right_order(self):
        self.tell(self.started(self.first, 0), self.count(5, seconds=60), self.count(7, seconds=160, before=5))
        self.assertEqual(self.made(self.first, self.second), [12, 0])

        self.tell(self.started(self.second, 100))
        self.rounds()

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.second, 100, False)])
        self.assertEqual(self.made(self.first, self.second), [5, 7])

    def test_one_in_between_ends_where_the_next_begins(self):
        third = self.order_here(100)
        self.tell(self.started(self.first, 0), self.started(third, 200))
        self.tell(self.started(self.second, 100))

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.second, 100, 200), (third, 200, False)])

    def test_what_was_no_news_at_the_time_is_news_by_now(self):
        self.tell(self.started(self.first, 0), self.started(self.first, 200))
        self.assertEqual(self.spans(), [(self.first, 0, False)])

        self.tell(self.started(self.second, 100))

        self.assertEqual(self.spans(), [(self.first, 0, 100), (self.second, 100, 200), (self.first, 200, False)])

    def test_a_pause_that_found_nothing_ends_what_is_told_later_for_before_it(self):
        self.tell(self.paused(self.first, 200))
        self.tell(self.started(self.first, 100))

        self.assertEqual(self.spans(), [(self.first, 100, 200)])
        self.assertFalse(self.idle_machine.production_id)

    def test_in_any_order_the_books_are_the_same(self):
        pieces = {"first": 1 + 4, "second": 2 + 16}
        events = self.ideal()
        orders = {
            "one by one": [[event] for event in events],
            "backwards": [[event] for event in reversed(events)],
            "pieces first": [[event for event in events if event.type == "production.count"],
                             [event for event in events if event.type != "production.count"]],
            "odd ones late": [events[::2], events[1::2]],
            "words backwards at the end": [[event for event in events if event.type == "production.count"],
                                           *[[event] for event in reversed(events) if event.type != "production.count"]],
        }  # fmt: skip
        for name, deliveries in orders.items():
            with self.subTest(name), self.env.cr.savepoint() as savepoint:
                for delivery in deliveries:
                    self.receive(self.idle_machine, *delivery)
                    self.post()
                self.assertEqual(self.books(), list(pieces.values()))
                waiting = self.env["mrp.machine.event.posting"].search(
                    [("machine_id", "=", self.idle_machine.id), ("state", "=", "waiting")]
                )
                self.assertEqual(sum(waiting.mapped(lambda row: row.event_id.data["delta"])), 8)
                self.assertEqual(
                    [span for span in self.spans() if span[1] != span[2]],
                    [(self.first, 0, 100), (self.second, 100, 200), (self.first, 200, 300), (self.second, 400, False)],
                )
                savepoint.close(rollback=True)
            self.env.invalidate_all()


@tagged("post_install", "-at_install")
class TestWordUnclear(ToldCase):
    """A word that nobody knows, or that may mean several, waits and is never guessed; known, it goes on by itself."""

    def row(self, events):
        return self.rows(events, "order_loading")

    def test_an_unknown_order_waits_and_so_do_its_pieces(self):
        self.load(self.first, 0)
        told = self.tell(self.started("MO-NEW", 100), self.count(5, seconds=160))

        self.assertEqual((self.row(told).reason, self.row(told).detail), ("unknown_order", "order:MO-NEW"))
        self.assertIn("«MO-NEW»", self.row(told).message)
        self.assertTrue(self.row(told).remedy)
        self.assertEqual(self.outcome(told[1], "production_count"), [("waiting", "order_untold")])
        self.assertEqual(self.made(self.first), [0], "the former order is over all the same")

    def test_nor_do_they_go_to_the_single_work_order_in_progress(self):
        self.begin(self.first)
        told = self.tell(self.started("MO-NEW", 100), self.count(5, seconds=160))

        self.assertEqual(self.outcome(told[1], "production_count"), [("waiting", "order_untold")])
        self.assertEqual(self.made(self.first), [0])

    def test_it_goes_on_once_the_order_is_there_and_confirmed(self):
        told = self.tell(self.started("MO-NEW", 100), self.count(5, seconds=160))
        order = self.make_order(10, name="MO-NEW")
        self.rounds()
        # Its work order is planned on the other work center.
        self.assertEqual(self.row(told).reason, "wrong_work_center")
        self.assertIn(self.line.name, self.row(told).message)
        self.assertIn(self.workcenter.name, self.row(told).message)

        order.workorder_ids.workcenter_id = self.line
        self.row(told).action_retry()
        self.rounds()

        self.assertEqual(self.row(told).state, "posted")
        self.assertEqual(self.made(order), [5])

    def test_a_draft_is_loaded_once_it_is_confirmed(self):
        draft = self.env["mrp.production"].create(
            {"product_id": self.product.id, "bom_id": self.bom.id, "product_qty": 10}
        )
        draft.workorder_ids.workcenter_id = self.line
        told = self.tell(self.started(draft, 0), self.count(5))
        self.assertEqual(self.row(told).reason, "order_draft")
        self.assertEqual(draft.qty_producing, 0)

        draft.action_confirm()
        self.rounds()

        self.assertEqual(self.row(told).state, "posted")
        self.assertEqual(self.made(draft), [5])

    def test_entered_as_source_document_the_word_is_known(self):
        told = self.tell(self.started("JOB 9", 0), self.count(5))
        self.second.origin = "JOB 9"
        self.rounds()

        self.assertEqual(self.row(told).state, "posted")
        self.assertEqual(self.made(self.first, self.second), [0, 5])

    def test_loaded_by_a_person_it_is_answered(self):
        told = self.tell(self.started("JOB 9", 100), self.count(5, seconds=160))
        action = self.row(told).action_load_order()
        wizard = (
            self.env["mrp.machine.load.order"]
            .with_context(**action["context"])
            .create({"production_id": self.second.id})
        )
        wizard.action_load()
        self.rounds()

        self.assertEqual(self.outcome(told[0]), [("ignored", "loaded")])
        self.assertEqual(self.made(self.second), [5])

    def test_a_closed_order_waits(self):
        self.first.action_cancel()
        told = self.tell(self.started(self.first, 0))

        self.assertEqual(self.row(told).reason, "order_closed")
        self.assertIn("Cancelled", self.row(told).message)

    def test_a_cancelled_work_order_is_none_to_work_on(self):
        self.first.workorder_ids.state = "cancel"
        told = self.tell(self.started(self.first, 0))

        self.assertEqual(self.row(told).reason, "order_closed")

    def test_an_order_of_another_company_is_unknown(self):
        company = self.env["res.company"].create({"name": "Other Works"})
        product = self.env["product.product"].create({"name": "Foreign", "is_storable": True, "company_id": company.id})
        other = (
            self.env["mrp.production"]
            .with_company(company)
            .create({"product_id": product.id, "product_qty": 5, "company_id": company.id, "name": "MO-THEIRS"})
        )
        other.action_confirm()
        told = self.tell(self.started("MO-THEIRS", 0), self.count(5))

        self.assertEqual(self.row(told).reason, "unknown_order")
        self.assertIn(self.company.name, self.row(told).message)
        self.assertEqual(other.qty_producing, 0)

    def test_another_product_than_the_machine_says_waits(self):
        told = self.tell(self.started(self.first, 0, product="Housing"))

        self.assertEqual(self.row(told).reason, "wrong_product")
        self.assertIn("«Housing»", self.row(told).message)
        self.assertEqual(self.outcome(self.tell(self.started(self.first, 10, product="bracket"))), [("posted", "")])

    def test_of_several_steps_here_the_one_that_can_be_done_is_meant(self):
        bom = self.steps(("Cut", "Bend", "Weld"))
        order = self.make_order(10, bom=bom)
        cut, bend, weld = order.workorder_ids
        bend.blocked_by_workorder_ids = cut
        weld.blocked_by_workorder_ids = bend
        self.assertEqual(order.workorder_ids.mapped("state"), ["ready", "blocked", "blocked"])

        self.tell(self.started(order, 0), self.count(5))
        self.assertEqual(order.workorder_ids.mapped("qty_produced"), [5, 0, 0])

        self.tell(self.started(order, 100, operation="weld"), self.count(2, seconds=160, before=5))
        self.assertEqual(order.workorder_ids.mapped("qty_produced"), [5, 0, 2])

    def test_of_several_that_can_be_done_none_is_guessed(self):
        order = self.make_order(10, bom=self.steps(("Cut", "Bend")))
        told = self.tell(self.started(order, 0))
        self.assertEqual(self.row(told).reason, "ambiguous")
        for step in order.workorder_ids:
            self.assertIn(step.display_name, self.row(told).message)

        order.workorder_ids[1].button_start()
        self.row(told).action_retry()
        self.rounds()
        self.assertEqual(self.idle_machine.loading_ids.workorder_id, order.workorder_ids[1])

    def test_a_work_center_that_this_one_stands_in_for(self):
        self.workcenter.alternative_workcenter_ids = self.line
        order = self.make_order(10)
        told = self.tell(self.started(order, 0), self.count(5))

        self.assertEqual(self.made(order), [5])
        self.assertIn(
            f"Planned on {self.workcenter.name}, made on {self.line.name}", self.rows(told[1]).posting_id.explanation
        )

    def steps(self, names):
        return self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "allow_operation_dependencies": True,
                "operation_ids": [
                    Command.create({"name": name, "workcenter_id": self.line.id, "time_cycle_manual": 0.1})
                    for name in names
                ],
                "bom_line_ids": [Command.create({"product_id": self.component_a.id, "product_qty": 1.0})],
            }
        )


@tagged("post_install", "-at_install")
class TestProgram(ToldCase):
    """Where neither the machine nor a person names the order, the program that runs does."""

    def setUp(self):
        super().setUp()
        self.bom.operation_ids.machine_program = "O1234; BRACKET.NC"

    def row(self, events):
        return self.rows(events, "order_loading")

    def test_the_only_open_order_whose_operation_uses_it(self):
        self.second.action_cancel()
        told = self.tell(self.program("bracket.nc", 0), self.count(5))

        self.assertEqual(self.made(self.first), [5])
        self.assertEqual(self.idle_machine.loading_ids.found_by, "program")
        self.assertIn("«bracket.nc»", self.rows(told[1]).posting_id.explanation)

    def test_one_whose_bill_of_materials_uses_it(self):
        self.bom.operation_ids.machine_program = False
        self.bom.machine_program = "P77"
        self.second.action_cancel()
        self.tell(self.program("P77", 0), self.count(5))

        self.assertEqual(self.made(self.first), [5])

    def test_of_several_none_is_guessed(self):
        told = self.tell(self.program("O1234", 0), self.count(5))

        self.assertEqual(self.row(told).reason, "ambiguous")
        for order in (self.first, self.second):
            self.assertIn(order.workorder_ids.display_name, self.row(told).message)
        self.assertEqual(self.outcome(told[1], "production_count"), [("waiting", "no_order")])

    def test_of_several_the_one_in_progress_is_meant(self):
        self.begin(self.second)
        told = self.tell(self.program("O1234", 0), self.count(5))

        self.assertEqual(self.row(told).state, "posted")
        self.assertEqual(self.made(self.first, self.second), [0, 5])

    def test_what_a_person_loaded_stays(self):
        other = self.make_order(10, bom=self.bom.copy())
        other.workorder_ids.workcenter_id = self.line
        other.bom_id.operation_ids.machine_program = "O9"
        self.load(other, 0)
        self.second.action_cancel()
        told = self.tell(self.program("O1234", 100))

        self.assertEqual(self.outcome(told), [("ignored", "loaded")])
        self.assertEqual(self.spans(), [(other, 0, False)])

    def test_so_does_the_single_work_order_in_progress(self):
        other = self.make_order(10, bom=self.bom.copy())
        other.workorder_ids.workcenter_id = self.line
        other.bom_id.operation_ids.machine_program = "O9"
        self.begin(other)
        told = self.tell(self.program("O1234", 0), self.count(5))

        self.assertEqual(self.outcome(told[0]), [("ignored", "loaded")])
        self.assertEqual(self.made(other), [5])

    def test_another_program_is_another_order(self):
        self.second.action_cancel()
        other = self.make_order(10, bom=self.bom.copy())
        other.workorder_ids.workcenter_id = self.line
        other.bom_id.operation_ids.machine_program = "O9"
        self.tell(
            self.program("O1234", 0),
            self.count(5, seconds=60),
            self.program("O9", 100, "O1234"),
            self.count(2, seconds=160, before=5),
        )

        self.assertEqual(self.made(self.first, other), [5, 2])

    def test_an_unknown_program_ends_what_ran_and_goes_on_once_it_is_entered(self):
        self.second.action_cancel()
        other = self.make_order(10, bom=self.bom.copy())
        other.workorder_ids.workcenter_id = self.line
        other.bom_id.operation_ids.machine_program = "O9"
        told = self.tell(self.program("O1234", 0), self.program("O55", 100, "O1234"), self.count(2, seconds=160))
        self.assertEqual(self.row(told[1]).detail, "program:O55")
        self.assertEqual(self.row(told[1]).reason, "unknown_program")
        self.assertEqual(self.made(self.first, other), [0, 0])

        other.bom_id.operation_ids.machine_program = "O9; O55"
        self.rounds()

        self.assertEqual(self.row(told[1]).state, "posted")
        self.assertEqual(self.made(self.first, other), [0, 2])

    def test_no_open_order_yet(self):
        (self.first | self.second).action_cancel()
        self.order.workorder_ids.state = "cancel"
        told = self.tell(self.program("O1234", 0), self.count(2))
        self.assertEqual(self.row(told).reason, "unknown_program")

        bom = self.bom.copy()
        bom.operation_ids.write({"machine_program": "O1234", "workcenter_id": self.line.id})
        order = self.make_order(10, bom=bom)
        self.rounds()

        self.assertEqual(self.made(order), [2])

    def test_no_program_no_order(self):
        self.second.action_cancel()
        self.tell(self.program("O1234", 0), self.program("", 100, "O1234"))

        self.assertEqual(self.spans(), [(self.first, 0, 100)])

    def test_where_nothing_names_a_program_they_say_nothing(self):
        self.env["mrp.routing.workcenter"].search([]).machine_program = False
        self.env["mrp.bom"].search([]).machine_program = False
        told = self.tell(self.program("O1234", 0))

        self.assertEqual(
            [(row.handler, row.state, row.reason) for row in told.posting_ids], [("none", "ignored", "no_handler")]
        )
