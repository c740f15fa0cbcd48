from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored


class MachineHandlerQualityDue(models.AbstractModel):
    """What a rule of quality decided becomes a check, an alert, or a review."""

    _name = "mrp.machine.handler.quality_due"
    _inherit = "mrp.machine.handler"
    _description = "Quality Due"
    _event_types = ("quality.check_due",)
    _handler_sequence = 42

    @api.model
    def _group(self, row):
        event = row.event_id
        if event.source_id.kind != "rules":
            raise Ignored("not_ours", self.env._("Only Odoo's own rules say when quality is due."))
        return row.id

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine, data = rows.machine_id.with_env(self.env), event.data or {}
        production = self.env["mrp.production"].browse(data.get("production_id") or []).exists()
        workorder = self.env["mrp.workorder"].browse(data.get("workorder_id") or []).exists()
        if data.get("rule") == "variance":
            return self._review(rows, machine, production, data)
        rule = self.env["quality.machine.rule"].browse(data.get("rule_id") or []).exists()
        if not rule:
            raise Ignored("no_rule", self.env._("The rule that decided this is no more."))
        make = self._alert if rule.action == "alert" else self._check
        return make(rows, machine, production, workorder, rule, rule._why(data))

    @api.model
    def _check(self, rows, machine, production, workorder, rule, why):
        event = rows.event_id
        lot = self.env["stock.lot"]
        if production.product_id.tracking == "lot":
            lot = machine._lot_at(production, event.occurred) or production.lot_producing_ids[:1]
        check = self.env["quality.machine.check"].create(
            {
                **rule._check_values(event.occurred),
                "machine_id": machine.id,
                "production_id": production.id,
                "workorder_id": workorder.id,
                "lot_id": lot.id,
                "event_id": event.id,
                "occurred": event.occurred.replace(microsecond=0),
                "why": why,
            }
        )
        if check.responsible_id:
            check.activity_schedule(
                "quality_machine_event.activity_type_check", user_id=check.responsible_id.id, summary=check.title
            )
        return self._posting(
            rows,
            self.env._("%s is due", check.display_name),
            check,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=why,
        )

    @api.model
    def _alert(self, rows, machine, production, workorder, rule, why):
        event = rows.event_id
        alert = self.env["quality.machine.alert"]._raise(
            machine,
            production,
            "rule",
            f"rule:{rule.id}",
            {
                "title": rule.name,
                "description": why,
                "workorder_id": workorder.id,
                "event_id": event.id,
                "team_id": rule.team_id.id,
                "priority": rule.priority,
                "first_occurred": event.occurred,
                "last_occurred": event.occurred,
                **({"tag_ids": [(4, rule.tag_id.id)]} if rule.tag_id else {}),
                **({"responsible_id": rule.responsible_id.id} if rule.responsible_id else {}),
            },
        )
        if rule.gate != "none" and alert.lot_id and not alert.hold_ids.filtered(lambda hold: hold.state == "held"):
            # sudo: that the rule holds is its gate's matter
            self.env["quality.machine.hold"].sudo()._place(
                why,
                lot=alert.lot_id,
                production=production,
                machine_id=machine.id,
                alert_id=alert.id,
                blocks_order=rule.blocks_order,
            )
        return self._posting(
            rows,
            self.env._("Alert %s", alert.display_name),
            alert,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=why,
        )

    @api.model
    def _review(self, rows, machine, production, data):
        reviews = self.env["quality.machine.review"]
        if not production or reviews.search_count([("production_id", "=", production.id)], limit=1):
            raise Ignored("no_change", self.env._("The scrap of the order is reviewed already."))
        review = reviews.create(
            {
                "production_id": production.id,
                "machine_id": machine.id,
                "raised": rows.event_id.occurred.replace(microsecond=0),
                "limit": machine.quality_review_ratio,
                "ratio_then": data.get("ratio") or 0.0,
                # sudo: what a product costs is seen by those who review
                "unit_cost": production.sudo().product_id.uom_id._compute_price(
                    production.sudo().product_id.standard_price, production.product_uom_id
                ),
            }
        )
        user = machine.quality_responsible_id or machine.responsible_id
        if user:
            review.activity_schedule("quality_machine_event.activity_type_review", user_id=user.id)
        words = self.env._(
            "Scrap of %(order)s is %(ratio)s times what was planned: more than %(limit)s",
            order=production.display_name,
            ratio=f"{review.ratio_then:.2f}",
            limit=f"{review.limit:g}",
        )
        production.message_post(body=words)
        return self._posting(rows, words, review, production_id=production.id)
