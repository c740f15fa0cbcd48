"""Does a value keep to a schema? The part of JSON Schema (draft 2020-12) that our own schemas use, compiled once.

A check is a function of a value that returns None, or what is wrong: code, place (JSON Pointer, RFC 6901) and what a
sentence about it needs. A keyword that is not understood here is an error when the schema is compiled, so that no schema
promises what nobody looks at. ``number`` never takes a boolean; a whole number with a fraction of zero is an integer.
"""

import json
import re

from .body import below
from .timestamps import from_timestamp

#: Keywords that say something to people and nothing about a value.
_ANNOTATIONS = frozenset({"$schema", "$defs", "title", "description"})
_KEYWORDS = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum"},
    "integer": {"minimum", "maximum"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "maxProperties", "propertyNames", "additionalProperties"},
    "boolean": set(),
    "null": set(),
}
#: So many orders of an object's keys are kept: more than honest senders have, few enough for those that are not.
_SHAPES = 16
_UINT64 = re.compile(r"[0-9]{1,20}")
#: Keys and words that stand in JSON as they are.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_]+")


class SchemaInvalid(ValueError):
    """A schema says something that is not understood here."""


def compile_schema(schema, documents):
    """Return the check of a schema.

    :param dict schema: the schema
    :param dict documents: other schemas by the names with which ``$ref`` names them: ``common.json#/$defs/unit``
    :return: a function of a value that returns None, or ``(code, pointer, params)``; codes as of
        :data:`machine_connect.refusals.EVENT_REFUSALS`
    :raise SchemaInvalid: it holds a keyword that is not understood
    """
    return _Compiler(documents).check(schema)


def compile_fits(schema, documents):
    """Return a function of a dict that returns True where it surely keeps to a schema; else a check is to say what is wrong.

    :param dict schema: of an object
    :param dict documents: see :func:`compile_schema`
    """
    return _Compiler(documents).fits(schema)


def compile_writer(schema, documents, write):
    """Return a function of a dict that returns it as JSON, keys sorted, no spaces, where it surely keeps to a schema.

    What it returns None for may keep to the schema or not. Most data is texts and numbers: checked and written in one
    expression, they take a third of the time that both need one after the other.

    :param dict schema: of an object
    :param dict documents: see :func:`compile_schema`
    :param write: a function of any value that returns it as such JSON
    """
    return _Compiler(documents).writer(schema, write)


