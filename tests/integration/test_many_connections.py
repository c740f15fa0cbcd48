"""Do dead machines cost the others anything? More than twenty connections on one worker, three of them dead.

The periods are those that the devices themselves saw, not those that the worker believes.
"""

import re
import statistics
import time

from tests.integration.plant import Devices, all_posted, complaints, press_plan, replay_plan, set_up

INTERVAL = 1.0
ALIVE = 20
#: Seconds during which three of them are dead; then two come back.
DEAD_FOR = 10
WARM_UP = 2


def test_three_dead_of_many_cost_the_others_nothing(durable_database, odoo_shell, machine_worker, start_program, sql):
    names = [f"press-{number}" for number in range(1, ALIVE + 1)]
    over_opcua = ("cnc-1", "cnc-2")
    devices = Devices(
        start_program,
        [
            *({"name": name, "cycle": 0.5, "seed": number} for number, name in enumerate(names)),
            *({"name": name, "kind": "replay", "speed": 60} for name in over_opcua),
            {"name": "off", "deaf": True},
            {"name": "mute", "clients": 0},
            {"name": "hole", "kind": "blackhole"},
        ],
    )
    devices.fault("mute", "blackhole")
    dead = ("off", "mute", "hole")
    plans = [
        press_plan(name, devices.ports[name], cycle=0.5, interval=INTERVAL, timeout=2.0) for name in (*names, *dead)
    ]
    plans += [replay_plan(name, devices.truth(name)["url"], speed=60, interval=INTERVAL) for name in over_opcua]
    machines = set_up(odoo_shell, plans)
    worker = machine_worker()
    worker.wait_until(lambda: devices.truth(names[-1])["reads"], "the last one is read")
    worker.wait_until(
        lambda: all(_status(sql, machines[name])["failures"] for name in dead), "the dead ones are noticed"
    )
    for name in over_opcua:
        devices.fault(name, "begin")
    time.sleep(WARM_UP)

    began = time.time()
    time.sleep(DEAD_FOR)
    ended = time.time()

    moments = {name: devices.truth(name)["reads_at"] for name in names}
    moments |= {name: [read[0] for read in devices.truth(name)["read_log"]] for name in over_opcua}
    periods = {name: _periods(seen, began, ended) for name, seen in moments.items()}
    means = [statistics.mean(gaps) for gaps in periods.values()]
    every = sorted(gap for gaps in periods.values() for gap in gaps)
    print(
        f"period of {len(periods)} devices beside 3 dead ones: mean {statistics.mean(means):.3f} s, "
        f"worst mean {max(means):.3f} s, 95 % below {every[int(len(every) * 0.95)]:.3f} s, longest {every[-1]:.3f} s"
    )
    assert max(means) <= 1.2 * INTERVAL
    assert every[int(len(every) * 0.95)] <= 1.2 * INTERVAL
    assert min(means) >= 0.95 * INTERVAL, "nor is anybody asked more often than wanted"

    # The pauses grow: 2, 4, 8, 16 seconds after 1, 2, 3, 4 failures.
    assert 2 <= _status(sql, machines["off"])["failures"] <= 6
    for name in dead:
        status = _status(sql, machines[name])
        assert status["failing"] and status["code"] and status["health"] == "failing"

    devices.fault("off", "listen")
    devices.fault("mute", "heal")
    worker.wait_until(
        lambda: not any(_status(sql, machines[name])["failing"] for name in ("off", "mute")), "two are back", 60
    )
    worker.stop()

    calls = devices.truth("hole")["calls_at"]
    attempts = _tries(calls)
    print(f"calls at the one that never answers: {[round(at - attempts[0], 1) for at in attempts]}")
    assert len(attempts) >= 3
    pauses = [later - earlier for earlier, later in zip(attempts, attempts[1:], strict=False)]
    assert all(later > earlier + 1 for earlier, later in zip(pauses, pauses[1:], strict=False)), pauses

    log = worker.output()
    for name in dead:
        named = re.escape(machines[name]["connection_name"])
        assert len(re.findall(f"machine connection {named} is lost", log)) == 1, name
        assert len(re.findall(f"machine connection {named} is back", log)) == (name != "hole"), name
    lost = re.findall("machine connection .* is lost", log)
    assert len(lost) == 3, lost
    assert "Traceback" not in log
    assert [line for line in complaints(log) if " is lost: " not in line] == []
    for name in over_opcua:
        assert (devices.truth(name)["write_attempts"], devices.truth(name)["connections"]) == (0, 0), name
    for name in names:
        truth = devices.truth(name)
        assert (truth["connections_taken"], truth["connections_refused"]) == (1, 0), name
        assert truth["write_attempts"] == 0
    assert all_posted(sql)


def _status(sql, machine):
    found = sql(
        f"""SELECT coalesce(hot.failures, 0), hot.failing_since IS NOT NULL, coalesce(hot.code, ''), status.health
              FROM mrp_machine_connection_status hot, mrp_machine_status status
             WHERE hot.connection_id = {machine["connection"]} AND status.machine_id = {machine["machine"]}"""
    )
    failures, failing, code, health = found.split("|")
    return {"failures": int(failures), "failing": failing == "t", "code": code, "health": health}


def _periods(moments, began, ended):
    seen = [moment for moment in moments if began <= moment <= ended]
    return [later - earlier for earlier, later in zip(seen, seen[1:], strict=False)]


def _tries(calls):
    """Return when each try began: the calls of one read, a question and its second chance, follow each other closely."""
    tries = []
    for at in calls:
        if not tries or at - tries[-1] > 3.5:
            tries.append(at)
    return tries
