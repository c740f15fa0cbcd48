"""Does each benchmark run, and do the two ways that it compares do the same? How long they take is nobody's test.

In a very short form; correctness is asserted within the benchmarks before they print a figure.
"""

import json
import random
import subprocess
import sys
from datetime import timedelta

import pytest

from benchmarks import devices
from devtools import bench, odoo_process, postgres
from devtools.environment import ROOT
from machine_connect.counter import CounterDescriptor
from machine_connect.evaluation import Evaluator
from machine_connect.mapping import Interpreter, SignalMapping
from machine_connect.reading import Reading
from tests.unit.mapping_feed import EVIDENCE, START

#: By benchmark: a short form, and the figures that it must give, by the names that stay the same over time.
SHORT = {
    "poll": (
        ["--polls=20", "--nodes=30", "--reads=2", "--devices=12", "--dead=2", "--timeout=0.3", "--cycles=3",
         "--connections=2", "--seconds=1.5"],
        {"modbus_cpu_ratio", "opcua_rate_ratio", "dead_cycle_ratio", "engine_cpu_ratio"},
    ),
    "count": (
        ["--pieces=10", "--postings=2"],
        {"folded_gain", "ratio_to_bare", "ratio_to_bare_no_operation"},
    ),
    "post": (
        ["--pieces=10", "--postings=1", "--machines=4", "--events=5", "--rate=10", "--seconds=2", "--old-events=100",
         "--old-moves=100"],
        {"folded_gain", "ratio_to_bare", "growth_ratio", "shadow_ratio", "shadow_ratio_beat", "lot_ratio_to_bare",
         "lot_ratio_to_bare_beat", "workers_gain", "workers_gain_shared", "latency_p95_s"},
    ),
    "maintenance": (
        ["--machines=10", "--readings=4000", "--faults=2", "--repeats=2", "--plant=3", "--alarms=60", "--flood-seconds=2",
         "--floods=1", "--rate=5"],
        {"condition_readings_per_second", "request_ratio_to_bare", "flood_p95_ratio"},
    ),
    "ingest": (
        ["--batches=4", "--batch=20", "--senders=2", "--rows=100", "--paced-seconds=0.5"],
        {"events_per_second", "cpu_ratio_to_copy", "growth_ratio", "p99_ms"},
    ),
}  # fmt: skip


def test_every_benchmark_has_a_short_form():
    assert set(bench.names()) == SHORT.keys()


@pytest.mark.parametrize("name", SHORT)
def test_a_benchmark_runs_and_ends_with_its_figures(name):
    arguments, figures = SHORT[name]
    program = f"import sys; from benchmarks import {name}; sys.exit({name}.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, "--json", "--rounds=1", *arguments],
        cwd=ROOT,
        env=odoo_process.variables(postgres.DURABLE),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["name"] == name
    assert told["figures"].keys() == figures
    assert all(figure > 0 for figure in told["figures"].values())
    assert "Traceback" not in done.stderr, done.stderr
    assert " WARNING " not in done.stderr and " ERROR " not in done.stderr, done.stderr


def test_devices_of_a_benchmark_end_with_it():
    with devices.running("modbus", count=2, silent=1) as said:
        assert len(said["ports"]) == 2
    with devices.running("modbus") as said:
        assert len(said["ports"]) == 1


@pytest.mark.parametrize("modulus", [None, "u16", "u32"])
@pytest.mark.parametrize("own_clock", [False, True])
def test_the_quick_way_to_count_says_what_the_general_one_says(modulus, own_clock):
    """The way by which a poll of 25 counters keeps within its limit is a short cut through the general one."""
    chance = random.Random(f"{modulus} {own_clock}")
    for _run in range(60):
        descriptor = CounterDescriptor(
            chance.choice(["absolute", "since_reset"]), modulus, "unknown", chance.choice([0.5, 20.0, 50_000.0]), 2.0
        )
        counting = Interpreter(SignalMapping("S", "good", counter=descriptor, interval=1.0))._evaluator
        memory, value, now, late = {}, chance.randrange(65_530), START, timedelta()
        for _reading in range(40):
            now += timedelta(seconds=chance.choice([0, 0.2, 1, 1, 5, 700]))
            late = chance.choice([late, late, timedelta(seconds=chance.choice([0, 3, -2, 2_000_000, -5_000]))])
            value = max(0, value + chance.choice([0, 1, 1, 1, 2, 30, 70_000, -3, -value]))
            shown = chance.choice([value, value, value, float(value), str(value), True])
            at = now - late if own_clock else now
            reading = Reading("S", shown, at, now, raw=chance.choice([EVIDENCE, {}]))

            quick, general = counting.interpret(memory, reading), Evaluator.interpret(counting, memory, reading)

            assert quick == general
            assert [event.rules for event in quick.events] == [event.rules for event in general.events]
            memory = quick.memory
