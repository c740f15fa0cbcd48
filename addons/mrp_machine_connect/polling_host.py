"""What polls: one engine for two hosts, Odoo's scheduled action and the worker command.

Leases first, then the network, then one transaction for all that came back: readings become events, and the counters'
memory is stored with them, so that a crash at any point neither loses nor doubles a piece. Results are stored only
while the lease's token is still ours.

Everything here runs as the superuser on tables that belong to the poller alone (hot rows, log, queue); it writes no
business document.
"""

import contextlib
import logging
import socket
import sys
import time
from dataclasses import replace
from datetime import timedelta

from psycopg2 import InterfaceError, OperationalError
from psycopg2.errors import UndefinedColumn, UndefinedTable
from psycopg2.extensions import TransactionRollbackError

from odoo import SUPERUSER_ID, api

from .arming_place import armings_here
from .machine_connect.instants import microseconds
from .machine_connect.mapping import Interpreter, MappingInvalid
from .machine_connect.polling import PollEngine, PollJob
from .machine_connect.reading import Quality
from .polling_conditions import look, remember, watches
from .polling_hot_rows import NOW, execute_values, write_machines, write_memories, write_statuses, write_values
from .polling_plan import Plan, Signal
from .polling_process import is_gone, worker_name  # noqa: F401 - hosts are named by it

_logger = logging.getLogger(__name__)

#: Seconds a lease lasts, how often a worker renews it, and how often it looks for endpoints that are free.
LEASE = 30.0
RENEW = 10.0
CLAIM = 2.0
#: Seconds between two looks for changed configuration.
REFRESH = 1.0
#: An unchanged value and a healthy connection are written down so often, in seconds.
QUIET_WRITE = 15.0
#: The longest pause between two tries to reach a lost device, in seconds, unless its interval is longer.
LONGEST_BACKOFF = 60.0
#: Read at the same time, at most.
THREADS = 32
#: Outcomes that wait for the database, at most.
BACKLOG = 1000
#: Seconds that a worker which stops waits for reads under way, so that it can give their endpoints back.
FAREWELL = 3.0
#: A read that takes longer has failed, in seconds; in a scheduled pass so early that the pass can still say so.
DEADLINES = {"worker": 20.0, "cron": 7.0}
#: Scheduled passes come a minute apart, give or take; what is due within half of that is due now, in seconds.
PASS_TOLERANCE = 30.0

#: The database is away, or another transaction was quicker: for the time being nothing can be stored.
PASSING = (OperationalError, InterfaceError)
#: The addon is being changed or removed this moment.
TABLES_CHANGE = (UndefinedTable, UndefinedColumn)

#: Codes of readings that say, when all of them do, that nobody is there although the line could be opened.
SILENT_CODES = frozenset(
    {"no_answer", "answer_mismatch", "gateway_no_answer", "gateway_no_path", "connection_lost", "connection_timeout"}
)


