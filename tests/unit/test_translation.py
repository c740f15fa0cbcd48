"""What metrics of Telegraf become by rules, and everything that may be wrong with a body of JSON that knows nothing of us."""

import gzip
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.body import Bounds
from machine_connect.envelope import ParsedEvent, Rejected
from machine_connect.event import microseconds
from machine_connect.refusals import EVENT_REFUSALS, RequestRefused
from machine_connect.translation import JSON, Entry, Rule, constant, translate, value_table

calm = settings(deadline=None)

#: Telegraf's documentation, «JSON output data format», standard format and batch format, as they stand there.
STANDARD = b"""{
    "fields": {
        "field_1": 30,
        "field_2": 4,
        "field_N": 59,
        "n_images": 660
    },
    "name": "docker",
    "tags": {
        "host": "raynor"
    },
    "timestamp": 1458229140
}
"""
BATCH_OF_TWO = b'{"metrics": [' + STANDARD.strip() + b", " + STANDARD.strip().replace(b"raynor", b"amaranth") + b"]}"


def entries(**said):
    """Return entries: ``delta="good"`` from a field, ``unit=("tag", "unit")`` from somewhere else."""
    whole = {key: item if isinstance(item, tuple) else ("field", item) for key, item in said.items()}
    return tuple(Entry(key, item[0], item[1], item[2] if len(item) > 2 else {}) for key, item in whole.items())


def rule(identity="1", metric="docker", kind="production.count", **changes):
    said = {"machine_tag": "host", "entries": entries(kind=("constant", "good"), delta="field_2"), **changes}
    return Rule(identity, metric, kind, said.pop("stream", "telegraf/hall"), **said)


def translated(metrics, *rules, **options):
    body = metrics if isinstance(metrics, bytes) else json.dumps({"metrics": metrics}).encode()
    return translate(body, options.pop("content_type", JSON), options.pop("encoding", ""), rules or [rule()], **options)


def metric(*without, **changes):
    values = {
        "name": "docker",
        "tags": {"host": "raynor"},
        "fields": {"field_2": 4},
        "timestamp": 1458229140,
        **changes,
    }
    return {key: value for key, value in values.items() if key not in without}


def fate(event):
    return (event.reason, event.params["pointer"]) if isinstance(event, Rejected) else "event"


# ------------------------------------------------------------------------------------------------------- what fits


def test_the_documented_metric_becomes_an_event():
    (event,) = translated(STANDARD)

    assert isinstance(event, ParsedEvent), event
    assert (event.type, event.machine, event.stream, event.data) == (
        "production.count", "raynor", "telegraf/hall", {"kind": "good", "delta": 4},
    )  # fmt: skip
    assert event.occurred == microseconds(datetime(2016, 3, 17, 15, 39, tzinfo=timezone.utc))
    assert event.extras == ()


def test_the_documented_batch_becomes_events_in_its_order():
    assert [(event.index, event.machine) for event in translated(BATCH_OF_TWO)] == [(0, "raynor"), (1, "amaranth")]
    assert translated(gzip.compress(BATCH_OF_TWO), encoding="gzip") == translated(BATCH_OF_TWO)
    assert translated([]) == []


def test_several_rules_for_one_metric_make_several_events_in_their_order():
    good, reject = rule("1"), rule("2", entries=entries(kind=("constant", "reject"), delta="field_1"))
    found = translated(BATCH_OF_TWO, reject, good)

    assert [(event.index, event.machine, event.data["kind"], event.data["delta"]) for event in found] == [
        (0, "raynor", "reject", 30), (1, "raynor", "good", 4), (2, "amaranth", "reject", 30), (3, "amaranth", "good", 4),
    ]  # fmt: skip
    assert len({event.uid for event in found}) == 4


def test_a_metric_that_no_rule_is_for_holds_up_no_other():
    found = translated([metric(name="cpu"), metric(), metric(fields={"other": 1})])

    assert [fate(event) for event in found] == [
        ("translation_missing", "/metrics/0"), "event", ("translation_missing", "/metrics/2"),
    ]  # fmt: skip
    assert [event.index for event in found] == [0, 1, 2]
    assert (found[0].stream, found[0].uid) == ("telegraf/hall", "cpu")


def test_a_tag_chooses():
    chosen = rule(tag="line", tag_value="4")

    assert [fate(event) for event in translated([metric(tags={"host": "a", "line": "4"})], chosen)] == ["event"]
    for tags in ({"host": "a", "line": "5"}, {"host": "a"}):
        assert [fate(event)[0] for event in translated([metric(tags=tags)], chosen)] == ["translation_missing"]


def test_the_machine_is_in_the_rule_or_in_a_tag():
    assert translated([metric()], rule(machine="press", machine_tag=""))[0].machine == "press"
    assert translated([metric(tags={})])[0].machine == ""


