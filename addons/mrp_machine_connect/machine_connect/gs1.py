"""What does a scanned code say, by the GS1 General Specifications? Element strings in, application identifiers out.

Four forms are read: the element string of a bar code (GS1-128, DataBar, DataMatrix, QR, DotCode) with or without the
symbology identifier of ISO/IEC 15424 in front, where FNC1 between the elements is the character GS; the bracketed form
that people read, ``(01)09506000134352(10)ABC``; a GS1 Digital Link; and nothing of it, which is no error.

What each identifier may hold stands in the GS1 Barcode Syntax Dictionary beside this file. Lengths, character sets, check
digits, dates and times are checked; tables of countries, currencies and the like, and which identifiers go together, are
not: a label that lacks its GTIN still says its lot.
"""

import re
from calendar import monthrange
from datetime import date
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from .errors import MachineConnectError

#: What stands for FNC1 between elements in what a scanner sends: the ASCII character «group separator».
FNC1 = "\x1d"
#: Symbology identifiers that announce GS1 data: GS1-128, DataMatrix, QR, DataBar and composite, DotCode.
SYMBOLOGIES = ("]C1", "]d2", "]Q3", "]e0", "]J1")
#: A symbology identifier of any kind: ``]``, a letter and a modifier.
_ANY_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_BRACKETED = re.compile(r"\((\d{2,4})\)")
#: GS1 character set 82, 39 (of component/part identifiers) and 64 (base64 for addresses).
_SETS = {
    "N": re.compile(r"[0-9]*\Z"),
    "X": re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*\Z"),
    "Y": re.compile(r"[#\-/0-9A-Z]*\Z"),
    "Z": re.compile(r"[\-0-9A-Z_a-z=]*\Z"),
}
_COMPONENT = re.compile(r"(\[?)([NXYZ])(\.\.)?(\d+)(\]?)((?:,[a-z0-9]+)*)\Z")
#: Longer codes than this are none: a GS1 DataMatrix holds 3,116 digits at most, and we keep names of 1,024 characters.
_LONGEST = 4096
#: Units of a measure's identifier by its first three digits, UN/CEFACT Recommendation 20; the fourth is the decimals.
_MEASURES = {
    "310": "KGM", "311": "MTR", "314": "MTK", "315": "LTR", "316": "MTQ", "320": "LBR", "321": "INH", "322": "FOT",
    "323": "YRD", "351": "FTK", "357": "OZA", "360": "QTL", "361": "GLL", "364": "INQ", "365": "FTQ",
}  # fmt: skip


class Gs1Invalid(MachineConnectError):
    """A code says that it is GS1, and is not a right one.

    :param str code: ``unknown_identifier``, ``too_short``, ``too_long``, ``characters``, ``check_digit``, ``date``,
        ``twice``, ``bracket``, ``address`` or ``content``
    :param str identifier: the application identifier that it concerns, or an empty string
    :param str value: what was found there
    """

    def __init__(self, code, identifier="", value=""):
        super().__init__(f"{code}: ({identifier}){value}")
        self.code = code
        self.identifier = identifier
        self.value = value


class Component(NamedTuple):
    """A part of an element's value.

    :param str kind: ``N`` digits, ``X``, ``Y`` or ``Z`` a character set
    :param int least: characters
    :param int most: characters
    :param bool optional: whether it may be missing
    :param tuple checks: names of the dictionary's checks of its content
    """

    kind: str
    least: int
    most: int
    optional: bool
    checks: tuple


class Identifier(NamedTuple):
    """An application identifier.

    :param str title: its data title: ``GTIN``
    :param bool predefined: whether its length is known in advance, so that no FNC1 ends it
    :param bool attribute: whether it may stand in the query of a GS1 Digital Link
    :param tuple components: each :class:`Component` of its value
    :param qualifiers: of a primary key of Digital Links: the sequences of identifiers that may follow; else None
    """

    title: str
    predefined: bool
    attribute: bool
    components: tuple
    qualifiers: tuple | None

    @property
    def most(self):
        """How many characters its value has at most."""
        return sum(component.most for component in self.components)


