"""When is an event booked that is not booked at once? Pure: moments in, moments out."""

from datetime import datetime, time, timedelta, timezone

MODES = ("immediate", "micro_batch", "window", "daily")


def due(mode, seconds, time_of_day, zone, received):
    """Return when an event is booked: naive UTC, or None for at once.

    :param str mode: one of :data:`MODES`
    :param int seconds: length of a micro-batch or a window
    :param float time_of_day: hours since midnight, for daily
    :param zone: a tzinfo: whose midnight it is
    :param datetime received: when Odoo stored the event, naive UTC

    >>> from zoneinfo import ZoneInfo
    >>> at = datetime(2026, 3, 2, 6, 7, 30)
    >>> due("micro_batch", 60, 0, timezone.utc, at), due("window", 900, 0, timezone.utc, at)
    (datetime.datetime(2026, 3, 2, 6, 8, 30), datetime.datetime(2026, 3, 2, 6, 15))
    >>> due("daily", 0, 22.5, ZoneInfo("Europe/Berlin"), at)
    datetime.datetime(2026, 3, 2, 21, 30)
    """
    match mode:
        case "micro_batch" if seconds:
            return received + timedelta(seconds=seconds)
        case "window" if seconds:
            return _end_of_window(seconds, zone, received)
        case "daily":
            return _next_time_of_day(time_of_day, zone, received)
        case _:
            return None


def _end_of_window(seconds, zone, received):
    """Return the end of the window that a moment lies in; windows follow each other from midnight on."""
    local = received.replace(tzinfo=timezone.utc).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    # In UTC: on the day of a change of clocks a window is as long as on any other day.
    begun = midnight.astimezone(timezone.utc).replace(tzinfo=None)
    windows = (received - begun) // timedelta(seconds=seconds) + 1
    next_midnight = _utc(datetime.combine(local.date() + timedelta(days=1), time(), zone))
    return min(begun + windows * timedelta(seconds=seconds), next_midnight)


def _next_time_of_day(time_of_day, zone, received):
    minutes = round(time_of_day * 60) % 1440
    clock = time(*divmod(minutes, 60))
    day = received.replace(tzinfo=timezone.utc).astimezone(zone).date()
    # A time that the clocks leave out that day comes right after, one that comes twice comes the first time.
    moments = (_utc(datetime.combine(day + timedelta(days=ahead), clock, zone)) for ahead in range(3))
    return next(moment for moment in moments if moment > received)


def _utc(moment):
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
