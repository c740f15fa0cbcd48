from odoo import api, models

from ..machine_connect.event import HELD_REASONS
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
        effects = self.env["mrp.machine.explanation"]._effects(event)
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
