"""What becomes of the time between a backup and its restore? It comes back from whoever still knows it, or a gap says so."""

from devtools import postgres
from tests.integration import processes
from tests.integration.plant import (
    Devices,
    all_posted,
    assert_exactly_once,
    number,
    press_plan,
    quantity,
    rows,
    set_up,
    wait,
)
from tests.integration.test_door import SET_UP, Door

CYCLE = 0.1


def test_after_a_restore_counters_and_senders_catch_up_and_what_nobody_holds_is_a_gap(
    durable_database, odoo_shell, start_program, machine_worker, odoo_server, programs, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": CYCLE}])
    facts = odoo_shell(SET_UP)
    plan = press_plan("press", devices.ports["press"], cycle=CYCLE, interval=0.5, order=100_000)
    machine = set_up(odoo_shell, [plan])["press"]
    # One that keeps its events until a restore is past, and one that forgets what was accepted.
    odoo_shell(
        f"""env["mrp.machine"].browse({facts["machine"]}).active = True
env["mrp.machine.arming"]._arm("The plant of a test.")"""
    )
    door = Door(odoo_server, facts)
    worker = machine_worker()
    wait(lambda: quantity(sql, machine) > 5, "the press is counted")
    kept = [door.said(index, "line/keeps") for index in range(1, 101)]
    forgotten = [door.said(index, "line/forgets", id=f"forgotten {index}") for index in range(1, 101)]
    door.client().deliver(kept[:40])
    door.client().deliver(forgotten[:40])

    backup = f"{durable_database}_backup"
    _copy(durable_database, backup, [worker, odoo_server])
    try:
        worker.start()
        odoo_server.start()
        door.client().deliver(kept[40:80])
        door.client().deliver(forgotten[40:80])
        before = quantity(sql, machine)
        wait(lambda: quantity(sql, machine) > before + 20, "it is counted on after the backup")
        lost = quantity(sql, machine)
        worker.stop()
        odoo_server.stop()

        # The disk is gone, and the backup is brought back.
        def restored(statement):
            return postgres.DURABLE.query(backup, statement)

        assert quantity(restored, machine) < lost
        server = processes.OdooServer(postgres.DURABLE, backup)
        worker = processes.MachineWorker(postgres.DURABLE, backup)
        programs += [server, worker]
        worker.start()
        server.start()
        worker.wait_until(lambda: "nothing is armed" in worker.output(), "what was restored talks to nobody")
        wizard = server.call("mrp.machine.arm", "create", {"reason": "Restored from the backup"})
        server.call("mrp.machine.arm", "action_arm", [wizard])

        door = Door(server, facts)
        # The answer says up to where Odoo has all: whoever holds what comes after sends it again.
        answer = door.client().deliver([kept[80]])
        reached = answer.watermarks[0]["sequence"]
        assert reached == 40
        door.client().deliver(kept[reached:])
        door.client().deliver(forgotten[80:])

        truth = devices.stand_still("press")["press"]
        last = f"SELECT memory->>'value' FROM mrp_machine_signal_value WHERE signal_id = {machine['signals']['Good']}"
        wait(lambda: int(restored(last) or 0) == truth["good_counter"], "the press has caught up")
        wait(lambda: all_posted(restored), "all is posted")
        counts = rows(
            restored,
            f"""SELECT min((data->>'total_before')::bigint) AS first, max((data->>'total_after')::bigint) AS last,
                       sum((data->>'delta')::int) AS pieces FROM mrp_machine_event
                 WHERE machine_id = {machine["machine"]} AND type = 'production.count' AND data->>'kind' = 'good'""",
        )[0]
        assert counts["last"] == truth["good_counter"]
        assert counts["pieces"] == counts["last"] - counts["first"]
        assert quantity(restored, machine) == counts["pieces"] > lost

        stored = "SELECT count(*) FROM mrp_machine_event WHERE stream = 'line/{}'"
        assert number(restored, stored.format("keeps")) == 100
        assert number(restored, stored.format("forgets")) == 60
        gaps = """SELECT stream.name, gap.first, gap.last, gap.missing FROM mrp_machine_gap gap
                    JOIN mrp_machine_stream stream ON stream.id = gap.stream_id WHERE gap.closed IS NULL"""
        assert rows(restored, gaps) == [{"name": "line/forgets", "first": 41, "last": 80, "missing": [[41, 80]]}]
        assert_exactly_once(restored, incomplete="line/forgets")
    finally:
        for program in programs:
            program.close()
        postgres.DURABLE.drop(backup)


def _copy(source, target, users):
    """Make a backup of a database, as PostgreSQL does: nobody may use it for that moment."""
    for program in users:
        program.stop()
    postgres.DURABLE.clone(source, target)
