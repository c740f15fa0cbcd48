"""Do two pollers share the machines? Never two at one device, nobody left out, and one takes over when the other dies.

The devices serve one client at a time and cut a second one at once, so that they know of every double poll.
"""

import time

from tests.integration.plant import (
    Devices,
    all_posted,
    assert_exactly_once,
    complaints,
    counter_chain,
    number,
    press_plan,
    quantity,
    rows,
    run_cron,
    set_up,
    wait,
)

CYCLE = 0.2
INTERVAL = 0.5
#: The lease and how often a worker looks for free endpoints, in seconds; of ``polling_host``.
LEASE, CLAIM = 30, 2
#: Three endpoints shared by two hosts.
BOTH = ([("north", 1), ("south", 2)], [("north", 2), ("south", 1)])


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


def test_two_hosts_and_the_scheduled_action_share_the_machines_and_one_host_is_lost(
    durable_database, odoo_shell, start_odoo, machine_worker, start_program, sql
):
    """On another host nobody can see that a process is gone: its leases must end first, and its name may be anybody's."""
    names = [f"press-{number}" for number in range(1, 5)]
    devices = Devices(start_program, [{"name": name, "cycle": CYCLE, "seed": n} for n, name in enumerate(names)])
    machines = set_up(
        odoo_shell,
        [press_plan(name, devices.ports[name], cycle=CYCLE, interval=INTERVAL, order=100_000) for name in names[:3]]
        + [
            press_plan("press-4", devices.ports["press-4"], cycle=CYCLE, order=100_000, polled_by="cron", interval=60.0)
        ],
    )
    sql("UPDATE ir_cron SET nextcall = clock_timestamp() AT TIME ZONE 'UTC' + interval '1 hour'")
    start_odoo(max_cron_threads=1)
    north = machine_worker(host="north")
    wait(lambda: _hosts(sql) == {"north": 3}, "the first host polls all that workers are to poll")
    south = machine_worker(host="south")
    wait(lambda: sorted(_hosts(sql).items()) in BOTH, "the second host has its part")
    run_cron(sql, durable_database, "ir_cron_poll")
    wait(lambda: devices.truth("press-4")["reads"] == 1, "the scheduled action polls what is its own")
    before = {name: devices.truth(name)["reads"] for name in names[:3]}
    wait(lambda: all(devices.truth(name)["reads"] > before[name] + 5 for name in before), "all are polled on")
    assert sorted(_hosts(sql).items()) in BOTH

    killed = time.monotonic()
    north.kill()
    left = number(
        sql,
        """SELECT extract(epoch FROM max(lease_until) - clock_timestamp() AT TIME ZONE 'UTC')
             FROM mrp_machine_endpoint WHERE holder LIKE 'north:%'""",
    )
    wait(lambda: _hosts(sql) == {"south": 3}, "the other host takes over", LEASE + 2 * CLAIM, every=0.05)
    taken_over = time.monotonic() - killed
    print(f"the lost host's leases had {left:.1f} s to go, they were taken over after {taken_over:.1f} s")
    assert left - 1 <= taken_over <= left + 2 * CLAIM
    back = machine_worker(host="north")
    wait(lambda: sorted(_hosts(sql).items()) in BOTH, "the host that was lost is back and has its part")

    truth = devices.stand_still(*names)
    sql(
        f"""UPDATE mrp_machine_connection_status SET next_poll = next_poll - interval '1 minute',
                   last_try = last_try - interval '1 minute'
             WHERE connection_id = {machines["press-4"]["connection"]}"""
    )
    run_cron(sql, durable_database, "ir_cron_poll")
    wait(lambda: _all_counted(sql, machines, truth), "all is counted")
    wait(lambda: all_posted(sql), "all is posted")
    for name, machine in machines.items():
        first, last, pieces = counter_chain(sql, machine["machine"])
        assert quantity(sql, machine) == pieces == last - first == truth[name]["good_counter"] - first > 0, name
        assert truth[name]["connections_refused"] == 0, name
    assert truth["press-4"]["reads"] <= 2
    assert_exactly_once(sql, machines.values())
    _assert_no_double_event(sql)
    for worker in (north, south, back):
        assert "Traceback" not in worker.output()


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


def _hosts(sql):
    """Return how many endpoints the workers of each host hold by a lease that runs."""
    found = rows(
        sql,
        """SELECT split_part(holder, ':', 1) AS host, count(*) AS count FROM mrp_machine_endpoint
            WHERE lease_until > clock_timestamp() AT TIME ZONE 'UTC' AND holder LIKE '%:worker:%' GROUP BY 1""",
    )
    return {row["host"]: row["count"] for row in found}


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
