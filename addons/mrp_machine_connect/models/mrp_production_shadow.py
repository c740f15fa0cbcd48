"""Orders in the shadow of a machine: what they had come to there, and what is moved for them."""

from odoo import api, fields, models
from odoo.tools import SQL

from .mrp_machine_interval_lines import LOSS_WITHOUT_ORDER
from .mrp_machine_shadow import SHADOW
from .mrp_production_lot import ENDED_LOTS
from .mrp_workorder import CLOSED


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _shadow_again(self, shadow, but=None):
        """Give an order the quantities again that its work orders had come to in earlier shadows, and end those that ended.

        :param but: a work order whose quantity is about to be written, or an empty one for the order itself
        """
        self.ensure_one()
        memory = shadow.memory(self)
        if not memory:
            return
        self._shadow_lots_again()
        began = memory["began_at"] or self.date_start
        for row in memory["ledgers"] or []:
            key = self.id, row["workorder_id"] or False
            if key in shadow.written or (but is not None and (but.id or False) == key[1]):
                continue
            shadow.written.add(key)
            step = self.workorder_ids.filtered(lambda step, key=key: step.id == key[1])
            if step:
                step._start_at(began)
                step._report_quantity(row["last_written"])
            elif not key[1]:
                self.qty_producing = row["last_written"]
        if but is None and (self.id, "order") not in shadow.written:
            shadow.written.add((self.id, "order"))
            on_order = memory["ledgers"][0]["last_on_order"] if memory["ledgers"] else 0.0
            if self.state not in CLOSED and on_order:
                self.qty_producing = on_order
                self._set_qty_producing(False)
        for step in self.workorder_ids:
            if at := memory["finished"].get(str(step.id)):
                step._finish_at(fields.Datetime.to_datetime(at))

    def _shadow_lots_again(self):
        """Let the order name the lot again that was made in the shadow last, or all the serial numbers."""
        rows = self._machine_lots()
        if self.product_id.tracking == "serial":
            self._show_lot(rows.lot_id.with_env(self.env))
        elif rows and not self.lot_producing_ids:
            self._show_lot(rows[-1:].lot_id.with_env(self.env))

    def _stock_due(self):
        due, shadow = super()._stock_due(), self.env.context.get(SHADOW)
        memory = shadow and shadow.memory(self)
        if not due or not memory or not memory["in_stock"] or self.env.context.get(ENDED_LOTS):
            return due
        entered = max(self.qty_produced, memory["really"] + memory["in_stock"])
        return max(0.0, self.product_uom_id.round(self.qty_producing - entered, rounding_method="HALF-UP"))

    def _last_entered(self):
        found, shadow = super()._last_entered(), self.env.context.get(SHADOW)
        memory = shadow and shadow.memory(self)
        return max(found, memory["entered_at"]) if memory and memory["entered_at"] else found

    def _in_stock_words(self, quantity):
        words, shadow = super()._in_stock_words(quantity), self.env.context.get(SHADOW)
        memory = shadow and shadow.memory(self._origin)
        if words or not memory or self.product_uom_id.compare(quantity, memory["in_stock"]) >= 0:
            return words
        return self.env._("In shadow, more of %s is in stock already.", self.display_name)

    def _post_inventory(self, cancel_backorder=False):
        """Give work orders the time of earlier shadows again: it is in the value of what is posted."""
        if shadow := self.env.context.get(SHADOW):
            self._shadow_time_again(shadow)
        return super()._post_inventory(cancel_backorder)

    def _shadow_time_again(self, shadow):
        orders = self.filtered(lambda order: (order.id, "time") not in shadow.written)
        if not orders:
            return
        shadow.written.update((order.id, "time") for order in orders)
        # sudo: what the poster wrote itself
        lines = (
            self.env["mrp.machine.shadow"]
            .sudo()
            .search(
                [
                    ("production_id", "in", orders.ids),
                    ("kind", "=", "time"),
                    ("workorder_id", "!=", False),
                    ("interval_id.end_us", "!=", False),
                    ("interval_id.is_due", "=", False),
                    ("interval_id", "not in", list(shadow.times)),
                ]
            )
        )
        self.env["mrp.workcenter.productivity"].create(
            [
                {
                    "workcenter_id": line.workcenter_id.id,
                    "workorder_id": line.workorder_id.id,
                    "company_id": line.company_id.id,
                    "loss_id": line.loss_id.id,
                    "date_start": line.date,
                    "date_end": line.date_end,
                    "description": line.summary,
                }
                for line in lines
            ]
        )

    def _correct_done_moves(self, shares):
        """Note which moves that were done in truth a shadow changes."""
        if shadow := self.env.context.get(SHADOW):
            done = (self.move_raw_ids | self.move_finished_ids).filtered(lambda move: move.state == "done")
            for move in done:
                shadow.moved.setdefault(move.id, move.quantity)
        return super()._correct_done_moves(shares)