@pytest.mark.parametrize(
    ("unit", "said", "expected"),
    [
        ("s", 1458229140, 1458229140_000000),
        ("ms", 1458229140123, 1458229140_123000),
        ("us", 1458229140123456, 1458229140_123456),
        ("ns", 1458229140123456789, 1458229140_123456),
        ("s", "2016-03-17T16:39:00.5+01:00", 1458229140_500000),
    ],
)
def test_the_time_is_in_the_unit_that_is_set(unit, said, expected):
    assert translated([metric(timestamp=said)], rule(unit=unit))[0].occurred == expected


def test_values_of_a_table_and_those_that_have_no_line():
    table = {"1": "running", "true": "fault", "off": "off", "*": "unknown"}
    state = rule(
        kind="machine.state_changed",
        entries=entries(state=("field", "s", table), previous=("constant", None), raw_value="s"),
    )
    for value, expected in (
        (1, "running"),
        (1.0, "running"),
        (True, "fault"),
        ("off", "off"),
        (7, "unknown"),
        (None, "unknown"),
    ):
        (event,) = translated([metric(fields={"s": value})], state)
        assert event.data == {"state": expected, "previous": None, "raw_value": value}
    bare = rule(
        kind="machine.state_changed",
        entries=entries(state=("field", "s", {"1": "running"}), previous=("constant", None)),
    )
    assert fate(translated([metric(fields={"s": 7})], bare)[0]) == ("wrong_type", "/data/state")


def test_a_summary_says_from_when_to_when():
    summary = rule(
        kind="process.summary", entries=entries(n="count", start=("time", 60), end=("time", 0), unit=("tag", "unit"))
    )
    (event,) = translated([metric(fields={"count": 6.0}, tags={"host": "a", "unit": "CEL"})], summary)

    assert event.data == {
        "n": 6, "start": "2016-03-17T15:38:00.000000Z", "end": "2016-03-17T15:39:00.000000Z", "unit": "CEL",
    }  # fmt: skip


# -------------------------------------------------------------------------------------------------------- identity


def test_the_same_metric_is_the_same_event_however_it_is_written_and_sent():
    (once,) = translated(STANDARD)
    again = translated([metric(fields={"field_2": 4.0, "new": 1}), metric(name="cpu")])[0]

    assert (once.uid, once.digest) == (again.uid, again.digest)


def test_other_tags_another_time_and_another_rule_are_other_events():
    known = {translated(STANDARD)[0].uid}
    for event in (
        *translated([metric(tags={"host": "raynor", "line": "2"}), metric(timestamp=1458229141)]),
        *translated(STANDARD, rule("2")),
    ):
        assert event.uid not in known
        known.add(event.uid)


def test_a_changed_value_of_a_metric_that_was_taken_is_a_conflict_and_no_new_event():
    (once,), (changed,) = translated(STANDARD), translated([metric(fields={"field_2": 5})])

    assert once.uid == changed.uid
    assert once.digest != changed.digest


# ------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (7, ("wrong_type", "/metrics/0")),
        (metric("name"), ("missing", "/metrics/0/name")),
        (metric("timestamp"), ("missing", "/metrics/0/timestamp")),
        (metric(name=1), ("wrong_type", "/metrics/0/name")),
        (metric(tags=[]), ("wrong_type", "/metrics/0/tags")),
        (metric(fields=None), ("wrong_type", "/metrics/0/fields")),
        (metric(timestamp=True), ("wrong_type", "/metrics/0/timestamp")),
        (metric(timestamp=1.5), ("wrong_type", "/metrics/0/timestamp")),
        (metric(timestamp="noon"), ("malformed", "/metrics/0/timestamp")),
        (metric(timestamp=-1), ("out_of_range", "/metrics/0/timestamp")),
        (metric(timestamp=1458229140000), ("out_of_range", "/metrics/0/timestamp")),
        (metric(fields={"field_2": float("nan")}), ("not_finite", "/metrics/0/fields/field_2")),
        (metric(fields={"field_2": "a\0"}), ("nul", "/metrics/0/fields/field_2")),
        (metric(tags={"host": "\ud800"}), ("half_surrogate", "/metrics/0/tags/host")),
        (metric(fields={"field_2": 10**30}), ("out_of_range", "/metrics/0/fields/field_2")),
        (metric(fields={"field_2": "many"}), ("wrong_type", "/data/delta")),
        (metric(tags={"host": "a" * 300}), ("too_long", "/subject")),
    ],
)
def test_what_is_wrong_with_a_metric_is_said_and_holds_up_no_other(said, expected):
    assert [fate(event) for event in translated([said, metric()])] == [expected, "event"]


def test_a_key_that_is_there_twice_is_no_metric():
    twice = STANDARD.replace(b'"name": "docker",', b'"name": "docker", "name": "docker",')

    assert [fate(event) for event in translated(twice)] == [("key_twice", "")]
    assert [fate(event) for event in translated(b'{"metrics": [%s]}' % twice)] == [("key_twice", "/metrics/0")]


