"""What becomes of pieces that have no order, where an order is drafted for them?"""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..postings.outcome import Waiting
from ..quantities import pieces_text


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    order_missing = fields.Selection(
        [("wait", "Wait for a person"), ("draft", "Draft an order for them")],
        string="Pieces Without an Order",
        default="wait",
        required=True,
        tracking=True,
        help="Wait for a person: they stand in Exceptions until somebody loads the right order. Draft an order for them: a "
        "draft of the usual product grows with them, and they are booked by themselves once it is confirmed; whoever "
        "confirms it without looking books pieces of another product under this one.",
    )
    missing_product_id = fields.Many2one(
        "product.product",
        string="Usual Product",
        domain="[('type', '=', 'consu')]",
        check_company=True,
        tracking=True,
        help="What the machine makes when nobody said what; the order that is drafted for pieces without one makes this.",
    )

    @api.constrains("order_missing", "missing_product_id")
    def _check_missing_product(self):
        for machine in self:
            if machine.order_missing == "draft" and not machine.missing_product_id:
                raise ValidationError(self.env._("%s: choose the product that orders are drafted for.", machine.name))

    def _draft_for(self, pieces, began):
        """Let the draft of this machine grow by pieces, and return the Waiting that they end with.

        :param float pieces: that were not counted on it before
        :param began: when the first of them was made, naive UTC
        :raise Waiting: no order can be drafted
        """
        self.ensure_one()
        draft = self._missing_draft() or self._make_draft(began)
        # sudo: effects are the poster's own
        rows = self.env["mrp.machine.event.posting"].sudo().search(self._drafted(draft))
        counts = self.env["mrp.machine.handler.production_count"]
        role_of = self._roles_of(rows.event_id)
        pieces += sum(counts._counted(event, self, role_of[event.id])[1] for event in rows.event_id)
        unit = draft.product_uom_id
        quantity = counts._piece_unit()._compute_quantity(pieces, unit, rounding_method="HALF-UP")
        if unit.compare(draft.product_qty, quantity) < 0:
            draft.product_qty = quantity
        return Waiting(
            "draft_order",
            self.env._(
                "No order ran on this machine at that time. %(order)s is drafted for it: %(pieces)s of %(product)s so far.",
                order=draft.display_name,
                pieces=pieces_text(self.env, pieces),
                product=draft.product_id.display_name,
            ),
            detail=f"production:{draft.id}",
        )

    def _missing_draft(self):
        """Return the order that is drafted for pieces of this machine, or an empty recordset."""
        return self.env["mrp.production"].search(
            [("missing_machine_id", "=", self.id), ("state", "=", "draft")], limit=1
        )

    def _drafted(self, draft):
        """Return the domain of the effects that wait for a draft."""
        return [
            ("machine_id", "=", self.id),
            ("state", "=", "waiting"),
            ("reason", "=", "draft_order"),
            ("detail", "=", f"production:{draft.id}"),
        ]

    def _make_draft(self, began):
        """Return a new draft of the usual product.

        :raise Waiting: its bill of materials has no step that is done here, or several, or pieces are no unit of it
        """
        _ = self.env._
        product, company = self.missing_product_id, self.company_id
        no_draft = _("No order ran on this machine at that time, and none can be drafted: %s")
        pieces = self.env["mrp.machine.handler.production_count"]._piece_unit()
        if not pieces._has_common_reference(product.uom_id):
            raise Waiting("no_order", no_draft % _("pieces cannot be converted to %s.", product.uom_id.name))
        bom = self.env["mrp.bom"]._bom_find(product, company_id=company.id, bom_type="normal")[product]
        here = bom.operation_ids.filtered(lambda operation: operation.workcenter_id == self.workcenter_id)
        if bom.operation_ids and len(here) != 1:
            raise Waiting(
                "no_order",
                no_draft
                % _(
                    "%(product)s has not one operation on %(here)s.",
                    product=product.display_name,
                    here=self.workcenter_id.name or self.name,
                ),
            )
        try:
            return self.env["mrp.production"].create(
                {
                    "product_id": product.id,
                    "bom_id": bom.id,
                    "product_qty": 1.0,
                    "product_uom_id": product.uom_id.id,
                    "date_start": began.replace(microsecond=0),
                    "origin": self.name,
                    "company_id": company.id,
                    "missing_machine_id": self.id,
                }
            )
        except UserError as refused:
            raise Waiting("no_order", no_draft % refused) from None

    def _load_missing(self, production):
        """Load an order that was drafted for pieces of this machine, whenever they were made, and book them."""
        rows = self.env["mrp.machine.event.posting"].search(self._drafted(production))
        try:
            step = self._step_here(production, None, production.name)
        except Waiting:
            # A person changed its work orders: the pieces go on waiting, and the order can be loaded by hand.
            return
        loadings = self.env["mrp.machine.loading"]
        for moment in sorted(rows.event_id.mapped("occurred")):
            if not loadings._at(self, moment):
                loadings._put(
                    self,
                    production,
                    step,
                    moment,
                    loadings._next_start(self, moment),
                    found_by="rule",
                    explanation=self.env._("Drafted for pieces of this machine that had no order, and confirmed."),
                )
        rows._requeue()


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    missing_machine_id = fields.Many2one(
        "mrp.machine",
        string="Drafted For",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The machine whose pieces had no order, for which this one was drafted.",
    )

    def action_confirm(self):
        drafts = self.filtered(lambda production: production.state == "draft" and production.missing_machine_id)
        result = super().action_confirm()
        for production in drafts.filtered(lambda production: production.state != "draft"):
            # sudo: whoever confirms the order says that it ran there, and need not be allowed to load orders himself
            production = production.sudo()
            production.missing_machine_id._load_missing(production)
        return result
