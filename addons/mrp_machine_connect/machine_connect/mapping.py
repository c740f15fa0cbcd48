"""What does a signal's reading mean to the business? Configuration in, events out; no protocol, no database.

The same memory and the same reading give the same events, wherever and however often they are interpreted. Only good
values become events that post, and what a value was made from stays with the event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import isfinite

from .counter import CounterDescriptor
from .counting import Counting, Cycles
from .evaluation import Interpretation, MappingInvalid
from .roles import ROLES, Role
from .summing import Summaries
from .watching import Alarms, Changes, Lots, Scans, States, Values
from .weighing import Weights

_EVALUATORS = {
    "counter": Counting,
    "cycle": Cycles,
    "state": States,
    "alarm": Alarms,
    "change": Changes,
    "lot": Lots,
    "scan": Scans,
    "scale": Weights,
    "summary": Summaries,
    "none": Values,
}


#: The numbers of a mapping with the least that they may be, None for no limit.
_NUMBERS = {
    "scale": None,
    "offset": None,
    "deadband": 0,
    "debounce": 0,
    "interval": 0,
    "pieces_per_cycle": 0,
    "window": 0,
}


@dataclass(frozen=True)
class SignalMapping:
    """How the readings of one signal are understood.

    :param str name: the signal's name
    :param str role: its meaning, a key of :data:`machine_connect.roles.ROLES`
    :param float scale: a number is multiplied by this …
    :param float offset: … and this is added
    :param str unit: of the result, UN/CEFACT Rec 20
    :param float deadband: a plain value that differs less than this from the last one is no news; not for counters
    :param float debounce: seconds that a state, an alarm, a name or a pulse must last before it is believed; its time
        is then when it began
    :param extraction: how the value is found in what was read, see :func:`machine_connect.extraction.extraction`
    :param counter: the :class:`CounterDescriptor`; required for a counter. For a cycle it may say by ``max_rate`` how
        fast cycles can follow each other, which unmasks a device that stamps each reading anew
    :param str table: the name of a table of states (:data:`machine_connect.state.TABLES`); empty: our own words
    :param codes: cross-reference, wins over the table: ``{raw: state}`` or ``{raw: {"state": …, "reason": …}}`` for a
        state, ``{raw: text}`` or ``{raw: {"code", "text", "severity"}}`` for an alarm (empty: none), ``{raw: name}``
        for a name
    :param bool allow_uncertain: values of uncertain quality count as good ones
    :param tuple cycle_values: what a cycle signal says when a cycle is completed
    :param pieces_per_cycle: pieces that one cycle makes; a counter may go up by so many at one moment
    :param str reason: of what a scale tells, as the machine calls it; empty: none is told
    :param float window: seconds that a meter's or a condition's values are summed up over; 0: they are not
    :param float interval: seconds between two polls
    :param str zone: the time zone of a machine clock that shows local time, whatever zone the protocol says
    :param late_window: seconds that a value's time may lie before its reading; what is older is held. None: no limit
    :param early_window: seconds that it may lie after it. None: no limit
    :param silence: seconds that nobody may hear the signal of a state; after that its state is unknown from when it was
        last heard until it is heard again. None: no limit
    :param bool time_is_change: the machine gives a value a new time only when it is written anew
    :param int version: of this mapping
    """

    name: str
    role: str
    scale: float = 1.0
    offset: float = 0.0
    unit: str = "C62"
    deadband: float = 0.0
    debounce: float = 0.0
    extraction: dict | None = None
    counter: CounterDescriptor | None = None
    table: str = ""
    codes: Mapping = field(default_factory=dict)
    allow_uncertain: bool = False
    cycle_values: tuple = ("PROGRAM_COMPLETED",)
    pieces_per_cycle: float = 1
    reason: str = ""
    window: float = 0.0
    interval: float = 60.0
    zone: str = ""
    late_window: float | None = 7 * 86_400.0
    early_window: float | None = 600.0
    silence: float | None = None
    time_is_change: bool = True
    version: int = 0

    @classmethod
    def from_json(cls, values):
        """Return the mapping of a JSON object; unknown keys are an error.

        :raise TypeError: it has other fields than a mapping
        :raise ValueError: its counter cannot be
        """
        values = dict(values)
        if values.get("counter") is not None:
            values["counter"] = CounterDescriptor.from_json(values["counter"])
        if "cycle_values" in values:
            values["cycle_values"] = tuple(values["cycle_values"])
        return cls(**values)

    def as_json(self):
        """Return a JSON object that :meth:`from_json` understands."""
        result = {item.name: getattr(self, item.name) for item in fields(self)}
        result["counter"] = self.counter and self.counter.as_json()
        result["codes"] = dict(self.codes)
        result["cycle_values"] = list(self.cycle_values)
        return result

    @cached_property
    def interpreter(self):
        """The :class:`Interpreter` of this mapping."""
        return Interpreter(self)


class Interpreter:
    """A mapping made ready, for many readings.

    :param SignalMapping mapping: the mapping
    :raise MappingInvalid: it cannot be used
    """

    def __init__(self, mapping):
        role = ROLES.get(mapping.role)
        if role is None:
            raise MappingInvalid("role", "unknown_choice", role=mapping.role)
        for name, least in _NUMBERS.items():
            number = getattr(mapping, name)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
                raise MappingInvalid(name, "not_a_number", value=str(number))
            if least is not None and number < least:
                raise MappingInvalid(name, "out_of_range", value=number)
        for name in ("scale", "pieces_per_cycle"):
            if not getattr(mapping, name):
                raise MappingInvalid(name, "out_of_range", value=0)
        self.mapping = mapping
        self._evaluator = _EVALUATORS[role.evaluator](mapping, role)

    def interpret(self, memory, reading):
        """Return the :class:`Interpretation` of the signal's next reading.

        :param memory: the memory that the last one returned; empty or None for the first
        :param Reading reading: the reading
        """
        return self._evaluator.interpret(memory, reading)

    def moment(self, reading):
        """Return when a reading was so in microseconds, or None where the machine's clock is not believed."""
        return self._evaluator.believed(reading)

    def missed(self, memory, read_at, code=""):
        """Return the :class:`Interpretation` of a signal that could not be read at a moment.

        :param memory: the memory that the last one returned; empty or None before the first
        :param datetime read_at: when it was tried; aware, UTC
        :param str code: why it could not, from :data:`machine_connect.errors.CODES`
        """
        return self._evaluator.missed(memory, read_at, code)


def interpret(mapping, memory, reading):
    """Return the :class:`Interpretation` of a signal's next reading.

    :param SignalMapping mapping: how it is understood
    :param memory: the memory that the last one returned; empty or None for the first
    :param Reading reading: the reading
    :raise MappingInvalid: the mapping cannot be used
    """
    return mapping.interpreter.interpret(memory, reading)


__all__ = ["ROLES", "Interpretation", "Interpreter", "MappingInvalid", "Role", "SignalMapping", "interpret"]
