"""How are the rejects of an order booked, and why were they rejected?

Four ways, of which an order has one from its first reject on:

- *gross*: they are quantity of the order, and leave stock as scrap of the product;
- *net*: they are no quantity, and the order takes more of its components;
- *component*: they are no quantity, and the components that they took are scrapped;
- *noted*: they are counted and shown.
"""

from odoo import api, fields, models

from ..quantities import number_text
from .mrp_machine_counting import REJECT_BOOKINGS
from .mrp_production_beat import KEEP_OPEN
from .mrp_workorder import CLOSED


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_reject_booking = fields.Selection(
        REJECT_BOOKINGS,
        string="Rejects Are",
        readonly=True,
        copy=False,
        help="How machines' rejects of the order are booked: as it was set on the machine that reported the first, and the "
        "same until its end.",
    )

    def _keep_reject_booking(self, way):
        """Let all rejects of this order be booked as its first one is: two ways on one order would book some twice."""
        if not self.machine_reject_booking:
            self.machine_reject_booking = way

    def _rejects_beside(self, since=None, until=None):
        """Return how many rejects are no part of the quantity and took components all the same, in the order's unit.

        :param since: a work order, or none: only those that fell in it or in a later one; the others never came there
        :param until: a work order, or none: only those that fell in it or in an earlier one
        """
        self.ensure_one()
        unit, rows = self.product_uom_id, self._since(since, self._machine_rows())
        if until:
            rows -= self._since(until, rows).filtered(lambda row: row.workorder_id != until)
        return unit.round(rows._beside_in(unit), rounding_method="HALF-UP")

    def _pieces_of(self, quantity, unit):
        """Return how many pieces of this order an amount is that was told, in its unit and not rounded.

        What was weighed is so many pieces as the product weighs.

        :param float quantity: in the unit
        :param unit: the uom.uom in which it was told
        """
        own = self.product_uom_id
        if unit._has_common_reference(own):
            return unit._compute_quantity(quantity, own, round=False)
        return self.product_id._pieces_by_weight(quantity, unit, own) or 0.0

    # Why

    def _reject_rows(self):
        """Return what was said of why pieces of this order were rejected."""
        # sudo: see _machine_rows
        rows = self.env["mrp.machine.reject"].sudo()
        return rows.search([("production_id", "=", self.id), ("kind", "=", "reject"), ("tag_id", "!=", False)])

    def _unexplained(self, scraps):
        """Return those of the machines' scraps that bear no reason, the latest first."""
        return scraps.filtered(lambda scrap: not scrap.scrap_reason_tag_ids).sorted("id", reverse=True)

    def _reasons_open(self):
        """Return ``{reason: rejects that were told and are not scrapped for it}``, in the order's unit."""
        self.ensure_one()
        unit, told = self.product_uom_id, self._reject_rows()._by_reason(self.product_uom_id)
        for scrap in self._machine_scraps() if told else ():
            tag = next((tag for tag in told if tag in scrap.scrap_reason_tag_ids), None)
            if tag:
                told[tag] -= scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
        return {tag: unit.round(open_) for tag, open_ in told.items() if unit.compare(open_, 0.0) > 0}

    def _scrap_by_reason(self):
        """Return ``[(reason, rejects to be scrapped for it)]``, in the order's unit; the reason is empty where none is known."""
        unit, due, found = self.product_uom_id, self._scrap_due(), []
        for tag, told in self._reasons_open().items():
            part = min(told, due)
            if unit.compare(part, 0.0) > 0:
                found.append((tag, part))
                due = unit.round(due - part)
        if unit.compare(due, 0.0) > 0:
            found.append((self.env["stock.scrap.reason.tag"], due))
        return found

    def _explainable(self):
        """Return ``[(reason, rejects that were scrapped without it)]``, in the order's unit: it was told later."""
        unit, found, reasons = self.product_uom_id, [], self._reasons_open()
        if not reasons:
            return found
        due = dict(self._scrap_by_reason())
        scraps = self._unexplained(self._machine_scraps())
        left = sum(scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False) for scrap in scraps)
        for tag, told in reasons.items():
            part = min(unit.round(told - due.get(tag, 0.0)), unit.round(left))
            if unit.compare(part, 0.0) > 0:
                found.append((tag, part))
                left -= part
        return found

    def _has_scrap_due(self):
        """Return whether rejects are to be scrapped, or the reason of those that are is to be put to them."""
        return bool(self._scrap_by_reason() or self._explainable() or self._components_to_scrap())

    # Scrap

    def _scrap_rejects(self):
        """Scrap the rejects that are due, one scrap for each reason; of the product, or of its components.

        :return: the scraps; those are still drafts of which there is not so much any more
        """
        self.ensure_one()
        explainable = self._explainable()
        scraps = self.env["stock.scrap"]
        for tag, quantity in self._scrap_by_reason():
            scraps |= self._scrap(self.product_id, quantity, self.product_uom_id, tag)
        for tag, quantity in explainable:
            self._explain_scrapped(self._machine_scraps(), tag, quantity, self.product_uom_id)
        theirs = self._reject_component_scraps()
        for tag, product, quantity, unit, is_scrapped in self._components_to_scrap():
            if is_scrapped:
                of_product = theirs.filtered(lambda scrap, product=product: scrap.product_id == product)
                self._explain_scrapped(of_product, tag, quantity, unit)
            else:
                scraps |= self._scrap(product, quantity, unit, tag, is_reject_component=True)
        return scraps

    def _scrap(self, product, quantity, unit, tag, lot=None, **values):
        """Scrap so much of a product of this order for a reason, and return the scrap.

        It is still a draft where there is not so much, or where it is tracked and of which lot it is nobody knows.

        :param float quantity: in the unit
        :param lot: what was said to be scrapped; None to take that which the order made, or took, last
        :param values: further fields of stock.scrap
        """
        lot = self._scrap_lot(product) if lot is None else lot
        places = self._scrap_places(product)
        scrap = self.env["stock.scrap"].create(
            {
                "product_id": product.id,
                "product_uom_id": unit.id,
                "scrap_qty": quantity,
                "production_id": self.id,
                "company_id": self.company_id.id,
                "origin": self.name,
                "location_id": self._lies_in(places, product, unit._compute_quantity(quantity, product.uom_id), lot).id,
                "scrap_reason_tag_ids": tag.ids,
                "lot_id": lot.id,
                **values,
            }
        )
        if product.tracking == "none" or lot:  # Odoo would scrap what is tracked without a lot as well
            # Of what it returns only a state tells: it may be a question to a person.
            scrap.action_validate()
        return scrap

    def _scrap_places(self, product):
        """Return where a product of this order may lie that is scrapped, the likeliest first."""
        if product == self.product_id:
            done = self.move_finished_ids.filtered(
                lambda move: move.state == "done" and move.product_id == self.product_id
            )
            return done.sorted("id", reverse=True).move_line_ids.location_dest_id or self.location_dest_id
        moves = self.move_raw_ids.filtered(lambda move: move.product_id == product and move.state != "cancel")
        return self.location_src_id | moves.move_line_ids.location_id

    def _lies_in(self, places, product, quantity, lot):
        """Return the first of some places in which so much of a product lies, or else the first of them.

        :param float quantity: in the product's unit
        :param lot: the lot that is meant; empty for any
        """
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        for place in places:
            domain = [("product_id", "=", product.id), ("location_id", "=", place.id)]
            if lot:
                domain.append(("lot_id", "=", lot.id))
            there = sum(quants.search(domain).mapped("quantity"))
            if product.uom_id.compare(there, quantity) >= 0:
                return place
        return places[:1]

    def _scrap_lot(self, product):
        """Return the lot of a product that this order made, or took, last; empty where that is not one lot."""
        if product.tracking != "lot":
            return self.env["stock.lot"]
        moves = self.move_finished_ids if product == self.product_id else self.move_raw_ids
        moves = moves.filtered(lambda move: move.product_id == product and move.state != "cancel" and move.quantity)
        done = moves.filtered(lambda move: move.state == "done") or moves
        lots = done.sorted(lambda move: (move.date, move.id))[-1:].move_line_ids.lot_id
        return lots if len(lots) == 1 else lots.browse()

    def _explain_scrapped(self, scraps, tag, quantity, unit):
        """Put a reason to what was scrapped without one: what it holds for becomes a scrap of its own.

        Stock is as it was, and so are the dates.

        :param scraps: of one product
        :param float quantity: in the unit
        """
        for scrap in self._unexplained(scraps):
            move, has = scrap.move_ids[:1], scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
            part = min(has, quantity)
            if unit.compare(part, has) < 0:
                rest = move.quantity - unit._compute_quantity(part, move.product_uom, round=False)
                move.quantity = move.product_uom.round(rest)
                moment, posting = move.date, move.sudo().machine_posting_id  # sudo: as it was linked
                scrap = scrap.copy(
                    {
                        "scrap_qty": part,
                        "product_uom_id": unit.id,
                        "state": "draft",
                        "is_reject_component": scrap.is_reject_component,
                    }
                )
                scrap.action_validate()
                scrap.date_done = moment
                scrap.move_ids._date_at(moment)
                scrap.move_ids.sudo().machine_posting_id = posting
            scrap.scrap_reason_tag_ids = tag
            quantity = unit.round(quantity - part)
            if unit.compare(quantity, 0.0) <= 0:
                break

    # By its components

    def _components_to_scrap(self):
        """Return ``[(reason, component, quantity, unit, is scrapped)]`` that rejects took and that is still to be scrapped.

        What is scrapped already is only to get its reason, which was told later.
        """
        self.ensure_one()
        if self.machine_reject_booking != "component":
            return []
        found, last = [], self.env["stock.scrap.reason.tag"]
        theirs = self._reject_component_scraps()
        for (product, component_unit), each in self._components_of_a_piece().items():
            wanted = self._rejects_by_reason(self._step_that_takes(product))
            scraps = theirs.filtered(lambda scrap, product=product: scrap.product_id == product)
            done = {tag: self._scrapped_for(scraps, tag, component_unit) for tag in wanted}
            due = component_unit.round(sum(wanted.values()) * each - sum(done.values()), rounding_method="HALF-UP")
            plain = done[last]
            for tag, pieces in wanted.items():
                told = component_unit.round(pieces * each - done[tag], rounding_method="HALF-UP")
                part = due if tag == last else min(told, due)
                if component_unit.compare(part, 0.0) > 0:
                    found.append((tag, product, part, component_unit, False))
                    due = component_unit.round(due - part)
                later = min(component_unit.round(told - max(0.0, part)), plain) if tag else 0.0
                if component_unit.compare(later, 0.0) > 0:
                    found.append((tag, product, later, component_unit, True))
                    plain -= later
        return found

    def _rejects_by_reason(self, since):
        """Return ``{reason: rejects that are no part of the quantity}``, in the order's unit; the reason is empty where none is known.

        :param since: a work order, or none: only those that fell in it or in a later one
        """
        unit, left, found = self.product_uom_id, self._rejects_beside(since=since), {}
        for tag, told in self._since(since, self._reject_rows())._by_reason(unit).items():
            found[tag] = min(told, left)
            left = unit.round(left - found[tag])
        found[self.env["stock.scrap.reason.tag"]] = left
        return found

    def _step_that_takes(self, product):
        """Return the work order that takes a component; empty where none does, or several do."""
        moves = self.move_raw_ids.filtered(lambda move: move.product_id == product and move.state != "cancel")
        return moves._component_step() if len(moves.operation_id) == 1 else self.env["mrp.workorder"]

    def _since(self, step, rows):
        """Return those of the rows that fell in a work order or in a later one, or in none that is known; all of them without one."""
        places = {each: place for place, each in enumerate(self.workorder_ids)}
        return rows.filtered(lambda row: not step or places.get(row.workorder_id, len(places)) >= places[step])

    def _reject_component_scraps(self):
        """Return the scraps that the components of rejects became."""
        return self.scrap_ids.filtered(lambda scrap: scrap.is_reject_component and scrap.state == "done")

    def _scrapped_for(self, scraps, tag, unit):
        """Return how much of these scraps bears a reason, or none where that is empty."""
        theirs = scraps.filtered(lambda scrap: scrap.scrap_reason_tag_ids[:1] == tag)
        return sum(scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False) for scrap in theirs)

    def _components_of_a_piece(self):
        """Return ``{(component, unit): how much of it a piece takes}``, as the bill of materials says.

        Of an order without one, what its pieces took.
        """
        self.ensure_one()
        found = {}
        if self.bom_id:
            pieces = self.product_uom_id._compute_quantity(1.0, self.bom_id.product_uom_id, round=False)
            lines = self.bom_id.explode(
                self.product_id,
                pieces / self.bom_id.product_qty,
                picking_type=self.bom_id.picking_type_id,
                never_attribute_values=self.never_product_template_attribute_value_ids,
            )[1]
            for line, values in lines:
                if line.product_id.type == "consu":
                    key = line.product_id, line.product_uom_id
                    found[key] = found.get(key, 0.0) + values["qty"]
            return found
        for move in self.move_raw_ids.filtered(lambda move: move.state == "done" and move.quantity):
            key = move.product_id, move.product_uom
            found[key] = found.get(key, 0.0) + move.quantity / (self.qty_produced or 1.0)
        return found

    def _scrapped_beyond_words(self):
        """Return in words that more components of rejects are scrapped than there are rejects to take them, or None."""
        self.ensure_one()
        if self.machine_reject_booking != "component":
            return None
        theirs = self._reject_component_scraps()
        for (product, unit), each in self._components_of_a_piece().items():
            scrapped = sum(
                scrap.product_uom_id._compute_quantity(scrap.scrap_qty, unit, round=False)
                for scrap in theirs.filtered(lambda scrap, product=product: scrap.product_id == product)
            )
            rejects = self._rejects_beside(since=self._step_that_takes(product))
            if unit.compare(scrapped, rejects * each) > 0:
                return self.env._(
                    "%(scrapped)s %(unit)s of %(product)s are scrapped already for rejects of %(order)s, and fewer would be "
                    "rejects.",
                    scrapped=number_text(scrapped),
                    unit=unit.name,
                    product=product.display_name,
                    order=self.display_name,
                )
        return None

    # By more of its components

    def _set_qty_producing(self, pick_manual_consumption_moves=True):
        result = super()._set_qty_producing(pick_manual_consumption_moves)
        for production in self.filtered(lambda production: production.machine_reject_booking == "net"):
            production._use_for_rejects(pick_manual_consumption_moves)
        return result

    def _use_for_rejects(self, pick):
        """Use components for the rejects as well, which are no part of the quantity.

        :param bool pick: whether those are picked that are consumed by hand
        """
        for move in self.move_raw_ids.filtered(lambda move: move.state not in CLOSED and move.product_uom_qty):
            if move.picked and move.manual_consumption or move.sudo()._should_bypass_set_qty_producing():
                continue
            due = move._due_for(self.qty_producing)
            if move.product_uom.compare(move.quantity, due) != 0:
                move._set_quantity_done(due)
            if move.quantity and (pick or not move.manual_consumption):
                move.picked = True

    def _post_inventory(self, cancel_backorder=False):
        """Leave enough of each component to be used for what an order is still to make, when a part of it is posted.

        Once that part is laid out and no earlier: of what is demanded MRP reckons what the part takes.
        """
        if self.env.context.get(KEEP_OPEN):
            self.filtered(lambda order: order.machine_reject_booking == "net")._demand_for_rejects()
        return super()._post_inventory(cancel_backorder)

    def _demand_for_rejects(self):
        """Demand so much of each component as the rejects by now take as well."""
        for move in self.move_raw_ids.filtered(lambda move: move.state not in CLOSED and move.product_uom_qty):
            order = move.raw_material_production_id
            whole = move._due_for(max(order.product_qty, order.qty_producing))
            if move.product_uom.compare(move.product_uom_qty, whole) < 0:
                # What is picked for it is in stock: nothing is to be procured.
                move.with_context(no_procurement=True, do_not_unreserve=True).product_uom_qty = whole

    def _quantity_beside(self, moves, before, after):
        """Return what belongs to a finished quantity with the rejects, where they are no part of it."""
        if moves.raw_material_production_id and self._rejects_lie_beside():
            if each := moves._each():
                finished = moves._component_step().filtered(lambda step: step.state == "done")
                whole = each * moves._pieces_used_for(after, finished.qty_produced)
                return moves.product_uom.round(whole, rounding_method="HALF-UP")
        return super()._quantity_beside(moves, before, after)

    def _rejects_lie_beside(self):
        """Return whether rejects change what the pieces of this order take of its components."""
        way = self.machine_reject_booking
        # By scrap of the components, where a step had taken them already for what a later one rejected.
        return way == "net" or (way == "component" and len(self._steps()) > 1)

    def _get_consumption_issues(self):
        """Expect what the rejects took as well, where they are no part of the quantity."""
        issues = []
        for order, product, consumed, expected in super()._get_consumption_issues():
            if order.machine_reject_booking == "net" and order.qty_producing:
                expected *= 1 + order._rejects_beside() / order.qty_producing
                if product.uom_id.compare(consumed, expected) == 0:
                    continue
            issues.append((order, product, consumed, expected))
        return issues


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _component_step(self):
        """Return the work order that takes these components of one order; empty where none does."""
        order = self.raw_material_production_id
        return (
            self.workorder_id[:1]
            or order.workorder_ids.filtered(lambda step: step.operation_id and step.operation_id in self.operation_id)[
                :1
            ]
        )

    def _pieces_used_for(self, quantity, through=0.0):
        """Return for how many pieces of its order a component is used, in the order's unit.

        :param float quantity: of the order
        :param float through: how many went through its step without those that it rejected itself
        """
        order, step = self.raw_material_production_id, self._component_step()
        match order.machine_reject_booking:
            case "net":
                own = order._rejects_beside(since=step, until=step) if step else 0.0
                return max(quantity + order._rejects_beside(since=step), through and through + own)
            case "component" if step:
                # Of what a later step rejected the components are scrapped.
                later = order._rejects_beside(since=step) - order._rejects_beside(since=step, until=step)
                return max(quantity, through - later)
        return max(quantity, through)

    def _due_for(self, quantity, through=0.0):
        """Return what is due of a component for the rejects as well, where they are no part of the quantity."""
        order = self.raw_material_production_id
        if order:
            quantity, through = self._pieces_used_for(quantity, through), 0.0
        if not order or order.machine_reject_booking != "net":
            return super()._due_for(quantity, through)
        done = order.move_raw_ids.filtered(
            lambda move: (
                move.state == "done"
                and (move.bom_line_id, move.product_id, move.product_uom)
                == (self.bom_line_id, self.product_id, self.product_uom)
            )
        )
        each = self._each()
        if not done or not each:
            return super()._due_for(quantity)
        used = sum(done.mapped("quantity"))
        return max(0.0, self.product_uom.round(quantity * each - used, rounding_method="HALF-UP"))

    def _each(self):
        """Return how much of a component a piece takes by its line of the bill of materials; 0 where that is not known.

        What is demanded says so no longer once more was used for a part than its share.
        """
        line, order = self[:1].bom_line_id, self[:1].raw_material_production_id
        if not line or line.bom_id != order.bom_id or line.product_uom_id != self[:1].product_uom:
            return 0.0
        pieces = line.bom_id.product_uom_id._compute_quantity(
            line.bom_id.product_qty, order.product_uom_id, round=False
        )
        return line.product_qty / pieces if pieces else 0.0


