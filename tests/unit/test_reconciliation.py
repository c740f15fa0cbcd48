"""Is each movement of a counter found again: as pieces, or as a difference with a name?"""

import importlib.util

from hypothesis import given
from hypothesis import strategies as st

from devtools.environment import ADDONS


def load(name):
    """Return a module of the addon that needs no Odoo, by its file: the addon itself would."""
    spec = importlib.util.spec_from_file_location(name, ADDONS / "mrp_machine_connect" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reconciliation = load("reconciliation")
Told = reconciliation.Told

STATES = ("posted", "waiting", "held", "failed", "received", "ignored")


def reconciled(*told, opening=None):
    found = reconciliation.Reconciliation(opening or {})
    for one in told:
        found.take(one)
    found.close()
    return found


def amounts(found):
    return {difference.cause: difference.amount for difference in found.differences}


steps = st.lists(
    st.tuples(
        st.integers(0, 50),  # pieces that nobody told of
        st.integers(1, 50),  # pieces told
        st.sampled_from(STATES),
        st.sampled_from(["A", "B", None]),
        st.booleans(),  # set back to 0 before
    ),
    max_size=30,
)


@given(st.integers(0, 10_000), steps)
def test_the_movement_is_the_end_less_the_beginning_and_nothing_is_left_over(start, day):
    value, told, made = start, [], dict.fromkeys(STATES, 0)
    for number, (unseen, pieces, state, order, is_set_back) in enumerate(day):
        value += unseen
        if is_set_back:
            told.append(Told(1000 + number, number, "c", "in", "good", 0, value, 0, "reset", order))
            value = 0
        told.append(Told(number + 1, number, "c", "in", "good", pieces, value, value + pieces, "", order, state))
        value += pieces
        made[state] += pieces
    found = reconciled(*told, opening={"c": (start, "in")})

    assert sum(line.movement for line in found.lines.values()) == (value - start if told else 0)
    for order, line in found.lines.items():
        assert abs(reconciliation.balance(line, found.explained(order))) < 1e-9
    assert sum(line.good for line in found.lines.values()) == made["posted"]
    assert sum(line.held for line in found.lines.values()) == made["held"]
    assert sum(line.waiting for line in found.lines.values()) == made["waiting"] + made["failed"] + made["received"]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=300))
def test_many_gaps_are_told_one_by_one_up_to_a_number_and_all_are_in_the_sum(day):
    value, told, gaps = 0, [], 0
    for number, (unseen, pieces) in enumerate(day):
        value += unseen
        gaps += unseen
        told.append(Told(number + 1, number, "c", "in", "good", pieces, value, value + pieces))
        value += pieces
    found = reconciled(*told, opening={"c": (0, "in")})

    assert len(found.differences) == min(len(day), reconciliation.TOLD_APART)
    assert sum(difference.amount for difference in found.differences) == gaps
    assert sum(difference.count for difference in found.differences) == len(day)


def test_a_counter_whose_values_stand_for_themselves_has_no_gaps():
    found = reconciled(*(Told(number, number, "c", "in", "good", 3, 0, 3) for number in range(1, 6)))

    assert (found.lines[None].movement, amounts(found)) == (15, {})


def test_an_event_that_contradicts_its_own_counter_is_named():
    found = reconciled(Told(1, 1, "c", "in", "good", 5, 100, 103))

    assert (found.lines[None].movement, amounts(found)) == (3, {"contradiction": -2})


def test_a_reset_is_counted_once_where_a_count_says_the_same_step():
    found = reconciled(
        Told(1, 1, "c", "in", "good", 0, 100, 4, "reset"),
        Told(2, 1, "c", "in", "good", 4, 100, 4, "reset"),
        opening={"c": (100, "in")},
    )

    assert (found.lines[None].movement, amounts(found)) == (-96, {"reset": -100})


def test_what_is_compared_moves_nothing_and_shows_where_it_stood():
    found = reconciled(Told(1, 1, "c", "beside", "good", 5, 100, 105))

    assert not found.lines
    assert (found.counters["c"].opening, found.counters["c"].closing) == (100, 105)


def test_a_unit_of_its_own_is_counted_in_that_of_the_line():
    found = reconciled(Told(1, 1, "c", "in", "good", 2, 10, 13, factor=12.0), opening={"c": (10, "in")})

    assert (found.lines[None].movement, found.lines[None].good, amounts(found)) == (36, 24, {"contradiction": 12})
