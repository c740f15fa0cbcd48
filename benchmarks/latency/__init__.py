"""How soon do events have their effect by ``odoo machine_worker``, a process of its own?"""

import contextlib
import statistics
import subprocess
import threading
import time

import psycopg2

from devtools import environment, odoo_process, postgres


@contextlib.contextmanager
def worker(database):
    """Let a worker post in a database."""
    configuration = odoo_process.configuration(postgres.DURABLE, f"bench-worker-{database}", db_name=database)
    log = environment.log_file(f"bench-worker-{database}")
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [str(part) for part in odoo_process.worker_command()],
            env={**odoo_process.variables(postgres.DURABLE), "ODOO_RC": str(configuration)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)
        configuration.unlink()


def p95(database, receive, rate, seconds, beside=None):
    """Return within how many seconds 95 of 100 counted pieces are on their order, while a worker posts.

    :param receive: function that stores pieces and returns how many
    :param float rate: pieces a second
    :param float seconds: for how long
    :param beside: function that is called now and then with the seconds that passed, for whatever else arrives
    """
    with Queue(database) as queue:
        receive()
        queue.wait(60)  # the worker is up, and each work order has begun
        queue.seconds.clear()
        began, sent = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            if beside:
                beside(passed)
            if sent < passed * rate:
                sent += receive()
            else:
                time.sleep(0.01)
        queue.wait(60)
        assert len(queue.seconds) == sent, (len(queue.seconds), sent)
        print(f"  {sent} events at {sent / seconds:.0f} a second, half of them within "
              f"{statistics.median(queue.seconds):.2f} s")  # fmt: skip
        return statistics.quantiles(queue.seconds, n=20, method="inclusive")[18]


def wait_until_empty(database, seconds):
    """Wait until nothing at all is left to be posted."""
    ends = time.monotonic() + seconds
    with connect(database) as connection:
        connection.autocommit = True
        with connection.cursor() as cr:
            while True:
                cr.execute("SELECT count(*) FROM mrp_machine_queue")
                if not (left := cr.fetchone()[0]):
                    return
                assert time.monotonic() < ends, f"{left} events are not posted after {seconds} s"
                time.sleep(0.1)


def connect(database):
    """Open a session on a database of the durable PostgreSQL; closed at the end of a ``with``."""
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    given = postgres.DURABLE.environment()
    parameters = {name: given[variable] for variable, name in names.items() if given.get(variable)}
    return contextlib.closing(psycopg2.connect(dbname=database, **parameters))


class Queue:
    """Somebody who looks at the queue all the time, and notes how long each counted piece was in it."""

    def __init__(self, database):
        self.seconds = []
        self._database = database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._seen = {}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._over.set()
        self._thread.join(30)

    def wait(self, seconds):
        """Wait until the queue is empty."""
        ends = time.monotonic() + seconds
        time.sleep(0.2)
        while self._seen:
            assert time.monotonic() < ends, f"not posted within {seconds} s: {len(self._seen)} events"
            time.sleep(0.05)

    def _run(self):
        with connect(self._database) as connection:
            connection.autocommit = True
            with connection.cursor() as cr:
                while not self._over.wait(0.02):
                    # When it was stored stands in the log; when it is gone from the queue, its effect is committed.
                    cr.execute(
                        """SELECT event.id, event.received_us FROM mrp_machine_queue queue
                             JOIN mrp_machine_event event ON event.id = queue.event_id
                            WHERE event.type = 'production.count'"""
                    )
                    there, now = dict(cr.fetchall()), time.time() * 1e6
                    for event_id in self._seen.keys() - there.keys():
                        self.seconds.append((now - self._seen[event_id]) / 1e6)
                    self._seen = there
