from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.mrp_workorder import CLOSED
from ..quantities import number_text, pieces_text


class MachineAdjust(models.TransientModel):
    """Add pieces to what a machine counted, or take some away, with a reason: an event like any other."""

    _name = "mrp.machine.adjust"
    _description = "Add or Correct Pieces"

    machine_id = fields.Many2one("mrp.machine", required=True)
    event_id = fields.Many2one("mrp.machine.event", readonly=True, help="The event that is corrected.")
    kind = fields.Selection(
        [("good", "Good pieces"), ("reject", "Rejected pieces"), ("rework", "Pieces to rework")],
        default="good",
        required=True,
        help="What they are booked as.",
    )
    quantity = fields.Float(digits=(16, 3), help="Pieces to add; with a minus, pieces to take away.")
    scrap_tag_id = fields.Many2one(
        "stock.scrap.reason.tag",
        string="Scrap Reason",
        help="Why they were rejected or are to be reworked, as the scraps bear it in stock. With a minus, pieces with this reason "
        "are taken away.",
    )
    reason = fields.Char(required=True, help="Why; it stays with the event and shows on the order.")
    at = fields.Datetime(
        string="When",
        required=True,
        default=fields.Datetime.now,
        help="When the pieces were made. It decides which order they belong to, where none is chosen.",
    )
    company_id = fields.Many2one(related="machine_id.company_id")
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        domain="[('company_id', '=', company_id), ('state', 'not in', ('draft', 'cancel'))]",
        help="The order that is meant, whatever ran at that time; it may be closed. Empty: the one that ran at that time.",
    )
    workorder_id = fields.Many2one(
        "mrp.workorder",
        string="Work Order",
        domain="[('production_id', '=', production_id)]",
        compute="_compute_workorder_id",
        store=True,
        readonly=False,
        help="The step of that order that the machine worked on.",
    )
    has_workorders = fields.Boolean(compute="_compute_has_workorders")
    order_words = fields.Char(compute="_compute_order_words", string="Goes To")
    change_words = fields.Char(
        compute="_compute_change_words",
        string="Before and After",
        help="What the order shows now, and what it will show.",
    )
    warning_words = fields.Char(
        compute="_compute_change_words", help="What else is changed, where the order is closed or the pieces in stock."
    )

    @api.depends("production_id")
    def _compute_workorder_id(self):
        for wizard in self:
            if wizard.workorder_id.production_id != wizard.production_id:
                steps = wizard.production_id.workorder_ids
                here = steps.filtered(lambda step, wizard=wizard: step.workcenter_id == wizard.machine_id.workcenter_id)
                wizard.workorder_id = here if len(here) == 1 else steps if len(steps) == 1 else False

    @api.depends("production_id")
    def _compute_has_workorders(self):
        for wizard in self:
            wizard.has_workorders = bool(wizard.production_id.workorder_ids)

    @api.depends("machine_id", "at", "production_id", "workorder_id")
    def _compute_order_words(self):
        for wizard in self:
            loading = wizard._loading()
            order = wizard.workorder_id or wizard.production_id
            if order:
                wizard.order_words = self.env._("%s, as chosen", order.display_name)
            elif loading:
                order = loading.workorder_id or loading.production_id
                wizard.order_words = self.env._("%s, loaded at that time", order.display_name)
            elif wizard.machine_id.workcenter_id:
                wizard.order_words = self.env._("The only work order in progress on the work center, if there is one")
            else:
                wizard.order_words = self.env._("No order was loaded at that time: the pieces will wait in Exceptions")

    def _loading(self):
        if not self.machine_id or not self.at:
            return self.env["mrp.machine.loading"]
        return self.env["mrp.machine.loading"]._at(self.machine_id, self.at)

    def _meant(self):
        """Return the production and work order that are meant, both empty where that is found only when it is posted."""
        if self.production_id:
            return self.production_id, self.workorder_id
        loading = self._loading()
        return loading.production_id, loading.workorder_id

    @api.depends("machine_id", "at", "production_id", "workorder_id", "kind", "quantity")
    def _compute_change_words(self):
        for wizard in self:
            production, workorder = wizard._meant()
            wizard.change_words = wizard.warning_words = False
            if not production:
                continue
            before = wizard._shown(production, workorder)
            after = before + wizard.quantity * wizard._each(production)
            wizard.change_words = f"{number_text(before)} → {number_text(after)}"
            wizard.warning_words = wizard._also_changed(production, workorder)

    def _each(self, production):
        """Return what one piece is in the unit that the quantity is shown in."""
        pieces = self.env.ref("uom.product_uom_unit")
        if self.kind != "good" or not pieces._has_common_reference(production.product_uom_id):
            return 1.0
        return pieces._compute_quantity(1.0, production.product_uom_id, round=False)

    def _shown(self, production, workorder):
        """Return the quantity of that kind that the order shows now."""
        if self.kind != "good":
            # sudo: the ledger is the poster's own; what it says of this order is shown on the order
            ledger = (
                self.env["mrp.machine.ledger"]
                .sudo()
                .search(
                    [
                        ("machine_id", "=", self.machine_id.id),
                        ("production_id", "=", production.id),
                        ("workorder_id", "=", workorder.id),
                    ]
                )
            )
            return ledger[self.kind]
        if workorder:
            return workorder.qty_produced
        return production.qty_produced if production.state in CLOSED else production.qty_producing

    def _also_changed(self, production, workorder):
        """Return in a sentence what else a correction changes, False where nothing."""
        _ = self.env._
        if production.state == "cancel" or workorder.state == "cancel":
            return _("%s was cancelled, and nothing is booked on it: this will wait.", production.display_name)
        if production.state == "done":
            return _(
                "%s is closed: what it finished, consumed and has in stock is changed, at the date that it has.",
                production.display_name,
            )
        moved = sum(
            production.move_finished_ids.filtered(
                lambda move: move.state == "done" and move.product_id == production.product_id
            ).mapped("quantity")
        )
        left = production.qty_producing + self.quantity * self._each(production)
        if self.kind == "good" and production.product_uom_id.compare(left, moved) < 0:
            return _("%s are in stock already: what is too many of them is taken back.", number_text(moved))
        return False

    def action_apply(self):
        """Write the event down and let it be posted at once."""
        self.ensure_one()
        if not self.quantity:
            raise UserError(
                self.env._("Quantity: enter how many pieces to add, or with a minus how many to take away.")
            )
        if self.at > fields.Datetime.now():
            raise UserError(self.env._("When: this moment is still to come. Enter when the pieces were made."))
        if self.has_workorders and not self.workorder_id:
            raise UserError(
                self.env._(
                    "Work Order: choose the step of %s that the machine worked on.", self.production_id.display_name
                )
            )
        self.machine_id._adjust(
            self.kind,
            self.quantity,
            self.reason.strip(),
            at=self.at,
            refers_to=self.event_id.uid or None,
            order=(self.production_id, self.workorder_id) if self.production_id else None,
            scrap_tag=self.scrap_tag_id if self.kind != "good" else None,
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self._written_words(),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _written_words(self):
        words = {"pieces": pieces_text(self.env, self.quantity, signed=True), "machine": self.machine_id.name}
        if abs(self.quantity) == 1:
            return self.env._("%(pieces)s is written down for %(machine)s and posted in a moment.", **words)
        return self.env._("%(pieces)s are written down for %(machine)s and posted in a moment.", **words)
