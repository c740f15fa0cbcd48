from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.mrp_machine_loading_told import FOR_ORDER
from ..models.mrp_machine_order_reference import UNKNOWN
from ..models.mrp_workorder import CLOSED
from ..quantities import pieces_text

#: States of an order and of a work order in which a machine may work on them.
OPEN_ORDERS = ("confirmed", "progress", "to_close")
OPEN_WORK_ORDERS = ("blocked", "ready", "progress")


class MachineLoadOrder(models.TransientModel):
    """Say which order runs on a machine from a moment on."""

    _name = "mrp.machine.load.order"
    _description = "Load an Order on a Machine"

    machine_id = fields.Many2one("mrp.machine", required=True)
    company_id = fields.Many2one(related="machine_id.company_id")
    workcenter_id = fields.Many2one(related="machine_id.workcenter_id")
    current_id = fields.Many2one(
        "mrp.machine.loading", compute="_compute_current_id", string="Loaded Now", help="What runs on the machine now."
    )
    current_name = fields.Char(compute="_compute_current_id", string="Runs Now")
    production_domain = fields.Binary(compute="_compute_production_domain")
    workorder_domain = fields.Binary(compute="_compute_workorder_domain")
    production_id = fields.Many2one(
        "mrp.production", string="Order", help="Open orders that pass the machine's work center."
    )
    has_workorders = fields.Boolean(compute="_compute_workorder_domain")
    workorder_id = fields.Many2one(
        "mrp.workorder",
        string="Work Order",
        compute="_compute_workorder_id",
        store=True,
        readonly=False,
        help="Which step of the order this machine does.",
    )
    date_start = fields.Datetime(
        string="From",
        required=True,
        default=fields.Datetime.now,
        help="Pieces made from then on belong to this order, also those that were received already: those that wait are "
        "posted, and those that another order got are taken over from it.",
    )
    date_end = fields.Datetime(
        string="Until", compute="_compute_date_end", help="Another order was loaded then; that stays as it is."
    )
    booked_words = fields.Text(compute="_compute_booked_words", string="Booked Already")
    remaining = fields.Float(compute="_compute_remaining", digits=(16, 3), string="Still to Make")

    @api.depends("machine_id")
    def _compute_current_id(self):
        for wizard in self:
            current = self.env["mrp.machine.loading"].search(
                [("machine_id", "=", wizard.machine_id.id), ("date_end", "=", False)], limit=1
            )
            wizard.current_id = current
            wizard.current_name = (current.workorder_id or current.production_id).display_name if current else False

    @api.depends("machine_id")
    def _compute_production_domain(self):
        for wizard in self:
            domain = [("company_id", "=", wizard.company_id.id), ("state", "in", OPEN_ORDERS)]
            if wizard.workcenter_id:
                domain += [
                    "|",
                    ("workorder_ids.workcenter_id", "=", wizard.workcenter_id.id),
                    ("workorder_ids", "=", False),
                ]
            wizard.production_domain = domain

    @api.depends("production_id", "machine_id")
    def _compute_workorder_domain(self):
        for wizard in self:
            wizard.has_workorders = bool(wizard.production_id.workorder_ids)
            domain = [("production_id", "=", wizard.production_id.id), ("state", "in", OPEN_WORK_ORDERS)]
            here = wizard._workorders_here()
            wizard.workorder_domain = [*domain, ("id", "in", here.ids)] if here else domain

    @api.depends("production_id")
    def _compute_workorder_id(self):
        for wizard in self:
            if wizard.workorder_id.production_id != wizard.production_id:
                wizard.workorder_id = wizard._workorders_here()[:1]

    @api.depends("production_id", "workorder_id")
    def _compute_remaining(self):
        for wizard in self:
            production = wizard.production_id
            made = wizard.workorder_id.qty_produced if wizard.workorder_id else production.qty_producing
            wizard.remaining = max(0.0, production.product_qty - made)

    @api.depends("machine_id", "date_start")
    def _compute_date_end(self):
        loadings = self.env["mrp.machine.loading"]
        for wizard in self:
            known = wizard.machine_id and wizard.date_start
            wizard.date_end = known and loadings._next_start(wizard.machine_id, wizard.date_start)

    @api.depends("machine_id", "date_start", "date_end", "production_id", "workorder_id")
    def _compute_booked_words(self):
        for wizard in self:
            if not wizard.machine_id or not wizard.date_start:
                wizard.booked_words = False
                continue
            booked = wizard.machine_id._booked_elsewhere(
                wizard.date_start, wizard.date_end, wizard.production_id, wizard.workorder_id
            )
            wizard.booked_words = "\n".join(wizard._booked_line(*row) for row in booked)

    def _booked_line(self, production, workorder, kind, pieces):
        """Return in a sentence what another order got of the pieces made since then, and what becomes of them."""
        _ = self.env._
        words = {
            "pieces": pieces_text(self.env, pieces),
            "kind": {"good": _("good"), "reject": _("rejected"), "rework": _("to rework")}[kind],
            "order": (workorder or production).display_name,
        }
        if production.state in CLOSED or workorder.state in CLOSED:
            return _("%(pieces)s %(kind)s since then on %(order)s, which is closed: they stay there.", **words)
        return _("%(pieces)s %(kind)s since then on %(order)s: they go over to the order that you load.", **words)

    def _workorders_here(self):
        """Return the open work orders of the chosen order that belong on the machine's work center, the next first."""
        self.ensure_one()
        return self.production_id.workorder_ids.filtered(
            lambda order: (
                order.state in OPEN_WORK_ORDERS
                and (not self.workcenter_id or order.workcenter_id == self.workcenter_id)
            )
        )

    def action_load(self):
        """Load the order."""
        self.ensure_one()
        if not self.production_id:
            raise UserError(self.env._("Choose the order that the machine works on."))
        self._check_not_future()
        self.env["mrp.machine.loading"]._load(self.machine_id, self.production_id, self.workorder_id, self.date_start)
        self._retry_waiting()
        return {"type": "ir.actions.act_window_close"}

    def action_unload(self):
        """Unload what runs on the machine; what it counts from then on waits."""
        self.ensure_one()
        self._check_not_future()
        self.env["mrp.machine.loading"]._unload(self.machine_id, self.date_start)
        return {"type": "ir.actions.act_window_close"}

    def _check_not_future(self):
        if self.date_start > fields.Datetime.now():
            raise UserError(self.env._("From: this moment is still to come. Enter since when it is so."))

    def _retry_waiting(self):
        """Let what waited for an order on this machine try again."""
        # sudo: the rows are the poster's own; that this user may load orders was checked by creating the loading
        self.env["mrp.machine.event.posting"].sudo().search(
            [
                ("machine_id", "=", self.machine_id.id),
                ("state", "=", "waiting"),
                ("reason", "in", (*FOR_ORDER, *UNKNOWN, "spans_change")),
                ("event_id.occurred", ">=", self.date_start),
            ]
        )._requeue()