@pytest.mark.parametrize(
    ("body", "code", "options"),
    [
        (b"[]", "not_an_object", {}),
        (b"7", "not_an_object", {}),
        (b'{"metrics": {}}', "not_an_array", {}),
        (b"{", "not_json", {}),
        (b"\xff", "not_utf8", {}),
        (b"\xef\xbb\xbf{}", "byte_order_mark", {}),
        (b'{"metrics":' + b"[" * 100_000, "too_deep", {}),
        (STANDARD, "body_too_big", {"bounds": Bounds(sent=10)}),
        (gzip.compress(b" " * 100, mtime=0), "unpacked_too_big", {"encoding": "gzip", "bounds": Bounds(unpacked=99)}),
        (STANDARD, "gzip_broken", {"encoding": "gzip"}),
        (STANDARD, "encoding_unsupported", {"encoding": "br"}),
        (BATCH_OF_TWO, "too_many_values", {"bounds": Bounds(values=10)}),
        (BATCH_OF_TWO, "too_many_events", {"bounds": Bounds(events=1)}),
        (STANDARD, "media_type_unsupported", {"content_type": "text/plain"}),
        (STANDARD, "charset_unsupported", {"content_type": "application/json; charset=latin1"}),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_as_a_whole(body, code, options):
    with pytest.raises(RequestRefused) as told:
        translated(body, **options)
    assert told.value.code == code


def test_events_are_counted_as_rules_make_them():
    with pytest.raises(RequestRefused, match="too_many_events"):
        translated(STANDARD, rule("1"), rule("2"), rule("3"), bounds=Bounds(events=2))


# ------------------------------------------------------------------------------------------------- how rules are written


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("1.5", 1.5), ("true", True), ("null", None), ("good", "good"), ('"1"', "1"), ("NaN", "NaN"), ("[1]", "[1]"),
     ("", ""), ("9" * 30, "9" * 30), ("\ud800", "\ud800")],
)  # fmt: skip
def test_a_constant_is_what_json_understands_or_a_text(text, expected):
    assert constant(text) == expected
    assert type(constant(text)) is type(expected)


def test_a_table_of_values():
    assert value_table("0=stopped, 1 = running\n*=unknown,a=b=c") == {
        "0": "stopped", "1": "running", "*": "unknown", "a": "b=c",
    }  # fmt: skip
    assert value_table("") == {}
    for text, part in (("running", "running"), ("=1", "=1"), ("1=", "1="), ("1=a,1=b", "1=b")):
        with pytest.raises(ValueError, match=part):
            value_table(text)


# ---------------------------------------------------------------------------------------------------- anything at all

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
#: Close to a metric, so that rules are for many of them.
likely = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("docker") | anything,
        "tags": st.dictionaries(st.sampled_from(["host", "line", "unit"]), st.text(max_size=4) | anything) | anything,
        "fields": st.dictionaries(st.sampled_from(["field_1", "field_2", "s"]), anything) | anything,
        "timestamp": st.integers(0, 4_000_000_000) | st.integers() | anything,
        "more": anything,
    },
)
bodies = (
    st.binary(max_size=200)
    | anything.map(lambda value: json.dumps(value).encode())
    | st.lists(likely | anything, max_size=5).map(lambda metrics: json.dumps({"metrics": metrics}).encode())
    | likely.map(lambda value: json.dumps(value).encode())
)
RULES = (
    rule("1"),
    rule("2", tag="line", tag_value="4", entries=entries(kind=("field", "s", {"1": "good"}), delta="field_1")),
    rule(
        "3",
        kind="machine.state_changed",
        entries=entries(state="s", previous=("constant", None), reason=("tag", "unit")),
    ),
    rule(
        "4", kind="process.summary", unit="ns", entries=entries(n="field_1", start=("time", 2_678_400), end=("time", 0))
    ),
)


@calm
@given(bodies)
def test_whatever_comes_is_refused_in_words_or_judged_event_by_event(body):
    try:
        found = translate(body, JSON, "", RULES)
    except RequestRefused:
        return
    assert [event.index for event in found] == list(range(len(found)))
    for event in found:
        if isinstance(event, Rejected):
            assert event.reason in EVENT_REFUSALS
            json.dumps([event.stream, event.uid, event.params], allow_nan=False).encode()
        else:
            json.dumps([event.data, event.machine, event.uid], allow_nan=False, ensure_ascii=False).encode("utf-8")


@calm
@given(st.lists(likely, min_size=1, max_size=5))
def test_what_is_sent_again_in_another_batch_has_the_same_ids(metrics):
    body = json.dumps({"metrics": metrics}).encode()
    alone = [
        event for item in metrics for event in translate(json.dumps({"metrics": [item]}).encode(), JSON, "", RULES)
    ]
    together = translate(body, JSON, "", RULES)

    assert [event.uid for event in together] == [event.uid for event in alone]
    assert together == translate(body, JSON, "", RULES)
