"""What does a DataValue say, as a Reading?

By OPC UA Part 4, 7.11 (DataValue: value, status, two times) and Part 6, 5.1.2 (the built-in types). A number stays a
number and a text a text: nothing here guesses. What JSON cannot hold becomes text: a time in ISO 8601, bytes in
hexadecimal digits.
"""

from dataclasses import dataclass
from math import isfinite

from ..reading import Quality, Reading
from .opcua_decode import instant, instant_text
from .opcua_status import status_name, value_code

#: The names of the built-in types by their number (Part 6, 5.1.2, table 1).
TYPE_NAMES = (
    "Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double",
    "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "ExpandedNodeId", "StatusCode",
    "QualifiedName", "LocalizedText", "ExtensionObject", "DataValue", "Variant", "DiagnosticInfo",
)  # fmt: skip
NULL, BOOLEAN, FIRST_NUMBER, FLOAT, DOUBLE, STRING, DATE_TIME = 0, 1, 2, 10, 11, 12, 13

#: What a signal may expect of its value: the names of OPC UA's types, and the short ones that signals use elsewhere.
EXPECTATIONS = {
    "Boolean": "boolean", "bool": "boolean",
    **dict.fromkeys(TYPE_NAMES[FIRST_NUMBER : DOUBLE + 1], "number"),
    **dict.fromkeys(("u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bcd16", "bcd32"), "number"),
    **dict.fromkeys(("String", "DateTime", "Guid", "ByteString", "XmlElement", "LocalizedText", "string"), "text"),
}  # fmt: skip

#: What a machine of the MTConnect family says instead of a value (MTConnect Part 1, 5.5; OPC 30070-1).
UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of one signal is taken out of an answer.

    :param str name: the signal's name
    :param str node: the node's address, for the evidence
    :param tuple index: the element of an array or matrix, counted from 0; empty for a single value
    :param str expected: ``boolean``, ``number``, ``text``, or empty for any
    """

    name: str
    node: str
    index: tuple = ()
    expected: str = ""


class _CannotBeRead(Exception):
    """The value as it is cannot become a reading.

    :param str code: why, from :data:`machine_connect.errors.CODES`
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def to_reading(place, answer, read_at):
    """Return the Reading of one answer.

    :param Place place: which signal, which element
    :param tuple answer: as :func:`.opcua_decode.read_results` gives it
    :param datetime read_at: when the answer arrived; the value's time too if it has no source time
    """
    value, number, array, status, source, server = answer
    code = value_code(status) if status else ""
    quality = _GOOD
    if status >= 0x80000000:
        value, quality = None, Quality.BAD
    else:
        try:
            value = _value(value, number, array, place)
            if code:
                quality = Quality.UNCERTAIN
        except _CannotBeRead as reason:
            value, code, quality = None, reason.code, Quality.BAD
    raw = {
        "node": place.node,
        "status": status_name(status) if status else "Good",
        "source": instant_text(source),
        "server": instant_text(server),
        "type": type_name(number),
        "value": value,
    }
    if place.index:
        raw["index"] = list(place.index)
    # Not the server's time: many servers renew it with each read, and a value that stands still would look new.
    at = instant(source) or read_at
    return Reading(place.name, value, at, read_at, quality, code, status, raw)


def bad_reading(place, code, read_at, **evidence):
    """Return the Reading of a signal that could not even be asked for."""
    return Reading(place.name, None, read_at, read_at, Quality.BAD, code, None, {"node": place.node, **evidence})


def display(answer):
    """Return the value of an answer for a person who looks around: JSON only, None where there is none to show."""
    value, number, array, status, _source, _server = answer
    if status >= 0x80000000:
        return None
    if array:
        return f"[{len(value or ())}]"
    try:
        return _value(value, number, array, _ANYTHING)
    except _CannotBeRead:
        return None


def type_name(number):
    """Return the name of a built-in type; numbers from 26 on are reserved (Part 6, 5.1.2)."""
    try:
        return TYPE_NAMES[number]
    except TypeError:  # asyncua's VariantTypeCustom is no number
        return "Reserved"


def _value(value, number, array, place):
    """Return the value at a place as bool, int, float or str."""
    if place.index or array:
        value, number = _element(value, number, place.index)
    if not isinstance(number, int):
        raise _CannotBeRead("type_invalid")
    convert = _CONVERTERS[number]
    if value is None and number != STRING:
        # A good status without a value: the server has never had one.
        raise _CannotBeRead("unavailable")
    if convert is not None:
        value = convert(value)
    if place.expected and place.expected != _KINDS[number]:
        raise _CannotBeRead("type_invalid")
    return value


def _element(value, number, index):
    """Return one element of an array or matrix, and its type.

    Taken here and not by the server (IndexRange, Part 4, 7.27), which many small servers refuse; so all elements that
    are read together are also of one moment.
    """
    if not index:
        raise _CannotBeRead("type_invalid")
    for position in index:
        if not isinstance(value, list | tuple):
            raise _CannotBeRead("illegal_address" if value is None else "type_invalid")
        if position >= len(value):
            raise _CannotBeRead("illegal_address")
        value = value[position]
    if isinstance(value, list | tuple):
        raise _CannotBeRead("type_invalid")
    if hasattr(value, "VariantType"):  # an array of Variants: each element tells its own type
        value, number = value.Value, value.VariantType
    return value, number


def _number(value):
    if isfinite(value):
        return value
    # NaN is how a device says that it has no value (IEEE 754); an infinite one is no measurement.
    raise _CannotBeRead("unavailable" if value != value else "decode_failed")


def _text(value):
    """Return a text that JSON and a database take: real Unicode, no NUL."""
    if value is None:  # a null String and an empty one say the same (Part 6, 5.2.2.4)
        return ""
    if value == UNAVAILABLE:
        raise _CannotBeRead("unavailable")
    if not value.isascii():
        # asyncua keeps bytes that are not UTF-8 as lone surrogates
        value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value.rstrip("\0").replace("\0", "\ufffd") if "\0" in value else value


def _refuse(value):
    raise _CannotBeRead("type_invalid")


def _node_text(value):
    return _text(value.to_string())


_GOOD = Quality.GOOD
_ANYTHING = Place("", "")
#: By the number of the built-in type: how it becomes a value of ours; None where it is one.
_CONVERTERS = [None] * 26
_CONVERTERS[NULL] = _refuse
_CONVERTERS[FLOAT] = _CONVERTERS[DOUBLE] = _number
_CONVERTERS[STRING] = _text
_CONVERTERS[DATE_TIME] = lambda value: value.isoformat()
_CONVERTERS[14] = str  # Guid
_CONVERTERS[15] = bytes.hex  # ByteString
_CONVERTERS[16] = lambda value: _text(str(value.Value if hasattr(value, "Value") else value))  # XmlElement
_CONVERTERS[17] = _CONVERTERS[18] = _node_text
_CONVERTERS[19] = lambda value: status_name(value.value)  # StatusCode
_CONVERTERS[20] = lambda value: _text(value.Name)  # QualifiedName
_CONVERTERS[21] = lambda value: _text(value.Text)  # LocalizedText
_CONVERTERS[22:26] = [_refuse] * 4  # structures: their fields are nodes of their own in most servers
_KINDS = ["", "boolean", *["number"] * (DOUBLE - FIRST_NUMBER + 1), *["text"] * 14]
