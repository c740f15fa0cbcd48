"""Why were pieces of an order rejected? What machines, and those beside them, said of it."""

from odoo import api, fields, models


class MachineReject(models.Model):
    """How many pieces of an order were rejected, or are to be reworked, for one reason: cumulative, as the ledger is.

    The ledger says how many there are, and this says why. What nobody explained is no row here.
    """

    _name = "mrp.machine.reject"
    _description = "Rejects by Reason"
    _order = "id desc"
    _rec_name = "production_id"

    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, index=True, ondelete="restrict", help="Where it was found."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production", string="Order", required=True, readonly=True, index=True, help="Whose pieces they are."
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", help="The step that they fell in."
    )
    workcenter_id = fields.Many2one(
        "mrp.workcenter",
        string="Work Center",
        compute="_compute_workcenter_id",
        store=True,
        index="btree_not_null",
        help="Where the step was made; of an order without work orders, where the machine stands.",
    )
    product_id = fields.Many2one(related="production_id.product_id", store=True, help="What the order makes.")
    uom_id = fields.Many2one(
        related="production_id.product_uom_id", help="The unit of the order, which the quantity is in."
    )
    kind = fields.Selection(
        [("reject", "Rejected"), ("rework", "To rework")],
        required=True,
        readonly=True,
        default="reject",
        help="Rejected: it leaves the order. To rework: it is no quantity yet, and will be good or rejected later.",
    )
    tag_id = fields.Many2one(
        "stock.scrap.reason.tag",
        string="Reason",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Why, as Odoo's scraps say it. Empty: only how many there were was said.",
    )
    stage = fields.Char(readonly=True, help="In which stage of the work, as the machine says it: setup, start-up, run.")
    quantity = fields.Float(readonly=True, digits=(16, 9), help="Pieces, in the unit of the order.")
    date_last = fields.Datetime("Last", readonly=True, help="When the last of them was found, by the machine's time.")

    _reject_unique = models.UniqueIndex(
        "(machine_id, production_id, COALESCE(workorder_id, 0), kind, COALESCE(tag_id, 0), COALESCE(stage, ''))"
    )

    @api.depends("workorder_id.workcenter_id", "machine_id.workcenter_id")
    def _compute_workcenter_id(self):
        for row in self:
            row.workcenter_id = row.workorder_id.workcenter_id or row.machine_id.workcenter_id

    @api.model
    def _of(self, key):
        """Return the row of a reason, empty where nothing was said of it yet.

        :param dict key: values of the fields of the unique index
        """
        return self.search([(name, "=", value) for name, value in key.items()], limit=1)

    @api.model
    def _add(self, key, quantity, moment):
        """Add pieces to the row of a reason, made when it is new, and return it.

        :param dict key: values of the fields of the unique index
        :param float quantity: in the unit of the order, not rounded
        :param moment: of the last of them, naive UTC
        """
        row = self._of(key)
        if not row:
            return self.create({**key, "quantity": quantity, "date_last": moment})
        row.write({"quantity": row.quantity + quantity, "date_last": max(row.date_last or moment, moment)})
        return row

    @api.model
    def _counted(self, field, records):
        """Return ``{record: pieces that were rejected}``, for records that rows point to by a field."""
        found = self._read_group([(field, "in", records.ids), ("kind", "=", "reject")], [field], ["quantity:sum"])
        return dict(found)

    @api.model
    def _action(self, *domain):
        """Return the action that shows the rejects of a machine, an order or where it is made, by reason."""
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_reject_action")
        action["domain"] = list(domain)
        return action

    def _by_reason(self, unit):
        """Return ``{reason: pieces}`` of these rows, rounded as the unit is, the reason that was told first first.

        :param unit: of their order
        """
        found = {}
        for row in self.sorted("id"):
            found[row.tag_id] = found.get(row.tag_id, 0.0) + row.quantity
        return {tag: unit.round(quantity, rounding_method="HALF-UP") for tag, quantity in found.items()}


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    scrap_events = fields.Selection(
        [("explain", "Explain what the reject counter counts"), ("add", "Are rejects of their own")],
        string="Told Scrap",
        default="explain",
        required=True,
        tracking=True,
        help="What it means when the machine, or somebody beside it, tells scrap with a reason. Explain: the reject counter "
        "has these pieces already, and the reason is put to them. Of their own: no counter has them, so they are rejects "
        "on top.",
    )

    def action_rejects(self):
        """Open the rejects of this machine by reason."""
        self.ensure_one()
        return self.env["mrp.machine.reject"]._action(("machine_id", "=", self.id))


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _pieces(self):
        if self.handler == "scrap":
            data = self.event_id.data or {}
            return float(data.get("qty") or data.get("delta") or 0.0)
        return super()._pieces()

    @api.model
    def _remedies(self):
        return {
            **super()._remedies(),
            "scrap_product": self.env._(
                "Load the order that took it on the machine, or correct what the machine names, then retry."
            ),
        }


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def action_rejects(self):
        """Open the rejects of this order by reason."""
        self.ensure_one()
        return self.env["mrp.machine.reject"]._action(("production_id", "=", self.id))


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_reject_count = fields.Float(
        "Rejected",
        compute="_compute_machine_reject_count",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Pieces of this step that were rejected for a reason that is known.",
    )

    def _compute_machine_reject_count(self):
        found = self.env["mrp.machine.reject"]._counted("workorder_id", self)
        for workorder in self:
            workorder.machine_reject_count = found.get(workorder, 0.0)

    def action_rejects(self):
        """Open the rejects of this work order by reason."""
        self.ensure_one()
        return self.env["mrp.machine.reject"]._action(("workorder_id", "=", self.id))


class MrpWorkcenter(models.Model):
    _inherit = "mrp.workcenter"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_reject_count = fields.Float(
        "Rejected",
        compute="_compute_machine_reject_count",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="Pieces that were rejected here for a reason that is known.",
    )

    def _compute_machine_reject_count(self):
        found = self.env["mrp.machine.reject"]._counted("workcenter_id", self)
        for workcenter in self:
            workcenter.machine_reject_count = found.get(workcenter, 0.0)

    def action_rejects(self):
        """Open what was rejected on this work center, by reason."""
        self.ensure_one()
        return self.env["mrp.machine.reject"]._action(("workcenter_id", "=", self.id))