@cache
def identifiers():
    """Return each :class:`Identifier` by its digits, as the dictionary beside this file has them."""
    text = (files(__package__) / "gs1-syntax-dictionary.txt").read_text(encoding="utf-8")
    return dict(entry for line in text.splitlines() if line[:1].isdigit() for entry in _entries(line))


def _entries(line):
    """Yield digits and :class:`Identifier` of a line of the dictionary, which may speak of a range."""
    words, _separator, title = line.partition("#")
    digits, *words = words.split()
    flags = "" if _COMPONENT.match(words[0]) else words.pop(0)
    components = [_component(match) for match in map(_COMPONENT.match, words) if match]
    qualifiers = None
    for word in words:
        if word == "dlpkey":
            qualifiers = ((),)
        elif word.startswith("dlpkey="):
            qualifiers = tuple(tuple(part.split(",")) for part in word.removeprefix("dlpkey=").split("|"))
    identifier = Identifier(title.strip(), "*" in flags, "?" in flags, tuple(components), qualifiers)
    first, _dash, last = digits.partition("-")
    for number in range(int(first), int(last or first) + 1):
        yield str(number).zfill(len(first)), identifier


def _component(match):
    bracket, kind, up_to, length, _bracket, checks = match.groups()
    least = 1 if up_to else int(length)
    return Component(kind, least, int(length), bool(bracket), tuple(checks.split(",")[1:]))


# Reading


def elements(scanned):
    """Return what a scanned code says as ``{application identifier: value}``; empty where it is no GS1 code at all.

    A code without symbology identifier is taken for an element string where FNC1 is in it, or where it begins with a
    whole GTIN or SSCC whose check digit is right: a name that merely begins with digits stays a name.

    :param str scanned: as the scanner sent it, FNC1 as :data:`FNC1`
    :raise Gs1Invalid: it says that it is GS1, and something in it is wrong

    >>> elements("]C10109506000134352" + "10ABC" + FNC1 + "37500")
    {'01': '09506000134352', '10': 'ABC', '37': '500'}
    >>> elements("WH/MO/00012")
    {}
    """
    text = scanned.strip(" \t\r\n")
    if len(text) > _LONGEST:
        return {}
    if text.startswith(SYMBOLOGIES):
        return parse(text[3:])
    if _ANY_SYMBOLOGY.match(text):
        text = text[3:]
    if _BRACKETED.match(text):
        return parse(unbracketed(text))
    if text[:8].lower().startswith(("http://", "https://")):
        return _digital_link(text)
    if FNC1 in text or _begins_with_key(text):
        return parse(text)
    return {}


def plain(scanned):
    """Return a scanned code without the symbology identifier in front and without blanks around it.

    >>> plain("]C0WH/MO/00012 ")
    'WH/MO/00012'
    """
    text = scanned.strip(" \t\r\n")
    return text[3:] if _ANY_SYMBOLOGY.match(text) else text


def parse(text):
    """Return ``{application identifier: value}`` of an element string without symbology identifier.

    :param str text: the elements one after the other, each that has no predefined length ended by :data:`FNC1`; one
        FNC1 in front, or behind an element of predefined length, is no harm
    :raise Gs1Invalid: something in it is wrong
    """
    found, rest = {}, text.removeprefix(FNC1)
    if not rest:
        raise Gs1Invalid("too_short")
    while rest:
        digits = _identifier_of(rest)
        identifier, rest = identifiers()[digits], rest[len(digits) :]
        if identifier.predefined:
            value, rest = rest[: identifier.most], rest[identifier.most :].removeprefix(FNC1)
        else:
            value, _separator, rest = rest.partition(FNC1)
        _check(digits, value)
        _put(found, digits, value)
    return found


