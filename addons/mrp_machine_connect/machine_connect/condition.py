"""Is something wrong with the machine? Rules over readings, states, alarms and use: one reading in, alarms out.

A rule looks at what is fed to it and finds at each moment that it is *met* (something is wrong), that it is *over* (it is
right again), neither (within the hysteresis) or that it *cannot tell*: no value, a value too old, or a machine in a state
in which the rule does not apply. Met for as long as the on-delay it is raised; over for as long as the off-delay it is
cleared (IEC 62682: on-delay, off-delay, deadband). While it cannot tell it does neither: no data is never an alarm, and
does not take one back either.

What was fed last holds until the next is fed. Moments are microseconds since 1970 by the machine's own clock. Each step
takes the same time whatever was fed before, and what is remembered is JSON.
"""

from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from math import isfinite
from typing import NamedTuple

from .state import MachineState

KINDS = ("threshold", "rate_of_change", "times_in_window", "state_longer", "stop_reason", "alarm", "usage")
#: What ``times_in_window`` can count: values beyond the limits, states entered, stops for a reason, alarms raised.
COUNTED = ("value", "state", "stop", "alarm")
#: What the codes of alarms begin with that a condition itself raised: rules do not look at each other's.
OWN_CODES = "condition:"
#: Occurrences that ``times_in_window`` can ask for, at most: so many moments are remembered.
MOST_TIMES = 100

_SECOND = 1_000_000
#: Into so many slots the window of a rate is divided; of each the first value is remembered.
_SLOTS = 10
#: Codes of alarms that are remembered after they were cleared.
_CODES = 256
_STATES = frozenset(state.value for state in MachineState)
_UNKNOWN = MachineState.UNKNOWN.value
#: In these a machine does not stand: a reason given with them is no stop's.
_WORKING = frozenset({MachineState.RUNNING.value, MachineState.TRANSIENT.value})
_MET, _OVER, _BETWEEN, _NO_DATA = range(4)
#: Nothing was said of it. None says that there is no value.
UNSAID = object()


class RuleInvalid(ValueError):
    """A rule cannot be used.

    :param str field: the field of :class:`Rule` that is wrong
    :param str code: ``missing``, ``unknown_choice``, ``not_a_number`` or ``out_of_range``
    """

    def __init__(self, field, code):
        super().__init__(f"{field}: {code}")
        self.field = field
        self.code = code


class Alarm(NamedTuple):
    """That an alarm of the machine was raised or cleared.

    :param str code: what the machine calls it
    :param bool raised: False: cleared
    :param severity: 1 to 1000, or None
    :param str text: in the machine's own words
    """

    code: str
    raised: bool
    severity: int | None = None
    text: str = ""


class Raised(NamedTuple):
    """Something is wrong.

    :param int at: when that was certain: ``since``, and the on-delay after it
    :param int since: the moment of failure, when it began
    :param dict evidence: ``value`` and ``limit``, and what else the rule looked at; JSON only
    """

    at: int
    since: int
    evidence: dict


class Cleared(NamedTuple):
    """It is right again.

    :param int at: when that was certain: when it was right, and the off-delay after it
    :param int since: the moment of failure of what was raised
    :param dict evidence: as of :class:`Raised`
    """

    at: int
    since: int
    evidence: dict


