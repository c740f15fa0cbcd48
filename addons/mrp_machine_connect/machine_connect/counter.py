"""How many pieces lie between two readings of a machine's counter?

Counters wrap, are reset by operators and power failures, show garbage while a controller boots, and come back. One
rule decides: nothing is counted that the machine could not have made in the time (``max_rate``), and nothing that
does not fit is dropped; it is *held* for a person, and counting goes on from the new value.

The words for when a counter is reset are those of MTConnect (Part 2, ``resetTriggered``).
"""

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import NamedTuple

from .instants import microseconds

#: Values after which a counter begins again at zero, by the name of its width.
WIDTHS = {
    "u8": 2**8,
    "u16": 2**16,
    "u23": 2**23,
    "u24": 2**24,
    "u32": 2**32,
    "u64": 2**64,
    "bcd4": 10**4,
    "bcd8": 10**8,
}

#: What a sum of many small floats may be off by, in pieces.
_EPSILON = 1e-9


class CounterKind(str, Enum):
    """What a value of the counter says."""

    #: pieces ever made; wraps at its modulus
    ABSOLUTE = "absolute"
    #: pieces since somebody or something set it to zero; never wraps
    SINCE_RESET = "since_reset"
    #: pieces since the value before; each value with a time of its own counts
    DELTA = "delta"
    #: a signal that goes up once a piece
    PULSE = "pulse"


class ResetPolicy(str, Enum):
    """What sets the counter to zero, by MTConnect; ``LIFE`` is never set to zero."""

    ACTION_COMPLETE = "ACTION_COMPLETE"
    ANNUAL = "ANNUAL"
    DAY = "DAY"
    LIFE = "LIFE"
    MAINTENANCE = "MAINTENANCE"
    MONTH = "MONTH"
    POWER_ON = "POWER_ON"
    SHIFT = "SHIFT"
    WEEK = "WEEK"
    UNKNOWN = "unknown"


class Cause(str, Enum):
    """Why a step counted what it counted."""

    #: the first value; says nothing about before
    BASELINE = "baseline"
    UNCHANGED = "unchanged"
    ADVANCE = "advance"
    ROLLOVER = "rollover"
    #: it began again at zero; what it shows has been made since
    RESET = "reset"
    #: it is back from an excursion; only what is above the value before counts
    RETURNED = "returned"
    #: held: more than the machine can make in the time
    JUMP = "jump"
    #: held: made while the machine itself said that it has no value
    INTERRUPTED = "interrupted"
    #: held: it fell, and neither a wrap nor a reset explains it
    IMPLAUSIBLE_DROP = "implausible_drop"


#: Causes whose difference waits for a person.
HELD = frozenset({Cause.JUMP, Cause.INTERRUPTED, Cause.IMPLAUSIBLE_DROP})


@dataclass(frozen=True)
class CounterDescriptor:
    """What is known of a counter.

    :param kind: :class:`CounterKind` or its value
    :param modulus: after how many pieces it begins again at zero: a name of :data:`WIDTHS`, a whole number from 2, or
        None when that is not known; of the value after scaling
    :param reset_policy: :class:`ResetPolicy` or its value
    :param float max_rate: pieces per second that the machine can make at most; above 0
    :param float burst: pieces that may appear at one moment, for example the cavities of a mould; from 1
    :raise ValueError: one of them cannot be
    """

    kind: CounterKind
    modulus: int | None
    reset_policy: ResetPolicy
    max_rate: float
    burst: float = 1.0

    def __post_init__(self):
        modulus = self.modulus
        if isinstance(modulus, str):
            if modulus not in WIDTHS:
                raise ValueError(f"modulus: no width is called {modulus!r}")
            modulus = WIDTHS[modulus]
        if modulus is not None and (isinstance(modulus, bool) or not isinstance(modulus, int) or modulus < 2):
            raise ValueError(f"modulus: {modulus!r} is no whole number from 2")
        for name, least in (("max_rate", 0), ("burst", 1)):
            number = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not isfinite(number):
                raise ValueError(f"{name}: {number!r} is no number")
            if number < least or not number:
                raise ValueError(f"{name}: {number!r} is too small")
        object.__setattr__(self, "kind", CounterKind(self.kind))
        object.__setattr__(self, "modulus", modulus)
        object.__setattr__(self, "reset_policy", ResetPolicy(self.reset_policy))

    @classmethod
    def from_json(cls, values):
        """Return the descriptor of a JSON object; what is missing has its default, ``max_rate`` has none."""
        return cls(
            values.get("kind", CounterKind.ABSOLUTE),
            values.get("modulus"),
            values.get("reset_policy", ResetPolicy.UNKNOWN),
            values.get("max_rate"),
            values.get("burst", 1.0),
        )

    def as_json(self):
        """Return a JSON object that :meth:`from_json` understands."""
        return {
            "kind": self.kind.value,
            "modulus": self.modulus,
            "reset_policy": self.reset_policy.value,
            "max_rate": self.max_rate,
            "burst": self.burst,
        }


