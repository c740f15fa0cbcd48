"""Do conditions find on recorded days of real machines what stands in the recordings?

Mazak01 on 25 June 2019, of NIST's SMS Test Bed: eight faults of its logic, many silences. What is to be found is read off the
lines of the file, without any of our own reading of it.
"""

import gzip
from datetime import datetime, timezone

import pytest

from machine_connect.condition import Alarm, Evaluation, Raised, Rule
from machine_connect.instants import microseconds
from machine_connect.state import find
from simulator.shdr import Condition, Observation, read_recording
from tests.integration.recorded import DAYS, TRUTH

PATH = DAYS["mazak01"]
DAY = TRUTH[PATH.name]
UNAVAILABLE = DAY["seconds_in_state_until_last_change"]["UNAVAILABLE"]


def lines():
    """The lines of the file as ``(moment in microseconds, fields)``."""
    for line in gzip.open(PATH, "rt").read().splitlines():
        stamp, *fields = line.split("|")
        moment = datetime.fromisoformat(stamp.rstrip("Z")).replace(tzinfo=timezone.utc)
        yield microseconds(moment), fields


def faults(code):
    """When the file says a fault of this code, in microseconds."""
    return [at for at, fields in lines() if len(fields) > 2 and fields[1].upper() == "FAULT" and fields[2] == code]


def look(rule):
    """Return what a rule finds on the recorded day, as alarms and states of the machine would be told."""
    evaluation, found, active = Evaluation(rule), [], {}
    for entry in read_recording(PATH):
        moment = microseconds(entry.at)
        if isinstance(entry, Observation) and entry.key == "execution":
            state = "unknown" if entry.value == "UNAVAILABLE" else find("mtconnect_execution", entry.value).value
            found += evaluation.feed(moment, state=state)
        elif isinstance(entry, Condition) and entry.level in ("NORMAL", "FAULT", "WARNING"):
            # A level of its key ends what was there before. That a condition is unavailable says nothing.
            for code in active.pop(entry.key, []):
                found += evaluation.feed(moment, alarm=Alarm(code, False))
            if entry.level != "NORMAL":
                active[entry.key] = [entry.code]
                found += evaluation.feed(moment, alarm=Alarm(entry.code, True, int(entry.severity) * 10, entry.text))
    return found


@pytest.mark.parametrize(("code", "times"), [("270", 5), ("284", 3), ("149", 1)])
def test_each_fault_is_raised_when_the_file_says_it(code, times):
    expected = faults(code)
    assert len(expected) == times
    raised = [item for item in look(Rule("alarm", code=code)) if isinstance(item, Raised)]
    assert [item.at for item in raised] == expected


def test_the_third_time_in_a_quarter_of_an_hour():
    first, _second, third, *_later = faults("284")
    found = look(Rule("times_in_window", counted="alarm", code="284", times=3, window=900.0))
    assert [(item.at, item.since) for item in found if isinstance(item, Raised)] == [(third, third)]
    # It is over when the first lies a quarter of an hour back.
    assert found[1].at == first + 900 * 1_000_000


def test_sixty_thousand_seconds_without_a_value_are_no_stop():
    assert UNAVAILABLE > 60_000
    found = look(
        Rule("state_longer", states=("stopped", "idle", "held", "completed", "starved", "blocked"), duration=60.0)
    )
    states = [(at, value) for at, fields in lines() for key, value in zip(fields[::2], fields[1::2], strict=False)
              if key == "execution"]  # fmt: skip
    unknown = [
        (at, following)
        for (at, value), (following, _next) in zip(states, states[1:], strict=False)
        if value == "UNAVAILABLE"
    ]
    assert found, "it stands for longer than a minute now and then"
    for item in found:
        if isinstance(item, Raised):
            assert item.at - item.since == 60 * 1_000_000
            assert not any(start < item.at and item.since < end for start, end in unknown), (
                "raised of what nobody knows"
            )