@dataclass(frozen=True)
class Rule:
    """What is wrong, for how long, and when that counts.

    :param str kind: of :data:`KINDS`
    :param above: beyond the limit is a value or a rate greater than this …
    :param below: … or less than this
    :param float hysteresis: so far back within the limit it is right again
    :param float on_delay: seconds that it must be wrong before it is raised
    :param float off_delay: seconds that it must be right before it is cleared
    :param tuple only_while: states in which the rule applies; empty: always
    :param validity: seconds that a value holds after it was so; None: until the next
    :param float window: seconds of ``rate_of_change`` and ``times_in_window``
    :param float per: seconds that the limits of a rate are meant for: 60 for so much a minute
    :param int times: of ``times_in_window``
    :param str counted: what ``times_in_window`` counts, of :data:`COUNTED`
    :param tuple states: that ``state_longer`` waits in, or that are counted
    :param float duration: seconds of ``state_longer``
    :param str reason: of a stop: its word or a pattern with ``*`` and ``?``, in any case
    :param str code: of an alarm: the same
    :param int severity: of an alarm, at least
    :param float every: use after which ``usage`` is due, in the meter's unit
    """

    kind: str
    above: float | None = None
    below: float | None = None
    hysteresis: float = 0.0
    on_delay: float = 0.0
    off_delay: float = 0.0
    only_while: tuple = ()
    validity: float | None = None
    window: float = 0.0
    per: float = 1.0
    times: int = 0
    counted: str = "value"
    states: tuple = ()
    duration: float = 0.0
    reason: str = ""
    code: str = ""
    severity: int = 1
    every: float = 0.0
    #: The kinds of news that it looks at: ``value``, ``state``, ``alarm``, ``usage``.
    looks_at: frozenset = field(init=False, compare=False)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise RuleInvalid("kind", "unknown_choice")
        for name in ("only_while", "states"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if not _STATES.issuperset(getattr(self, name)):
                raise RuleInvalid(name, "unknown_choice")
        for name, least in _NUMBERS.items():
            number = getattr(self, name)
            if number is None and name in _OPTIONAL:
                continue
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
                raise RuleInvalid(name, "not_a_number")
            if least is not None and number < least:
                raise RuleInvalid(name, "out_of_range")
        self._check_kind()
        looks_at = {_NEWS.get(self.kind) or _COUNTED_NEWS[self.counted]}
        object.__setattr__(self, "looks_at", frozenset(looks_at | ({"state"} if self.only_while else set())))

    def _check_kind(self):
        if self.counted not in COUNTED:
            raise RuleInvalid("counted", "unknown_choice")
        counted = self.counted if self.kind == "times_in_window" else ""
        if self.kind in ("threshold", "rate_of_change") or counted == "value":
            if self.above is None and self.below is None:
                raise RuleInvalid("above", "missing")
            if None not in (self.above, self.below) and self.below + self.hysteresis > self.above - self.hysteresis:
                # Between the two limits no value could ever be right again.
                raise RuleInvalid("hysteresis", "out_of_range")
        if self.kind in ("rate_of_change", "times_in_window") and not self.window > 0:
            raise RuleInvalid("window", "missing")
        if self.kind == "rate_of_change" and not self.per > 0:
            raise RuleInvalid("per", "missing")
        if self.kind == "times_in_window" and not 1 <= self.times <= MOST_TIMES:
            raise RuleInvalid("times", "out_of_range")
        if self.kind == "state_longer" or counted == "state":
            if not self.states:
                raise RuleInvalid("states", "missing")
            if _UNKNOWN in self.states:
                # That nobody knows what a machine does is no fault of it.
                raise RuleInvalid("states", "out_of_range")
        if self.kind == "state_longer" and not self.duration > 0:
            raise RuleInvalid("duration", "missing")
        if (self.kind == "stop_reason" or counted == "stop") and not self.reason:
            raise RuleInvalid("reason", "missing")
        if self.kind == "usage" and not self.every > 0:
            raise RuleInvalid("every", "missing")

    def as_json(self):
        """Return a JSON object that :meth:`from_json` understands."""
        values = asdict(self)
        del values["looks_at"]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values):
        """Return the rule of a JSON object; unknown keys are an error.

        :raise RuleInvalid: it cannot be used
        """
        known = {item.name for item in fields(cls) if item.init}
        for name in values:
            if name not in known:
                raise RuleInvalid(name, "unknown_choice")
        return cls(**values)

    def matches_alarm(self, code, severity=None):
        """Return whether an alarm is one of those that the rule looks at; one without a severity is of any."""
        if code.startswith(OWN_CODES):
            return False
        if self.code and not fnmatchcase(code.casefold(), self.code.casefold()):
            return False
        return severity is None or severity >= self.severity

    def matches_stop(self, state, reason):
        """Return whether a state is a stop for the reason that the rule looks at."""
        if state in _WORKING or state == _UNKNOWN:
            return False
        return fnmatchcase((reason or "").casefold(), self.reason.casefold())


_NUMBERS = {
    "above": None, "below": None, "hysteresis": 0, "on_delay": 0, "off_delay": 0, "validity": 0, "window": 0, "per": 0,
    "times": 0, "duration": 0, "severity": 1, "every": 0,
}  # fmt: skip
_OPTIONAL = frozenset({"above", "below", "validity"})
_NEWS = {
    "threshold": "value",
    "rate_of_change": "value",
    "state_longer": "state",
    "stop_reason": "state",
    "alarm": "alarm",
    "usage": "usage",
}
_EMPTY = ("", [], {})
_COUNTED_NEWS = {"value": "value", "state": "state", "stop": "state", "alarm": "alarm"}


