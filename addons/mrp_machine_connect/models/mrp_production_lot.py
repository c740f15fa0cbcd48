"""Lots and serial numbers of an order that machines feed: which of its pieces are of which, and how they enter stock."""

from odoo import fields, models
from odoo.exceptions import UserError

from ..postings.outcome import Outcome, Waiting
from ..quantities import number_text
from . import mrp_production, mrp_production_beat, mrp_production_late  # noqa: F401 - extended here, so they must be there
from .mrp_workorder import CLOSED

#: In a context: only lots that ended enter stock.
ENDED_LOTS = "machine_ended_lots"
#: In a context: ids of the mrp.machine.lot whose pieces are counted.
COUNTED_LOT = "machine_counted_lot"
#: In a context: the lot on the order is written by ourselves, and is no person's word.
OWN_LOT = "machine_own_lot"
#: In a context: the quantity of the order is what was counted, however many serial numbers there are.
KEEP_COUNTED = "machine_keep_counted"


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_lot_ids = fields.One2many(
        "mrp.machine.lot", "production_id", string="Lots by Machines", readonly=True, groups="mrp.group_mrp_user"
    )
    machine_lot_count = fields.Integer(
        compute="_compute_machine_lot_count",
        groups="mrp.group_mrp_user",
        help="Lots, or pieces with a serial number, that machines made on this order.",
    )

    def _compute_machine_lot_count(self):
        for production in self:
            production.machine_lot_count = len(production._machine_lots().lot_id)

    def action_machine_lots(self):
        """Open which lots machines made on this order, from when to when."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_lot_action")
        action["domain"] = [("production_id", "=", self.id)]
        return action

    # What was made on which lot

    def _machine_lots(self):
        """Return the rows of lots on which machines made pieces of these orders, the first first."""
        # sudo: whoever works on an order may know what was counted on it
        rows = self.env["mrp.machine.lot"].sudo()
        if self.product_id.filtered(lambda product: product.tracking != "none"):
            # From the order, where they stay at hand: the question is asked many times while pieces are counted.
            rows = self.sudo().machine_lot_ids.filtered(lambda row: row.lot_id and row.quantity)
        return rows.sorted(lambda row: (row.date_start, row.id))

    def _lots_in_stock(self):
        """Return ``{lot: quantity of this order that entered stock}``, in the order's unit."""
        self.ensure_one()
        found, unit = {}, self.product_uom_id
        done = self.move_finished_ids.filtered(lambda move: move.state == "done" and move.product_id == self.product_id)
        for line in done.move_line_ids:
            quantity = line.product_uom_id._compute_quantity(line.quantity, unit, round=False)
            found[line.lot_id] = found.get(line.lot_id, 0.0) + quantity
        return found

    def _rejects_by_lot(self):
        """Return ``{lot: rejects that are part of the order's quantity}``, rounded, in the order's unit."""
        self.ensure_one()
        found, unit = {}, self.product_uom_id
        for row in self._machine_lots():
            found[row.lot_id] = found.get(row.lot_id, 0.0) + row.rejected
        return {
            lot.with_env(self.env): unit.round(quantity, rounding_method="HALF-UP") for lot, quantity in found.items()
        }

    def _lot_shares(self):
        """Return what was made and is not in stock yet, by lot: ``[(lot, quantity)]``, the lot that began first first.

        What people changed by hand is of the last lot.
        """
        self.ensure_one()
        unit, in_stock, counted = self.product_uom_id, self._lots_in_stock(), {}
        left = unit.round(self.qty_producing - self.qty_produced, rounding_method="HALF-UP")
        for row in self._machine_lots():
            lot = row.lot_id.with_env(self.env)
            counted[lot] = counted.get(lot, 0.0) + row.quantity
        shares, last = [], list(counted)[-1:]
        for lot, quantity in counted.items():
            due = unit.round(quantity, rounding_method="HALF-UP") - in_stock.get(lot, 0.0)
            due = left if [lot] == last and self.product_id.tracking == "lot" else min(due, left)
            due = unit.round(due, rounding_method="HALF-UP")
            if unit.compare(due, 0.0) > 0:
                shares.append((lot, due))
                left -= due
        return shares

    def _ended_shares(self):
        """Return those of the shares whose lots ended, as far as they do not reach the quantity of the order.

        What does would close it, with its work orders still open, so it waits for that.
        """
        shares, made, unit = [], self.qty_produced, self.product_uom_id
        if self.state in CLOSED or self.product_id.tracking != "lot":
            return shares
        # sudo: see _machine_lots
        running = self.sudo().machine_lot_ids.filtered(lambda row: not row.date_end).lot_id
        for lot, quantity in self._lot_shares():
            made += quantity
            if lot not in running and unit.compare(made, self.product_qty) < 0:
                shares.append((lot, quantity))
        return shares

    def _decide_lots(self, machine):
        """Decide that what ended lots made enters stock as theirs."""
        for production in self:
            if production._ended_shares() and not machine._has_open_beat(production):
                ended = production._machine_lots().filtered("date_end")
                machine._decide_stock(production, max(ended.mapped("date_end")), "lot")

    def _lot_step(self):
        """Return the work order whose pieces are the finished ones: the last that a machine feeds, or none."""
        steps = self._steps()
        return (steps._machine_fed() or steps)[-1:]

    # Names

    def _finished_lot(self, name, moment):
        """Return the lot of the product with a name, made when it is new.

        :raise Waiting: it is blocked, or was expired at that moment
        """
        lot = self._known_lots([name])[:1]
        if lot and (refusal := lot._machine_refusal(moment)):
            raise Waiting(*refusal, detail=f"stock.lot:{lot.id}")
        return lot or self._make_lots([name])

    def _known_lots(self, names):
        """Return the lots of the product with these names."""
        return self.env["stock.lot"].search(
            [
                ("product_id", "=", self.product_id.id),
                ("name", "in", list(names)),
                ("company_id", "in", (False, self.company_id.id)),
            ]
        )

    def _make_lots(self, names):
        return self.env["stock.lot"].create([{"name": name, "product_id": self.product_id.id} for name in names])

    def _next_lot(self):
        """Return a new lot, or serial number, of the product's own sequence."""
        return self.env["stock.lot"].create(self._prepare_stock_lot_values())

    def _serial_refusals(self, names):
        """Return ``{serial number: why it cannot be of a new piece}``, of those that were made already."""
        lots, found = self._known_lots(names), {}
        if not lots:
            return found
        # sudo: see _machine_lots
        rows = self.env["mrp.machine.lot"].sudo()
        for row in rows.search([("lot_id", "in", lots.ids), ("quantity", "!=", 0.0)]):
            words = {
                "serial": row.lot_id.name,
                "product": self.product_id.display_name,
                "order": row.production_id.display_name,
            }
            found[row.lot_id.name] = (
                self.env._("%(serial)s of %(product)s was made on %(order)s already, and failed.", **words)
                if row.rejected
                else self.env._("%(serial)s of %(product)s was made on %(order)s already.", **words)
            )
        for lot in lots:
            if lot.name not in found and self._are_finished_serials_already_produced(lot):
                found[lot.name] = self.env._(
                    "%(serial)s of %(product)s was made already.",
                    serial=lot.name,
                    product=self.product_id.display_name,
                )
        return found

    def _expect_serial(self, machine, name, moment, source, event):
        """Keep the serial number of a piece that is counted sooner or later, and return its row.

        :raise Waiting: it was made already, or is blocked
        """
        if words := self._serial_refusals([name]).get(name):
            raise Waiting("serial_twice", words)
        lot = self._finished_lot(name, moment)
        # sudo: nobody writes these rows by hand; the word does
        rows = self.env["mrp.machine.lot"].sudo()
        row = rows.search([("production_id", "=", self.id), ("lot_id", "=", lot.id)], limit=1)
        if not row:
            row = rows.create(
                {
                    "machine_id": machine.id,
                    "production_id": self.id,
                    "lot_id": lot.id,
                    "told": name,
                    "date_start": moment,
                    "date_end": moment,
                    "source": source,
                    "event_id": event.id if event else False,
                }
            )
        self._lot_is_known()
        return row

    def _lot_is_known(self):
        """Let pieces of these orders that waited for a lot, or for serial numbers, try again."""
        details = [f"lot:{production.id}" for production in self]
        # sudo: whoever enters a lot need not be allowed to touch effects, which are the poster's matter
        rows = self.env["mrp.machine.event.posting"].sudo()
        rows.search([("state", "=", "waiting"), ("detail", "in", details)])._requeue()

    def write(self, vals):
        """Take the lot that a person enters on an order for that of the pieces to come."""
        if self.env.context.get(KEEP_COUNTED) and vals.keys() == {"qty_producing"}:
            return True
        result = super().write(vals)
        if "lot_producing_ids" in vals and not self.env.context.get(OWN_LOT):
            self._lot_is_known()
            for production in self.filtered(
                lambda order: order.state not in CLOSED and order.product_id.tracking == "lot"
            ):
                production._take_lot_by_hand()
        return result

    def _take_lot_by_hand(self):
        # sudo: whoever may write the order says of which lot it is
        rows = self.env["mrp.machine.lot"].sudo()
        rows = rows.search([("production_id", "=", self.id), ("date_end", "=", False)])
        lot = self.lot_producing_ids[:1]
        for row in rows.filtered(lambda row: lot and row.lot_id != lot):
            try:
                row.machine_id._take_lot(self, lot.name, fields.Datetime.now(), "person")
            except Outcome as outcome:
                raise UserError(outcome.message) from outcome

    def _set_qty_producing(self, pick_manual_consumption_moves=True):
        """Leave the quantity of an order of several steps as it was counted.

        MRP makes it the number of serial numbers, and the last step may be known to be ahead of the ones before it.
        """
        if len(self) == 1 and self.product_id.tracking == "serial" and len(self._steps()) > 1 and self._machine_lots():
            self = self.with_context(**{KEEP_COUNTED: True})
        return super()._set_qty_producing(pick_manual_consumption_moves)

    # Into stock

    def _stock_due(self):
        if self.env.context.get(ENDED_LOTS):
            return sum(quantity for _lot, quantity in self._ended_shares())
        return super()._stock_due()

    def _enter_stock(self):
        """Post what was made lot by lot, so that each has the components that were used for it."""
        ended = self.env.context.get(ENDED_LOTS)
        shares = self._ended_shares() if ended else self._lot_shares()
        if self.product_id.tracking != "lot" or not (ended or len(shares) > 1):
            return super()._enter_stock()
        total, moves, unit = self.qty_producing, self.env["stock.move"], self.product_uom_id
        # Components that wait for a person were laid out and picked for all of it: each lot takes its own.
        for move in self.move_raw_ids.filtered(
            lambda move: move.state not in CLOSED and move.manual_consumption and move.picked and not move._is_told()
        ):
            if move.product_uom.compare(move.quantity, move._due_for(total)) == 0:
                move.picked = False
        for _lot, quantity in shares:
            self.qty_producing = unit.round(self.qty_produced + quantity, rounding_method="HALF-UP")
            self._lay_out()
            moves |= super()._enter_stock()
        self.qty_producing = total
        self._set_qty_producing(False)
        return moves

    def _post_inventory(self, cancel_backorder=False):
        for production in self:
            production._lay_out_lots()
        result = super()._post_inventory(cancel_backorder)
        for production in self.filtered(lambda production: production.product_id.tracking != "none"):
            # MRP links what is still to be made to what was used by now.
            rest = production.move_finished_ids.filtered(lambda move: move.state not in CLOSED).move_line_ids
            if rest.consume_line_ids:
                rest.consume_line_ids = False
        return result

    def _lay_out_lots(self):
        """Divide what is about to enter stock among the lots that machines made.

        MRP would book it on the lot that stands on the order, or stood there when the last part was posted.
        """
        self.ensure_one()
        if self.product_id.tracking == "none":
            return
        move = self.move_finished_ids.filtered(
            lambda move: move.product_id == self.product_id and move.state not in CLOSED
        )[:1]
        shares = self._lot_shares()
        if not move or not shares:
            return
        # A line that is there is made right: to take it away and make another costs as much as to post it.
        kept = move.move_line_ids.filtered(
            lambda line: line.product_uom_id == move.product_uom and not line.result_package_id
        )[: len(shares)]
        (move.move_line_ids - kept).unlink()
        for line, (lot, quantity) in zip(kept, shares, strict=False):
            if (line.lot_id, line.quantity) != (lot, quantity):
                line.write({"lot_id": lot.id, "quantity": quantity})
        lines = kept | self.env["stock.move.line"].create(
            [
                {**move._prepare_move_line_vals(), "lot_id": lot.id, "quantity": quantity}
                for lot, quantity in shares[len(kept) :]
            ]
        )
        lines._apply_putaway_strategy()
        if self.product_id.tracking == "lot":
            self._show_lot(shares[-1][0])

    def _split_productions(self, amounts=False, cancel_remaining_qty=False, set_consumed_qty=False):
        """Let no lot stick to what a backorder is still to make."""
        productions = super()._split_productions(amounts, cancel_remaining_qty, set_consumed_qty)
        for production in productions - self if self._machine_lots() else ():
            open_moves = production.move_finished_ids.filtered(
                lambda move, product=production.product_id: move.product_id == product and move.state not in CLOSED
            )
            open_moves.move_line_ids.lot_id = False
        return productions

    def _show_lot(self, lot):
        """Let the order name the lot that is made, or add the serial numbers of new pieces."""
        if self.product_id.tracking == "serial":
            lot |= self.lot_producing_ids
        if self.lot_producing_ids != lot:
            self.with_context(**{OWN_LOT: True}).lot_producing_ids = lot

    def _are_finished_serials_already_produced(self, lots, excluded_sml=None):
        """Leave out the pieces of this order that are in stock by now: they are made once."""
        if len(self) == 1:
            lots -= self.env["stock.lot"].concat(*self._lots_in_stock())
        return super()._are_finished_serials_already_produced(lots, excluded_sml)

    def pre_button_mark_done(self):
        """Close with the lots that were told, where MRP would invent one."""
        for production in self.filtered(lambda order: order.product_id.tracking == "lot" and order.state not in CLOSED):
            lots = production._machine_lots().lot_id
            if lots and not production.lot_producing_ids:
                production._show_lot(lots[-1:].with_env(production.env))
            elif not production.lot_producing_ids and production._is_lot_to_be_told():
                raise UserError(
                    self.env._(
                        "%(product)s is tracked by lot, and nobody said which lot %(order)s made. Tell it at the machine, "
                        "scan it, or enter it on the order: Odoo would invent one.",
                        product=production.product_id.display_name,
                        order=production.display_name,
                    )
                )
        return super().pre_button_mark_done()

    # Late

    def _late_untold(self):
        products = super()._late_untold()
        # Of the pieces themselves it is known where machines said which lots they are.
        return products - self.product_id if self.env.context.get(COUNTED_LOT) or self._machine_lots() else products

    def _are_lots_told(self):
        """Return whether late pieces of this order are of lots that machines said."""
        return self.product_id.tracking != "none" and self.product_id not in self._late_untold()

    def _late_lots(self, change):
        """Return of which lots pieces are that came to be known late, or are no more: ``[(lot, quantity)]``.

        :param float change: in the order's unit, negative to take away
        :raise Waiting: nobody said which
        """
        self.ensure_one()
        unit, in_stock, counted = self.product_uom_id, self._lots_in_stock(), {}
        # sudo: the rows are the poster's own
        told = self.env["mrp.machine.lot"].sudo().browse(self.env.context.get(COUNTED_LOT, ())).lot_id
        is_serial = self.product_id.tracking == "serial"
        if told and not is_serial:
            return [(lot.with_env(self.env), change / len(told)) for lot in told]
        for row in self._machine_lots():
            lot = row.lot_id.with_env(self.env)
            counted[lot] = counted.get(lot, 0.0) + row.quantity
        for lot in told.with_env(self.env):
            # Being counted just now, a piece each: where another step lets fewer pass, some of them are not in stock yet.
            counted[lot] = counted.get(lot, 0.0) + (1.0 if change > 0 else -1.0)
        shares, left = [], change
        for lot, quantity in counted.items():
            open_ = unit.round(quantity - in_stock.get(lot, 0.0), rounding_method="HALF-UP")
            part = max(min(open_, left), 0.0) if change > 0 else min(max(open_, left), 0.0)
            if not unit.is_zero(part):
                shares.append((lot, part))
                left = unit.round(left - part)
        if not unit.is_zero(left):
            if is_serial:
                raise Waiting(
                    "late_tracked",
                    self.env._(
                        "%(order)s is closed, and which serial numbers %(pieces)s late pieces of it have, nobody said.",
                        order=self.display_name,
                        pieces=number_text(left),
                    ),
                )
            shares.append((list(counted)[-1], left))
        return shares

    def _taken_on_with(self, lot):
        """Return the open moves that take goods of this order on and have some of a lot reserved."""
        done = self.move_finished_ids.filtered(lambda move: move.state == "done" and move.product_id == self.product_id)
        following = (done.move_dest_ids | done._taken_on()).filtered(lambda move: move.state not in CLOSED)
        return following.filtered(lambda move: lot in move.move_line_ids.lot_id)

    def _change_lot(self, lot, into, quantity):
        """Let pieces of this order that are in stock by now be of another lot, those that were made last first.

        What was scrapped of them is of the other lot as well.

        :param float quantity: in the order's unit
        :raise Waiting: they are not there any more
        """
        self.ensure_one()
        unit, places = self.product_uom_id, set()
        done = self.move_finished_ids.filtered(lambda move: move.state == "done" and move.product_id == self.product_id)
        for line in done.move_line_ids.filtered(lambda line: line.lot_id == lot).sorted("id", reverse=True):
            has = line.product_uom_id._compute_quantity(line.quantity, unit, round=False)
            part = min(has, quantity)
            line._change_lot(into, unit._compute_quantity(part, line.product_uom_id, round=False))
            places.add((self.product_id, line.location_dest_id, lot))
            quantity = unit.round(quantity - part)
            if unit.is_zero(quantity):
                break
        rejected = self._rejects_by_lot().get(lot, 0.0)
        scraps = self._machine_scraps().filtered(lambda scrap: scrap.lot_id == lot).sorted("id", reverse=True)
        for scrap in scraps:
            scrapped = sum(
                each.product_uom_id._compute_quantity(each.scrap_qty, unit, round=False)
                for each in scraps.filtered(lambda scrap: scrap.lot_id == lot)
            )
            has = scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            part = min(has, unit.round(scrapped - rejected))
            if unit.compare(part, 0.0) <= 0:
                break
            scrap._change_lot(into, unit._compute_quantity(part, scrap.product_uom_id, round=False))
        # A transfer that takes them on has the earlier lot reserved.
        following = self._taken_on_with(lot)
        if following:
            following._do_unreserve()
            following._action_assign()
        self._refuse_negative_lots(places)

    def _refuse_negative_lots(self, places):
        """Refuse what took more of a lot out of a place than there is of it.

        :param set places: ``{(product, location, lot)}``
        """
        self.env.flush_all()
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        for product, location, lot in places:
            [(there,)] = quants._read_group(
                [("product_id", "=", product.id), ("location_id", "=", location.id), ("lot_id", "=", lot.id)],
                [],
                ["quantity:sum"],
            )
            if product.uom_id.compare(there or 0.0, 0.0) < 0:
                raise Waiting(
                    "lot_in_stock",
                    self.env._(
                        "%(order)s: %(missing)s of lot %(lot)s are another lot, and they are not in %(location)s any more.",
                        order=self.display_name,
                        missing=number_text(-there),
                        lot=lot.name,
                        location=location.display_name,
                    ),
                )

    def _is_lot_to_be_told(self):
        """Return whether the lots of this order come from a machine or a scan."""
        # sudo: see _machine_lots
        loadings = self.env["mrp.machine.loading"].sudo().search([("production_id", "=", self.id)])
        machines = loadings.machine_id | self._machine_rows().machine_id
        return any(machine.lot_source != "sequence" for machine in machines)


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _change_done(self, quantity, moment):
        """Change what was moved of the lots that late pieces are of."""
        order, unit, lessened = self.production_id, self[:1].product_uom, set()
        if (
            unit.is_zero(quantity)
            or len(order) != 1
            or self.product_id != order.product_id
            or not order._are_lots_told()
        ):
            return super()._change_done(quantity, moment)
        covering = self._covering(moment)
        for lot, part in order._late_lots(quantity):
            for line in self.move_line_ids.filtered(lambda line, lot=lot: line.lot_id == lot) if part < 0 else ():
                taken = min(line.quantity, -part)
                line.quantity -= taken
                line.move_id._follow_change(-taken)
                lessened.add((line.product_id, line.location_dest_id))
                part += taken
            if unit.is_zero(part):
                continue
            move = covering
            line = move.move_line_ids.filtered(lambda line, lot=lot: line.lot_id == lot)[:1]
            if line:
                line.quantity += part
            else:
                line = move.move_line_ids[:1]._beside(lot, part)
            lessened.add((line.product_id, line.location_id))
            move._follow_change(part)
        return lessened

    def _split_done(self, lot, quantity, values):
        """Make a part of what this move moved a done move of its own, of another lot, and return that.

        :param float quantity: in the move's unit
        :param dict values: of the new move, where they differ
        """
        self.ensure_one()
        new = self.copy({**values, "product_uom_qty": quantity, "state": "done", "move_line_ids": []})
        line = self.move_line_ids[:1]
        line.quantity -= quantity
        line._beside(lot, quantity).move_id = new
        return new


