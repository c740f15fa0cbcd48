"""Is it known of each number of a stream whether it has arrived, whatever the order in which they come?"""

from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.gaps import extend, fill, watermark

batches = st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=12)


def numbers_of(ranges):
    return [number for first, last in ranges for number in range(first, last + 1)]


@settings(deadline=None)
@given(batches)
def test_arrived_and_missing_are_all_there_is_between_the_ends(batches):
    lowest = highest = None
    missing, arrived = [], set()
    for batch in batches:
        lowest, highest, opened = extend(lowest, highest, batch)
        missing = sorted([*fill(missing, batch), *opened])
        arrived |= set(batch)
        if not arrived:
            assert (lowest, highest, missing) == (None, None, [])
            continue
        assert (lowest, highest) == (min(arrived), max(arrived))
        assert numbers_of(missing) == sorted(set(range(lowest, highest)) - arrived)
        reached = watermark(highest, missing)
        assert set(range(lowest, reached + 1)) <= arrived and reached + 1 not in arrived


@settings(deadline=None)
@given(st.permutations(range(12)))
def test_once_all_have_come_nothing_is_missing(order):
    lowest = highest = None
    missing = []
    for number in order:
        lowest, highest, opened = extend(lowest, highest, [number])
        missing = sorted([*fill(missing, [number]), *opened])

    assert (lowest, highest, missing) == (0, 11, [])


def test_a_gap_of_any_length_is_one_range():
    assert extend(5, 5, [2**62]) == (5, 2**62, [(6, 2**62 - 1)])
    assert fill([(6, 2**62 - 1)], [2**61]) == [(6, 2**61 - 1), (2**61 + 1, 2**62 - 1)]


def test_what_arrives_again_changes_nothing():
    assert extend(1, 9, [1, 4, 9]) == (1, 9, [])
    assert fill([(3, 4)], [1, 2, 5, 9]) == [(3, 4)]
    assert watermark(9, [(3, 4)]) == 2
    assert watermark(9, []) == 9
