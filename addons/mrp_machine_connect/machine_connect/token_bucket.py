"""How much may come in a second, and how long must the rest wait? A token bucket, and one process's view of one that many share.

A bucket holds tokens up to its burst and gains so many a second. What comes takes some; where there are none it waits. What
was taken in one piece may leave less than nothing behind: who brings a big batch waits longer afterwards, and no batch is too
big to pass.
"""


class TokenBucket:
    """A bucket, as one process sees it.

    Where many processes share one, each takes from its own view and hands in now and then what it took: see :meth:`claim`
    and :meth:`settle`.

    :param float rate: tokens gained in a second, above 0
    :param float burst: tokens that it holds at most, 1 or more
    :param float now: seconds of a clock that never goes back; it is full then
    """

    __slots__ = ("_at", "_level", "_taken", "burst", "rate")

    def __init__(self, rate, burst, now):
        self.rate, self.burst = rate, burst
        self._level, self._at, self._taken = float(burst), now, 0.0

    def level(self, now):
        """Return how many tokens there are; below zero, how many are owed."""
        return min(self.burst, self._level + self.rate * max(0.0, now - self._at))

    def wait(self, now, wanted=1.0):
        """Return the seconds until so many tokens are there, 0.0 if they are; of more than it ever holds, until it is full."""
        return max(0.0, min(wanted, self.burst) - self.level(now)) / self.rate

    def take(self, now, count):
        """Take tokens, whether they are there or not."""
        self._level = self.level(now) - count
        self._at = max(self._at, now)
        self._taken += count

    def claim(self):
        """Return how many tokens were taken since the last time, to be handed in where the shared bucket is kept."""
        taken, self._taken = self._taken, 0.0
        return taken

    def settle(self, now, level):
        """Take over how many tokens the shared bucket holds; what was taken here since it was asked is taken from it."""
        self._level, self._at = min(self.burst, level) - self._taken, max(self._at, now)
