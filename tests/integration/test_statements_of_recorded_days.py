"""The statements of recorded days: each shift's counter moved by what the file itself says, and nothing is left over."""

from datetime import datetime, timedelta, timezone

import pytest

from simulator.shdr import Observation, read_recording
from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, set_up

#: Live, a few events at a time; then the shifts of those days, each looked at, signed, and looked at again.
QUESTION = """
from datetime import datetime

for start in range(0, len(told := understood(machine, PATH, KEYS)), 25):
    receive(machine, told[start : start + 25])
    post()
machine.workcenter_id.tz = "UTC"
machine.write({"statement_shifts": "times", "beat_shifts": "00:00, 08:00, 16:00"})
machine.statement_until = datetime.fromisoformat(FIRST)
while machine.statement_until < datetime.fromisoformat(LAST):
    machine._make_statements(datetime.fromisoformat(LAST))
statements = env["mrp.machine.statement"].search([("machine_id", "=", machine.id)], order="date_start")
unsigned = sum(statements.mapped("unsigned_count"))
action = statements.action_sign()
if isinstance(action, dict):
    values = {name.removeprefix("default_"): [(6, 0, ids)] for name, ids in action["context"].items()}
    env["mrp.machine.sign"].create({"reason": "Recorded", **values}).action_sign()
statements._fill()
FIGURES = ("movement", "good", "reject", "scrap", "waiting", "held", "explained")
result = {
    "unsigned": unsigned,
    "left": sum(statements.mapped("unsigned_count")),
    "ledger": machine.ledger_ids.posted,
    "statements": [
        {
            "start": str(statement.date_start),
            "state": statement.state,
            "lines": [[line[figure] for figure in FIGURES] for line in statement.line_ids],
            "counters": [
                [counter.name, counter.opening, counter.closing] for counter in statement.counter_ids
                if counter.place == "in"
            ],
            "differences": [[row.cause, row.amount, row.words] for row in statement.difference_ids],
        }
        for statement in statements
    ],
}
"""
EIGHT_HOURS = timedelta(hours=8)


def observed(day):
    """Return ``[(moment, value)]`` of the counter of a recording, in the order of the file."""
    key = recorded.KEYS[day][1]
    return [
        (entry.at, int(entry.value))
        for entry in read_recording(recorded.DAYS[day])
        if isinstance(entry, Observation) and entry.key == key and entry.value != "UNAVAILABLE"
    ]


def shift_of(moment):
    """Return when the shift of a moment began."""
    return moment.replace(hour=moment.hour // 8 * 8, minute=0, second=0, microsecond=0)


def moved(values):
    """Return ``{beginning of a shift: by how much the counter moved}``, by the values alone."""
    found, stood = {}, values[0][1]
    for at, value in values:
        found[shift_of(at)] = found.get(shift_of(at), 0) + value - stood
        stood = value
    return {start: movement for start, movement in found.items() if movement}


@pytest.mark.parametrize("day", recorded.DAYS)
def test_each_shift_balances_and_its_counter_moved_as_the_file_says(day, durable_database, odoo_shell, sql):
    machine = set_up(odoo_shell, [recorded.plan(day, day, role="good")])[day]
    values = observed(day)
    first, last = shift_of(min(at for at, _ in values)), shift_of(max(at for at, _ in values)) + EIGHT_HOURS

    found = odoo_shell(
        recorded.ask(
            machine,
            QUESTION,
            PATH=str(recorded.DAYS[day]),
            KEYS=recorded.KEYS[day],
            FIRST=first.replace(tzinfo=None).isoformat(),
            LAST=last.replace(tzinfo=None).isoformat(),
        )
    )

    assert found["statements"], "nothing is shown"
    movement, good = {}, 0
    for statement in found["statements"]:
        start = datetime.fromisoformat(statement["start"]).replace(tzinfo=timezone.utc)
        assert statement["state"] == "signed"
        for line in statement["lines"]:
            assert abs(line[0] - sum(line[1:])) < 1e-6, statement
            movement[start] = movement.get(start, 0) + line[0]
            good += line[1]
        assert all(words for _cause, _amount, words in statement["differences"])
        explained = sum(line[-1] for line in statement["lines"])
        assert abs(sum(amount for _cause, amount, _words in statement["differences"]) - explained) < 1e-6
    if all(before[0] <= after[0] for before, after in zip(values, values[1:], strict=False)):
        # In a file that is not in the order of time the mapping refuses what is older than what it knows, and the values
        # of a counter that begins anew in each session do not run on.
        for statement in found["statements"]:
            start = datetime.fromisoformat(statement["start"]).replace(tzinfo=timezone.utc)
            for _name, opening, closing in statement["counters"]:
                assert abs(closing - opening - movement.get(start, 0)) < 1e-6
        assert {start: pieces for start, pieces in movement.items() if pieces} == moved(values)
    assert good == found["ledger"]
    assert found["left"] == 0
    assert_exactly_once(sql)
