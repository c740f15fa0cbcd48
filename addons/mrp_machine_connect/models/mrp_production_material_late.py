"""What an order used of its components becomes known, or is decided, after it was posted."""

from odoo import models
from odoo.exceptions import UserError


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _components_are_known(self):
        """Let what waited try again because it was not known of which lots components of these orders were."""
        details = [f"production:{production.id}" for production in self]
        # sudo: whoever says what was used, or was on a machine, need not be allowed to touch effects
        rows = self.env["mrp.machine.event.posting"].sudo()
        rows.search(
            [
                ("state", "=", "waiting"),
                ("reason", "in", ("component_lot", "not_closed", "consumption")),
                ("detail", "in", details),
            ]
        )._requeue()

    def _late_untold(self):
        """Leave out components of which machines know the lots."""
        known = self._known_components()
        return super()._late_untold().filtered(lambda product: product.tracking != "lot" or product not in known)

    def _known_components(self):
        """Return the components of which machines said how much was used, or of which lots."""
        # sudo: whoever works on an order may know what was used for it
        loads = self.env["mrp.machine.material"].sudo()
        loads = loads.search(
            [
                ("machine_id", "in", self._machine_rows().machine_id.ids),
                ("product_id", "in", self.move_raw_ids.product_id.ids),
            ]
        )
        return (self._told().product_id | loads.product_id).with_env(self.env)

    def _correct_done_moves(self, shares):
        """Put right what machines know of the components as well, once the late pieces are written down."""
        result = super()._correct_done_moves(shares)
        machine = self._machine_rows().machine_id[:1]
        for product in self._known_components() if machine else ():
            machine._decide_consumption(self, product, shares[0][0], "late")
        return result

    def _correct_consumption(self, product):
        """Put right what a closed order used of a component, by what is believed of it now.

        :raise UserError: it cannot be without a person
        """
        told, weighed = self._told(), self._weighed_machines()
        for moves in self._components():
            theirs = self._told_of(moves, told)
            machine = (theirs.sorted("last_told")[-1:].machine_id or weighed)[:1]
            if moves.product_id == product and machine:
                booked = moves._believed(machine, theirs)
                if booked is not None:
                    moves._correct_to(booked, theirs.sorted("last_told")[-1:].last_told)

    def _correct_lots(self, product):
        """Put right of which lots was what is posted of a component, by what is known of them now.

        :raise UserError: it cannot be without a person
        """
        machines, told = self._machine_rows().machine_id, self._told()
        for moves in self._components() if machines and product.tracking != "none" else ():
            done = moves.filtered(lambda move: move.state == "done" and not move.is_consumed_by_hand)
            if moves.product_id != product or not done:
                continue
            total = sum(done.mapped("quantity"))
            made = moves._pieces_that_took(total, moves._pieces_used_for(self.qty_produced))
            shares, words = moves._component_lots(total, made, machines, self._told_of(moves, told))
            if shares and not words:
                done._correct_lots_to(shares)


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    # Of one component: self is its moves of one order

    def _correct_to(self, booked, moment):
        """Change what was posted of this component of a closed order to so much in all.

        :param moment: when the machine used the last of it, naive UTC, where that is known
        """
        order, unit = self.raw_material_production_id, self[:1].product_uom
        done = self.filtered(lambda move: move.state == "done").sorted(lambda move: (move.date, move.id))
        booked += sum(move.quantity - move.machine_quantity for move in done if move.is_consumed_by_hand)
        change = unit.round(booked - sum(done.mapped("quantity")), rounding_method="HALF-UP")
        if unit.is_zero(change):
            return
        if not done:
            raise UserError(
                self.env._(
                    "%(order)s is closed and used no %(product)s.",
                    order=order.display_name,
                    product=self.product_id.display_name,
                )
            )
        if words := order._late_refusal(done[-1:].date):
            raise UserError(words)
        # Of which lots it was is put right afterwards.
        lessened = done._change_done(change, moment or done[-1:].date)
        order._refuse_negative(lessened)

    def _change_done(self, quantity, moment):
        """Change what was used of a component with lots on its lines, where Odoo would take any lot, or none."""
        if not self.raw_material_production_id or self.product_id.tracking == "none":
            return super()._change_done(quantity, moment)
        unit, lessened, covering = self[:1].product_uom, set(), self._covering(moment)
        for line in covering.move_line_ids.sorted("id", reverse=True) | (self - covering).move_line_ids:
            if unit.is_zero(quantity):
                break
            part = max(unit._compute_quantity(quantity, line.product_uom_id, round=False), -line.quantity)
            line.quantity = line.product_uom_id.round(line.quantity + part, rounding_method="HALF-UP")
            quantity = unit.round(quantity - line.product_uom_id._compute_quantity(part, unit, round=False))
            lessened.add((line.product_id, line.location_id if part > 0 else line.location_dest_id))
        return lessened

    def _correct_lots_to(self, shares):
        """Let what was posted be of these lots, where it was of others; what was made of it follows.

        :param dict shares: ``{lot: how much}``, in this component's unit, whose sum is what was posted
        """
        order, unit, product_unit = self.raw_material_production_id, self[:1].product_uom, self.product_id.uom_id
        lines = self.move_line_ids.filtered("quantity")
        left = {
            lot: product_unit.round(unit._compute_quantity(share, product_unit, round=False), rounding_method="HALF-UP")
            for lot, share in shares.items()
        }
        for line in lines:
            left[line.lot_id] = left.get(line.lot_id, 0.0) - line.quantity_product_uom
        lacking = {lot: quantity for lot, quantity in left.items() if product_unit.compare(quantity, 0.0) > 0}
        for line in lines.sorted("id", reverse=True):
            for lot in list(lacking):
                part = min(lacking[lot], -left.get(line.lot_id, 0.0), line.quantity_product_uom)
                if product_unit.compare(part, 0.0) <= 0:
                    continue
                if words := order._late_refusal(line.move_id.date):
                    raise UserError(words)
                line._give_to_lot(lot, part)
                left[line.lot_id] += part
                lacking[lot] = product_unit.round(lacking[lot] - part)
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        for lot in shares:
            there = quants.search([("lot_id", "=", lot.id), ("location_id", "child_of", self.location_id.ids)])
            if product_unit.compare(sum(there.mapped("quantity")), 0.0) < 0:
                raise UserError(
                    self.env._(
                        "Of lot %(lot)s of %(product)s less was in stock than %(order)s used.",
                        lot=lot.name,
                        product=self.product_id.display_name,
                        order=order.display_name,
                    )
                )


