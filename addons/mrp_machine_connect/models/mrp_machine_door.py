import base64
import hashlib
import os
import time
from datetime import timedelta

from psycopg2.extras import Json

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import config

from ..machine_connect import clock, signature
from ..machine_connect.envelope import Rejected
from ..machine_connect.event import HELD_REASONS, Event, clock_doubt
from ..machine_connect.gaps import extend, fill, watermark
from ..machine_connect.instants import instant, microseconds
from ..machine_connect.refusals import EVENT_REFUSALS

#: Why a request is not let in, beside the reasons of the signature.
DOOR_REASONS = ("key_unknown", "key_outdated", "source_archived", "network_foreign", "nonce_stolen")
#: Why one event is rejected although it can be read, with what it says in English.
RIGHT_REASONS = {
    "machine_unknown": "this source speaks for no machine of this code",
    "type_forbidden": "this source may not deliver events of this type",
    "identity_conflict": "another event with this id and another content is stored already",
    "sequence_conflict": "another event with this sequence number is stored already",
}
#: Seconds between two wake-ups of the poster by one process; one that is missed costs a minute at most.
WAKE_EVERY = 1.0
#: Expired nonces that a request takes away with it: more than the one it brings, so that they never pile up.
NONCES_CLEARED = 10


class DoorClosed(Exception):
    """A request is not let in.

    :param str reason: for our own record
    :param source_id: whose key it named, or None
    :param bool told: whether the sender has proven who it is, and may know the reason
    """

    def __init__(self, reason, source_id=None, told=False):
        super().__init__(reason)
        self.reason = reason
        self.source_id = source_id
        self.told = told


def environment_name():
    """Return which environment this server is, from outside the database: a copied database cannot bring it along."""
    return (
        config.get("machine_connect_environment")
        or os.environ.get("MACHINE_CONNECT_ENVIRONMENT")
        or os.environ.get("ODOO_STAGE")
        or "production"
    )


