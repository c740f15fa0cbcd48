"""What does it cost that faults become requests, beside the call of Maintenance that cannot be saved?

Faults that each come several times, of one machine, on a PostgreSQL with its durable defaults, in transactions that are
committed, in the name of the same user; each way finds Odoo's caches empty, as a worker does.

- Maintenance: each request made by one ``create`` with the values that ours has.
- Ours: the poster's whole pass over the stored alarms: locks, occurrences, template, search, request, posting, and a row for
  each event and handler that says what became of it.

The cost is CPU, this process's and that of its PostgreSQL sessions.
"""

import gc
import time
from datetime import datetime, timedelta, timezone

from benchmarks import harness
from benchmarks.sessions import Sessions

BEGAN = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)
VALUES = (
    "name", "description", "company_id", "equipment_id", "maintenance_team_id", "maintenance_type", "request_date",
    "priority",
)  # fmt: skip


def measure(options):
    """Return a Sample of Maintenance alone and one of ours, in turns.

    :param options: ``faults`` a pass, each raised ``repeats`` times; ``rounds``
    """
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        scene = Scene(env, options.faults, options.repeats)
        samples = {"bare": harness.Sample(), "ours": harness.Sample()}
        for number in range(-1, options.rounds * 4):
            if not number:
                scene.sessions.look()
            for name in ("ours", "bare"):
                seconds, cpu = scene.run(name)
                if number >= 0:
                    samples[name].seconds.append(seconds)
                    samples[name].cpu.append(cpu)
        scene.compare(options.rounds * 4 + 1)
        return samples["bare"], samples["ours"]


class Scene:
    """A machine with its equipment."""

    def __init__(self, env, faults, repeats):
        self.env, self.registry = env, env.registry
        self.sessions = Sessions(self.registry)
        self.faults, self.repeats, self._told, self._values = faults, repeats, 0, []
        self._user = env.ref("mrp_machine_connect.user_machine_connect").id
        company = env.company
        team = env["maintenance.team"].create({"name": "Mechanics", "company_id": company.id})
        equipment = env["maintenance.equipment"].create(
            {"name": "Press", "company_id": company.id, "maintenance_team_id": team.id}
        )
        machine = env["mrp.machine"].create(
            {"name": "Press", "code": "bench-press", "late_window": 0, "equipment_id": equipment.id}
        )
        self._machine = machine.id
        env.cr.commit()

    def run(self, name):
        """Run one way once and return its seconds and its CPU seconds."""
        if name == "ours":
            self._receive()
        gc.collect()
        cpu, started = self._cpu(), time.perf_counter()
        getattr(self, name)()
        seconds = time.perf_counter() - started
        cpu = self._cpu() - cpu
        if name == "ours":
            self._remember()
        return seconds, cpu

    def _cpu(self):
        return time.process_time() + self.sessions.cpu_seconds()

    def ours(self):
        self.env["mrp.machine.poster"]._post_due(self.registry, 60)

    def bare(self):
        with self.registry.cursor() as cr:
            requests = self.env(cr=cr, user=self._user)["maintenance.request"]
            for values in self._values:
                requests.create(values)
            cr.commit()

    def _receive(self):
        from odoo.addons.mrp_machine_connect.machine_connect.event import Event

        self._told += 1
        began = BEGAN + timedelta(hours=self._told)
        events = [
            Event(
                "alarm.raised",
                began + timedelta(seconds=repeat * self.faults + fault),
                began,
                {"code": f"F{self._told}-{fault}", "text": "Jam", "severity": 700, "value": repeat},
            )
            for repeat in range(self.repeats)
            for fault in range(self.faults)
        ]
        with self.registry.cursor() as cr:
            env = self.env(cr=cr)
            machine = env["mrp.machine"].browse(self._machine)
            batch = (machine, machine._stream("bench"), {}, machine.mapping_version, events)
            assert len(env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), [batch])) == len(
                events
            )
            cr.commit()

    def _remember(self):
        """Keep what was made of the last alarms, for the other way to make the same."""
        with self.registry.cursor() as cr:
            requests = self.env(cr=cr)["maintenance.request"]
            made = requests.search([("machine_id", "=", self._machine)], limit=self.faults)
            self._values = [
                {key: value[0] if isinstance(value, tuple) else value for key, value in row.items() if key in VALUES}
                for row in made.read(VALUES)
            ]
            assert len(self._values) == self.faults

    def compare(self, passes):
        """See that each fault has one request with all of its occurrences, and that the other way made as many."""
        self.env.cr.rollback()
        requests = self.env["maintenance.request"]
        ours = requests.search([("machine_id", "=", self._machine)])
        assert len(ours) == passes * self.faults
        assert set(ours.mapped("machine_occurrences")) == {self.repeats}
        assert (
            requests.search_count([("machine_id", "=", False), ("name", "like", "Press: Jam")]) == passes * self.faults
        )
        rows = self.env["mrp.machine.event.posting"]
        posted = [("handler", "=", "maintenance_request"), ("state", "=", "posted")]
        assert rows.search_count(posted) == passes * self.faults * self.repeats
