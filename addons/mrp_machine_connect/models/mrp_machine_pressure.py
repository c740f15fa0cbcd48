import math
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass

from odoo import api, fields, models

from ..machine_connect.envelope import Rejected
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.token_bucket import TokenBucket

#: Every limit, with what it is where nobody has set it.
LIMITS = {
    "source_requests": 500,
    "source_events": 50_000,
    "all_requests": 1_000,
    "all_events": 100_000,
    "backlog_bulk": 1_000_000,
    "backlog_all": 2_000_000,
    "readings": 10,
}
#: A bucket holds what comes in so many seconds at its rate: who was silent may catch up.
BURST_SECONDS = 2
#: Seconds after which a process hands in what it took from the shared buckets.
SETTLE_EVERY = 0.2
#: Seconds for which the length of the backlog is believed at least, and how many times as long as counting it took.
BACKLOG_BELIEVED, BACKLOG_PATIENCE = 1.0, 20
#: Seconds after which somebody should come again while the backlog is too long.
BACKLOG_PAUSE = 5
#: What is taken longest: stops, alarms and quality.
URGENT = ("machine.state_changed", "downtime.", "alarm.", "quality.")
#: Values that somebody could send as they are read, instead of what they mean.
TELEMETRY = ("meter.", "energy.", "process.")
#: Seconds of signals of which a process remembers the readings.
READINGS_REMEMBERED = 20_000
#: The row of the bucket that all sources share.
ALL = 0
KINDS = ("requests", "events")


@dataclass
class _Share:
    """What one process knows of the buckets of one source, or of all."""

    buckets: dict
    settled: float = -math.inf


class _Memory:
    """What one process knows, of all databases that it serves."""

    def __init__(self):
        self.lock = threading.Lock()
        self.shares = {}
        self.backlog = {}
        self.readings = OrderedDict()


_memory = _Memory()


