"""What can be asked of the door, by OpenAPI 3.1.0? Made of the schemas and the reasons themselves, so that it says what they say."""

from .body import Bounds
from .envelope import BATCH, SINGLE
from .event import HELD_REASONS
from .event_schemas import accepted_types, documents, schema_name
from .exposition import CONTENT_TYPE
from .refusals import EVENT_REFUSALS, REQUEST_REFUSALS
from .signature import HEADERS, KEY_HEADER, NONCE_HEADER, SIGNATURE_HEADER, TIME_HEADER, WINDOW
from .translation import JSON

#: The version of the interface, which stands in its paths.
VERSION = "1"
#: Codes of problems beside :data:`machine_connect.refusals.REQUEST_REFUSALS`.
PROBLEM_CODES = (
    "unauthorized",
    "time_outside",
    "key_outdated",
    "bearer_forbidden",
    "action_forbidden",
    "disarmed",
    "server_failed",
)

_HEADER_WORDS = {
    KEY_HEADER: "The id of the key.",
    TIME_HEADER: f"Seconds since 1970-01-01 UTC; no more than {WINDOW} from the server's.",
    NONCE_HEADER: "16 to 64 letters, digits, underscores and dashes; never again for another body.",
    SIGNATURE_HEADER: "In Base64: HMAC-SHA256 or Ed25519 over version, method, path with query, SHA-256 of the body, key, "
    "time, nonce, environment and database, one a line.",
}
_SIGNED = [{name: [] for name in HEADERS}, {"bearer": []}]
_OPEN = [{}]


def document(event_reasons=()):
    """Return the description of all routes of the door. It depends on nothing but the code.

    :param event_reasons: codes for which an event is rejected, beside those of its form
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Machine Connect: the door",
            "version": VERSION,
            "summary": "Machines and what speaks for them deliver events; each is stored once and answered.",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths(),
        "components": {
            "schemas": {**_events(), **_documents(), **_metrics(), **_answers(event_reasons)},
            "securitySchemes": {
                **{
                    name: {"type": "apiKey", "in": "header", "name": name, "description": _HEADER_WORDS[name]}
                    for name in HEADERS
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "For devices that cannot sign, where a source allows it: the key's id, a dot, its secret.",
                },
            },
            "responses": {
                "Problem": {
                    "description": "The request as a whole is not answered otherwise (RFC 9457).",
                    "content": {"application/problem+json": {"schema": _named("Problem")}},
                }
            },
        },
    }


def paths():
    """Return what can be asked, by path and method."""
    gzip = {
        "name": "Content-Encoding",
        "in": "header",
        "required": False,
        "schema": {"enum": ["gzip", "identity"]},
        "description": f"At most {Bounds.sent} bytes as sent, {Bounds.unpacked} once unpacked.",
    }
    tag = {"schema": {"type": "string"}, "description": "A strong tag: the same as long as nothing of it changes."}
    return {
        "/machine/v1/events": {
            "post": _operation(
                "deliver",
                "Deliver one event or a batch (CloudEvents 1.0, structured JSON), or metrics that the source translates.",
                _json("What became of each event, in the order sent.", "EventsAnswer"),
                parameters=[gzip],
                requestBody={
                    "required": True,
                    "content": {
                        SINGLE: {"schema": _named("Event")},
                        BATCH: {"schema": {"type": "array", "maxItems": Bounds.events, "items": _named("Event")}},
                        JSON: {"schema": _named("Metrics")},
                    },
                },
            )
        },
        "/machine/v1/heartbeat": {
            "post": _operation(
                "heartbeat",
                "Say that the sender is alive, and how it is.",
                _json("The server's time, the tag of the configuration, how far each stream is.", "HeartbeatAnswer"),
                parameters=[gzip],
                requestBody={
                    "required": False,
                    "content": {"application/json": {"schema": _named("heartbeat.v1")}},
                },
            )
        },
        "/machine/v1/config": {
            "get": _operation(
                "config",
                "Read what the source reads and what it means: its machines with connections, signals and codes. No secret.",
                {**_json("The configuration.", "config.v1"), "headers": {"ETag": tag}},
                parameters=[_query("If-None-Match", "header", "The tag of what is known already.", required=False)],
                unchanged={"description": "It is as it was.", "headers": {"ETag": tag}},
            )
        },
        "/machine/v1/trace": {
            "get": _operation(
                "trace",
                "Read what became of an event that this source delivered.",
                _json("What became of it.", "Trace"),
                parameters=[
                    _query("source", "query", "The stream: the event's CloudEvents source."),
                    _query("id", "query", "The event's id."),
                ],
            )
        },
        "/machine/v1/metrics": {
            "get": _operation(
                "metrics",
                "Read the figures for Prometheus, text format 0.0.4; from networks of the settings without a signature.",
                {
                    "description": "The figures.",
                    "content": {CONTENT_TYPE: {"schema": {"type": "string"}}},
                },
                security=[*_OPEN, *_SIGNED],
            )
        },
        "/machine/v1/health": {
            "get": {
                "operationId": "health",
                "summary": "Ask whether the server and its database are up.",
                "security": _OPEN,
                "responses": {"200": _json("They are.", "Health")},
            }
        },
        "/machine/v1/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "Read this description.",
                "security": _OPEN,
                "responses": {
                    "200": {
                        "description": "The description.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }


def _operation(name, summary, answer, unchanged=None, security=None, **more):
    statuses = sorted({status for status, _words in REQUEST_REFUSALS.values()} | {401, 403, 500})
    problems = {str(status): {"$ref": "#/components/responses/Problem"} for status in statuses}
    return {
        "operationId": name,
        "summary": summary,
        "security": security or _SIGNED,
        **more,
        "responses": {"200": answer, **({"304": unchanged} if unchanged else {}), **problems},
    }


def _query(name, place, words, required=True):
    schema = {"type": "string", "minLength": 1, "maxLength": 255 if place == "query" else 8192}
    return {"name": name, "in": place, "required": required, "schema": schema, "description": words}


def _json(words, schema):
    return {"description": words, "content": {"application/json": {"schema": _named(schema)}}}


def _named(name):
    return {"$ref": f"#/components/schemas/{name}"}


# -------------------------------------------------------------------------------------------------------------- schemas


def _documents():
    """Return the schemas beside this file by their names here: ``production.count.v1``, ``common.unit``."""
    found = {}
    for name, schema in documents().items():
        stem = name.removesuffix(".json")
        if stem == "common":
            found |= {f"common.{part}": _inside(item) for part, item in schema["$defs"].items()}
        else:
            found[stem] = _inside({key: item for key, item in schema.items() if key != "$schema"})
    return found


def _inside(schema):
    """Return a schema whose references lead to their places in this document."""
    if isinstance(schema, dict):
        return {key: _reference(item) if key == "$ref" else _inside(item) for key, item in schema.items()}
    return [_inside(item) for item in schema] if isinstance(schema, list) else schema


def _reference(target):
    name, _hash, path = target.partition("#/$defs/")
    stem = name.removesuffix(".json")
    return f"#/components/schemas/{stem}.{path}" if path else f"#/components/schemas/{stem}"


def _events():
    """Return an event of each type, and one of any of them."""
    events = {}
    for wire, accepted in accepted_types().items():
        data = _named(schema_name(accepted.name, accepted.version).removesuffix(".json"))
        events[wire] = {
            "allOf": [
                _named("cloudevent"),
                {"type": "object", "required": ["data"], "properties": {"type": {"const": wire}, "data": data}},
            ]
        }
    return {**events, "Event": {"oneOf": [_named(wire) for wire in events]}}


def _metrics():
    """Return what a source with translations takes as well: Telegraf's data format «json»."""
    metric = _object(
        {
            "name": {"type": "string"},
            "tags": {"type": "object"},
            "fields": {"type": "object"},
            "timestamp": {"type": ["integer", "string"], "description": "In the translation's unit, or by RFC 3339."},
        }
    )
    many = _object({"metrics": {"type": "array", "maxItems": Bounds.events, "items": _named("Metric")}})
    return {"Metric": metric, "Metrics": {"oneOf": [_named("Metric"), many]}}


