"""What does it cost to take events in at the door, beside PostgreSQL's own COPY of the same rows?

A real Odoo server, one process with threads, on a PostgreSQL with its durable defaults; senders in processes of their own
post signed batches over HTTP, each batch in a transaction of its own that is committed before it is answered.

- COPY: the rows that our way has just stored, batch by batch and each batch committed, into a table with the same columns,
  indexes and foreign keys.
- Ours: signature, nonce, envelope, rights, identity, gaps, the log, the queue for the poster, an answer for each event.

The cost is CPU: for COPY of PostgreSQL and this process, for ours of PostgreSQL and Odoo; senders count for nobody. Then the
same with many rows in the log already, and the time of an answer at half of the rate that was reached.
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import time
import urllib.request

import psycopg2

from benchmarks import harness, senders
from devtools import environment, odoo_process, postgres

SET_UP = """
machines = env["mrp.machine"]
workcenter = env["mrp.workcenter"].search([], limit=1)
for number in range(12):
    machines += machines.create({"name": f"Bench {number}", "code": f"bench-{number}", "workcenter_id": workcenter.id})
source = env["mrp.machine.source"].create({"name": "Bench", "machine_ids": machines.ids})
shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
env["mrp.machine.connection"].search([]).active = False
import json
print("FACTS" + json.dumps({
    "machines": machines.mapped("code"), "source": source.id, "key": shown["default_key_name"],
    "secret": shown["default_secret"], "environment": shown["default_environment"],
    "uuid": shown["default_database_uuid"],
}))
env.cr.commit()
"""
#: Columns of the log that COPY brings: all but the id, which the database gives.
COLUMNS = """source_id, stream, uid, epoch, sequence, type, type_version, machine_id, company_id, signal_id, occurred, recorded,
    received, occurred_us, recorded_us, received_us, data, quality, status, mapping_version, attributes, rules, correlation,
    user_id, disposition, reason, digest"""
#: What is measured, as it is shown; of the door also whose CPU it is, and beside it what the senders need on this machine.
NAMES = {
    "copy": "COPY, batch by batch",
    "ours": "the door",
    "odoo": "  of it Odoo",
    "postgresql": "  of it PostgreSQL",
    "senders": "  beside it the senders",
}


def main(argv=None):
    """Run the benchmark and return its exit code."""
    options = harness.arguments(argv, "ingest", batches=200, batch=500, senders=3, rows=5_000_000, paced_seconds=10.0)
    report = harness.Report("ingest", options.json)
    with harness.durable_database() as database, Door(database, options) as door:
        door.assert_right()
        samples = door.measure(options.rounds)
        events = door.events
        report.rows({NAMES[way]: sample for way, sample in samples.items()}, per=events, unit="event")
        empty = samples["ours"]
        p99 = door.answer_times(statistics.median(empty.seconds), options.paced_seconds)
        door.fill(options.rows)
        full = door.measure(options.rounds, with_copy=False)
        report.rows({f"{NAMES[way]}, log full": sample for way, sample in full.items()}, per=events, unit="event")
    report.figure("events_per_second", events / statistics.median(empty.seconds), ">= 20,000")
    report.figure("cpu_ratio_to_copy", harness.paired(empty.cpu, samples["copy"].cpu), "<= 2")
    report.figure("growth_ratio", harness.ratio(full["ours"].cpu, empty.cpu), "<= 1.2")
    report.figure("p99_ms", p99 * 1000, "<= 250")
    return report.close()


class Door:
    """A server, its senders and a table for COPY.

    :param str database: with our addons
    :param options: of the command line
    """

    def __init__(self, database, options):
        self._database, self._options = database, options
        self._cluster = postgres.DURABLE
        self._batches = max(1, options.batches // options.senders)
        self.events = self._batches * options.senders * options.batch

    def __enter__(self):
        self._open = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_error):
        self._open.close()

    def _start(self):
        port, database = environment.free_port(), self._database
        configuration = odoo_process.configuration(
            self._cluster, f"bench-{database}", db_name=database, http_port=port, list_db=False
        )
        self._open.callback(configuration.unlink)
        log = odoo_process.run_python(self._cluster, configuration, database, SET_UP)
        facts = json.loads(log.read_text().partition("FACTS")[2].splitlines()[0])
        self._facts = {**facts, "port": port, "senders": self._options.senders}
        self._server = self._open.enter_context(_server(self._cluster, configuration, port, database))
        self._db = self._open.enter_context(
            contextlib.closing(psycopg2.connect(dbname=database, **self._cluster_parameters()))
        )
        self._make_copy_table()
        self._senders = senders.Senders(self._facts, self._options.senders, self._options.batch)
        self._open.callback(self._senders.close)

    def _cluster_parameters(self):
        names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
        given = self._cluster.environment()
        return {name: given[variable] for variable, name in names.items() if given.get(variable)}

    def _rows(self, query, *values):
        with self._db, self._db.cursor() as cr:
            cr.execute(query, values)
            return cr.fetchall() if cr.description else []

    def _make_copy_table(self):
        self._rows("CREATE TABLE bench_copy (LIKE mrp_machine_event INCLUDING ALL)")
        keys = self._rows(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'mrp_machine_event'::regclass AND contype = 'f'"
        )
        assert len(keys) >= 4, keys
        for (definition,) in keys:
            self._rows(f"ALTER TABLE bench_copy ADD {definition}")

    def assert_right(self):
        """What was sent is stored as it was sent, once, queued for the poster, and known when it comes again."""
        self._senders.prepare(2)
        self._senders.send()
        sent = {(stream, uid): rest for stream, uid, *rest in self._senders.said()}
        stored = self._rows(
            """SELECT stream, uid, sequence, to_char(to_timestamp(0) AT TIME ZONE 'UTC' + occurred_us * interval '1 microsecond',
                      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), data FROM mrp_machine_event WHERE source_id = %s""",
            self._facts["source"],
        )
        assert {(stream, uid): rest for stream, uid, *rest in stored} == sent
        assert len(stored) == len(sent) == 2 * self._options.senders * self._options.batch
        assert self._senders.again() == {"duplicate": len(sent)}
        queued = "SELECT count(*), count(DISTINCT event_id) FROM mrp_machine_queue"
        assert self._rows(queued) == [(len(sent), len(sent))], self._rows(queued)
        assert self._rows("SELECT count(*) FROM mrp_machine_gap") == [(0,)]
        assert self._stored() == len(sent)

    def _stored(self):
        return self._rows("SELECT count(*) FROM mrp_machine_event WHERE source_id = %s", self._facts["source"])[0][0]

    def measure(self, rounds, with_copy=True):
        """Let the door and COPY take turns and return a Sample for each."""
        samples = {way: harness.Sample() for way in NAMES if with_copy or way != "copy"}
        servers = [self._server.pid, harness.postgres_process(self._cluster)]
        parts = {"odoo": servers[:1], "postgresql": servers[1:], "senders": self._senders.processes()}
        for number in range(-1, rounds):
            self._rows("TRUNCATE mrp_machine_queue")  # nobody posts here, and too long a queue is refused
            self._senders.prepare(self._batches)
            before = self._stored()
            last = self._rows("SELECT max(id) FROM mrp_machine_event")[0][0]
            used = {part: harness.cpu_seconds(processes) for part, processes in parts.items()}
            took = {"ours": harness.measure(self._senders.send, servers)}
            for part, processes in parts.items():
                took[part] = took["ours"][0], harness.cpu_seconds(processes) - used[part]
            assert self._stored() - before == self.events
            if with_copy:
                buffers = self._buffers(last)
                took["copy"] = harness.measure(lambda: self._copy(buffers), [os.getpid(), servers[1]])  # noqa: B023
            if number >= 0:
                for way, (seconds, cpu) in took.items():
                    samples[way].seconds.append(seconds)
                    samples[way].cpu.append(cpu)
        if with_copy:
            assert self._rows("SELECT count(*) FROM bench_copy")[0][0] == (rounds + 1) * self.events
        return samples

    def _buffers(self, last):
        """Return what was stored after an id as COPY has it, a text for each batch."""
        text = io.StringIO()
        with self._db, self._db.cursor() as cr:
            cr.copy_expert(
                f"COPY (SELECT {COLUMNS} FROM mrp_machine_event WHERE id > {last:d} ORDER BY id) TO STDOUT", text
            )
        lines = text.getvalue().splitlines(keepends=True)
        size = self._options.batch
        return ["".join(lines[start : start + size]) for start in range(0, len(lines), size)]

    def _copy(self, buffers):
        for text in buffers:
            with self._db, self._db.cursor() as cr:
                cr.copy_expert(f"COPY bench_copy ({COLUMNS}) FROM STDIN", io.StringIO(text))

    def answer_times(self, seconds, paced_seconds):
        """Return the time that 99 of 100 answers take at most, at half the rate that was reached, in seconds."""
        pause = 2 * seconds * self._options.senders / (self._batches * self._options.senders)
        self._senders.prepare(max(2, int(paced_seconds / pause)))
        taken = self._senders.send(pause)
        return statistics.quantiles(taken, n=100, method="inclusive")[98]

    def fill(self, rows):
        """Let the log be as long as after months: so many rows more."""
        source, machine, company = self._rows(
            "SELECT source_id, machine_id, company_id FROM mrp_machine_event ORDER BY id DESC LIMIT 1"
        )[0]
        began = time.time()
        # Without its indexes, which are built anew at the end: that takes minutes less.
        indexes = self._rows(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'mrp_machine_event' AND indexname NOT LIKE %s",
            "%pkey",
        )
        for name, _definition in indexes:
            self._rows(f'DROP INDEX "{name}"')
        self._rows(
            """INSERT INTO mrp_machine_event (source_id, stream, uid, epoch, sequence, type, type_version, machine_id, company_id,
                       occurred, recorded, received, occurred_us, recorded_us, received_us, data, quality, disposition, digest)
                SELECT %s, 'old/' || n %% 12, md5(n::text), 1, n, 'production.count', 1, %s, %s, moment, moment, moment,
                       us, us, us, '{"kind": "good", "delta": 3, "unit": "C62"}', 'good', 'accepted',
                       encode(sha256(n::text::bytea), 'hex')
                  FROM (SELECT n, (1767225600 + n) * 1000000::int8 AS us,
                               to_timestamp(1767225600 + n) AT TIME ZONE 'UTC' AS moment
                          FROM generate_series(1, %s) AS n) AS made""",
            source, machine, company, rows,
        )  # fmt: skip
        for _name, definition in indexes:
            self._rows(definition)
        self._db.autocommit = True
        with self._db.cursor() as cr:
            cr.execute("VACUUM ANALYZE mrp_machine_event")
            cr.execute("CHECKPOINT")
        self._db.autocommit = False
        print(f"  {rows:,} rows more in the log, in {time.time() - began:.0f} s")


@contextlib.contextmanager
def _server(cluster, configuration, port, database):
    log = environment.log_file(f"bench-{database}")
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [str(part) for part in odoo_process.command(configuration, "server", "--log-level=warn")],
            env=odoo_process.variables(cluster), stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        for _attempt in range(600):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/machine/v1/health", timeout=60):
                    break
            assert process.poll() is None, environment.tail(log, 30)
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)
