"""Do two pollers share the machines? Never two at one device, nobody left out, and one takes over when the other dies.

The devices serve one client at a time and cut a second one at once, so that they know of every double poll.
"""

import re
import time
from datetime import datetime

from tests.integration.plant import (
    Devices,
    assert_exactly_once,
    complaints,
    counter_chain,
    press_plan,
    quantity,
    rows,
    set_up,
    wait,
)

CYCLE = 0.2
INTERVAL = 0.5
#: The lease and how often a worker looks for free endpoints, in seconds; of ``polling_host``.
LEASE, CLAIM = 30, 2


def test_workers_share_rebalance_and_take_over(durable_database, odoo_shell, machine_worker, start_program, sql):
    names = [f"press-{number}" for number in range(1, 8)]
    devices = Devices(start_program, [{"name": name, "cycle": CYCLE, "seed": n} for n, name in enumerate(names)])
    machines = set_up(
        odoo_shell,
        [
            # Seven orders that take the same component from the same place.
            press_plan(name, devices.ports[name], cycle=CYCLE, interval=INTERVAL, order=100_000)
            for name in names
        ],
    )
    first = machine_worker()
    wait(lambda: _holders(sql) == {first.pid: 7}, "the first worker polls all")
    second = machine_worker()
    wait(lambda: sorted(_holders(sql).values()) == [3, 4], "the second one has its fair part")
    assert _holders(sql).keys() == {first.pid, second.pid}
    before = {name: devices.truth(name)["reads"] for name in names}
    wait(lambda: all(devices.truth(name)["reads"] > before[name] + 3 for name in names), "all are polled on")

    third = machine_worker()
    wait(lambda: sorted(_holders(sql).values()) == [2, 2, 3], "a third one has its part")
    third.stop()
    wait(lambda: sorted(_holders(sql).values()) == [3, 4], "what it had is shared again")
    moved = {name: devices.truth(name) for name in names}
    assert {truth["connections_refused"] for truth in moved.values()} == {0}, "nobody ever called a second time"

    second.kill()
    killed = time.monotonic()
    wait(lambda: _holders(sql) == {first.pid: 7}, "the first one takes over", LEASE + 2 * CLAIM, every=0.05)
    taken_over = time.monotonic() - killed
    print(f"of a worker that was killed the other took over after {taken_over:.2f} s")

    truth = devices.stand_still(*names)
    wait(lambda: _all_counted(sql, machines, truth), "all is counted")
    for name, machine in machines.items():
        start, last, pieces = counter_chain(sql, machine["machine"])
        assert last == truth[name]["good_counter"]
        assert pieces == last - start
        assert truth[name]["connections_refused"] == 0, name
    assert_exactly_once(sql, machines.values())
    _assert_no_double_event(sql)
    first.stop()
    for worker in (first, third):
        assert complaints(worker.output()) == []
        assert "Traceback" not in worker.output()


