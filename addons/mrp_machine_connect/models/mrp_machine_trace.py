from datetime import timezone

from odoo import api, models

from ..machine_connect.event import HELD_REASONS
from ..machine_connect.instants import microseconds
from ..machine_connect.timestamps import timestamp


class MachineTrace(models.AbstractModel):
    """What became of an event, for whoever delivered it."""

    _name = "mrp.machine.trace"
    _description = "Machine Trace"

    @api.model
    def _of(self, source, stream, uid):
        """Return what became of an event of a source, or None where this source has delivered no such event.

        :param source: the mrp.machine.source that asks
        :param str stream: the CloudEvents source of the event
        :param str uid: its id
        """
        event = self.env["mrp.machine.event"].search(
            [("source_id", "=", source.id), ("stream", "=", stream), ("uid", "=", uid)], limit=1
        )
        if not event:
            return None
        effects = [self._effect(row) for row in event.posting_ids.sorted("id")]
        posted = [effect["posted"] for effect in effects if effect["posted"]]
        return {
            "source": event.stream,
            "id": event.uid,
            "type": event.type,
            "version": event.type_version,
            "machine": event.machine_id.code,
            "epoch": event.epoch if event.sequence else event.epoch or None,
            "sequence": event.sequence or None,
            "occurred": timestamp(event.occurred_us),
            "recorded": timestamp(event.recorded_us) if event.recorded_us else None,
            "received": timestamp(event.received_us),
            "posted": min(posted) if posted else None,
            "disposition": event.disposition,
            "reason": event.reason or "",
            "message": HELD_REASONS.get(event.reason, ""),
            "state": event.state,
            "summary": event.summary,
            "effects": effects,
        }

    def _effect(self, row):
        posting = row.posting_id
        return {
            "handler": row.handler,
            "effect": row.handler_name,
            "state": row.state,
            "reason": row.reason or "",
            "message": row.message or "",
            "remedy": row.remedy or "",
            "attempts": row.attempts,
            "posted": timestamp(microseconds(posting.create_date.replace(tzinfo=timezone.utc))) if posting else None,
            "summary": posting.summary or "",
            "explanation": posting.explanation or "",
            "document": self._document(posting),
        }

    def _document(self, posting):
        """Return the document that carries an effect in words: what it is, and its name."""
        if not posting.res_model or posting.res_model not in self.env:
            return ""
        document = self.env[posting.res_model].browse(posting.res_id).exists()
        return f"{document._description} {document.display_name}" if document else ""
