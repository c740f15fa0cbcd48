"""What does reading machines cost beside the bare library, and what does a dead machine cost the others?

One process and no database, but for the last figure. The devices run in processes of their own (``benchmarks/devices``),
so that the CPU that counts is only that of who reads.

- Modbus: one read of 50 registers over a line that stays open and ``convert_from_registers`` of 25 u32, against driver
  and mapping of the same 25 counters, all of which change at every poll, so that every poll makes 25 events.
- OPC UA: ``read_attributes`` of all nodes in one call, against the driver, which returns readings with quality and times.
- Dead devices: how long the living ones of 200 take for a cycle when 10 others take every call and never answer, all
  of them asked at every cycle, which is worse than it gets: the polling host asks those that are lost more rarely.
- The engine with storing: what the worker's host and PostgreSQL spend a poll until events and counters are stored.
"""

import asyncio
import logging
import os
import statistics
import time

from benchmarks import devices, harness
from machine_connect.counter import CounterDescriptor
from machine_connect.drivers.driver import SignalAddress
from machine_connect.drivers.modbus import ModbusDriver
from machine_connect.drivers.opcua import OpcUaDriver
from machine_connect.mapping import Interpreter, SignalMapping
from machine_connect.polling import PollEngine, PollJob

COUNTERS = 25
REGISTERS = 2 * COUNTERS
SIGNALS = tuple(SignalAddress(f"Counter {n}", f"holding:{2 * n}", {"data_type": "u32"}) for n in range(COUNTERS))

#: As many as the polling host has.
THREADS = 32


def main(argv=None):
    options = harness.arguments(
        argv,
        "poll",
        polls=500,
        nodes=1000,
        reads=20,
        devices=200,
        dead=10,
        latency=0.02,
        timeout=2.0,
        cycles=16,
        connections=20,
        seconds=8.0,
    )
    report = harness.Report("poll", options.json)
    modbus(report, options)
    opcua(report, options)
    dead_devices(report, options)
    engine(report, options)
    return report.close()


# -- Modbus -----------------------------------------------------------------------------------------------------------


class BareModbus:
    """The plain way: pymodbus with a line that stays open."""

    def __init__(self, port):
        from pymodbus.client import ModbusTcpClient

        self._client = ModbusTcpClient("127.0.0.1", port=port)
        assert self._client.connect()
        self.values = []

    def poll(self, times):
        client = self._client
        for _ in range(times):
            answer = client.read_holding_registers(0, count=REGISTERS, device_id=1)
            self.values = client.convert_from_registers(answer.registers, client.DATATYPE.UINT32)

    def close(self):
        self._client.close()


class OurModbus:
    """Our way: the driver, and the mapping of each reading with the memory of the one before."""

    def __init__(self, port):
        self._driver = ModbusDriver({"host": "127.0.0.1", "port": port})
        self._driver.open()
        self._signals = [[Interpreter(_counter(signal.name)).interpret, {}] for signal in SIGNALS]
        self.values, self.events, self.polls, self.made = [], [], 0, 0

    def poll(self, times):
        driver, signals, made = self._driver, self._signals, 0
        for _ in range(times):
            readings, events = driver.read(SIGNALS), []
            for signal, reading in zip(signals, readings, strict=True):
                interpret, memory = signal
                result = interpret(memory, reading)
                signal[1] = result.memory
                events += result.events
            made += len(events)
        self.values, self.events = [reading.value for reading in readings], events
        self.polls, self.made = self.polls + times, self.made + made

    def close(self):
        self._driver.close()


def modbus(report, options):
    """CPU of a poll of 25 counters that all change, ours by bare pymodbus."""
    with devices.running("modbus") as said:
        bare, ours = BareModbus(said["ports"][0]), OurModbus(said["ports"][0])
        ours.poll(1)

        def compare():
            bare.poll(1)
            ours.poll(1)
            # The device counts one piece at each read, whoever reads.
            assert ours.values == [value + 1 for value in bare.values], "the two ways read different values"
            assert [event.data["total_after"] for event in ours.events] == ours.values
            assert [event.data["delta"] for event in ours.events] == [2] * COUNTERS, "pieces were lost or invented"
            assert not any(event.held for event in ours.events)

        compare()
        samples = harness.interleave(
            {"bare pymodbus": lambda: bare.poll(options.polls), "ours": lambda: ours.poll(options.polls)},
            options.rounds,
        )
        compare()
        assert ours.made == COUNTERS * (ours.polls - 1), "a poll without its events"
        bare.close()
        ours.close()
    report.rows(samples, per=options.polls, unit=f"Modbus poll of {COUNTERS} counters")
    report.figure("modbus_cpu_ratio", harness.ratio(samples["ours"].cpu, samples["bare pymodbus"].cpu), "<= 2")


