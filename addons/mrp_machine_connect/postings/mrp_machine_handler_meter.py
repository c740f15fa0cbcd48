from odoo import api, models

from ..quantities import number_text
from .outcome import Ignored


class MachineHandlerMeter(models.AbstractModel):
    """What machines and senders tell of meters becomes readings; the sum goes on when a meter is set back."""

    _name = "mrp.machine.handler.meter"
    _inherit = "mrp.machine.handler"
    _description = "Meter"
    _event_types = ("meter.reading", "process.summary")
    _touches_documents = False
    _takes_telemetry = True
    _handler_sequence = 35

    @api.model
    def _takes(self, event):
        # sudo: meters are looked up for whoever posts
        return super()._takes(event) and bool(self.env["mrp.machine.meter"].sudo()._of_event(event))

    @api.model
    def _group(self, row):
        return "meters"

    @api.model
    def _post(self, group, rows):
        # sudo: readings are the meter's own
        meters, reading = self.env["mrp.machine.meter"].sudo(), None
        for event in rows.event_id:
            shows = self._shows(event.data or {})
            for meter in meters._of_event(event) if shows is not None else ():
                reading = meter._read(event.occurred_us, shows, event=event)
        if reading is None:
            raise Ignored("no_value", self.env._("It tells no value that a meter could show."))
        words = self.env._(
            "%(meter)s of %(machine)s: %(total)s %(unit)s in all",
            meter=reading.meter_id.name,
            machine=rows.machine_id.name,
            total=number_text(reading.total),
            unit=reading.meter_id.unit,
        )
        return self._posting(rows, words, reading.meter_id)

    @api.model
    def _shows(self, data):
        """Return what a meter shows by an event, None for nothing."""
        value = data.get("value", data.get("last"))
        return None if isinstance(value, bool) or not isinstance(value, (int, float)) else float(value)
