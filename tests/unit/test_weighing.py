"""What of that which a scale of rejects shows is scrap, and what is only a bin that was emptied."""

import pytest

from machine_connect.mapping import Interpreter
from tests.unit.mapping_feed import EVIDENCE, UNAVAILABLE, data, events, feed, mapping, reading, refused


def scale(**settings):
    return mapping("scale", unit="GRM", **settings)


def portions(settings, *readings):
    return [item["qty"] for item in data(settings, *readings)]


def test_what_it_grows_by_is_scrap():
    found = events(scale(reason="SEAL"), (0, 1_250), (1, 1_250), reading(2, 1_497, raw=EVIDENCE), (3, 1_497))

    [event] = found
    assert event.type == "quality.scrap"
    assert event.data == {
        "qty": 247,
        "unit": "GRM",
        "signal": "S",
        "weight_before": 1_250,
        "weight_after": 1_497,
        "reason": "SEAL",
        "raw": EVIDENCE,
    }


def test_without_a_reason_none_is_told():
    [item] = data(scale(), (0, 0), (1, 250))

    assert "reason" not in item


def test_the_first_weight_is_nobodys_scrap():
    assert events(scale(), (0, 9_000)) == []


def test_a_bin_that_is_emptied_is_no_event_and_counting_goes_on_from_there():
    assert portions(scale(), (0, 0), (1, 250), (2, 510), (3, 0), (4, 240), (5, 100), (6, 350)) == [250, 260, 240, 250]


def test_what_grew_while_nobody_could_read_is_told_at_once():
    assert portions(scale(), (0, 100), reading(1, UNAVAILABLE), reading(2, UNAVAILABLE), (90, 850)) == [750]


def test_small_portions_add_up_and_a_scale_that_trembles_says_nothing():
    settings = scale(deadband=100)

    assert portions(settings, (0, 1_000), (1, 1_030), (2, 985), (3, 1_060), (4, 1_090), (5, 1_115)) == [115]
    assert refused(feed(settings, (0, 1_000), (1, 1_030))[-1]) == [("deadband", None)]


def test_what_is_lighter_by_less_than_the_deadband_was_not_emptied():
    assert portions(scale(deadband=100), (0, 1_000), (1, 950), (2, 1_240)) == [240]


def test_a_weight_must_last_as_long_as_the_debounce_says():
    # A hand on the scale, then a pack that stays.
    found = events(scale(debounce=2), (0, 0), (3, 0), (4, 900), (5, 250), (6, 250), (7, 250), (8, 250))

    assert [event.data["qty"] for event in found] == [250]


def test_it_is_told_in_the_unit_of_the_signal_without_the_noise_of_fractions():
    assert portions(mapping("scale", unit="KGM", scale=0.001), (0, 100), (1, 300), (2, 1_000)) == [0.2, 0.7]
    assert portions(mapping("scale", unit="KGM"), (0, 0.1), (1, 0.3)) == [0.2]


def test_a_text_that_is_no_number_says_nothing_and_nothing_is_lost():
    assert portions(scale(), (0, 100), (1, "overload"), (2, 400)) == [300]


def test_what_is_older_than_what_was_told_is_not_told_again():
    found = events(
        scale(), reading(0, 0, own=0), reading(5, 500, own=5), reading(5, 250, own=3), reading(9, 750, own=9)
    )

    assert [event.data["qty"] for event in found] == [500, 250]


@pytest.mark.parametrize("deadband", [0, 40])
def test_the_sum_of_all_portions_is_what_was_thrown_in(deadband):
    thrown = [241, 255, 0, 260, 0, 0, 236, 249]
    weight, said = 1_000, [1_000]
    for portion in thrown:
        weight += portion
        said.append(weight)

    assert sum(portions(scale(deadband=deadband), *enumerate(said))) == sum(thrown)


def test_its_memory_may_be_lost_between_two_polls_only_where_it_says_so():
    interpreter = Interpreter(scale())
    first = interpreter.interpret(None, reading(0, 100))
    same = interpreter.interpret(first.memory, reading(1, 100))

    assert first.changed
    assert not same.changed
    assert same.memory is first.memory
