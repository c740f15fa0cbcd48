"""What does an MTConnect adapter say? Its lines in the form that the standard's own agent reads.

By MTConnect's Simple Hierarchical Data Representation, as cppagent reads it: ``timestamp|key|value|key|value…``. What
the recordings taught beside that: timestamps with seven decimals, values that hold blanks, lines that were cut in the
middle, and bodies of assets over several lines.
"""

import gzip
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

#: What an adapter says when it has no value; it is a value of the standard (Part 1, 5.5).
UNAVAILABLE = "UNAVAILABLE"
#: The levels of a condition (Part 2, 5.8), in any case.
LEVELS = frozenset({"NORMAL", "WARNING", "FAULT", UNAVAILABLE})
#: Fields of a line with a condition: timestamp, key, level, native code, native severity, qualifier, text.
CONDITION_FIELDS = 7
ASSET_COMMANDS = frozenset({"@ASSET@", "@UPDATE_ASSET@", "@REMOVE_ASSET@", "@REMOVE_ALL_ASSETS@"})

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)?(?:@(\d+(?:\.\d+)?))?", re.ASCII)
_MULTILINE = "--multiline--"


@dataclass(frozen=True)
class Observation:
    """One value of one key.

    :param datetime at: aware, UTC, to the microsecond
    :param str key: the adapter's own name of it
    :param str value: as it was sent
    :param str device: whom a line for several devices is about; empty: the only one
    :param seconds: how long it took, for observations with a duration, or None
    :param str code: native code of a message, else empty
    """

    at: datetime
    key: str
    value: str
    device: str = ""
    seconds: float | None = None
    code: str = ""


@dataclass(frozen=True)
class Condition:
    """One report of a condition; level is in upper case."""

    at: datetime
    key: str
    level: str
    code: str
    severity: str
    qualifier: str
    text: str
    device: str = ""


@dataclass(frozen=True)
class Asset:
    """One command about assets, such as a cutting tool.

    :param str command: one of :data:`ASSET_COMMANDS`
    :param tuple arguments: what followed it: id, type …
    :param str body: XML, empty if there is none
    """

    at: datetime
    command: str
    arguments: tuple
    body: str = ""


class ShdrReader:
    """Takes lines one by one and counts what it cannot read.

    :param conditions: keys that are conditions by the device model; others are known by the word of their level
    :param messages: keys that are messages by the device model: code and text follow
    :ivar int lines: lines taken
    :ivar int commands: lines that begin with ``*``: ``* PONG 10000``, ``* adapterVersion: 2``
    :ivar int malformed: lines skipped because they do not begin with a time or say nothing
    :ivar int left_over: lines that ended with a key without a value; their complete pairs were taken
    """

    def __init__(self, conditions=(), messages=()):
        self._conditions, self._messages = frozenset(conditions), frozenset(messages)
        self.lines = self.commands = self.malformed = self.left_over = 0
        self._asset = None
        self._end, self._body = "", []

    def feed(self, line):
        """Return what one line says, as a list of Observation, Condition and Asset."""
        self.lines += 1
        line = line.rstrip("\r\n")
        if self._asset:
            return self._feed_body(line)
        if line.startswith("*"):
            self.commands += 1
            return []
        head, *fields = line.split("|")
        stamp = _moment(head)
        if stamp is None or len(fields) < 2:
            self.malformed += 1
            return []
        at, seconds = stamp
        device, key = _device_and_key(fields[0])
        if fields[0] in ASSET_COMMANDS:
            return self._feed_asset(at, fields)
        if key in self._messages:
            return [Observation(at, key, "|".join(fields[2:]), device, seconds, fields[1])]
        if self._is_condition(key, fields):
            return [Condition(at, key, fields[1].strip().upper(), *fields[2:6], device)]
        if key in self._conditions:
            self.malformed += 1
            return []
        if len(fields) % 2:
            self.left_over += 1
        found = []
        for name, value in zip(fields[0::2], fields[1::2], strict=False):
            device, key = _device_and_key(name)
            found.append(Observation(at, key, value, device, seconds))
        return found

    def _is_condition(self, key, fields):
        if len(fields) != CONDITION_FIELDS - 1 or fields[1].strip().upper() not in LEVELS:
            return False
        # Three pairs, of which the first is unavailable, have as many fields; of a condition, the rest is empty then.
        if fields[1].strip().upper() == UNAVAILABLE and key not in self._conditions:
            return not any(fields[2:5])
        return True

    def _feed_asset(self, at, fields):
        *arguments, last = fields[1:]
        if last.startswith(_MULTILINE):
            self._asset, self._end, self._body = (at, fields[0], tuple(arguments)), last, []
            return []
        if fields[0] == "@ASSET@":
            return [Asset(at, fields[0], tuple(arguments), last)]
        return [Asset(at, fields[0], tuple(fields[1:]))]

    def _feed_body(self, line):
        if line != self._end:
            self._body.append(line)
            return []
        asset, self._asset = Asset(*self._asset, "\n".join(self._body)), None
        return [asset]


def _moment(text):
    """Return time and duration of a line's first field, or None."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return None
    seconds, decimals, duration = found.groups()
    try:
        at = datetime.fromisoformat(seconds).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return at.replace(microsecond=int((decimals or "0")[:6].ljust(6, "0"))), float(duration) if duration else None


def _device_and_key(text):
    device, colon, key = text.rpartition(":")
    return (device, key) if colon else ("", text)


def read_recording(path, reader=None):
    """Return what a recorded file says, in its own order.

    :param path: text, or gzip if its name ends with .gz
    :param ShdrReader reader: afterwards it tells what could not be read
    """
    reader = reader or ShdrReader()
    found = []
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(Path(path), "rt", encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        for line in lines:
            found += reader.feed(line)
    return found
