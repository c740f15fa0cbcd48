"""No piece is lost, invented or counted twice, whatever a counter does."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.counter import (
    HELD,
    WIDTHS,
    Cause,
    CounterDescriptor,
    CounterKind,
    CounterState,
    ResetPolicy,
    interrupt,
    step,
    tick,
    whole,
)

SECOND = 1_000_000

calm = settings(deadline=None)


def counter(modulus=None, policy="unknown", max_rate=1.0, kind="absolute", burst=1.0):
    return CounterDescriptor(kind, modulus, policy, max_rate, burst)


def walk(descriptor, readings, state=None):
    """Return the steps of ``[(seconds, value), …]``; a value of None is the machine saying that it has none."""
    steps = []
    for seconds, value in readings:
        if value is None:
            state = interrupt(state)
            continue
        steps.append(step(descriptor, state, value, round(seconds * SECOND)))
        state = steps[-1].state
    return steps


def counted(steps):
    return sum(item.pieces for item in steps)


def held(steps):
    return [(item.cause.value, item.held) for item in steps if item.held]


def causes(steps):
    return [item.cause.value for item in steps]


# what must never happen

moduli = st.one_of(st.sampled_from(sorted(WIDTHS.values())), st.integers(2, 1000))
rates = st.floats(0.001, 500, allow_nan=False)
gaps = st.integers(0, 600 * SECOND)
garbage = st.one_of(st.integers(0, 40), st.integers(0, 70_000), st.integers(0, 2**64 - 1), st.none())
policies = st.sampled_from(list(ResetPolicy))
wild = st.lists(st.tuples(gaps, garbage), max_size=25)


@calm
@given(moduli, policies, rates, wild, st.sampled_from(["absolute", "since_reset"]), st.sampled_from([1.0, 4.0]))
def test_never_negative_and_never_more_than_the_machine_can_make(modulus, policy, rate, readings, kind, burst):
    descriptor = counter(modulus, policy, rate, kind, burst)
    state, now, total, elapsed = None, 0, 0, 0.0
    for gap, value in readings:
        now += gap
        if value is None:
            state = interrupt(state)
            continue
        result = step(descriptor, state, value, now)
        if state is not None:
            elapsed += (now - state.at) / SECOND
        total += result.pieces
        state = result.state
        assert result.pieces >= 0
        assert result.held >= 0
        assert not (result.pieces and result.held)
        assert bool(result.held) <= (result.cause in HELD)
        assert total <= burst + rate * elapsed + 1e-6
        assert 0 <= state.allowance <= burst
        assert state.value == result.after == value


@calm
@given(moduli, st.floats(0.01, 5), wild)
def test_nothing_disappears(modulus, rate, readings):
    """Each change of the value is counted, held, a way back, or a drop that says so."""
    for item in walk(counter(modulus, "LIFE", rate), enumerate_time(readings)):
        if item.before is None or item.after == item.before or item.cause is Cause.RETURNED:
            continue
        if item.after > item.before:
            assert item.pieces + item.held == item.after - item.before
        elif item.cause is Cause.ROLLOVER:
            assert item.pieces == modulus - item.before + item.after
        else:
            assert item.cause in HELD
            assert item.held == item.after


def enumerate_time(readings):
    now = 0
    for gap, value in readings:
        now += gap
        yield now / SECOND, value


@pytest.mark.parametrize("modulus", [*sorted(WIDTHS.values()), 7, 838_861])
def test_no_piece_is_lost_or_invented_over_any_number_of_wraps(modulus):
    @calm
    @given(st.lists(st.one_of(st.integers(0, 5), st.integers(0, modulus - 1)), min_size=1), st.integers(0, modulus - 1))
    def check(batches, start):
        descriptor = counter(modulus, "LIFE", max_rate=modulus)
        shown, state = start, step(descriptor, None, start, 0).state
        total = 0
        for number, pieces in enumerate(batches, 1):
            shown = (shown + pieces) % modulus
            result = step(descriptor, state, shown, number * SECOND)
            assert result.held == 0
            total += result.pieces
            state = result.state
        assert total == sum(batches)

    check()


@calm
@given(st.floats(0.5, 3600), st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 30))
def test_a_slow_machine_is_counted_right_however_often_it_is_read(cycle, cycles, reads):
    """Pieces at the fastest cycle or slower, read at the pace of the poller: each is counted when it is seen."""
    descriptor = counter("u16", max_rate=1 / cycle)
    finished, moment = [], 0.0
    for number in cycles:
        moment += cycle * (1 + number / 40)
        finished.append(moment)
    period = moment / (len(cycles) * reads)
    ticks = [number * period for number in range(len(cycles) * reads + 2)]
    steps = walk(descriptor, [(now, sum(done <= now for done in finished)) for now in ticks])

    assert counted(steps) == len(finished)
    assert not held(steps)


@calm
@given(st.integers(1, 64), st.floats(1, 100), st.integers(1, 50))
def test_the_cavities_of_a_mould_come_at_one_moment(cavities, cycle, shots):
    descriptor = counter("u16", max_rate=cavities / cycle, burst=cavities)
    polls = [(second / 2, int(second / 2 / cycle) * cavities) for second in range(int(2 * cycle * shots) + 3)]
    steps = walk(descriptor, polls)

    assert counted(steps) == polls[-1][1]
    assert not held(steps)


@calm
@given(st.integers(100, 60_000), st.lists(st.integers(0, 20), min_size=1, max_size=10), st.integers(0, 3))
def test_a_reset_is_never_booked_as_production(before, after, left):
    """The counter begins again at zero: what it shows from then on is what was made, no more."""
    readings, shown = [(0, before), (60, before)], left
    for number, pieces in enumerate([0, *after]):
        shown += pieces
        readings.append((120 + 60 * number, shown))
    steps = walk(counter("u32", "SHIFT", max_rate=1), readings)

    assert counted(steps) == shown
    assert causes(steps)[2] == "reset"


@calm
@given(st.integers(1000, 10**9), st.integers(0, 30), st.integers(0, 20), st.sampled_from(list(ResetPolicy)))
def test_a_reset_that_comes_back_books_only_the_gain(lifetime, gain, wrong, policy):
    steps = walk(
        counter("u32", policy, max_rate=0.5),
        [(0, lifetime), (60, lifetime), (120, 0), (120 + wrong, 0), (180 + wrong, lifetime + gain)],
    )

    assert counted(steps) == gain
    assert steps[-1].cause is Cause.RETURNED
    assert not held(steps)


@calm
@given(st.integers(0, 60_000), st.integers(0, 20), st.lists(st.integers(0, 65_535), min_size=1, max_size=5))
def test_a_jump_that_comes_back_books_only_the_gain(before, gain, nonsense):
    """While a controller boots it may show anything; none of it is production."""
    nonsense = [value for value in nonsense if abs(value - before) > 200 and value > 200]
    readings = [(0, before), *((10 + number, value) for number, value in enumerate(nonsense)), (100, before + gain)]
    steps = walk(counter("u16", max_rate=1), readings)
    middle = [item for item in steps[1:-1] if item.cause not in HELD and item.cause is not Cause.UNCHANGED]

    if not middle:  # noise that happens to look like production is the machine's word against ours
        assert counted(steps) == gain


@calm
@given(wild, moduli, policies)
def test_the_same_reading_twice_books_once(readings, modulus, policy):
    descriptor = counter(modulus, policy, max_rate=3)
    once = list(enumerate_time(readings))
    twice = [item for item in once for _again in range(2)]

    assert counted(walk(descriptor, twice)) == counted(walk(descriptor, once))


@calm
@given(wild, moduli, policies, st.sampled_from(list(CounterKind)))
def test_a_crash_at_any_point_changes_nothing(readings, modulus, policy, kind):
    """What is written down after each reading is all that there is to know."""
    descriptor = counter(modulus, policy, 2.0, kind)
    state, stored = None, "{}"
    for seconds, value in enumerate_time(readings):
        at = round(seconds * SECOND)
        again = CounterState.from_json(json.loads(stored))
        assert again == state
        if value is None:
            state = interrupt(state)
        else:
            result = step(descriptor, state, value, at)
            assert (
                step(CounterDescriptor.from_json(json.loads(json.dumps(descriptor.as_json()))), again, value, at)
                == result
            )
            state = result.state
        stored = json.dumps(state.as_json()) if state else "{}"


@calm
@given(st.integers(0, 2**64 - 1), gaps, st.floats(0.001, 100))
def test_a_tick_is_a_step_that_is_unchanged(value, gap, rate):
    descriptor = counter("u64", max_rate=rate)
    state = step(descriptor, None, value, 5)
    state = step(descriptor, state.state, value, 9).state

    assert (
        CounterState.from_json(tick(descriptor, state.as_json(), 9 + gap))
        == step(descriptor, state, value, 9 + gap).state
    )


@calm
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 60)), max_size=30))
def test_a_delta_counts_each_value_with_a_time_of_its_own_once(batches):
    descriptor = counter(kind="delta", max_rate=2)
    now, readings = 0, [(0, 99)]
    for gap, pieces in batches:
        now += gap
        readings += [(now, pieces), (now, pieces)]
    steps = walk(descriptor, readings)

    assert counted(steps) + sum(item.held for item in steps) == sum(pieces for _gap, pieces in batches)
    assert counted(steps) <= 1 + 2 * now


@calm
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_pulse_counts_each_time_that_it_goes_up(levels):
    steps = walk(counter(kind="pulse", max_rate=1), [(second, level) for second, level in enumerate(levels)])

    assert counted(steps) == sum(after and not before for before, after in zip(levels, levels[1:], strict=False))
    assert not held(steps)


# the known stories

#: What other products' users suffered from. Where a thread states numbers, they are these; ``shape`` marks those where
#: it describes what happens without numbers.
THREADS = {
    "netdata#4962: a restarted service shows 0, which was taken for a wrap": (
        counter("u16", max_rate=50),
        [(0, 200), (1, 210), (2, 0), (3, 11)],  # shape
        {"counted": 21, "causes": ["baseline", "advance", "reset", "advance"]},
    ),
    "netdata PR#7220: a wrap and a reset look alike; both are told by what was possible": (
        counter("u32", max_rate=10),
        [(0, 4_294_967_290), (1, 3), (2, 5)],  # shape
        {"counted": 11, "causes": ["baseline", "rollover", "advance"]},
    ),
    "prometheus#12547: small decrements (512417456, 512416256) were taken for a reset of the whole": (
        counter("u64", max_rate=700),
        [
            (0, 512_408_305),
            (10, 512_410_956),
            (20, 512_417_456),
            (30, 512_416_256),
            (40, 512_418_830),
            (50, 512_421_378),
            (60, 512_423_749),
        ],  # the numbers of prometheus PR#4232
        {"counted": 512_423_749 - 512_408_305, "held": [("implausible_drop", 512_416_256)]},
    ),
    "sem-community#782: reset to 0 and back, 15,508.51 kWh in one cycle of ten seconds": (
        counter("u32", max_rate=2.8),  # 100 kW in 10 Wh
        [(0, 1_550_851), (10, 1_550_851), (20, 0), (30, 0), (40, 1_550_853)],
        {"counted": 2, "causes": ["baseline", "unchanged", "reset", "unchanged", "returned"]},
    ),
    "sem-community#782, with power used while it was away": (
        counter("u32", max_rate=2.8),
        [(0, 1_550_851), (10, 0), (20, 7), (30, 1_550_870)],
        {"counted": 19, "causes": ["baseline", "reset", "advance", "returned"]},
    ),
    "hass_wibeee#191: 439534 Wh, an hour later 718 after a restart": (
        counter("u32", max_rate=10),
        [(0, 439_534), (3600, 718), (3660, 725)],
        {"counted": 725, "causes": ["baseline", "reset", "advance"]},
    ),
    "esphome PR#15286: a 24 bit counter at 2636 falls to 0 and 0x1000000 was added": (
        counter("u24", max_rate=5),
        [(0, 2636), (7, 0), (14, 2)],
        {"counted": 2, "causes": ["baseline", "reset", "advance"]},
    ),
    "esphome PR#15286: and a wrap of the same counter is one": (
        counter("u24", max_rate=5),
        [(0, 0xFFFFFE), (7, 1)],
        {"counted": 3, "causes": ["baseline", "rollover"]},
    ),
    "sourceanalytix#594: a 23 bit counter of tenths of a Wh wraps at 838860.7": (
        counter("u23", max_rate=10),
        [
            (0, 8_386_711),
            (150, 8_386_843),
            (286, 8_386_977),
            (408, 8_387_109),
            (579, 8_387_509),
            (735, 8_387_643),
            (878, 8_387_909),
            (1006, 8_388_044),
            (1183, 8_388_310),
            (1345, 8_388_576),
            (1480, 102),
        ],
        {"counted": 2**23 - 8_386_711 + 102, "causes": ["baseline", *["advance"] * 9, "rollover"]},
    ),
    "opentsdb PR#310: a negative difference is a reset, never a rate of -5216934": (
        counter(None, max_rate=2000),
        [(0, 5_216_000), (5, 5_221_000), (10, 1_011), (15, 2_023)],  # shape
        {"counted": 5_000 + 2_023, "causes": ["baseline", "advance", "reset", "advance"]},
    ),
    "opentelemetry-collector-contrib PR#42146: the first value is no difference": (
        counter("u64", max_rate=100),
        [(0, 2_000_000), (1, 2_000_007)],  # shape
        {"counted": 7, "causes": ["baseline", "advance"]},
    ),
    "opentelemetry-collector-contrib PR#42146: after a reset counting goes on at once, not above the old peak only": (
        counter("u64", max_rate=1),
        [(0, 10), (10, 20), (20, 5), (30, 15)],  # the numbers of PR#48522 of the same processor
        {"counted": 25, "causes": ["baseline", "advance", "reset", "advance"]},
    ),
}


@pytest.mark.parametrize("thread", THREADS)
def test_what_users_of_other_products_suffered_from(thread):
    descriptor, readings, expected = THREADS[thread]
    steps = walk(descriptor, readings)

    assert counted(steps) == expected["counted"]
    assert held(steps) == expected.get("held", [])
    if "causes" in expected:
        assert causes(steps) == expected["causes"]


STORIES = {
    "power-up jump: two pieces, and no wrap": (
        counter("u16", max_rate=0.2),
        [(0, 10), (10, 65_535), (20, 12), (30, 13)],
        ["baseline", "jump", "returned", "advance"],
        3,
        [("jump", 65_525)],
    ),
    "jump near the wrap after zero: one piece, not two": (
        counter("u16", max_rate=0.2),
        [(0, 0), (10, 65_535), (20, 1)],
        ["baseline", "jump", "returned"],
        1,
        [("jump", 65_535)],
    ),
    "noise over several readings": (
        counter("u16", max_rate=0.2),
        [(0, 10), (10, 65_535), (11, 40_000), (12, 40_000), (13, 65_535), (20, 12)],
        ["baseline", "jump", "implausible_drop", "unchanged", "jump", "returned"],
        2,
        [("jump", 65_525), ("implausible_drop", 40_000), ("jump", 25_535)],
    ),
    "torn words: 65535, 0, 65537": (
        counter("u32", max_rate=1),
        [(0, 65_535), (1, 0), (2, 65_537)],
        ["baseline", "reset", "returned"],
        2,
        [],
    ),
    "torn words: 65535, 131071, 65537": (
        counter("u32", max_rate=1),
        [(0, 65_535), (1, 131_071), (2, 65_537)],
        ["baseline", "jump", "returned"],
        2,
        [("jump", 65_536)],
    ),
    "an operator takes one away by hand": (
        counter("u16", "LIFE", max_rate=0.2),
        [(0, 100), (10, 99), (20, 99)],
        ["baseline", "implausible_drop", "unchanged"],
        0,
        [("implausible_drop", 99)],
    ),
    "LIFE is never set back: it waits for a person": (
        counter("u16", "LIFE", max_rate=1),
        [(0, 100), (60, 3), (120, 5)],
        ["baseline", "implausible_drop", "advance"],
        2,
        [("implausible_drop", 3)],
    ),
    "since_reset never wraps": (
        counter("u8", "SHIFT", 1, "since_reset"),
        [(0, 250), (60, 3)],
        ["baseline", "reset"],
        3,
        [],
    ),
    "absolute of unknown width never wraps": (
        counter(None, "LIFE", 1),
        [(0, 250), (60, 3)],
        ["baseline", "implausible_drop"],
        0,
        [("implausible_drop", 3)],
    ),
    "a lost connection is caught up": (
        counter("u16", max_rate=0.2),
        [(0, 10), (36_000, 7_000)],
        ["baseline", "advance"],
        6_990,
        [],
    ),
    "what the machine itself did not know is not": (
        counter("u16", max_rate=0.2),
        [(0, 10), (10, None), (20, None), (36_000, 7_000), (36_010, 7_001)],
        ["baseline", "interrupted", "advance"],
        1,
        [("interrupted", 6_990)],
    ),
    "interrupted, then zero for a moment, then back": (
        counter("u32", max_rate=0.2),
        [(0, 3763), (10, None), (400, 0), (600, 3766), (610, 3767)],
        ["baseline", "interrupted", "interrupted", "advance"],
        1,
        [("interrupted", 3)],
    ),
    "interrupted, then zero for a moment, then just where it was": (
        counter("u32", max_rate=0.2),
        [(0, 3763), (10, None), (400, 0), (600, 3763), (610, 3764)],
        ["baseline", "interrupted", "returned", "advance"],
        1,
        [],
    ),
    "interrupted without a difference": (
        counter("u32", max_rate=0.2),
        [(0, 3763), (10, None), (20, 3763), (30, 3764)],
        ["baseline", "unchanged", "advance"],
        1,
        [],
    ),
    "interrupted after a jump": (
        counter("u16", max_rate=0.2),
        [(0, 10), (10, 65_535), (20, None), (30, 12)],
        ["baseline", "jump", "interrupted"],
        0,
        [("jump", 65_525), ("interrupted", 2)],
    ),
    "a new level is believed once it counts": (
        counter("u16", "SHIFT", max_rate=0.2),
        [(0, 0), (10, 3_763), (20, 3_764), (30, 0), (40, 1)],
        ["baseline", "jump", "advance", "reset", "advance"],
        2,
        [("jump", 3_763)],
    ),
    "a counter that honestly passes its old value after a reset": (
        counter("u16", "SHIFT", max_rate=1),
        [(0, 3), (10, 0), (20, 2), (30, 4), (40, 5)],
        ["baseline", "reset", "advance", "advance", "advance"],
        5,
        [],
    ),
    "a batch counter set to zero after each batch": (
        counter(None, "ACTION_COMPLETE", 1, "since_reset"),
        [(0, 3), (60, 0), (120, 4), (180, 1)],
        ["baseline", "reset", "advance", "reset"],
        5,
        [],
    ),
    "bcd4: 9999 is followed by 0": (
        counter("bcd4", "LIFE", 1),
        [(0, 9_998), (60, 3)],
        ["baseline", "rollover"],
        5,
        [],
    ),
    "a value outside its width does not wrap": (
        counter("u8", "LIFE", 1000),
        [(0, 300), (60, 3)],
        ["baseline", "implausible_drop"],
        0,
        [("implausible_drop", 3)],
    ),
    "delta: too many, negative, older than what was added": (
        counter(None, "unknown", 0.2, "delta"),
        [(0, 5), (10, 2), (20, 500), (30, -3), (25, 1), (40, 0), (50, 1)],
        ["baseline", "advance", "jump", "implausible_drop", "jump", "unchanged", "advance"],
        3,
        [("jump", 500), ("implausible_drop", -3), ("jump", 1)],
    ),
    "delta: across the machine's own silence": (
        counter(None, "unknown", 0.2, "delta"),
        [(0, 5), (10, None), (20, 2), (30, 1)],
        ["baseline", "interrupted", "advance"],
        1,
        [("interrupted", 2)],
    ),
    "pulse: faster than the machine": (
        counter(None, "unknown", 0.2, "pulse"),
        [(0, 0), (1, 1), (1.1, 0), (1.2, 1), (1.3, 0), (7, True)],
        ["baseline", "advance", "unchanged", "jump", "unchanged", "advance"],
        2,
        [("jump", 1)],
    ),
    "pulse: across the machine's own silence": (
        counter(None, "unknown", 0.2, "pulse"),
        [(0, 0), (1, None), (9, 1), (10, 0), (11, None), (19, 0), (20, 1)],
        ["baseline", "interrupted", "unchanged", "unchanged", "advance"],
        1,
        [("interrupted", 1)],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_stories(story):
    descriptor, readings, expected, pieces, waiting = STORIES[story]
    steps = walk(descriptor, readings)

    assert causes(steps) == expected
    assert counted(steps) == pieces
    assert held(steps) == waiting


def test_where_the_pieces_are_counted_from_is_told():
    steps = walk(counter("u16", max_rate=0.2), [(0, 10), (10, 65_535), (20, 12)])

    assert [(item.before, item.after) for item in steps] == [(None, 10), (10, 65_535), (10, 12)]


def test_a_clock_that_goes_back_gives_no_time_and_takes_none():
    descriptor = counter("u16", max_rate=1)
    steps = walk(descriptor, [(100, 10), (40, 11), (50, 12), (101, 13)])

    assert causes(steps) == ["baseline", "advance", "jump", "advance"]
    assert steps[-1].state.at == 101 * SECOND


def test_the_time_may_be_a_datetime():
    start = datetime(2026, 3, 29, 1, tzinfo=timezone.utc)
    first = step(counter("u16"), None, 1, start)

    assert step(counter("u16"), first.state, 4, start + timedelta(seconds=3)).pieces == 3


def test_more_than_a_double_can_hold_is_counted_to_the_piece():
    steps = walk(counter("u64", "LIFE", 1), [(0, 2**64 - 2), (60, 2**64 - 1), (120, 2)])

    assert [item.pieces for item in steps] == [0, 1, 3]


@pytest.mark.parametrize("value", [1.5, "7", None, float("nan"), float("inf"), [1]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError):
        whole(value)


def test_a_whole_float_is_a_number_of_pieces():
    assert whole(5.0) == 5
    assert type(whole(True)) is int


def test_a_counter_is_not_negative():
    with pytest.raises(ValueError):
        step(counter("u16"), None, -1, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"max_rate": 0},
        {"max_rate": -1},
        {"max_rate": None},
        {"max_rate": float("inf")},
        {"max_rate": True},
        {"max_rate": "1"},
        {},
        {"max_rate": 1, "modulus": 1},
        {"max_rate": 1, "modulus": 2.5},
        {"max_rate": 1, "modulus": True},
        {"max_rate": 1, "modulus": "u7"},
        {"max_rate": 1, "kind": "wild"},
        {"max_rate": 1, "reset_policy": "SOMETIMES"},
        {"max_rate": 1, "burst": 0.5},
    ],
)
def test_a_descriptor_that_cannot_be(values):
    with pytest.raises(ValueError):
        CounterDescriptor.from_json(values)


def test_widths():
    assert {name: CounterDescriptor("absolute", name, "LIFE", 1).modulus for name in WIDTHS} == {
        "u8": 256,
        "u16": 65_536,
        "u23": 8_388_608,
        "u24": 16_777_216,
        "u32": 4_294_967_296,
        "u64": 18_446_744_073_709_551_616,
        "bcd4": 10_000,
        "bcd8": 100_000_000,
    }