class CounterState(NamedTuple):
    """What must be remembered of a counter between two readings; all of it JSON.

    :param int value: the value of the last reading
    :param int at: its time in microseconds since the epoch; never goes back
    :param float allowance: pieces that could be finished at that very moment, 0 to ``burst``
    :param before: the last value that was trusted, before a drop or a jump; None when there was none
    :param int before_at: the time of that value
    :param float before_allowance: the allowance at that time
    :param int counted_since: pieces counted since that time
    :param str excursion: the :class:`Cause` that ended the trust in ``before``
    :param bool interrupted: the machine itself has said since that it has no value
    """

    value: int
    at: int
    allowance: float
    before: int | None = None
    before_at: int = 0
    before_allowance: float = 0.0
    counted_since: int = 0
    excursion: str = ""
    interrupted: bool = False

    def as_json(self):
        """Return a JSON object that :meth:`from_json` understands; short for the counter that behaves."""
        result = {"value": self.value, "at": self.at, "allowance": self.allowance}
        if self.before is not None:
            result["before"] = self.before
            result["before_at"] = self.before_at
            result["before_allowance"] = self.before_allowance
            result["counted_since"] = self.counted_since
            result["excursion"] = self.excursion
        if self.interrupted:
            result["interrupted"] = True
        return result

    @classmethod
    def from_json(cls, values):
        """Return the state of a JSON object; None of an empty one. Keys that are not its own are left alone."""
        if "value" not in values:
            return None
        if "before" not in values:
            return cls(values["value"], values["at"], values["allowance"], interrupted=values.get("interrupted", False))
        return cls(*[values[name] for name in cls._fields[:-1]], values.get("interrupted", False))


class Step(NamedTuple):
    """What one reading of a counter means.

    :param int pieces: to be counted; never negative
    :param int held: pieces that wait for a person; negative only where a ``delta`` counter said so
    :param Cause cause: why
    :param CounterState state: to remember for the next step
    :param before: the value that the pieces are counted from; None for the first one
    :param int after: the value of this reading
    :param float allowance: pieces that were possible at most
    """

    pieces: int
    held: int
    cause: Cause
    state: CounterState
    before: int | None
    after: int
    allowance: float


def whole(value):
    """Return a value as a whole number of pieces.

    :raise ValueError: it is none: text, a fraction, not finite
    """
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError(f"{value!r} is no whole number")


def interrupt(state):
    """Return the state after the machine itself said that it has no value; what follows is not caught up."""
    return state if state is None or state.interrupted else state._replace(interrupted=True)


def tick(descriptor, values, now):
    """Return the JSON of a :class:`CounterState` after the same value was read again: a step that is *unchanged*.

    :param dict values: the JSON of a state that is not interrupted
    :param int now: microseconds since the epoch, not before the state's own time
    """
    allowance = values["allowance"] + descriptor.max_rate * (now - values["at"]) / 1_000_000
    return {**values, "at": now, "allowance": min(descriptor.burst, allowance)}


def advance(descriptor, values, value, now):
    """Return the JSON of the state of a counter that went up as it may, None where it went up by more; and the allowance.

    It is :func:`step` on an ordinary day, which is what nearly every reading of a running machine is, without the
    objects that a step is made of.

    :param CounterDescriptor descriptor: of a counter that runs on from value to value
    :param dict values: the JSON of a state that trusts its value and is not interrupted
    :param int value: the counter's value, above the state's
    :param int now: microseconds since the epoch, not before the state's own time
    """
    allowance, burst = values["allowance"], descriptor.burst
    if allowance > burst:  # the mapping was changed
        allowance = burst
    allowance += descriptor.max_rate * (now - values["at"]) / 1_000_000
    carry = allowance - (value - values["value"])
    if carry < -_EPSILON:
        return None, allowance
    if carry > burst:
        carry = burst
    return {"value": value, "at": now, "allowance": carry if carry > 0.0 else 0.0}, allowance