class _Compiler:
    def __init__(self, documents):
        self._documents = documents
        self._referred = {}

    def check(self, schema):
        if schema is True:
            return lambda value: None
        schema = {key: item for key, item in schema.items() if key not in _ANNOTATIONS}
        if "$ref" in schema:
            if len(schema) > 1:
                raise SchemaInvalid(f"beside a $ref: {sorted(schema)}")
            return self._refer(schema["$ref"])
        if "enum" in schema:
            if len(schema) > 1:
                raise SchemaInvalid(f"beside an enum: {sorted(schema)}")
            return _one_of(schema["enum"])
        kinds = schema.pop("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds
        unknown = schema.keys() - set().union(*(_KEYWORDS[kind] for kind in kinds))
        if unknown:
            raise SchemaInvalid(f"keywords that nobody looks at: {sorted(unknown)}")
        checks = {}
        for kind in kinds:
            checks |= _OF_KIND[kind](self, schema)
        if len(checks) > 1:
            return _by_class(checks)
        ((kind, check),) = checks.items()
        return _only(kind, check)

    def _refer(self, reference):
        """Return the check of a named schema: compiled once, and known by its name while it is being compiled."""
        if reference not in self._referred:
            found = []
            self._referred[reference] = lambda value: found[0](value)
            found.append(self.check(self._named(reference)))
            self._referred[reference] = found[0]
        return self._referred[reference]

    def _resolved(self, schema):
        return self._named(schema["$ref"]) if schema is not True and "$ref" in schema else schema

    def _named(self, reference):
        name, _hash, path = reference.partition("#/")
        schema = self._documents[name]
        for key in path.split("/"):
            schema = schema[key]
        return schema

    # Each returns a check for every class that a value of that type can have.

    def _string(self, schema):
        return {str: _text(schema)}

    def _number(self, schema):
        check = _range(schema)
        return {int: check, float: check}

    def _integer(self, schema):
        check = _range(schema)

        def whole(value):
            if not value.is_integer():
                return "wrong_type", "", {}
            return check and check(value)

        return {int: check, float: whole}

    def _boolean(self, _schema):
        return {bool: None}

    def _null(self, _schema):
        return {None.__class__: None}

    def _array(self, schema):
        least, most = schema.get("minItems", 0), schema["maxItems"]
        check = self.check(schema["items"])

        def array(value):
            if not least <= len(value) <= most:
                return _length(value, least, most)
            for place, item in enumerate(value):
                wrong = check(item)
                if wrong:
                    return wrong[0], f"/{place}{wrong[1]}", wrong[2]
            return None

        return {list: array}

    def _object(self, schema):
        known = {key: self.check(item) for key, item in schema.get("properties", {}).items()}
        order = tuple(schema.get("required", ()))
        required = frozenset(order)
        most = schema["maxProperties"]
        if schema["propertyNames"].keys() != {"maxLength"}:
            raise SchemaInvalid(f"propertyNames: {schema['propertyNames']}")
        longest = schema["propertyNames"]["maxLength"]
        other = self.check(schema["additionalProperties"])
        is_well = self.fits(schema)

        def says_what(value):
            if len(value) > most:
                return "too_long", "", {"limit": most}
            if not required <= value.keys():
                return "missing", "", {"key": next(key for key in order if key not in value)}
            for key, item in value.items():
                if key not in known and len(key) > longest:
                    return "too_long", below(key), {"limit": longest}
                wrong = known.get(key, other)(item)
                if wrong:
                    return wrong[0], below(key) + wrong[1], wrong[2]
            return None

        def check(value):
            return None if is_well(value) else says_what(value)

        return {dict: check}

    def fits(self, schema):
        """See :func:`compile_fits`."""
        return self._by_shape(schema, _predicate)

    def writer(self, schema, write):
        """See :func:`compile_writer`."""
        return self._by_shape(schema, lambda looks: _writer(looks, write))

    def _by_shape(self, schema, make):
        """Return a function of a dict that hands its values to what was made for its keys, or returns None for other keys.

        A sender's events have the same keys in the same order: whether these keys will do is looked at once.

        :param make: a function of ``[(key, schema, check)]`` that returns a function of so many values
        """
        known = {key: self.check(item) for key, item in schema.get("properties", {}).items()}
        properties = {key: self._resolved(item) for key, item in schema.get("properties", {}).items()}
        required, most = frozenset(schema.get("required", ())), schema["maxProperties"]
        made = {}

        def of_known_shape(value):
            shape = tuple(value)
            act = made.get(shape)
            if act is None:
                # Keys that nobody knows are kept by nobody: what a stranger makes up must not stay in memory.
                if len(made) >= _SHAPES or not known.keys() >= value.keys() >= required or len(shape) > most:
                    return None
                act = made[shape] = make([(key, properties[key], known[key]) for key in shape])
            return act(*value.values())

        return of_known_shape


_OF_KIND = {
    "string": _Compiler._string,
    "number": _Compiler._number,
    "integer": _Compiler._integer,
    "boolean": _Compiler._boolean,
    "null": _Compiler._null,
    "array": _Compiler._array,
    "object": _Compiler._object,
}


def _only(kind, check):
    def of_one_class(value):
        if value.__class__ is kind:
            return check(value)
        return "wrong_type", "", {}

    if check is None:
        return lambda value: None if value.__class__ is kind else ("wrong_type", "", {})
    return of_one_class


def _predicate(looks):
    """Return a function of so many values that returns whether all of them are well.

    Most values are texts with a length, one of a few words or numbers in a range. Made into one expression, these are looked
    at without a call, in a quarter of the time: a check is the largest part of what it costs to read an event.

    :param looks: for each value its key, its schema and its check
    """
    terms, names = [], {}
    for place, (_key, schema, look) in enumerate(looks):
        if schema is True:
            continue
        names[f"look{place}"] = look
        terms.append(_term(schema, place, names))
    return _made(looks, " and ".join(terms) or "True", names)


def _writer(looks, write):
    """Return a function of so many values that returns them as one object of JSON, or None where it is not sure of one."""
    terms, texts, names = [], {}, {"quote": json.encoder.encode_basestring, "write": write}
    for place, (key, schema, look) in enumerate(looks):
        if schema is True or not _PLAIN_KEY.fullmatch(key):
            return lambda *values: None
        names[f"look{place}"] = look
        term, texts[key] = _written(schema, place, names)
        terms.append(term)
    members = ",".join(f'"{key}":{texts[key]}' for key in sorted(texts))
    return _made(looks, f"f'{{{{{members}}}}}' if {' and '.join(terms) or 'True'} else None", names)


def _made(looks, expression, names):
    arguments = ", ".join(f"v{place}" for place in range(len(looks)))
    # Nothing of it comes from outside: names of ours, numbers and words of our own schemas.
    return eval(f"lambda {arguments}: {expression}", names)  # noqa: S307


def _written(schema, place, names):
    """Return two expressions for value number ``place``: whether it is surely well, and the part of an f-string that writes it."""
    value = f"v{place}"
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if "enum" in schema and all(_PLAIN_KEY.fullmatch(word or "") for word in schema["enum"]):
        return _term(schema, place, names), f'"{{{value}}}"'
    if kinds == {"string"}:
        return _term(schema, place, names), f"{{quote({value})}}"
    if "number" in kinds and {"minimum", "maximum"} <= schema.keys():
        # A counter may come as a text or be missing: rare, and not written here. A float's repr is what json writes.
        is_number = f"({value}.__class__ is int or {value}.__class__ is float)"
        return f"{is_number} and {schema['minimum']!r} <= {value} <= {schema['maximum']!r}", f"{{{value}!r}}"
    return f"look{place}({value}) is None", f"{{write({value})}}"


def _term(schema, place, names):
    """Return an expression that says whether value number ``place`` is well by a schema."""
    value, called = f"v{place}", f"look{place}(v{place}) is None"
    if "enum" in schema:
        return f"{value} in {tuple(schema['enum'])!r}" if None not in schema["enum"] else called
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    ways = []
    if "string" in kinds and "format" not in schema:
        least, most = _lengths(schema)
        way = f"{value}.__class__ is str and {least!r} <= len({value}) <= {most!r}"
        if "pattern" in schema:
            names[f"match{place}"] = re.compile(schema["pattern"][1:-1]).fullmatch
            way += f" and match{place}({value}) is not None"
        ways.append(way)
    if {"integer", "number"} & set(kinds) and {"minimum", "maximum"} <= schema.keys():
        ways.append(f"{value}.__class__ is int and {schema['minimum']!r} <= {value} <= {schema['maximum']!r}")
    # What is quick to see stands first; all else takes a call.
    return f"({' or '.join([*ways, called])})"


def _lengths(schema):
    return schema.get("minLength", 0), schema["maxLength"]


def _by_class(checks):
    def wrong_type(_value):
        return "wrong_type", "", {}

    find = checks.get

    def check(value):
        look = find(value.__class__, wrong_type)
        return look and look(value)

    return check


def _one_of(choices):
    classes = {choice.__class__ for choice in choices}
    if classes - {str, None.__class__}:  # among numbers True would be 1
        raise SchemaInvalid(f"choices that are no texts: {choices}")
    choices = frozenset(choices)

    def check(value):
        if value.__class__ not in classes:
            return "wrong_type", "", {}
        return None if value in choices else ("unknown_choice", "", {})

    return check


def _range(schema):
    if "minimum" not in schema and "maximum" not in schema:
        return None
    least, most = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))

    def check(value):
        return None if least <= value <= most else ("out_of_range", "", {"least": least, "most": most})

    return check


