"""Consumption that differs from the bill of materials by more than the tolerance: a person decides what is booked."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..quantities import number_text, signed_text


class MachineVariance(models.Model):
    """A component of an order of which another amount was used than its bill of materials says.

    While it is proposed nothing of the difference is booked, and it follows what the machine says; once the consumption is
    within the tolerance again it is withdrawn. What is decided stays.
    """

    _name = "mrp.machine.variance"
    _description = "Variance of Consumption"
    _order = "id desc"
    _inherit = ["mail.thread"]
    _check_company_auto = True

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one("mrp.production", string="Order", required=True, readonly=True, index=True)
    product_id = fields.Many2one("product.product", string="Component", required=True, readonly=True, index=True)
    bom_line_id = fields.Many2one("mrp.bom.line", readonly=True, index="btree_not_null")
    uom_id = fields.Many2one("uom.uom", string="Unit", required=True, readonly=True)
    expected = fields.Float(
        readonly=True,
        digits="Product Unit",
        help="By the bill of materials, for what was made; with what was approved before.",
    )
    actual = fields.Float(readonly=True, digits="Product Unit", help="By the machine; without what was refused before.")
    deviation = fields.Float(
        compute="_compute_deviation", store=True, digits="Product Unit", help="Actual less expected."
    )
    percent = fields.Float("Difference (%)", compute="_compute_deviation", store=True, digits=(16, 1))
    tolerance = fields.Float("Tolerance (%)", readonly=True, digits=(16, 2), help="What was allowed.")
    occurred = fields.Datetime("When", readonly=True, help="When the machine used the last of it.")
    state = fields.Selection(
        [("proposed", "To Decide"), ("approved", "Approved"), ("refused", "Refused")],
        required=True,
        readonly=True,
        default="proposed",
        tracking=True,
        help="Approved: what was used is booked. Refused: the bill of materials holds, whatever the machine says.",
    )
    reason = fields.Char(readonly=True, tracking=True, help="Why it was decided in this way.")
    decided_by = fields.Many2one("res.users", readonly=True)
    decided_at = fields.Datetime(readonly=True)

    _one_proposed = models.UniqueIndex(
        "(production_id, product_id, COALESCE(bom_line_id, 0)) WHERE state = 'proposed'",
        "This difference is proposed already.",
    )

    @api.depends("expected", "actual")
    def _compute_deviation(self):
        for row in self:
            row.deviation = row.actual - row.expected
            row.percent = 100.0 * row.deviation / row.expected if row.expected else 0.0

    def _compute_display_name(self):
        for row in self:
            row.display_name = self.env._(
                "%(deviation)s %(unit)s of %(product)s on %(order)s",
                deviation=signed_text(row.deviation),
                unit=row.uom_id.name,
                product=row.product_id.display_name,
                order=row.production_id.display_name,
            )

    def action_approve(self):
        """Ask why what was used is to be booked."""
        return self._action_decide("approved", self.env._("Approve"))

    def action_refuse(self):
        """Ask why what the machine says is not to be booked."""
        return self._action_decide("refused", self.env._("Refuse"))

    def _action_decide(self, state, name):
        self._check_supervisor()
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": "mrp.machine.variance.decide",
            "view_mode": "form",
            "target": "new",
            "context": {"default_variance_ids": self.ids, "default_decision": state},
        }

    def action_production(self):
        """Open the order."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.production",
            "res_id": self.production_id.id,
            "view_mode": "form",
        }

    def _check_supervisor(self):
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_supervisor"):
            raise UserError(self.env._("Only a supervisor of the machines may decide on differences of consumption."))
        self.check_access("read")

    def _settle(self, state, reason):
        """Decide on those of these that are still to be decided; what follows is booked in a transaction of its own.

        :param str state: ``approved`` or ``refused``
        :param str reason: why, for those who read it later
        """
        self._check_supervisor()
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Enter why: it stays with the difference, with your name."))
        # sudo: nobody writes these by hand; the supervisor's right was checked above
        for row in self.sudo().filtered(lambda row: row.state == "proposed"):
            row.write(
                {
                    "state": state,
                    "reason": reason,
                    "decided_by": self.env.uid,
                    "decided_at": fields.Datetime.now(),
                }
            )
            row.production_id.message_post(body=row._decision_words())
            row.machine_id._decide_consumption(
                row.production_id, row.product_id, row.occurred or row.decided_at, "variance"
            )

    def _decision_words(self):
        words = {
            "actual": number_text(self.actual),
            "expected": number_text(self.expected),
            "unit": self.uom_id.name,
            "product": self.product_id.display_name,
            "who": self.decided_by.name,
            "why": self.reason,
        }
        if self.state == "approved":
            return self.env._(
                "%(actual)s %(unit)s of %(product)s used instead of %(expected)s: approved by %(who)s. %(why)s", **words
            )
        return self.env._(
            "%(actual)s %(unit)s of %(product)s used instead of %(expected)s: refused by %(who)s. %(why)s", **words
        )