class MachineDoor(models.AbstractModel):
    """Where others deliver events: who they are, what they may, what became of each event.

    All of it runs as the superuser on tables of our own that no sender has rights to: the log, streams, gaps, nonces.
    """

    _name = "mrp.machine.door"
    _description = "Machine Door"

    # Who is there?

    @api.model
    def _let_in(self, asked, headers, address):
        """Return the source that signed a request.

        :param asked: :class:`machine_connect.signature.Request`
        :param headers: of the request
        :param str address: where it came from
        :raise DoorClosed: it is not let in
        """
        now = clock.now()
        name = headers.get(signature.KEY_HEADER) or ""
        found = self._find_key(name) if signature.KEY_NAME.fullmatch(name) else None
        if not found:
            # As long as with a key that exists, so that nobody learns which ones do.
            signature.verify(signature.Key("nobody", bytes(32)), asked, headers, now.timestamp())
            raise DoorClosed("key_unknown")
        source = self.env["mrp.machine.source"].browse(found["source_id"])
        key = signature.Key(name, found["material"], found["algorithm"])
        if reason := signature.verify(key, asked, headers, now.timestamp()):
            raise DoorClosed(reason, source.id, told=reason == "time_outside")
        moment = now.replace(tzinfo=None)
        if found["valid_from"] > moment or (found["valid_until"] and found["valid_until"] <= moment):
            raise DoorClosed("key_outdated", source.id, told=True)
        if not source.active:
            raise DoorClosed("source_archived", source.id)
        if not source._takes_from(address):
            raise DoorClosed("network_foreign", source.id)
        self._remember(found["id"], source, headers.get(signature.NONCE_HEADER), asked.body, moment)
        return source

    def _find_key(self, name):
        # By SQL: at each request, from a table that nobody has rights to; a revoked key is refused at once everywhere.
        self.env.cr.execute(
            """SELECT key.id, key.source_id, key.algorithm, key.public_key, key.valid_from, key.valid_until, secret.value
                 FROM mrp_machine_source_key key
                 LEFT JOIN mrp_machine_source_secret secret ON secret.key_id = key.id
                WHERE key.name = %s AND key.revoked IS NULL""",
            [name],
        )
        found = self.env.cr.dictfetchone()
        if not found:
            return None
        public, secret = found["public_key"], found["value"]
        is_public = found["algorithm"] == signature.ED25519
        found["material"] = base64.b64decode(public or "") if is_public else bytes.fromhex(secret or "")
        return found if len(found["material"]) >= signature.KEY_BYTES else None

    def _remember(self, key_id, source, nonce, body, moment):
        """Keep that a request has come; the same once more is the same request, another body is a stolen signature."""
        digest = hashlib.sha256(body).hexdigest()
        expires = moment + timedelta(seconds=2 * signature.WINDOW + 1)
        cr = self.env.cr
        # By SQL: one statement that is right for any number of workers and hosts.
        cr.execute(
            """INSERT INTO mrp_machine_nonce (key_id, nonce, digest, expires) VALUES (%s, %s, %s, %s)
               ON CONFLICT (key_id, nonce) DO UPDATE SET nonce = EXCLUDED.nonce
               RETURNING digest, (xmax = 0)""",
            [key_id, nonce, digest, expires],
        )
        first_digest, is_new = cr.fetchone()
        if first_digest != digest:
            raise DoorClosed("nonce_stolen", source.id)
        if is_new:
            cr.execute(
                """DELETE FROM mrp_machine_nonce WHERE id IN (
                       SELECT id FROM mrp_machine_nonce WHERE expires < %s LIMIT %s FOR UPDATE SKIP LOCKED)""",
                [moment, NONCES_CLEARED],
            )
        # To the minute, so that the row is not written by each request.
        cr.execute(
            """UPDATE mrp_machine_source_key SET last_used = %s
                WHERE id = (SELECT id FROM mrp_machine_source_key
                             WHERE id = %s AND (last_used IS NULL OR last_used < %s) FOR UPDATE SKIP LOCKED)""",
            [moment, key_id, moment - timedelta(minutes=1)],
        )

    # What became of each event?

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
        if time.monotonic() - MachineDoor._woken < WAKE_EVERY:
            return
        MachineDoor._woken = time.monotonic()
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

    # What was refused

    @api.model
    def _note_refusals(self, refusals, source_id, address):
        """Count what was refused, a line a day and reason.

        :param dict refusals: ``{reason: how often}``
        """
        if not refusals:
            return
        moment = fields.Datetime.now()
        # By SQL: under attack, this is what happens most.
        self.env.cr.execute_values(
            """INSERT INTO mrp_machine_refusal AS line (source_id, company_id, day, reason, count, first, last, address)
               SELECT given.source_id::int, source.company_id, given.day::date, given.reason, given.count::int,
                      given.at::timestamp, given.at::timestamp, given.address
                 FROM (VALUES %s) AS given (source_id, day, reason, count, at, address)
                 LEFT JOIN mrp_machine_source source ON source.id = given.source_id::int
               ON CONFLICT (day, COALESCE(source_id, 0), reason)
               DO UPDATE SET count = line.count + EXCLUDED.count, last = EXCLUDED.last, address = EXCLUDED.address""",
            [
                (source_id or None, moment.date(), reason, count, moment, address or None)
                for reason, count in sorted(refusals.items())
            ],
            page_size=len(refusals),
        )

    @api.model
    def _reason_words(self):
        """Return each reason for which something is refused, as a sentence for people."""
        words = self.env._
        return {
            "key_unknown": words("It names no key of ours, or one that was revoked."),
            "key_outdated": words("Its key is not valid yet, or not any more. Make a new one on the source."),
            "source_archived": words("The source of its key is archived."),
            "network_foreign": words("It came from an address outside the source's allowed networks."),
            "nonce_stolen": words(
                "It used a number again that another request was signed with: somebody replays requests."
            ),
            "header_missing": words("A header of the signature is missing."),
            "header_malformed": words("A header of the signature is not of its form."),
            "signature_wrong": words(
                "The signature does not fit: another secret, another environment or database, or the content was changed."
            ),
            "time_outside": words("The sender's clock differs too much from ours. Set its clock."),
            "machine_unknown": words("The source speaks for no machine of this code. Add the machine to the source."),
            "type_forbidden": words("The source may not deliver this type of event. Add the type to the source."),
            "identity_conflict": words(
                "The id was used before with another content. The sender must not use an id twice."
            ),
            "sequence_conflict": words("The sequence number was used before with another id."),
            "media_type_unsupported": words("It is not CloudEvents in structured JSON."),
            "charset_unsupported": words("The character set is not UTF-8."),
            "encoding_unsupported": words("It is packed otherwise than by gzip."),
            "body_too_big": words("The request is too big. Send smaller batches."),
            "unpacked_too_big": words("The request is too big once it is unpacked. Send smaller batches."),
            "too_many_values": words("The request holds too many values. Send smaller batches."),
            "too_many_events": words("The batch holds too many events. Send smaller batches."),
            "gzip_broken": words("The packed body is not whole."),
            "byte_order_mark": words("The body begins with a byte order mark."),
            "not_utf8": words("The body is not UTF-8."),
            "not_json": words("The body is not JSON."),
            "too_deep": words("The body is nested too deeply."),
            "not_an_object": words("A single event must be a JSON object."),
            "not_an_array": words("A batch must be a JSON array."),
            "missing": words("An event lacks a required key."),
            "wrong_type": words("A value of an event is not of its type."),
            "out_of_range": words("A number of an event is outside its range."),
            "not_finite": words("A number of an event is not finite."),
            "too_long": words("A text or list of an event is too long."),
            "too_short": words("A text or list of an event is too short."),
            "unknown_choice": words("A value of an event is not one of the choices."),
            "malformed": words("A text of an event is not of the form that is needed."),
            "key_twice": words("An object says the same key twice."),
            "nul": words("A text holds a NUL character."),
            "half_surrogate": words("A text holds half a character (a lone surrogate)."),
            "type_unknown": words("There is no such type of event."),
            "version_unknown": words("There is no such version of the type of event."),
            "data_not_json": words("The data of an event is not a JSON object."),
            "event_too_big": words("An event is too big."),
        }


def superuser(env):
    """Return an environment that may write our own tables: a sender has no user, and its rights are those of its source."""
    return env(user=SUPERUSER_ID)
