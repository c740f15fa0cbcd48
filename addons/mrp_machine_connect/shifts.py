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


def changes(text, zone, first, last):
    """Return the moments after one and up to another at which a shift changes, all naive UTC, the earliest first.

    >>> changes("06:00, 18:00", "Europe/Berlin", datetime(2026, 3, 28, 17), datetime(2026, 3, 29, 16))
    [datetime.datetime(2026, 3, 29, 4, 0), datetime.datetime(2026, 3, 29, 16, 0)]
    """
    place = ZoneInfo(zone)
    day = first.replace(tzinfo=timezone.utc).astimezone(place).date() - timedelta(days=1)
    until = last.replace(tzinfo=timezone.utc).astimezone(place).date() + timedelta(days=1)
    found = set()
    while day <= until:
        for at in times_of_day(text):
            found.add(datetime.combine(day, at, place).astimezone(timezone.utc).replace(tzinfo=None))
        day += timedelta(days=1)
    return sorted(change for change in found if first < change <= last)


def joined(blocks, zone, pause):
    """Return blocks of work as shifts: what only a pause lies between, or midnight, is one; two that meet are two.

    :param list blocks: ``(start, end)``, naive UTC
    :param str zone: name of the plant's time zone
    :param pause: timedelta: the longest pause within a shift

    >>> morning = (datetime(2026, 7, 1, 6), datetime(2026, 7, 1, 10))
    >>> noon = (datetime(2026, 7, 1, 11), datetime(2026, 7, 1, 15))
    >>> late = (datetime(2026, 7, 1, 15), datetime(2026, 7, 1, 22))
    >>> [(start.hour, end.hour) for start, end in joined([morning, noon, late], "UTC", timedelta(hours=2))]
    [(6, 15), (15, 22)]
    """
    place, found = ZoneInfo(zone), []
    for start, end in sorted(blocks):
        # A calendar says 24:00 as a microsecond before it.
        start, end = _whole(start), _whole(end)
        if found:
            gap = start - found[-1][1]
            at_midnight = start.replace(tzinfo=timezone.utc).astimezone(place).time() == time(0)
            if gap < timedelta(0) or timedelta(0) < gap <= pause or (not gap and at_midnight):
                found[-1] = (found[-1][0], max(found[-1][1], end))
                continue
        found.append((start, end))
    return found


def _whole(moment):
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
