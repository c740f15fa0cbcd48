"""How long is waited before something is tried once more? Longer each time, and not all at the same moment.

Exponential backoff with full jitter, so that senders which lost the same server do not all come back at once; what the server
itself asks for by ``Retry-After`` (RFC 9110, 10.2.3) goes before.
"""

import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class Pauses:
    """How often something is tried, and how long is waited in between.

    :param int tries: in all, from 1
    :param float first: seconds, at most, before the second try; twice as many before each one after it …
    :param float longest: … but never more than these. Who is asked to wait longer should come back later instead
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0

    def after(self, tries, asked=None, chance=random.random):
        """Return the seconds to wait after so many tries that failed.

        :param int tries: that failed, from 1
        :param asked: seconds that the server asked for, or None; never waited less
        :param chance: returns a number from 0 to below 1
        """
        most = min(self.longest, self.first * 2 ** min(tries - 1, 32))
        if asked is None:
            return most * chance()
        return asked + most * chance()


def retry_after(value, now):
    """Return the seconds that a ``Retry-After`` header asks for, or None where it says nothing that can be understood.

    :param value: the header, seconds or a date, or None
    :param datetime now: this moment; aware
    """
    value = (value or "").strip()
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError):
        return None
