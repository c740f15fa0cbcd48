"""Which readings are pieces? Counters and completed cycles become events of production."""

from dataclasses import replace
from math import inf

from .counter import HELD, Cause, CounterKind, CounterState, advance, step, tick
from .evaluation import GOOD, Evaluator, Interpretation, MappingInvalid, is_late, outcome, read_microseconds
from .event import Event
from .extraction import Unreadable, pieces
from .instants import instant
from .state import same

#: A difference that spans more poll intervals than this names the time in which nobody looked.
_INTERVALS = 3

#: What the memory of a counter that behaves holds: its value, its time, its allowance, and when it was last read.
_BEHAVES = 4

_new, _fill, _tuple = object.__new__, object.__setattr__, tuple.__new__

_RESETS = frozenset({Cause.RETURNED, Cause.INTERRUPTED, Cause.IMPLAUSIBLE_DROP})


class Counting(Evaluator):
    """Pieces by a counter. The memory is that of :class:`CounterState`, with ``seen``, when it was last read."""

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        if mapping.counter is None:
            raise MappingInvalid("counter", "missing")
        burst = max(mapping.counter.burst, mapping.pieces_per_cycle)
        self._descriptor = replace(mapping.counter, burst=burst)
        kind = self._descriptor.kind
        self._is_delta = kind is CounterKind.DELTA
        self._is_pulse = kind is CounterKind.PULSE
        self._is_bouncing = self._is_pulse and self._debounce_us
        self._quick = self._plain and not self._is_delta and not self._is_bouncing
        self._runs_on = self._plain and kind in (CounterKind.ABSOLUTE, CounterKind.SINCE_RESET)
        self._modulus = self._descriptor.modulus or inf
        self._window_us = round(_INTERVALS * mapping.interval * 1_000_000)

    def interpret(self, memory, reading):
        # Nearly every reading of a running machine is of a counter that went up as it may. What _speak would say of it
        # is said here in one go, without the objects that the steps on the way are made of, at a fifth of the cost.
        value, at, read_at = reading.value, reading.at, reading.read_at
        if self._runs_on and memory and len(memory) == _BEHAVES and value.__class__ is int and reading.quality is GOOD:
            us = read_us = read_microseconds(read_at)
            if at is not read_at:
                moment = self._moment(reading)
                at, us, _read_us = moment
                if self._doubt(moment):
                    return super().interpret(memory, reading)
            before, seen = memory["value"], memory["seen"]
            if before < value and memory["at"] <= us and read_us - seen <= self._window_us:
                kept, possible = advance(self._descriptor, memory, value, us)
                if kept is not None and possible < self._modulus:
                    kept["seen"] = read_us if read_us > seen else seen
                    delta, mapping, role = value - before, self.mapping, self.role
                    name = mapping.name
                    data = {
                        "kind": role.kind,
                        "delta": delta,
                        "total_before": before,
                        "total_after": value,
                        "unit": mapping.unit,
                        "counter": name,
                        "cause": "advance",
                    }
                    if reading.raw:
                        # A whole number's evidence is clean by the driver's contract; that of a text may not be.
                        data["raw"] = reading.raw
                    detail = {"cause": "advance", "pieces": delta, "possible": possible}
                    rules = (*self._passed, {"rule": "plausibility", "outcome": "passed", "detail": detail})
                    # Event(…) at a third of its cost: a frozen dataclass sets its fields one by one.
                    event = _new(Event)
                    _fill(
                        event,
                        "__dict__",
                        {
                            "type": role.event_type,
                            "occurred": at,
                            "recorded": read_at,
                            "data": data,
                            "quality": "good",
                            "status": reading.status,
                            "signal": name,
                            "held": "",
                            "rules": rules,
                            "mapping_version": mapping.version,
                        },
                    )
                    return _tuple(Interpretation, (value, (event,), kept, rules, True))
        return super().interpret(memory, reading)

    def _read(self, memory, reading, value):
        moment = self._moment(reading)
        if self._quick and value == memory.get("value") and "interrupted" not in memory:
            return self._same(memory, reading, value, moment)
        value = self._number(value)
        value = int(value != 0) if self._is_pulse else pieces(value)
        if self._is_bouncing and "interrupted" not in memory:
            if value == memory.get("value") and "pending" not in memory:
                return self._same(memory, reading, value, moment)
            result = self._heard(memory, reading, value, moment, memory.get("value"))
            if result.memory.get("seen", moment.read_us) < moment.read_us:
                return result._replace(memory={**result.memory, "seen": moment.read_us})
            return result
        return self._speak(memory, reading, value, moment, self._rules(reading))

    def _same(self, memory, reading, value, moment):
        now = self._clock(memory, moment)
        if now == memory["at"] and moment.read_us <= memory["seen"]:
            return Interpretation(int(value), (), memory, self._rules(reading), False)
        kept = tick(self._descriptor, memory, now)
        kept["seen"] = max(moment.read_us, memory["seen"])
        return Interpretation(int(value), (), kept, self._rules(reading), False)

    def _clock(self, memory, moment):
        """Return the time by which it is judged what the machine can have made.

        The machine's own, while it goes on and is believable; else as much later as we read it later.
        """
        if not memory:
            return moment.read_us if self._doubt(moment) else moment.us
        if moment.us < memory["at"] or self._doubt(moment):
            return memory["at"] + max(0, moment.read_us - memory["seen"])
        return moment.us

    def _speak(self, memory, reading, value, moment, rules):
        state = CounterState.from_json(memory)
        if self._is_delta and not moment.is_own:
            # Whether this is one more or the same once more, only a time of its own could tell.
            return Interpretation(
                value, (), memory, (*rules, outcome("sequence", "refused", code="delta_without_time")), False
            )
        if self._is_delta and moment.us == memory.get("source"):
            return Interpretation(value, (), memory, rules, False)
        if state is not None and moment.us < state.at and moment.read_us <= memory["seen"]:
            if not self._is_delta:
                late = outcome("sequence", "refused", code="older", value=value)
                return Interpretation(value, (), memory, (*rules, late), False)
            now = moment.us  # what is added must not be lost: the counter holds it
        else:
            now = self._clock(memory if state else {}, moment)
        try:
            result = step(self._descriptor, state, value, now)
        except ValueError:
            raise Unreadable("number", "negative", value) from None
        seen = memory.get("seen", moment.read_us)
        kept = result.state.as_json()
        kept["seen"] = max(seen, moment.read_us)
        if self._is_delta:
            kept["source"] = moment.us
        if state is None:
            return Interpretation(result.after, (), kept, rules, True)
        changed = result.cause is not Cause.UNCHANGED or state.interrupted or result.after != state.value
        if result.cause is Cause.UNCHANGED:
            return Interpretation(result.after, (), kept, rules, changed)
        rules = (*rules, self._judgement(result))
        events = self._events(result, reading, moment, rules, seen)
        return Interpretation(result.after, events, kept, rules, changed)

    def _judgement(self, result):
        detail = {"cause": result.cause.value, "pieces": result.pieces or result.held, "possible": result.allowance}
        if result.cause in HELD:
            return outcome("plausibility", "held", **detail)
        modulus = self._descriptor.modulus
        if modulus is not None and result.allowance >= modulus:  # it may have wrapped more often than can be seen
            return outcome("plausibility", "doubtful", modulus=modulus, **detail)
        return outcome("plausibility", "passed", **detail)

    def _events(self, result, reading, moment, rules, seen):
        mapping, cause, delta = self.mapping, result.cause, result.pieces or result.held
        events = []
        if cause is Cause.RESET or (not delta and cause in _RESETS):
            data = {
                "from": result.before,
                "to": result.after,
                "policy": self._descriptor.reset_policy.value,
                "cause": cause.value,
                "counter": mapping.name,
            }
            events.append(self._event("production.counter_reset", moment, reading, data, rules))
        if delta:
            data = {
                "kind": self.role.kind,
                "delta": delta,
                "total_before": result.before,
                "total_after": result.after,
                "unit": mapping.unit,
                "counter": mapping.name,
                "cause": cause.value,
            }
            if moment.read_us - seen > self._window_us:
                data["window"] = [_iso(seen), _iso(moment.read_us)]
            held = cause.value if cause in HELD else ""
            events.append(self._event(self.role.event_type, moment, reading, data, rules, held))
        return tuple(events)

    def _unavailable(self, memory, reading):
        result = super()._unavailable(memory, reading)
        if "value" not in memory or "interrupted" in memory:
            return result
        return result._replace(memory={**result.memory, "interrupted": True}, changed=True)


