"""When did a shift end? Times of the day in a plant's own time zone, whatever the clocks there are set to."""

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo


def times_of_day(text):
    """Return the times of the day in a text like «06:00, 14:00, 22:00», the earliest first.

    :raise ValueError: there is none, or one is no time of the day

    >>> [moment.isoformat("minutes") for moment in times_of_day("22:00, 6:00,14:00")]
    ['06:00', '14:00', '22:00']
    """
    found = set()
    for part in text.split(","):
        hour, colon, minute = part.strip().partition(":")
        if not colon or not hour.isdecimal() or not minute.isdecimal():
            raise ValueError(part.strip())
        try:
            found.add(time(int(hour), int(minute)))
        except ValueError:
            raise ValueError(part.strip()) from None
    return sorted(found)


def last_change(text, zone, moment):
    """Return the latest moment at or before another at which a shift changes, both naive UTC.

    A time that the clocks leave out on one day comes as much later as they are put forward; one that they show twice is
    the first of the two.

    :param str text: times of the day, as :func:`times_of_day` takes them
    :param str zone: name of the plant's time zone

    >>> last_change("06:00, 14:00", "Europe/Berlin", datetime(2026, 7, 1, 11, 59))
    datetime.datetime(2026, 7, 1, 4, 0)
    """
    place = ZoneInfo(zone)
    today = moment.replace(tzinfo=timezone.utc).astimezone(place).date()
    changes = (
        datetime.combine(day, at, place).astimezone(timezone.utc).replace(tzinfo=None)
        for day in (today - timedelta(days=1), today, today + timedelta(days=1))
        for at in times_of_day(text)
    )
    return max(change for change in changes if change <= moment)