def checked(said):
    """Return elements that somebody else read, where each can be so.

    :param said: ``{application identifier: value}``, of whatever kind
    :raise Gs1Invalid: one of them cannot
    """
    found = {}
    for digits, value in said.items() if isinstance(said, dict) else ():
        if digits not in identifiers() or not isinstance(value, str):
            raise Gs1Invalid("unknown_identifier", str(digits)[:4], str(value)[:80])
        _check(digits, value)
        found[digits] = value
    return found


def unbracketed(text):
    """Return the element string that people read in brackets, with FNC1 in front and where it is needed.

    A bracket that is part of a value has a backslash before it.

    :raise Gs1Invalid: something in it is wrong

    >>> unbracketed("(10)ABC(11)991225") == FNC1 + "10ABC" + FNC1 + "11991225"
    True
    """
    result, rest, is_open = FNC1, text, False
    if not text.startswith("("):
        raise Gs1Invalid("bracket", value=text)
    seen = {}
    while rest:
        match = _BRACKETED.match(rest)
        if not match:
            raise Gs1Invalid("bracket", value=rest)
        digits = match[1]
        if digits not in identifiers():
            raise Gs1Invalid("unknown_identifier", digits)
        raw, rest = _up_to_bracket(rest[match.end() :])
        value = raw.replace("\\(", "(")
        _check(digits, value)
        _put(seen, digits, value)
        result += (FNC1 if is_open else "") + digits + value
        is_open = not identifiers()[digits].predefined
    return result


def _up_to_bracket(text):
    """Return what stands before the next bracket that is no part of a value, and the rest from there on."""
    found = re.search(r"(?<!\\)\(", text)
    return (text[: found.start()], text[found.start() :]) if found else (text, "")


def _identifier_of(text):
    for length in (2, 3, 4):
        if text[:length] in identifiers():
            return text[:length]
    raise Gs1Invalid("unknown_identifier", value=text[:4])


def _begins_with_key(text):
    """Return whether a text begins with a whole GTIN or SSCC, its check digit right."""
    for digits, length in (("01", 16), ("02", 16), ("00", 20)):
        key = text[2:length]
        if text.startswith(digits) and len(text) >= length and _is_digits(key) and has_check_digit(key):
            return True
    return False


def _put(found, digits, value):
    if found.setdefault(digits, value) != value:
        raise Gs1Invalid("twice", digits, value)


# Digital Link


def _digital_link(text):
    """Return the elements of a GS1 Digital Link by its standard, version 1.4, uncompressed; empty of any other address.

    :raise Gs1Invalid: it has a primary key, and something in it is wrong
    """
    address = urlsplit(text)
    parts = [unquote(part) for part in address.path.split("/") if part]
    known = identifiers()
    at = next(
        (
            place
            for place in range(len(parts) - 2, -1, -1)
            if parts[place] in known and known[parts[place]].qualifiers is not None and not (len(parts) - place) % 2
        ),
        None,
    )
    if at is None:
        return {}
    path = list(zip(parts[at::2], parts[at + 1 :: 2], strict=True))
    key = path[0][0]
    sequence = [digits for digits, _value in path[1:]]
    if not any(_is_subsequence(sequence, allowed) for allowed in known[key].qualifiers):
        raise Gs1Invalid("address", key, "/".join(sequence))
    query = [(name, value) for name, value in parse_qsl(address.query) if name.isdecimal()]
    for digits, value in query:
        if digits not in known or not known[digits].attribute:
            raise Gs1Invalid("address", digits, value)
    found = {}
    for digits, value in [*path, *query]:
        # A GTIN may have 8, 12 or 13 digits there.
        if digits in ("01", "02") and _is_digits(value) and len(value) in (8, 12, 13):
            value = value.zfill(14)
        _check(digits, value)
        _put(found, digits, value)
    return found


def _is_subsequence(some, of):
    rest = iter(of)
    return all(item in rest for item in some)


# Checking


