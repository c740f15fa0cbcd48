"""The simulator reads what MTConnect adapters say, as others have read it."""

import gzip
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.replay import RECORDINGS
from simulator.shdr import Asset, Condition, Observation, ShdrReader, read_recording

HERE = Path(__file__).parent / "recordings"
AT = datetime(2017, 2, 6, 12, 39, 45, 593750, tzinfo=timezone.utc)

#: Counted by others (pandas, line by line), for exactly these files.
TRUTH = {
    HERE / "plate-op2-20parts-Hurco04.txt": {
        "lines": 4522, "malformed": 0, "keys": 12, "state": "Program_Status",
        "states": {"ACTIVE": 30, "FEED_HOLD": 10, "PROGRAM_COMPLETED": 20},
        "seconds": {"ACTIVE": 1061.359, "FEED_HOLD": 5.188, "PROGRAM_COMPLETED": 5351.203},
        "counter": [str(number) for number in range(1089, 1109)],
    },
    HERE / "Hurco01-20170809-20170810.txt": {
        "lines": 915, "malformed": 0, "keys": 17, "state": "Program_Status",
        "states": {"UNAVAILABLE": 3, "READY": 2, "ACTIVE": 5, "FEED_HOLD": 4, "PROGRAM_COMPLETED": 1},
        "seconds": {
            "UNAVAILABLE": 182614.587, "READY": 1862.095, "ACTIVE": 100.672, "FEED_HOLD": 1.516,
            "PROGRAM_COMPLETED": 83.056,
        },
        "counter": ["UNAVAILABLE", "0", "3763", "UNAVAILABLE", "3766", "3767", "UNAVAILABLE"],
    },
    RECORDINGS / "2-1-2017-Hurco04-Clean.txt.gz": {
        "lines": 66155, "malformed": 9, "keys": 15, "state": "Program_Status",
        "states": {
            "READY": 1, "ACTIVE": 64, "FEED_HOLD": 52, "PROGRAM_COMPLETED": 9, "PROGRAM_STOPPED": 11, "STOPPED": 1,
        },
        "seconds": {
            "READY": 6092.938, "ACTIVE": 10472.875, "FEED_HOLD": 26.0, "PROGRAM_COMPLETED": 6370.75,
            "PROGRAM_STOPPED": 4465.828, "STOPPED": 962.828,
        },
        "counter": [str(number) for number in range(1065, 1076)],
    },
}  # fmt: skip


def said(line, **settings):
    return ShdrReader(**settings).feed(line)


@pytest.mark.parametrize("path", TRUTH, ids=lambda path: path.name)
def test_a_recorded_day_says_what_others_counted_in_it(path):
    truth, reader = TRUTH[path], ShdrReader()
    entries = read_recording(path, reader)
    of_state = [entry for entry in entries if entry.key == truth["state"]]
    changes = [list(same)[0] for _value, same in groupby(of_state, lambda entry: entry.value)]
    seconds = Counter()
    for entry, following in zip(changes, changes[1:], strict=False):
        seconds[entry.value] += (following.at - entry.at).total_seconds()
    counts = [value for value, _same in groupby(entry.value for entry in entries if entry.key == "Part_Count")]

    assert (reader.lines, reader.malformed, reader.left_over) == (truth["lines"], truth["malformed"], 0)
    assert len({entry.key for entry in entries}) == truth["keys"]
    assert Counter(entry.value for entry in changes) == truth["states"]
    assert {state: round(total, 3) for state, total in seconds.items()} == pytest.approx(truth["seconds"], abs=0.002)
    assert counts == truth["counter"]


def test_the_recording_of_the_demo_is_the_one_of_the_tests():
    packed = gzip.decompress((RECORDINGS / "plate-op2-20parts-Hurco04.txt.gz").read_bytes())

    assert packed == (HERE / "plate-op2-20parts-Hurco04.txt").read_bytes()


@pytest.mark.parametrize(
    ("text", "at", "seconds"),
    [
        ("2017-02-06T12:39:45.5937500Z", AT, None),
        ("2017-02-06T12:39:45.593750Z", AT, None),
        ("2017-02-06T12:39:45.59375", AT, None),
        ("2017-02-06T12:39:45.593750+00:00", AT, None),
        ("2017-02-06T12:39:45Z", AT.replace(microsecond=0), None),
        ("2017-02-06T12:39:45.59375Z@12.5", AT, 12.5),
    ],
)
def test_a_line_begins_with_a_time(text, at, seconds):
    assert said(f"{text}|key|value") == [Observation(at, "key", "value", seconds=seconds)]


