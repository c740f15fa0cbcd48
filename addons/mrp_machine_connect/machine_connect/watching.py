"""Which readings are news? States, alarms and names become events when they change; plain values make none."""

from . import gs1
from .contact import NO_CONTACT, hear, is_lost, lose, returned
from .evaluation import GOOD, Evaluator, Interpretation, MappingInvalid, Moment, is_late, outcome, read_microseconds
from .event import Event
from .extraction import Unreadable, text
from .instants import instant
from .state import AXES, TABLES, MachineState, find, same

#: So many values of a state are remembered with their meaning.
_KNOWN = 256
#: Characters of a name in the schemas of events.
_LONGEST_NAME = 1024
_NO_ALARM = frozenset({0, "", "normal"})


class States(Evaluator):
    """The machine's state. The memory is the last value, what it means, since when, and whether the machine is heard."""

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._table = mapping.table or "canonical"
        if self._table not in TABLES:
            raise MappingInvalid("table", "unknown_choice", table=mapping.table)
        self._codes = {same(raw): _code(raw, meaning) for raw, meaning in mapping.codes.items()}
        self._known = {}
        self._silence_us = None if mapping.silence is None else round(mapping.silence * 1_000_000)
        self._moves = mapping.time_is_change

    def interpret(self, memory, reading):
        lost = self.missed(memory, reading.read_at, reading.code)
        if lost.events and self._vouched(memory, reading):
            return super().interpret(memory, reading)
        result = super().interpret(lost.memory, reading)
        if not lost.changed:
            return result
        return result._replace(events=(*lost.events, *result.events), changed=True)

    def missed(self, memory, read_at, code=""):
        """See :meth:`Evaluator.missed`. What the machine does is unknown when nobody could hear it for too long."""
        memory = {} if memory is None else memory
        if self._silence_us is None or not is_lost(memory, read_us := read_microseconds(read_at), self._silence_us):
            return self._nothing(memory)
        if NO_CONTACT in memory or memory.get("unavailable"):
            # It is unknown already; but what it had begun to say is not known to have lasted.
            if "pending" not in memory:
                return self._nothing(memory)
            kept = {key: item for key, item in memory.items() if key != "pending"}
            return self._nothing(kept)._replace(changed=True)
        if "state" not in memory:
            return self._nothing({})._replace(changed=True)
        kept = lose(memory, MachineState.UNKNOWN.value)
        data = {
            "state": kept["state"],
            "previous": memory["state"],
            "item_state": None,
            "mode": None,
            "raw_value": None,
            "signal": self.mapping.name,
            "reason": NO_CONTACT,
        }
        # In the rules, which are no part of the event's identity: whoever finds out first, it is the same event.
        told = outcome("contact", "refused", code=code, seconds=(read_us - memory["seen"]) / 1_000_000)
        event = Event(
            self.role.event_type,
            instant(kept["at"]),
            read_at,
            data,
            quality="stale",
            signal=self.mapping.name,
            rules=(told,),
            mapping_version=self.mapping.version,
        )
        return Interpretation(None, (event,), kept, (told,), True)

    def _vouched(self, known, reading):
        """Return whether the machine's own time says that its value was not written since it was last heard."""
        if not self._moves or reading.quality is not GOOD or reading.at == reading.read_at or "pending" in known:
            return False
        moment = self._moment(reading)
        if moment.us != known.get("stamp") or self._doubt(moment):
            return False
        try:
            return self._understood(reading.value) == known["raw"]
        except Unreadable:
            return False

    def _read(self, memory, reading, value):
        moment = self._moment(reading)
        if self._silence_us is None:
            return self._listen(memory, reading, value, moment)
        if NO_CONTACT not in memory:
            result = self._listen(memory, reading, value, moment)
        elif self._vouched(memory[NO_CONTACT], reading):
            # It was so all the time: the silence is taken back from where it began.
            since = Moment(instant(memory["at"]), memory["at"], moment.read_us)
            result = self._speak(memory, reading, self._understood(value), since, self._rules(reading))
        else:
            result = self._listen(memory, reading, value, returned(memory, moment))
        return result._replace(memory=hear(result.memory, memory, moment, self._silence_us))

    def _listen(self, memory, reading, value, moment):
        if self._plain and value == memory.get("raw") and "pending" not in memory:
            # The table or the codes may say something else of the same value than they did when it came.
            if memory["state"] == self._meaning(value)[0]:
                return Interpretation(memory["state"], (), memory, self._rules(reading), False)
            return self._speak(memory, reading, self._understood(value), moment, self._rules(reading))
        return self._heard(memory, reading, self._understood(value), moment, memory.get("raw"))

    def _settled(self, memory, value):
        return memory["state"]

    def _meaning(self, value):
        """Return state, reason and, where nobody has said yet what it means, the value as text."""
        key = (value.__class__, value)
        meaning = self._known.get(key)
        if meaning is None:
            state, reason = self._codes.get(same(value), (None, ""))
            if state is None:
                state = find(self._table, value)
            if state is None:
                meaning = MachineState.UNKNOWN, reason, text(value)
            else:
                meaning = state, reason, ""
            if len(self._known) < _KNOWN:
                self._known[key] = meaning
        return meaning

    def _speak(self, memory, reading, value, moment, rules):
        state, reason, unmapped = self._meaning(value)
        if unmapped:
            told = outcome("mapping", "refused", code="unmapped", value=value)
        else:
            told = outcome("mapping", "passed", table=self._table)
        return self._tell(memory, reading, moment, state, value, (*rules, told), reason, unmapped)

    def _unavailable(self, memory, reading):
        result = super()._unavailable(memory, reading)
        moment = self._moment(reading)
        if not memory.get("unavailable"):
            since = returned(memory, moment) if NO_CONTACT in memory else moment
            result = self._tell(result.memory, reading, since, MachineState.UNKNOWN, None, result.rules)
        if self._silence_us is None:
            return result
        # It was heard: it said that it has no value.
        return result._replace(memory=hear(result.memory, memory, moment, self._silence_us))

    def _tell(self, memory, reading, moment, state, value, rules, reason="", unmapped=""):
        kept = {"raw": value, "state": state.value, "at": moment.us, "read": moment.read_us}
        if reason:
            kept["reason"] = reason
        if unmapped:
            kept["unmapped"] = unmapped
        if value is None:
            kept["unavailable"] = True
        late = is_late(memory, moment)
        if all(kept.get(key) == memory.get(key) for key in ("state", "reason", "unmapped", "unavailable")):
            return Interpretation(state.value, (), memory if late else kept, rules, not late)
        item_state, mode = AXES[state]
        data = {
            "state": state.value,
            "previous": None if late else memory.get("state"),
            "item_state": item_state and item_state.value,
            "mode": mode and mode.value,
            "raw_value": value,
            "signal": self.mapping.name,
        }
        for key in ("reason", "unmapped", "unavailable"):
            if key in kept:
                data[key] = kept[key]
        event = self._event(self.role.event_type, moment, reading, data, rules)
        return Interpretation(state.value, (event,), memory if late else kept, rules, not late)


