"""What is left of the count when processes are killed at random moments? Nothing is lost and nothing is doubled.

A press counts on while the worker, the Odoo server that posts as well, or both are ended as by a power cut and started
again. Once the first value is stored, the quantity of the order is the difference of the counter, whatever happened.
"""

import contextlib
import random
import threading
import time
import urllib.error
from collections import Counter

import pytest

from tests.integration import processes
from tests.integration.plant import (
    Devices,
    all_posted,
    assert_exactly_once,
    complaints,
    counter_chain,
    press_plan,
    quantity,
    set_up,
    wait,
)

CYCLE = 0.1


class Calls:
    """Somebody who has the Odoo server post again and again, so that it is killed while it does.

    :param server: :class:`tests.integration.processes.OdooServer`
    """

    def __init__(self, server):
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.made = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._over.set()
        self._thread.join(150)

    def _run(self):
        cron = None
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError, urllib.error.URLError, processes.RemoteError, ValueError):
                cron = cron or self._server.call("ir.model.data", "check_object_reference", *POST)[1]
                self._server.call("ir.cron", "method_direct_trigger", [cron])
                self.made += 1


POST = ("mrp_machine_connect", "ir_cron_post")


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.full)])
def test_no_piece_is_lost_or_doubled_by_kills_at_random_moments(
    kills, durable_database, odoo_shell, machine_worker, start_odoo, start_program, sql
):
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    assert sql("SHOW synchronous_commit") == "on"
    devices = Devices(start_program, [{"name": "press", "cycle": CYCLE, "reject_rate": 0.05}])
    machine = set_up(
        odoo_shell, [press_plan("press", devices.ports["press"], cycle=CYCLE, order=100_000, interval=0.5)]
    )["press"]
    server, worker = start_odoo(), machine_worker()
    baseline = wait(lambda: _memory(sql, machine), "the baseline is stored")
    logs_before = worker.output()
    assert "Traceback" not in logs_before
    victims = []

    with Calls(server) as calls:
        for _kill in range(kills):
            time.sleep(chance.uniform(0.2, 5.0))
            victim = chance.choice(["worker", "server", "both"])
            for program in {"worker": [worker], "server": [server], "both": [worker, server]}[victim]:
                program.kill()
                processes.Program.start(program)  # nobody waits until it is up: it may be killed before
            victims.append(victim)
        truth = devices.stand_still("press")["press"]
        wait(
            lambda: _memory(sql, machine) == truth["good_counter"] and all_posted(sql),
            f"all is counted and posted (seed {seed})",
        )

    # More than the last value of the counter must be right: one more poll of the same value adds nothing.
    reads = devices.truth("press")["reads"]
    wait(lambda: devices.truth("press")["reads"] >= reads + 3, "it is polled on")
    first, last, pieces = counter_chain(sql, machine["machine"])
    print(
        f"{kills} kills (seed {seed}): {Counter(sorted(victims))}, "
        f"{calls.made} passes of the server, counter {first} → {last}, order {quantity(sql, machine):g}"
    )
    assert baseline >= first
    assert last == truth["good_counter"]
    assert quantity(sql, machine) == pieces == truth["good_counter"] - first
    assert first >= truth["good_counter"] - truth["good"]
    assert_exactly_once(sql, [machine])
    assert truth["connections_refused"] == 0
    reject_first, reject_last, rejects = counter_chain(sql, machine["machine"], "reject")
    assert rejects == reject_last - reject_first == truth["reject_counter"] - reject_first


def _memory(sql, machine):
    """Return the counter's last value as it is stored, None before the first."""
    found = sql(f"SELECT memory->>'value' FROM mrp_machine_signal_value WHERE signal_id = {machine['signals']['Good']}")
    return int(found) if found else None


@pytest.mark.full
def test_no_piece_is_lost_or_doubled_by_power_cuts_of_the_database(power_cut_cluster, programs, start_program):
    """PostgreSQL itself is stopped hard, on a cluster of this test's own, while the worker runs on."""
    cluster, name = power_cut_cluster

    def sql(statement):
        return cluster.query(name, statement)

    devices = Devices(start_program, [{"name": "press", "cycle": CYCLE}])
    machine = set_up(
        processes.OdooShell(cluster, name),
        [press_plan("press", devices.ports["press"], cycle=CYCLE, order=100_000, interval=0.5)],
    )["press"]
    worker = processes.MachineWorker(cluster, name)
    programs.append(worker)
    worker.start()
    wait(lambda: _memory(sql, machine), "the baseline is stored")
    chance = random.Random(7)
    for _cut in range(10):
        time.sleep(chance.uniform(0.5, 4.0))
        cluster._pg_ctl("stop", "-m", "immediate")
        time.sleep(chance.uniform(0.0, 2.0))
        cluster.start()
    truth = devices.stand_still("press")["press"]
    wait(lambda: _memory(sql, machine) == truth["good_counter"] and all_posted(sql), "all is counted and posted")

    first, last, _pieces = counter_chain(sql, machine["machine"])
    assert quantity(sql, machine) == truth["good_counter"] - first == last - first
    assert_exactly_once(sql, [machine])
    worker.stop()
    log = worker.output()
    assert log.count("the database is away") >= 5
    assert "Traceback" not in log
    # Odoo itself logs the query during which the line broke.
    ours = [line for line in complaints(log) if "odoo.sql_db: bad query" not in line]
    assert [line for line in ours if "the database is away" not in line] == []
    print(f"10 power cuts: {log.count('the database is away')} times away, counter {first} → {last}")
