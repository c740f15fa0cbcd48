"""What is left of the effect when those who post are killed inside a posting, or meet each other on the same stock?

The events are stored before, and due little by little: so something is being posted all the time, and the truth is known.
"""

import random
import time

import pytest

from tests.integration import processes
from tests.integration.plant import all_posted, assert_exactly_once, number, rows, wait

#: In the words of ``mrp_machine_poster``: the space of advisory locks by which a machine is posted.
LOCK_MACHINE = 0x6D6D

PLANT = """
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

began = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)
env["mrp.machine"].search([]).active = False
location = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id


def product(name):
    made = env["product.product"].create({"name": name, "is_storable": True})
    env["stock.quant"]._update_available_quantity(made, location, 1_000_000)
    return made


common = product("Common rivet")
result = []
for number in range(MACHINES):
    if number < WORKCENTERS:
        workcenter = env["mrp.workcenter"].create({"name": f"Fault {number}", "resource_calendar_id": False})
    bom = env["mrp.bom"].create(
        {
            "product_tmpl_id": product(f"Part {number}").product_tmpl_id.id,
            "operation_ids": [(0, 0, {"name": "Make", "workcenter_id": workcenter.id})],
            "bom_line_ids": [
                (0, 0, {"product_id": part.id, "product_qty": 2})
                for part in (*([common] if COMMON else []), product(f"Sheet {number}"))
            ],
        }
    )
    machine = env["mrp.machine"].create(
        {"name": f"Fault {number}", "code": f"fault-{number}", "workcenter_id": workcenter.id, "late_window": 0}
    )
    if ALARMS:
        machine.equipment_id = env["maintenance.equipment"].create({"name": machine.name})
    order = env["mrp.production"].create(
        {"product_id": bom.product_tmpl_id.product_variant_id.id, "bom_id": bom.id, "product_qty": 100_000}
    )
    order.action_confirm()
    order.action_assign()
    env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, datetime(2026, 3, 2))
    events, total = [], 0
    for made in range(EVENTS):
        moment, pieces = began + timedelta(seconds=made), made % 3 + 1
        data = {"kind": "good", "delta": pieces, "total_before": total, "total_after": total + pieces, "unit": "C62"}
        total += pieces
        events.append(Event("production.count", moment, moment, data))
        if state := STATES[number].get(made):
            events.append(Event("machine.state_changed", moment, moment, {"state": state, "previous": "idle"}))
        if ALARMS and made % 10 in (3, 8):
            kind = "alarm.raised" if made % 10 == 3 else "alarm.cleared"
            events.append(Event(kind, moment, moment, {"code": f"E{made // 10 % 3}", "level": "fault"}))
    batch = (machine, machine._stream("faults"), {}, machine.mapping_version, events)
    env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), [batch])
    result.append({"machine": machine.id, "production": order.id, "workorder": order.workorder_ids.id, "pieces": total})
env.flush_all()
# One after the other, so that somebody posts all the time.
env.cr.execute(
    '''UPDATE mrp_machine_queue SET not_before = (clock_timestamp() AT TIME ZONE 'UTC') + %s * interval '1 second'
          + event.occurred_us %% 1000000000 / 1000000 * interval '1 second' * %s
         FROM mrp_machine_event event WHERE event.id = event_id''',
    [START, SECONDS / EVENTS],
)
"""


