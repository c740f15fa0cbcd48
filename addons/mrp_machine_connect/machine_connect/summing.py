"""How does a value that is read often become few lines? Each window of time one summary: n, min, max, avg, last.

The role of meters and of values that conditions look at: what is read between stays with the machine (ISO 22400-2 wants
figures of a period, and nobody reads 86,400 temperatures of a day).
"""

from math import isfinite

from .evaluation import Evaluator, Interpretation, outcome
from .event import Event
from .instants import instant

_SECOND = 1_000_000


class Summaries(Evaluator):
    """A value that is summed up. The memory is the window that is open, and what came in it so far.

    Windows begin at whole multiples of their length, so that those of several signals lie side by side. A window ends with
    the first reading after it; one in which nothing was read makes no event, nor does one whose length was changed meanwhile.
    """

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._window_us = round(mapping.window * _SECOND)

    def _read(self, memory, reading, value):
        value, rules = self._understood(value), self._rules(reading)
        if not self._window_us or isinstance(value, str):
            return Interpretation(value, (), memory, rules, False)
        if isinstance(value, bool):
            value = int(value)
        if not isfinite(value):
            return Interpretation(None, (), memory, (*rules, outcome("value", "refused", code="not_a_number")), False)
        moment = self._moment(reading)
        start = moment.us // self._window_us * self._window_us
        opened = memory.get("window") if memory.get("length") == self._window_us else None
        if opened is not None and moment.us <= memory["last_at"]:
            # The same value read once more, or one of a time that was summed up already.
            return Interpretation(value, (), memory, (*rules, outcome("window", "refused", code="not_newer")), False)
        if opened == start:
            number = memory["n"] + 1
            kept = {
                **memory,
                "n": number,
                "min": min(memory["min"], value),
                "max": max(memory["max"], value),
                # So that no sum ever grows beyond what a float can say.
                "mean": memory["mean"] + (value / number - memory["mean"] / number),
                "last": value,
                "last_at": moment.us,
            }
            return Interpretation(value, (), kept, rules, True)
        events = () if opened is None else (self._summary(memory, reading, rules),)
        kept = {
            "window": start,
            "length": self._window_us,
            "n": 1,
            "min": value,
            "max": value,
            "mean": value,
            "last": value,
            "last_at": moment.us,
        }
        return Interpretation(value, events, kept, rules, True)

    def _unavailable(self, memory, reading):
        """The machine has no value: what was summed up until then stands."""
        return self._nothing(memory, outcome("quality", "refused", code="unavailable"))

    def _summary(self, memory, reading, rules):
        end = memory["window"] + self._window_us
        data = {
            "n": memory["n"],
            "start": instant(memory["window"]).isoformat(),
            "end": instant(end).isoformat(),
            "min": memory["min"],
            "max": memory["max"],
            "avg": memory["mean"],
            "last": memory["last"],
            "last_at": instant(memory["last_at"]).isoformat(),
            "unit": self.mapping.unit,
            "signal": self.mapping.name,
        }
        return Event(
            self.role.event_type,
            instant(end),
            reading.read_at,
            data,
            signal=self.mapping.name,
            rules=rules,
            mapping_version=self.mapping.version,
        )
