from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting


class MachineHandlerQualityDefect(models.AbstractModel):
    """Defects and reasons of scrap classify what was rejected: the alert says what is wrong with the pieces.

    A defect is an alert of its own, one per machine, order and characteristic. The reason of scrap is put to the alert that
    counts the rejects; where told scrap is rejects of their own, they are counted there as well.
    """

    _name = "mrp.machine.handler.quality_defect"
    _inherit = "mrp.machine.handler"
    _description = "Defects"
    _event_types = ("quality.defect", "quality.scrap")
    _handler_sequence = 44

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = rows.machine_id.with_env(self.env)
        order = machine._orders_at(event)[event.id]
        production, workorder = self.env["mrp.production"], self.env["mrp.workorder"]
        if not isinstance(order, Waiting):
            production, workorder, _explanation = order
        code = self.env["mrp.machine.code"]._lookup(machine, "scrap_reason", event.data.get("reason") or "")
        pieces = float(event.data.get("qty") or 0.0)
        if event.type == "quality.defect":
            alert = self._defect(machine, production, workorder, event)
        else:
            if machine.scrap_events == "add" and not self._is_no_reject(event, code):
                pieces = self._rejects(event, order, pieces)
            alert = self._scrap(machine, production, workorder, event, code, pieces)
        alert._classify(code.scrap_tag_id)
        return self._posting(
            rows,
            self.env._(
                "%(what)s on %(alert)s",
                what=code.scrap_tag_id.name or event.data.get("reason") or event.data.get("characteristic") or "",
                alert=alert.name,
            ),
            alert,
            production_id=production.id,
            workorder_id=workorder.id,
            quantity=pieces,
        )

    @api.model
    def _rejects(self, event, order, quantity):
        """Return how many rejected pieces an amount of scrap is, as the order counts them: what was weighed is so many.

        :param order: of ``_orders_at``
        :raise Waiting: it was not told in pieces, and the order whose pieces they are is not known, or weighs nothing
        """
        unit = self.env["uom.uom"]._of_code(event.data.get("unit"))
        if isinstance(order, Waiting):
            if unit == self.env["uom.uom"]._of_code(None):
                return quantity
            raise order
        production = order[0]
        scrap = self.env["mrp.machine.handler.scrap"]
        return production._pieces_of(quantity, scrap._unit_of(event, production, production.product_id))

    @api.model
    def _is_no_reject(self, event, code):
        return bool(event.data.get("product") or code.is_rework)

    @api.model
    def _defect(self, machine, production, workorder, event):
        data = event.data
        words = [str(data[key]) for key in ("reason", "value", "unit", "serial") if data.get(key) not in (None, "")]
        above = machine.quality_alert_above
        alert = self.env["quality.machine.alert"]._raise(
            machine,
            production,
            "rule",
            f"defect:{str(data['characteristic'])[:100]}",
            {
                "title": str(data["characteristic"]),
                "description": " ".join(words),
                "workorder_id": workorder.id,
                "event_id": event.id,
                "first_occurred": event.occurred,
                "last_occurred": event.occurred,
                **({"state": "watch"} if above else {}),
            },
        )
        alert._count(float(data.get("qty") or 1.0), event.occurred, event.occurred)
        return alert

    @api.model
    def _scrap(self, machine, production, workorder, event, code, pieces):
        """Return the alert that counts the rejects which a reason is about.

        :param float pieces: counted on it where told scrap is rejects of its own
        :raise Ignored: there is none, and the reason is put to the next one when that is raised
        """
        if self._is_no_reject(event, code):
            raise Ignored("no_reject", self.env._("It is no reject of the order's pieces."))
        alerts = self.env["quality.machine.alert"]
        alert = alerts._counting(machine, production, event.occurred)
        if machine.scrap_events == "add" and pieces > 0:
            alert = alert or alerts._begin(machine, production, workorder, event.occurred)
            alert._count(pieces, event.occurred, event.occurred)
        if not alert:
            raise Ignored("no_alert", self.env._("No alert counts rejects of this order yet."))
        return alert
