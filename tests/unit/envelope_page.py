"""The tables of docs/reference/envelope.md, made of the schemas: ``python -m tests.unit.envelope_page`` writes them anew."""

import re

from devtools.environment import ROOT
from machine_connect.body import Bounds
from machine_connect.event_schemas import accepted_types, documents, schema_name
from machine_connect.refusals import EVENT_REFUSALS, REQUEST_REFUSALS

PAGE = ROOT / "docs" / "reference" / "envelope.md"
COMMON = "common.json#/$defs/"


def resolved(schema):
    """Return a schema with what it refers to in the common ones; its own words go before."""
    if "$ref" not in schema:
        return schema
    named = documents()["common.json"]["$defs"][schema["$ref"].removeprefix(COMMON)]
    return {**named, **{key: item for key, item in schema.items() if key != "$ref"}}


def form(schema):
    """Return what may stand there, in few words."""
    schema = resolved(schema)
    if "enum" in schema:
        return ", ".join("null" if choice is None else f"`{choice}`" for choice in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = [" or ".join(kinds)]
    if "format" in schema:
        words.append(f"`{schema['format']}`")
    elif "string" in kinds and "pattern" not in schema:
        words.append(f"{schema.get('minLength', 0)}–{schema['maxLength']} characters")
    if "minimum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if "array" in kinds:
        words.append(f"{schema.get('minItems', 0)}–{schema['maxItems']} items")
    return ", ".join(words)


def rows(schema):
    """Yield a row of the table for each key that a schema knows."""
    required = schema["required"]
    for key, item in schema["properties"].items():
        must = "yes" if key in required else ""
        yield f"| `{key}` | {must} | {form(item)} | {resolved(item).get('description', '')} |"


def attributes():
    return ["| attribute | must | form | meaning |", "|---|---|---|---|", *rows(documents()["cloudevent.json"])]


def types():
    lines = []
    for wire, accepted in accepted_types().items():
        schema = documents()[schema_name(accepted.name, accepted.version)]
        lines += [f"### `{wire}`", "", f"{schema['title']}.", ""]
        lines += ["| key | must | form | meaning |", "|---|---|---|---|", *rows(schema), ""]
    return lines[:-1]


def bounds():
    meanings = {
        "sent": "bytes of the body as sent",
        "unpacked": "bytes of the body once unpacked",
        "depth": "arrays and objects within each other, the batch among them",
        "values": "commas and brackets outside texts",
        "events": "events of one batch",
        "event": "characters of one event's `data`",
    }
    found = vars(Bounds())
    return ["| bound | at most |", "|---|---|", *(f"| {meanings[name]} | {most} |" for name, most in found.items())]


def request_refusals():
    lines = [f"| `{code}` | {status} | {words} |" for code, (status, words) in REQUEST_REFUSALS.items()]
    return ["| code | status | meaning |", "|---|---|---|", *lines]


def event_refusals():
    return ["| reason | meaning |", "|---|---|", *(f"| `{code}` | {words} |" for code, words in EVENT_REFUSALS.items())]


MADE = {
    "attributes": attributes,
    "bounds": bounds,
    "request refusals": request_refusals,
    "event refusals": event_refusals,
    "types": types,
}


def renewed(page, made=None):
    """Return a page with each made part as it is today; by default this one's parts."""
    for name, make in (made or MADE).items():
        marked = rf"(?s)(<!-- made: {name} -->\n).*?(<!-- end -->)"
        lines = "\n".join(make())
        page, found = re.subn(marked, lambda match, lines=lines: f"{match[1]}\n{lines}\n\n{match[2]}", page)
        if found != 1:
            raise ValueError(f"the page has {found} parts «{name}»")
    return page


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
