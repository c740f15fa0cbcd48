"""Do pieces wait because alarms come in a flood? Part of ``maintenance``.

Many machines, each with an order and equipment, a worker that posts, pieces at a steady rate; for a minute without alarms and
for a minute with ten thousand of them, in turns.
"""

import statistics
from datetime import timedelta

from benchmarks import count, harness, latency
from benchmarks.post import Plant

#: Faults that each machine has, so often over and over.
FAULTS = 4
#: Seconds between two deliveries of the alarms.
EVERY = 1.0


def measure(options):
    """Return within how many seconds 95 of 100 pieces are on their order: ``(without a flood, with one)``.

    :param options: ``plant`` machines, ``alarms`` in ``flood_seconds``, pieces at ``rate`` a second, ``floods``
    """
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        scene = Scene(env, options.plant)
        quiet, flooded = [], []
        with latency.worker(database):
            for _turn in range(options.floods):
                quiet.append(latency.p95(database, scene.receive, options.rate, options.flood_seconds))
                flood = Flood(scene, options.alarms, options.flood_seconds)
                flooded.append(latency.p95(database, scene.receive, options.rate, options.flood_seconds, flood.go_on))
                flood.end()
                latency.wait_until_empty(database, 120)
        scene.compare(options.alarms * options.floods)
        return statistics.median(quiet), statistics.median(flooded)


class Scene:
    """Machines with equipment, each with an order of its own."""

    def __init__(self, env, machines):
        self.env, self.told = env, 0
        self.plant = Plant(env, "flood", machines, shared=False)
        team = env["maintenance.team"].create({"name": "Mechanics", "company_id": env.company.id})
        for machine in env["mrp.machine"].browse(self.plant.machines):
            machine.equipment_id = env["maintenance.equipment"].create(
                {"name": machine.name, "company_id": env.company.id, "maintenance_team_id": team.id}
            )
        env.cr.commit()
        self.plant.receive(env.registry, 1)  # each order has begun
        self._turn = 0

    def receive(self):
        """Store one piece of the next machine."""
        self._turn += 1
        machine = self.plant.machines[self._turn % len(self.plant.machines)]
        return self.plant.receive(self.env.registry, 1, [machine])

    def raise_alarms(self, each):
        """Store so many alarms of each machine."""
        from odoo import SUPERUSER_ID, api
        from odoo.addons.mrp_machine_connect.machine_connect.event import Event

        events = []
        for number in range(self.told, self.told + each):
            moment = count.BEGAN + timedelta(seconds=number)
            data = {"code": f"F{number % FAULTS}", "text": "Jam", "severity": 700, "value": number}
            events.append(Event("alarm.raised", moment, moment, data))
        self.told += each
        with self.env.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            machines = env["mrp.machine"].browse(self.plant.machines)
            batches = [
                (machine, machine._stream("alarms"), {}, machine.mapping_version, events) for machine in machines
            ]
            env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), batches)

    def compare(self, alarms):
        """See that there is one request for each fault, and that no alarm was lost."""
        self.env.cr.rollback()
        machines = self.env["mrp.machine"].browse(self.plant.machines)
        requests = self.env["maintenance.request"].search([("machine_id", "in", machines.ids)])
        assert len(requests) == FAULTS * len(machines), f"{len(requests)} requests"
        occurrences = self.env["mrp.machine.alarm"].search([("machine_id", "in", machines.ids)])
        told = self.told * len(machines)
        assert told >= alarms
        assert sum(requests.mapped("machine_occurrences")) == told, "a request has not counted all"
        assert sum(occurrences.mapped("occurrences")) == told, "an alarm was lost"


class Flood:
    """Alarms that arrive evenly within a time."""

    def __init__(self, scene, alarms, seconds):
        self._scene, self._seconds = scene, seconds
        self._each, self._sent = -(-alarms // len(scene.plant.machines)), 0

    def go_on(self, passed):
        """Deliver what is due by now."""
        if passed - self._sent * self._seconds / self._each < EVERY:
            return
        self._deliver(int(self._each * passed / self._seconds))

    def end(self):
        """Deliver what is left."""
        self._deliver(self._each)

    def _deliver(self, due):
        if due > self._sent:
            self._scene.raise_alarms(due - self._sent)
            self._sent = due
