from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting
from odoo.addons.mrp_machine_connect.quantities import number_text, signed_text


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
        return (event.data or {}).get("kind") == "reject" and super()._takes(event) and bool(self._pieces(event))

    @api.model
    def _pieces(self, event):
        """Return how many pieces an event says; nothing when that is no number."""
        try:
            return float((event.data or {}).get("delta") or 0.0)
        except (TypeError, ValueError):
            return 0.0

    @api.model
    def _groups(self, rows):
        orders = rows.machine_id._orders_at(rows.event_id)

        def group_of(row):
            order = orders[row.event_id.id]
            if isinstance(order, Waiting):
                return 0, 0
            production, workorder, _explanation = order
            return production.id, workorder.id

        return self._sort(rows, group_of)

    @api.model
    def _post(self, group, rows):
        machine = rows.machine_id
        events = rows.event_id
        production_id, workorder_id = group
        production = self.env["mrp.production"].browse(production_id or [])
        counted = events.filtered(lambda event: self._pieces(event) > 0)
        first, last = counted[:1].occurred or None, counted[-1:].occurred or None
        alerts = self.env["quality.machine.alert"]
        alert = alerts._counting(machine, production, last)
        if not alert:
            if not counted:
                raise Ignored("no_alert", self.env._("Pieces were taken back, and no alert had counted them."))
            workorder = self.env["mrp.workorder"].browse(workorder_id or [])
            alert = alerts._begin(machine, production, workorder, first, last)
        pieces = sum(map(self._pieces, events))
        alert._count(pieces, first, last)
        return self._posting(
            rows,
            self._summarize(pieces, alert),
            alert,
            production_id=production.id,
            workorder_id=workorder_id or False,
            quantity=pieces,
            explanation=self.env._("The order of that time.")
            if production
            else self.env._("No order was certain for that time, so the alert is the machine's."),
        )

    @api.model
    def _summarize(self, pieces, alert):
        _ = self.env._
        words = {
            "pieces": signed_text(pieces),
            "alert": alert.name,
            "total": number_text(alert.reject_count),
        }
        if abs(pieces) == 1:
            return _("%(pieces)s reject on %(alert)s, now %(total)s", **words)
        return _("%(pieces)s rejects on %(alert)s, now %(total)s", **words)
