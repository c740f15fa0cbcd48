"""Do our checks say what the schemas say? Asked of the library jsonschema, which is too slow for the door but knows the rules."""

import copy
import json
import re
import tracemalloc
from functools import cache

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from machine_connect.envelope import BATCH, ParsedEvent, parse
from machine_connect.event import EVENT_TYPES, HELD_REASONS
from machine_connect.event_schemas import accepted_types, documents, schema_name
from machine_connect.reading import Quality
from machine_connect.schema_check import SchemaInvalid, compile_schema
from machine_connect.state import ItemState, MachineState, OperationMode
from machine_connect.timestamps import from_timestamp
from tests.unit.envelope_page import PAGE, renewed, resolved

WIRE = sorted(accepted_types())
MOMENT = "2026-01-05T12:00:00.000007Z"
formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def _moment(value):
    return not isinstance(value, str) or from_timestamp(value) is not None


@formats.checks("uint64")
def _uint64(value):
    if not isinstance(value, str):
        return True
    return 1 <= len(value) <= 20 and set(value) <= set("0123456789") and int(value) <= 0xFFFF_FFFF_FFFF_FFFF


def _pattern(_validator, pattern, value, _schema):
    """Patterns are those of ECMA-262, where nothing may follow the end; Python lets a line feed."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


Validator = extend(Draft202012Validator, {"pattern": _pattern})
registry = Registry().with_resources(
    (name, DRAFT202012.create_resource(schema)) for name, schema in documents().items()
)


@cache
def judges(wire):
    """The schema of a type's data as the library understands it, and our check of it."""
    accepted = accepted_types()[wire]
    schema = documents()[schema_name(accepted.name, accepted.version)]
    return Validator(schema, registry=registry, format_checker=formats), accepted.check


# --------------------------------------------------------------------------------------------- what values there are

ODD = [
    *(None, True, False, 0, 1, -1, 3.0, 2.5, -0.5, 1000, 1001, 10**12, 10**12 + 1, 10**15, 10**18, 10**18 - 1),
    *(2**53 + 1, 2**63, 2**64 - 1, 2**64, -(2**64), 1e30, -1e30),
    *("", "x", "x" * 16, "x" * 17, "x" * 1024, "x" * 1025, "x" * 4096, "x" * 4097, "running", "good", "PASS"),
    *("0", "1", "18446744073709551615", "18446744073709551616", "00000000000000000042", "1\n", "-1", "1.5", "٣"),
    *(MOMENT, "2026-01-05T12:00:00+01:00", "2026-01-05T12:00:00", "2026-02-30T12:00:00Z", "1969-12-31T23:59:59Z"),
    *([], {}, [MOMENT, MOMENT], [MOMENT], [MOMENT, "x"], [0] * 1001, ["x" * 4097], {"a": {"b": ["x" * 4097]}}),
    *({"k" * 128: 1}, {"k" * 129: 1}, {str(place): 1 for place in range(101)}, [[None, {"a": [True, 2.5]}]]),
]
odd = st.sampled_from(ODD).map(copy.deepcopy)


def fitting(schema):
    """Values that mostly fit a schema."""
    schema = resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    least, most = schema.get("minimum"), schema.get("maximum")
    texts = st.text(min_size=schema.get("minLength", 0), max_size=20)
    if schema.get("format") == "date-time":
        texts = st.just(MOMENT)
    elif "format" in schema or "pattern" in schema:
        texts = st.integers(0, 10**18).map(str)
    fractions = st.floats(max(-1e15 if least is None else least, -1e15), min(most or 1e15, 1e15))
    of_kind = {
        "string": texts,
        "integer": st.integers(least, most),
        "number": st.integers(least, most) | fractions,
        "boolean": st.booleans(),
        "null": st.none(),
        "array": st.lists(odd, max_size=3),
        "object": st.dictionaries(st.text(max_size=5), odd, max_size=3),
    }
    if kinds == ["array"]:
        items = resolved(schema["items"])
        of_kind["array"] = st.lists(fitting(items) if items["type"] == "string" else odd, min_size=2, max_size=2)
    return st.one_of([of_kind[kind] for kind in kinds])


