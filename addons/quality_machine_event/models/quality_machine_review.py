"""More scrap than was planned: a person finds out why, and decides what follows."""

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import AccessError, UserError

#: Who may decide.
APPROVERS = ("mrp_machine_connect.group_supervisor", "mrp_machine_connect.group_manager")


class QualityMachineReview(models.Model):
    """An order whose scrap passed the limit of what was planned: once an order, with cause, cost and decision."""

    _name = "quality.machine.review"
    _description = "Variance Review of Scrap"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True
    _rec_name = "production_id"

    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
        check_company=True,
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        help="The machine whose rejects passed the limit.",
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    product_id = fields.Many2one(related="production_id.product_id", store=True, help="What the order makes.")
    currency_id = fields.Many2one(related="company_id.currency_id")
    raised = fields.Datetime(
        required=True,
        readonly=True,
        default=fields.Datetime.now,
        help="By the machine's clock: when the limit was passed.",
    )
    limit = fields.Float(
        "Limit of the Ratio", readonly=True, digits=(16, 2), help="Actual to planned, that was set then."
    )
    ratio_then = fields.Float(readonly=True, digits=(16, 2), help="When the limit was passed.")
    ratio = fields.Float(
        "Actual to Planned", related="production_id.machine_scrap_ratio", help="As the order stands now (ISO 22400-2)."
    )
    planned = fields.Float(
        "Planned Scrap", related="production_id.machine_planned_scrap", help="As the order stands now."
    )
    rejected = fields.Float(
        "Rejected Pieces", related="production_id.machine_rejected", help="As the order stands now."
    )
    unit_cost = fields.Monetary(readonly=True, help="What one piece cost by the product, when the review was raised.")
    cost = fields.Monetary(compute="_compute_cost", help="Of all rejected pieces.")
    excess_cost = fields.Monetary(compute="_compute_cost", help="Of what was rejected beyond the plan.")
    cause_id = fields.Many2one(
        "quality.machine.cause", string="Kind of Cause", index="btree_not_null", ondelete="restrict", tracking=True
    )
    cause = fields.Text(help="Why there was more scrap than planned.")
    decision = fields.Selection(
        [
            ("accept", "Accepted as it is"),
            ("action", "Corrective action"),
            ("plan", "The plan is changed"),
            ("stop", "The order is stopped"),
        ],
        tracking=True,
        help="What follows.",
    )
    decision_reason = fields.Char("Why", tracking=True, help="Stays with the decision, with the person's name.")
    state = fields.Selection(
        [("open", "To Review"), ("decided", "Decided")], required=True, readonly=True, default="open", tracking=True
    )
    approver_id = fields.Many2one("res.users", readonly=True, help="Who decided.")
    decided_at = fields.Datetime(readonly=True, help="When.")

    _once = models.UniqueIndex("(production_id)", "The scrap of this order is reviewed already.")

    @api.depends("unit_cost", "rejected", "planned")
    def _compute_cost(self):
        for review in self:
            review.cost = review.unit_cost * review.rejected
            review.excess_cost = review.unit_cost * max(0.0, review.rejected - review.planned)

    def write(self, vals):
        if "state" in vals and not self.env.su:
            raise UserError(self.env._("A review is decided by its button."))
        if not self.env.su and any(review.state == "decided" for review in self) and set(vals) & {
            "cause_id", "cause", "decision", "decision_reason",
        }:  # fmt: skip
            raise UserError(self.env._("What was decided stays as it is."))
        return super().write(vals)

    @api.model
    def _due(self, machine, production):
        """Return the ratio of an order that passes the limit of a machine and is not reviewed yet, or None."""
        limit = machine.quality_review_ratio
        if not limit or not production.planned_scrap_rate:
            return None  # mostly nothing is planned, and nothing more is asked
        # sudo: the figures are seen by those who work on orders; here they decide
        order = production.sudo()
        if order.machine_rejected < machine.quality_review_rejects or order.machine_scrap_ratio <= limit:
            return None
        if self.sudo().search_count([("production_id", "=", production.id)], limit=1):
            return None
        return order.machine_scrap_ratio

    def action_decide(self):
        """Decide what follows of more scrap than was planned."""
        if not self.env.su and not any(self.env.user.has_group(group) for group in APPROVERS):
            raise AccessError(self.env._("Only a supervisor or a manager decides on a review."))
        self.check_access("write")
        for review in self:
            if review.state == "decided":
                raise UserError(self.env._("%s is decided already.", review.display_name))
            if not review.cause_id or not review.decision or not (review.decision_reason or "").strip():
                raise UserError(self.env._("Choose the cause and the decision, and enter why."))
            # sudo: the state is the button's alone
            review.sudo().write({"state": "decided", "approver_id": self.env.uid, "decided_at": fields.Datetime.now()})
            review.sudo().activity_ids.action_feedback()
            label = dict(self._fields["decision"]._description_selection(self.env))[review.decision]
            review.production_id.message_post(
                body=self.env._(
                    "Scrap reviewed (%(rejected)s of %(planned)s planned): %(decision)s, by %(who)s. %(why)s",
                    rejected=number_text(review.rejected),
                    planned=number_text(round(review.planned, 2)),
                    decision=label,
                    who=self.env.user.name,
                    why=review.decision_reason,
                )
            )

    def action_production(self):
        """Open the order."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.production",
            "res_id": self.production_id.id,
            "view_mode": "form",
        }