class StockScrap(models.Model):
    _inherit = "stock.scrap"  # pylint: disable=consider-merging-classes-inherited; one question a file

    is_reject_component = fields.Boolean(
        "Of Rejects",
        readonly=True,
        copy=False,
        help="Rejected pieces took it: the order's rejects are booked by scrap of their components.",
    )
    machine_stage = fields.Char(
        "Stage", readonly=True, help="In which stage of the work it was scrapped, as the machine says it."
    )

    @api.depends("move_ids", "move_ids.move_line_ids.quantity", "product_id")
    def _compute_scrap_qty(self):
        """Reckon one scrap at a time: of several at once MRP reckons the first, and says 1 of the others."""
        for scrap in self[1:]:
            scrap._compute_scrap_qty()
        return super(StockScrap, self[:1])._compute_scrap_qty()

    def _machine_words(self, production):
        """Return how many of an order's pieces these scraps are, in words, with their reasons.

        :param production: the mrp.production
        """
        product = self.filtered(lambda scrap: scrap.product_id == production.product_id)
        words = [number_text(sum(product.mapped("scrap_qty")))] if product else []
        words += [f"{number_text(scrap.scrap_qty)} {scrap.product_id.display_name}" for scrap in self - product]
        reasons = ", ".join(dict.fromkeys(self.scrap_reason_tag_ids.mapped("name")))
        text = ", ".join(words)
        return f"{text} ({reasons})" if reasons else text


class ProductProduct(models.Model):
    _inherit = "product.product"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _pieces_by_weight(self, quantity, unit, into):
        """Return how many pieces an amount that was weighed is, whole ones; None where that cannot be known.

        :param float quantity: in the unit
        :param unit: a uom.uom of weight
        :param into: the uom.uom of the pieces
        """
        weighed_in = self.env["product.template"]._get_weight_uom_id_from_ir_config_parameter()
        piece = self.env["uom.uom"]._of_code("C62")
        if not self.weight or not unit._has_common_reference(weighed_in) or not piece._has_common_reference(into):
            return None
        # A product's weight is that of its own unit.
        of_product = unit._compute_quantity(quantity, weighed_in, round=False) / self.weight
        pieces = self.uom_id._compute_quantity(of_product, piece, round=False)
        return piece._compute_quantity(float(round(pieces)), into, round=False)
