"""Which readings are news? States, alarms and names become events when they change; plain values make none."""

from .evaluation import Evaluator, Interpretation, MappingInvalid, is_late, outcome
from .extraction import text
from .instants import instant
from .state import AXES, TABLES, MachineState, find, same

#: So many values of a state are remembered with their meaning.
_KNOWN = 256
_NO_ALARM = frozenset({0, "", "normal"})


class States(Evaluator):
    """The machine's state. The memory is the last value, what it means, and since when."""

    def __init__(self, mapping, role):
        super().__init__(mapping, role)
        self._table = mapping.table or "canonical"
        if self._table not in TABLES:
            raise MappingInvalid("table", "unknown_choice", table=mapping.table)
        self._codes = {same(raw): _code(raw, meaning) for raw, meaning in mapping.codes.items()}
        self._known = {}

    def _read(self, memory, reading, value):
        if self._plain and value == memory.get("raw") and "pending" not in memory:
            # The table or the codes may say something else of the same value than they did when it came.
            if memory["state"] == self._meaning(value)[0]:
                return Interpretation(memory["state"], (), memory, self._rules(reading), False)
            return self._speak(memory, reading, self._understood(value), self._moment(reading), self._rules(reading))
        value = self._understood(value)
        return self._heard(memory, reading, value, self._moment(reading), memory.get("raw"))

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
        if memory.get("unavailable"):
            return result
        return self._tell(result.memory, reading, self._moment(reading), MachineState.UNKNOWN, None, result.rules)

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
        if self._plain and value == memory.get("raw") and "pending" not in memory:
            return Interpretation(value, (), memory, self._rules(reading), False)
        value = self._understood(value)
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
        if self._plain and value == memory.get("raw") and "pending" not in memory:
            return Interpretation(memory["value"], (), memory, self._rules(reading), False)
        value = self._understood(value)
        return self._heard(memory, reading, value, self._moment(reading), memory.get("raw"))

    def _settled(self, memory, value):
        return memory["value"]

    def _speak(self, memory, reading, value, moment, rules):
        previous = memory.get("value")
        name = self._codes.get(same(value))
        if name is None:
            name = value if isinstance(value, str) else str(same(value))
        kept = {"raw": value, "value": name, "at": moment.us, "read": moment.read_us}
        if is_late(memory, moment):
            kept, previous = memory, None
        if name == memory.get("value") or (not name and not memory.get("value")):
            return Interpretation(name, (), kept, rules, kept is not memory)
        role, data = self.role, {"value": name, "previous": previous, "signal": self.mapping.name}
        event_type = role.event_type
        if role.key:
            data[role.key] = name
            if not name and role.emptied:
                event_type = role.emptied
                data[role.key] = memory.get("value")
        event = self._event(event_type, moment, reading, data, rules)
        return Interpretation(name, (event,), kept, rules, kept is not memory)


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
