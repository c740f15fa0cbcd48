"""What did an order take of its components, and of which lots? By what machines said, where they did."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..quantities import number_text
from .mrp_production_beat import KEEP_OPEN
from .mrp_workorder import CLOSED

#: In a context: how much of the order is about to enter stock, lot by lot.
IN_ALL = "machine_made_in_all"
#: Roles of which rejects are no part of the count: they are pieces that took components on top.
WITHOUT_REJECTS = {"good", "part"}
#: How many pieces a count is of, as its machine counts them; what is told as scrap has its own unit. The tables are named
#: event and machine.
PIECES = SQL(
    """CASE event.type WHEN 'production.part_completed' THEN 1
       WHEN 'production.cycle_completed' THEN coalesce((event.data->>'qty')::float, 1) * machine.cavities
       ELSE coalesce((event.data->>'delta')::float, 0) END"""
)


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_consumption_ids = fields.One2many(
        "mrp.machine.consumption", "production_id", string="Consumption Told", groups="mrp.group_mrp_user"
    )
    is_consumption_told = fields.Boolean(
        copy=False,
        readonly=True,
        help="A machine said how much of a component this order used: asked at each posting, so that others look no further.",
    )
    machine_variance_count = fields.Integer(
        compute="_compute_machine_variance_count",
        groups="mrp.group_mrp_user",
        help="Differences of consumption that machines reported: decided ones and those to decide.",
    )

    def _compute_machine_variance_count(self):
        # sudo: whoever works on an order may know that its consumption differs
        counts = dict(
            self.env["mrp.machine.variance"]
            .sudo()
            ._read_group([("production_id", "in", self.ids)], ["production_id"], ["__count"])
        )
        for production in self:
            production.machine_variance_count = counts.get(production, 0)

    def action_machine_variances(self):
        """Open the differences of this order's consumption."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_variance_action")
        return {**action, "domain": [("production_id", "=", self.id)]}

    # What is known

    def _told(self):
        """Return what machines said that these orders used."""
        # sudo: whoever works on an order may know what was used for it
        rows = self.env["mrp.machine.consumption"].sudo()
        orders = self.filtered("is_consumption_told")
        return rows.search([("production_id", "in", orders.ids)]) if orders else rows

    def _variances(self, moves):
        """Return the differences of one component of this order, decided or not.

        :param moves: its moves
        """
        # sudo: see _told
        return (
            self.env["mrp.machine.variance"]
            .sudo()
            .search(
                [
                    ("production_id", "=", self.id),
                    ("product_id", "in", moves.product_id.ids),
                    ("bom_line_id", "in", [*moves.bom_line_id.ids, False]),
                ]
            )
        )

    def _components(self):
        """Return the moves of each component: a part of one may be done and the rest open."""
        found = {}
        for move in self.move_raw_ids.filtered(lambda move: move.state != "cancel"):
            key = move.bom_line_id, move.product_id, move.product_uom
            found[key] = found.get(key, self.env["stock.move"]) | move
        return list(found.values())

    def _told_of(self, moves, told):
        """Return those of the rows that speak of a component: of one that several steps take, that of the step.

        :param moves: the moves of the component
        :param told: of :meth:`_told`
        """
        rows = told.filtered(lambda row: row.product_id == moves.product_id)
        alike = [other for other in self._components() if other.product_id == moves.product_id]
        if len(alike) < 2:
            return rows

        def place(row):
            operation = row.workorder_id.operation_id
            return next((other for other in alike if operation and operation in other.operation_id), alike[0])

        return rows.filtered(lambda row: place(row) == moves)

    # Quantities

    def _book_consumption(self, told=None):
        """Set on what is open of each component what is believed of it, by what machines said and what is made now.

        What is not believed is proposed to a supervisor, and the bill of materials holds.

        :param told: of :meth:`_told`, where the caller knows
        """
        for production in self:
            rows = production._told() if told is None else told
            weighed = production._weighed_machines()
            if not rows and not weighed:
                continue
            for moves in production._components():
                theirs = production._told_of(moves, rows)
                machine = (theirs.sorted("last_told")[-1:].machine_id or weighed)[:1]
                if theirs or moves._weighed_loads(weighed):
                    moves._book_believed(machine, theirs)

    def _weighed_machines(self):
        """Return the machines of this order that use what is loaded on them, and weigh it."""
        return self._machine_rows().machine_id.filtered(lambda machine: machine.consumption_way == "lot")

    def _get_consumption_issues(self):
        """Leave out what machines said, which is within the tolerance or was decided by a supervisor."""
        issues = super()._get_consumption_issues()
        known = {
            order: order._told().product_id - order.move_raw_ids.filtered("is_consumed_by_hand").product_id
            for order, *_rest in issues
        }
        return [issue for issue in issues if issue[1] not in known[issue[0]]]

    # Lots

    def _lay_out(self):
        components = super()._lay_out()
        self._book_consumption()
        if words := self._lay_out_component_lots():
            raise UserError(words)
        return components

    def _enter_stock(self):
        return super(MrpProduction, self.with_context(**{IN_ALL: self.qty_producing}))._enter_stock()

    def _post_inventory(self, cancel_backorder=False):
        """Post what machines said was used, of the lots that were on them.

        :raise UserError: nobody said of which lot something was, or it is not there
        """
        if not self.env.context.get(KEEP_OPEN):  # on a beat this was done by now, see _lay_out
            for production in self:
                production._book_consumption()
                if words := production._lay_out_component_lots():
                    raise UserError(words)
        return super()._post_inventory(cancel_backorder)

    def _lay_out_component_lots(self):
        """Lay out what is to be posted of tracked components by the lots that were on the machines.

        What a person entered stays. Where no machine knows of any lot of a component, Odoo's own reservation holds.

        :return: why it cannot be, in words, or None
        """
        self.ensure_one()
        tracked = [moves for moves in self._components() if moves.product_id.tracking != "none"]
        if not tracked:
            return None
        machines, told = self._machine_rows().machine_id, self._told()
        for moves in tracked if machines else ():
            open_moves = moves.filtered(lambda move: move.state not in CLOSED and not move.is_consumed_by_hand)
            due = {move: move.quantity for move in open_moves if move.picked and move.quantity > 0}
            if not due:
                continue
            posted = sum(moves.filtered(lambda move: move.state == "done").mapped("quantity"))
            total = posted + sum(due.values())
            shares, words = moves._component_lots(
                total, moves._pieces_that_took(total, moves._made()), machines, self._told_of(moves, told)
            )
            if words:
                return words
            if not shares:
                continue
            if moves._is_beyond(shares):
                last = max(moves.filtered(lambda move: move.state == "done").mapped("date"))
                machines[:1]._decide_consumption(self, moves.product_id, last, "material")
            shares = moves._still_due(shares, sum(due.values()))
            if moves.product_id.tracking == "serial" and any(share not in (0.0, 1.0) for share in shares.values()):
                return self.env._(
                    "%(order)s used %(quantity)s of %(product)s, one serial number each, and %(numbers)s were on the machine.",
                    order=self.display_name,
                    quantity=number_text(sum(due.values())),
                    product=moves.product_id.display_name,
                    numbers=len(shares),
                )
            for move, quantity in due.items():
                taken = _take(shares, quantity, move.product_uom)
                move._put_lots(taken)
                if words := self._lots_missing(move, taken):
                    return words
        return None

    def _lots_missing(self, move, lots):
        """Return in words which of some lots are not where they are taken from, or None."""
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        unit = move.product_id.uom_id
        for lot, quantity in lots.items():
            wanted = move.product_uom._compute_quantity(quantity, unit, round=False)
            there = quants.search([("lot_id", "=", lot.id), ("location_id", "child_of", move.location_id.id)])
            lacking = unit.round(wanted - sum(there.mapped("quantity")), rounding_method="HALF-UP")
            if unit.compare(lacking, 0.0) > 0:
                return self.env._(
                    "Of lot %(lot)s of %(product)s, which %(order)s used, %(lacking)s %(unit)s are not in %(location)s.",
                    lot=lot.name,
                    product=move.product_id.display_name,
                    order=self.display_name,
                    lacking=number_text(lacking),
                    unit=unit.name,
                    location=move.location_id.display_name,
                )
        return None


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    is_consumed_by_hand = fields.Boolean(
        "Consumption Entered by Hand",
        readonly=True,
        copy=False,
        help="A person entered how much was used, or of which lots; what machines say does not change it.",
    )
    machine_quantity = fields.Float(
        "By Machine",
        readonly=True,
        copy=False,
        digits="Product Unit",
        help="What machines said that was used, less what was posted before.",
    )

    def write(self, vals):
        """Note that a person entered what was used: where forms say so, or where it is another quantity than machines set."""
        if "is_consumed_by_hand" not in vals and "machine_quantity" not in vals and self._is_entered(vals):
            vals = {**vals, "is_consumed_by_hand": True}
        return super().write(vals)

    def _is_told(self):
        """Return whether a person, or a machine, said how much was used."""
        self.ensure_one()
        return self.is_consumed_by_hand or bool(self.machine_quantity)

    def _is_entered(self, vals):
        """Return whether values are what a person entered of the consumption."""
        if self.env.context.get("force_manual_consumption"):
            return bool({"quantity", "move_line_ids", "lot_ids"} & vals.keys())
        if "quantity" not in vals:
            return False
        return bool(vals.get("manual_consumption")) or any(
            move.raw_material_production_id
            and move.state not in CLOSED
            and move.manual_consumption
            and move.machine_quantity
            and move.machine_quantity == move.quantity != vals["quantity"]
            for move in self
        )

    # Of one component: self is all its moves of one order

    def _made(self):
        """Return for how much of the order this component was used, in the order's unit."""
        order, step = self.raw_material_production_id, self.workorder_id[:1]
        # Of a closed order MRP's quantity in production is that of its close.
        on_order = order.qty_produced if order.state == "done" else order.qty_producing
        return self._pieces_used_for(on_order, step.qty_produced)

    def _pieces_that_took(self, total, made):
        """Return how many pieces of the order, its first ones, took so much of this component, in the order's unit.

        Parts that entered stock may be of fewer pieces than were made: a step may be ahead of them, or rejects that took
        components have come since. What a machine or a person said was used is that of all that were made.

        :param float total: in this component's unit
        :param float made: pieces that were made, in the order's unit
        """
        order, unit, each = self.raw_material_production_id, self[:1].product_uom, self._for_a_piece()
        if not each or any(move._is_told() for move in self) or unit.compare(each * made, total) == 0:
            return made
        return min(self._made(), order.product_uom_id.round(total / each, rounding_method="HALF-UP"))

    def _by_bom(self):
        """Return how much of this component belongs to what was made, in its own unit and not rounded."""
        return self._for_a_piece() * self._made()

    def _book_believed(self, machine, told):
        """Set what is believed of this component on what is open of it.

        :param machine: whose settings hold
        :param told: what machines said of it
        """
        booked = self._believed(machine, told)
        if booked is None:
            return
        unit, done = self[:1].product_uom, self.filtered(lambda move: move.state == "done")
        open_moves = self - done
        # What a person entered on a part that is done stays as it is, and what is due is reckoned from there.
        by_hand = done.filtered("is_consumed_by_hand")
        booked += sum(move.quantity - move.machine_quantity for move in by_hand)
        due = max(0.0, unit.round(booked - sum(done.mapped("quantity")), rounding_method="HALF-UP"))
        move = open_moves[:1] or self._open_another(due)
        if not move:
            return
        if move.is_consumed_by_hand:
            move.machine_quantity = due
            return
        if move.machine_quantity == due == move.quantity and move.picked and move.manual_consumption:
            return
        move.write({"quantity": due, "picked": True, "manual_consumption": True, "machine_quantity": due})

    def _open_another(self, due):
        """Return an open move of a component that is used up already as far as it was planned, where more is due."""
        order = self.raw_material_production_id
        if order.state in CLOSED or self[:1].product_uom.is_zero(due):
            return self.browse()
        first = self[:1]
        values = order._get_move_raw_values(
            first.product_id, 0.0, first.product_uom, first.operation_id.id, first.bom_line_id
        )
        move = self.create({**values, "manual_consumption": True})
        move._action_confirm(merge=False)
        return move

    def _believed(self, machine, told):
        """Return how much of this component is to be booked in all, in its own unit; None where MRP reckons it alone.

        What differs too much from the bill of materials is proposed, and does not count before it is decided.
        """
        order, unit = self.raw_material_production_id, self[:1].product_uom
        decided = order._variances(self).filtered(lambda row: row.state != "proposed")
        approved = sum(decided.filtered(lambda row: row.state == "approved").mapped("deviation"))
        refused = sum(decided.filtered(lambda row: row.state == "refused").mapped("deviation"))
        by_bom = self._by_bom()
        expected = by_bom + approved
        used = told._quantity_in(unit) if machine.consumption_way != "lot" else self._used_by_lots(machine, by_bom)
        if machine.consumption_way == "lot" and used is None:
            return expected if decided else None
        used -= self._taken_by_rejects()
        whole = self.env.context.get(IN_ALL)
        is_part = bool(whole) and order.product_uom_id.compare(order.qty_producing, whole) < 0
        if is_part:
            # The others take theirs.
            used *= order.qty_producing / whole
        actual = used - refused
        percent = 0.0 if order.consumption == "strict" else machine.consumption_tolerance
        difference = unit.round(actual - expected, rounding_method="HALF-UP")
        allowed = abs(difference) <= unit.round(by_bom * percent / 100.0, rounding_method="HALF-UP")
        if machine.consumption_way != "bom" and order.consumption == "flexible":
            allowed = True  # the bill of materials itself allows any
        occurred = max((row.last_told for row in told if row.last_told), default=False)
        if not is_part:
            self._propose(machine, expected, actual, percent, occurred, withdraw=allowed)
        if machine.consumption_way == "bom":
            return expected if decided else None
        return actual if allowed else expected

    def _for_a_piece(self):
        """Return how much of this component a piece takes, in its own unit and not rounded.

        What is demanded says so while an order is open and demands nothing for its rejects.
        """
        order, each = self.raw_material_production_id, self._each()
        demand = sum(self.mapped("product_uom_qty"))
        # What was split for parts is rounded in each of them.
        is_planned = abs(demand - each * order.product_qty) <= self[:1].product_uom.rounding * len(self)
        if each and (is_planned or order.state in CLOSED or order.machine_reject_booking == "net"):
            return each
        return demand / order.product_qty if order.product_qty else 0.0

    def _propose(self, machine, expected, actual, percent, occurred, withdraw):
        """Propose a difference, or withdraw what was proposed of this component and nobody decided."""
        order, unit = self.raw_material_production_id, self[:1].product_uom
        open_row = order._variances(self).filtered(lambda row: row.state == "proposed")
        if withdraw:
            open_row.unlink()
            return
        values = {
            "machine_id": machine.id,
            "expected": unit.round(expected, rounding_method="HALF-UP"),
            "actual": unit.round(actual, rounding_method="HALF-UP"),
            "tolerance": percent,
            "occurred": occurred or fields.Datetime.now(),
        }
        if open_row:
            open_row.write(values)
            return
        open_row.create(
            {
                **values,
                "production_id": order.id,
                "product_id": self.product_id.id,
                "bom_line_id": self.bom_line_id.id,
                "uom_id": unit.id,
            }
        )

    # Lots

    def _weighed_loads(self, machines):
        """Return what was on machines of this component and was weighed when it left."""
        loads = self.env["mrp.machine.material"].sudo()  # sudo: see _told
        if not machines:
            return loads
        found = loads.search([("machine_id", "in", machines.ids), ("product_id", "=", self.product_id.id)])
        return found.filtered(lambda load: load._is_weighed())

    def _used_by_lots(self, machines, by_bom):
        """Return how much was used: of loads that were weighed what they lost, of others by the bill of materials.

        A load that served several orders is shared by the pieces that each made of it.

        :param float by_bom: what all that was made takes by the bill of materials
        :return: in this component's unit; None where nothing was weighed
        """
        pieces, made = self._pieces_by_load(machines), self._made()
        weighed = self._weighed_loads(machines).filtered(lambda load: pieces.get(load))
        if not weighed or not made:
            return None
        of_all = self._pieces_by_load(machines, of_order=False)
        unit, used, share = self[:1].product_uom, 0.0, 0.0
        for load in weighed:
            lost = load.product_id.uom_id._compute_quantity(load._used(), unit, round=False)
            used += lost * pieces[load] / of_all[load]
            share += self._in_order_unit(pieces[load], machines) / made
        return used + by_bom * max(0.0, 1.0 - share)

    def _in_order_unit(self, pieces, machines):
        """Return pieces that machines counted in the unit of the order, not rounded."""
        order = self.raw_material_production_id
        return self._counting_unit(machines)._compute_quantity(pieces, order.product_uom_id, round=False)

    def _counting_unit(self, machines):
        """Return the uom.uom in which machines count pieces of this component's order."""
        rows = self.raw_material_production_id._machine_rows()
        return rows.filtered(lambda row: row.machine_id in machines)[:1]._uom()

    def _pieces_by_load(self, machines, of_order=True, kinds=None):
        """Return ``{what was on a machine of this component: pieces that were made while it was}``, the first first.

        The load is empty for pieces that were made while there was none.

        :param bool of_order: pieces of this component's order, at its step; else of all orders
        :param kinds: as what they are booked; None for those that the order takes this component for
        """
        order, loads = self.raw_material_production_id, self.env["mrp.machine.material"].sudo()
        for model in ("mrp.machine", "mrp.machine.material", "mrp.machine.posting", "mrp.machine.event.posting"):
            self.env[model].flush_model()
        if kinds is None:
            beside = set(machines.mapped("counting_role")) & WITHOUT_REJECTS
            has_rejects = beside and order.machine_reject_booking in ("gross", "net")
            kinds = ("good", "reject") if has_rejects else ("good",)
        steps = order.workorder_ids.filtered(lambda step: step.operation_id and step.operation_id in self.operation_id)
        where = SQL("posting.production_id = %s", order.id) if of_order else SQL("load.id IS NOT NULL")
        if of_order and steps:
            where = SQL("%s AND posting.workorder_id IN %s", where, tuple(steps.ids))
        # By SQL: an order may have ten thousand counts, and only their sums are asked for.
        counts = SQL(
            """FROM (%s) posting
               JOIN mrp_machine machine ON machine.id = posting.machine_id
               JOIN mrp_machine_event event ON event.id = posting.event_id
               LEFT JOIN mrp_machine_material load
                 ON load.machine_id = posting.machine_id AND load.product_id = %s
                AND load.date_start <= event.occurred
                AND (load.date_end IS NULL OR load.date_end > event.occurred)
              WHERE posting.kind IN %s AND %s""",
            self._counts(machines),
            self.product_id.id,
            tuple(kinds),
            where,
        )
        self.env.cr.execute(
            SQL(
                """SELECT load.id, min(event.occurred), sum(%s)
                   %s AND event.type <> 'quality.scrap' GROUP BY load.id""",
                PIECES,
                counts,
            )
        )
        found = {load_id: (first, pieces) for load_id, first, pieces in self.env.cr.fetchall()}
        if "reject" in kinds:
            self._add_told_scrap(found, counts, machines)
        # In the order of time; no load is no number.
        told = sorted((first, load_id or 0, pieces) for load_id, (first, pieces) in found.items() if pieces > 0)
        return {loads.browse(load_id or ()): pieces for _first, load_id, pieces in told}

    @api.model
    def _counts(self, machines):
        """Return, as SQL, what machines counted: ``machine_id, production_id, workorder_id, kind, event_id``."""
        return SQL(
            """SELECT posting.machine_id, posting.production_id, posting.workorder_id, posting.kind, effect.event_id
                 FROM mrp_machine_posting posting
                 JOIN mrp_machine_event_posting effect ON effect.posting_id = posting.id
                WHERE posting.machine_id IN %s AND posting.handler = 'production_count'""",
            tuple(machines.ids),
        )

    def _add_told_scrap(self, found, counts, machines):
        """Add rejects that were told as scrap of their own: one by one, for what was weighed is whole pieces.

        :param dict found: ``{id of the load, or None: (when the first was made, pieces as the machines count them)}``
        :param counts: where they are looked for
        """
        counted_in, orders, units = self._counting_unit(machines), self.env["mrp.production"], self.env["uom.uom"]
        self.env.cr.execute(
            SQL(
                """SELECT load.id, event.occurred, posting.production_id, (event.data->>'qty')::float, event.data->>'unit'
                   %s AND event.type = 'quality.scrap'""",
                counts,
            )
        )
        for load_id, occurred, production_id, quantity, code in self.env.cr.fetchall():
            order = orders.browse(production_id)
            pieces = order._pieces_of(quantity, units._of_code(code))
            pieces = order.product_uom_id._compute_quantity(pieces, counted_in, round=False)
            first, before = found.get(load_id, (occurred, 0.0))
            found[load_id] = min(first, occurred), before + pieces

    def _component_lots(self, total, made, machines, told):
        """Return ``({lot: how much of a total was of it}, None)``, or ``(None, why that is not known)``.

        Empty where no machine knows of any lot.

        :param float total: that was used in all, in this component's unit
        :param float made: of the order with that, in the order's unit: its first pieces
        """
        unit = self[:1].product_uom
        weights = self._told_by_lot(told, unit)
        if weights and "signal" in machines.mapped("consumption_way"):
            self._leave_out_rejects(weights, self._for_a_piece())
            return _shares(_first(weights, total), total, unit), None
        # Of several machines in a row those take it that have it, or else none of them has.
        here = self.env["mrp.machine.material"].sudo()  # sudo: see _told
        loads = here.search([("machine_id", "in", machines.ids), ("product_id", "=", self.product_id.id)])
        machines = loads.machine_id or machines.filtered(lambda machine: machine.consumption_way == "lot")
        if not machines:
            return {}, None
        pieces = {load: self._in_order_unit(count, machines) for load, count in self._pieces_by_load(machines).items()}
        self._leave_out_rejects(pieces, 1.0, machines)
        # What a person added by hand is of the last one, and what was taken away as well.
        pieces = _first(pieces, made)
        weights = {}
        for load, count in pieces.items():
            if not load:
                return None, self._without_lot_words(count, machines)
            if refusal := load.lot_id._machine_refusal(load.date_start, used=True):
                return None, refusal[1]
            weights[load.lot_id] = weights.get(load.lot_id, 0.0) + count
        if not weights:
            return None, self._without_lot_words(made, machines)
        return _shares(weights, total, unit), None

    def _without_lot_words(self, count, machines):
        order = self.raw_material_production_id
        return self.env._(
            "%(pieces)s %(unit)s of %(order)s were made while no lot of %(product)s was known to be on %(machine)s.",
            pieces=number_text(order.product_uom_id.round(count)),
            unit=order.product_uom_id.name,
            order=order.display_name,
            product=self.product_id.display_name,
            machine=", ".join(machines.mapped("name")),
        )

    def _still_due(self, shares, due):
        """Return ``{lot: how much of it is still to be posted}``, whose sum is what is due.

        :param dict shares: of each lot in all
        :param float due: in this component's unit
        """
        unit, posted = self[:1].product_uom, self._posted_by_lot()
        left = {
            lot: max(0.0, unit.round(share - posted.get(lot, 0.0), rounding_method="HALF-UP"))
            for lot, share in shares.items()
        }
        # Where more was posted of one lot than is known now to be of it, there is less left of the others.
        return _shares(left, due, unit) if sum(left.values()) else _shares(shares, due, unit)

    def _posted_by_lot(self, unit=None):
        """Return ``{lot: how much of it was posted}`` in a unit, by default this component's; not rounded."""
        unit, posted = unit or self[:1].product_uom, {}
        for line in self.filtered(lambda move: move.state == "done").move_line_ids:
            quantity = line.product_uom_id._compute_quantity(line.quantity, unit, round=False)
            posted[line.lot_id] = posted.get(line.lot_id, 0.0) + quantity
        return posted

    def _is_beyond(self, shares):
        """Return whether more was posted of a lot than is known now to be of it, for what was made meanwhile came late.

        Where a machine or a person said how much was used, a lot may well have more than the share of its pieces.

        :param dict shares: of each lot in all
        """
        done = self.filtered(lambda move: move.state == "done")
        if not done or self.product_id.tracking != "lot" or any(move._is_told() for move in self):
            return False
        rounded = self[:1].product_uom.rounding * len(done)  # each part that was posted may have been
        return any(posted - shares.get(lot, 0.0) > rounded for lot, posted in self._posted_by_lot().items())

    def _put_lots(self, lots):
        """Take so much of each lot for this move, and nothing else.

        :param dict lots: ``{lot: quantity in the move's unit}``
        """
        self.ensure_one()
        unit = self.product_id.uom_id
        wanted = {
            lot: unit.round(self.product_uom._compute_quantity(quantity, unit, round=False), rounding_method="HALF-UP")
            for lot, quantity in lots.items()
            if self.product_uom.compare(quantity, 0.0) > 0
        }
        there = {}
        for line in self.move_line_ids:
            there[line.lot_id] = there.get(line.lot_id, 0.0) + line.quantity_product_uom
        if there.keys() == wanted.keys() and all(unit.compare(there[lot], wanted[lot]) == 0 for lot in wanted):
            return
        self.move_line_ids.unlink()
        quants = self.env["stock.quant"].sudo()  # sudo: stock asks itself in this way
        for lot, quantity in wanted.items():
            domain = [("lot_id", "=", lot.id), ("location_id", "child_of", self.location_id.id), ("quantity", ">", 0)]
            places = quants.search(domain).sorted(lambda quant: (-quant.available_quantity, quant.id))
            for place in places:
                part = min(quantity, place.quantity)
                self._put_line(lot, part, place)
                quantity = unit.round(quantity - part)
                if unit.is_zero(quantity):
                    break
            if not unit.is_zero(quantity):
                self._put_line(lot, quantity, quants)
        self.picked = True

    def _put_line(self, lot, quantity, quant):
        """Take so much of a lot, in the product's unit, from where it lies.

        :param quant: the stock.quant; empty where it lies nowhere
        """
        values = self._prepare_move_line_vals(quantity=0)
        return self.env["stock.move.line"].create(
            {
                **values,
                "quantity": quantity,
                "product_uom_id": self.product_id.uom_id.id,
                "lot_id": lot.id,
                "location_id": (quant.location_id or self.location_id).id,
                "package_id": quant.package_id.id,
                "owner_id": quant.owner_id.id,
                "picked": True,
            }
        )


def _first(weights, total):
    """Return as much of the weights, the first first, as a total has; what it has more is the last one's."""
    left, found = total, {}
    for key, weight in weights.items():
        if left > 1e-9:
            found[key] = min(weight, left)
            left -= found[key]
    if found and left > 1e-9:
        found[key] += left
    return found


def _shares(weights, total, unit):
    """Return a total in shares that are to each other as the weights, rounded in a unit; their sum is the total."""
    whole, left, shares = sum(weights.values()), total, {}
    for place, (key, weight) in enumerate(weights.items(), 1):
        share = left if place == len(weights) else unit.round(total * weight / whole, rounding_method="HALF-UP")
        shares[key] = unit.round(share, rounding_method="HALF-UP")
        left -= share
    return shares


def _take(shares, quantity, unit):
    """Take a quantity out of shares, the first first, and return what was taken of each."""
    taken = {}
    for key in list(shares):
        part = min(shares[key], quantity)
        if unit.compare(part, 0.0) <= 0:
            continue
        taken[key] = part
        shares[key] = unit.round(shares[key] - part)
        quantity = unit.round(quantity - part)
    return taken
