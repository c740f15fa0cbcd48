"""How long was a machine in which state? Two recorded days of much standing still and many silences.

Mazak01 on 25 June 2019 and Mazak03 on 3 May 2018, of NIST's SMS Test Bed. Nothing was made on either.
"""

import pytest

from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, quantity, set_up

QUESTION = """
told = understood(machine, PATH, KEYS)
receive(machine, told)
post()
result = books(machine, order)
"""


@pytest.mark.parametrize(
    ("day", "name"),
    [("mazak01", "Mazak01-20190625-20190626.txt.gz"), ("mazak03", "Mazak03-20180503-20180504.txt.gz")],
)
def test_the_timeline_has_the_seconds_of_the_file(day, name, durable_database, odoo_shell, sql):
    machine = set_up(odoo_shell, [recorded.plan(day, day)])[day]

    found = odoo_shell(recorded.ask(machine, QUESTION, PATH=str(recorded.DAYS[day]), KEYS=recorded.KEYS[day]))

    truth = recorded.TRUTH[name]
    spent = {}
    for start, end, state, word, *_others in found["intervals"]:
        assert bool(word) is (state != "unknown"), "a machine that has no value says no word"
        if end:
            spent[word or "UNAVAILABLE"] = spent.get(word or "UNAVAILABLE", 0) + end - start
    assert {word: round(us / 1e6, 3) for word, us in spent.items()} == truth["seconds_in_state_until_last_change"]
    assert len(found["intervals"]) == truth["state_changes"]
    for (_start, end, *_one), (start, *_other) in zip(found["intervals"], found["intervals"][1:], strict=False):
        assert end == start, "nothing between two states, and no two at a time"
    running = sum(line[2] for line in found["time lines"] if line[3] == "Fully Productive Time")
    seconds = truth["seconds_in_state_until_last_change"]["ACTIVE"]
    # A time line is in whole seconds, and Odoo keeps the hundredth of a minute.
    periods = truth["state_counts"]["ACTIVE"]
    assert abs(running * 60 - seconds) <= periods * 1.3
    assert quantity(sql, machine) == 0
    assert_exactly_once(sql)
