import hmac
import json
import math
import time
from operator import attrgetter

from psycopg2.extras import Json

from odoo import api, models

from ..machine_connect import clock
from ..machine_connect.envelope import Rejected
from ..machine_connect.event import HELD_REASONS, Event, clock_doubt
from ..machine_connect.gaps import extend, fill, watermark
from ..machine_connect.instants import instant, microseconds
from ..machine_connect.refusals import EVENT_REFUSALS
from .mrp_machine_event import log_head, log_row

#: Why one event is rejected although it can be read, with what it says in English.
RIGHT_REASONS = {
    "machine_unknown": "this source speaks for no machine of this code",
    "type_forbidden": "this source may not deliver events of this type",
    "identity_conflict": "another event with this id and another content is stored already",
    "sequence_conflict": "another event with this sequence number is stored already",
}
#: Seconds between two wake-ups of the poster by one process; one that is missed costs a minute at most.
WAKE_EVERY = 1.0


class _Machine:
    """What each event of a machine asks of it, read once a request.

    :param record: the mrp.machine
    :param dict row: of :meth:`MachineSource._machine_rows`
    :param int now: in microseconds since 1970-01-01 UTC
    """

    __slots__ = ("company_id", "early", "first", "id", "last", "late", "now", "record")

    def __init__(self, record, row, now):
        self.record, self.id, self.company_id, self.now = record, row["id"], row["company_id"], now
        self.late = int((row["late_window"] or 0) * 3_600_000_000) or None
        self.early = int((row["early_window"] or 0) * 60_000_000) or None
        self.first = -math.inf if self.late is None else now - self.late
        self.last = math.inf if self.early is None else now + self.early

    def doubt(self, occurred):
        """Return why an event waits for a person when it happened then, in microseconds since 1970-01-01 UTC; else empty."""
        if self.first <= occurred <= self.last:
            return ""
        return clock_doubt(self.now - occurred, self.late, self.early)