class PollingHost:
    """Polls the connections of one database that name this kind of host.

    :param registry: the database's registry
    :param str holder: this process's name on leases
    :param str polled_by: ``cron`` or ``worker``
    """

    def __init__(self, registry, holder, polled_by, threads=THREADS):
        self.registry = registry
        self.holder = holder
        self.polled_by = polled_by
        self.engine = PollEngine(threads)
        self.leases = {}
        self.plans = {}
        self.stored_events = 0
        self._backlog = []
        self._unstorable = set()
        self._told_disarmed = False
        self._renewed = self._claimed = self._refreshed = float("-inf")

    # Hosts

    def run_pass(self, budget):
        """Read once what is due, and return within ``budget`` seconds: the scheduled action's round."""
        ends = time.monotonic() + budget
        self._heartbeat()
        self._claim(only_due=True)
        if not self.leases:
            return
        self._refresh()
        # Those who answered the last time first: the others' time-outs may take all of the budget.
        for plan in sorted(self.plans.values(), key=lambda plan: plan.lost):
            if plan.due <= time.monotonic():
                self._submit(plan)
        while self.engine.busy() and time.monotonic() < ends:
            self._store(self.engine.completed(min(0.5, max(0.0, ends - time.monotonic()))))
        self._store(self.engine.completed())
        self._release_idle()

    def tick(self, wait=0.1):
        """One turn of the worker's loop: leases, configuration, what is due, what came back.

        :param float wait: seconds to wait for an answer at most
        """
        now = time.monotonic()
        if now - self._renewed >= RENEW:
            self._heartbeat()
            self._renew()
            self._renewed = now
        if now - self._claimed >= CLAIM:
            self._claimed = now
            if self._claim():
                self._refreshed = float("-inf")
        if now - self._refreshed >= REFRESH:
            self._refreshed = now
            self._refresh()
        for plan in self.plans.values():
            if plan.due <= now:
                self._submit(plan)
                # The rhythm is kept: late by one poll is not late by all that follow, and no backlog is caught up.
                plan.due = max(plan.due + plan.interval, now) if plan.due else now + plan.interval
        next_due = min((plan.due for plan in self.plans.values()), default=now + wait)
        self._store(self.engine.completed(max(0.005, min(wait, next_due - time.monotonic()))))

    def close(self, farewell=FAREWELL):
        """Give the leases back, say goodbye and hang up; an endpoint that is still being read keeps its lease until that ends.

        :param float farewell: seconds to wait for reads under way
        """
        ends = time.monotonic() + farewell
        while self.engine.busy() and time.monotonic() < ends:
            self._store(self.engine.completed(0.1))
        self._store(self.engine.completed())
        try:
            self._release_idle()
            self._goodbye()
        finally:
            self.engine.close()

    def hang_up(self):
        """Hang up where the tables of the database are not ours to touch any more."""
        self.engine.close()

    def _goodbye(self):
        """Note that this process stopped of its own will, so that nobody waits for it or is told it fell silent."""
        with self.registry.cursor() as cr:
            cr.execute(f"UPDATE mrp_machine_worker SET stopped = {NOW} WHERE name = %s", [self.holder])

    # Leases

    def _heartbeat(self):
        with contextlib.suppress(TransactionRollbackError), self.registry.cursor() as cr:
            # Who met another one is heard all the same: by that one, or the next time.
            cr.execute(
                f"""INSERT INTO mrp_machine_worker (name, kind, started, last_seen, connections, events)
                    VALUES (%(name)s, %(kind)s, {NOW}, {NOW}, %(connections)s, %(events)s)
                    ON CONFLICT (name) DO UPDATE SET last_seen = EXCLUDED.last_seen, stopped = NULL,
                        connections = EXCLUDED.connections, events = EXCLUDED.events""",
                {
                    "name": self.holder if self.polled_by == "worker" else f"{socket.gethostname()}:cron",
                    "kind": self.polled_by,
                    "connections": len(self.plans),
                    "events": self.stored_events,
                },
                log_exceptions=False,
            )

    def _claim(self, only_due=False):
        """Take free endpoints, many in one statement, up to this worker's share; one held by another is left alone.

        :return: whether there are new ones
        """
        with self.registry.cursor() as cr:
            armings = armings_here(cr)
            if not armings:
                if not self._told_disarmed:
                    _logger.info("nothing is armed in %s: no machine is polled", cr.dbname)
                self._told_disarmed = True
                return False
        self._told_disarmed = False
        gone = self._gone()
        limit = None if only_due else self._share(gone)
        if limit is not None and len(self.leases) >= limit:
            if len(self.leases) > limit:
                self._release_idle(len(self.leases) - limit)
            return False
        with self.registry.cursor() as cr:
            cr.execute(
                f"""
                UPDATE mrp_machine_endpoint endpoint
                   SET holder = %(holder)s, token = endpoint.token + 1,
                       lease_until = {NOW} + %(lease)s * interval '1 second'
                  FROM (SELECT candidate.id
                          FROM mrp_machine_endpoint candidate
                         WHERE (candidate.lease_until IS NULL OR candidate.lease_until < {NOW}
                                OR candidate.holder = ANY(%(gone)s))
                           AND EXISTS (
                               SELECT FROM mrp_machine_connection_status status
                                 JOIN mrp_machine_connection connection ON connection.id = status.connection_id
                                 JOIN mrp_machine machine ON machine.id = connection.machine_id
                                WHERE status.endpoint_id = candidate.id AND connection.active AND machine.active
                                  AND connection.polled_by = %(polled_by)s AND connection.arming_id = ANY(%(armings)s)
                                  AND (NOT %(only_due)s OR status.next_poll IS NULL OR status.next_poll <= {NOW}))
                         ORDER BY candidate.id
                         LIMIT %(limit)s
                           FOR NO KEY UPDATE SKIP LOCKED) free
                 WHERE endpoint.id = free.id
             RETURNING endpoint.id, endpoint.token""",
                {
                    "holder": self.holder,
                    "lease": LEASE,
                    "polled_by": self.polled_by,
                    "armings": armings,
                    "only_due": only_due,
                    "gone": gone,
                    "limit": None if limit is None else limit - len(self.leases),
                },
                log_exceptions=False,
            )
            claimed = dict(cr.fetchall())
        self.leases.update(claimed)
        return bool(claimed)

    def _gone(self):
        """Return the names of pollers that were killed here, whose leases nobody needs to wait for."""
        with self.registry.cursor() as cr:
            cr.execute(
                f"""SELECT name FROM mrp_machine_worker WHERE stopped IS NULL AND last_seen > {NOW} - %s * interval '1 second'
                    UNION SELECT holder FROM mrp_machine_endpoint WHERE lease_until > {NOW}""",
                [LEASE],
            )
            return [name for (name,) in cr.fetchall() if name and is_gone(name)]

    def _share(self, gone):
        """Return how many endpoints are this worker's fair part of all; what does not divide goes to the first by name."""
        with self.registry.cursor() as cr:
            cr.execute(
                """SELECT count(DISTINCT status.endpoint_id) FROM mrp_machine_connection_status status
                     JOIN mrp_machine_connection connection ON connection.id = status.connection_id
                     JOIN mrp_machine machine ON machine.id = connection.machine_id
                    WHERE connection.active AND machine.active AND connection.polled_by = 'worker'
                      AND connection.arming_id = ANY(%s)""",
                [armings_here(cr)],
            )
            (endpoints,) = cr.fetchone()
            cr.execute(
                f"""SELECT name FROM mrp_machine_worker
                     WHERE kind = 'worker' AND stopped IS NULL AND last_seen > {NOW} - %s * interval '1 second'""",
                [LEASE],
            )
            workers = sorted({self.holder, *(name for (name,) in cr.fetchall())} - set(gone))
        share, rest = divmod(endpoints, len(workers))
        return share + (workers.index(self.holder) < rest)

    def _renew(self):
        """Renew all leases in one statement and forget those that another took."""
        if not self.leases:
            return
        with self.registry.cursor() as cr:
            kept = execute_values(
                cr,
                f"""UPDATE mrp_machine_endpoint endpoint
                       SET lease_until = {NOW} + {LEASE} * interval '1 second'
                      FROM (VALUES %s) AS mine (id, token)
                     WHERE endpoint.id = mine.id AND endpoint.token = mine.token
                 RETURNING endpoint.id""",
                list(self.leases.items()),
                fetch=True,
            )
        self._drop(self.leases.keys() - {row[0] for row in kept})

    def _release_idle(self, limit=None):
        """Give back leases of endpoints to which nobody talks just now, so that two never talk to one at a time.

        :param int limit: how many at most; all when not given
        """
        talking = {plan.endpoint_id for plan in self.plans.values() if self.engine.is_reading(plan.endpoint)}
        # What these have answered already is stored while it is still ours to store.
        self._store(self.engine.completed())
        idle = [lease for lease in reversed(self.leases.items()) if lease[0] not in talking]
        self._release(idle[:limit])

    def _release(self, leases):
        """Give leases back, so that another process need not wait for their end."""
        if not leases:
            return
        leases = dict(leases)
        self._drop(leases)
        with self.registry.cursor() as cr:
            execute_values(
                cr,
                """UPDATE mrp_machine_endpoint endpoint SET holder = NULL, lease_until = NULL
                     FROM (VALUES %s) AS mine (id, token)
                    WHERE endpoint.id = mine.id AND endpoint.token = mine.token""",
                list(leases.items()),
            )

    def _drop(self, endpoint_ids):
        """Forget endpoints that are not ours any more and hang up."""
        for endpoint_id in list(endpoint_ids):
            self.leases.pop(endpoint_id, None)
        for plan in [plan for plan in self.plans.values() if plan.endpoint_id not in self.leases]:
            del self.plans[plan.connection_id]
            self.engine.release(plan.endpoint)

    # Configuration

    def _refresh(self):
        """Bring the plans up to date with the configuration; only what changed is built again.

        A lease that another took, for example a form in which a person tests the connection, ends here as well.
        """
        with self.registry.cursor() as cr:
            cr.execute("SELECT id, token FROM mrp_machine_endpoint WHERE id = ANY(%s)", [list(self.leases)])
            tokens = dict(cr.fetchall())
            self._drop([key for key, token in self.leases.items() if tokens.get(key) != token])
            cr.execute(
                f"""SELECT connection.id, status.endpoint_id, machine.id, machine.mapping_version,
                           connection.write_date, machine.write_date,
                           status.failing_since IS NOT NULL, coalesce(status.failures, 0),
                           greatest(0, extract(epoch FROM status.next_poll - {NOW}))
                      FROM mrp_machine_connection connection
                      JOIN mrp_machine_connection_status status ON status.connection_id = connection.id
                      JOIN mrp_machine machine ON machine.id = connection.machine_id
                     WHERE connection.active AND machine.active AND connection.polled_by = %s
                       AND connection.arming_id = ANY(%s)
                       AND status.endpoint_id = ANY(%s)
                     ORDER BY status.last_try NULLS FIRST""",
                [self.polled_by, armings_here(cr), list(self.leases)],
            )
            rows = {row[0]: row for row in cr.fetchall()}
            for gone in self.plans.keys() - rows.keys():
                self.engine.release(self.plans.pop(gone).endpoint)
            env = None
            for connection_id, row in rows.items():
                signature = row[1:6]
                plan = self.plans.get(connection_id)
                if plan and plan.signature == signature:
                    continue
                env = env or api.Environment(cr, SUPERUSER_ID, {})
                fresh = self._plan(env["mrp.machine.connection"].browse(connection_id), row, signature)
                if plan and plan.endpoint != fresh.endpoint:
                    self.engine.release(plan.endpoint)
                if plan:
                    fresh.lost, fresh.failures = plan.lost, plan.failures
                self.plans[connection_id] = fresh
        used = {plan.endpoint_id for plan in self.plans.values()}
        # An endpoint that no connection names any more would take the place of one that has to be polled.
        self._release({key: token for key, token in self.leases.items() if key not in used})

    def _plan(self, connection, row, signature):
        """Build what is needed to poll one connection, from its records."""
        machine = connection.machine_id
        signals, watching = {}, watches(connection)
        for signal in connection.signal_ids:
            hot = signal.value_id
            try:
                interpreter = Interpreter(replace(signal._mapping(), silence=connection._silence()))
            except MappingInvalid as invalid:
                # The form refuses such a signal; what came in another way costs only itself.
                _logger.warning("signal %s of %s cannot be used: %s", signal.name, connection.name, invalid)
                continue
            signals[str(signal.id)] = Signal(
                id=signal.id,
                name=signal.name,
                value_id=hot.id,
                interpreter=interpreter,
                memory=hot.memory or {},
                value=hot.value or None,
                quality=hot.quality or None,
                watches=tuple(watching.get(signal.id, ())),
            )
        return Plan(
            connection_id=connection.id,
            name=connection.name,
            endpoint_id=row[1],
            endpoint=connection._endpoint_key(),
            machine_id=machine.id,
            stream=machine._stream(str(connection.id)),
            interval=connection.interval,
            version=machine.mapping_version,
            signature=signature,
            job=PollJob(
                key=connection.id,
                protocol=connection.protocol,
                options=connection._driver_options(),
                signals=tuple(
                    signal._signal_address() for signal in connection.signal_ids if str(signal.id) in signals
                ),
                deadline=min(DEADLINES[self.polled_by], max(6.0, 3 * connection.timeout)),
                secrets=connection._secrets(),
            ),
            signals=signals,
            lost=row[6],
            failures=row[7],
            due=time.monotonic() + float(row[8] or 0.0),
        )

    # Reading and storing

    def _submit(self, plan):
        if plan.lost:
            self.engine.doubt(plan.endpoint)
        if not self.engine.submit(plan.job):
            plan.skipped += 1

    def _store(self, outcomes):
        """Turn what came back into events and store all of it in one transaction, or nothing of it.

        What the database refused for a passing reason is kept and stored with the next outcomes: the readings were
        taken, and a counter must not miss the moment they stand for.
        """
        outcomes = self._backlog + outcomes
        self._backlog = []
        if not outcomes:
            return
        try:
            self._store_together(outcomes)
        except PASSING as error:
            self._backlog = outcomes[-BACKLOG:]
            if len(outcomes) > BACKLOG:
                _logger.warning(
                    "%s readings were too many to be kept until the database is back", len(outcomes) - BACKLOG
                )
            _logger.info("readings are stored with the next ones: %s", str(error).strip())
        except TABLES_CHANGE:
            raise
        except Exception:
            # One connection that cannot be stored must not cost the others theirs.
            if len(outcomes) > 1:
                for outcome in outcomes:
                    self._store([outcome])
            else:
                self._note_unstorable(outcomes[0])

    def _store_together(self, outcomes):
        """Store these outcomes in one transaction and adopt what was learned from them once it is committed."""
        working, health, news, learned = {}, {}, [], []
        try:
            with self.registry.cursor() as cr:
                received = self._store_in(cr, outcomes, working, health, news, learned)
        except Exception:
            for plan, before in health.values():
                plan.lost, plan.failures, plan.status_written = before
            raise
        self._unstorable.difference_update(outcome.key for outcome in outcomes)
        for signal, memory, value, quality, written in working.values():
            signal.memory, signal.value, signal.quality = memory, value, quality
            if written:
                signal.written = time.monotonic()
        remember(learned)
        for level, message, *arguments in news:
            _logger.log(level, message, *arguments)
        if received:
            self.stored_events += len(received)
            self._wake_poster()

    def _note_unstorable(self, outcome):
        """Show on the connection that what it said could not be stored: a defect of ours, logged once."""
        plan = self.plans.get(outcome.key)
        if outcome.key not in self._unstorable:
            self._unstorable.add(outcome.key)
            _logger.exception("what connection %s said could not be stored", plan.name if plan else outcome.key)
        if plan is None:
            return
        plan.lost, plan.failures = True, plan.failures + 1
        error = type(sys.exc_info()[1]).__name__
        failed = replace(outcome, readings=None, code="internal", params={"error": error})
        with contextlib.suppress(*PASSING), self.registry.cursor() as cr:
            write_statuses(cr, [(plan, failed, self._pause(plan.interval))])
            write_machines(cr, {plan.machine_id: ("failing", None)})

    def _store_in(self, cr, outcomes, working, health, news, learned):
        """Store these outcomes in the transaction of a cursor, and note what is to be remembered and told after it.

        :return: the events that are new
        """
        heard = []
        ours = self._still_ours(cr, outcomes)
        env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
        batches, values, missed, statuses, machines = [], [], set(), [], {}
        for outcome in map(_judged, outcomes):
            plan = self.plans.get(outcome.key)
            # An answer to a question that the configuration no longer asks is nobody's.
            if plan is None or outcome.job is not plan.job or plan.connection_id not in ours:
                continue
            health.setdefault(plan.connection_id, (plan, (plan.lost, plan.failures, plan.status_written)))
            if outcome.readings is None:
                events = self._miss(plan, outcome, working, missed, heard)
                self._note_failure(cr, plan, outcome, statuses, machines, news)
            else:
                events = self._interpret(plan, outcome, working, values, heard)
                if (code := _nothing_good(outcome)) is None:
                    self._note_success(plan, outcome, statuses, machines, news)
                else:
                    self._note_nothing_good(plan, replace(outcome, code=code), statuses, machines, news)
            if events:
                ids = {signal.name: signal.id for signal in plan.signals.values()}
                machine = env["mrp.machine"].browse(plan.machine_id)
                batches.append((machine, plan.stream, ids, plan.version, events))
        received = env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), _merge(batches))
        write_values(cr, values)
        # After the values, and with what is remembered in the end: a backlog may hold answers before and after.
        write_memories(cr, [(working[name][0].value_id, working[name][1]) for name in missed])
        write_statuses(cr, statuses)
        write_machines(cr, machines)
        env.flush_all()
        if heard:
            received += self._look(env, heard, learned)
        return received

    def _look(self, env, heard, learned):
        """Let conditions look at what was heard; return the events that they made. A defect of theirs costs no reading."""
        try:
            with env.cr.savepoint():
                told, found = look(env, heard)
        except PASSING:
            raise
        except Exception:
            _logger.exception("conditions could not look at what was read")
            return env["mrp.machine.event"]
        learned += told
        return found

    def _still_ours(self, cr, outcomes):
        """Return the connections whose lease and configuration are still those that we read with.

        The endpoints' rows stay locked against a new holder until we commit.
        """
        plans = {plan.connection_id: plan for outcome in outcomes if (plan := self.plans.get(outcome.key))}
        if not plans:
            return set()
        rows = execute_values(
            cr,
            """SELECT mine.connection_id, connection.write_date, machine.write_date, machine.mapping_version
                 FROM mrp_machine_endpoint endpoint
                 JOIN (VALUES %s) AS mine (connection_id, id, token)
                   ON endpoint.id = mine.id AND endpoint.token = mine.token
                 JOIN mrp_machine_connection connection ON connection.id = mine.connection_id
                 JOIN mrp_machine machine ON machine.id = connection.machine_id
                ORDER BY endpoint.id FOR SHARE OF endpoint""",
            sorted((key, plan.endpoint_id, self.leases.get(plan.endpoint_id, -1)) for key, plan in plans.items()),
            fetch=True,
        )
        return {
            connection_id
            for connection_id, connection_written, machine_written, version in rows
            if plans[connection_id].signature[2:] == (version, connection_written, machine_written)
        }

    def _interpret(self, plan, outcome, working, values, heard):
        """Return the events of one answer, and note in ``working`` and ``values`` what is to be remembered.

        What conditions look at is noted in ``heard``.
        """
        events = []
        now = time.monotonic()
        for reading in outcome.readings:
            signal = plan.signals.get(reading.signal)
            if signal is None:
                continue
            _signal, memory, value, quality, _written = working.get(
                reading.signal, (signal, signal.memory, signal.value, signal.quality, False)
            )
            result = signal.interpreter.interpret(memory, reading)
            text = None if result.value is None else str(result.value)
            changed = result.changed or bool(result.events) or text != value or reading.quality.value != quality
            write = changed or now - signal.written >= QUIET_WRITE
            working[reading.signal] = (signal, result.memory, text, reading.quality.value, write)
            events.extend(result.events)
            if signal.watches and (moment := signal.interpreter.moment(reading)) is not None:
                heard.append((plan.machine_id, signal.watches, moment, result.value))
            if write:
                code = reading.code or (_refusal(result.rules) if text is None else "")
                values.append((signal.value_id, text, reading, code, result.memory))
        return events

    def _miss(self, plan, outcome, working, missed, heard):
        """Return the events of signals that could not be read, and note in ``working`` and ``missed`` what to remember.

        At the first failure all is written down that was kept at leisure: when a signal was last heard decides from when
        on nobody knows what the machine does, also for the worker that comes after this one.
        """
        events = []
        tried = outcome.started + timedelta(seconds=outcome.seconds)
        for name, signal in plan.signals.items():
            _signal, memory, value, quality, _written = working.get(
                name, (signal, signal.memory, signal.value, signal.quality, False)
            )
            result = signal.interpreter.missed(memory, tried, outcome.code)
            if signal.watches:
                heard.append((plan.machine_id, signal.watches, microseconds(tried), None))
            if result.changed or not plan.lost:
                working[name] = (signal, result.memory, value, Quality.STALE.value, True)
                missed.add(name)
            events.extend(result.events)
        return events

    def _note_success(self, plan, outcome, statuses, machines, news):
        back = plan.lost
        if back:
            news.append((logging.INFO, "machine connection %s is back", plan.name))
            plan.lost, plan.failures = False, 0
        now = time.monotonic()
        if self.polled_by == "cron" or back or now - plan.status_written >= QUIET_WRITE / 3:
            plan.status_written = now
            statuses.append((plan, outcome, self._pause(plan.interval)))
            machines[plan.machine_id] = ("ok", outcome.started + timedelta(seconds=outcome.seconds))

    def _note_nothing_good(self, plan, outcome, statuses, machines, news):
        """It answers, and none of what it says is good: a gateway that lost its machine, a program without these names.

        It is asked on in its rhythm and not hung up, but whoever is responsible must hear of it.
        """
        plan.failures += 1
        if not plan.lost:
            plan.lost = True
            news.append((logging.INFO, "machine connection %s has no good value: %s", plan.name, outcome.code))
        statuses.append((plan, outcome, self._pause(plan.interval)))
        machines.setdefault(plan.machine_id, ("failing", None))

    def _note_failure(self, cr, plan, outcome, statuses, machines, news):
        plan.failures += 1
        pause = min(plan.interval * 2 ** min(plan.failures, 10), max(plan.interval, LONGEST_BACKOFF))
        plan.due = time.monotonic() + pause
        if not plan.lost:
            plan.lost = True
            news.append((logging.WARNING, "machine connection %s is lost: %s", plan.name, outcome.code))
            # A value of which nobody knows whether it still stands is stale; its time stays what it was.
            cr.execute(
                "UPDATE mrp_machine_signal_value SET quality = %s WHERE signal_id = ANY(%s) AND quality IS NOT NULL",
                [Quality.STALE.value, [signal.id for signal in plan.signals.values()]],
            )
        statuses.append((plan, outcome, self._pause(pause)))
        machines.setdefault(plan.machine_id, ("failing", None))

    def _pause(self, seconds):
        """Return after how many seconds a connection is due again; a scheduled pass that is early would miss it."""
        return seconds if self.polled_by == "worker" else max(0.0, seconds - PASS_TOLERANCE)

    def _wake_poster(self):
        """Tell whoever posts that there is work. The worker posts itself, a moment later."""
        if self.polled_by == "cron":
            with self.registry.cursor() as cr:
                api.Environment(cr, SUPERUSER_ID, {})["mrp.machine.poster"]._wake()


def _judged(outcome):
    """Return an outcome as a failed one when nobody answered at all, although the line could be opened."""
    readings = outcome.readings
    if readings and all(reading.code in SILENT_CODES for reading in readings):
        return replace(outcome, readings=None, code=readings[0].code)
    return outcome


def _nothing_good(outcome):
    """Return why no reading of an answer is good, or None when one is, or when nothing was asked."""
    if not outcome.readings or any(reading.is_good for reading in outcome.readings):
        return None
    return outcome.readings[0].code or "bad_status"


def _refusal(rules):
    """Return the code of the rule by which a value was not understood; empty when it only has to last a while."""
    told = next((rule for rule in rules if rule["outcome"] == "refused" and rule["rule"] != "debounce"), None)
    return str(told["detail"].get("code") or told["rule"]) if told else ""


def _merge(batches):
    """Join the batches of one stream: a backlog may hold two answers of one connection."""
    merged = {}
    for machine, stream, ids, version, events in batches:
        if stream in merged:
            merged[stream][4].extend(events)
        else:
            merged[stream] = (machine, stream, ids, version, list(events))
    return list(merged.values())
