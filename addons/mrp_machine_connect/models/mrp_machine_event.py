import hashlib
import io
import json
from datetime import timezone
from functools import lru_cache, partial

from psycopg2.errors import UniqueViolation

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..copy_rows import NULL, OPTIONS, copy_moment, copy_number, copy_text, is_plain
from ..fields import BigInteger
from ..machine_connect import clock
from ..machine_connect.contact import NO_CONTACT
from ..machine_connect.event import EVENT_TYPES, microseconds, uid
from ..quantities import number_text, pieces_text
from ..wording import evidence, rule_lines
from .mrp_machine import STATES

#: The states that show on the machine's hot row.
STATE_CODES = {code for code, _label in STATES}
#: What may have become of an event, the worst first: what a person must look at shows before all else.
OUTCOMES = ("failed", "held", "waiting", "received", "posted", "ignored")
#: So many of them are open: there are few such effects, and partial indexes hold them.
OPEN_OUTCOMES = 4
#: Columns of the log that are written when an event is stored; first those that many events share.
LOG_COLUMNS = (
    *(
        "source_id",
        "machine_id",
        "company_id",
        "user_id",
        "received",
        "received_us",
        "stream",
        "uid",
        "epoch",
        "sequence",
    ),
    *("type", "type_version", "signal_id", "occurred", "recorded", "occurred_us", "recorded_us", "data", "quality"),
    *("status", "mapping_version", "attributes", "rules", "correlation", "disposition", "reason", "digest"),
)


def log_head(source, machine_id, company_id, received, user=None):
    """Return the beginning of a row of the log that many events share, as a text of COPY.

    :param int received: when Odoo stored it, in microseconds since 1970-01-01 UTC
    """
    shared = copy_number(user.id if user else None), copy_moment(received), str(received)
    return "\t".join((str(source.id), str(machine_id), str(company_id), *shared))


def log_row(
    head, stream, uid, epoch, sequence, type, version, occurred, recorded, data, quality, digest, held="",
    signal_id=None, status=None, mapping_version=None, attributes="", rules="", correlation="", is_escaped=False,
):  # fmt: skip
    """Return a row of the log as a text of COPY, in the order of :data:`LOG_COLUMNS`.

    :param str head: of :func:`log_head`
    :param int occurred: and recorded: in microseconds since 1970-01-01 UTC
    :param str data: and attributes and rules: JSON, empty for none
    :param str held: why it is held; empty when it is accepted
    :param bool is_escaped: whether the texts are made with :func:`copy_text` already
    """
    # One f-string, since this is done for each event: 27 columns joined take twice as long.
    row = (
        f"{head}\t{stream}\t{uid}\t{'' if epoch is None else epoch}\t{'' if sequence is None else sequence}\t{type}"
        f"\t{version}\t{signal_id or ''}\t{copy_moment(occurred)}\t{_often(recorded)}\t{occurred}\t{recorded}\t{data}"
        f"\t{quality or ''}\t{'' if status is None else status}\t{'' if mapping_version is None else mapping_version}"
        f"\t{attributes}\t{rules}\t{correlation or ''}\t{'held' if held else 'accepted'}\t{held or ''}\t{digest}\n"
    )
    if is_escaped or is_plain(row, len(LOG_COLUMNS)):
        return row
    return log_row(
        head, copy_text(stream), copy_text(uid), epoch, sequence, type, version, occurred, recorded, copy_text(data),
        quality, digest, held, signal_id, status, mapping_version, copy_text(attributes), copy_text(rules),
        copy_text(correlation), is_escaped=True,
    )  # fmt: skip


#: The time of recording is the same for all events of a sender that does not tell it.
_often = lru_cache(maxsize=64)(copy_moment)


class Said(fields.Json):
    """A Json of the log, handed out as it is kept: read many times, written once and changed by nobody.

    Odoo's own makes a deep copy at each reading, which for 200 counts takes longer than to book them.
    """

    def convert_to_record(self, value, record):
        return False if value is None else value