@pytest.mark.parametrize(
    "line",
    [
        "", "2017", "2017.919363", "key|value", "2017-02-06|key|value", "2017-13-06T12:39:45Z|key|value", "|key|value",
        "2017-02-06T12:39:45Z", "2017-02-06T12:39:45Z|key", "2017-02-06T12:39:45+01:00|key|value",
    ],
)  # fmt: skip
def test_a_line_that_says_nothing_is_counted_and_skipped(line):
    reader = ShdrReader()

    assert reader.feed(line) == []
    assert (reader.malformed, reader.lines) == (1, 1)


def test_pairs_share_their_time_and_a_key_without_a_value_is_counted():
    reader = ShdrReader()
    entries = reader.feed("2017-02-06T12:39:45Z|a|1|mill:b| |c|UNAVAILABLE|d")

    assert [(entry.device, entry.key, entry.value) for entry in entries] == [
        ("", "a", "1"), ("mill", "b", " "), ("", "c", "UNAVAILABLE"),
    ]  # fmt: skip
    assert (reader.left_over, reader.malformed) == (1, 0)


@pytest.mark.parametrize("line", ["* PONG 10000", "* adapterVersion: 2.0", "*"])
def test_commands_of_the_adapter_are_no_observations(line):
    reader = ShdrReader()

    assert reader.feed(line) == []
    assert (reader.commands, reader.malformed) == (1, 0)


def test_a_condition_is_known_by_its_level_or_by_the_device_model():
    head = "2017-02-06T12:39:45.59375Z|"

    assert said(head + "mill:load|Fault|502|HIGH|LOW|axis overload") == [
        Condition(AT, "load", "FAULT", "502", "HIGH", "LOW", "axis overload", "mill")
    ]
    assert said(head + "load|Unavailable||||") == [Condition(AT, "load", "UNAVAILABLE", "", "", "", "")]
    assert [type(entry) for entry in said(head + "a|UNAVAILABLE|b|1|c|2")] == [Observation] * 3
    assert said(head + "a|UNAVAILABLE|b|1|c|2", conditions=["a"])[0].severity == "1"
    assert said(head + "a|FAULT", conditions=["a"]) == []


def test_a_message_may_hold_any_text():
    line = "2017-02-06T12:39:45.59375Z|note|17|tool 3 | check the edge"

    assert said(line, messages=["note"]) == [Observation(AT, "note", "tool 3 | check the edge", code="17")]


def test_an_asset_may_go_over_several_lines():
    reader, entries = ShdrReader(), []
    for line in (
        "2017-02-06T12:39:45.59375Z|@ASSET@|T1|CuttingTool|--multiline--AB",
        "<CuttingTool>",
        "2017-02-06T12:39:46Z|no|line of its own",
        "--multiline--AB",
        "2017-02-06T12:39:45.59375Z|@REMOVE_ASSET@|T1",
        "2017-02-06T12:39:45.59375Z|@ASSET@|T2|CuttingTool|<a/>",
        "2017-02-06T12:39:45.59375Z|key|value",
    ):
        entries += reader.feed(line)

    assert entries == [
        Asset(AT, "@ASSET@", ("T1", "CuttingTool"), "<CuttingTool>\n2017-02-06T12:39:46Z|no|line of its own"),
        Asset(AT, "@REMOVE_ASSET@", ("T1",)),
        Asset(AT, "@ASSET@", ("T2", "CuttingTool"), "<a/>"),
        Observation(AT, "key", "value"),
    ]
    assert reader.malformed == 0


KEYS = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,12}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="|"), max_size=20)
MOMENTS = st.datetimes(datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2100-01-01"))


@given(MOMENTS, st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=6).filter(lambda pairs: len(pairs) != 3))
def test_whatever_pairs_are_sent_are_read(moment, pairs):
    line = f"{moment.isoformat()}Z|" + "|".join(f"{key}|{value}" for key, value in pairs)

    entries = said(line + "\r\n")

    assert [(entry.at, entry.key, entry.value) for entry in entries] == [
        (moment.replace(tzinfo=timezone.utc), key, value) for key, value in pairs
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=20))
def test_no_line_is_too_strange_to_be_counted(lines):
    reader = ShdrReader()
    for line in lines:
        for entry in reader.feed(line):
            assert entry.at.utcoffset() == timedelta(0)

    assert reader.lines == len(lines)
    assert reader.malformed + reader.commands + reader.left_over <= len(lines)