def test_a_worker_on_another_host_waits_for_the_lease_of_one_that_was_killed(
    durable_database, odoo_shell, machine_worker, start_program, sql
):
    """On another host nobody can see that the process is gone: the lease must end first."""
    devices = Devices(start_program, [{"name": "press", "cycle": CYCLE}])
    machine = set_up(
        odoo_shell, [press_plan("press", devices.ports["press"], cycle=CYCLE, interval=INTERVAL, order=100_000)]
    )["press"]
    first = machine_worker()
    wait(lambda: sql("SELECT count(*) FROM mrp_machine_event WHERE type = 'production.count'") != "0", "it counts")
    first.kill()
    # As if that had been elsewhere, and twenty seconds ago.
    sql(
        """UPDATE mrp_machine_endpoint SET holder = 'elsewhere:worker:1@00000000',
                  lease_until = lease_until - interval '20 seconds' WHERE holder IS NOT NULL"""
    )
    sql(
        """UPDATE mrp_machine_worker SET name = 'elsewhere:worker:1@00000000',
                  last_seen = last_seen - interval '20 seconds' WHERE kind = 'worker'"""
    )
    left = float(
        sql(
            """SELECT extract(epoch FROM max(lease_until) - clock_timestamp() AT TIME ZONE 'UTC')
                 FROM mrp_machine_endpoint"""
        )
    )
    began = time.monotonic()
    second = machine_worker()
    reads = devices.truth("press")["reads"]
    wait(lambda: _holders(sql).get(second.pid) == 1, "the other one takes over", LEASE + 2 * CLAIM)
    taken_over = time.monotonic() - began
    print(f"the lease had {left:.1f} s to go, it was taken over after {taken_over:.1f} s")
    assert left - 1 <= taken_over <= max(left, seconds_to_start(second)) + 2 * CLAIM
    wait(lambda: devices.truth("press")["reads"] > reads, "it polls")

    truth = devices.stand_still("press")
    wait(lambda: _all_counted(sql, {"press": machine}, truth), "all is counted")
    wait(lambda: sql("SELECT count(*) FROM mrp_machine_queue") == "0", "all is posted")
    first_value, last, _pieces = counter_chain(sql, machine["machine"])
    assert quantity(sql, machine) == truth["press"]["good_counter"] - first_value == last - first_value
    assert truth["press"]["connections_refused"] == 0
    assert_exactly_once(sql, [machine])


def seconds_to_start(worker):
    """Return how long a worker took from its first to its last line before it began to poll."""
    times = [line[:23] for line in worker.output().splitlines() if re.match(r"\d{4}-", line)]
    polling = next(line[:23] for line in worker.output().splitlines() if "polling as" in line)
    return (
        datetime.fromisoformat(polling.replace(",", ".")) - datetime.fromisoformat(times[0].replace(",", "."))
    ).seconds + 2


def test_a_person_who_tests_a_connection_gets_the_only_line_and_the_worker_takes_it_back(
    durable_database, odoo_server, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": CYCLE}])
    machine = set_up(
        odoo_shell, [press_plan("press", devices.ports["press"], cycle=CYCLE, interval=INTERVAL, order=100_000)]
    )["press"]
    worker = machine_worker()
    for _time in range(3):
        reads = devices.truth("press")["reads"]
        wait(lambda before=reads: devices.truth("press")["reads"] > before + 2, "the worker polls")
        answer = odoo_server.call("mrp.machine.connection", "action_test", [machine["connection"]])
        assert answer["params"]["type"] == "success", answer
    reads = devices.truth("press")["reads"]
    wait(lambda: devices.truth("press")["reads"] > reads + 2, "the worker polls again")

    truth = devices.stand_still("press")
    wait(lambda: _all_counted(sql, {"press": machine}, truth), "all is counted")
    assert truth["press"]["connections_refused"] == 0
    first, last, _pieces = counter_chain(sql, machine["machine"])
    assert_exactly_once(sql, [machine])
    assert quantity(sql, machine) == last - first == truth["press"]["good_counter"] - first
    assert complaints(worker.output()) == []


def _holders(sql):
    """Return how many endpoints each process holds by a lease that runs, by its process id."""
    found = rows(
        sql,
        """SELECT holder, count(*) AS count FROM mrp_machine_endpoint
            WHERE lease_until > clock_timestamp() AT TIME ZONE 'UTC' GROUP BY holder""",
    )
    return {int(row["holder"].split("@")[0].rpartition(":")[2]): row["count"] for row in found}


def _all_counted(sql, machines, truth):
    for name, machine in machines.items():
        last = sql(
            f"SELECT memory->>'value' FROM mrp_machine_signal_value WHERE signal_id = {machine['signals']['Good']}"
        )
        if last != str(truth[name]["good_counter"]):
            return False
    return True


def _assert_no_double_event(sql):
    assert rows(sql, "SELECT stream, uid FROM mrp_machine_event GROUP BY stream, uid HAVING count(*) > 1") == []
    assert (
        rows(
            sql,
            """SELECT signal_id, data->>'total_after' FROM mrp_machine_event WHERE type = 'production.count'
                GROUP BY signal_id, data->>'total_after' HAVING count(*) > 1""",
        )
        == []
    )