def _counter(name):
    # The device counts as fast as it is read, thousands of pieces a second.
    descriptor = CounterDescriptor("absolute", "u32", "unknown", max_rate=1e6, burst=1e6)
    return SignalMapping(name, "good", counter=descriptor)


# -- OPC UA -----------------------------------------------------------------------------------------------------------


class BareOpcUa:
    """The plain way: asyncua, all nodes in one call."""

    def __init__(self, said):
        from asyncua import Client, ua

        logging.getLogger("asyncua").setLevel(logging.ERROR)  # it warns that a server decides on its sessions' lives
        self._loop = asyncio.new_event_loop()
        self._client = Client(said["url"])
        self._loop.run_until_complete(self._client.connect())
        index = self._loop.run_until_complete(self._client.get_namespace_index(said["namespace"]))
        self._nodes = [self._client.get_node(ua.NodeId(f"Counter{n}", index)) for n in range(said["count"])]
        self.answers = []

    def read(self, times):
        self._loop.run_until_complete(self._read(times))

    async def _read(self, times):
        for _ in range(times):
            self.answers = await self._client.read_attributes(self._nodes)

    def close(self):
        self._loop.run_until_complete(self._client.disconnect())
        self._loop.close()


class OurOpcUa:
    """Our way: the driver."""

    def __init__(self, said):
        namespace = said["namespace"]
        self._signals = tuple(
            SignalAddress(f"Counter {n}", f"nsu={namespace};s=Counter{n}", {}) for n in range(said["count"])
        )
        self._driver = OpcUaDriver({"url": said["url"]})
        self._driver.open()
        self.readings = []

    def read(self, times):
        for _ in range(times):
            self.readings = self._driver.read(self._signals)

    def close(self):
        self._driver.close()


def opcua(report, options):
    """Values a second from a server of 1,000 nodes, ours by asyncua's batched read."""
    with devices.running("opcua", count=options.nodes) as said:
        bare, ours = BareOpcUa(said), OurOpcUa(said)
        samples = harness.interleave(
            {"bare asyncua": lambda: bare.read(options.reads), "ours": lambda: ours.read(options.reads)}, options.rounds
        )
        assert [reading.value for reading in ours.readings] == [answer.Value.Value for answer in bare.answers]
        assert [reading.at for reading in ours.readings] == [answer.SourceTimestamp for answer in bare.answers]
        assert all(reading.is_good for reading in ours.readings)
        bare.close()
        ours.close()
    report.rows(samples, per=options.reads * options.nodes, unit="OPC UA value")
    rate = harness.ratio(samples["bare asyncua"].seconds, samples["ours"].seconds)
    report.figure("opcua_rate_ratio", rate, ">= 0.9")


# -- dead devices -----------------------------------------------------------------------------------------------------


class Plant:
    """Devices that one engine polls in cycles, each of them at every cycle, the dead ones too.

    :param ports: of all devices
    :param int dead: how many of them never answer, the first ones
    :param float timeout: seconds that the driver waits for an answer
    """

    def __init__(self, ports, dead, timeout):
        self._engine = PollEngine(THREADS)
        self._jobs = [
            PollJob(port, "modbus", {"host": "127.0.0.1", "port": port, "timeout": timeout}, SIGNALS, 5 * timeout)
            for port in ports
        ]
        self._living = set(ports[dead:])
        self._counted = dict.fromkeys(self._living, 0)
        self._cycles = self._unanswered = 0

    def cycle(self):
        """Ask everybody, and return the seconds until the last living device has answered."""
        began = time.monotonic()
        waiting = {job.key for job in self._jobs if self._engine.submit(job)} & self._living
        assert waiting == self._living, "a living device was not done with the cycle before"
        while waiting:
            waiting -= self._answered()
        self._cycles += 1
        return time.monotonic() - began

    def rest_until(self, moment):
        """Go on taking answers until a moment, as a host does."""
        while (seconds := moment - time.monotonic()) > 0:
            self._answered(min(0.1, seconds))

    def _answered(self, seconds=0.1):
        answered = set()
        for outcome in self._engine.completed(seconds):
            good = bool(outcome.readings) and all(reading.is_good for reading in outcome.readings)
            assert good is (outcome.key in self._living), f"unexpected: {outcome}"
            if good:
                self._counted[outcome.key] += 1
                answered.add(outcome.key)
            else:
                self._unanswered += 1
        return answered

    def close(self):
        assert set(self._counted.values()) == {self._cycles}, "a living device missed its turn"
        self._engine.close()
        return self._unanswered


