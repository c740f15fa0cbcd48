"""Eight senders, an order by chance, and everything fails that can fail: is each event there once, and none lost?

A fifth is sent once more, answers are cut after the commit, workers of Odoo are killed (-9), and a PostgreSQL that keeps what
it acknowledged is stopped as by a power cut. What was stored is proven by SQL.
"""

import contextlib
import json
import random
import time

import psutil
import pytest

from devtools import virtualenv
from tests.integration import processes
from tests.integration.plant import number, rows, wait
from tests.integration.prefork import PreforkServer
from tests.integration.storm import CuttingLine, pieces

SENDERS = 8
RESENDS = 0.2
CUTS = 0.1

SET_UP = """
import time
env["mrp.machine.arming"]._arm("A database made for a test.")
env["mrp.machine.connection"].search([]).active = False
senders = []
for index in range(4):
    workcenter = env["mrp.workcenter"].create({"name": f"Storm {index}"})
    machine = env["mrp.machine"].create({"name": f"Storm {index}", "code": f"storm-{index}", "workcenter_id": workcenter.id})
    source = env["mrp.machine.source"].create({"name": f"Storm {index}", "machine_ids": machine.ids})
    for lane in ("left", "right"):
        shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
        senders.append({
            "source": source.id, "machine": machine.code, "key": shown["default_key_name"],
            "secret": shown["default_secret"], "environment": shown["default_environment"],
            "database": shown["default_database_uuid"], "stream": f"storm/{index}/{lane}",
            "partner": f"storm/{index}/{'right' if lane == 'left' else 'left'}",
        })
result = senders
"""


