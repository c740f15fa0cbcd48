"""A whole recorded day: ten counts, nine plates, and which count was none.

Hurco04 of NIST's SMS Test Bed on 1 February 2017, plates, first operation. Its part counter goes from 1065 to 1075; nine
programs were completed. The tenth cycle was stopped at 16:37:55 and counted all the same.
"""

from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, quantity, rows, set_up

NAME = "2-1-2017-Hurco04-Clean.txt.gz"
QUESTION = """
receive(machine, understood(machine, PATH, KEYS))
post()
result = books(machine, order) | {"difference": order.machine_difference}
"""

# Counts up to which, since the count before, no cycle was completed; and what the timeline says of that moment.
COUNTS_WITHOUT_A_CYCLE = """
SELECT this.data->>'total_before' AS before, this.data->>'total_after' AS after,
       interval.raw_value, interval.start_us, this.occurred_us
  FROM (SELECT *, lag(occurred_us, 1, 0::bigint) OVER (ORDER BY occurred_us) AS earlier FROM mrp_machine_event
         WHERE machine_id = {machine} AND type = 'production.count') this
  JOIN mrp_machine_interval interval ON interval.machine_id = this.machine_id
   AND interval.start_us <= this.occurred_us AND this.occurred_us < coalesce(interval.end_us, this.occurred_us + 1)
 WHERE NOT EXISTS (SELECT FROM mrp_machine_event cycle WHERE cycle.machine_id = this.machine_id
                      AND cycle.type = 'production.cycle_completed'
                      AND cycle.occurred_us > this.earlier AND cycle.occurred_us <= this.occurred_us)
"""


def test_nine_plates_are_booked_and_the_tenth_count_is_explained(durable_database, odoo_shell, sql):
    machine = set_up(odoo_shell, [recorded.plan("hurco04", "hurco04")])["hurco04"]

    found = odoo_shell(
        recorded.ask(machine, QUESTION, PATH=str(recorded.DAYS["hurco04"]), KEYS=recorded.KEYS["hurco04"])
    )

    truth = recorded.TRUTH[NAME]
    completed, values = truth["state_counts"]["PROGRAM_COMPLETED"], truth["counter_values_in_order"]
    counts = int(values[-1]) - int(values[0])
    assert (completed, counts) == (9, 10)
    assert quantity(sql, machine) == completed
    good, _reject, _total, cycle, posted, *_others, difference = found["ledger"]
    assert (good, cycle, posted, difference) == (counts, completed, completed, completed - counts)
    assert found["difference"] == completed - counts, "the order shows that its counters differ"
    (aborted,) = rows(sql, COUNTS_WITHOUT_A_CYCLE.format(machine=machine["machine"]))
    assert (aborted["before"], aborted["after"], aborted["raw_value"]) == ("1068", "1069", "STOPPED")
    assert aborted["occurred_us"] - aborted["start_us"] == 5_625_000, "stopped at 16:37:55.109375, counted after that"
    assert _seconds(found["intervals"]) == truth["seconds_in_state_until_last_change"]
    assert_exactly_once(sql)


def _seconds(intervals):
    spent = {}
    for start, end, _state, word, *_others in intervals:
        if end:
            spent[word] = spent.get(word, 0) + end - start
    return {word: round(microseconds / 1e6, 3) for word, microseconds in spent.items()}