class MachineIntake(models.AbstractModel):
    """What became of each event that others delivered: stored once, in the order of its stream, and answered.

    All of it runs as the superuser on tables of our own that no sender has rights to: the log, streams, gaps.
    """

    _name = "mrp.machine.intake"
    _description = "Machine Intake"

    @api.model
    def _take(self, source, parsed):
        """Store events and return the answer to their sender.

        :param source: the mrp.machine.source that signed the request
        :param parsed: what :func:`machine_connect.envelope.parse` returned
        :return: ``{"results": [one an event, in the order sent], "watermarks": [...]}``
        """
        now = clock.now()
        moment = microseconds(now)
        codes = {event.machine for event in parsed if event.__class__ is not Rejected}
        records = self.env["mrp.machine"]
        machines = {
            row["code"]: _Machine(records.browse(row["id"]), row, moment) for row in source._machine_rows(codes)
        }
        results, candidates = {}, []
        refused = self._refused(source, machines)
        for event in parsed:
            if reason := refused(event):
                results[event.index] = self._rejected(event, reason)
            else:
                candidates.append(event)
        streams = self._lock_streams(source, machines, candidates)
        known = self._maybe_known(streams, candidates)
        stored = self._stored(source, known)
        used = self._used_sequences(source, known, stored)
        fresh, held = [], {}
        for event in candidates:
            identity = event.stream, event.uid
            if identity in stored:
                results[event.index] = self._again(event, stored[identity])
                continue
            if event.sequence is not None:
                place = event.stream, event.epoch or 0, event.sequence
                if place in used:
                    results[event.index] = self._rejected(event, "sequence_conflict")
                    continue
                used.add(place)
            if reason := event.held or machines[event.machine].doubt(event.occurred):
                held[event.index] = reason
            stored[identity] = event.digest, "held" if reason else "accepted"
            fresh.append(event)
        # The same order in all requests, by stream and id: they wait for each other, and never crosswise.
        fresh.sort(key=attrgetter("uid"))
        fresh.sort(key=attrgetter("stream"))
        inserted = self._insert(source, machines, fresh, held, moment)
        if None in inserted:  # another request with the same events was quicker by a moment
            lost = [event for event, row_id in zip(fresh, inserted, strict=True) if row_id is None]
            quicker = self._stored(source, lost)
            results |= {event.index: self._again(event, quicker[event.stream, event.uid]) for event in lost}
            fresh = [event for event in fresh if event.index not in results]
        reached = self._note_arrivals(streams, fresh, now)
        results |= self._taken(fresh, held, reached)
        self._show(machines, fresh, held, now)
        if fresh:
            self._wake()
        return {
            "results": [results[event.index] for event in parsed],
            "watermarks": [
                {"source": name, "epoch": epoch, "sequence": sequence}
                for (name, epoch), sequence in sorted(reached.items())
            ],
        }

    @staticmethod
    def _refused(source, machines):
        """Return a function of an event that returns why it is rejected; empty when it is not."""
        reasons = {}

        def refused(event):
            if event.__class__ is Rejected:
                return event.reason
            kind = event.machine, event.type
            reason = reasons.get(kind)
            if reason is None:
                is_known = event.machine in machines
                is_allowed = is_known and source._may_deliver(event.type)
                reason = reasons[kind] = "" if is_allowed else "type_forbidden" if is_known else "machine_unknown"
            return reason

        return refused

    def _lock_streams(self, source, machines, events):
        """Return ``{(stream, epoch): row}`` of the events that are numbered, locked: one request at a time moves a mark."""
        wanted = {}
        for event in events:
            if event.sequence is not None:
                wanted.setdefault((event.stream, event.epoch or 0), machines[event.machine].id)
        if not wanted:
            return {}
        # Sorted, so that two requests with the same streams never wait for each other crosswise.
        rows = self.env.cr.execute_values(
            """INSERT INTO mrp_machine_stream (source_id, machine_id, name, epoch, sequence) VALUES %s
               ON CONFLICT (source_id, name, epoch) DO UPDATE SET name = EXCLUDED.name
               RETURNING name, epoch, id, lowest, sequence""",
            [(source.id, machine_id, name, epoch, 0) for (name, epoch), machine_id in sorted(wanted.items())],
            page_size=len(wanted),
            fetch=True,
        )
        return {(name, epoch): (row_id, lowest, highest) for name, epoch, row_id, lowest, highest in rows}

    @staticmethod
    def _maybe_known(streams, events):
        """Return those of these events that may be in the log already: all but those whose number lies beyond the mark.

        Of these, one with the id of an older event is found by the unique index when it is stored.
        """
        known = []
        for event in events:
            if event.sequence is not None:
                _row_id, lowest, highest = streams[event.stream, event.epoch or 0]
                if lowest is None or event.sequence > highest:
                    continue
            known.append(event)
        return known

    def _stored(self, source, events):
        """Return ``{(stream, uid): (digest, disposition)}`` of those of these events that are in the log already."""
        return {
            (stream, identity): (digest, disposition)
            for stream, identity, digest, disposition in self._look_up(
                "stream, uid, digest, disposition",
                source,
                ("stream", "uid"),
                [(event.stream, event.uid) for event in events],
            )
        }

    def _used_sequences(self, source, events, stored):
        """Return those (stream, epoch, sequence) of these events that others have already.

        :param events: of :meth:`_maybe_known`: beyond the mark nothing can be, for the row of the stream is locked
        """
        places = {
            (event.stream, event.epoch or 0, event.sequence)
            for event in events
            if event.sequence is not None and (event.stream, event.uid) not in stored
        }
        columns = ("stream", "epoch", "sequence")
        return set(self._look_up("stream, epoch, sequence", source, columns, sorted(places)))

    def _look_up(self, wanted, source, columns, keys):
        """Return columns of those events of a source whose last key is given, grouped by the keys before it.

        :param str wanted: the columns to return
        :param columns: the key's columns
        :param keys: a tuple of their values for each event
        """
        # By SQL, a statement a group: PostgreSQL reads an array in an index five times as fast as a list of tuples.
        groups = {}
        for *group, last in keys:
            groups.setdefault(tuple(group), []).append(last)
        *before, last_column = columns
        condition = " AND ".join(f"{column} = %s" for column in before)
        not_null = "AND sequence IS NOT NULL" if last_column == "sequence" else ""
        found = []
        for group, values in groups.items():
            self.env.cr.execute(
                f"""SELECT {wanted} FROM mrp_machine_event
                     WHERE source_id = %s AND {condition} AND {last_column} = ANY(%s) {not_null}""",
                [source.id, *group, values],
            )
            found += self.env.cr.fetchall()
        return found

    def _insert(self, source, machines, fresh, held, now):
        """Store new events, and return for each its id, or None where somebody else stored it this moment.

        :param dict held: ``{index: reason}`` of those that wait for a person
        :param int now: in microseconds since 1970-01-01 UTC
        """
        named = {event.machine for event in fresh if event.signal}
        signals = {
            (machines[code].id, signal.name): signal.id for code in named for signal in machines[code].record.signal_ids
        }
        heads = {code: log_head(source, machine.id, machine.company_id, now) for code, machine in machines.items()}
        rows = []
        for event in fresh:
            machine_id, data, recorded, code = machines[event.machine].id, event.data, event.recorded, event.machine
            row = log_row(
                heads[code],
                event.stream,
                event.uid,
                event.epoch if event.sequence is None else event.epoch or 0,
                event.sequence,
                event.type,
                event.version,
                event.occurred,
                now if recorded is None else recorded,
                event.content if data else "",
                event.quality,
                event.digest,
                held.get(event.index),
                signals.get((machine_id, event.signal)) if named else None,
                event.status,
                event.mapping_version or None,
                json.dumps(event.attributes) if event.attributes else "",
                "",
                event.correlation or data.get("refers_to"),
            )
            rows.append((machine_id, row, event.type))
        return self.env["mrp.machine.event"]._store(rows)

    def _note_arrivals(self, streams, events, now):
        """Move the marks of the streams, open and close gaps, and return up to where each stream is complete."""
        numbers = {place: [] for place in streams}
        for event in events:
            if event.sequence is not None:
                numbers[event.stream, event.epoch or 0].append(event.sequence)
        if not streams:
            return {}
        moment, cr, reached, moved, gaps = now.replace(tzinfo=None), self.env.cr, {}, [], []
        missing = self._close_gaps({row_id: numbers[place] for place, (row_id, *_) in streams.items()}, moment)
        for place, (row_id, lowest, highest) in streams.items():
            arrived = numbers[place]
            known_highest = None if lowest is None else highest
            lowest, highest, opened = extend(lowest, known_highest, arrived)
            if highest is None:
                continue
            if arrived:
                moved.append((row_id, lowest, highest))
            gaps += [(row_id, first, last, Json([[first, last]]), moment) for first, last in opened]
            reached[place] = watermark(highest, [*missing[row_id], *opened])
        if moved:
            cr.execute_values(
                """UPDATE mrp_machine_stream stream SET lowest = new.lowest, sequence = new.sequence
                     FROM (VALUES %s) AS new (id, lowest, sequence) WHERE stream.id = new.id""",
                moved,
                template="(%s, %s::int8, %s::int8)",
                page_size=len(moved),
            )
        if gaps:
            cr.execute_values(
                "INSERT INTO mrp_machine_gap (stream_id, first, last, missing, opened) VALUES %s",
                gaps,
                page_size=len(gaps),
            )
        return reached

    def _close_gaps(self, arrived, moment):
        """Take what has arrived out of the open gaps of streams, and return ``{stream id: ranges that are missing still}``.

        :param dict arrived: ``{stream id: numbers}``
        """
        cr = self.env.cr
        cr.execute(
            "SELECT id, stream_id, missing FROM mrp_machine_gap WHERE stream_id = ANY(%s) AND closed IS NULL ORDER BY id",
            [list(arrived)],
        )
        missing, changed = {stream_id: [] for stream_id in arrived}, []
        for gap_id, stream_id, ranges in cr.fetchall():
            before = [tuple(found) for found in ranges]
            left = fill(before, arrived[stream_id])
            missing[stream_id] += left
            if left != before:
                changed.append((gap_id, Json([list(found) for found in left]), None if left else moment))
        if changed:
            cr.execute_values(
                """UPDATE mrp_machine_gap gap SET missing = new.missing::jsonb, closed = new.closed::timestamp
                     FROM (VALUES %s) AS new (id, missing, closed) WHERE gap.id = new.id""",
                changed,
                page_size=len(changed),
            )
        return missing

    def _show(self, machines, fresh, held, now):
        """Bring the machines' hot rows up to date with what came."""
        heard, latest, changes = {event.machine for event in fresh}, {}, {}
        for event in fresh:
            if event.index in held:
                continue
            code = event.machine
            if event.occurred > latest.get(code, -1):
                latest[code] = event.occurred
            if event.type == "machine.state_changed" and (
                code not in changes or event.occurred > changes[code].occurred
            ):
                changes[code] = event
        log = self.env["mrp.machine.event"]
        for code in sorted(heard):
            last, change = latest.get(code), changes.get(code)
            if change:
                moment = instant(change.occurred)
                change = Event(change.type, moment, moment, change.data)
            log._show_on_machine(machines[code].record, last and instant(last), change, now)

    _woken = 0.0

    def _wake(self):
        """Have what was stored posted soon: once a second for a process, after the commit."""
        if time.monotonic() - MachineIntake._woken < WAKE_EVERY:
            return
        MachineIntake._woken = time.monotonic()
        self.env["mrp.machine.poster"]._wake()

    # Answers

    def _result(self, event, status, reason="", message=""):
        result = {"source": event.stream, "id": event.uid, "status": status, "reason": reason, "message": message}
        if unknown := getattr(event, "extras", ()):
            result["unknown"] = list(unknown)
        return result

    def _rejected(self, event, reason):
        message = RIGHT_REASONS.get(reason) or EVENT_REFUSALS[reason]
        where = event.params.get("pointer") if isinstance(event, Rejected) else ""
        return self._result(event, "rejected", reason, f"{where}: {message}" if where else message)

    def _again(self, event, first):
        digest, disposition = first
        if not hmac.compare_digest(digest or "", event.digest):
            return self._rejected(event, "identity_conflict")
        return self._result(event, "duplicate") | {"first": disposition}

    def _taken(self, events, held, reached):
        """Return ``{index: result}`` of events that were stored."""
        results = {}
        for event in events:
            if reason := held.get(event.index):
                results[event.index] = self._result(event, "held", reason, HELD_REASONS[reason])
                continue
            is_behind = event.sequence is not None and event.sequence > reached[event.stream, event.epoch or 0]
            results[event.index] = self._result(event, "accepted", "gap_open" if is_behind else "")
        return results
