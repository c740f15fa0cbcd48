"""Is Odoo alone enough? Its scheduled action polls once a minute, whatever dead machines do, and posting follows.

No test waits for the minute: it moves the hour at which a connection is due, and tells the scheduler that there is work
as Odoo itself does.
"""

import re
import threading
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

#: Seconds that a pass may take, and what Odoo needs around it.
BUDGET, AROUND = 8.0, 0.5


def _due(sql, seconds):
    """Let so many seconds pass for the connections."""
    sql(
        f"""UPDATE mrp_machine_connection_status SET next_poll = next_poll - interval '{seconds} seconds',
                   last_try = last_try - interval '{seconds} seconds', last_ok = last_ok - interval '{seconds} seconds'"""
    )


def _durations(log):
    """Return how long each pass of the polling action took by Odoo's own log."""
    return [float(found) for found in re.findall(r"Job 'Machines: poll' \(\d+\) fully done .*duration ([\d.]+)s", log)]


def _is_idle(log):
    return len(re.findall(r"Job 'Machines: poll' \(\d+\) starting", log)) == len(_durations(log))


def test_the_scheduled_action_polls_each_minute_beside_dead_machines(
    durable_database, odoo_shell, start_odoo, start_program, sql
):
    devices = Devices(
        start_program, [{"name": "press", "cycle": 0.5}, {"name": "off", "deaf": True}, {"name": "mute", "clients": 0}]
    )
    devices.fault("mute", "blackhole")
    machines = set_up(
        odoo_shell,
        [
            press_plan(name, devices.ports[name], cycle=0.5, order=order, polled_by="cron", interval=60.0)
            for name, order in (("press", 100_000), ("off", 0), ("mute", 0))
        ],
    )
    # Only what is ours shall run, so that its times are its own.
    sql("UPDATE ir_cron SET nextcall = clock_timestamp() AT TIME ZONE 'UTC' + interval '1 hour'")
    server = start_odoo(max_cron_threads=1)
    began = time.time()
    passes = 4

    def one_pass():
        # The scheduler may run an action twice for one call: what is due next must not be so before the second time, which
        # finds nothing to do.
        before = len(_durations(server.output()))
        run_cron(sql, durable_database, "ir_cron_poll")
        server.wait_until(
            lambda: len(_durations(server.output())) > before and _is_idle(server.output()), "a pass ended"
        )
        while (ended := len(_durations(server.output()))) > before:
            before = ended
            time.sleep(2)
            server.wait_until(lambda: _is_idle(server.output()), "the second pass for the same call ended")

    for count in range(1, passes + 1):
        one_pass()
        assert devices.truth("press")["reads"] == count, "one read a pass"
        # A pass that comes a little early still finds it due, else every second minute would be left out.
        _due(sql, 57)
    _due(sql, -40)
    one_pass()
    truth = devices.truth("press")
    assert truth["reads"] == passes, "one that comes much too early finds nothing to do"

    machine = machines["press"]
    server.wait_until(lambda: all_posted(sql), "the poster was called", 30)
    first, last, pieces = counter_chain(sql, machine["machine"])
    assert quantity(sql, machine) == pieces == last - first > 0
    assert_exactly_once(sql, [machine])
    assert truth["connections_refused"] == 0

    durations = _durations(server.output())
    print(f"passes beside a refused and a silent machine took {durations} s; all in {time.time() - began:.0f} s")
    assert max(durations) <= BUDGET + AROUND
    for name, code in (("off", "connection_refused"), ("mute", "no_answer")):
        status = rows(
            sql, f"SELECT * FROM mrp_machine_connection_status WHERE connection_id = {machines[name]['connection']}"
        )[0]
        assert (status["code"], status["failures"] >= passes, status["last_ok"]) == (code, True, None)
    crons = rows(
        sql,
        """SELECT cron_name, active, failure_count FROM ir_cron JOIN ir_model_data ON res_id = ir_cron.id
            WHERE model = 'ir.cron' AND module = 'mrp_machine_connect'""",
    )
    assert {cron["failure_count"] for cron in crons} == {0}
    assert [cron["cron_name"] for cron in crons if not cron["active"]] == [
        "Machines: post events, second at the same time"
    ]
    log = server.output()
    assert "Traceback" not in log
    assert [line for line in complaints(log) if " is lost: " not in line] == []


def test_two_passes_at_the_same_moment_poll_each_machine_once(
    durable_database, odoo_shell, start_odoo, start_program, sql
):
    names = [f"press-{count}" for count in range(1, 7)]
    devices = Devices(start_program, [{"name": name, "cycle": 0.2, "seed": n} for n, name in enumerate(names)])
    machines = set_up(
        odoo_shell,
        [
            press_plan(name, devices.ports[name], cycle=0.2, order=100_000, polled_by="cron", interval=60.0)
            for name in names
        ],
    )
    servers = [start_odoo(), start_odoo()]
    model = servers[0].call("ir.model", "search", [["model", "=", "mrp.machine.poller"]])[0]
    action = servers[0].call(
        "ir.actions.server",
        "create",
        {"name": "Pass", "model_id": model, "state": "code", "code": "model._cron_poll()"},
    )
    for server in servers:
        server.log_in()

    rounds, errors = 4, []
    for count in range(1, rounds + 1):
        together = threading.Barrier(len(servers))

        def one_pass(server, together=together):
            together.wait()
            try:
                server.call("ir.actions.server", "run", [action])
            except Exception as error:  # of any kind: it is the finding
                errors.append(error)

        threads = [threading.Thread(target=one_pass, args=(server,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert [devices.truth(name)["reads"] for name in names] == [count] * len(names)
        _due(sql, 60)

    post = servers[0].call("ir.model.data", "check_object_reference", "mrp_machine_connect", "ir_cron_post")[1]
    for server in servers:
        server.call("ir.cron", "method_direct_trigger", [post])
    wait(lambda: all_posted(sql), "all is posted")
    for name, machine in machines.items():
        first, last, pieces = counter_chain(sql, machine["machine"])
        assert quantity(sql, machine) == pieces == last - first
        assert devices.truth(name)["connections_refused"] == 0, "never two clients at a time"
    assert_exactly_once(sql, machines.values())
    stored = number(sql, "SELECT count(*) FROM mrp_machine_event WHERE type = 'production.count'")
    print(f"{rounds} times two passes at once on {len(names)} machines: {stored:g} counts")
    for server in servers:
        assert "Traceback" not in server.output()
        assert complaints(server.output()) == []
