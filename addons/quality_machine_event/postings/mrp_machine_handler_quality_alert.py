from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored


class MachineHandlerQualityAlert(models.AbstractModel):
    """Rejects become a quality alert: one per machine and order until a person is done with it, all counted on it.

    An alert does not wait for an order: rejects of a machine without one are counted on an alert of the machine alone.
    """

    _name = "mrp.machine.handler.quality_alert"
    _inherit = "mrp.machine.handler"
    _description = "Quality Alert"
    _event_types = ("production.count", "correction.adjust")
    _handler_sequence = 40

    @api.model
    def _takes(self, event):
        # Good pieces are the rule: they get no row that says that nothing was to be done.
        return super()._takes(event) and (event.data or {}).get("kind") == "reject" and bool(self._pieces(event))

    @api.model
    def _pieces(self, event):
        return float((event.data or {}).get("delta") or 0.0)

    @api.model
    def _group(self, row):
        production, _workorder = row.machine_id._order_for_time(row.event_id)
        return production.id or 0

    @api.model
    def _post(self, group, rows):
        machine = rows.machine_id
        events = rows.event_id
        production = self.env["mrp.production"].browse(group or [])
        counted = events.filtered(lambda event: self._pieces(event) > 0)
        first, last = counted[:1].occurred or None, counted[-1:].occurred or None
        alerts = self.env["quality.machine.alert"]
        alert = alerts._counting(machine, production, last)
        if not alert:
            if not counted:
                raise Ignored("no_alert", self.env._("Pieces were taken back, and no alert had counted them."))
            _production, workorder = machine._order_for_time(counted[0])
            alert = alerts.create(
                {
                    "machine_id": machine.id,
                    "production_id": production.id,
                    "workorder_id": workorder.id,
                    "origin": "machine",
                    "first_occurred": first,
                    "last_occurred": last,
                }
            )
        pieces = sum(map(self._pieces, events))
        alert._count(pieces, first, last)
        return self._posting(
            rows,
            self.env._(
                "%(pieces)s rejects on %(alert)s, now %(total)s",
                pieces=f"{pieces:+g}",
                alert=alert.name,
                total=f"{alert.reject_count:g}",
            ),
            alert,
            production_id=production.id,
            workorder_id=alert.workorder_id.id,
            quantity=pieces,
            explanation=self.env._("The order of that time.")
            if production
            else self.env._("No order was certain for that time, so the alert is the machine's."),
        )
