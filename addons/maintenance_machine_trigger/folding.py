"""Does a fault come again so often that each time is no news? Flood and chatter, by the moments of its occurrences.

A flood is more than ten within ten minutes, a chattering alarm three within a minute (ISA-18.2, IEC 62682). Moments are
microseconds since 1970.
"""

#: So many within so many seconds are still no flood.
FLOOD_TIMES, FLOOD_SECONDS = 10, 600
#: So many within so many seconds are chatter, unless the settings of alarms say otherwise.
CHATTER_TIMES, CHATTER_SECONDS = 3, 60

_SECOND = 1_000_000


def latest(moments, raised):
    """Return the latest moments, oldest first, as many as tell a flood: what is remembered of a fault.

    :param moments: what was returned before
    :param raised: the moments of further occurrences
    """
    return sorted([*moments, *raised])[-(FLOOD_TIMES + 1) :]


def is_flood(moments):
    """Return whether the latest of these is one of more than ten within ten minutes.

    >>> is_flood(range(0, 11 * 60 * 10**6, 60 * 10**6)), is_flood(range(0, 10 * 60 * 10**6, 60 * 10**6))
    (True, False)
    """
    return _are_within(moments, FLOOD_TIMES + 1, FLOOD_SECONDS)


def is_chatter(moments, times=CHATTER_TIMES, seconds=CHATTER_SECONDS):
    """Return whether the latest of these is the third within a minute; never where ``times`` is 0."""
    return bool(times) and _are_within(moments, times, seconds)


def _are_within(moments, times, seconds):
    return len(moments) >= times and moments[-1] - moments[-times] <= seconds * _SECOND
