"""The description of the door is OpenAPI 3.1, and says what the schemas say."""

import json

import jsonschema
import pytest
from openapi_spec_validator import validate

from machine_connect.event_schemas import accepted_types
from machine_connect.openapi import document
from machine_connect.refusals import EVENT_REFUSALS, REQUEST_REFUSALS

DOCUMENT = document(("machine_unknown",))


def checked(name, value):
    """Ask the library whether a value is what the document says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_it_is_openapi():
    validate(DOCUMENT)
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_a_mistake_in_it_would_be_found():
    broken = {**DOCUMENT, "paths": {"/machine/v1/events": {"post": {"responses": 7}}}}
    with pytest.raises(Exception, match="7"):
        validate(broken)


def test_no_reference_leads_out_of_it():
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
            for item in node.values():
                yield from references(item)
        elif isinstance(node, list):
            for item in node:
                yield from references(item)

    found = set(references(DOCUMENT))
    assert len(found) > 60
    for reference in found:
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_each_type_of_event_and_each_reason_is_in_it():
    schemas = DOCUMENT["components"]["schemas"]
    assert accepted_types().keys() <= schemas.keys()
    assert set(REQUEST_REFUSALS) <= set(schemas["Problem"]["properties"]["code"]["enum"])
    reasons = schemas["EventsAnswer"]["properties"]["results"]["items"]["properties"]["reason"]["enum"]
    assert {*EVENT_REFUSALS, "machine_unknown"} <= set(reasons)


def test_an_event_is_what_the_door_takes():
    event = {
        "specversion": "1.0", "id": "a", "source": "line/1", "type": "mmc.production.count.v1", "subject": "press",
        "time": "2026-01-05T12:00:00Z", "data": {"kind": "good", "delta": 1},
    }  # fmt: skip
    assert checked("Event", event)
    assert not checked("Event", {**event, "type": "mmc.production.miracle.v1"})
    assert not checked("Event", {**event, "data": {"kind": "good"}})


def test_metrics_are_what_a_source_with_translations_takes():
    metric = {"name": "docker", "tags": {"host": "raynor"}, "fields": {"n_images": 660}, "timestamp": 1458229140}
    body = DOCUMENT["paths"]["/machine/v1/events"]["post"]["requestBody"]["content"]["application/json"]

    assert body["schema"] == {"$ref": "#/components/schemas/Metrics"}
    assert checked("Metrics", metric)
    assert checked("Metrics", {"metrics": [metric, metric]})
    assert not checked("Metrics", {"metrics": [{**metric, "tags": "host"}]})