def _object(properties, **more):
    return {"type": "object", "required": list(properties), "properties": properties, **more}


def _answers(event_reasons):
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    maybe_moment = {"type": ["string", "null"], "format": "date-time"}
    number = {"type": "integer", "minimum": 0}
    maybe_number = {"type": ["integer", "null"], "minimum": 0}
    reasons = ["", "gap_open", *HELD_REASONS, *EVENT_REFUSALS, *event_reasons]
    mark = _object({"source": text, "epoch": number, "sequence": number})
    result = _object(
        {
            "source": text,
            "id": text,
            "status": {"enum": ["accepted", "duplicate", "held", "rejected"]},
            "reason": {"enum": reasons, "description": "Why it is held or rejected; a stable code."},
            "message": {"type": "string", "description": "The same in words."},
        }
    )
    result["properties"] |= {
        "first": {"enum": ["accepted", "held"], "description": "Of a duplicate, what became of it the first time."},
        "unknown": {
            "type": "array",
            "items": text,
            "description": "What is not known here, kept; JSON Pointers (RFC 6901).",
        },
    }
    effect = _object(
        {
            "handler": text,
            "effect": text,
            "state": {"enum": ["received", "waiting", "held", "posted", "ignored", "failed"]},
            "reason": text,
            "message": text,
            "remedy": text,
            "attempts": number,
            "posted": maybe_moment,
            "summary": text,
            "explanation": text,
            "document": text,
        }
    )
    return {
        "Health": _object({"status": {"const": "up"}}),
        "Watermark": mark,
        "EventsAnswer": _object(
            {
                "results": {"type": "array", "items": result},
                "watermarks": {"type": "array", "items": _named("Watermark")},
            }
        ),
        "HeartbeatAnswer": _object(
            {
                "time": moment,
                "config": {"type": "string", "description": "The entity tag of the configuration as it is now."},
                "watermarks": {"type": "array", "items": _named("Watermark")},
            }
        ),
        "Trace": _object(
            {
                "source": text,
                "id": text,
                "type": text,
                "version": number,
                "machine": text,
                "epoch": maybe_number,
                "sequence": maybe_number,
                "occurred": moment,
                "recorded": maybe_moment,
                "received": moment,
                "posted": maybe_moment,
                "disposition": {"enum": ["accepted", "held"]},
                "reason": text,
                "message": text,
                "state": {"enum": ["received", "waiting", "held", "posted", "ignored", "failed"]},
                "summary": text,
                "effects": {"type": "array", "items": effect},
            }
        ),
        "Problem": _object(
            {
                "type": text,
                "title": {"type": "string", "description": "What is wrong, in words."},
                "status": {"type": "integer"},
                "code": {"enum": [*PROBLEM_CODES, *REQUEST_REFUSALS], "description": "A stable code."},
            }
        ),
    }
