"""How is a moment written as text? By RFC 3339, as CloudEvents 1.0 has it, to and from whole microseconds."""

import re
from datetime import datetime
from functools import lru_cache

from .instants import instant, microseconds

#: The first moment that may be said, and the first that may not: 1970-01-01 and 2100-01-01, in microseconds.
FIRST, END = 0, 4_102_444_800_000_000

_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}")
_OFFSET = re.compile(r"[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]")


def from_timestamp(text):
    """Return the moment that a text says, as whole microseconds since 1970-01-01 UTC; what is finer is cut off.

    :param str text: ``2026-01-05T12:00:00.000007Z``, with ``Z`` or an offset, up to nine digits behind the point. A leap
        second (``:60``) is not understood: Python and PostgreSQL have no place for it
    :raise ValueError: it is no such text, or not from 1970 to 2099

    >>> from_timestamp("1970-01-01T01:00:00.5+01:00")
    500000
    """
    digits = text[20:26]
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and digits.isdecimal() and digits.isascii():
        us = _utc_second(text[:19]) + int(digits)  # as nearly all say it
    else:
        us = _any_form(text)
    if not FIRST <= us < END:
        raise ValueError("the moment is not from 1970 to 2099")
    return us


def _any_form(text):
    rest, zone = (text[19:-1], "Z") if text[-1:] in ("Z", "z") else (text[19:-6], text[-6:])
    us = _whole_second(text[:19], zone)
    if rest:
        digits = rest[1:]
        if rest[0] != "." or len(digits) > 9 or not (digits.isascii() and digits.isdecimal()):
            raise ValueError("this is no fraction of a second")
        us += int(digits[:6].ljust(6, "0"))
    return us


# Events of one batch lie close together, and what is worked out once a second is not worked out for each of them.
@lru_cache(maxsize=1024)
def _utc_second(second):
    return _whole_second(second, "Z")


@lru_cache(maxsize=1024)
def _whole_second(second, zone):
    if not _SECOND.fullmatch(second) or not (zone == "Z" or _OFFSET.fullmatch(zone)):
        raise ValueError("this is no RFC 3339 date-time")
    offset = "+00:00" if zone == "Z" else zone
    return microseconds(datetime.fromisoformat(second.upper() + offset))


def timestamp(us):
    """Return whole microseconds since 1970-01-01 UTC as RFC 3339, in UTC with all six digits.

    >>> timestamp(500000)
    '1970-01-01T00:00:00.500000Z'
    """
    return f"{instant(us).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
