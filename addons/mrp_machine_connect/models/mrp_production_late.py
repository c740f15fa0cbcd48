"""What is changed on an order that is closed, when it turns out that more or fewer pieces were made?

Odoo's own means for that is the quantity of what was moved: stock follows, and the dates stay. Never the quantity in
production of a closed order, which MRP writes to each of its finished moves.
"""

from datetime import timedelta

from odoo import fields, models

from ..postings.outcome import Waiting
from ..quantities import number_text, signed_text
from .mrp_workorder import CLOSED

#: In a context: the quantity of a work order that is done is put right; MRP itself refuses to.
LATE = "machine_late"


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_late_of_id = fields.Many2one(
        "mrp.production",
        string="Late Pieces Of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The order that these pieces were counted for after it had been closed.",
    )

    def _late_refusal(self, moment):
        """Return in words why nothing may be booked at a moment that is past, or None; other addons know more reasons.

        :param moment: naive UTC
        """
        return None

    def _check_late(self, moment):
        """Refuse what cannot be booked late on this order, whatever the machine's setting is.

        :raise Waiting: with what a person can do
        """
        if words := self._late_refusal(moment):
            raise Waiting("late_refused", words)
        if tracked := self._late_untold():
            raise Waiting(
                "late_tracked",
                self.env._(
                    "%(order)s is closed, and %(products)s has lots or serial numbers: which of them the late pieces have, "
                    "nobody said.",
                    order=self.display_name,
                    products=", ".join(tracked.mapped("display_name")),
                ),
            )

    def _late_untold(self):
        """Return the products that are tracked and of whose late pieces nobody said which lots they are."""
        products = self.product_id | self.move_raw_ids.product_id
        return products.filtered(lambda product: product.tracking != "none")

    # What was moved

    def _correct_done_moves(self, shares):
        """Change what this order finished and, in proportion, what it consumed and yielded beside.

        Where it was finished in parts, the part that covers the time is changed. What was moved keeps its date.

        :param list shares: ``[(moment, quantity)]``: naive UTC, and the order's unit, negative to take away
        :return: ``(quantity before, quantity after)``
        :raise Waiting: it cannot be done without a person
        """
        self.ensure_one()
        unit, delta = self.product_uom_id, sum(quantity for _moment, quantity in shares)
        done = (self.move_finished_ids | self.move_raw_ids).filtered(lambda move: move.state == "done")
        finished = done.filtered(lambda move: move.production_id and move.product_id == self.product_id)
        before = sum(finished.mapped("quantity"))
        after = unit.round(before + delta)
        if not finished:
            raise Waiting("order_closed", self.env._("%s is closed and finished nothing.", self.display_name))
        if unit.compare(after, 0.0) < 0:
            raise Waiting("below_zero", self.env._("More pieces would be taken away than were counted."))
        for moment, _quantity in shares:
            self._check_late(moment)
        folded, lessened = {}, set()
        for moment, quantity in shares:
            first, so_far = folded.get(covering := finished._covering(moment), (moment, 0.0))
            folded[covering] = (first, so_far + quantity)
        shares = list(folded.values())
        for moment, quantity in shares:
            lessened |= finished._change_done(quantity, moment)
        beside = {}
        for move in done - finished:
            key = (move.bom_line_id, move.byproduct_id, move.product_id, move.product_uom)
            beside[key] = beside.get(key, self.env["stock.move"]) | move
        self._leave_open(finished, delta)
        for moves in beside.values():
            change = self._quantity_beside(moves, before, after) - sum(moves.mapped("quantity"))
            self._leave_open(moves, change)
            # In the parts that the finished quantity was changed in; the last takes what rounding leaves.
            left = change
            for place, (moment, quantity) in enumerate(shares, 1):
                last = place == len(shares) or unit.is_zero(delta)
                part = left if last else moves[:1].product_uom.round(change * quantity / delta)
                lessened |= moves._change_done(part, moment)
                left -= part
                if last:
                    break
        self._refuse_negative(lessened)
        return before, after

    def _leave_open(self, done, change):
        """Let an order that is open still move what is moved less by now: of that MRP reckons what a piece takes.

        :param done: the done moves of one product
        :param float change: of what they moved
        """
        rest = (self.move_finished_ids | self.move_raw_ids).filtered(
            lambda move: (
                move.state not in ("done", "cancel")
                and (move.product_id, move.bom_line_id, move.byproduct_id, bool(move.production_id))
                == (done[:1].product_id, done[:1].bom_line_id, done[:1].byproduct_id, bool(done[:1].production_id))
            )
        )[:1]
        if rest:
            # What is moved less lies where it was taken from: nothing is to be procured for it.
            rest = rest.with_context(no_procurement=True, do_not_unreserve=True)
            rest.product_uom_qty = max(0.0, rest.product_uom.round(rest.product_uom_qty - change))

    def _quantity_beside(self, moves, before, after):
        """Return how much of a component, or by-product, belongs to a finished quantity.

        As the bill of materials says, where what was moved by now is that; else in proportion to what was moved.

        :param moves: the done moves of that component
        :param float before: finished quantity that they belong to
        :param float after: finished quantity that is asked for
        """
        unit, moved = moves[:1].product_uom, sum(moves.mapped("quantity"))
        line = moves.bom_line_id or moves.byproduct_id
        if line and line.bom_id == self.bom_id and line.product_uom_id == unit and self.bom_id.product_qty:
            bom = self.bom_id
            each = line.product_qty / bom.product_uom_id._compute_quantity(
                bom.product_qty, self.product_uom_id, round=False
            )
            # Each part that was posted may have been rounded.
            if abs(moved - each * before) <= unit.rounding * len(moves):
                return unit.round(each * after, rounding_method="HALF-UP")
            # A step that was ahead of the order used its components for all that went through it.
            steps = self.workorder_ids.filtered(
                lambda step: step.operation_id and step.operation_id == line.operation_id
            )
            through = each * max(after, *steps.mapped("qty_produced")) if steps else 0.0
            if each * before < moved <= through + unit.rounding * len(moves):
                return unit.round(through, rounding_method="HALF-UP")
        return unit.round(moved * after / before, rounding_method="HALF-UP") if before else moved

    def _refuse_negative(self, lessened):
        """Refuse what took more out of a place than there is.

        :param set lessened: ``{(product, location)}`` of which something was taken
        """
        self.env.flush_all()
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        for product, location in sorted(lessened, key=lambda pair: (pair[0].id, pair[1].id)):
            if not product.is_storable or location.usage not in ("internal", "transit"):
                continue
            [(there,)] = quants._read_group(
                [("product_id", "=", product.id), ("location_id", "=", location.id)], [], ["quantity:sum"]
            )
            if product.uom_id.compare(there or 0.0, 0.0) < 0:
                raise Waiting(
                    "no_stock",
                    self.env._(
                        "%(order)s is closed, and %(product)s is not in %(location)s to take from: %(missing)s missing.",
                        order=self.display_name,
                        product=product.display_name,
                        location=location.display_name,
                        missing=number_text(-there),
                    ),
                )

    def _take_back_scrap(self, quantity):
        """Take scrap of the machines' rejects back into stock, the latest first.

        :param float quantity: in this order's unit
        """
        for scrap in self._machine_scraps().sorted("id", reverse=True):
            move = scrap.move_ids[:1]
            part = min(self.product_uom_id._compute_quantity(quantity, move.product_uom, round=False), move.quantity)
            move.quantity = move.product_uom.round(move.quantity - part)
            quantity -= move.product_uom._compute_quantity(part, self.product_uom_id, round=False)
            if self.product_uom_id.compare(quantity, 0.0) <= 0:
                break

    # An order of its own

    def _make_late_order(self, quantity, start, finish):
        """Return a confirmed order for pieces that came after this one was closed, named after it and linked to it.

        :param float quantity: in this order's unit
        :param start: when the first of them was made, naive UTC
        :param finish: when the last of them was made, naive UTC
        """
        self.ensure_one()
        self._check_late(start)
        # sudo: a name is taken whoever may see the order that has it
        number = self.sudo().search_count([("machine_late_of_id", "=", self.id)]) + 1
        values = {
            # L for late: beside the -001 of a backorder nobody takes it for one.
            "name": f"{self.name}-L{number}",
            "product_id": self.product_id.id,
            "product_qty": quantity,
            "product_uom_id": self.product_uom_id.id,
            "bom_id": self.bom_id.id,
            "picking_type_id": self.picking_type_id.id,
            "location_src_id": self.location_src_id.id,
            "location_dest_id": self.location_dest_id.id,
            "company_id": self.company_id.id,
            "origin": self.name,
            "user_id": self.user_id.id,
            "machine_late_of_id": self.id,
            "date_start": start.replace(microsecond=0),
            "date_finished": max(finish, start + timedelta(seconds=1)).replace(microsecond=0),
        }
        late = self.create(values)
        if not self.bom_id and self.product_qty:
            for move in self.move_raw_ids.filtered(lambda move: move.product_uom_qty):
                share = move.product_uom.round(move.product_uom_qty * quantity / self.product_qty)
                late.move_raw_ids = [
                    fields.Command.create(
                        late._get_move_raw_values(move.product_id, share, move.product_uom, move.operation_id.id)
                    )
                ]
        late.action_confirm()
        return late

    def _close_late_order(self, start, finish):
        """Count all of this order as made within a time, and close it at the end of that.

        :raise Waiting: Odoo asks a question that only a person can answer, or what it needs is not in stock
        """
        self.ensure_one()
        self.workorder_ids._start_at(start)
        for step in self.workorder_ids:
            step.qty_produced = self.product_qty
        if not self.workorder_ids:
            self._start_at(start)
        if self.product_uom_id.compare(self.qty_producing, self.product_qty) != 0:
            self.qty_producing = self.product_qty
            self._set_qty_producing(False)
        self.workorder_ids._finish_at(finish)
        self.with_context(skip_consumption=True, skip_backorder=True, skip_redirection=True).button_mark_done()
        if self.state != "done":
            raise Waiting(
                "order_closed",
                self.env._("An order for the late pieces could not be closed: Odoo asks a question about it."),
            )
        self._dates_at(start, finish)
        self._refuse_negative({(line.product_id, line.location_id) for line in self.move_raw_ids.move_line_ids})


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        """Put the quantity of work orders that are done right where a machine's late pieces are booked.

        MRP refuses that, and where the order is closed as well it would write its quantity in production.
        """
        if self.env.context.get(LATE) and vals.keys() == {"qty_produced"}:
            done = self.filtered(lambda step: step.state == "done")
            models.BaseModel.write(done, vals)
            others = self - done
            return super(MrpWorkorder, others).write(vals) if others else True
        return super().write(vals)

    def _limiting_quantity(self, counted, rejects):
        """Return how many pieces went through the steps of a closed order that count.

        Steps that nobody reported on were given the order's quantity when it was closed, and limit nothing. What an
        earlier step rejected never reached the others.

        :param self: the steps that are not cancelled
        :param counted: those of them that machines counted on
        :param dict rejects: ``{work order: rejects of the steps before it}``
        """
        through = {step: step.qty_produced + rejects.get(step, 0.0) for step in self}
        least = min((through[step] for step in counted), default=0.0)
        return min(
            [least, *(through[step] for step in self - counted if 0 < step.qty_produced and through[step] < least)]
        )


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _change_done(self, quantity, moment):
        """Change what was moved by a quantity, first of all where it was moved at that time.

        :param self: done moves of one product
        :param float quantity: in their unit, negative to take away
        :param moment: naive UTC
        :return: ``{(product, location)}`` of which something was taken by that
        """
        unit, lessened = self[:1].product_uom, set()
        if not self or unit.is_zero(quantity):
            return lessened
        covering = self._covering(moment)
        rest = (self - covering).sorted(lambda move: abs((move.date - moment).total_seconds()))
        for move in covering | rest:
            part = max(quantity, -move.quantity)
            if unit.is_zero(part):
                continue
            place = move.location_id if part > 0 else move.location_dest_id
            places = move.move_line_ids.mapped("location_id" if part > 0 else "location_dest_id") or place
            move.quantity = unit.round(move.quantity + part)
            lessened |= {(move.product_id, where) for where in places}
            move._follow_change(part)
            quantity -= part
            if unit.is_zero(quantity):
                break
        return lessened

    def _covering(self, moment):
        """Return that of these done moves that covers a time: what is moved covers all that was made since the one before.

        :param moment: naive UTC
        """
        in_order = self.sorted(lambda move: (move.date, move.id))
        return next((move for move in in_order if move.date >= moment), in_order[-1:])

    def _follow_change(self, part):
        """Let the transfer that takes these goods on take as many more or fewer."""
        following = self.move_dest_ids.filtered(lambda move: move.state != "cancel") or self._taken_on()
        waiting = following.filtered(lambda move: move.state not in CLOSED)[:1]
        if waiting:
            wanted = waiting.product_uom.round(waiting.product_uom_qty + part)
            if waiting.product_uom.compare(wanted, 0.0) > 0:
                waiting.product_uom_qty = wanted
                waiting._action_assign()
        elif following and part > 0:
            more = following[:1].copy(
                {
                    "product_uom_qty": part,
                    "quantity": 0,
                    "picking_id": False,
                    "move_orig_ids": [fields.Command.link(self.id)],
                    "state": "draft",
                }
            )
            more._action_confirm()
            more._action_assign()

    def _taken_on(self):
        """Return what takes goods of this order on that lost its link to them: Odoo cuts it where some were scrapped."""
        return self.production_id.picking_ids.move_ids.filtered(
            lambda move: (
                move.product_id == self.product_id
                and move.location_id == self.location_dest_id
                and move.state != "cancel"
            )
        )


def change_words(env, before, after, unit):
    """Return a change of quantity in words: from, to, and by how much."""
    return env._(
        "%(before)s → %(after)s %(unit)s (%(change)s)",
        before=number_text(before),
        after=number_text(after),
        unit=unit.name,
        change=signed_text(after - before),
    )