def dead_devices(report, options):
    """How long the living devices of a plant take, with dead ones among them by without."""
    with (
        devices.running("modbus", count=options.devices, latency=options.latency) as all_alive,
        devices.running("modbus", count=options.devices, silent=options.dead, latency=options.latency) as some_dead,
    ):
        plants = {
            "none dead": Plant(all_alive["ports"], 0, options.timeout),
            f"{options.dead} dead": Plant(some_dead["ports"], options.dead, options.timeout),
        }
        samples = {name: harness.Sample() for name in plants}
        for number in range(-1, options.cycles):
            for name, plant in plants.items():
                # Each plant has its cycle a second, as 200 connections of an interval of a second would have.
                ends = time.monotonic() + 1.0 / len(plants)
                cpu = time.process_time()
                seconds = plant.cycle()
                if number >= 0:  # in the first one all lines are opened
                    samples[name].seconds.append(seconds)
                    samples[name].cpu.append(time.process_time() - cpu)
                plant.rest_until(ends)
        unanswered = [plant.close() for plant in plants.values()]
        assert unanswered[0] == 0 and (unanswered[1] or not options.dead), "the dead were not asked"
    report.rows(samples, unit=f"cycle of the living of {options.devices} devices that take {options.latency:g} s each")
    none, some = samples.values()
    report.figure("dead_cycle_ratio", harness.ratio(some.seconds, none.seconds), "<= 1.1")


# -- with storing -----------------------------------------------------------------------------------------------------


def engine(report, options):
    """CPU of a poll that ends in the database, Odoo's and PostgreSQL's, by bare pymodbus."""
    with (
        devices.running("modbus", count=options.connections) as said,
        harness.durable_database() as database,
        harness.odoo_environment(database) as env,
    ):
        _make_machines(env, said["ports"])
        cpu, polls = _store_for(options.seconds, env.registry, options.connections)
        _check_stored(env)
        bare = BareModbus(said["ports"][0])
        samples = harness.interleave({"bare pymodbus": lambda: bare.poll(options.polls)}, options.rounds)
        bare.close()
    stored, plain = cpu / polls, statistics.median(samples["bare pymodbus"].cpu) / options.polls
    print(f"\npoll, {polls:.0f} stored: {stored * 1000:.3g} CPU ms each with PostgreSQL's, bare {plain * 1000:.3g}")
    report.figure("engine_cpu_ratio", stored / plain)


def _make_machines(env, ports):
    """Make one machine a device, with all its counters, polled by a worker four times a second."""
    env["mrp.machine.connection"].search([]).active = False  # those of the demo plant, which does not run here
    for number, port in enumerate(ports):
        machine = env["mrp.machine"].create(
            {"name": f"Bench {number}", "code": f"bench-{number}", "posting_mode": "observe"}
        )
        connection = env["mrp.machine.connection"].create(
            {
                "machine_id": machine.id,
                "protocol": "modbus",
                "host": "127.0.0.1",
                "port": port,
                "polled_by": "worker",
                "interval": 0.25,
            }
        )
        env["mrp.machine.signal"].create(
            [
                {
                    "machine_id": machine.id,
                    "connection_id": connection.id,
                    "name": signal.name,
                    "role": "good",
                    "address": signal.address,
                    "data_type": "u32",
                    "fastest_cycle": 0.001,
                }
                for signal in SIGNALS
            ]
        )
    env.cr.commit()


def _store_for(seconds, registry, connections):
    """Let the worker's host poll and store for some seconds.

    :return: CPU seconds, and how many polls they were for
    """
    from odoo.addons.mrp_machine_connect.polling_host import PollingHost

    host = PollingHost(registry, f"bench:worker:{os.getpid()}", "worker")
    deadline = time.monotonic() + 30
    while host.stored_events < COUNTERS * connections:  # until all lines are open and all counters have their baseline
        assert time.monotonic() < deadline, "the devices are not polled"
        host.tick()
    before, cpu = host.stored_events, _cpu_with_postgres()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        host.tick()
    result = _cpu_with_postgres() - cpu, (host.stored_events - before) / COUNTERS
    host.close()
    return result


def _cpu_with_postgres():
    # Not of this process with its children: those are the devices.
    return time.process_time() + harness.cpu_seconds([harness.postgres_process()])


def _check_stored(env):
    """See that no piece was lost or invented on the way into the database."""
    env.cr.rollback()  # what was read before is of an earlier snapshot
    env.cr.execute(
        """SELECT signal_id, sum((data->>'delta')::bigint), min((data->>'total_before')::bigint),
                  max((data->>'total_after')::bigint)
             FROM mrp_machine_event WHERE type = 'production.count' GROUP BY signal_id"""
    )
    rows = env.cr.fetchall()
    assert rows, "nothing was stored"
    for signal_id, counted, first, last in rows:
        assert counted == last - first, f"signal {signal_id}: {counted} pieces counted, {last - first} made"
