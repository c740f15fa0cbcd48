"""How is the value that is meant found in the value that was read? A bit of a word, a part of a text, a number in it.

What cannot be read is told by :class:`Unreadable` and costs nothing but this one reading.
"""

import re
from math import isfinite

try:
    from re import _parser as _syntax  # from Python 3.11 on
except ImportError:
    import sre_parse as _syntax

#: The most characters of a text that are looked at and kept.
TEXT_LIMIT = 1000
#: The most characters that a regular expression is tried on, and its own length: it stays quick whatever arrives.
PATTERN_TEXT_LIMIT = 256
PATTERN_LIMIT = 200
_NUMBER_LIMIT = 64


class Unreadable(ValueError):
    """A reading holds no value of the kind that is wanted.

    :param str rule: the rule that it did not pass
    :param str code: what is wrong: ``no_match``, ``not_a_number``, ``not_whole``, ``not_text``, ``not_finite``,
        ``negative``
    :param value: what was read
    """

    def __init__(self, rule, code, value):
        shown = value if isinstance(value, (bool, int, float)) or value is None else str(value)[:80]
        super().__init__(f"{rule}: {shown!r}: {code}")
        self.rule = rule
        self.code = code
        self.detail = {"code": code, "value": _showable(shown)}


def _showable(value):
    """Return a value as it may stand in JSON, whatever it is."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("ascii", "backslashreplace").decode("ascii").replace("\0", "\\0")
    return value


def text(value):
    """Return a value as text that can be kept: up to its first NUL, as controllers pad their strings, and bounded.

    :raise Unreadable: there is half a surrogate pair in it
    """
    if not isinstance(value, str):
        return str(value)
    end = value.find("\0")
    result = value[: end if end >= 0 else None].strip()[:TEXT_LIMIT]
    try:
        result.encode("utf-8")
    except UnicodeEncodeError:
        raise Unreadable("text", "not_text", value) from None
    return result


def number(value):
    """Return a value as a finite number: itself, or what its text says in the way of every programming language.

    :raise Unreadable: it is none; a decimal comma is none
    """
    if isinstance(value, str):
        said = value.strip()
        if len(said) > _NUMBER_LIMIT or "_" in said or not said.isascii():
            raise Unreadable("number", "not_a_number", value)
        try:
            value = int(said)
        except ValueError:
            try:
                value = float(said)
            except ValueError:
                raise Unreadable("number", "not_a_number", value) from None
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, (int, float)):
        raise Unreadable("number", "not_a_number", value)
    if not isfinite(value):
        raise Unreadable("number", "not_finite", value)
    return value


def pieces(value):
    """Return a number as whole pieces; what scaling left behind the point does not count.

    :raise Unreadable: it is a fraction
    """
    if isinstance(value, int):
        return int(value)
    nearest = round(value)
    if abs(value - nearest) > 1e-9 * max(1.0, abs(value)):
        raise Unreadable("number", "not_whole", value)
    return nearest


def scaling(scale, offset):
    """Return a function for ``number × scale + offset`` that keeps whole numbers whole, None where nothing changes."""
    if scale == 1 and offset == 0:
        return None
    if float(scale).is_integer() and float(offset).is_integer():
        scale, offset = int(scale), int(offset)

    def scaled(value):
        result = value * scale + offset
        if not isfinite(result):
            raise Unreadable("scale", "not_finite", value)
        return result

    return scaled


def extraction(settings):
    """Return a function that finds the value that is meant, None where it is the value itself.

    :param settings: None or one of ``{"bit": 3}``, ``{"slice": [0, 4]}`` (either end may be None),
        ``{"regex": "…"}`` (its first group, or all of it)
    :raise ValueError: it is none of these, or a pattern that some text could hold up for long
    """
    if not settings:
        return None
    if len(settings) != 1:
        raise ValueError(f"extraction: one of bit, slice and regex, not {sorted(settings)}")
    [(kind, setting)] = settings.items()
    if kind == "bit":
        return _bit(setting)
    if kind == "slice":
        return _slice(setting)
    if kind == "regex":
        return _regex(setting)
    raise ValueError(f"extraction: {kind!r} is none of bit, slice and regex")


def _bit(position):
    if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position < 64:
        raise ValueError(f"bit: {position!r} is none of 0 to 63")

    def bit(value):
        word = number(value)
        if not isinstance(word, int):
            if not word.is_integer():
                raise Unreadable("extraction", "not_whole", value)
            word = int(word)
        return bool(word >> position & 1)

    return bit


def _slice(ends):
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise ValueError(f"slice: {ends!r} is no pair of positions")
    for end in ends:
        if end is not None and (isinstance(end, bool) or not isinstance(end, int)):
            raise ValueError(f"slice: {end!r} is no position")
    part = slice(*ends)
    return lambda value: text(value)[part].strip()


def _regex(pattern):
    if not isinstance(pattern, str) or len(pattern) > PATTERN_LIMIT:
        raise ValueError(f"regex: no text of at most {PATTERN_LIMIT} characters")
    try:
        tree = _syntax.parse(pattern)
        search = re.compile(pattern).search
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"regex: {error}") from None
    free = 3 if pattern.startswith("^") else 2
    if _ways(tree) > PATTERN_TEXT_LIMIT**free:
        raise ValueError(f"regex: more than {free} parts of any length (3 when it begins with ^, else 2)")

    def found(value):
        match = search(text(value)[:PATTERN_TEXT_LIMIT])
        part = match and match[1 if match.re.groups else 0]
        if part is None:
            raise Unreadable("extraction", "no_match", value)
        return part

    return found


def _ways(tree, inside=False):
    """Return in how many ways a pattern may share out a text, at most.

    :raise ValueError: a repeated part holds another, or a choice, or refers back: then there is no telling
    """
    ways = 1
    for operator, argument in tree:
        name = str(operator)
        if name in ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"):
            raise ValueError(f"regex: {name.lower()} is not allowed")
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = argument
            if most > least and inside:
                raise ValueError("regex: a part of any length within a repeated part")
            ways *= min(most - least + 1, PATTERN_TEXT_LIMIT) * _ways(body, inside or most > 1)
        elif name == "BRANCH":
            if inside:
                raise ValueError("regex: a choice within a repeated part")
            ways *= sum(_ways(body) for body in argument[1])
        elif name == "SUBPATTERN":
            ways *= _ways(argument[-1], inside)
        elif name == "ATOMIC_GROUP":
            ways *= _ways(argument, inside)
    return ways
