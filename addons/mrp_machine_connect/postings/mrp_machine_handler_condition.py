from odoo import api, models

from ..machine_connect.condition import OWN_CODES, Alarm, RuleInvalid
from ..models.mrp_machine_condition import LOOKED_AT
from .outcome import Ignored, Waiting

#: What the types of events tell that conditions look at.
NEWS = {
    "machine.state_changed": "state",
    "alarm.raised": "alarm",
    "alarm.cleared": "alarm",
    "meter.reading": "value",
    "process.summary": "value",
}


class MachineHandlerCondition(models.AbstractModel):
    """Conditions look at what a machine says of its states and alarms, and at values that no poller reads.

    What they find is an event of its own with an effect of its own. It comes last: no piece waits for it.
    """

    _name = "mrp.machine.handler.condition"
    _inherit = "mrp.machine.handler"
    _description = "Conditions"
    _event_types = tuple(NEWS)
    _touches_documents = False
    _takes_telemetry = True
    _is_patient = True
    _handler_sequence = 40

    @api.model
    def _takes(self, event):
        if not super()._takes(event) or self._is_own(event):
            return False
        return NEWS[event.type] in self._looked_at(event.machine_id)

    @api.model
    def _is_own(self, event):
        """Return whether an event is an alarm that a condition raised."""
        if event.type in ("alarm.raised", "alarm.cleared"):
            return str((event.data or {}).get("code") or "").startswith(OWN_CODES)
        return False

    @api.model
    def _looked_at(self, machine):
        """Return the kinds of news that the conditions of a machine look at; asked for each event, so it is kept."""
        kept = self.env.cr.cache.setdefault(LOOKED_AT, {})
        if machine.id not in kept:
            # sudo: rules are looked at for whoever posts
            found = set()
            for condition in self.env["mrp.machine.condition.memory"].sudo()._watching(machine.sudo()):
                try:
                    found |= condition._rule().looks_at
                except RuleInvalid:
                    continue  # it is told of where it is looked at
            kept[machine.id] = found
        return kept[machine.id]

    @api.model
    def _group(self, row):
        return "conditions"

    @api.model
    def _post(self, group, rows):
        # sudo: what rules remember is the engine's own
        machine = rows.machine_id.sudo()
        news = [(event.occurred_us, self._news(event)) for event in rows.event_id]
        found = self.env["mrp.machine.condition.memory"].sudo()._look(machine, news)
        if not found:
            # Returned and not raised: what the rules remember by now stays.
            return Ignored("nothing_found", self.env._("No condition found anything wrong, or right again, by it."))
        names = ", ".join(dict.fromkeys(condition.name for condition, _item in found))
        words = self.env._("%(machine)s: %(conditions)s", machine=machine.name, conditions=names)
        return self._posting(rows, words, found[-1][0])

    @api.model
    def _news(self, event):
        """Return what an event tells, in the words of :meth:`machine_connect.condition.Evaluation.feed`."""
        data = event.data or {}
        match NEWS[event.type]:
            case "state":
                try:
                    state, reason, _code = self.env["mrp.machine.handler.state_interval"]._state_of(event)
                except Waiting:
                    state, reason = "unknown", ""
                return {"state": state, "reason": reason}
            case "alarm":
                severity = data.get("severity")
                if isinstance(severity, bool) or not isinstance(severity, (int, float)):
                    severity = None
                code = self.env["mrp.machine.handler.alarm"]._code(event)
                return {"alarm": Alarm(code, event.type == "alarm.raised", severity, str(data.get("text") or ""))}
            case _:
                return {"value": self._value(data), "signal": data.get("signal") or event.signal_id.name}

    @api.model
    def _value(self, data):
        """Return the value that a reading tells, or the least, greatest and last of a summary; None for none."""
        if "value" in data:
            return data["value"]
        return {name: data.get(name) for name in ("min", "max", "last")} if data.get("n") else None