def _length(value, least, most):
    if len(value) > most:
        return "too_long", "", {"limit": most}
    return "too_short", "", {"limit": least}


def _text(schema):
    least, most = _lengths(schema)
    forms = []
    if "pattern" in schema:
        pattern = schema["pattern"]
        if not (pattern.startswith("^") and pattern.endswith("$")):
            raise SchemaInvalid(f"a pattern that is not anchored: {pattern}")
        # In the regular expressions of JSON Schema (ECMA-262) no line feed may follow the end.
        forms.append(re.compile(pattern[1:-1]).fullmatch)
    if "format" in schema:
        forms.append(FORMATS[schema["format"]])

    def length(value):
        return None if least <= len(value) <= most else _length(value, least, most)

    if not forms:
        return length
    (form,) = forms

    def form_too(value):
        if least <= len(value) <= most:
            return None if form(value) else ("malformed", "", {})
        return _length(value, least, most)

    return form_too


def is_date_time(text):
    """Return whether a text is a moment as :mod:`machine_connect.timestamps` has it."""
    try:
        from_timestamp(text)
    except ValueError:
        return False
    return True


def is_uint64(text):
    """Return whether a text is a whole number of at most 64 bits without sign, in decimal digits."""
    return _UINT64.fullmatch(text) is not None and int(text) < 2**64


#: ``format`` of a text, by the names of JSON Schema (``date-time``) and of the OpenAPI Format Registry (``uint64``).
FORMATS = {"date-time": is_date_time, "uint64": is_uint64}
