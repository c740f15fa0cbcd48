"""How does what a stranger sent become values, without harm? By RFC 8259, and nothing is built before it is measured.

The size is known before anything is unpacked, unpacking stops at its bound, and depth, values and events are counted on the
bytes before the first object is made. Whatever of one event cannot be a value is left in its place as a :class:`Fault`.
"""

import json
import re
import zlib
from dataclasses import dataclass
from itertools import accumulate

from .refusals import RequestRefused


@dataclass(frozen=True)
class Bounds:
    """How much one request may bring.

    :param int sent: bytes as sent
    :param int unpacked: bytes once unpacked
    :param int depth: arrays and objects within each other, the batch itself among them
    :param int values: commas and brackets outside texts: at least as many as there are values
    :param int events: in one batch
    :param int event: characters of one event's data, written as JSON without spaces
    """

    sent: int = 1_048_576
    unpacked: int = 8_388_608
    depth: int = 16
    values: int = 200_000
    events: int = 1_000
    event: int = 65_536


class Fault:
    """Stands where a value would stand that cannot be.

    :param str code: why, from :data:`machine_connect.refusals.EVENT_REFUSALS`
    """

    __slots__ = ("code",)

    def __init__(self, code):
        self.code = code


def unpack(body, content_encoding, bounds):
    """Return the bytes of a body as they were before they were packed.

    :param bytes body: as sent
    :param str content_encoding: the header (RFC 9110, 8.4): ``gzip``, ``identity`` or nothing
    :param Bounds bounds: how many bytes there may be
    :raise RequestRefused: too many, or not whole
    """
    if len(body) > bounds.sent:
        raise RequestRefused("body_too_big", limit=bounds.sent)
    encoding = (content_encoding or "").strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise RequestRefused("encoding_unsupported")
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(body, bounds.unpacked + 1)
    except zlib.error:
        raise RequestRefused("gzip_broken") from None
    if len(unpacked) > bounds.unpacked:
        raise RequestRefused("unpacked_too_big", limit=bounds.unpacked)
    if not unpacker.eof or unpacker.unused_data:
        raise RequestRefused("gzip_broken")
    return unpacked


# --------------------------------------------------------------------------------------------------------- measuring

#: Everything but what says where texts and containers begin and end, and how many values there are.
_FLESH = bytes(set(range(256)) - set(b'{}[]",'))
_TEXT = re.compile(rb'"[^"]*"')
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def measure(text, is_batch, bounds):
    """Refuse JSON that is nested too deeply or holds too much, before anything of it is built.

    What is no JSON may pass: up to the place where it stops being JSON the measure is right, and no reader goes on there.

    :param bytes text: the JSON
    :param bool is_batch: whether it is an array of events
    :param Bounds bounds: how deep, how many values and events
    :raise RequestRefused: it is more than that
    """
    if b"\\" in text:
        # An escaped quotation mark ends no text; an escaped backslash escapes nothing.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Most texts are empty then. Taking out pairs of quotation marks changes for no bracket whether it is inside a text.
    bones = _TEXT.sub(b"", text.translate(None, _FLESH).replace(b'""', b""))
    brackets = bones.translate(None, b',"')
    if len(bones) > bounds.values:
        # Said first of what is deep, as that is what is wrong with it.
        opened = len(brackets) - len(brackets.lstrip(b"[{"))
        if opened > bounds.depth:
            raise RequestRefused("too_deep", limit=bounds.depth)
        raise RequestRefused("too_many_values", limit=bounds.values)
    depths = list(accumulate(map(_STEPS.__getitem__, brackets)))
    if depths and max(depths) > bounds.depth:
        raise RequestRefused("too_deep", limit=bounds.depth)
    if is_batch and depths.count(1) - 1 > bounds.events:
        raise RequestRefused("too_many_events", limit=bounds.events)


# ----------------------------------------------------------------------------------------------------------- reading

#: What a whole number that was written with a point or an exponent stays below, to become one without.
_WHOLE = 2**64
#: More characters than any number needs that fits into 64 bits, whole or not.
_INTEGER, _FRACTION = 20, 64
#: Every digit as 0, everything else as a space.
_DIGITS = bytes(0x30 if chr(byte) in "0123456789" else 0x20 for byte in range(256))
#: How much of a key is repeated when something below it is wrong.
_KEY_SHOWN = 64
#: How a text may come by a NUL or half a surrogate pair: raw ones are no JSON and no UTF-8.
_DOUBTFUL = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read(text):
    """Return what a JSON text says, and whether anything in it may be a :class:`Fault` or a text that cannot be.

    A number with a fraction of zero is whole: ``3.0`` is ``3``, as in JSON Schema, and has the same digest.

    :param bytes text: the JSON, measured
    :return: ``(value, doubtful)``
    :raise RequestRefused: it is no JSON, or not in UTF-8
    """
    if text.startswith(b"\xef\xbb\xbf"):
        raise RequestRefused("byte_order_mark")
    is_long = b"0" * (_INTEGER + 1) in text.translate(_DIGITS)
    try:
        text = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefused("not_utf8", position=error.start) from None
    faults = []

    def fault(code):
        faults.append(code)
        return Fault(code)

    def pairs(found):
        result = dict(found)
        return result if len(result) == len(found) else fault("key_twice")

    def integer(digits):
        return int(digits) if len(digits) <= _INTEGER else fault("out_of_range")

    def fraction(digits):
        if len(digits) > _FRACTION:
            return fault("out_of_range")
        value = float(digits)
        if value - value:
            return fault("out_of_range")
        return int(value) if value.is_integer() and -_WHOLE < value < _WHOLE else value

    def constant(_name):
        return fault("not_finite")

    hooks = {"object_pairs_hook": pairs, "parse_float": fraction, "parse_constant": constant}
    if is_long:  # else Python's own way is quick and safe
        hooks["parse_int"] = integer
    try:
        value = json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        raise RequestRefused("not_json", position=error.pos) from None
    return value, bool(faults or _DOUBTFUL.search(text))


def first_fault(value, pointer=""):
    """Return code and place (JSON Pointer, RFC 6901) of the first thing in a value that cannot be; None where all is well."""
    kind = value.__class__
    if kind is Fault:
        return value.code, pointer
    if kind is str:
        found = _text_fault(value)
        return found and (found, pointer)
    if kind is dict:
        for key, item in value.items():
            found = _text_fault(key)
            found = (found, pointer) if found else first_fault(item, pointer + below(key))
            if found:
                return found
    elif kind is list:
        for place, item in enumerate(value):
            found = first_fault(item, pointer + below(place))
            if found:
                return found
    return None


def below(key):
    """Return the step of a JSON Pointer to a key or place; of a long key no more than its beginning."""
    return f"/{str(key)[:_KEY_SHOWN].replace('~', '~0').replace('/', '~1')}"


def _text_fault(text):
    if "\0" in text:
        return "nul"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "half_surrogate"
    return None
