from odoo import api, fields, models


class MachineLedger(models.Model):
    """What one machine counted on one work order: the guard of all counts.

    Counts are kept in the machine's unit as totals, so that a conversion rounds the total once and not each piece.
    """

    _name = "mrp.machine.ledger"
    _description = "Machine Count on an Order"
    _order = "id desc"
    _rec_name = "production_id"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one("mrp.production", string="Order", required=True, readonly=True, index=True)
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True, index="btree_not_null")
    uom_id = fields.Many2one(
        "uom.uom",
        string="Unit",
        readonly=True,
        help="The machine's unit, in which it is counted here. Empty: pieces.",
    )
    reject_booking = fields.Selection(
        related="production_id.machine_reject_booking",
        string="Rejects Are",
        help="How the rejects of the order are booked: as it was set on the machine that reported the first, and the same "
        "until its end.",
    )
    # Nine digits: a sum of ten thousand fractions is still right, and one of decimal numbers is exact.
    good = fields.Float(readonly=True, digits=(16, 9), help="By the good counter.")
    reject = fields.Float(readonly=True, digits=(16, 9), help="By the reject counter.")
    rework = fields.Float(readonly=True, digits=(16, 9), help="By the rework counter.")
    total = fields.Float(readonly=True, digits=(16, 9), help="By the total counter.")
    cycle = fields.Float(string="Cycles", readonly=True, digits=(16, 9), help="Pieces by completed cycles.")
    part = fields.Float(string="Parts", readonly=True, digits=(16, 9), help="Completed parts that passed.")
    failed = fields.Float(string="Failed Parts", readonly=True, digits=(16, 9), help="Completed parts that failed.")
    adjusted = fields.Float(
        readonly=True, digits=(16, 9), help="Pieces that people added (or took away) with a reason."
    )
    posted = fields.Float(
        readonly=True,
        digits=(16, 9),
        help="Pieces by what feeds the order that became its quantity, in the machine's unit.",
    )
    rejected = fields.Float(
        string="Rejects in the Quantity",
        readonly=True,
        digits=(16, 9),
        help="Rejects that are part of the order's quantity, to be scrapped when it enters stock.",
    )
    added = fields.Float(
        string="Rejects on Top",
        readonly=True,
        digits=(16, 9),
        help="Those of them that became quantity in addition to what feeds the order; a total counter has them already. "
        "Less than nothing where they are no quantity, and what feeds the order has them.",
    )
    beside = fields.Float(
        string="Rejects Beside the Quantity",
        readonly=True,
        digits=(16, 9),
        help="Rejects that are no part of the order's quantity, and took its components all the same.",
    )
    good_on_order = fields.Float(
        string="Good on the Order",
        compute="_compute_good_on_order",
        digits=(16, 3),
        help="What became quantity of the order without its rejects.",
    )
    rejects_shown = fields.Float(
        string="Rejected",
        compute="_compute_good_on_order",
        digits=(16, 3),
        help="Rejects by what counts them, whether they are part of the quantity or only noted.",
    )
    last_written = fields.Float(
        readonly=True, digits=(16, 6), help="The quantity last written to the order, in the order's unit."
    )
    by_hand = fields.Float(
        string="Changed by Hand",
        readonly=True,
        digits=(16, 6),
        help="What people changed on the order itself between two postings; kept, and counted on from there.",
    )
    last_on_order = fields.Float(
        string="Order's Quantity",
        readonly=True,
        digits=(16, 6),
        help="The quantity in production of the order itself when it was last written, in the order's unit. The same on "
        "all rows of the order.",
    )
    kept_on_order = fields.Float(
        string="Order Beside Its Steps",
        readonly=True,
        digits=(16, 6),
        help="How much of the order's quantity is what people entered there, and not on its work orders. The same on all "
        "rows of the order.",
    )
    difference = fields.Float(
        compute="_compute_difference",
        digits=(16, 3),
        help="What fed the order minus what the machine's other counter says.",
    )

    _ledger_unique = models.UniqueIndex("(machine_id, production_id, COALESCE(workorder_id, 0))")

    @api.depends(
        "posted", "rejected", "added", "beside", "reject", "failed", "reject_booking", "machine_id.counting_role"
    )
    def _compute_good_on_order(self):
        for row in self:
            row.good_on_order = row._fed() - row.rejected
            by_counter = row.failed if row.machine_id.counting_role == "part" else row.reject
            row.rejects_shown = by_counter if row.reject_booking == "noted" else row.rejected + row.beside

    @api.depends("good", "reject", "total", "cycle", "part", "machine_id.counting_role")
    def _compute_difference(self):
        for row in self:
            fed = row[row.machine_id.counting_role] if row.machine_id else 0.0
            other = next(
                (
                    row[role]
                    for role in ("good", "total", "cycle", "part")
                    if role != row.machine_id.counting_role and row[role]
                ),
                None,
            )
            row.difference = fed - other if other is not None else 0.0

    def _row_of(self, machine, production, workorder):
        """Return the row of a machine and a work order, made when it is new.

        :param self: all rows of the order
        """
        row = self.filtered(lambda row: row.machine_id == machine and row.workorder_id == workorder)
        if row:
            return row
        other = self.filtered(lambda row: row.workorder_id == workorder)[:1]
        # What was written counts for all who write there.
        return self.create(
            {
                "machine_id": machine.id,
                "production_id": production.id,
                "workorder_id": workorder.id,
                "last_written": other.last_written,
                "last_on_order": self[:1].last_on_order,
                "kept_on_order": self[:1].kept_on_order,
            }
        )

    def _quantity_in(self, unit):
        """Return how much these rows fed to their order, rejects included, in a unit of the order's and not rounded."""
        return sum(row._uom()._compute_quantity(row._fed(), unit, round=False) for row in self)

    def _fed(self):
        """Return how much this row fed to its order, in its own unit.

        Of rejects that are taken from a total counter, no more than it has counted by now: the counters are read in turn.
        """
        fed = self.posted + self.added
        return max(fed, min(0.0, self.posted)) if self.added < 0 else fed

    def _rejected_in(self, unit):
        """Return how many rejects are part of that, in a unit of the order's and not rounded."""
        return sum(row._uom()._compute_quantity(row.rejected, unit, round=False) for row in self)

    def _shown_in(self, unit):
        """Return how many rejects there are, whatever became of them, in a unit of the order's and not rounded."""
        return sum(row._uom()._compute_quantity(row.rejects_shown, unit, round=False) for row in self)

    def _beside_in(self, unit):
        """Return how many rejects took components beside that, in a unit of the order's and not rounded."""
        return sum(row._uom()._compute_quantity(row.beside, unit, round=False) for row in self)

    def _uom(self):
        """Return the unit that a row counts in."""
        return self.uom_id or self.env["uom.uom"]._of_code("C62")

    @api.model
    def _fed_ids(self, records):
        """Return the ids of those orders or work orders that a machine feeds: it is loaded there, or it has counted.

        :param records: mrp.production or mrp.workorder
        """
        if not records.ids:
            return set()
        field = "workorder_id" if records._name == "mrp.workorder" else "production_id"
        orders = records.production_id if field == "workorder_id" else records
        on_these = [("production_id", "in", orders.ids), (field, "in", records.ids)]
        # sudo: whoever works on an order may know that a machine feeds it
        loadings = self.env["mrp.machine.loading"].sudo()
        loaded = loadings.search([*on_these, "|", ("date_end", "=", False), ("date_end", ">", fields.Datetime.now())])
        loaded = loaded.filtered(lambda loading: loading.machine_id.active and loading.machine_id._feeds())
        counted = self.sudo().search([*on_these, "|", ("posted", "!=", 0.0), ("added", "!=", 0.0)])
        return {*loaded[field].ids, *counted[field].ids}