def step(descriptor, state, value, at):
    """Return the :class:`Step` from the reading before to this one.

    What may be counted is a bucket of pieces: it fills by ``max_rate`` and keeps at most ``burst`` between two
    readings, so that a slow machine may be read as often as one likes, and over any time no more is counted than
    ``burst + max_rate × time``.

    :param CounterDescriptor descriptor: what is known of the counter
    :param state: the :class:`CounterState` of the step before, None at the first
    :param value: the counter's value; whole, and not negative unless the kind is ``delta``
    :param at: the time of the value: an aware datetime, or microseconds since the epoch
    :raise ValueError: the value is no value of such a counter

    >>> press = CounterDescriptor("absolute", "u16", "unknown", max_rate=1)
    >>> first = step(press, None, 65535, 0)
    >>> step(press, first.state, 1, 5_000_000)[:3]
    (2, 0, <Cause.ROLLOVER: 'rollover'>)
    """
    if not isinstance(at, int):
        at = microseconds(at)
    value = whole(value)
    kind = descriptor.kind
    if kind is CounterKind.PULSE:
        value = int(value != 0)
    elif value < 0 and kind is not CounterKind.DELTA:
        raise ValueError(f"{value!r} is negative")
    burst = descriptor.burst
    if state is None:
        return Step(0, 0, Cause.BASELINE, CounterState(value, at, burst), None, value, 0.0)

    allowance = state.allowance
    if allowance > burst:  # the mapping was changed
        allowance = burst
    now = state.at
    if at > now:
        allowance += descriptor.max_rate * (at - now) / 1_000_000
        now = at
    limit = allowance + _EPSILON
    gained = value - state.value
    runs_on = kind is CounterKind.ABSOLUTE or kind is CounterKind.SINCE_RESET
    if runs_on and 0 <= gained <= limit and state.before is None and not state.interrupted:  # an ordinary day
        carry = allowance - gained
        kept = CounterState(value, now, burst if carry > burst else max(0.0, carry))
        return Step(gained, 0, Cause.ADVANCE if gained else Cause.UNCHANGED, kept, state.value, value, allowance)
    situation = _Situation(descriptor, state, value, now, allowance, limit)
    if state.interrupted:
        return _resume(situation)
    if kind is CounterKind.DELTA:
        return _add(situation, at)
    if value == state.value:
        return situation.unchanged()
    if kind is CounterKind.PULSE:
        if not value:
            return situation.unchanged()
        return situation.advance(1) if situation.limit >= 1 else _untethered(situation.hold(Cause.JUMP, 1))
    return _rise(situation) if value > state.value else _fall(situation)


class _Situation(NamedTuple):
    """One step while it is being decided, and the ways in which it may end."""

    descriptor: CounterDescriptor
    state: CounterState
    value: int
    now: int
    allowance: float
    limit: float

    def carry(self, allowance):
        return min(self.descriptor.burst, max(0.0, allowance))

    def unchanged(self):
        _, state, value, now, allowance, _ = self
        kept = state._replace(value=value, at=now, allowance=self.carry(allowance), interrupted=False)
        return Step(0, 0, Cause.UNCHANGED, kept, state.value, value, allowance)

    def advance(self, pieces, cause=Cause.ADVANCE):
        _, state, value, now, allowance, _ = self
        kept = CounterState(value, now, self.carry(allowance - pieces))
        # A jump is believed once the counter moves there as a counter does; a drop is over when it is made up for.
        over = state.before is None or state.excursion == Cause.JUMP.value or value >= state.before
        if cause is Cause.ADVANCE and not over:
            kept = kept._replace(**_memory(state), counted_since=state.counted_since + pieces)
        return Step(pieces, 0, cause, kept, state.value, value, allowance)

    def reset(self):
        kept = CounterState(self.value, self.now, self.carry(self.allowance - self.value))
        kept = kept._replace(**_anchor(self.state, Cause.RESET), counted_since=self.value)
        return Step(self.value, 0, Cause.RESET, kept, self.state.value, self.value, self.allowance)

    def hold(self, cause, pieces):
        kept = CounterState(self.value, self.now, self.carry(self.allowance), **_anchor(self.state, cause))
        return Step(0, pieces, cause, kept, self.state.value, self.value, self.allowance)

    def gain(self):
        """Return what is above the remembered value and not yet counted; None when this is no return to it."""
        _, state, value, _, _, _ = self
        if state.before is None or value < state.before:
            return None
        gain = value - state.before - state.counted_since
        return gain if 0 <= gain <= self.gain_limit() + _EPSILON else None

    def gain_limit(self):
        state = self.state
        elapsed = max(0, self.now - state.before_at) / 1_000_000
        return state.before_allowance + self.descriptor.max_rate * elapsed - state.counted_since

    def returned(self, gain):
        """The excursion is over. What was made while the machine had no value is not caught up."""
        _, state, value, now, allowance, _ = self
        if gain and state.excursion == Cause.INTERRUPTED.value:
            kept = CounterState(value, now, self.carry(allowance))
            return Step(0, gain, Cause.INTERRUPTED, kept, state.before, value, allowance)
        limit = self.gain_limit()
        kept = CounterState(value, now, self.carry(limit - gain))
        return Step(gain, 0, Cause.RETURNED, kept, state.before, value, limit)


