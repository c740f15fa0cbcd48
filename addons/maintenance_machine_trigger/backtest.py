"""Which requests would a rule have made, and were they right? A rule over recorded values, against what really broke.

A request stays open for a while, and what is raised meanwhile is counted on it: as it is with real ones. It is right when
it falls into the time before a breakdown that it was to warn of, up to its end.
"""

import csv
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import product
from typing import NamedTuple

from odoo.addons.mrp_machine_connect.machine_connect.condition import Evaluation, Raised, Rule

_SECOND = 1_000_000
#: Values of a file at most.
MOST_VALUES = 200_000
_TIME_NAMES = ("timestamp", "time", "date", "occurred", "datetime")
_VALUE_NAMES = ("value", "reading", "measured", "last")


class FileUnreadable(ValueError):
    """A file cannot be used.

    :param str code: ``empty``, ``columns`` (neither a time nor a value), ``time``, ``value`` or ``too_long``
    :param int line: where, counted from 1
    :param str said: what stands there
    """

    def __init__(self, code, line, said=""):
        super().__init__(f"line {line}: {code}: {said}")
        self.code, self.line, self.said = code, line, said


class Request(NamedTuple):
    """A request that would have been made.

    :param int at: when, in microseconds
    :param int since: the moment of failure
    :param int repeats: how often more it was raised while it was open
    :param value: what the rule looked at
    """

    at: int
    since: int
    repeats: int
    value: object


class Window(NamedTuple):
    """A breakdown: from when on a request would have been right, and when it was too late. Microseconds."""

    start: int
    end: int


@dataclass(frozen=True)
class Score:
    """How good a rule was.

    :param list requests: all that would have been made
    :param list right: for each, whether it falls into a breakdown
    :param list leads: for each breakdown seconds from its first request to its end, None where it was missed
    """

    requests: list
    right: list
    leads: list

    @property
    def precision(self):
        """Right requests of all, None where none was made."""
        return sum(self.right) / len(self.right) if self.right else None

    @property
    def recall(self):
        """Breakdowns with a request of all, None where there was none."""
        return sum(lead is not None for lead in self.leads) / len(self.leads) if self.leads else None

    @property
    def mean_lead(self):
        """Seconds from the first request to the end, over the breakdowns that were found; None for none."""
        known = [lead for lead in self.leads if lead is not None]
        return sum(known) / len(known) if known else None


def read_values(lines, zone=timezone.utc):
    """Return ``[(microseconds, number or None)]`` of a CSV file, in the order of time; of one time the last value holds.

    The first line names the columns; comma, semicolon or tabulator. A number that is not there is *no value*.

    :param lines: of text
    :param zone: of moments that do not say their own
    :raise FileUnreadable: it cannot be used
    """
    lines = iter(lines)
    head = next(lines, "").lstrip("\ufeff")
    if not head.strip():
        raise FileUnreadable("empty", 1)
    mark = max(";\t,", key=head.count)
    names = [name.strip().lower() for name in next(csv.reader([head], delimiter=mark))]
    time_at = _find(names, _TIME_NAMES)
    value_at = _find(names, _VALUE_NAMES)
    if value_at is None and len(names) == 2 and time_at is not None:
        value_at = 1 - time_at
    if time_at is None or value_at is None:
        raise FileUnreadable("columns", 1, ", ".join(names)[:200])
    found = {}
    for number, row in enumerate(csv.reader(lines, delimiter=mark), 2):
        if not any(row):
            continue
        if len(row) <= max(time_at, value_at):
            raise FileUnreadable("columns", number, mark.join(row)[:200])
        found[moment(row[time_at], zone, number)] = _value(row[value_at], number, mark)
        if len(found) > MOST_VALUES:
            raise FileUnreadable("too_long", number)
    return sorted(found.items())


def read_windows(lines, zone=timezone.utc):
    """Return the breakdowns of a text: on each line when it began and when it ended, separated by a comma or the like.

    :raise FileUnreadable: it cannot be used
    """
    found = []
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        mark = max(";\t,", key=line.count)
        ends = [part.strip() for part in line.split(mark) if part.strip()]
        if len(ends) < 2:
            raise FileUnreadable("columns", number, line[:200])
        if not found and not any(sign.isdigit() for sign in line):
            continue  # names of columns
        start, end = (moment(part, zone, number) for part in ends[:2])
        if end < start:
            raise FileUnreadable("time", number, line[:200])
        found.append(Window(start, end))
    return sorted(found)