def _check(digits, value):
    """Refuse a value that its identifier cannot have.

    :raise Gs1Invalid: why
    """
    components, rest = identifiers()[digits].components, value
    for component in components:
        if component.optional and not rest:
            break
        part, rest = rest[: component.most], rest[component.most :]
        if len(part) < component.least:
            raise Gs1Invalid("too_short", digits, value)
        if not _SETS[component.kind].match(part):
            raise Gs1Invalid("characters", digits, value)
        for name in component.checks:
            if (check := _CHECKS.get(name)) and not check[1](part):
                raise Gs1Invalid(check[0], digits, value)
    if rest:
        raise Gs1Invalid("too_long", digits, value)


def _is_digits(text):
    return text.isascii() and text.isdigit()


def check_digit(text):
    """Return the GS1 check digit (modulo 10) of a number without one.

    >>> check_digit("0950600013435")
    2
    """
    weighted = (int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(text)))
    return -sum(weighted) % 10


def has_check_digit(text):
    """Return whether the last digit of a number is its check digit."""
    return len(text) > 1 and check_digit(text[:-1]) == int(text[-1])


def _is_date(year, month, day):
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def _is_yymmdd(text):
    # Both centuries that it may mean have the same leap years.
    return _is_date(2000 + int(text[:2]), text[2:4], text[4:])


def _is_yymmd0(text):
    return _is_yymmdd(text[:4] + (text[4:] if text[4:] != "00" else "01"))


#: Of the dictionary's checks those that are done here: what is wrong where they fail, and how that is told.
_CHECKS = {
    "csum": ("check_digit", has_check_digit),
    "yymmdd": ("date", _is_yymmdd),
    "yymmd0": ("date", _is_yymmd0),
    "yyyymmdd": ("date", lambda text: _is_date(text[:4], text[4:6], text[6:])),
    "hh": ("date", lambda text: int(text) < 24),
    "mi": ("date", lambda text: int(text) < 60),
    "ss": ("date", lambda text: int(text) < 60),
    "hhmi": ("date", lambda text: int(text[:2]) < 24 and int(text[2:]) < 60),
    "zero": ("content", lambda text: not int(text)),
    "nonzero": ("content", lambda text: bool(int(text))),
    "nozeroprefix": ("content", lambda text: text == "0" or text[0] != "0"),
    "hasnondigit": ("content", lambda text: not _is_digits(text)),
    "yesno": ("content", lambda text: text in "01"),
    "hyphen": ("content", lambda text: set(text) == {"-"}),
}


# Understanding


def day(text, today):
    """Return the date of six digits YYMMDD, by section 7.12 of the specifications: the century that lies nearest.

    :param str text: as an element has it; day 00 is the last of the month
    :param date today: the current date

    >>> day("270200", date(2026, 11, 27))
    datetime.date(2027, 2, 28)
    """
    year, month, number = int(text[:2]), int(text[2:4]), int(text[4:6])
    ahead = year - today.year % 100
    century = today.year // 100 + (-1 if ahead >= 51 else 1 if ahead <= -50 else 0)
    year += century * 100
    return date(year, month, number or monthrange(year, month)[1])


def amount(found):
    """Return ``(quantity, unit)`` that elements say: pieces by 30 or 37, else the first measure; (0.0, "") for none.

    :param dict found: as :func:`elements` returns it
    :return: the unit by UN/CEFACT Recommendation 20

    >>> amount({"01": "09506000134352", "3102": "001250"})
    (12.5, 'KGM')
    """
    for digits in ("37", "30"):
        if digits in found:
            return float(found[digits]), "C62"
    for digits, value in found.items():
        if len(digits) == 4 and digits[:3] in _MEASURES:
            return int(value) / 10 ** int(digits[3]), _MEASURES[digits[:3]]
    return 0.0, ""


__all__ = [
    "FNC1",
    "SYMBOLOGIES",
    "Gs1Invalid",
    "amount",
    "check_digit",
    "checked",
    "day",
    "elements",
    "has_check_digit",
    "identifiers",
    "parse",
    "plain",
    "unbracketed",
]
