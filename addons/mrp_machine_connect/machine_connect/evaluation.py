"""What do all interpreters of readings have in common? Quality, time, debounce, and the making of an event."""

from datetime import timezone
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .event import Event, clean_json, clock_doubt
from .extraction import Unreadable, extraction, number, scaling, text
from .instants import instant, microseconds
from .reading import Quality

GOOD, _UNCERTAIN = Quality.GOOD, Quality.UNCERTAIN
_last_read = (None, 0)

#: The word of MTConnect (Part 1) for a value that the machine does not have; bridges hand it on as a good text.
UNAVAILABLE = "UNAVAILABLE"


class MappingInvalid(ValueError):
    """A signal's mapping cannot be used.

    :param str field: the field of :class:`machine_connect.mapping.SignalMapping` that is wrong
    :param str code: ``missing``, ``unknown_choice``, ``out_of_range``, ``expression_invalid`` or ``unknown_zone``
    :param params: what a sentence about it needs
    """

    def __init__(self, field, code, **params):
        super().__init__(f"{field}: {code}: {params}" if params else f"{field}: {code}")
        self.field = field
        self.code = code
        self.params = params


class Interpretation(NamedTuple):
    """What one reading means.

    :param value: what was understood: pieces, a state's code, a text, a scaled number; None when nothing was
    :param tuple events: what happened, in order; mostly nothing
    :param dict memory: to hand in with the signal's next reading, JSON only; the same object when nothing is new
    :param tuple rules: what each rule made of it: ``{"rule", "outcome", "detail"}``; shared, not to be changed
    :param bool changed: the memory holds what must not be lost. False while only the time of the last reading moved on
        in it: such a memory may be stored at leisure
    """

    value: object
    events: tuple
    memory: dict
    rules: tuple
    changed: bool


def outcome(rule, result, **detail):
    """Return what a rule made of a reading: ``passed``, ``refused``, ``held`` or ``doubtful``, and why."""
    return {"rule": rule, "outcome": result, "detail": detail}


class Moment(NamedTuple):
    """When a value was so: as a datetime, in microseconds, and when it was read in microseconds."""

    at: object
    us: int
    read_us: int

    @property
    def is_own(self):
        """Whether the machine itself gave the time."""
        return self.us != self.read_us


