"""Four cycles at their times, though the file does not keep the order of time.

An Okuma MULTUS recorded in four sessions (MTConnect Institute, cppagent's demonstration); the file holds them in another
order than they were recorded in. Each session begins with its counter anew.
"""

from datetime import datetime, timezone

from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, quantity, rows, set_up

TRUTH = recorded.TRUTH["okuma.txt.gz"]
QUESTION = """
told = understood(machine, PATH, KEYS)
moments = [event.occurred for event in told]
for start in range(0, len(told), 5):
    receive(machine, told[start : start + 5])
    post()
result = books(machine, order) | {"out of order": sum(b < a for a, b in zip(moments, moments[1:]))}
"""


def test_each_cycle_has_its_own_time_whatever_the_order_of_the_file(durable_database, odoo_shell, sql):
    machine = set_up(odoo_shell, [recorded.plan("okuma", "okuma")])["okuma"]

    found = odoo_shell(recorded.ask(machine, QUESTION, PATH=str(recorded.DAYS["okuma"]), KEYS=recorded.KEYS["okuma"]))

    assert found["out of order"] > 0, "else nothing is shown"
    assert quantity(sql, machine) == TRUTH["parts_completed_truth"] == 4
    sessions = sorted(TRUTH["sessions"], key=lambda session: session["start"])
    runs = [(start, end) for start, end, _state, word, *_others in found["intervals"] if word == "ACTIVE"]
    assert [round((end - start) / 1e6, 3) for start, end in runs] == [
        seconds for session in sessions for seconds in session["cycle_seconds"]
    ]
    starts = [_microseconds(session["start"]) for session in sessions]
    for (began, ended), start, following in zip(runs, starts, [*starts[1:], None], strict=True):
        assert start < began and (following is None or ended < following), "within its own session"
    cycles = rows(
        sql,
        f"""SELECT occurred_us FROM mrp_machine_event WHERE machine_id = {machine["machine"]}
               AND type = 'production.cycle_completed' ORDER BY occurred_us""",
    )
    assert [cycle["occurred_us"] for cycle in cycles] == [ended for _began, ended in runs]
    spent = sum(end - start for start, end in runs) / 1e6
    assert round(spent, 3) == TRUTH["seconds_in_state_until_last_change"]["ACTIVE"]
    assert_exactly_once(sql)


def _microseconds(text):
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (moment.days * 86_400 + moment.seconds) * 1_000_000 + moment.microseconds
