"""Whatever happens between a machine and its books, in whatever order: they end as if all had gone well.

Hypothesis lets events arrive, twice, late and in any order, lets the poster crash and handlers fail, and lets people
correct, edit and load in between. What the books must say in the end is reckoned beside that, by plain sums.
"""

from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from odoo.fields import Command
from odoo.tests import Form, tagged

from .posting_faults import PostingFaults
from .proof import unproven

#: Pieces and rejects of the machine's day, a minute apart, and its states.
PIECES = (1, 2, 1, 3, 1, 1, 2, 4)
REJECTED = {2, 5}
STATES = ((0, "running"), (150, "held"), (200, "running"), (330, "stopped"), (400, "running"), (520, "idle"))
#: When the day is over.
END = 600
#: Pieces that enter stock together, where they do so before the close.
BEAT = 5
#: People take away no more than this, so that what they took away was there in the end.
LEAST = -6


class Books(RuleBasedStateMachine):
    """One machine, one order, and all that may go wrong between them."""

    #: The test in whose database it happens.
    test = None

    def __init__(self):
        super().__init__()
        self.savepoint = self.test.env.cr.savepoint()
        self.savepoint.__enter__()

    @initialize(steps=st.booleans(), loaded=st.booleans(), beat=st.sampled_from(("close", "pieces")))
    def begin(self, steps, loaded, beat):
        self.machine = self.test.make_machine("t-books", workcenter=self.test.row, stock_beat=beat, beat_pieces=BEAT)
        self.order = self.test.order_with(steps)
        self.pending = list(self.test.day())
        self.delivered = []
        self.corrected = self.edited = 0
        self.is_loaded = False
        if loaded:
            self.load()

    # What happens

    @precondition(lambda self: not self.is_loaded)
    @rule()
    def load(self):
        """A person says which order ran, from the beginning of the day on; what waited for that is tried again."""
        test = self.test
        test.env["mrp.machine.loading"]._load(
            self.machine, self.order, self.order.workorder_ids, test.at(-1).replace(tzinfo=None)
        )
        self.is_loaded = True
        self.replay()

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def deliver(self, data):
        """Some events arrive, any of those that are still to come."""
        places = st.lists(st.integers(0, len(self.pending) - 1), min_size=1, max_size=5, unique=True)
        chosen = data.draw(places, label="which")
        arriving = [self.pending[place] for place in chosen]
        self.pending = [event for place, event in enumerate(self.pending) if place not in chosen]
        self.test.receive(self.machine, *arriving)
        self.delivered += arriving

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def resend(self, data):
        """The sender did not hear the answer, and sends again."""
        again = data.draw(st.lists(st.sampled_from(range(len(self.delivered))), min_size=1, max_size=4), label="which")
        received = self.test.receive(self.machine, *(self.delivered[place] for place in again))
        assert not received, "received twice"

    @rule()
    def post(self):
        self.test.post_all(self.machine)

    @rule(number=st.integers(0, 3))
    def crash(self, number):
        self.test.crash_half_way(self.machine, number)

    @rule(number=st.integers(0, 2))
    def fail(self, number):
        self.test.post_with_a_bug(self.machine, number)

    @rule()
    def retry(self):
        """The pause after a technical error is over."""
        self.test.post_what_pauses(self.machine)

    @rule()
    def replay(self):
        """A supervisor lets all that waits, or has failed, be tried again."""
        self.waiting().action_retry()

    @precondition(lambda self: self.is_loaded and self.edited + self.corrected > LEAST)
    @rule(pieces=st.sampled_from((-2, -1, 1, 3)))
    def correct(self, pieces):
        """A supervisor adds pieces, or takes some away, with a reason."""
        self.machine._adjust("good", pieces, "Counted again", at=self.test.at(END).replace(tzinfo=None))
        self.corrected += pieces

    @precondition(lambda self: self.is_loaded and self.order.qty_producing and self.edited + self.corrected > LEAST)
    @rule(pieces=st.sampled_from((-1, 2)))
    def edit(self, pieces):
        """A person enters another quantity on the order."""
        entered = self.order.qty_producing + pieces
        if entered <= 0 or entered < self.order.qty_produced:
            # Less than what is in stock already is refused with words.
            return
        with Form(self.order) as form:
            form.qty_producing = entered
        self.edited += pieces

    # What is true all the time

    @invariant()
    def no_event_is_counted_twice(self):
        if not hasattr(self, "order") or not self.is_loaded:
            return
        most = sum(pieces for kind, pieces in self.test.pieces() if kind == "good")
        ledger = self.machine.ledger_ids
        assert ledger.good <= most
        assert self.order.qty_producing >= 0

    # What must be true in the end

    def teardown(self):
        try:
            if hasattr(self, "order"):
                self.end()
        finally:
            self.savepoint.rollback()
            self.savepoint.__exit__(None, None, None)
            self.test.env.invalidate_all()

    def end(self):
        """Let all that is still to come arrive, and compare."""
        test = self.test
        if self.pending:
            test.receive(self.machine, *self.pending)
        if not self.is_loaded:
            self.load()
        for _try in range(3):
            # A correction may have waited for the pieces that it takes away.
            test.post_what_pauses(self.machine)
            self.replay()
        test.post_what_pauses(self.machine)
        self.compare()

    def compare(self):
        test, ledger = self.test, self.machine.ledger_ids
        test.env.flush_all()
        test.env.invalidate_all()
        counted = Counter()
        for kind, pieces in test.pieces():
            counted[kind] += pieces
        test.assertEqual((ledger.good, ledger.reject), (counted["good"], counted["reject"]))
        # What a person entered last is seen with the next count.
        by_hand = ledger.by_hand + self.order.qty_producing - ledger.last_written
        test.assertEqual((ledger.adjusted, by_hand), (self.corrected, self.edited))
        quantity = test.true_quantity(counted) + self.corrected + self.edited
        test.assertEqual(self.order.qty_producing, quantity)
        for workorder in self.order.workorder_ids:
            test.assertEqual(workorder.qty_produced, quantity)
        intervals = self.machine.interval_ids.sorted("start_us")
        test.assertEqual(
            [(round(interval.start_us / 1e6 - test.at(0).timestamp()), interval.state) for interval in intervals],
            list(STATES),
        )
        for interval, following in zip(intervals, intervals[1:], strict=False):
            test.assertEqual(interval.end_us, following.start_us)
        lines = test.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", test.row.id)])
        minutes = sum(lines.filtered(lambda line: line.loss_type == "productive").mapped("duration"))
        test.assertAlmostEqual(minutes, test.true_minutes() if self.order.workorder_ids else 0.0, 1)
        self.close()
        test.assertEqual(self.moved(), test.true_moves(quantity, counted["reject"]))
        test.assertFalse(self.waiting(), "nothing waits for anybody")
        test.assertEqual(unproven(test.env, self.machine), [])

    def close(self):
        """A person closes the order with what was made."""
        self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
        self.test.post_all(self.machine)
        self.test.assertEqual(self.order.state, "done")

    def moved(self):
        """Return what was moved for the order in all, by product and by where it went."""
        moves = self.order.move_raw_ids | self.order.move_finished_ids | self.order.scrap_ids.move_ids
        found = Counter()
        for move in moves.filtered(lambda move: move.state == "done"):
            found[move.product_id.name, move.location_dest_id.usage] += move.quantity
        return dict(found)

    def waiting(self):
        return self.test.env["mrp.machine.event.posting"].search(
            [("machine_id", "=", self.machine.id), ("state", "in", ("waiting", "held", "failed"))]
        )