class Evaluator:
    """Turns the readings of one signal into events. What it knows of the past is in the memory that it is given.

    :param mapping: the :class:`machine_connect.mapping.SignalMapping`
    :param role: its :class:`machine_connect.roles.Role`
    :raise MappingInvalid: the mapping cannot be used
    """

    def __init__(self, mapping, role):
        self.mapping = mapping
        self.role = role
        try:
            self._extract = extraction(mapping.extraction)
        except ValueError as error:
            raise MappingInvalid("extraction", "expression_invalid", reason=str(error)) from None
        self._scaled = scaling(mapping.scale, mapping.offset)
        self._plain = self._extract is None and self._scaled is None
        self._zone = _zone(mapping.zone)
        self._late_us = _us(mapping.late_window)
        self._early_us = _us(mapping.early_window)
        self._debounce_us = round(mapping.debounce * 1_000_000)
        passed = [outcome("quality", "passed")]
        if self._extract is not None:
            passed.append(outcome("extraction", "passed", **mapping.extraction))
        if self._scaled is not None:
            passed.append(outcome("scale", "passed", scale=mapping.scale, offset=mapping.offset))
        self._passed = tuple(passed)
        self._passed_uncertain = (outcome("quality", "passed", quality="uncertain"), *passed[1:])

    def interpret(self, memory, reading):
        """Return the :class:`Interpretation` of the signal's next reading.

        :param memory: what the last one returned; empty or None for the first
        :param Reading reading: the reading
        """
        if memory is None:
            memory = {}
        if reading.quality is not GOOD and not (reading.quality is _UNCERTAIN and self.mapping.allow_uncertain):
            if reading.code == "unavailable":
                return self._unavailable(memory, reading)
            return self._nothing(memory, _bad(reading))
        value = reading.value
        if value is None:
            return self._nothing(memory, outcome("value", "refused", code="empty"))
        if value == UNAVAILABLE:
            return self._unavailable(memory, reading)
        try:
            return self._read(memory, reading, value)
        except Unreadable as error:
            return self._nothing(memory, *self._rules(reading), outcome(error.rule, "refused", **error.detail))

    def missed(self, memory, read_at, code=""):
        """Return the :class:`Interpretation` of a signal that could not be read: whoever was asked did not answer.

        :param memory: what its last reading returned; empty or None before the first
        :param datetime read_at: when it was tried
        :param str code: why it could not, from :data:`machine_connect.errors.CODES`
        """
        return self._nothing({} if memory is None else memory)

    def _read(self, memory, reading, value):
        raise NotImplementedError

    def _unavailable(self, memory, reading):
        """Return the Interpretation of the machine itself saying that it has no value: what was about to be is not."""
        if "pending" in memory:
            return self._nothing(_without_pending(memory), _bad(reading))._replace(changed=True)
        return self._nothing(memory, _bad(reading))

    def _nothing(self, memory, *rules):
        return Interpretation(None, (), memory, rules, False)

    # ---------------------------------------------------------------------------------------------- value and time

    def _understood(self, value):
        """Return the value that is meant: found by the extraction, scaled where it is a number, text bounded."""
        if self._extract is not None:
            value = self._extract(value)
        if value.__class__ is str or not isinstance(value, (int, float)):
            return text(value)
        if value.__class__ is bool:
            return value
        value = number(value)
        return value if self._scaled is None else self._scaled(value)

    def _number(self, value):
        """Return the value that is meant as a number."""
        if self._extract is not None:
            value = self._extract(value)
        value = number(value)
        return value if self._scaled is None else self._scaled(value)

    def _moment(self, reading):
        at, read_at = reading.at, reading.read_at
        read_us = read_microseconds(read_at)
        if at is read_at:
            return Moment(at, read_us, read_us)
        if self._zone is not None and (at.tzinfo is None or at != read_at):
            # Such a clock shows the local time, whatever zone the protocol says.
            at = at.replace(tzinfo=self._zone).astimezone(timezone.utc)
        elif at.tzinfo is None:
            at = at.replace(tzinfo=timezone.utc)
        return Moment(at, microseconds(at), read_us)

    def believed(self, reading):
        """Return when a reading was so in microseconds, or None where the machine's clock is not believed."""
        moment = self._moment(reading)
        return None if self._doubt(moment) else moment.us

    def _doubt(self, moment):
        """Return why the machine's clock is not believed, empty when it is."""
        return clock_doubt(moment.read_us - moment.us, self._late_us, self._early_us)

    # ------------------------------------------------------------------------------------------------------ events

    def _rules(self, reading):
        return self._passed if reading.quality is GOOD else self._passed_uncertain

    def _event(self, event_type, moment, reading, data, rules, held=""):
        doubt = self._doubt(moment)
        if doubt:
            seconds = (moment.us - moment.read_us) / 1_000_000
            rules = (*rules, outcome("clock", "held", code=doubt, seconds=seconds))
        if reading.raw:
            data["raw"] = _evidence(reading.raw)
        return Event(
            event_type,
            moment.at,
            reading.read_at,
            data,
            reading.quality.value,
            reading.status,
            self.mapping.name,
            held or doubt,
            rules,
            self.mapping.version,
        )

    # ---------------------------------------------------------------------------------------------------- debounce

    def _speak(self, memory, reading, value, moment, rules):
        """Return the Interpretation of a value that is to be believed."""
        raise NotImplementedError

    def _heard(self, memory, reading, value, moment, accepted):
        """Return the Interpretation of a value that must be stable before it is believed.

        :param accepted: the value that is believed so far, None for none
        """
        rules = self._rules(reading)
        if not self._debounce_us:
            return self._speak(memory, reading, value, moment, rules)
        pending, events, told = memory.get("pending"), (), ()
        if pending is not None and pending["raw"] != value:
            lasted = moment.us - pending["at"]
            memory = _without_pending(memory)
            if pending["at"] != pending["read"] and lasted >= self._debounce_us:
                # The machine's own times say that it was stable, although it was read but once.
                accepted = pending["raw"]
                since = Moment(instant(pending["at"]), pending["at"], moment.read_us)
                spoken = self._speak(memory, reading, accepted, since, (*rules, _stable(lasted)))
                memory, events, told = spoken.memory, spoken.events, spoken.rules
            else:
                told = (outcome("debounce", "refused", value=pending["raw"], seconds=lasted / 1_000_000),)
            pending = None
        if value == accepted:
            return Interpretation(self._settled(memory, value), events, memory, told or rules, bool(told))
        if pending is None:
            memory = {**memory, "pending": {"raw": value, "at": moment.us, "read": moment.read_us}}
            told = told or (*rules, outcome("debounce", "refused", value=value, seconds=0.0))
            return Interpretation(None, events, memory, told, True)
        lasted = max(moment.us - pending["at"], moment.read_us - pending["read"])
        if lasted < self._debounce_us:
            told = (*rules, outcome("debounce", "refused", value=value, seconds=lasted / 1_000_000))
            return Interpretation(None, (), memory, told, False)
        memory = _without_pending(memory)
        since = Moment(instant(pending["at"]), pending["at"], moment.read_us)
        spoken = self._speak(memory, reading, value, since, (*rules, _stable(lasted)))
        return spoken._replace(changed=True)

    def _settled(self, memory, value):
        """Return what is understood of a value that is believed already."""
        return value


def is_late(memory, moment):
    """Tell whether a value is older than the one before and came along with it.

    One that is older and was read later is none: there the machine's clock was set back.
    """
    return "at" in memory and moment.us < memory["at"] and moment.read_us <= memory["read"]


def _without_pending(memory):
    return {key: item for key, item in memory.items() if key != "pending"}


def _stable(lasted):
    return outcome("debounce", "passed", seconds=lasted / 1_000_000)


def _bad(reading):
    code = reading.code or ("unavailable" if reading.value == UNAVAILABLE else "")
    return outcome("quality", "refused", quality=reading.quality.value, code=code)


def _evidence(raw):
    try:
        return clean_json(raw)
    except ValueError as error:
        return {"unreadable": text(str(error).encode("ascii", "backslashreplace").decode("ascii"))}


def read_microseconds(read_at):
    """Return when a reading was read in microseconds; worked out once for all readings of one answer."""
    global _last_read
    kept, us = _last_read
    if kept is not read_at:
        us = microseconds(read_at)
        _last_read = (read_at, us)
    return us


def _us(seconds):
    return None if seconds is None else round(seconds * 1_000_000)


def _zone(name):
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MappingInvalid("zone", "unknown_zone", zone=name) from None