class MachineEvent(models.Model):
    """The log of what machines told us. Rows are written once; what became of them stands in mrp.machine.event.posting."""

    _name = "mrp.machine.event"
    _description = "Machine Event"
    _order = "occurred_us desc, id desc"
    _log_access = False
    _rec_name = "type"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, ondelete="restrict")
    stream = fields.Char(required=True, readonly=True, help="CloudEvents source: one ordered flow of this sender.")
    uid = fields.Char("Unique Identifier", required=True, readonly=True)
    epoch = BigInteger(readonly=True, help="Grows when the sender lost its own count.")
    sequence = BigInteger(readonly=True, help="Position in the stream, without gaps.")
    type = fields.Char(required=True, readonly=True, help="What happened, from the closed list of event types.")
    type_version = fields.Integer(readonly=True, default=1)
    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", required=True, readonly=True, ondelete="restrict")
    signal_id = fields.Many2one("mrp.machine.signal", readonly=True, index="btree_not_null", ondelete="restrict")
    occurred = fields.Datetime(required=True, readonly=True, help="When it happened, by the machine's clock.")
    recorded = fields.Datetime(readonly=True, help="When the sender wrote it down.")
    received = fields.Datetime(required=True, readonly=True, help="When Odoo stored it.")
    occurred_us = BigInteger("Occurred (µs)", required=True, readonly=True)
    recorded_us = BigInteger("Recorded (µs)", readonly=True)
    received_us = BigInteger("Received (µs)", required=True, readonly=True)
    data = Said(readonly=True, help="What the event says, with registers or DataValue as read.")
    quality = fields.Char(readonly=True)
    status = BigInteger(readonly=True, help="The protocol's own status code.")
    mapping_version = fields.Integer(readonly=True, help="Version of the machine's signals and codes it was made with.")
    attributes = Said(readonly=True, help="What its sender said beside it that is not known here.")
    rules = Said(readonly=True, help="Which rules looked at it, and what each of them said.")
    correlation = fields.Char(readonly=True, help="The event that this one corrects or belongs to.")
    user_id = fields.Many2one("res.users", string="By", readonly=True, ondelete="restrict")
    disposition = fields.Selection([("accepted", "Accepted"), ("held", "Held")], required=True, readonly=True)
    reason = fields.Char(readonly=True, help="Why it is held.")
    digest = fields.Char(readonly=True, help="SHA-256 of its content.")
    summary = fields.Char(compute="_compute_summary", help="The event in a sentence.")
    posting_ids = fields.One2many("mrp.machine.event.posting", "event_id", string="What Became of It")
    state = fields.Selection(
        "_selection_state", compute="_compute_state", search="_search_state", help="The worst of its effects."
    )
    data_text = fields.Text(compute="_compute_texts", string="Content as Text")
    raw_text = fields.Text(compute="_compute_texts", string="As the Machine Said It")
    rules_text = fields.Text(compute="_compute_texts", string="What the Rules Said")

    _uid_unique = models.UniqueIndex("(source_id, stream, uid)", "This event has already been received.")
    _sequence_unique = models.UniqueIndex(
        "(source_id, stream, epoch, sequence) WHERE sequence IS NOT NULL", "This sequence number was used already."
    )
    _machine_occurred = models.Index("(machine_id, occurred_us DESC)")
    _type_occurred = models.Index("(type, occurred_us DESC)")
    _received = models.Index("(received_us)")
    _latest = models.Index("(occurred_us DESC, id DESC)")

    @api.model
    def _selection_state(self):
        return self.env["mrp.machine.event.posting"]._fields["state"]._description_selection(self.env)

    def _compute_state(self):
        for event in self:
            states = set(event.posting_ids.mapped("state"))
            event.state = next((state for state in OUTCOMES if state in states), "received")

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        self.env["mrp.machine.event.posting"].flush_model(["event_id", "state"])
        # Neighbours need not be told apart: one condition for each run of them, open and settled ones by themselves.
        runs = []
        for rank, state in enumerate(OUTCOMES):
            if state not in value:
                continue
            if runs and runs[-1][-1] == rank - 1 and rank != OPEN_OUTCOMES:
                runs[-1].append(rank)
            else:
                runs.append([rank])
        return Domain.OR(Domain.custom(to_sql=partial(self._outcome_sql, run)) for run in runs)

    @staticmethod
    def _outcome_sql(run, _model, alias, _query):
        """Return the condition of events whose worst effect is one of a run of neighbouring :data:`OUTCOMES`.

        What is open is few and found by its own indexes, from there to the log; of what is settled the log is full, and
        whoever reads it from its latest event on looks at the effects of each.
        """
        states, worse = OUTCOMES[run[0] : run[-1] + 1], OUTCOMES[: run[0]]
        event = SQL.identifier(alias, "id")
        settled = run[0] >= OPEN_OUTCOMES
        condition = SQL("effect.state IN %s", states)
        if settled:
            condition = SQL("effect.event_id = %s AND %s", event, condition)
        if worse:
            condition = SQL(
                """%s AND NOT EXISTS (SELECT FROM mrp_machine_event_posting worse
                                       WHERE worse.event_id = effect.event_id AND worse.state IN %s)""",
                condition,
                worse,
            )
        effects = SQL("SELECT effect.event_id FROM mrp_machine_event_posting effect WHERE %s", condition)
        if settled:
            return SQL("EXISTS (%s)", effects)
        if "received" in states:
            # Not yet routed: no effect says anything of it, but it is queued.
            effects = SQL(
                """%s UNION ALL SELECT queue.event_id FROM mrp_machine_queue queue
                    WHERE NOT EXISTS (SELECT FROM mrp_machine_event_posting effect
                                       WHERE effect.event_id = queue.event_id)""",
                effects,
            )
        return SQL("%s IN (%s)", event, effects)

    def _compute_texts(self):
        for event in self:
            event.data_text = json.dumps(event.data or {}, indent=2, ensure_ascii=False)
            event.raw_text = evidence(self.env, (event.data or {}).get("raw"))
            event.rules_text = "\n".join(rule_lines(self.env, event.rules))

    def _compute_summary(self):
        for event in self:
            event.summary = event._sentence()

    def _compute_display_name(self):
        for event in self:
            event.display_name = event.summary or event.type

    def _sentence(self):
        """Return this event in a sentence for people."""
        data = self.data or {}
        match self.type:
            case "production.count":
                words = {"pieces": pieces_text(self.env, data.get("delta", 0)), "kind": self._kind_words()}
                if data.get("total_before") is None or data.get("total_after") is None:
                    return self.env._("%(pieces)s %(kind)s", **words)
                return self.env._(
                    "%(pieces)s %(kind)s (%(before)s → %(after)s)",
                    before=number_text(data["total_before"]),
                    after=number_text(data["total_after"]),
                    **words,
                )
            case "production.cycle_completed":
                return self.env._("Cycle completed, %s", pieces_text(self.env, data.get("qty", 1)))
            case "production.counter_reset":
                return self.env._(
                    "Counter set back from %(a)s to %(b)s",
                    a=number_text(data.get("from")),
                    b=number_text(data.get("to")),
                )
            case "machine.state_changed":
                labels = dict(self._fields_state_labels())
                return self.env._(
                    "%(before)s → %(after)s%(reason)s",
                    before=labels.get(data.get("previous"), "–"),
                    after=labels.get(data.get("state"), data.get("state")),
                    reason=f" ({self._reason_words(data['reason'])})" if data.get("reason") else "",
                )
            case "alarm.raised" | "alarm.cleared":
                words = self.env._("Alarm %s") if self.type == "alarm.raised" else self.env._("Alarm %s cleared")
                # What a condition found has words; its code is ours.
                keys = ("text",) if data.get("condition_id") and data.get("text") else ("code", "text")
                return words % " ".join(number_text(data[key]) for key in keys if data.get(key))
            case "correction.adjust":
                return self.env._(
                    "%(pieces)s %(kind)s by hand: %(why)s",
                    pieces=pieces_text(self.env, data.get("delta", 0), signed=True),
                    kind=self._kind_words(),
                    why=data.get("why"),
                )
            case _:
                said = (f"{key}: {number_text(value)}" for key, value in data.items() if key != "raw")
                return ", ".join(said)[:200] or self.type

    def _reason_words(self, reason):
        """Return why a state is so: in the machine's own words, or in ours where the reason is one of the pure core."""
        return self.env._("the machine could not be reached") if reason == NO_CONTACT else reason

    def _kind_words(self):
        """Return what kind of pieces this event speaks of."""
        kind = (self.data or {}).get("kind")
        words = {
            "good": self.env._("good"),
            "reject": self.env._("rejected"),
            "rework": self.env._("to rework"),
            "total": self.env._("in total"),
        }
        return words.get(kind, kind)

    def _fields_state_labels(self):
        return self.env["mrp.machine.status"]._fields["state"]._description_selection(self.env)

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        raise UserError(self.env._("Events are received, not created. Use «Add or Correct Pieces» on the machine."))

    def write(self, vals):  # pylint: disable=method-required-super
        raise UserError(self.env._("The event log is never rewritten. Correct an event with another one."))

    def unlink(self):
        if not self.env.context.get("machine_connect_retention"):
            # pylint: disable=no-raise-unlink; uninstalling clears the table by SQL before
            raise UserError(self.env._("The event log is never rewritten. Its age limit is a setting."))
        return super().unlink()

    # Receiving

    @api.model
    def _receive(self, source, batches, user=None):
        """Store events and queue them for their effects: one INSERT for all, whatever the number of machines.

        Stored twice is stored once: an event whose (source, stream, uid) is known already is left as it is.

        :param source: the mrp.machine.source that delivers
        :param batches: iterable of ``(machine, stream name, signal ids by name, mapping version, events)``, the events
            as of :mod:`machine_connect.event`, in the order of the stream
        :param user: who entered them, when a person did
        :return: the new events, in no particular order
        """
        batches = [batch for batch in batches if batch[4]]
        if not batches:
            return self.browse()
        received = microseconds(clock.now())
        positions = self._next_sequences(source, {batch[1]: (batch[0], len(batch[4])) for batch in batches})
        rows = []
        for machine, stream, signals, version, events in batches:
            head = log_head(source, machine.id, machine.company_id.id, received, user)
            epoch, sequence = positions[stream]
            for event in events:
                sequence += 1
                signal_id = signals.get(event.signal)
                row = self._prepare_row(head, stream, epoch, sequence, signal_id, version, event, received)
                rows.append((machine.id, row, event.type))
        stored = self._store(rows)
        # A decision of Odoo's own is no news of the machine, and who posts writes no row that every poll writes.
        is_news = source != self.env.ref("mrp_machine_connect.source_rules")
        for machine, _stream, _signals, _version, events in batches:
            accepted = [event for event in events if not event.held]
            if accepted and is_news:
                changes = [event for event in accepted if event.type == "machine.state_changed"]
                newest = max(changes, key=lambda event: event.occurred, default=None)
                self._show_on_machine(machine, max(event.occurred for event in accepted), newest)
        return self.browse(filter(None, stored))

    @api.model
    def _store(self, rows):
        """Store rows of the log and queue them for their effects; those that are stored already stay as they are.

        :param rows: a sequence of ``(machine id, row, event type)``, the row as of :func:`log_row`
        :return: for each row, in their order, its new id, or None where it was stored already
        """
        # By SQL: COPY takes a batch at a third of the cost of INSERT. It has no ON CONFLICT, but a row that is stored
        # already is rare here: resends have been looked up before, and streams with numbers are locked.
        if not rows:
            return []
        cr = self.env.cr
        # As one text: so many rows of one number each would take longer on both sides.
        cr.execute(
            "SELECT string_agg(nextval('mrp_machine_event_id_seq')::text, ' ') FROM generate_series(1, %s)", [len(rows)]
        )
        ids = cr.fetchone()[0].split()
        text = "".join([f"{new_id}\t{row}" for new_id, (_machine_id, row, _type) in zip(ids, rows, strict=True)])
        patient = self.env["mrp.machine.poster"]._patient_types()
        try:
            with cr.savepoint(flush=False):
                self._copy("mrp_machine_event", ("id", *LOG_COLUMNS), text)
                queue = [
                    f"{new_id}\t{machine_id}\t{'t' if event_type in patient else NULL}\n"
                    for new_id, (machine_id, _row, event_type) in zip(ids, rows, strict=True)
                ]
                self._copy("mrp_machine_queue", ("event_id", "machine_id", "is_patient"), "".join(queue))
        except UniqueViolation:
            stored = self._store_some(text)
            return [new_id if new_id in stored else None for new_id in map(int, ids)]
        return list(map(int, ids))

    def _store_some(self, text):
        """Store those of these rows that are not stored already, and return their ids."""
        cr = self.env.cr
        cr.execute("CREATE TEMPORARY TABLE mrp_machine_event_arrived (LIKE mrp_machine_event) ON COMMIT DROP")
        columns = ("id", *LOG_COLUMNS)
        self._copy("mrp_machine_event_arrived", columns, text)
        names = SQL(", ").join(map(SQL.identifier, columns))
        cr.execute(
            SQL(
                """WITH stored AS (
                       INSERT INTO mrp_machine_event (%(names)s)
                       SELECT %(names)s FROM mrp_machine_event_arrived ORDER BY id
                       ON CONFLICT (source_id, stream, uid) DO NOTHING
                       RETURNING id, machine_id, type
                   ), queued AS (
                       INSERT INTO mrp_machine_queue (event_id, machine_id, is_patient)
                       SELECT id, machine_id, NULLIF(type = ANY(%(patient)s), FALSE) FROM stored
                   )
                   SELECT id FROM stored""",
                names=names,
                patient=sorted(self.env["mrp.machine.poster"]._patient_types()),
            )
        )
        stored = {row[0] for row in cr.fetchall()}
        cr.execute("DROP TABLE mrp_machine_event_arrived")
        return stored

    def _copy(self, table, columns, text):
        names = ", ".join(f'"{name}"' for name in columns)
        data = text.encode()
        self.env.cr.copy_expert(f'COPY "{table}" ({names}) FROM STDIN ({OPTIONS})', io.BytesIO(data), len(data))

    def _prepare_row(self, head, stream, epoch, sequence, signal_id, version, event, received):
        """Return one row of the log; see :func:`log_row`."""
        occurred = microseconds(event.occurred)
        content = json.dumps(event.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return log_row(
            head,
            stream,
            uid(stream, event),
            epoch,
            sequence,
            event.type,
            EVENT_TYPES[event.type].version,
            occurred,
            microseconds(event.recorded) if event.recorded else received,
            content if event.data else "",
            getattr(event.quality, "value", event.quality),
            hashlib.sha256(f"{event.type}\n{occurred}\n{content}".encode()).hexdigest(),
            event.held,
            signal_id=signal_id or None,
            status=event.status,
            mapping_version=version,
            rules=json.dumps(event.rules, ensure_ascii=False) if event.rules else "",
            correlation=event.data.get("refers_to"),
        )

    def _next_sequences(self, source, wanted):
        """Take sequence numbers from the streams, one statement for all.

        :param dict wanted: ``{stream name: (machine, how many)}``
        :return: ``{stream name: (epoch, last number used before)}``
        """
        rows = self.env.cr.execute_values(
            """INSERT INTO mrp_machine_stream AS stream (source_id, machine_id, name, epoch, sequence) VALUES %s
               ON CONFLICT (source_id, name, epoch) DO UPDATE SET sequence = stream.sequence + EXCLUDED.sequence
               RETURNING name, epoch, sequence""",
            # Sorted, so that two batches with the same streams never wait for each other crosswise.
            [(source.id, machine.id, name, 1, count) for name, (machine, count) in sorted(wanted.items())],
            page_size=len(wanted),
            fetch=True,
        )
        return {name: (epoch, sequence - wanted[name][1]) for name, epoch, sequence in rows}

    @api.model
    def _show_on_machine(self, machine, latest, change=None, seen=None):
        """Bring the machine's hot row up to date with what just came; older news does not overwrite newer.

        :param latest: when the latest of it happened, aware; None where nothing of it is believed
        :param change: the latest change of state among it, an Event or None
        :param seen: when somebody outside told it, aware; None: the poller keeps that by itself
        """
        # By SQL: the hot row is written by every poll; the condition makes it right when news comes out of order.
        self.env.cr.execute(
            """UPDATE mrp_machine_status
                  SET last_event = GREATEST(last_event, %s), last_seen = GREATEST(last_seen, %s) WHERE machine_id = %s""",
            [latest and _naive(latest), seen and _naive(seen), machine.id],
        )
        if change:
            self._show_state(machine, change.data.get("state"), change.data.get("reason"), _naive(change.occurred))
        self.env["mrp.machine.status"].invalidate_model(["last_event", "last_seen"])

    @api.model
    def _show_state(self, machine, state, reason, at):
        """Show a state that began at a moment (naive UTC) on the machine's hot row, unless a newer one is there."""
        # By SQL: the hot row is written by every poll; the condition makes it right when news comes out of order.
        self.env.cr.execute(
            """UPDATE mrp_machine_status SET state = %s, state_since = %s, reason = %s
                WHERE machine_id = %s AND (state_since IS NULL OR state_since <= %s)""",
            [state if state in STATE_CODES else "unknown", at, reason or None, machine.id, at],
        )
        machine.sudo().status_id.invalidate_recordset()  # sudo: whoever acts sees the new state

    # Buttons

    def action_retry(self):
        """Try the effects of these events again that did not come to an end."""
        self.posting_ids.filtered(lambda row: row.state in ("waiting", "held", "failed")).action_retry()

    def action_correct(self):
        """Ask how many of the pieces that were booked for this event to take back, and why; the event stays as it is."""
        self.ensure_one()
        kind, pieces = self._booked()
        if not pieces:
            raise UserError(self._nothing_booked_words(kind))
        action = self.machine_id._action_wizard("mrp.machine.adjust", self.env._("Correct an Event"))
        action["context"] = {
            "default_machine_id": self.machine_id.id,
            "default_event_id": self.id,
            "default_kind": kind,
            "default_quantity": -pieces,
            "default_at": self.occurred.replace(microsecond=0),
        }
        return action

    def _booked(self):
        """Return ``(kind, pieces)`` that stand booked for this event, less what corrections of it took back or will.

        :return: the kind is empty where nothing was booked at all, or only compared
        """
        self.ensure_one()
        row = self._count_row()
        kind = row.posting_id.kind
        if row.state != "posted" or kind not in ("good", "reject", "rework"):
            return "", 0.0
        counts = self.env["mrp.machine.handler.production_count"]
        pieces = counts._counted(self, self.machine_id, self.machine_id.counting_role)[1]
        corrections = self.search(
            [
                ("machine_id", "=", self.machine_id.id),
                ("type", "=", "correction.adjust"),
                ("correlation", "=", self.uid),
            ]
        )
        for correction in corrections:
            data = correction.data or {}
            if data.get("kind") == kind and correction._count_row().state != "ignored":
                pieces += data.get("delta", 0.0)
        return kind, pieces

    def _count_row(self):
        """Return the effect of this event on pieces, or an empty recordset."""
        return self.posting_ids.filtered(lambda row: row.handler == "production_count")

    def _nothing_booked_words(self, kind):
        """Return why nothing can be taken back."""
        row = self._count_row()
        if kind:
            return self.env._("All pieces of this event were taken back already.")
        if row.state == "posted":
            return self.env._(
                "Nothing was booked for this event, so there is nothing to take back: its counter is only compared with "
                "the one that feeds the order."
            )
        if row.state == "ignored":
            return self.env._(
                "Nothing was booked for this event, so there is nothing to take back: %s", row.message or row.reason
            )
        return self.env._(
            "Nothing is booked for this event yet, so there is nothing to take back. Where it waits in Exceptions, it can be "
            "ignored there."
        )


def _naive(moment):
    """Return an aware moment as Odoo keeps it: UTC without saying so."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment else None
