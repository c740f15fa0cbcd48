"""Finished goods enter stock while their order goes on, and its rejects leave it again as scrap."""

from odoo import fields, models
from odoo.exceptions import UserError

from ..quantities import number_text
from .mrp_workorder import CLOSED, KEEP_QUANTITY

#: In a context: what is posted is a part of an order that goes on, and nothing of it is cancelled.
KEEP_OPEN = "machine_order_goes_on"


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    # What was made, and what of it is scrap

    def _machine_rows(self):
        """Return what machines counted on these orders."""
        # sudo: whoever works on an order may know what was counted on it
        return self.env["mrp.machine.ledger"].sudo().search_fetch([("production_id", "in", self.ids)])

    def _rejects_before(self):
        """Return ``{work order: rejects of the steps before it}``, in the order's unit: they never reach it."""
        self.ensure_one()
        rows, before, found = self._machine_rows(), 0.0, {}
        for step in self.workorder_ids:
            found[step] = before
            before += rows.filtered(lambda row, step=step: row.workorder_id == step)._rejected_in(self.product_uom_id)
        return found

    def _machine_scraps(self):
        """Return the scraps of the product that machines' rejects became; what people scrapped is their own."""
        self.ensure_one()
        scraps = self.scrap_ids.filtered(lambda scrap: scrap.state == "done" and scrap.product_id == self.product_id)
        return scraps.filtered(lambda scrap: scrap.sudo().move_ids.machine_posting_id)  # sudo: see _machine_rows

    def _machine_scrapped(self):
        """Return how many of the machines' rejects are scrapped already, in the order's unit."""
        unit = self.product_uom_id
        return sum(
            scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            for scrap in self._machine_scraps()
        )

    def _scrap_due(self):
        """Return how many rejects are in stock and still to be scrapped, in the order's unit."""
        self.ensure_one()
        unit, rows = self.product_uom_id, self._machine_rows()
        rejected = min(unit.round(rows._rejected_in(unit), rounding_method="HALF-UP"), self.qty_produced)
        return max(0.0, unit.round(rejected - self._machine_scrapped(), rounding_method="HALF-UP"))

    def _stock_due(self):
        """Return how much was made and is not in stock yet, of an order that goes on: 0 where the rest is for its close.

        What reaches the quantity of the order would close it, with its work orders still open, so it waits for that.
        """
        self.ensure_one()
        unit = self.product_uom_id
        if self.state in CLOSED or unit.compare(self.qty_producing, self.product_qty) >= 0:
            return 0.0
        return max(0.0, unit.round(self.qty_producing - self.qty_produced, rounding_method="HALF-UP"))

    def _last_entered(self):
        """Return when something of an order entered stock last (naive UTC), or else when the order began."""
        self.ensure_one()
        finished = self.move_finished_ids.filtered(
            lambda move: move.state == "done" and move.product_id == self.product_id
        )
        return max(finished.mapped("date"), default=self.date_start)

    def _in_stock_words(self, quantity):
        """Return in words why an order cannot have made so little, or None."""
        self.ensure_one()
        unit, order = self.product_uom_id, self._origin
        if order.state in CLOSED or unit.compare(quantity, order.qty_produced) >= 0:
            return None
        return self.env._(
            "%(stock)s of %(order)s are in stock already, so no less can have been made. Enter that or more; what is too "
            "much there is scrapped, or corrected in stock.",
            stock=number_text(order.qty_produced),
            order=order.display_name,
        )

    def _set_qty_producing(self, pick_manual_consumption_moves=True):
        """Refuse to have made less than what entered stock, which would take it out again in an unfinished move."""
        for production in self:
            if production._origin.qty_produced and (words := production._in_stock_words(production.qty_producing)):
                raise UserError(words)
        return super()._set_qty_producing(pick_manual_consumption_moves)

    # On a beat

    def _missing(self, components):
        """Return in words what of these components is not where it is taken from, or None."""
        wanted, short = {}, []
        for move in components:
            due = move.product_uom.round((self.qty_producing - self.qty_produced) * move.unit_factor)
            if not move.picked and not move.product_uom.is_zero(move.product_uom_qty) and due > 0:
                # MRP lays out nothing that is tracked before its transfer is done.
                short.append(self._short_words(due, move.product_uom, move.product_id, move.location_id))
        for line in components.filtered("picked").move_line_ids:
            if line.product_id.is_storable and not line.location_id.should_bypass_reservation():
                key = line.product_id, line.location_id, line.lot_id, line.package_id, line.owner_id
                wanted[key] = wanted.get(key, 0.0) + line.quantity_product_uom
        # sudo: stock asks itself in this way
        quants = self.env["stock.quant"].sudo()
        for (product, location, lot, package, owner), quantity in wanted.items():
            there = quants.search(
                [
                    ("product_id", "=", product.id),
                    ("location_id", "=", location.id),
                    ("lot_id", "=", lot.id),
                    ("package_id", "=", package.id),
                    ("owner_id", "=", owner.id),
                ]
            )
            lacking = product.uom_id.round(quantity - sum(there.mapped("quantity")), rounding_method="HALF-UP")
            if product.uom_id.compare(lacking, 0.0) > 0:
                short.append(self._short_words(lacking, product.uom_id, product, location))
        if not short:
            return None
        transfers = self.picking_ids.filtered(
            lambda picking: picking.state not in CLOSED and picking.location_dest_id == self.location_src_id
        )
        words = self.env._(
            "Of what %(order)s used there is missing: %(short)s.", order=self.display_name, short=", ".join(short)
        )
        if transfers:
            words += " " + self.env._("Transfer %s is to bring it.", ", ".join(transfers.mapped("name")))
        return words

    def _short_words(self, quantity, unit, product, location):
        return self.env._(
            "%(quantity)s %(unit)s of %(product)s in %(location)s",
            quantity=number_text(quantity),
            unit=unit.name,
            product=product.display_name,
            location=location.display_name,
        )

    def _lay_out(self):
        """Set what was used and yielded for what was made since the last beat, and pick it.

        :return: the open moves of components
        """
        self.ensure_one()
        self._set_qty_producing(False)
        # Those consumed by hand have their share now and wait for a person: MRP would cancel them. What people added
        # beside the bill of materials is theirs.
        components = self.move_raw_ids.filtered(lambda move: move.state not in CLOSED)
        self._set_by_hand(self.qty_producing, is_part=True)
        components.filtered(
            lambda move: not move.picked and not move.product_uom.is_zero(move.product_uom_qty) and move.quantity > 0
        ).picked = True
        return components

    def _set_by_hand(self, least, is_part=False):
        """Set what is due of components that wait for a person, where a part of them was used already.

        A step that is finished used them for all that went through it, be it more than what the order made by now.

        :param float least: of the order that was made, in its unit
        :param bool is_part: the order goes on: a part that enters stock takes its own components, and those of pieces that
            are ahead of it are taken with theirs
        """
        waiting = self.move_raw_ids.filtered(
            lambda move: (
                move.state not in CLOSED and move.manual_consumption and not move.picked and move.product_uom_qty
            )
        )
        for move in waiting - self._set_finished(least, is_part):
            move._set_quantity_done(move._due_for(least))

    def _set_finished(self, least, is_part=False):
        """Set what is due of components whose step is finished: MRP picked them, and pieces of it may have come after that.

        :param float least: as :meth:`_set_by_hand` has it, and ``is_part`` as well
        :return: the moves of these components
        """
        moves = self.move_raw_ids.filtered(
            lambda move: (
                move.state not in CLOSED
                and move.manual_consumption
                and move.workorder_id.state == "done"
                and (not move.picked or not move._is_told())
                and move.product_uom_qty
            )
        )
        # What went through a step is known where a machine counted it: whoever finishes one by hand reports all that was
        # ordered, unless it was said otherwise.
        counted = self._machine_rows().workorder_id.filtered(lambda step: not is_part and step.state == "done")
        for move in moves:
            step = move.workorder_id & counted.with_env(self.env)
            move._set_quantity_done(move._due_for(least, step.qty_produced))
        return moves

    def _enter_stock(self):
        """Post what was made by now of an order that goes on, with what was used for it.

        :return: the moves that are done by that
        """
        self.ensure_one()
        before = (self.move_raw_ids | self.move_finished_ids).filtered(lambda move: move.state in CLOSED)
        self.with_context(**{KEEP_OPEN: True})._post_inventory()
        moves = self.move_raw_ids | self.move_finished_ids
        rest = moves.filtered(lambda move: move.state not in CLOSED)
        # What is left of a move was picked with it, and MRP reserves nothing for what is picked.
        rest.picked = False
        # It is no step's any more either.
        for move in rest.filtered(lambda move: move.operation_id and not move.workorder_id):
            if move.raw_material_production_id:
                move.workorder_id = self.workorder_ids.filtered(
                    lambda step, move=move: step.operation_id == move.operation_id
                )[:1]
        (rest & self.move_raw_ids)._action_assign()
        return moves.filtered(lambda move: move.state == "done") - before

    # At the close

    def pre_button_mark_done(self):
        """Close what entered stock in parts with the rest of it: what was reserved for more is not used."""
        rest = self.env["stock.move"]
        for production in self:
            if production.state not in CLOSED and production.qty_produced:
                if words := production._in_stock_words(production.qty_producing):
                    raise UserError(words)
                if production.product_uom_id.compare(production.qty_producing, production.qty_produced) > 0 or any(
                    move.state not in CLOSED and not move.picked for move in production.move_raw_ids
                ):
                    production._set_qty_producing(False)
                    production._set_by_hand(production.qty_producing)
                rest |= production.move_raw_ids.filtered(lambda move: move.state not in CLOSED and not move.picked)
            elif production.state not in CLOSED and production._machine_rows():
                production._set_finished(production.qty_producing)
        # Else MRP asks for the lots of it, even where nothing of it is used any more; which they are is found when it is posted.
        rest = rest.filtered(lambda move: move.manual_consumption and move.has_tracking != "none")
        rest.picked = True
        result = super().pre_button_mark_done()
        if result is not True:  # a question, and whoever says no goes on counting
            rest.exists().filtered(lambda move: move.state not in CLOSED).picked = False
        return result

    def button_mark_done(self):
        result = super().button_mark_done()
        self.exists()._decide_scrap()
        return result

    def action_cancel(self):
        """A cancelled order keeps what entered stock of it, and Odoo calls it done."""
        result = super().action_cancel()
        self.exists()._decide_scrap()
        return result

    def _scrap_again(self):
        """Let earlier decisions that rejects leave stock try again, and return whether there are any: there is more to them now."""
        # sudo: whoever closes the order need not be allowed to touch effects
        waiting = (
            self.env["mrp.machine.event.posting"]
            .sudo()
            .search(
                [
                    ("state", "=", "waiting"),
                    ("reason", "in", ("scrap_tracked", "scrap_missing")),
                    ("detail", "in", [f"production:{production.id}" for production in self]),
                ]
            )
        )
        waiting._requeue()
        return bool(waiting)

    def _decide_scrap(self):
        """Let the rejects of closed orders leave stock, in a transaction of their own."""
        for production in self.filtered(lambda production: production.state == "done"):
            rows = production._machine_rows().filtered(lambda row: row.rejected or row.beside)
            if rows and production._has_scrap_due() and not production._scrap_again():
                machine = rows.sorted(lambda row: row.rejected + row.beside)[-1:].machine_id
                machine._decide_stock(production, fields.Datetime.now(), "close")


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def button_finish(self):
        """Leave the order's quantity alone where MRP would take the least of its steps, without the rejects of others."""
        orders = self.production_id.filtered(
            lambda order: len(order._steps()) > 1 and any(order._rejects_before().values())
        )
        theirs = self.filtered(lambda step: step.production_id in orders)
        if theirs:
            super(MrpWorkorder, theirs.with_context(**{KEEP_QUANTITY: True})).button_finish()
        if others := self - theirs:
            return super(MrpWorkorder, others).button_finish()
        return True

    def _report_quantity(self, total):
        """Report a cumulative quantity on this step.

        MRP makes the order's quantity of that of its steps alone. Where rejects of earlier steps are in stock, that is
        less than what is there, so it is left to the one who knows of them.
        """
        self.ensure_one()
        if self.production_id.qty_produced and len(self.production_id._steps()) > 1:
            self = self.with_context(**{KEEP_QUANTITY: True})
        self.qty_produced = total


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _due_for(self, quantity, through=0.0):
        """Return how much of a component or by-product is still to be moved when so much of its order was made in all.

        MRP's own factor holds for what is open alone; where more was used for a part than its share, less is left.

        :param float quantity: cumulative, in the order's unit
        :param float through: how many went through its step, where that is finished: it may have been ahead of the order
        """
        self.ensure_one()
        order, quantity = self.raw_material_production_id or self.production_id, max(quantity, through)
        moves = order.move_raw_ids if self.raw_material_production_id else order.move_finished_ids
        same = moves.filtered(
            lambda move: (
                move.state != "cancel"
                and (move.bom_line_id, move.byproduct_id, move.product_id, move.product_uom)
                == (self.bom_line_id, self.byproduct_id, self.product_id, self.product_uom)
            )
        )
        done = same.filtered(lambda move: move.state == "done")
        if not done or not order.product_qty:
            return max(0.0, self.product_uom.round((quantity - order.qty_produced) * self.unit_factor))
        whole = sum(same.mapped("product_uom_qty"))
        due = quantity * whole / order.product_qty - sum(done.mapped("quantity"))
        return max(0.0, self.product_uom.round(due, rounding_method="HALF-UP"))

    def _action_cancel(self):
        """Cancel nothing of an order of which only a part is posted: what nobody took yet is taken later."""
        if self.env.context.get(KEEP_OPEN):
            theirs = self.filtered(lambda move: move.raw_material_production_id or move.production_id)
            others = self - theirs
            return super(StockMove, others)._action_cancel() if others else True
        return super()._action_cancel()