class MachinePressure(models.AbstractModel):
    """How much is taken when much comes: who brings too much waits, and nobody falls over.

    The buckets are rows of the database, so that they are the same for all workers and hosts. Each process hands in what it
    took five times a second, in a transaction that ends at once, and goes by its own view in between: no request waits for
    another one's row.
    """

    _name = "mrp.machine.pressure"
    _description = "Machine Pressure"

    @api.model
    def _limit(self, name):
        """Return a limit of :data:`LIMITS` as it is set; 0: none."""
        said = self.env["ir.config_parameter"].get_param(f"mrp_machine_connect.{name}")
        try:
            return max(0, int(said or ""))
        except (TypeError, ValueError):
            return LIMITS[name]

    # How much in a second

    @api.model
    def _enter(self, source):
        """Take one request from the buckets of a source and of all, before anything of it is read.

        :return: ``(seconds to wait, whether the database was written)``: the caller commits at once
        """
        now = time.monotonic()
        with _memory.lock:
            shares = {key: self._share(key, now) for key in (ALL, source.id)}
            due = [key for key, share in shares.items() if now - share.settled >= SETTLE_EVERY and share.buckets]
            claims = {}
            for key in due:
                shares[key].settled = now
                claims[key] = {kind: bucket.claim() for kind, bucket in shares[key].buckets.items()}
        levels = {key: self._settle(key, shares[key].buckets, claims[key]) for key in due}
        now = time.monotonic()
        with _memory.lock:
            for key in due:
                for kind, bucket in shares[key].buckets.items():
                    bucket.settle(now, levels[key][kind])
            wait = max(
                (bucket.wait(now) for share in shares.values() for bucket in share.buckets.values()), default=0.0
            )
            if not wait:
                for share in shares.values():
                    if bucket := share.buckets.get("requests"):
                        bucket.take(now, 1)
        return math.ceil(wait), bool(due)

    def _share(self, key, now):
        """Return the buckets of a source, or of all, with the rates as they are set now."""
        share = _memory.shares.setdefault((self.env.cr.dbname, key), _Share({}))
        for kind in KINDS:
            rate = self._limit(f"{'source' if key else 'all'}_{kind}")
            bucket = share.buckets.get(kind)
            if not rate:
                share.buckets.pop(kind, None)
            elif not bucket or bucket.rate != rate:
                share.buckets[kind] = TokenBucket(rate, rate * BURST_SECONDS, now)
                share.settled = -math.inf
        return share

    def _settle(self, key, buckets, taken):
        """Hand in what was taken from the shared buckets; return how much they hold."""
        facts = {"source": key or None}
        for kind in KINDS:
            # What is not limited is full.
            bucket = buckets.get(kind)
            facts |= {
                f"{kind}_rate": bucket.rate if bucket else 0,
                f"{kind}_burst": bucket.burst if bucket else 1,
                f"{kind}_taken": taken.get(kind, 0),
            }
        cr = self.env.cr
        # By SQL: one statement that is right for any number of workers and hosts, by the database's own clock. Its commit
        # need not reach the disk: a crash costs fifths of a second of tokens.
        cr.execute("SET LOCAL synchronous_commit = off")
        cr.execute(
            """INSERT INTO mrp_machine_bucket AS bucket (source_id, requests, events, at)
               VALUES (%(source)s, %(requests_burst)s - %(requests_taken)s, %(events_burst)s - %(events_taken)s,
                       clock_timestamp() AT TIME ZONE 'UTC')
               ON CONFLICT (COALESCE(source_id, 0)) DO UPDATE SET
                   requests = LEAST(%(requests_burst)s, bucket.requests
                       + %(requests_rate)s * GREATEST(0, extract(epoch FROM EXCLUDED.at - bucket.at))) - %(requests_taken)s,
                   events = LEAST(%(events_burst)s, bucket.events
                       + %(events_rate)s * GREATEST(0, extract(epoch FROM EXCLUDED.at - bucket.at))) - %(events_taken)s,
                   at = GREATEST(bucket.at, EXCLUDED.at)
               RETURNING requests, events""",
            facts,
        )
        return {kind: float(level) for kind, level in zip(KINDS, cr.fetchone(), strict=True)}

    @api.model
    def _charge(self, source, events):
        """Take events that have come from the buckets of a source and of all; who brought too many waits afterwards."""
        now = time.monotonic()
        with _memory.lock:
            for key in (ALL, source.id):
                if bucket := self._share(key, now).buckets.get("events"):
                    bucket.take(now, events)

    # What is taken of a request

    @api.model
    def _admit(self, source, parsed):
        """Return the events of a request with a :class:`machine_connect.envelope.Rejected` for each that is not taken now.

        :param list parsed: what :func:`machine_connect.envelope.parse` returned
        :raise RequestRefused: none of them is taken now
        """
        self._charge(source, len(parsed))
        return self._within_backlog(self._without_telemetry(source, parsed))

    def _within_backlog(self, parsed):
        bulk, everything = self._limit("backlog_bulk"), self._limit("backlog_all")
        highest = max(bulk, everything)
        if not highest:
            return parsed
        waiting = self._backlog(min(bulk or highest, everything or highest), highest)
        if everything and waiting >= everything:
            raise RequestRefused("backlog_full", retry_after=BACKLOG_PAUSE)
        if not bulk or waiting < bulk:
            return parsed
        admitted = [
            event if isinstance(event, Rejected) or event.type.startswith(URGENT) else self._not_now(event)
            for event in parsed
        ]
        refused = [event for event in admitted if isinstance(event, Rejected)]
        if len(refused) == len(admitted) and any(event.reason == "backlog_full" for event in refused):
            raise RequestRefused("backlog_full", retry_after=BACKLOG_PAUSE)
        return admitted

    @staticmethod
    def _not_now(event, reason="backlog_full"):
        return Rejected(event.index, reason, {}, event.stream, event.uid)

    def _backlog(self, lowest, highest):
        """Return about how many events wait for their effect, up to a number; exactly enough to compare it with the lowest."""
        dbname, now = self.env.cr.dbname, time.monotonic()
        until, waiting = _memory.backlog.get(dbname, (0.0, 0))
        if now < until:
            return waiting
        cr = self.env.cr
        # By SQL: the ends of an index say at once that there are few; only where there may be many are they counted.
        cr.execute("SELECT COALESCE(max(event_id) - min(event_id) + 1, 0) FROM mrp_machine_queue")
        (waiting,) = cr.fetchone()
        if waiting >= lowest:
            cr.execute("SELECT count(*) FROM (SELECT FROM mrp_machine_queue LIMIT %s) AS found", [highest])
            (waiting,) = cr.fetchone()
        done = time.monotonic()
        _memory.backlog[dbname] = done + max(BACKLOG_BELIEVED, BACKLOG_PATIENCE * (done - now)), waiting
        return waiting

    def _without_telemetry(self, source, parsed):
        """Refuse readings beyond so many of one signal in one second of its own time.

        The first ones of a second stay the same when they are sent again, so that a known one is never refused.
        """
        most = self._limit("readings")
        if not most:
            return parsed
        return [
            self._not_now(event, "telemetry")
            if not isinstance(event, Rejected)
            and event.type.startswith(TELEMETRY)
            and not self._is_among_first(source, event, most)
            else event
            for event in parsed
        ]

    def _is_among_first(self, source, event, most):
        signal = event.signal or str(event.data.get("signal", ""))
        what = event.machine, event.type, signal, event.occurred // 1_000_000
        place = (self.env.cr.dbname, source.id, *what)
        with _memory.lock:
            known = _memory.readings.setdefault(place, set())
            if len(_memory.readings) > READINGS_REMEMBERED:
                _memory.readings.popitem(last=False)
            identity = event.stream, event.uid
            if identity not in known and len(known) >= most:
                return False
            known.add(identity)
        return True


