import hashlib
import json
from datetime import timezone

from psycopg2.extras import Json

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..fields import BigInteger
from ..machine_connect import clock
from ..machine_connect.event import EVENT_TYPES, microseconds, uid
from ..wording import evidence, rule_lines
from .mrp_machine import STATES

#: The states that show on the machine's hot row.
STATE_CODES = {code for code, _label in STATES}


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
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="restrict")
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
        # The worst word wins: what a person must look at shows first.
        order = ["failed", "held", "waiting", "received", "posted", "ignored"]
        for event in self:
            states = set(event.posting_ids.mapped("state"))
            event.state = next((state for state in order if state in states), "received")

    def _search_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        rows = self.env["mrp.machine.event.posting"]._search([("state", "in", list(value))])
        return [("id", "in", rows.subselect("event_id"))]

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
                kinds = {
                    "good": self.env._("good"),
                    "reject": self.env._("rejected"),
                    "rework": self.env._("to rework"),
                    "total": self.env._("in total"),
                }
                return self.env._(
                    "%(delta)s pieces %(kind)s (%(before)s → %(after)s)",
                    delta=f"{data.get('delta', 0):.12g}",
                    kind=kinds.get(data.get("kind"), data.get("kind")),
                    before=data.get("total_before"),
                    after=data.get("total_after"),
                )
            case "production.cycle_completed":
                return self.env._("Cycle completed, %s pieces", f"{data.get('qty', 1):.12g}")
            case "production.counter_reset":
                return self.env._("Counter set back from %(a)s to %(b)s", a=data.get("from"), b=data.get("to"))
            case "machine.state_changed":
                labels = dict(self._fields_state_labels())
                return self.env._(
                    "%(before)s → %(after)s%(reason)s",
                    before=labels.get(data.get("previous"), "–"),
                    after=labels.get(data.get("state"), data.get("state")),
                    reason=f" ({data['reason']})" if data.get("reason") else "",
                )
            case "alarm.raised" | "alarm.cleared":
                words = self.env._("Alarm %s") if self.type == "alarm.raised" else self.env._("Alarm %s cleared")
                return words % " ".join(str(data[key]) for key in ("code", "text") if data.get(key))
            case "correction.adjust":
                return self.env._(
                    "%(delta)s pieces %(kind)s by hand: %(why)s",
                    delta=f"{data.get('delta', 0):+.12g}",
                    kind=data.get("kind"),
                    why=data.get("why"),
                )
            case _:
                return ", ".join(f"{key}: {value}" for key, value in data.items() if key != "raw")[:200] or self.type

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
        received = clock.now()
        positions = self._next_sequences(source, {batch[1]: (batch[0], len(batch[4])) for batch in batches})
        rows = []
        for machine, stream, signals, version, events in batches:
            epoch, sequence = positions[stream]
            for event in events:
                sequence += 1
                rows.append(
                    self._prepare_row(
                        source,
                        machine,
                        stream,
                        epoch,
                        sequence,
                        signals.get(event.signal),
                        version,
                        event,
                        received,
                        user,
                    )
                )
        # By SQL: one statement for the batch, and ON CONFLICT makes a resend harmless. Measured at 1/3 of create().
        columns = ", ".join(rows[0])
        inserted = self.env.cr.execute_values(
            f"""INSERT INTO mrp_machine_event ({columns}) VALUES %s
                ON CONFLICT (source_id, stream, uid) DO NOTHING RETURNING id, machine_id""",
            [tuple(row.values()) for row in rows],
            page_size=len(rows),
            fetch=True,
        )
        if inserted:
            self.env.cr.execute_values(
                "INSERT INTO mrp_machine_queue (event_id, machine_id) VALUES %s", inserted, page_size=len(inserted)
            )
        for machine, _stream, _signals, _version, events in batches:
            self._show_on_machine(machine, events)
        return self.browse([row[0] for row in inserted])

    def _prepare_row(self, source, machine, stream, epoch, sequence, signal_id, version, event, received, user):
        """Return one row of the log as a dict in column order."""
        recorded = event.recorded or received
        content = json.dumps(event.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {
            "source_id": source.id,
            "stream": stream,
            "uid": uid(stream, event),
            "epoch": epoch,
            "sequence": sequence,
            "type": event.type,
            "type_version": EVENT_TYPES[event.type].version,
            "machine_id": machine.id,
            "company_id": machine.company_id.id,
            "signal_id": signal_id or None,
            "occurred": _naive(event.occurred),
            "recorded": _naive(recorded),
            "received": _naive(received),
            "occurred_us": microseconds(event.occurred),
            "recorded_us": microseconds(recorded),
            "received_us": microseconds(received),
            "data": Json(event.data) if event.data else None,
            "quality": event.quality.value if hasattr(event.quality, "value") else event.quality,
            "status": event.status,
            "mapping_version": version,
            "rules": Json(list(event.rules)) if event.rules else None,
            "correlation": event.data.get("refers_to"),
            "user_id": user.id if user else None,
            "disposition": "held" if event.held else "accepted",
            "reason": event.held or None,
            "digest": hashlib.sha256(f"{event.type}\n{microseconds(event.occurred)}\n{content}".encode()).hexdigest(),
        }

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
    def _show_on_machine(self, machine, events):
        """Bring the machine's hot row up to date with what just came; older news does not overwrite newer."""
        accepted = [event for event in events if not event.held]
        if not accepted:
            return
        latest = max(event.occurred for event in accepted)
        values = {"last_event": _naive(latest)}
        changes = [event for event in accepted if event.type == "machine.state_changed"]
        # By SQL: the hot row is written by every poll; the condition makes it right when news comes out of order.
        self.env.cr.execute(
            """UPDATE mrp_machine_status SET last_event = GREATEST(last_event, %s) WHERE machine_id = %s""",
            [values["last_event"], machine.id],
        )
        if changes:
            newest = max(changes, key=lambda event: event.occurred)
            self._show_state(machine, newest.data.get("state"), newest.data.get("reason"), _naive(newest.occurred))
        machine.status_id.invalidate_recordset()

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
        """Ask how many pieces of this event are to be taken back, and why; the event itself stays as it is."""
        self.ensure_one()
        data = self.data or {}
        action = self.machine_id._action_wizard("mrp.machine.adjust", self.env._("Correct an Event"))
        action["context"] = {
            "default_machine_id": self.machine_id.id,
            "default_event_id": self.id,
            "default_kind": data.get("kind") if data.get("kind") in ("good", "reject", "rework") else "good",
            "default_quantity": -(data.get("delta") or data.get("qty") or 0),
            "default_at": self.occurred.replace(microsecond=0),
        }
        return action


def _naive(moment):
    """Return an aware moment as Odoo keeps it: UTC without saying so."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment else None