def _code(raw, meaning):
    """Return state (None: as the table says) and reason of an entry of the cross-reference."""
    if not isinstance(meaning, dict):
        meaning = {"state": meaning}
    state = meaning.get("state")
    try:
        return MachineState(state) if state else None, str(meaning.get("reason") or "")
    except ValueError:
        raise MappingInvalid("codes", "unknown_choice", raw=raw, state=state) from None


class Alarms(Evaluator):
    """One alarm at a time: a bit, a number or a text. The memory is the alarm that is active, and since when."""

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._codes = {same(raw): meaning for raw, meaning in mapping.codes.items()}

    def _read(self, memory, reading, value):
        value = value if self._plain else self._understood(value)
        if value == memory.get("raw") and "raw" in memory and "pending" not in memory:
            # The codes may say something else of the same value than they did when it came.
            active, alarm = memory["alarm"], self._alarm(value)
            if (active and active["code"]) == (alarm and alarm["code"]):
                return Interpretation(value, (), memory, self._rules(reading), False)
            return self._speak(memory, reading, value, self._moment(reading), self._rules(reading))
        value = self._understood(value) if self._plain else value
        return self._heard(memory, reading, value, self._moment(reading), memory.get("raw"))

    def _speak(self, memory, reading, value, moment, rules):
        active, alarm = memory.get("alarm"), self._alarm(value)
        if alarm is not None:
            if active is not None and active["code"] == alarm["code"]:
                alarm = active
            else:
                alarm["at"] = moment.us
        kept = {"raw": value, "alarm": alarm}
        events = []
        if active is not None and alarm is not active:
            data = {**self._data(active), "since": instant(active["at"]).isoformat(), "raw_value": value}
            events.append(self._event(self.role.emptied, moment, reading, data, rules))
        if alarm is not None and alarm is not active:
            data = {**self._data(alarm), "raw_value": value}
            events.append(self._event(self.role.event_type, moment, reading, data, rules))
        return Interpretation(value, tuple(events), kept, rules, True)

    def _data(self, alarm):
        data = {key: item for key, item in alarm.items() if key != "at"}
        data["signal"] = self.mapping.name
        return data

    def _alarm(self, value):
        """Return code and text of the alarm that a value says, None when it says that there is none."""
        key = same(value)
        if key in self._codes:
            meaning = self._codes[key]
            if not isinstance(meaning, dict):
                meaning = {"code": text(value), "text": meaning} if meaning else {}
            if not meaning.get("code") and not meaning.get("text"):
                return None
            alarm = {"code": text(meaning.get("code") or value), "text": text(meaning.get("text") or "")}
            if meaning.get("severity") is not None:
                alarm["severity"] = meaning["severity"]
            return alarm
        if key in _NO_ALARM:
            return None
        if value is True:
            return {"code": self.mapping.name, "text": ""}
        if isinstance(value, str):
            return {"code": value[:128], "text": value}
        return {"code": str(key), "text": ""}


