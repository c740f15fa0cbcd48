"""A day that is delivered late is booked as the same day was live, row by row."""

import pytest

from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, set_up

# Live: a few events at a time, in the order in which they happened. Late: the evening first, then the rest in any order.
QUESTION = """
import random

told = sorted(understood(machine, PATH, KEYS), key=lambda event: event.occurred)
for start in range(0, len(told), 7):
    receive(machine, told[start : start + 7])
    post()

late, late_order = env["mrp.machine"].browse(LATE), env["mrp.production"].browse(LATE_ORDER)
again = sorted(understood(late, PATH, KEYS), key=lambda event: event.occurred)
assert [event.data for event in again] == [event.data for event in told]
evening, rest = again[2 * len(again) // 3 :], again[: 2 * len(again) // 3]
receive(late, evening)
post()
random.Random(SEED).shuffle(rest)
for start in range(0, len(rest), 40):
    receive(late, rest[start : start + 40])
    post()
result = [books(machine, order), books(late, late_order)]
"""


@pytest.mark.parametrize("day", ["plates", "hurco04"])
def test_late_is_as_live(day, durable_database, odoo_shell, sql):
    plans = [recorded.plan(code, day) for code in ("live", "late")]
    machines = set_up(odoo_shell, plans)

    live, late = odoo_shell(
        recorded.ask(
            machines["live"],
            QUESTION,
            PATH=str(recorded.DAYS[day]),
            KEYS=recorded.KEYS[day],
            LATE=machines["late"]["machine"],
            LATE_ORDER=machines["late"]["production"],
            SEED=day,
        )
    )

    for part in live:
        assert live[part], f"nothing in «{part}» to be compared"
        assert late[part] == live[part], part
    assert_exactly_once(sql)