class StockMoveLine(models.Model):
    _inherit = "stock.move.line"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _give_to_lot(self, lot, part):
        """Let a part of what was used be of another lot.

        :param float part: in the product's unit
        """
        self.ensure_one()
        moment, made = self.date, self.produce_line_ids
        of_lot = self.move_id.move_line_ids.filtered(lambda line: line.lot_id == lot)[:1]
        rest = self.product_id.uom_id._compute_quantity(
            self.quantity_product_uom - part, self.product_uom_id, round=False
        )
        self.quantity = self.product_uom_id.round(rest, rounding_method="HALF-UP")
        if of_lot:
            more = self.product_id.uom_id._compute_quantity(part, of_lot.product_uom_id, round=False)
            of_lot.quantity = of_lot.product_uom_id.round(of_lot.quantity + more, rounding_method="HALF-UP")
        else:
            of_lot = self.create(
                {
                    "move_id": self.move_id.id,
                    "product_id": self.product_id.id,
                    "product_uom_id": self.product_id.uom_id.id,
                    "quantity": part,
                    "lot_id": lot.id,
                    "location_id": self.location_id.id,
                    "location_dest_id": self.location_dest_id.id,
                    "production_id": self.production_id.id,
                    "picked": True,
                }
            )
            of_lot.date = moment
            # MRP links a new line of what is done to all that the order made.
            of_lot.produce_line_ids = False
        of_lot.produce_line_ids |= made
        if self.product_uom_id.is_zero(self.quantity):
            self.produce_line_ids = False