class Changes(Evaluator):
    """A name that the machine says: program, order, lot, operator, mode. The memory is the last one."""

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._codes = {same(raw): meaning for raw, meaning in mapping.codes.items()}

    def _read(self, memory, reading, value):
        value = value if self._plain else self._understood(value)
        if value == memory.get("raw") and "raw" in memory and "pending" not in memory:
            # As with alarms.
            if self._name(value) == memory["value"]:
                return Interpretation(memory["value"], (), memory, self._rules(reading), False)
            return self._speak(memory, reading, value, self._moment(reading), self._rules(reading))
        value = self._understood(value) if self._plain else value
        return self._heard(memory, reading, value, self._moment(reading), memory.get("raw"))

    def _settled(self, memory, value):
        return memory["value"]

    def _speak(self, memory, reading, value, moment, rules):
        previous = memory.get("value")
        name = self._name(value)
        kept = {"raw": value, "value": name, "at": moment.us, "read": moment.read_us}
        if is_late(memory, moment):
            kept, previous = memory, None
        if name == memory.get("value") or (not name and not memory.get("value")):
            return Interpretation(name, (), kept, rules, kept is not memory)
        role, data = self.role, self._data(value, name, previous)
        if data is None:
            return Interpretation(name, (), kept, rules, kept is not memory)
        event_type = role.event_type
        if role.key:
            data[role.key] = name
            if not name and role.emptied:
                event_type = role.emptied
                data[role.key] = memory.get("value")
        event = self._event(event_type, moment, reading, data, rules)
        return Interpretation(name, (event,), kept, rules, kept is not memory)

    def _name(self, value):
        name = self._codes.get(same(value))
        if name is None:
            name = value if isinstance(value, str) else str(same(value))
        return name

    def _data(self, value, name, previous):
        """Return what the event says of a new name; None where it is no event."""
        return {"value": name, "previous": previous, "signal": self.mapping.name}


class Lots(Changes):
    """The lot that a machine says: a name, or a GS1 code that was read into the signal, with the lot and its GTIN in it."""

    def _name(self, value):
        if same(value) not in self._codes and (found := _gs1(value)):
            return found.get("10") or found.get("21") or super()._name(value)
        return super()._name(value)

    def _data(self, value, name, previous):
        data = super()._data(value, name, previous)
        found = _gs1(value) if same(value) not in self._codes else {}
        if name in (found.get("10"), found.get("21")) and (gtin := found.get("01") or found.get("02")):
            data["gtin"] = gtin
        return data


class Scans(Changes):
    """What a scanner at the machine read last. The same code is a new scan only after the signal was empty."""

    def _data(self, value, name, previous):
        if not name:
            return None
        data = {"value": name[:_LONGEST_NAME], "signal": self.mapping.name}
        if found := _gs1(value):
            data["elements"] = found
        return data


def _gs1(value):
    """Return the GS1 elements of a value; empty where it is none, or not a right one."""
    try:
        return gs1.elements(value) if isinstance(value, str) else {}
    except gs1.Gs1Invalid:
        return {}


class Values(Evaluator):
    """A plain value. The memory is the last one that differed by more than the deadband, if there is a deadband."""

    def _read(self, memory, reading, value):
        value, rules = self._understood(value), self._rules(reading)
        deadband = self.mapping.deadband
        if not deadband or isinstance(value, (bool, str)):
            return Interpretation(value, (), memory, rules, False)
        last = memory.get("value")
        if last is not None and abs(value - last) < deadband:
            told = outcome("deadband", "refused", value=last)
            return Interpretation(value, (), memory, (*rules, told), False)
        kept = {"value": value, "at": self._moment(reading).us}
        return Interpretation(value, (), kept, (*rules, outcome("deadband", "passed", value=last)), True)