class StockMove(models.Model):
    _inherit = "stock.move"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _action_done(self, *args, **kwargs):
        """Note what is moved in a shadow."""
        moves = super()._action_done(*args, **kwargs)
        if shadow := self.env.context.get(SHADOW):
            for move in moves:
                shadow.moved.setdefault(move.id, None)
        return moves

    @api.model
    def _counts(self, machines):
        """Return also what was counted in earlier shadows: it has no posting."""
        counts, shadow = super()._counts(machines), self.env.context.get(SHADOW)
        began = [memory["began_at"] for memory in shadow.memories.values() if memory["began_at"]] if shadow else []
        if not began:
            return counts
        return SQL(
            """%s UNION ALL
               SELECT effect.machine_id, split_part(effect.detail, '/', 2)::int,
                      nullif(split_part(effect.detail, '/', 3)::int, 0), split_part(effect.detail, '/', 4), effect.event_id
                 FROM mrp_machine_event_posting effect JOIN mrp_machine_event event ON event.id = effect.event_id
                WHERE effect.machine_id IN %s AND effect.handler = 'production_count' AND effect.reason = 'shadow'
                  AND effect.detail LIKE 'shadow/%%' AND event.machine_id IN %s AND event.occurred >= %s""",
            counts,
            tuple(machines.ids),
            tuple(machines.ids),
            min(began),
        )

    def _shadow_lines(self):
        """Return what these moves moved, as lines that can be compared: one for each lot and place."""
        lines = []
        for move in self.filtered(lambda move: move.state == "done"):
            production = move.raw_material_production_id or move.production_id or move.scrap_id.production_id
            kind = "scrap" if move.scrap_id else "move"
            parts = {}
            for line in move.move_line_ids:
                key = (line.lot_id.name or line.lot_name or "", line.location_id, line.location_dest_id)
                quantity = line.product_uom_id._compute_quantity(line.quantity, move.product_uom, round=False)
                parts[key] = parts.get(key, 0.0) + quantity
            value = move._shadow_value()
            for (lot, source, destination), quantity in parts.items():
                lines.append(
                    {
                        "move": move,
                        "production": production,
                        "kind": kind,
                        "lot_name": lot,
                        "location": source,
                        "destination": destination,
                        "quantity": quantity,
                        "value": value * quantity / move.quantity if move.quantity else 0.0,
                        "key": (
                            move.product_id.id,
                            lot,
                            round(quantity, 6),
                            source.id,
                            destination.id,
                            move.date,
                            kind == "scrap",
                        ),
                    }
                )
        return lines

    def _shadow_value(self):
        """Return what a move is worth in the company's currency; 0 where nothing is valued."""
        return 0.0


class MachineInterval(models.Model):
    _inherit = "mrp.machine.interval"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _ended(self, env):
        """Return when time ended that was an order's, where that has ended in the shadow: it would have left the machine."""
        ended, shadow = super()._ended(env), env.context.get(SHADOW)
        memory = shadow and shadow.memory(self.production_id)
        if not memory or self._state_for_time() in LOSS_WITHOUT_ORDER:
            return ended
        ends = [ended, memory["closed_at"], memory["finished"].get(str(self.workorder_id.id))]
        return min(map(fields.Datetime.to_datetime, filter(None, ends)), default=ended)

    def _project(self, env):
        """Note the time lines that a shadow makes."""
        lines, shadow = super()._project(env), env.context.get(SHADOW)
        if shadow:
            for interval in self.filtered(lambda interval: interval.machine_id.id == shadow.machine_id):
                mine = interval.earlier_productivity_ids | interval.productivity_id
                shadow.times[interval.id] = [
                    {
                        "production_id": line.workorder_id.production_id.id or interval.production_id.id,
                        "workorder_id": line.workorder_id.id,
                        "workcenter_id": line.workcenter_id.id,
                        "loss_id": line.loss_id.id,
                        "date": line.date_start,
                        "date_end": line.date_end,
                        "duration": line.duration,
                        "summary": line.description,
                        "event_id": interval.event_id.id,
                    }
                    for line in mine.sorted("date_start")
                ]
        return lines


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _good_of(self, production, workorder):
        """Return of an order in shadow what was counted on it there, where that is not written on it yet."""
        shadow = self.env.context.get(SHADOW)
        memory = shadow and shadow.memory(production)
        key = production.id, workorder.id or False
        if not memory or key in shadow.written:
            return super()._good_of(production, workorder)
        # sudo: the ledger is the poster's own
        ledgers = self.env["mrp.machine.ledger"].sudo().search([("production_id", "=", production.id)])
        here = ledgers.filtered(lambda row: row.workorder_id == workorder)
        return here[:1].last_written - here._rejected_in(production.product_uom_id)