class Cycles(Evaluator):
    """Pieces by completed cycles. The memory is the last value, its times, and when a cycle was last completed.

    The value of a completed cycle counts once for each time that the machine gives it, so that a cycle is not lost when
    nothing else was read in between; by our own time only when something else was.
    """

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._completed = frozenset(same(value) for value in mapping.cycle_values)
        fastest = mapping.counter and mapping.pieces_per_cycle / mapping.counter.max_rate
        self._fastest_us = round(fastest * 1_000_000) if fastest else 0
        self._moves = mapping.time_is_change

    def _read(self, memory, reading, value):
        if self._plain and value == memory.get("raw") and "lost" not in memory:
            if not memory["completed"] or not self._moves or reading.at == reading.read_at:
                return Interpretation(value, (), memory, self._rules(reading), False)
            moment = self._moment(reading)
            if moment.us == memory["at"]:
                kept = memory if memory["own"] else {**memory, "own": True}
                return Interpretation(value, (), kept, self._rules(reading), False)
            return self._speak(memory, reading, value, moment, self._rules(reading))
        return self._speak(memory, reading, self._understood(value), self._moment(reading), self._rules(reading))

    def _speak(self, memory, reading, value, moment, rules):
        if is_late(memory, moment):
            late = outcome("sequence", "refused", code="older", value=value)
            return Interpretation(value, (), memory, (*rules, late), False)
        completed = same(value) in self._completed
        fresh = "raw" not in memory or "lost" in memory
        kept = {
            "raw": value,
            "completed": completed,
            "at": moment.us,
            "read": moment.read_us,
            "own": moment.is_own,
            "done": None if fresh else memory["done"],
        }
        if fresh:
            if completed:
                kept["done"] = moment.us
            return Interpretation(value, (), kept, rules, True)
        if not completed:
            if value == memory["raw"]:
                return Interpretation(value, (), memory, rules, False)
            return Interpretation(value, (), kept, rules, True)
        if memory["completed"]:
            if not self._moves or not moment.is_own or moment.us == memory["at"]:
                return Interpretation(value, (), memory, rules, False)
            if not memory["own"]:
                return Interpretation(value, (), kept, rules, True)
            if abs(moment.us - memory["at"]) < self._fastest_us:
                # A device that stamps each reading of a value that stands still.
                told = outcome("plausibility", "refused", code="faster_than_a_cycle")
                return Interpretation(value, (), kept, (*rules, told), False)
        elif moment.us == memory["done"]:
            return Interpretation(value, (), kept, rules, True)
        kept["done"] = moment.us
        done = memory["done"]
        data = {
            "qty": self.mapping.pieces_per_cycle,
            "value": value,
            "cycle_s": (moment.us - done) / 1_000_000 if done is not None and moment.us > done else None,
            "unit": self.mapping.unit,
            "signal": self.mapping.name,
        }
        event = self._event(self.role.event_type, moment, reading, data, rules)
        return Interpretation(value, (event,), kept, rules, True)

    def _unavailable(self, memory, reading):
        result = super()._unavailable(memory, reading)
        if "raw" not in memory or "lost" in memory:
            return result
        # What it says next it may only say again.
        return result._replace(memory={**memory, "lost": True}, changed=True)


def _iso(us):
    return instant(us).isoformat()
