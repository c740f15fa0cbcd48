"""When will a service be due? By the use of a meter so far, or by the calendar, whichever comes first."""

from datetime import timedelta

#: Further ahead than this nobody plans: about ten years.
FURTHEST = timedelta(days=3650)


def rate(used, seconds):
    """Return how much is used in a second, None where nothing says so.

    :param float used: within a while, in the meter's unit
    :param float seconds: how long that was
    """
    return used / seconds if seconds > 0 and used > 0 else None


def due(now, left, per_second, calendar=None):
    """Return the moment at which a service is due, None where nothing says so.

    :param datetime now: the moment at which so much is left
    :param left: use until the service, in the meter's unit; None where it does not go by use
    :param per_second: how much is used in a second; None where nobody knows
    :param datetime calendar: when it is due however little the machine is used; None: by use alone

    >>> from datetime import datetime
    >>> due(datetime(2026, 3, 1), 24.0, 0.5 / 3600)
    datetime.datetime(2026, 3, 3, 0, 0)
    >>> due(datetime(2026, 3, 1), 24.0, 0.5 / 3600, datetime(2026, 3, 2))
    datetime.datetime(2026, 3, 2, 0, 0)
    """
    moments = [] if calendar is None else [calendar]
    if left is not None:
        if left <= 0:
            moments.append(now)
        elif per_second and left / per_second < FURTHEST.total_seconds():
            moments.append(now + timedelta(seconds=left / per_second))
    return min(moments, default=None)