@cache
def fitting_data(wire):
    """Data that mostly fits a type."""
    schema = judges(wire)[0].schema
    keys = {key: fitting(item) for key, item in schema["properties"].items()}
    required = {key: keys.pop(key) for key in schema["required"]}
    return st.fixed_dictionaries(required, optional=keys)


@st.composite
def data_of(draw, wire):
    """Data of a type: what fits, with a few things changed, left out and added."""
    schema = judges(wire)[0].schema
    data = draw(fitting_data(wire))
    for key in draw(st.lists(st.sampled_from([*schema["properties"], "extra"]), max_size=2)):
        data[key] = draw(odd)
    for key in draw(st.lists(st.sampled_from(list(schema["properties"])), max_size=1)):
        if draw(st.integers(0, 3)) == 0:
            data.pop(key, None)
    return data


def pointer(error):
    """The place of what the library found wrong, as JSON Pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)


@settings(deadline=None)
@given(st.sampled_from(WIRE).flatmap(lambda wire: st.tuples(st.just(wire), data_of(wire))))
def test_check_and_schema_take_and_refuse_the_same_for_the_same_place(case):
    wire, data = case
    validator, check = judges(wire)
    wrong, places = check(data), {pointer(error) for error in validator.iter_errors(data)}

    assert (wrong is None) == (not places), wrong
    # A key that is too long is named itself; the library names the object that holds it.
    assert wrong is None or wrong[1] in places or (wrong[0] == "too_long" and wrong[1].rpartition("/")[0] in places)


@settings(deadline=None)
@given(st.sampled_from(WIRE).flatmap(lambda wire: st.tuples(st.just(wire), data_of(wire))))
def test_what_is_checked_and_written_at_once_is_well_and_written_as_json_is(case):
    wire, data = case
    accepted = accepted_types()[wire]
    written = accepted.write(data)
    event("written" if written else "left to be looked at")

    if written is not None:
        assert accepted.check(data) is None
        assert written == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@pytest.mark.parametrize(
    ("wire", "data"),
    [
        ("mmc.production.count.v1", {"kind": "good", "delta": 1, "total_before": 0, "total_after": 2**64 - 1}),
        ("mmc.meter.reading.v1", {"unit": "KWH", "value": 12.25}),
        ("mmc.alarm.raised.v1", {"code": 'E"1\\', "text": "Öl\n\x01 ÷\u2028\x7f𝄞"}),
    ],
)
def test_what_senders_say_most_is_written_at_once(wire, data):
    accepted = accepted_types()[wire]

    assert accepted.write(data) == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "good"},
        {"kind": "good", "delta": True},
        {"kind": "good", "delta": float("nan")},
        {"kind": "good", "delta": float("inf")},
        {"kind": "bad", "delta": 1},
        {"kind": "good", "delta": 1, "total_after": "17"},
        {"kind": "good", "delta": 1, "total_after": None},
        {"kind": "good", "delta": 1, "total_after": 2**64},
        {"kind": "good", "delta": 1, "unit": ""},
        {"kind": "good", "delta": 1, "colour": "red"},
    ],
)
def test_what_is_wrong_or_must_be_changed_or_told_is_not_written_at_once(data):
    assert accepted_types()["mmc.production.count.v1"].write(data) is None


def test_the_check_of_each_key_is_that_of_its_schema():
    """Each odd value under each key of each type, so that none is left to chance."""
    schemas = [item for wire in WIRE for item in judges(wire)[0].schema["properties"].values()]
    distinct = {json.dumps({**resolved(item), "description": ""}, sort_keys=True): item for item in schemas}
    differing = []
    for schema in distinct.values():
        validator, check = (
            Validator(schema, registry=registry, format_checker=formats),
            compile_schema(schema, documents()),
        )
        differing += [(schema, value) for value in ODD if (check(value) is None) != validator.is_valid(value)]

    assert len(distinct) > 20
    assert differing == []


def test_the_schemas_are_schemas_and_there_is_one_for_each_type():
    for schema in documents().values():
        Draft202012Validator.check_schema(schema)

    names = {schema_name(name, kind.version) for name, kind in EVENT_TYPES.items()}
    assert documents().keys() == names | {"common.json", "cloudevent.json", "config.v1.json", "heartbeat.v1.json"}


@pytest.mark.parametrize("wire", WIRE)
def test_a_schema_demands_what_the_type_must_have(wire):
    accepted = accepted_types()[wire]
    schema = documents()[schema_name(accepted.name, accepted.version)]

    assert schema["required"] == list(EVENT_TYPES[accepted.name].required)
    assert set(schema["required"]) <= schema["properties"].keys()


def test_the_words_of_the_schemas_are_those_of_the_code():
    state = documents()["machine.state_changed.v1.json"]["properties"]
    attributes = documents()["cloudevent.json"]["properties"]

    assert documents()["common.json"]["$defs"]["state"]["enum"] == [item.value for item in MachineState]
    assert set(state["previous"]["enum"]) == {*(item.value for item in MachineState), None}
    assert set(state["item_state"]["enum"]) == {*(item.value for item in ItemState), None}
    assert set(state["mode"]["enum"]) == {*(item.value for item in OperationMode), None}
    assert attributes["quality"]["enum"] == [item.value for item in Quality]
    assert attributes["held"]["enum"] == list(HELD_REASONS)


def test_the_check_of_the_attributes_is_that_of_their_schema():
    schema = documents()["cloudevent.json"]
    validator = Validator(schema, registry=registry, format_checker=formats)
    event = {
        "specversion": "1.0",
        "id": "a",
        "source": "urn:mmc:agent-1:press-7",
        "type": "mmc.agent.heartbeat.v1",
        "time": MOMENT,
        "data": {},
    }
    values = [value for value in ODD if value is not None]  # null: not there
    differing = []
    for key in [*schema["properties"], "extra"]:
        if key in ("type", "data", "datacontenttype"):  # looked at beyond the schema
            continue
        for value in values:
            changed = {**event, key: value}
            (result,) = parse(json.dumps([changed]).encode(), BATCH)
            if isinstance(result, ParsedEvent) != validator.is_valid(json.loads(json.dumps(changed))):
                differing.append((key, value, result))

    # A float beyond every integer is told before the schema is asked.
    assert differing == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 3, "contentEncoding": "base64"},
        {"type": "number", "exclusiveMinimum": 3},
        {"type": "string", "maxLength": 3, "pattern": "a+"},
        {"enum": [1, 2]},
        {"enum": ["a"], "type": "string"},
        {"$ref": "common.json#/$defs/name", "maxLength": 3},
        {
            "type": "object",
            "maxProperties": 3,
            "propertyNames": {"maxLength": 3, "minLength": 1},
            "additionalProperties": True,
        },
    ],
    ids=json.dumps,
)
def test_a_schema_that_promises_what_nobody_looks_at_is_an_error(schema):
    with pytest.raises(SchemaInvalid):
        compile_schema(schema, documents())


def test_true_is_not_one():
    one = compile_schema({"type": "number", "minimum": 0, "maximum": 1}, {})
    choice = compile_schema({"enum": ["a", None]}, {})

    assert [one(value) and one(value)[0] for value in (0, 1.0, True)] == [None, None, "wrong_type"]
    assert [choice(value) and choice(value)[0] for value in ("a", None, "b", 1, [])] == [
        *(None, None, "unknown_choice", "wrong_type", "wrong_type")
    ]


def test_the_page_says_what_the_schemas_say():
    """Written anew by ``python -m tests.unit.envelope_page``."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == renewed(page)


def test_nothing_stays_of_keys_that_strangers_make_up():
    check = accepted_types()["mmc.production.count.v1"].check
    said = {"kind": "good", "delta": 1}
    assert check(said) is None
    tracemalloc.start()
    try:
        before, _peak = tracemalloc.get_traced_memory()
        for number in range(200):
            made_up = {f"key {number} {place}": "x" for place in range(12)}
            assert check({**said, **made_up}) is None
        after, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
