"""How is a row written as PostgreSQL's COPY reads it? Its text format: a tab between columns, a line feed after each row.

COPY takes rows at a third of the cost of INSERT with values, on both sides of the line (``./dev bench ingest``).
"""

import re
from functools import lru_cache

from .machine_connect.instants import instant

#: A column without a value, as :data:`OPTIONS` say it: no text of ours is empty and yet something.
NULL = ""
#: What COPY is told beside the columns.
OPTIONS = "NULL ''"

_SPECIAL = re.compile(r"[\\\t\n\r]").search
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_text(value):
    """Return a text, or None, as a column of COPY; a text without content is a column without a value."""
    if not value:
        return NULL
    return value.translate(_ESCAPES) if _SPECIAL(value) else value


def is_plain(row, columns):
    """Return whether COPY reads a row as it is meant although its texts were not made with :func:`copy_text`.

    Hardly a text holds what must be written otherwise: one look at the whole row is cheaper than one at each of them.

    :param str row: with its line feed
    :param int columns: how many it has
    """
    return row.count("\t") == columns - 1 and "\\" not in row and row.count("\n") == 1 and "\r" not in row


def copy_number(value):
    """Return a whole number, or None, as a column of COPY."""
    return NULL if value is None else str(value)


def copy_moment(us):
    """Return microseconds since 1970-01-01 UTC as a column of COPY without time zone, as Odoo keeps moments.

    >>> copy_moment(1_500_000)
    '1970-01-01 00:00:01.500000'
    """
    second, fraction = divmod(us, 1_000_000)
    return f"{_second(second)}.{fraction:06d}"


# Rows of one batch lie close together: what was worked out for a second is worked out once.
@lru_cache(maxsize=1024)
def _second(second):
    return instant(second * 1_000_000).strftime("%Y-%m-%d %H:%M:%S")