class Storm:
    """What goes wrong while senders deliver, and how often it did."""

    def __init__(self, cluster, name, server, chance):
        self.cluster, self.name, self.server, self.chance = cluster, name, server, chance
        self.kills = self.power_cuts = self.restarts = 0

    def sql(self, statement):
        return self.cluster.query(self.name, statement)

    def kill_a_worker(self):
        """End one of Odoo's HTTP workers (-9), whatever it is doing."""
        if workers := self.server.workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                self.chance.choice(workers).kill()
                self.kills += 1

    def cut_the_power(self):
        """Stop PostgreSQL as a power cut would, and start it again a little later."""
        self.cluster._pg_ctl("stop", "-m", "immediate")
        time.sleep(self.chance.uniform(0.2, 1.5))
        self.cluster.start()
        self.power_cuts += 1

    def restart_if_it_ended(self):
        """Do what a service manager does: Odoo's prefork server ends when it wants a new worker while PostgreSQL is away."""
        if not self.server.running:
            processes.Program.start(self.server)
            self.restarts += 1

    def rage(self, is_over, events, power_cuts, pause, seconds):
        """Kill and cut until the senders are done; the power goes each time another part of the events is stored."""
        marks = [events * (part + 1) // (power_cuts + 2) for part in range(power_cuts)]
        deadline = time.monotonic() + seconds
        while not is_over():
            assert time.monotonic() < deadline, f"the senders are not done after {seconds} s"
            self.restart_if_it_ended()
            time.sleep(self.chance.uniform(0.0, 2 * pause))
            stored = int(self.sql("SELECT count(*) FROM mrp_machine_event WHERE stream LIKE 'storm/%'") or 0)
            if marks and stored >= marks[0]:
                marks.pop(0)
                self.cut_the_power()
            else:
                self.kill_a_worker()


@pytest.mark.parametrize(
    ("events", "batch", "power_cuts", "pause", "limit"),
    [(5_000, 200, 1, 1.0, 150), pytest.param(100_000, 250, 5, 4.0, 1_800, marks=pytest.mark.full)],
)
def test_each_event_is_stored_once_and_none_is_lost(
    events, batch, power_cuts, pause, limit, power_cut_cluster, programs, start_program
):
    cluster, name = power_cut_cluster
    seed = random.SystemRandom().randrange(10**6)
    senders = processes.OdooShell(cluster, name)(SET_UP)
    server = PreforkServer(cluster, name)
    programs.append(server)
    server.start()
    storm = Storm(cluster, name, server, random.Random(seed))
    began = time.monotonic()
    with CuttingLine(server.port, CUTS, seed) as line:
        shared = {"url": f"http://127.0.0.1:{line.port}", "events": events, "resends": RESENDS, "batch": batch}
        shared["moment"] = int(time.time() * 1e6)
        running = [
            start_program(
                f"sender-{index}",
                [
                    virtualenv.PYTHON,
                    "-m",
                    "tests.integration.storm",
                    json.dumps({**plan, **shared, "seed": seed + index}),
                ],
            )
            for index, plan in enumerate(senders)
        ]
        storm.rage(lambda: not any(sender.running for sender in running), events * SENDERS, power_cuts, pause, limit)
    seconds = time.monotonic() - began
    told = [_last_line(sender) for sender in running]
    print(
        f"{SENDERS} x {events} events in {seconds:.0f} s (seed {seed}): {storm.kills} workers killed, "
        f"{storm.power_cuts} power cuts, {storm.restarts} restarts, {line.cuts} answers cut of {line.cuts + line.passed}, "
        f"{sum(sender['batches'] for sender in told)} batches, {sum(sender['tries_again'] for sender in told)} tries again"
    )

    # It was a storm.
    assert storm.power_cuts == power_cuts
    assert storm.kills >= 3
    assert line.cuts >= 10
    # Every event was answered, and none was refused or doubted.
    sent = events + int(events * RESENDS)
    for sender in told:
        assert set(sender["statuses"]) <= {"accepted", "duplicate"}, sender
        assert sum(sender["statuses"].values()) == sent
        assert set(sender["reasons"]) <= {"", "gap_open"}, sender
    assert sum(sender["statuses"]["accepted"] for sender in told) <= events * SENDERS
    assert_each_once(storm.sql, senders, events)


def _last_line(sender):
    lines = sender.output().splitlines()
    assert lines and lines[-1].startswith("{"), sender.output()[-3000:]
    return json.loads(lines[-1])


def assert_each_once(sql, senders, events):
    """Prove by SQL: each event of each sender once, with its own content, none beside, and no gap left."""
    wait(lambda: sql("SELECT 1") == "1", "PostgreSQL answers")
    of_storm = "stream LIKE 'storm/%'"
    pieces_of_a_sender = sum(pieces(index) for index in range(1, events + 1))
    found = rows(
        sql,
        f"""SELECT stream, source_id, count(*) AS events, count(DISTINCT uid) AS ids, count(DISTINCT sequence) AS numbers,
                   min(sequence) AS first, max(sequence) AS last, sum((data->>'delta')::int) AS pieces,
                   bool_and(uid = stream || '#' || sequence) AS fits, bool_and(disposition = 'accepted') AS accepted
              FROM mrp_machine_event WHERE {of_storm} GROUP BY stream, source_id ORDER BY stream""",
    )
    assert found == [
        {
            "stream": sender["stream"],
            "source_id": sender["source"],
            "events": events,
            "ids": events,
            "numbers": events,
            "first": 1,
            "last": events,
            "pieces": pieces_of_a_sender,
            "fits": True,
            "accepted": True,
        }
        for sender in sorted(senders, key=lambda sender: sender["stream"])
    ]
    assert (
        rows(sql, f"SELECT stream, uid FROM mrp_machine_event WHERE {of_storm} GROUP BY 1, 2 HAVING count(*) > 1") == []
    )
    assert number(sql, "SELECT count(*) FROM mrp_machine_gap") > 0, "they came in any order"
    assert number(sql, "SELECT count(*) FROM mrp_machine_gap WHERE closed IS NULL OR missing <> '[]'") == 0
    marks = rows(sql, "SELECT lowest, sequence FROM mrp_machine_stream WHERE name LIKE 'storm/%'")
    assert marks == [{"lowest": 1, "sequence": events}] * len(senders)
    lost = """SELECT event.id FROM mrp_machine_event event
               WHERE NOT EXISTS (SELECT FROM mrp_machine_queue queue WHERE queue.event_id = event.id)
                 AND NOT EXISTS (SELECT FROM mrp_machine_event_posting effect WHERE effect.event_id = event.id)"""
    assert rows(sql, f"{lost} AND {of_storm} LIMIT 5") == [], "stored, and nobody will post it"
    assert rows(sql, "SELECT event_id FROM mrp_machine_queue GROUP BY event_id HAVING count(*) > 1 LIMIT 5") == []
