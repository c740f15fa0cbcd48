from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting


class MachineHandlerQualityEvent(models.AbstractModel):
    """An event that rules listen to lets them decide; it takes those types alone that a rule names."""

    _name = "mrp.machine.handler.quality_event"
    _inherit = "mrp.machine.handler"
    _description = "Quality Rules"
    _handler_sequence = 41

    @property
    def _event_types(self):
        return self.env["quality.machine.rule"]._heard()

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = rows.machine_id.with_env(self.env)
        order = machine._orders_at(event)[event.id]
        production, workorder = self.env["mrp.production"], self.env["mrp.workorder"]
        if not isinstance(order, Waiting):
            production, workorder, _explanation = order
        rules = self.env["quality.machine.rule"]._of(machine, production, workorder, ("event",))
        rules = rules.filtered(lambda rule: rule.event_type == event.type)
        if not rules:
            raise Ignored("no_rule", self.env._("No rule of quality is about this on this machine and order."))
        for rule in rules:
            # The event's id makes each one another decision.
            rule._decide(
                machine, production, workorder, event.occurred, {"said": self._said(event), "event_id": event.id}
            )
        return self._posting(
            rows,
            self.env._("Decided by: %s", ", ".join(rules.mapped("name"))),
            production_id=production.id,
            workorder_id=workorder.id,
        )

    @api.model
    def _said(self, event):
        data = event.data or {}
        words = [
            event.type,
            *(str(data[key]) for key in ("code", "text", "characteristic", "value", "reason") if key in data),
        ]
        return " ".join(words)[:200]
