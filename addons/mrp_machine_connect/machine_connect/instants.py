"""How is a moment written as a whole number? Microseconds since 1970-01-01 UTC, exact in both directions.

A float of seconds cannot hold a microsecond of today; an integer can, in JSON and in an ``int8`` column.
"""

from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def microseconds(moment):
    """Return an aware datetime as whole microseconds since the epoch.

    :raise TypeError: the moment has no time zone
    """
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(us):
    """Return whole microseconds since the epoch as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=us)