def moment(text, zone=timezone.utc, line=0):
    """Return a moment of ISO 8601 in microseconds since 1970.

    :raise FileUnreadable: it is none
    """
    try:
        at = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise FileUnreadable("time", line, text[:200]) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    since = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds


def _find(names, wanted):
    return next((names.index(name) for name in wanted if name in names), None)


def _value(text, line, mark):
    text = text.strip()
    if not text or text.upper() in ("UNAVAILABLE", "NAN", "NULL", "NONE"):
        return None
    try:
        return float(text.replace(",", ".") if mark != "," else text)
    except ValueError:
        raise FileUnreadable("value", line, text[:200]) from None


def requests(rule, news, open_seconds):
    """Return the requests that a rule would have made.

    :param Rule rule: the rule
    :param news: ``[(microseconds, {"value" or "state" or "alarm" or "usage": what})]`` in the order of time
    :param float open_seconds: how long a request stays open; what is raised meanwhile is counted on it
    """
    evaluation, found = Evaluation(rule), []
    ends = standing = None
    for at, said in news:
        for item in evaluation.feed(at, **said):
            if not isinstance(item, Raised):
                # Closed and cleared: only then the next one is another request.
                standing = False
                continue
            if ends is not None and (item.at < ends or standing):
                last = found[-1]
                found[-1] = last._replace(repeats=last.repeats + 1)
            else:
                found.append(Request(item.at, item.since, 0, item.evidence.get("value")))
                ends = item.at + round(open_seconds * _SECOND)
            standing = True
    return found


def score(found, windows, horizon_seconds=0.0):
    """Return how good requests were.

    :param found: of :func:`requests`
    :param windows: the breakdowns
    :param float horizon_seconds: so long before the beginning of a breakdown a request is right as well
    """
    before = round(horizon_seconds * _SECOND)

    def hits(request, window):
        return window.start - before <= request.at <= window.end

    right = [any(hits(request, window) for window in windows) for request in found]
    leads = []
    for window in windows:
        first = next((request for request in found if hits(request, window)), None)
        leads.append(None if first is None else (window.end - first.at) / _SECOND)
    return Score(list(found), right, leads)


def choose(rules, news, windows, open_seconds, horizon_seconds=0.0):
    """Return the best of some rules by data that are known, and its Score.

    The best finds the most breakdowns with the fewest wrong requests (F1). Of equals it is the one that was raised least, and
    then the one with the longest on-delay, for what hardly holds on known data raises wrongly on others (the on-delay is the
    usual remedy of IEC 62682); then the one that warns earlier, then the first.

    :param rules: the rules to choose from
    """
    best = None
    for rule in rules:
        found = score(requests(rule, news, open_seconds), windows, horizon_seconds)
        precision, recall = found.precision or 0.0, found.recall or 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        raised = sum(1 + request.repeats for request in found.requests)
        rank = (round(f1, 9), -raised, rule.on_delay, found.mean_lead or 0.0)
        if best is None or rank > best[0]:
            best = (rank, rule, found)
    if best is None:
        raise ValueError("no rules to choose from")
    return best[1], best[2]


def limits(values, rule, shares=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05), delays=(0.0, 900.0, 3600.0)):
    """Return rules like one with other limits and delays, by how often values are beyond them.

    :param values: ``[(microseconds, number or None)]``
    :param Rule rule: a threshold; it says on which side its limits are
    :param shares: of the values that are beyond a limit
    :param delays: seconds of the on-delay
    """
    numbers = sorted(value for _at, value in values if value is not None)
    if not numbers:
        return []
    spread = numbers[round(0.75 * (len(numbers) - 1))] - numbers[round(0.25 * (len(numbers) - 1))]
    found = []
    for share, delay in product(shares, delays):
        place = round(share * (len(numbers) - 1))
        settings = {**rule.as_json(), "on_delay": delay, "hysteresis": spread / 10}
        if rule.below is not None:
            settings["below"] = _between(numbers, place, 1)
        if rule.above is not None:
            settings["above"] = _between(numbers, len(numbers) - 1 - place, -1)
        found.append(Rule.from_json(settings))
    return found


def _between(numbers, place, inwards):
    """Return the middle between a value and the next other one, so that the value itself is beyond it."""
    value = numbers[place]
    while 0 <= place < len(numbers) and numbers[place] == value:
        place += inwards
    return (value + numbers[place]) / 2 if 0 <= place < len(numbers) else value