class BooksCommon(PostingFaults):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.row = cls.workcenter.copy({"name": "Books"})
        cls.bom_without_steps = cls.bom.copy({"operation_ids": [Command.clear()]})
        cls.bom_with_a_step = cls.bom.copy()
        cls.bom_with_a_step.operation_ids.workcenter_id = cls.row

    def order_with(self, steps):
        return self.make_order(1000, bom=self.bom_with_a_step if steps else self.bom_without_steps)

    def day(self):
        """Return all that the machine says, in order."""
        counted, said = Counter(), [self.state(state, second) for second, state in STATES]
        for number, (kind, pieces) in enumerate(self.pieces()):
            said.append(self.count(pieces, seconds=60 * number + 30, kind=kind, before=counted[kind]))
            counted[kind] += pieces
        return sorted(said, key=lambda event: event.occurred)

    def pieces(self):
        """Return what the machine made: ``[(kind, pieces)]``."""
        return [("reject" if number in REJECTED else "good", pieces) for number, pieces in enumerate(PIECES)]

    def true_quantity(self, counted):
        """Return the quantity of the order by what was counted alone: all that went through the machine."""
        return counted["good"] + counted["reject"]

    def true_moves(self, quantity, rejects):
        return {
            (self.component_a.name, "production"): quantity,
            (self.component_b.name, "production"): 4 * quantity,
            (self.product.name, "internal"): quantity,
            (self.product.name, "inventory"): rejects,
        }

    def true_minutes(self):
        """Return how long the machine ran."""
        moments = [*STATES, (END, None)]
        return (
            sum(
                later - second
                for (second, state), (later, _next) in zip(STATES, moments[1:], strict=False)
                if state == "running"
            )
            / 60
        )

    def let_it_happen(self, **bounds):
        books = type("BooksOfThisTest", (Books,), {"test": self})
        run_state_machine_as_test(
            books,
            settings=settings(
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
                **bounds,
            ),
        )


@tagged("post_install", "-at_install")
class TestBooks(BooksCommon):
    def test_any_order_of_events_ends_in_the_books_of_the_ideal_day(self):
        # What fails is not made smaller here: that would take minutes. Where there is time for all, there is for that.
        self.let_it_happen(max_examples=12, stateful_step_count=20, phases=[Phase.generate])


@tagged("post_install", "-at_install", "full")
class TestManyBooks(BooksCommon):
    def test_any_order_of_events_ends_in_the_books_of_the_ideal_day(self):
        self.let_it_happen(max_examples=400, stateful_step_count=40)