def _plant(shell, machines, events, seconds, start=0, workcenters=None, states=None, common=True, alarms=False):
    """Make machines with an order each, and events that become due within so many seconds.

    :param int workcenters: the first so many machines have one of their own, the others are on the last one
    :param list states: for each machine, the state it enters at a second
    :param bool common: all orders take of one component, so that only one of them can be posted at a time
    :param bool alarms: every tenth second an alarm is raised, one of three, and cleared five seconds later
    """
    states = states or [{made: ["fault", "running"][made // 10 % 2] for made in range(5, events, 10)}] * machines
    settings = (machines, workcenters or machines, events, seconds, start, states, common, alarms)
    return shell(f"MACHINES, WORKCENTERS, EVENTS, SECONDS, START, STATES, COMMON, ALARMS = {settings!r}\n{PLANT}")


def _is_posting(sql):
    """Whether anybody holds the lock of a machine just now."""
    return number(
        sql,
        f"""SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {LOCK_MACHINE} AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    )


def _assert_books(sql, machines):
    """What is on the orders is what was said, components are taken for just that, and no minute is counted twice."""
    for machine in machines:
        pieces = machine["pieces"]
        assert rows(
            sql,
            f"""SELECT production.qty_producing AS produced, workorder.qty_produced AS on_step, ledger.posted
                  FROM mrp_production production JOIN mrp_workorder workorder ON workorder.production_id = production.id
                  JOIN mrp_machine_ledger ledger ON ledger.production_id = production.id
                 WHERE production.id = {machine["production"]}""",
        ) == [{"produced": pieces, "on_step": pieces, "posted": pieces}]
        taken = rows(sql, f"SELECT quantity FROM stock_move WHERE raw_material_production_id = {machine['production']}")
        assert [move["quantity"] for move in taken] == [2 * pieces] * 2
        overlaps = f"""SELECT one.id FROM mrp_workcenter_productivity one JOIN mrp_workcenter_productivity other
                          ON other.workorder_id = one.workorder_id AND other.id > one.id
                         AND other.date_start < one.date_end AND other.date_end > one.date_start
                       WHERE one.workorder_id = {machine["workorder"]}"""
        assert rows(sql, overlaps) == []
    assert_exactly_once(sql)


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.full)])
def test_workers_killed_inside_a_posting_lose_and_double_nothing(kills, odoo_shell, machine_worker, sql):
    assert sql("SHOW synchronous_commit") == "on"
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    machines = _plant(odoo_shell, machines=4, events=40 * kills, seconds=5.0 * kills, start=5, alarms=True)
    workers = [machine_worker(), machine_worker()]
    inside = 0
    while inside < kills:
        victim = workers[inside % 2]
        wait(lambda: _is_posting(sql), f"somebody posts (seed {seed})")
        time.sleep(chance.uniform(0.0, 0.06))
        was_posting = _is_posting(sql)
        victim.kill()
        processes.Program.start(victim)
        inside += bool(was_posting)
    sql("UPDATE mrp_machine_queue SET not_before = NULL")
    wait(lambda: all_posted(sql), f"all is posted (seed {seed})", seconds=300)
    print(
        f"{inside} kills inside a posting (seed {seed}): {sum(machine['pieces'] for machine in machines)} pieces right"
    )
    _assert_books(sql, machines)
    # The second, patient half of a pass may be what was killed: each alarm counts once all the same, and each fault has its
    # one open request.
    for machine in machines:
        told = rows(
            sql,
            f"""SELECT code, sum(occurrences) AS raised, count(*) FILTER (WHERE is_active) AS active
                  FROM mrp_machine_alarm WHERE machine_id = {machine["machine"]} GROUP BY code ORDER BY code""",
        )
        raised = [len(range(3 + 10 * number, 40 * kills, 30)) for number in range(3)]
        assert [(row["code"], row["raised"], row["active"]) for row in told] == [
            (f"E{number}", count, 0) for number, count in enumerate(raised)
        ]
        requests = f"SELECT machine_occurrences FROM maintenance_request WHERE machine_id = {machine['machine']}"
        assert sorted(row["machine_occurrences"] for row in rows(sql, requests)) == sorted(raised)
    assert all("Traceback" not in worker.output() for worker in workers)


def test_eight_posters_on_one_component_end_in_the_right_books(durable_database, odoo_shell, sql):
    """All orders take of one component: only one can be posted at a time, and the others come again."""
    from benchmarks.posters import Posters

    machines = _plant(odoo_shell, machines=8, events=60, seconds=0.0)
    component = int(sql("SELECT id FROM product_product ORDER BY id DESC OFFSET 16 LIMIT 1"))
    assert rows(sql, f"SELECT count(*) AS orders FROM stock_move WHERE product_id = {component}")[0]["orders"] >= 8
    posters = Posters(durable_database, 8)
    try:
        posters.post()
    finally:
        posters.close()
    _assert_books(sql, machines)
    quants = f"""SELECT sum(quant.reserved_quantity) AS reserved, sum(quant.quantity) AS here FROM stock_quant quant
                  JOIN stock_location location ON location.id = quant.location_id AND location.usage = 'internal'
                 WHERE quant.product_id = {component}"""
    pieces = sum(machine["pieces"] for machine in machines)
    assert rows(sql, quants) == [{"reserved": 2 * pieces, "here": 1_000_000}]


def test_posters_of_machines_on_one_work_center_count_its_time_once(durable_database, odoo_shell, sql):
    """None of them sees what another one is about to write: who comes second is refused, and looks again."""
    from benchmarks.posters import Posters

    chance, seconds = random.Random(20), 400
    states = []
    for _ in range(4):
        moments = sorted(chance.sample(range(1, seconds - 1), seconds // 5))
        said = {moment: chance.choice(["fault", "fault", "running"]) for moment in moments}
        states.append({0: "running", **said, seconds - 1: "off"})
    machines = _plant(odoo_shell, machines=4, events=seconds, seconds=0.0, workcenters=1, states=states, common=False)
    posters = Posters(durable_database, 4)
    try:
        posters.post()
    finally:
        posters.close()

    # Second by second, by hand: what each machine was, and what that makes of the work center.
    running, stopped = [0] * len(machines), 0
    now = [None] * len(machines)
    for second in range(seconds - 1):
        now = [said.get(second, before) for said, before in zip(states, now, strict=True)]
        running = [made + (state == "running") for made, state in zip(running, now, strict=True)]
        stopped += "running" not in now
    assert stopped > 50, "the work center as a whole has to stand still, too"
    counted = rows(
        sql,
        """SELECT line.workorder_id, kind.loss_type, round(sum(extract(epoch FROM line.date_end - line.date_start))) AS seconds
             FROM mrp_workcenter_productivity line JOIN mrp_workcenter_productivity_loss loss ON loss.id = line.loss_id
             JOIN mrp_workcenter_productivity_loss_type kind ON kind.id = loss.loss_id
             JOIN mrp_workcenter workcenter ON workcenter.id = line.workcenter_id AND workcenter.name = 'Fault 0'
            GROUP BY 1, 2""",
    )
    productive = {row["workorder_id"]: row["seconds"] for row in counted if row["loss_type"] == "productive"}
    assert [productive[machine["workorder"]] for machine in machines] == running
    assert sum(row["seconds"] for row in counted if row["loss_type"] != "productive") == stopped
    assert_exactly_once(sql)


def test_two_scheduled_posters_and_a_worker_share_the_machines(odoo_shell, start_odoo, machine_worker, sql):
    machines = _plant(odoo_shell, machines=6, events=200, seconds=10.0, start=8)
    odoo_shell('env.ref("mrp_machine_connect.ir_cron_post_2").active = True')
    server, worker = start_odoo(max_cron_threads=2), machine_worker()
    while not all_posted(sql):
        odoo_shell('env["mrp.machine.poster"]._wake()')
    _assert_books(sql, machines)
    for name in ("Machines: post events", "Machines: post events, second at the same time"):
        assert f"Job '{name}'" in server.output(), f"{name} never ran"
    assert "Traceback" not in server.output() + worker.output()


@pytest.mark.full
def test_a_hard_stop_of_the_database_inside_postings_loses_nothing(power_cut_cluster, programs):
    """PostgreSQL itself is stopped hard again and again, on a cluster of this test's own, while two workers post."""
    cluster, name = power_cut_cluster

    def sql(statement):
        return cluster.query(name, statement)

    machines = _plant(processes.OdooShell(cluster, name), machines=4, events=400, seconds=40.0, start=5)
    workers = [processes.MachineWorker(cluster, name) for _ in range(2)]
    programs += workers
    for worker in workers:
        worker.start()
    chance, cuts = random.Random(11), 0
    while cuts < 10:
        wait(lambda: _is_posting(sql), "somebody posts")
        time.sleep(chance.uniform(0.0, 0.05))
        cluster._pg_ctl("stop", "-m", "immediate")
        time.sleep(chance.uniform(0.0, 1.0))
        cluster.start()
        cuts += 1
    sql("UPDATE mrp_machine_queue SET not_before = NULL")
    wait(lambda: all_posted(sql), "all is posted", seconds=300)
    _assert_books(sql, machines)
    for worker in workers:
        worker.stop()
        assert "Traceback" not in worker.output()