class MachineBucket(models.Model):
    """What may come still: a row for each source, and one for all of them."""

    _name = "mrp.machine.bucket"
    _description = "Machine Token Bucket"
    _log_access = False
    _rec_name = "source_id"

    source_id = fields.Many2one("mrp.machine.source", readonly=True, ondelete="cascade", help="Empty: all sources.")
    requests = fields.Float(required=True, readonly=True, help="Requests that may come at once; below zero: owed.")
    events = fields.Float(required=True, readonly=True, help="Events that may come at once; below zero: owed.")
    at = fields.Datetime(required=True, readonly=True, help="When that was so.")

    _source_unique = models.UniqueIndex("(COALESCE(source_id, 0))")


class RefusalMemory:
    """Refusals of one process that are not written yet: under attack a row is written now and then, and none is forgotten.

    :param float rate: writes in a second for long
    :param int burst: writes at once
    """

    def __init__(self, rate=20.0, burst=100):
        self._lock = threading.Lock()
        self._writes = TokenBucket(rate, burst, time.monotonic())
        self._found = {}

    def add(self, dbname, source_id, reason, address):
        """Keep that something was refused."""
        with self._lock:
            counts, addresses = self._found.setdefault(dbname, {}).setdefault(source_id, (Counter(), {}))
            counts[reason] += 1
            addresses["last"] = address

    def due(self, dbname):
        """Return what is to be written now, ``[(source_id, {reason: how often}, address)]``; mostly all there is."""
        now = time.monotonic()
        with self._lock:
            if not self._found.get(dbname) or self._writes.wait(now):
                return []
            self._writes.take(now, 1)
            found = self._found.pop(dbname)
        # The same order in all processes: they wait for each other's rows, and never crosswise.
        order = sorted(found, key=lambda source_id: source_id or 0)
        return [(source_id, found[source_id][0], found[source_id][1]["last"]) for source_id in order]
