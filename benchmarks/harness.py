"""How is one way of doing things compared with another, so that the answer holds on any machine?

Both ways run in one go and take turns (A B A B …), after a round that does not count; medians and spread are printed,
and only their ratio is a figure to keep. CPU is that of the processes that do the work, with all their children::

    options = harness.arguments(argv, "poll")
    samples = harness.interleave({"plain": plain, "ours": ours}, rounds=options.rounds)
    assert answer_of_plain == answer_of_ours
    report = harness.Report("poll", options.json)
    report.rows(samples, per=1000, unit="poll")
    report.figure("cpu_ratio", harness.ratio(samples["ours"].cpu, samples["plain"].cpu), goal="<= 2")
    return report.close()
"""

import argparse
import contextlib
import dataclasses
import gc
import json
import os
import statistics
import time
import uuid

from devtools import odoo_process, postgres, template

ROUNDS = 5
TICKS = os.sysconf("SC_CLK_TCK")


def arguments(argv, name, **more):
    """Read the command line that all benchmarks share.

    :param dict more: further options, each with its default: ``devices=200`` becomes ``--devices``
    """
    parser = argparse.ArgumentParser(prog=f"./dev bench {name}")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each way runs (default: %(default)s)")
    for option, default in more.items():
        parser.add_argument(f"--{option.replace('_', '-')}", type=type(default), default=default)
    return parser.parse_args(argv)


# -- measuring --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Sample:
    """What several runs of one way took: seconds by the clock and CPU seconds, one value a run."""

    seconds: list = dataclasses.field(default_factory=list)
    cpu: list = dataclasses.field(default_factory=list)


def interleave(ways, rounds=ROUNDS, processes=(), before_each=None, warm_up=True):
    """Run ways in turns and return a :class:`Sample` for each.

    :param dict ways: name → function without arguments that does the whole work once
    :param processes: process ids whose CPU counts, each with all its children; without any, this process
    :param before_each: function that is given the name of the way and makes a clean start; not measured
    :param bool warm_up: run each way once before it counts
    """
    samples = {name: Sample() for name in ways}
    for number in range(-1 if warm_up else 0, rounds):
        for name, work in ways.items():
            if before_each:
                before_each(name)
            seconds, cpu = measure(work, processes)
            if number >= 0:
                samples[name].seconds.append(seconds)
                samples[name].cpu.append(cpu)
    return samples


def measure(work, processes=()):
    """Run something once and return its seconds and its CPU seconds; of other processes at least one tick of the kernel."""
    gc.collect()
    cpu = cpu_seconds(processes)
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return seconds, max(cpu_seconds(processes) - cpu, 1 / TICKS if processes else 0.0)


def cpu_seconds(processes=()):
    """CPU seconds used so far by processes and all their children, those that have ended included.

    :param processes: process ids; without any, this process alone, in finer steps than the kernel's ticks
    """
    if not processes:
        return time.process_time()
    return sum(map(_cpu_of_one, _with_children(processes)))


def postgres_process(cluster=postgres.DURABLE):
    """Process id of a PostgreSQL server of ours; each of its connections is a child of it."""
    return int((cluster.folder / "postmaster.pid").read_text().split()[0])


def _cpu_of_one(pid):
    """By proc(5): time of the process itself and of those of its children that it has waited for."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / TICKS if fields else 0.0


def _with_children(processes):
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(entry)):
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, open_ends = set(), list(processes)
    while open_ends:
        pid = open_ends.pop()
        if pid not in found:
            found.add(pid)
            open_ends += parents.get(pid, [])
    return found


def _stat(pid):
    """The fields of /proc/<pid>/stat after the program's name, which may hold blanks; None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def ratio(ours, plain):
    """Median of one way by the median of the other."""
    return statistics.median(ours) / statistics.median(plain)


def paired(ours, plain):
    """Median of what one way took by what the other took right before or after it.

    A machine that is shared is fast for a while and slow for a while: of two runs side by side it was the same machine.
    """
    return statistics.median(one / other for one, other in zip(ours, plain, strict=True))


def spread(values):
    """Half the distance from the lowest to the highest, as a share of the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


# -- reporting --------------------------------------------------------------------------------------------------------


class Report:
    """A table for people, and figures whose names stay the same over time.

    :param str name: of the benchmark
    :param bool as_json: end with one line of JSON
    """

    def __init__(self, name, as_json=False):
        self.name = name
        self.as_json = as_json
        self.figures = {}

    def rows(self, samples, per=1, unit="run"):
        """Print a table of what each way took.

        :param int per: how much of the unit one run did
        """
        print(f"\n{self.name}, a {unit}: {'ms':>22} {'±':>6} {'CPU ms':>12} {'±':>6} {'a second':>12}")
        for way, sample in samples.items():
            seconds, cpu = statistics.median(sample.seconds) / per, statistics.median(sample.cpu) / per
            print(
                f"  {way:<28} {seconds * 1000:>12.4g} {spread(sample.seconds):>6.0%}"
                f" {cpu * 1000:>12.4g} {spread(sample.cpu) if cpu else 0:>6.0%} {1 / seconds:>12,.0f}"
            )

    def figure(self, name, value, goal=""):
        """Keep a figure.

        :param str goal: what it should be, in words, for the person who reads
        """
        self.figures[name] = round(value, 4)
        print(f"  {name:<28} {value:>12.4g}{f'   goal: {goal}' if goal else ''}")

    def close(self):
        """End the report and return the exit code."""
        if self.as_json:
            print(json.dumps({"name": self.name, "figures": self.figures}))
        return 0


# -- databases --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def durable_database():
    """Name of a database with our addons as the code is now, on a server that waits for its disk."""
    cluster = postgres.DURABLE
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert cluster.query("postgres", f"SHOW {setting}") == "on", f"{setting} is off: figures would flatter"
    name = cluster.database(f"bench_{uuid.uuid4().hex[:8]}")
    cluster.clone(cluster.database(template.ours()), name)
    try:
        template.update(cluster, name, log=f"update-{name}")
        yield name
    finally:
        cluster.drop(name)


@contextlib.contextmanager
def odoo_environment(database, **context):
    """Odoo in this very process: an environment of the superuser, rolled back at the end.

    Connections are closed afterwards, so that the database can be dropped.
    """
    import odoo
    import odoo.modules.registry
    import odoo.sql_db

    configuration = odoo_process.configuration(postgres.DURABLE, f"bench-{database}", db_name=database)
    odoo.tools.config.parse_config(["-c", str(configuration), "--log-level=warn"], setup_logging=True)
    try:
        registry = odoo.modules.registry.Registry(database)
        with registry.cursor() as cursor:
            yield odoo.api.Environment(cursor, odoo.api.SUPERUSER_ID, context)
            cursor.rollback()
    finally:
        odoo.sql_db.close_db(database)
        configuration.unlink()
