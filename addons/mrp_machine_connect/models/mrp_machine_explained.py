"""Which postings of machines stand behind a document? The way back from stock, work and time to the counters."""

from odoo import fields, models
from odoo.fields import Domain

#: What a posting of pieces may be booked as, where it bears on what an order made.
PIECES = ("good", "reject", "rework")
READERS = "mrp.group_mrp_user"


class MachineExplained(models.AbstractModel):
    """A document that machines bring about: it knows the postings behind it."""

    _name = "mrp.machine.explained"
    _description = "Document with Machine Postings"

    machine_posting_count = fields.Integer(
        compute="_compute_machine_posting_count",
        groups=READERS,
        string="Machine Postings",
        help="How often machines booked on it.",
    )
    has_machine_postings = fields.Boolean(
        compute="_compute_has_machine_postings", groups=READERS, help="Machines booked on it, or for it."
    )

    def _compute_has_machine_postings(self):
        made = self._made_by_machines()
        for record in self:
            record.has_machine_postings = record in made

    def _made_by_machines(self):
        """Return those of these documents that have machine postings, found for all of them at once."""
        return self.filtered("machine_posting_count")

    def _compute_machine_posting_count(self):
        for record in self:
            record.machine_posting_count = self.env["mrp.machine.posting"].search_count(
                record._machine_posting_domain()
            )

    def _machine_posting_domain(self):
        """Return the domain of the postings that this document itself carries; a kind of document knows its further ones."""
        return Domain([("res_model", "=", self._name), ("res_id", "in", self.ids)])

    def action_machine_postings(self):
        """Open what machines booked on this document, and from there the events with their counter values."""
        self.ensure_one()
        postings = self.env["mrp.machine.posting"]
        domain = self._machine_posting_domain()
        found = postings.search(domain, limit=2)
        action = found._action()
        return action if len(found) == 1 else {**action, "domain": list(domain)}


class MrpWorkorder(models.Model):
    _name = "mrp.workorder"
    _inherit = ["mrp.workorder", "mrp.machine.explained"]

    def _machine_posting_domain(self):
        return super()._machine_posting_domain() | Domain("workorder_id", "in", self.ids)


class MrpWorkcenterProductivity(models.Model):
    _name = "mrp.workcenter.productivity"
    _inherit = ["mrp.workcenter.productivity", "mrp.machine.explained"]

    def _made_by_machines(self):
        intervals = self._machine_intervals()
        return self & (intervals.productivity_id | intervals.earlier_productivity_ids).sudo(False)

    def _machine_intervals(self):
        """Return the intervals of machines' timelines that these lines are the time of."""
        intervals = self.env["mrp.machine.interval"].sudo()  # sudo: only to find the way to postings, which have rules
        return intervals.search(
            ["|", ("productivity_id", "in", self.ids), ("earlier_productivity_ids", "in", self.ids)]
        )

    def _machine_posting_domain(self):
        """Return the domain of what made this time: the events that began its intervals, in timeline and on work center."""
        intervals = self._machine_intervals()
        own = super()._machine_posting_domain()
        if not intervals.event_id:
            return own
        rows = self.env["mrp.machine.event.posting"].sudo()
        rows = rows.search(
            [("event_id", "in", intervals.event_id.ids), ("handler", "in", ("state_interval", "work_time"))]
        )
        return own | Domain("id", "in", rows.posting_id.ids)


class StockMove(models.Model):
    _name = "stock.move"
    _inherit = ["stock.move", "mrp.machine.explained"]

    def _made_by_machines(self):
        orders = {move: move._machine_order() for move in self}
        found = self.env["mrp.machine.posting"]._read_group(
            [("production_id", "in", [order.id for order in orders.values()]), ("kind", "in", PIECES)],
            ["production_id"],
        )
        counted = {order for (order,) in found}
        return self.filtered(lambda move: move.machine_posting_id or orders[move] in counted)

    def _machine_order(self):
        """Return the order that this move makes for, takes for or scraps from."""
        return self.production_id or self.raw_material_production_id or self.scrap_id.production_id

    def _machine_posting_domain(self):
        """Return the domain of what was counted for this move: since the move before it that machines made.

        Each posting of an order stands behind one move of each of its products. A move that no posting made has those of
        its time, or where there are none at its time, all of its order.
        """
        domain = super()._machine_posting_domain() | Domain("id", "in", self.machine_posting_id.ids)
        for move in self:
            order = move._machine_order()
            if not order:
                continue
            counted = Domain([("production_id", "=", order.id), ("kind", "in", move._machine_kinds())])
            if move.workorder_id:
                counted &= Domain("workorder_id", "in", (move.workorder_id.id, False))
            if move.state == "done":
                counted = move._machine_share(order, counted)
            domain |= counted
        return domain

    def _machine_kinds(self):
        return ("reject",) if self.scrap_id else PIECES

    def _machine_share(self, order, counted):
        """Return of the postings of an order those that stand behind this move and no other of its product."""
        others = self.search(
            [
                ("product_id", "=", self.product_id.id),
                ("state", "=", "done"),
                ("id", "!=", self.id),
                ("scrap_id", "!=" if self.scrap_id else "=", False),
                "|",
                "|",
                ("production_id", "=", order.id),
                ("raw_material_production_id", "=", order.id),
                ("scrap_id.production_id", "=", order.id),
            ]
        )
        if self.machine_posting_id:
            made = others.machine_posting_id.ids
            earlier = [number for number in made if number < self.machine_posting_id.id]
            if earlier:
                counted &= Domain("id", ">", max(earlier))
            if any(number > self.machine_posting_id.id for number in made):
                counted &= Domain("id", "<=", self.machine_posting_id.id)
            return counted
        if made := others.machine_posting_id:
            # Closed by a person after a machine's beat: the rest.
            since = counted & Domain("id", ">", max(made.ids))
            if self.env["mrp.machine.posting"].search_count(since, limit=1):
                return since
        dates = others.filtered(lambda move: move.date < self.date).mapped("date")
        since = Domain("occurred_to", "<=", self.date)
        if dates:
            since &= Domain("occurred_to", ">", max(dates))
        if self.env["mrp.machine.posting"].search_count(counted & since, limit=1):
            return counted & since
        return counted


class StockMoveLine(models.Model):
    _inherit = "stock.move.line"

    has_machine_postings = fields.Boolean(
        compute="_compute_has_machine_postings", groups=READERS, help="Machines booked on it, or for it."
    )

    def _compute_has_machine_postings(self):
        for line in self:
            line.has_machine_postings = line.move_id.has_machine_postings

    def action_machine_postings(self):
        """Open what machines booked for the move of this line."""
        return self.move_id.action_machine_postings()


class StockScrap(models.Model):
    _name = "stock.scrap"
    _inherit = ["stock.scrap", "mrp.machine.explained"]

    def _machine_posting_domain(self):
        """Return the domain of the rejects that this scrap is made of; of a person's own scrap there are none."""
        domain = super()._machine_posting_domain()
        made = self.move_ids.filtered("machine_posting_id")
        return domain | made._machine_posting_domain() if made else domain
