from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting
from odoo.addons.mrp_machine_connect.quantities import number_text


class MachineHandlerQualityMeasurement(models.AbstractModel):
    """Measured values become checks that are done: passed or failed by the file's word, and by limits.

    All values of one part are one effect. A failed one is put to the alert about its characteristic, and holds the part's
    lot where the machine's gate says so.
    """

    _name = "mrp.machine.handler.quality_measurement"
    _inherit = "mrp.machine.handler"
    _description = "Measurement"
    _event_types = ("quality.measurement",)
    _handler_sequence = 43

    @api.model
    def _groups(self, rows):
        machine, events = rows[:1].machine_id.with_env(self.env), rows.event_id
        orders = machine._orders_at(events.filtered(lambda event: not (event.data or {}).get("serial")))
        events = dict(zip(rows.ids, events, strict=True))

        def group_of(row):
            event = events[row.id]
            data = event.data or {}
            if _number(data.get("value")) is None:
                raise Ignored("no_value", self.env._("The value is no number."))
            production = self.env["mrp.production"].browse()
            if event.user_id and data.get("production_id"):
                production = production.browse(data["production_id"]).exists()
            elif event.id in orders and not isinstance(orders[event.id], Waiting) and not data.get("document"):
                production = orders[event.id][0]
            return (
                str(data.get("document") or ""),
                str(data.get("part") or ""),
                str(data.get("serial") or ""),
                production.id,
            )

        return self._sort(rows, group_of)

    @api.model
    def _post(self, group, rows):
        _document, part, serial, production_id = group
        machine = rows.machine_id.with_env(self.env)
        production = self.env["mrp.production"].browse(production_id or [])
        lot, production = self._part(machine, production, serial, rows.event_id[:1])
        rules = self.env["quality.machine.rule"]._of(machine, production, self.env["mrp.workorder"], ("value",))
        by_name = {rule.characteristic.casefold(): rule for rule in rules.sorted("machine_id")}
        values = []
        for event in rows.event_id:
            rule = by_name.get(str(event.data["characteristic"]).casefold(), self.env["quality.machine.rule"])
            if check := self._check_values(machine, production, lot, serial or part, event, rule):
                values.append(check)
        if not values:
            raise Ignored(
                "no_limit", self.env._("Neither the value nor a rule says what is good: it is kept in the log.")
            )
        checks = (
            self.env["quality.machine.check"].with_context(tracking_disable=True, mail_create_nolog=True).create(values)
        )
        failed = checks.filtered(lambda check: check.state == "failed").with_context(
            tracking_disable=False, mail_create_nolog=False
        )
        # sudo: that a failed value raises an alert and holds a lot is the gate's matter
        failed.sudo()._fail()
        return self._posting(
            rows,
            self._words(checks, failed, lot.name or serial or part),
            checks if len(checks) == 1 else failed.alert_id[:1] or checks[:1],
            production_id=production.id,
            quantity=0.0,
        )

    @api.model
    def _part(self, machine, production, serial, event):
        """Return ``(lot, order)`` of a part: by its number, which the order's product has, or any product alone."""
        lots = self.env["stock.lot"]
        if serial:
            found = lots.search([("name", "=", serial), ("company_id", "in", (False, machine.company_id.id))])
            if production:
                found = found.filtered(lambda lot: lot.product_id == production.product_id)
            elif len(found) > 1 and (model := (event.data or {}).get("model")):
                found = found.filtered(
                    lambda lot: model in (lot.product_id.default_code, lot.product_id.barcode, lot.product_id.name)
                )
            # Several products may have the same number: then nobody knows which one is meant.
            lots = found if len(found) == 1 else lots
        elif production and production.product_id.tracking == "lot":
            lots = machine._lot_at(production, event.occurred) or production.lot_producing_ids[:1]
        if lots and not production:
            # sudo: where lots were made is the poster's own
            row = self.env["mrp.machine.lot"].sudo().search([("lot_id", "=", lots.id)], limit=1)
            production = row.production_id.with_env(self.env) or self.env["mrp.production"].search(
                [("lot_producing_ids", "in", lots.ids)], limit=1
            )
        return lots, production

    @api.model
    def _check_values(self, machine, production, lot, piece, event, rule):
        """Return the check that a value becomes, or nothing where nobody says what is good."""
        data = event.data
        value, lower, upper = (_number(data.get(key)) for key in ("value", "lsl", "usl"))
        if lower is None and rule.has_lower:
            lower = rule.lower
        if upper is None and rule.has_upper:
            upper = rule.upper
        said = str(data.get("status") or "").upper()
        if said not in ("PASS", "FAIL") and lower is None and upper is None:
            return None
        bad = (
            said == "FAIL"
            or said != "PASS"
            and (lower is not None and value < lower or upper is not None and value > upper)
        )
        if rule.has_lower and value < rule.lower or rule.has_upper and value > rule.upper:
            bad = True
        occurred = event.occurred.replace(microsecond=0)
        return {
            "title": str(data["characteristic"]),
            "characteristic": str(data["characteristic"]),
            "kind": "measure",
            "state": "failed" if bad else "passed",
            "machine_id": machine.id,
            "production_id": production.id,
            "product_id": lot.product_id.id or production.product_id.id,
            "lot_id": lot.id,
            "serial": piece,
            "event_id": event.id,
            "rule_id": rule.id,
            "occurred": occurred,
            "done_at": occurred,
            "done_by": event.user_id.id,
            "value": value,
            "has_lower": lower is not None,
            "lower": lower or 0.0,
            "has_upper": upper is not None,
            "upper": upper or 0.0,
            "target": _number(data.get("target")) or 0.0,
            "unit": data.get("unit"),
            "gate": "none" if machine.quality_measurement_gate == "none" else "failed",
            "blocks_order": machine.quality_measurement_gate == "order",
        }

    @api.model
    def _words(self, checks, failed, piece):
        if not failed:
            return self.env._("%(count)s values of %(piece)s, all good", count=len(checks), piece=piece or "?")
        return self.env._(
            "%(count)s values of %(piece)s, %(failed)s failed: %(what)s",
            count=len(checks),
            piece=piece or "?",
            failed=len(failed),
            what=", ".join(f"{check.title} {number_text(check.value)}" for check in failed[:3]),
        )


def _number(value):
    """Return a value as a number, or None."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < float("inf") else None