class StockMoveLine(models.Model):
    _inherit = "stock.move.line"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _beside(self, lot, quantity):
        """Return a new line of the same move, at the same time and place, of another lot."""
        self.ensure_one()
        date = self.date
        line = self.create(
            {
                "move_id": self.move_id.id,
                "product_id": self.product_id.id,
                "product_uom_id": self.product_uom_id.id,
                "location_id": self.location_id.id,
                "location_dest_id": self.location_dest_id.id,
                "company_id": self.company_id.id,
                "lot_id": lot.id,
                "quantity": quantity,
                "picked": True,
            }
        )
        line.date = date
        # MRP links a new line of what is done to all that the order made, be it what was scrapped.
        line.consume_line_ids, line.produce_line_ids = self.consume_line_ids, self.produce_line_ids
        return line

    def _change_lot(self, into, quantity):
        """Let so much of what this line moved be of another lot."""
        self.ensure_one()
        if self.product_uom_id.compare(quantity, self.quantity) >= 0:
            self.lot_id = into
            return
        same = self.move_id.move_line_ids.filtered(lambda line: line.lot_id == into)[:1]
        self.quantity -= quantity
        if same:
            same.quantity += quantity
        else:
            self._beside(into, quantity)


class StockScrap(models.Model):
    _inherit = "stock.scrap"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _change_lot(self, into, quantity):
        """Let so much of what was scrapped be of another lot: a part of it becomes a scrap of its own."""
        self.ensure_one()
        move = self.move_ids[:1]
        if self.product_uom_id.compare(quantity, self.scrap_qty) < 0:
            other = self.copy(
                {
                    "scrap_qty": quantity,
                    "state": "done",
                    "lot_id": into.id,
                    "date_done": self.date_done,
                    "is_reject_component": self.is_reject_component,
                }
            )
            moved = self.product_uom_id._compute_quantity(quantity, move.product_uom, round=False)
            new = move._split_done(into, moved, {"scrap_id": other.id})
            new._date_at(move.date)
            # What is left on this scrap follows its move.
            new.sudo().machine_posting_id = move.sudo().machine_posting_id  # sudo: as it was linked
            return
        move.move_line_ids.lot_id = into
        self.lot_id = into
