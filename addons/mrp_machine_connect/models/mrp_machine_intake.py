import time

from psycopg2.extras import Json

from odoo import api, models

from ..machine_connect import clock
from ..machine_connect.envelope import Rejected
from ..machine_connect.event import HELD_REASONS, Event, clock_doubt
from ..machine_connect.gaps import extend, fill, watermark
from ..machine_connect.instants import instant, microseconds
from ..machine_connect.refusals import EVENT_REFUSALS

#: Why one event is rejected although it can be read, with what it says in English.
RIGHT_REASONS = {
    "machine_unknown": "this source speaks for no machine of this code",
    "type_forbidden": "this source may not deliver events of this type",
    "identity_conflict": "another event with this id and another content is stored already",
    "sequence_conflict": "another event with this sequence number is stored already",
}
#: Seconds between two wake-ups of the poster by one process; one that is missed costs a minute at most.
WAKE_EVERY = 1.0


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
        machines = {machine.code: machine for machine in source.machine_ids if machine.active}
        results, candidates = {}, []
        for event in parsed:
            if reason := self._refused(source, machines, event):
                results[event.index] = self._rejected(event, reason)
            else:
                candidates.append(event)
        streams = self._lock_streams(source, machines, candidates)
        stored = self._stored(source, candidates)
        used = self._used_sequences(source, candidates)
        fresh = []
        for event in candidates:
            identity = event.stream, event.uid
            place = event.stream, event.epoch or 0, event.sequence
            if identity in stored:
                results[event.index] = self._again(event, stored[identity])
            elif event.sequence is not None and place in used:
                results[event.index] = self._rejected(event, "sequence_conflict")
            else:
                reason = self._held(machines[event.machine], event, now)
                stored[identity] = event.digest, "held" if reason else "accepted"
                used.add(place)
                fresh.append((event, reason))
        inserted = self._insert(source, machines, fresh, now)
        lost = [event for event, _reason in fresh if (event.stream, event.uid) not in inserted]
        if lost:  # another request with the same events was quicker by a moment
            quicker = self._stored(source, lost)
            results |= {event.index: self._again(event, quicker[event.stream, event.uid]) for event in lost}
            fresh = [(event, reason) for event, reason in fresh if event.index not in results]
        reached = self._note_arrivals(streams, [event for event, _reason in fresh], now)
        for event, reason in fresh:
            results[event.index] = self._taken(event, reason, reached)
        self._show(machines, fresh, now)
        if fresh:
            self._wake()
        return {
            "results": [results[event.index] for event in parsed],
            "watermarks": [
                {"source": name, "epoch": epoch, "sequence": sequence}
                for (name, epoch), sequence in sorted(reached.items())
            ],
        }

    def _refused(self, source, machines, event):
        if isinstance(event, Rejected):
            return event.reason
        if event.machine not in machines:
            return "machine_unknown"
        return "" if source._may_deliver(event.type) else "type_forbidden"

    def _held(self, machine, event, now):
        """Return why an event waits for a person: its sender doubts it, or its time is far from ours."""
        if event.held:
            return event.held
        late, early = machine.late_window * 3_600_000_000, machine.early_window * 60_000_000
        return clock_doubt(microseconds(now) - event.occurred, late or None, early or None)

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

    def _stored(self, source, events):
        """Return ``{(stream, uid): (digest, disposition)}`` of those of these events that are in the log already."""
        if not events:
            return {}
        self.env.cr.execute(
            """SELECT stream, uid, digest, disposition FROM mrp_machine_event
                WHERE source_id = %s AND (stream, uid) IN %s""",
            [source.id, tuple((event.stream, event.uid) for event in events)],
        )
        return {(stream, uid): (digest, disposition) for stream, uid, digest, disposition in self.env.cr.fetchall()}

    def _used_sequences(self, source, events):
        places = tuple(
            (event.stream, event.epoch or 0, event.sequence) for event in events if event.sequence is not None
        )
        if not places:
            return set()
        self.env.cr.execute(
            """SELECT stream, epoch, sequence FROM mrp_machine_event
                WHERE source_id = %s AND sequence IS NOT NULL AND (stream, epoch, sequence) IN %s""",
            [source.id, places],
        )
        return set(self.env.cr.fetchall())

    def _insert(self, source, machines, fresh, now):
        """Store new events, and return the (stream, uid) of those that nobody else stored this moment."""
        if not fresh:
            return set()
        named = any(event.signal for event, _reason in fresh)
        signals = {
            (signal.machine_id.id, signal.name): signal.id
            for signal in (source.machine_ids.signal_ids if named else ())
        }
        rows = [
            self._prepare_row(source, machines[event.machine], signals, event, reason, now) for event, reason in fresh
        ]
        # The same order in all requests: they wait for each other, and never crosswise.
        rows.sort(key=lambda row: (row["stream"], row["uid"]))
        return {(stream, uid) for stream, uid in self.env["mrp.machine.event"]._insert_rows(rows, "stream, uid")}

    def _prepare_row(self, source, machine, signals, event, reason, now):
        recorded = event.recorded if event.recorded is not None else microseconds(now)
        return {
            "source_id": source.id,
            "stream": event.stream,
            "uid": event.uid,
            "epoch": event.epoch if event.sequence is None else event.epoch or 0,
            "sequence": event.sequence,
            "type": event.type,
            "type_version": event.version,
            "machine_id": machine.id,
            "company_id": machine.company_id.id,
            "signal_id": signals.get((machine.id, event.signal)),
            "occurred": instant(event.occurred).replace(tzinfo=None),
            "recorded": instant(recorded).replace(tzinfo=None),
            "received": now.replace(tzinfo=None),
            "occurred_us": event.occurred,
            "recorded_us": recorded,
            "received_us": microseconds(now),
            "data": event.content if event.data else None,
            "quality": event.quality,
            "status": event.status,
            "mapping_version": event.mapping_version or None,
            "attributes": Json(event.attributes) if event.attributes else None,
            "correlation": event.correlation or event.data.get("refers_to"),
            "disposition": "held" if reason else "accepted",
            "reason": reason or None,
            "digest": event.digest,
        }

    def _note_arrivals(self, streams, events, now):
        """Move the marks of the streams, open and close gaps, and return up to where each stream is complete."""
        numbers = {place: [] for place in streams}
        for event in events:
            if event.sequence is not None:
                numbers[event.stream, event.epoch or 0].append(event.sequence)
        moment, cr, reached = now.replace(tzinfo=None), self.env.cr, {}
        for place, (row_id, lowest, highest) in streams.items():
            arrived = numbers[place]
            known_highest = None if lowest is None else highest
            lowest, highest, opened = extend(lowest, known_highest, arrived)
            if highest is None:
                continue
            if arrived:
                cr.execute(
                    "UPDATE mrp_machine_stream SET lowest = %s, sequence = %s WHERE id = %s", [lowest, highest, row_id]
                )
            missing = self._close_gaps(row_id, arrived, moment)
            if opened:
                cr.execute_values(
                    "INSERT INTO mrp_machine_gap (stream_id, first, last, missing, opened) VALUES %s",
                    [(row_id, first, last, Json([[first, last]]), moment) for first, last in opened],
                    page_size=len(opened),
                )
            reached[place] = watermark(highest, [*missing, *opened])
        return reached

    def _close_gaps(self, stream_id, arrived, moment):
        """Take what has arrived out of a stream's open gaps, and return the ranges that are missing still."""
        cr = self.env.cr
        cr.execute("SELECT id, missing FROM mrp_machine_gap WHERE stream_id = %s AND closed IS NULL", [stream_id])
        missing, changed = [], []
        for gap_id, ranges in cr.fetchall():
            before = [tuple(found) for found in ranges]
            left = fill(before, arrived)
            missing += left
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

    def _show(self, machines, fresh, now):
        """Bring the machines' hot rows up to date with what came."""
        by_machine = {}
        for event, reason in fresh:
            moment = instant(event.occurred)
            told = Event(event.type, moment, moment, event.data, held=reason)
            by_machine.setdefault(event.machine, []).append(told)
        for code, events in sorted(by_machine.items()):
            machine = machines[code]
            self.env["mrp.machine.event"]._show_on_machine(machine, events)
            self.env.cr.execute(
                "UPDATE mrp_machine_status SET last_seen = GREATEST(last_seen, %s) WHERE machine_id = %s",
                [now.replace(tzinfo=None), machine.id],
            )

    _woken = 0.0

    def _wake(self):
        """Have what was stored posted soon: once a second for a process, after the commit."""
        if time.monotonic() - MachineIntake._woken < WAKE_EVERY:
            return
        MachineIntake._woken = time.monotonic()
        self.env.ref("mrp_machine_connect.ir_cron_post")._trigger()

    # Answers

    def _result(self, event, status, reason="", message="", **more):
        result = {"source": event.stream, "id": event.uid, "status": status, "reason": reason, "message": message}
        unknown = getattr(event, "extras", ())
        return {**result, **more, **({"unknown": list(unknown)} if unknown else {})}

    def _rejected(self, event, reason):
        message = RIGHT_REASONS.get(reason) or EVENT_REFUSALS[reason]
        where = event.params.get("pointer") if isinstance(event, Rejected) else ""
        return self._result(event, "rejected", reason, f"{where}: {message}" if where else message)

    def _again(self, event, first):
        digest, disposition = first
        if digest != event.digest:
            return self._rejected(event, "identity_conflict")
        return self._result(event, "duplicate", first=disposition)

    def _taken(self, event, held, reached):
        if held:
            return self._result(event, "held", held, HELD_REASONS[held])
        behind = event.sequence is not None and event.sequence > reached[event.stream, event.epoch or 0]
        return self._result(event, "accepted", "gap_open" if behind else "")