def _memory(state):
    return {
        "before": state.before,
        "before_at": state.before_at,
        "before_allowance": state.before_allowance,
        "excursion": state.excursion,
    }


def _anchor(state, cause):
    """Return what to remember of the value before: the last one that was trusted, however often it strayed since."""
    if state.before is not None and not state.counted_since:
        return {**_memory(state), "excursion": cause.value}
    return {
        "before": state.value,
        "before_at": state.at,
        "before_allowance": state.allowance,
        "excursion": cause.value,
    }


def _rise(situation):
    state = situation.state
    gained = situation.value - state.value
    plausible = gained <= situation.limit
    # A plain step comes first: after a reset the counter may well pass its old value honestly. After a drop that
    # nothing explained it is the other way round: a reading that was wrong for a moment is the likelier story.
    if plausible and state.excursion != Cause.IMPLAUSIBLE_DROP.value:
        return situation.advance(gained)
    gain = situation.gain()
    if gain is not None:
        return situation.returned(gain)
    return situation.advance(gained) if plausible else situation.hold(Cause.JUMP, gained)


def _fall(situation):
    descriptor, state, value, _, _, limit = situation
    gain = situation.gain()
    if gain is not None:
        return situation.returned(gain)
    modulus = descriptor.modulus
    if modulus is not None and descriptor.kind is CounterKind.ABSOLUTE and value < modulus and state.value < modulus:
        # From a value that was never believed there is no wrap: 10, 65535, 12 is not 13 pieces.
        strayed = state.excursion in (Cause.JUMP.value, Cause.IMPLAUSIBLE_DROP.value) and not state.counted_since
        pieces = modulus - state.value + value
        if pieces <= limit and not strayed:
            return situation.advance(pieces, Cause.ROLLOVER)
    if descriptor.reset_policy is not ResetPolicy.LIFE and value <= limit:
        return situation.reset()
    return situation.hold(Cause.IMPLAUSIBLE_DROP, value)


def _add(situation, at):
    """A counter that says how many since the value before."""
    state, value = situation.state, situation.value
    if at == state.at or not value:
        return situation.unchanged()
    if value < 0:
        result = situation.hold(Cause.IMPLAUSIBLE_DROP, value)
    elif at > state.at and value <= situation.limit:
        result = situation.advance(value)
    else:  # too many, or older than what has been added already
        result = situation.hold(Cause.JUMP, value)
    return _untethered(result)._replace(before=0)


def _untethered(result):
    """Of what does not run on from value to value there is nothing to come back to."""
    value, at, allowance = result.state[:3]
    return result._replace(state=CounterState(value, at, allowance))


def _resume(situation):
    """The first value after the machine had none: the difference is known, when it was made is not."""
    descriptor, state, value, now, allowance, _ = situation
    kind = descriptor.kind
    kept = CounterState(value, now, situation.carry(allowance))
    before, held = state.value, value - state.value
    if kind is CounterKind.PULSE:
        held = max(0, held)
    elif kind is CounterKind.DELTA:
        before, held = 0, value
    elif held < 0:
        gain = situation.gain()
        if gain is not None:
            before, held = state.before, gain
        else:
            held = value
            kept = kept._replace(**_anchor(state, Cause.INTERRUPTED))
    if not held and (value == state.value or kind in (CounterKind.PULSE, CounterKind.DELTA)):
        return situation.unchanged()
    return Step(0, held, Cause.INTERRUPTED, kept, before, value, allowance)