class Evaluation:
    """A rule and what it remembers of one machine.

    :param Rule rule: the rule
    :param memory: what :attr:`memory` gave before; empty or None at the beginning
    :ivar bool changed: since it was last set to False, something came that must not be lost
    """

    __slots__ = (
        "_active", "_at", "_base", "_codes", "_counts", "_in_state", "_is_out", "_off_us", "_on_us", "_open", "_quantity",
        "_reason", "_ring", "_since", "_slots", "_state", "_state_at", "_usage", "_valid_us", "_value", "_value_at",
        "_window_us", "changed", "rule",
    )  # fmt: skip

    def __init__(self, rule, memory=None):
        self.rule = rule
        self.changed = False
        self._on_us = _us(rule.duration if rule.kind == "state_longer" else rule.on_delay)
        self._off_us = _us(rule.off_delay)
        self._valid_us = None if rule.validity is None else _us(rule.validity)
        self._window_us = _us(rule.window)
        self._counts = rule.counted if rule.kind == "times_in_window" else ""
        memory = memory or {}
        self._at = memory.get("at")
        self._active = memory.get("active")
        self._since = memory.get("since")
        self._value, self._value_at = memory.get("value"), memory.get("value_at")
        self._quantity = memory.get("quantity")
        self._state, self._reason = memory.get("state"), memory.get("reason") or ""
        self._state_at = memory.get("state_at")
        self._codes = {code: tuple(known) for code, known in (memory.get("codes") or {}).items()}
        self._usage, self._base = memory.get("usage"), memory.get("base", 0.0)
        self._ring = list(memory.get("ring") or ())
        self._slots = [tuple(slot) for slot in memory.get("slots") or ()]
        self._is_out = bool(memory.get("out"))
        self._open = not rule.only_while or self._state in rule.only_while
        self._in_state = None

    @property
    def memory(self):
        """What is remembered, as JSON."""
        said = {
            "at": self._at, "active": self._active, "since": self._since, "value": self._value,
            "value_at": self._value_at, "quantity": self._quantity, "state": self._state, "reason": self._reason,
            "state_at": self._state_at, "codes": {code: list(known) for code, known in self._codes.items()},
            "usage": self._usage, "base": self._base or None, "ring": list(self._ring),
            "slots": [list(slot) for slot in self._slots], "out": self._is_out,
        }  # fmt: skip
        return {
            name: value
            for name, value in said.items()
            if value is not None and value is not False and value not in _EMPTY
        }

    @property
    def is_active(self):
        """Whether it is raised."""
        return self._active is not None

    @property
    def due(self):
        """The next moment at which time alone may raise or clear it, None when only news can."""
        moments = [] if self._since is None else [self._since + (self._off_us if self._active else self._on_us)]
        if self._since is not None or self._active is not None:
            moments += self._turning_points(None)
        return min(moments, default=None)

    def feed(self, moment, value=UNSAID, state=UNSAID, alarm=UNSAID, usage=UNSAID, reason=""):
        """Return what follows of a piece of news, or of time alone where none is given: a list of Raised and Cleared.

        What is older than what is known of the same thing changes nothing; what is older than news of another kind counts
        from the moment of that on.

        :param int moment: when it was so, in microseconds since 1970
        :param value: a number; a truth is 0 or 1; None or a text: there is no value
        :param state: a value of :class:`machine_connect.state.MachineState`; unknown: nobody knows
        :param Alarm alarm: an alarm that was raised or cleared
        :param usage: what the meter shows in total; None: nobody knows
        :param str reason: that the machine gave for its state
        """
        told = moment
        if self._at is not None and moment < self._at:
            moment = self._at
        found = []
        self._pass(moment, found)
        self._at = moment
        if value is not UNSAID and (self._value_at is None or told >= self._value_at):
            self._hear_value(told, value)
        if state is not UNSAID and (self._state_at is None or told >= self._state_at):
            self._hear_state(moment, told, state, reason)
        if alarm is not UNSAID:
            self._hear_alarm(moment, told, alarm)
        if usage is not UNSAID:
            self._usage = usage
        self._judge(moment, found)
        self._in_state = None
        if found:
            self.changed = True
        return found

    def restart(self, moment, usage):
        """Count use anew from what the meter shows: it was serviced. Return what follows, as :meth:`feed`."""
        self._base = usage
        self.changed = True
        return self.feed(moment, usage=usage)

    # ------------------------------------------------------------------------------------------------------- time

    def _pass(self, moment, found):
        """Let time pass up to a moment, with what holds meanwhile."""
        for point in self._turning_points(moment):
            self._fire(point, found)
            self._judge(point, found)
        self._fire(moment, found)

    def _turning_points(self, until):
        """Return at which moments what is found changes by itself, before one, in order; None: all to come."""
        points = []
        if self._valid_us is not None and self._value_at is not None and self._quantity is not None:
            points.append(self._value_at + self._valid_us)
        if self._counts and len(self._ring) == self.rule.times:
            points.append(self._ring[0] + self._window_us)
        if not points:
            return points
        last = -1 if self._at is None else self._at
        return sorted(point for point in points if point > last and (until is None or point < until))

    def _fire(self, moment, found):
        """Raise or clear what has lasted long enough by a moment."""
        if self._since is None:
            return
        if self._active is None:
            if self._since + self._on_us <= moment:
                self._raise(self._since + self._on_us, found)
        elif self._since + self._off_us <= moment:
            self._clear(self._since + self._off_us, found)

    def _judge(self, moment, found):
        """Begin to wait, or no longer wait, by what is found at a moment."""
        verdict = self._verdict(moment)
        waits_for = _MET if self._active is None else _OVER
        if verdict is not waits_for:
            if self._since is not None:
                self._since = None
                self.changed = True
            return
        if self._since is None:
            self._since = self._begun(moment) if self._active is None else moment
            self.changed = True
        self._fire(moment, found)

    def _begun(self, moment):
        """Return when what is met began: of a state that was told late, when the machine came into it."""
        return (
            moment
            if self._in_state is None or self.rule.kind not in ("state_longer", "stop_reason")
            else self._in_state
        )

    def _raise(self, at, found):
        evidence = self._evidence()
        self._active = {"since": self._since, "limit": evidence.get("limit")}
        found.append(Raised(at, self._since, evidence))
        self._since = None

    def _clear(self, at, found):
        evidence = self._evidence()
        if self._active.get("limit") is not None:
            evidence["limit"] = self._active["limit"]
        found.append(Cleared(at, self._active["since"], evidence))
        self._active = self._since = None

    # ------------------------------------------------------------------------------------------------------- news

    def _hear_value(self, told, value):
        self._value_at = told
        if value.__class__ is not float:
            value = _number(value)
        elif not isfinite(value):
            value = None
        self._value = value
        if self.rule.kind == "rate_of_change":
            self._quantity = self._rate(told, value)
        else:
            self._quantity = value
            if self._counts == "value":
                self._count_value(told, value)

    def _rate(self, told, value):
        """Return how fast the value changes: since the oldest of the window, if that is at least half a window old."""
        if value is None:
            self._slots.clear()
            return None
        slot = told * _SLOTS // self._window_us
        while self._slots and self._slots[0][0] < slot - _SLOTS:
            self._slots.pop(0)
        rate = None
        if self._slots:
            _slot, at, before = self._slots[0]
            if told - at >= self._window_us / 2:
                rate = (value - before) * self.rule.per * _SECOND / (told - at)
        if not self._slots or self._slots[-1][0] != slot:
            self._slots.append((slot, told, value))
        return rate

    def _count_value(self, told, value):
        if value is None or not self._open:
            return
        if self._is_out:
            self._is_out = not self._is_back(value)
            self.changed |= not self._is_out
        elif self._is_beyond(value):
            self._is_out = True
            self._count(told)

    def _hear_state(self, moment, told, state, reason):
        entered = state != self._state or (reason or "") != self._reason
        self._state_at = told
        if not entered:
            return
        was_known = self._state
        was_in = state_counts = False
        if self._counts == "state":
            was_in, state_counts = was_known in self.rule.states, state in self.rule.states
        elif self._counts == "stop":
            was_in = was_known is not None and self.rule.matches_stop(was_known, self._reason)
            state_counts = self.rule.matches_stop(state, reason)
        self._state, self._reason, self.changed = state, reason or "", True
        self._open = not self.rule.only_while or state in self.rule.only_while
        self._in_state = told if was_known is None else moment
        if state_counts and not was_in and was_known is not None and self._open:
            self._count(moment)

    def _hear_alarm(self, moment, told, alarm):
        if not self.rule.matches_alarm(alarm.code, alarm.severity if alarm.raised else None):
            return
        known = self._codes.pop(alarm.code, None)
        if known is not None and told < known[0]:
            self._codes[alarm.code] = known
            return
        if known is None and not alarm.raised:
            # Not one of those that are severe enough, or of a time that nobody looked at.
            self._codes[alarm.code] = (told, False, "")
        else:
            self._codes[alarm.code] = (told, alarm.raised, alarm.text[:200])
        self.changed = True
        if alarm.raised and self._counts == "alarm" and not (known and known[1]) and self._open:
            self._count(moment)
        if len(self._codes) > _CODES:
            for code, (_told, is_active, _text) in self._codes.items():
                if not is_active:
                    del self._codes[code]
                    break

    def _count(self, moment):
        self._ring.append(moment)
        if len(self._ring) > self.rule.times:
            del self._ring[0]
        self.changed = True

    # ---------------------------------------------------------------------------------------------------- verdict

    def _verdict(self, moment):
        if not self._open:
            return _NO_DATA
        kind = self.rule.kind
        if kind == "threshold" or kind == "rate_of_change":
            quantity = self._quantity
            if quantity is None or (self._valid_us is not None and moment >= self._value_at + self._valid_us):
                return _NO_DATA
            if self._is_beyond(quantity):
                return _MET
            return _OVER if self._is_back(quantity) else _BETWEEN
        if kind == "times_in_window":
            is_met = len(self._ring) == self.rule.times and moment < self._ring[0] + self._window_us
            return _MET if is_met else _OVER
        if kind == "alarm":
            return _MET if any(is_active for _told, is_active, _text in self._codes.values()) else _OVER
        if kind == "usage":
            if self._usage is None:
                return _NO_DATA
            return _MET if self._usage - self._base >= self.rule.every else _OVER
        if self._state is None or self._state == _UNKNOWN:
            return _NO_DATA
        if kind == "state_longer":
            return _MET if self._state in self.rule.states else _OVER
        return _MET if self.rule.matches_stop(self._state, self._reason) else _OVER

    def _is_beyond(self, quantity):
        rule = self.rule
        return (rule.above is not None and quantity > rule.above) or (rule.below is not None and quantity < rule.below)

    def _is_back(self, quantity):
        rule = self.rule
        return (rule.above is None or quantity <= rule.above - rule.hysteresis) and (
            rule.below is None or quantity >= rule.below + rule.hysteresis
        )

    def _evidence(self):
        """Return what the rule looks at, as it is."""
        rule = self.rule
        if rule.kind in ("threshold", "rate_of_change"):
            return {"value": self._quantity, "limit": self._limit()}
        if rule.kind == "times_in_window":
            return {"value": len(self._ring), "limit": rule.times, "times": list(self._ring)}
        if rule.kind == "alarm":
            active = sorted(code for code, (_told, is_active, _text) in self._codes.items() if is_active)
            texts = [self._codes[code][2] for code in active if self._codes[code][2]]
            return {"value": ", ".join(active)[:200], "codes": active[:20], "texts": texts[:20]}
        if rule.kind == "usage":
            return {"value": self._usage - self._base, "limit": rule.every, "usage": self._usage}
        if rule.kind == "state_longer":
            return {"value": self._state, "limit": rule.duration}
        return {"value": self._reason, "state": self._state}

    def _limit(self):
        """Return the limit that the value is beyond, or the nearer one."""
        rule, quantity = self.rule, self._quantity
        if rule.above is None or rule.below is None or quantity is None:
            return rule.below if rule.above is None else rule.above
        return rule.above if rule.above - quantity < quantity - rule.below else rule.below


def _us(seconds):
    return round(seconds * _SECOND)


def _number(value):
    """Return a value as a number, None where it is none."""
    if value.__class__ is bool:
        return float(value)
    if isinstance(value, (int, float)) and isfinite(value):
        return value
    return None
