"""What was a lot made of, what was made of it, how was it made, and who has it? And how long does it take to know?

Asked of the database in sets, one statement a level and one a kind of fact: a recall is of thousands of lots, and each minute
of it counts.
"""

import base64
import csv
import io
import json
import time

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

#: Who may trace.
TRACERS = (
    "quality_machine_event.group_quality_inspector",
    "mrp_machine_connect.group_supervisor",
    "mrp_machine_connect.group_manager",
)
#: Levels at most: what is deeper is a circle.
LEVELS = 100
#: Characters with which a cell of a spreadsheet begins to calculate.
CALCULATES = ("=", "+", "-", "@", "\t", "\r")
#: What a recall finds, in the order in which it is read.
KINDS = [
    ("lot", "Lot"),
    ("order", "Order"),
    ("component", "Component without a lot"),
    ("machine", "Made on"),
    ("operator", "Operator"),
    ("value", "Machine value"),
    ("alarm", "Alarm"),
    ("check", "Check"),
    ("alert", "Alert"),
    ("hold", "Hold"),
    ("receipt", "Received from"),
    ("stock", "In stock"),
    ("delivery", "Delivered to"),
]


class QualityMachineRecall(models.Model):
    """A recall, or its drill: from a lot, or a machine's time, to all that is connected with it."""

    _name = "quality.machine.recall"
    _description = "Recall Drill"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char("Number", required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company, index=True)
    lot_id = fields.Many2one(
        "stock.lot",
        string="Lot/Serial Number",
        check_company=True,
        index="btree_not_null",
        help="Where it begins: what is wrong with this lot.",
    )
    machine_id = fields.Many2one(
        "mrp.machine", check_company=True, index="btree_not_null", help="Where it begins, when a machine was wrong."
    )
    date_start = fields.Datetime("From", help="From when on the machine was wrong.")
    date_end = fields.Datetime("To", help="Until when.")
    reason = fields.Char(help="Why it is traced.")
    is_drill = fields.Boolean("Drill", default=True, help="It is an exercise: nothing is wrong.")
    state = fields.Selection(
        [("draft", "To Trace"), ("traced", "Traced")], required=True, readonly=True, default="draft", copy=False
    )
    traced_at = fields.Datetime(readonly=True, copy=False, help="As of when.")
    traced_by = fields.Many2one("res.users", readonly=True, copy=False, help="Who traced it.")
    seconds = fields.Float(
        "Took (s)",
        readonly=True,
        copy=False,
        digits=(16, 3),
        aggregator="avg",
        help="From the button to the whole result.",
    )
    line_ids = fields.One2many("quality.machine.recall.line", "recall_id", string="Found", readonly=True)
    lot_count = fields.Integer("Lots", readonly=True, copy=False, help="All that are connected with it.")
    delivery_count = fields.Integer("Deliveries", readonly=True, copy=False, help="That are with customers.")
    partner_count = fields.Integer("Customers", readonly=True, copy=False, help="Who has some of it.")
    delivered = fields.Float(readonly=True, copy=False, digits="Product Unit", help="That is outside.")
    in_stock = fields.Float(readonly=True, copy=False, digits="Product Unit", help="That can still be held.")

    @api.constrains("name", "lot_id", "machine_id", "date_start", "date_end")
    def _check_origin(self):
        for recall in self:
            if bool(recall.lot_id) == bool(recall.machine_id):
                raise ValidationError(self.env._("A recall begins at a lot, or at a machine."))
            if recall.machine_id and not (
                recall.date_start and recall.date_end and recall.date_start <= recall.date_end
            ):
                raise ValidationError(self.env._("Enter from when to when the machine was wrong."))

    @api.model_create_multi
    def create(self, vals_list):
        new = self.env._("New")
        for vals in vals_list:
            if vals.get("name", new) == new:
                vals["name"] = self.env["ir.sequence"].next_by_code("quality.machine.recall") or new
        return super().create(vals_list)

    # Tracing

    def action_trace(self):
        """Find all that is connected with where it begins, and note how long that took."""
        if not self.env.su and not any(self.env.user.has_group(group) for group in TRACERS):
            raise AccessError(self.env._("Only a quality inspector, a supervisor or a manager traces lots."))
        self.check_access("write")
        for recall in self:
            begun = time.monotonic()
            # sudo: what is found is of all parts of Odoo; who may trace sees it here, of the company of the recall
            recall.sudo()._trace()
            recall.sudo().write(
                {
                    "state": "traced",
                    "traced_at": fields.Datetime.now(),
                    "traced_by": self.env.uid,
                    "seconds": time.monotonic() - begun,
                }
            )

    def _trace(self):
        self.line_ids.unlink()
        self.env.flush_all()
        origin = self._origin_lots()
        used, made = self._levels(origin, down=False), self._levels(origin, down=True)
        down = {**made, **dict.fromkeys(origin, 0)}
        self._insert_lots(origin, used, made)
        self._insert_spans([*used, *down])
        self._insert_deliveries(down)
        self._insert_receipts([*used, *origin])
        self._insert_stock([*used, *down])
        self._insert_orders([*used, *down])
        self._insert_quality([*used, *down])
        kinds = [kind for kind, _title in KINDS]
        self.env.cr.execute(
            "UPDATE quality_machine_recall_line SET sequence = array_position(%s, kind) WHERE recall_id = %s",
            [kinds, self.id],
        )
        self.env["quality.machine.recall.line"].invalidate_model()
        self._sum_up(down)

    def _origin_lots(self):
        """Return the ids of the lots where it begins: one, or those that a machine made within its time."""
        if self.lot_id:
            return self.lot_id.ids
        # By SQL: a search looks at whole seconds, and the moves of orders without a lot's row are found beside it.
        self.env.cr.execute(
            """SELECT span.lot_id FROM mrp_machine_lot span
                WHERE span.machine_id = %(machine)s AND span.lot_id IS NOT NULL
                  AND span.date_start <= %(end)s
                  AND (span.date_end IS NULL OR span.date_end >= %(start)s)
                  AND (span.date_end IS NULL OR span.date_end > span.date_start OR span.date_start >= %(start)s)
                UNION
               SELECT line.lot_id FROM mrp_machine_loading loading
                 JOIN stock_move move ON move.production_id = loading.production_id AND move.state = 'done'
                 JOIN stock_move_line line ON line.move_id = move.id AND line.lot_id IS NOT NULL
                WHERE loading.machine_id = %(machine)s AND loading.date_start <= %(end)s
                  AND (loading.date_end IS NULL OR loading.date_end >= %(start)s)
                  AND NOT EXISTS (SELECT FROM mrp_machine_lot span
                                   WHERE span.production_id = loading.production_id AND span.lot_id = line.lot_id)""",
            {"machine": self.machine_id.id, "start": self.date_start, "end": self.date_end},
        )
        return [row[0] for row in self.env.cr.fetchall()]

    def _levels(self, origin, down):
        """Return ``{lot id: level}`` of the lots that were made of some lots, or that these were made of.

        Level by level, so that a circle – a lot that was reworked into itself – ends.
        """
        # In Odoo's table a finished line is the «consume_line_id», and what was used for it the «produce_line_id».
        here, there = ("produce_line_id", "consume_line_id") if down else ("consume_line_id", "produce_line_id")
        found, level, depth = {}, list(origin), 0
        known = set(origin)
        while level and depth < LEVELS:
            depth += 1
            # By SQL: one statement a level, whatever the number of lots.
            self.env.cr.execute(
                f"""SELECT DISTINCT other.lot_id
                      FROM stock_move_line line
                      JOIN stock_move_line_consume_rel rel ON rel.{here} = line.id
                      JOIN stock_move_line other ON other.id = rel.{there}
                     WHERE line.lot_id = ANY(%(lots)s) AND line.state = 'done' AND line.quantity > 0
                       AND other.lot_id IS NOT NULL AND other.state = 'done' AND other.quantity > 0
                       AND line.company_id = %(company)s""",
                {"lots": level, "company": self.company_id.id},
            )
            level = [row[0] for row in self.env.cr.fetchall() if row[0] not in known]
            known.update(level)
            found.update(dict.fromkeys(level, depth))
        return found

    def _insert(self, columns, select, **values):
        """Store what a statement finds as lines of this recall.

        By SQL: there are thousands, and all that is in them is in the database already.
        """
        self.env.cr.execute(
            f"""INSERT INTO quality_machine_recall_line (recall_id, company_id, {", ".join(columns)}) {select}""",
            {"recall": self.id, "company": self.company_id.id, **values},
        )

    def _insert_lots(self, origin, used, made):
        for direction, levels in (("origin", dict.fromkeys(origin, 0)), ("up", used), ("down", made)):
            self._insert(
                ("kind", "direction", "level", "lot_id", "product_id", "words"),
                """SELECT %(recall)s, %(company)s, 'lot', %(direction)s, found.level, lot.id, lot.product_id, lot.name
                     FROM unnest(%(lots)s::int[], %(levels)s::int[]) AS found (lot_id, level)
                     JOIN stock_lot lot ON lot.id = found.lot_id""",
                direction=direction,
                lots=list(levels),
                levels=list(levels.values()),
            )

    def _insert_spans(self, lots):
        """When and where machines made these lots, who was there, what was measured, and what alarmed meanwhile."""
        self._insert(
            (
                "kind",
                "lot_id",
                "product_id",
                "machine_id",
                "production_id",
                "date_from",
                "date_to",
                "quantity",
                "words",
            ),
            """SELECT %(recall)s, %(company)s, 'machine', span.lot_id, span.product_id, span.machine_id,
                      span.production_id, span.date_start, span.date_end, span.quantity, machine.name
                 FROM mrp_machine_lot span JOIN mrp_machine machine ON machine.id = span.machine_id
                WHERE span.lot_id = ANY(%(lots)s)""",
            lots=lots,
        )
        # A piece with a number of its own takes no time: what holds at its moment is meant.
        spans = """WITH span AS (
                       SELECT machine_id, lot_id, date_start,
                              CASE WHEN date_end IS NULL THEN 'infinity'::timestamp
                                   ELSE greatest(date_end, date_start) END AS date_end
                         FROM mrp_machine_lot WHERE lot_id = ANY(%(lots)s))"""
        self._insert(
            ("kind", "lot_id", "machine_id", "date_from", "date_to", "words"),
            spans
            + """ SELECT DISTINCT %(recall)s, %(company)s, 'operator', span.lot_id, person.machine_id,
                      person.date_start, person.date_end, person.name
                 FROM span JOIN mrp_machine_operator person
                   ON person.machine_id = span.machine_id AND person.date_start <= span.date_end
                  AND (person.date_end IS NULL OR person.date_end >= span.date_start)""",
            lots=lots,
        )
        self._insert(
            ("kind", "machine_id", "date_from", "date_to", "words", "res_model", "res_id"),
            spans
            + """ SELECT DISTINCT %(recall)s, %(company)s, 'alarm', alarm.machine_id, alarm.raised, alarm.cleared,
                      CASE WHEN alarm.condition_id IS NULL AND alarm.text <> alarm.code
                           THEN concat_ws(' ', alarm.code, alarm.text) ELSE coalesce(alarm.text, alarm.code) END,
                      'mrp.machine.alarm', alarm.id
                 FROM span JOIN mrp_machine_alarm alarm
                   ON alarm.machine_id = span.machine_id AND alarm.raised <= span.date_end
                  AND (alarm.cleared IS NULL OR alarm.cleared >= span.date_start)""",
            lots=lots,
        )
        self._insert(
            ("kind", "machine_id", "date_from", "words", "res_model", "res_id"),
            spans
            + """ SELECT DISTINCT %(recall)s, %(company)s, 'value', event.machine_id, event.occurred,
                      concat_ws(' ', coalesce(event.data->>'signal', event.data->>'characteristic'),
                                concat('avg ' || (event.data->>'avg')), concat('min ' || (event.data->>'min')),
                                concat('max ' || (event.data->>'max')), concat('last ' || (event.data->>'last'))),
                      'mrp.machine.event', event.id
                 FROM span JOIN mrp_machine_event event
                   ON event.machine_id = span.machine_id AND event.type = 'process.summary'
                  AND event.occurred BETWEEN span.date_start AND span.date_end""",
            lots=lots,
        )

    def _insert_deliveries(self, lots):
        """What of these lots left for customers, with which delivery and to whom."""
        self._insert_transfers("delivery", "customer", "line.location_dest_id", list(lots))

    def _insert_receipts(self, lots):
        """From whom these lots came."""
        self._insert_transfers("receipt", "supplier", "line.location_id", list(lots))

    def _insert_transfers(self, kind, usage, side, lots):
        self._insert(
            ("kind", "lot_id", "product_id", "quantity", "picking_id", "partner_id", "date_from", "words"),
            f"""SELECT %(recall)s, %(company)s, %(kind)s, line.lot_id, line.product_id, sum(line.quantity_product_uom),
                      line.picking_id, coalesce(move.partner_id, picking.partner_id), max(line.date),
                      concat_ws(' ', picking.name, partner.name)
                 FROM stock_move_line line
                 JOIN stock_location place ON place.id = {side} AND place.usage = %(usage)s
                 JOIN stock_move move ON move.id = line.move_id
                 LEFT JOIN stock_picking picking ON picking.id = line.picking_id
                 LEFT JOIN res_partner partner ON partner.id = coalesce(move.partner_id, picking.partner_id)
                WHERE line.lot_id = ANY(%(lots)s) AND line.state = 'done' AND line.quantity > 0
                  AND line.company_id = %(company)s
                GROUP BY line.lot_id, line.product_id, line.picking_id,
                         coalesce(move.partner_id, picking.partner_id), picking.name, partner.name""",
            kind=kind,
            usage=usage,
            lots=lots,
        )

    def _insert_stock(self, lots):
        self._insert(
            ("kind", "lot_id", "product_id", "quantity", "words"),
            """SELECT %(recall)s, %(company)s, 'stock', quant.lot_id, quant.product_id, sum(quant.quantity),
                      place.complete_name
                 FROM stock_quant quant JOIN stock_location place ON place.id = quant.location_id
                WHERE quant.lot_id = ANY(%(lots)s) AND place.usage IN ('internal', 'transit')
                  AND quant.company_id = %(company)s
                GROUP BY quant.lot_id, quant.product_id, place.complete_name HAVING sum(quant.quantity) <> 0""",
            lots=lots,
        )

    def _insert_orders(self, lots):
        """The orders that made these lots, or used them, and what they used that has no lot."""
        orders = """SELECT DISTINCT coalesce(move.production_id, move.raw_material_production_id) AS production_id
                      FROM stock_move_line line JOIN stock_move move ON move.id = line.move_id
                     WHERE line.lot_id = ANY(%(lots)s) AND line.state = 'done'
                       AND coalesce(move.production_id, move.raw_material_production_id) IS NOT NULL"""
        self._insert(
            ("kind", "production_id", "product_id", "date_from", "date_to", "words"),
            f"""SELECT %(recall)s, %(company)s, 'order', production.id, production.product_id, production.date_start,
                      production.date_finished, production.name
                 FROM ({orders}) found JOIN mrp_production production ON production.id = found.production_id
                WHERE production.company_id = %(company)s""",
            lots=lots,
        )
        self._insert(
            ("kind", "production_id", "product_id", "quantity", "words"),
            f"""SELECT %(recall)s, %(company)s, 'component', move.raw_material_production_id, move.product_id,
                      sum(line.quantity_product_uom), production.name
                 FROM ({orders}) found
                 JOIN stock_move move ON move.raw_material_production_id = found.production_id AND move.state = 'done'
                 JOIN stock_move_line line ON line.move_id = move.id AND line.lot_id IS NULL AND line.quantity > 0
                 JOIN mrp_production production ON production.id = found.production_id
                WHERE production.company_id = %(company)s
                GROUP BY move.raw_material_production_id, move.product_id, production.name""",
            lots=lots,
        )

    def _insert_quality(self, lots):
        for kind, table, title, moment in (
            ("check", "quality_machine_check", "row.title", "row.occurred"),
            ("alert", "quality_machine_alert", "row.title", "row.first_occurred"),
            ("hold", "quality_machine_hold", "row.reason", "row.held_at"),
        ):
            model = table.replace("_", ".")
            states = dict(self.env[model]._fields["state"]._description_selection(self.env))
            self._insert(
                (
                    "kind",
                    "lot_id",
                    "product_id",
                    "machine_id",
                    "production_id",
                    "date_from",
                    "words",
                    "res_model",
                    "res_id",
                ),
                f"""SELECT %(recall)s, %(company)s, %(kind)s, row.lot_id, row.product_id, row.machine_id,
                          row.production_id, {moment},
                          concat_ws(' ', row.name, {title}) || ' (' || (%(states)s::jsonb ->> row.state) || ')',
                          %(model)s, row.id
                     FROM {table} row WHERE row.lot_id = ANY(%(lots)s)""",
                kind=kind,
                model=model,
                states=json.dumps(states),
                lots=lots,
            )

    def _sum_up(self, down):
        lines = self.env["quality.machine.recall.line"]
        found = {
            kind: (count, quantity)
            for kind, count, quantity in lines._read_group(
                [("recall_id", "=", self.id)], ["kind"], ["__count", "quantity:sum"]
            )
        }
        customers = lines._read_group(
            [("recall_id", "=", self.id), ("kind", "=", "delivery"), ("partner_id", "!=", False)], ["partner_id"]
        )
        ((stock,),) = lines._read_group(
            [("recall_id", "=", self.id), ("kind", "=", "stock"), ("lot_id", "in", list(down))],
            aggregates=["quantity:sum"],
        )
        self.write(
            {
                "lot_count": found.get("lot", (0, 0))[0],
                "delivery_count": found.get("delivery", (0, 0))[0],
                "partner_count": len(customers),
                "delivered": found.get("delivery", (0, 0.0))[1] or 0.0,
                "in_stock": stock or 0.0,
            }
        )

    # Buttons

    def action_lines(self):
        """Open all that was found."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "quality_machine_event.quality_machine_recall_line_action"
        )
        action.update(domain=[("recall_id", "=", self.id)])
        return action

    def action_print(self):
        """Print what was found."""
        return self.env.ref("quality_machine_event.quality_machine_recall_report").report_action(self, config=False)

    def action_export(self):
        """Give all that was found as a file for a spreadsheet."""
        self.ensure_one()
        self.check_access("read")
        attachment = self.env["ir.attachment"].create(
            {
                "name": f"{self.name.replace('/', '-')}.csv",
                "datas": base64.b64encode(self._exported()),
                "mimetype": "text/csv",
                "res_model": self._name,
                "res_id": self.id,
            }
        )
        return {"type": "ir.actions.act_url", "url": f"/web/content/{attachment.id}?download=true", "target": "self"}

    def _exported(self):
        """Return all lines as UTF-8 with a mark that spreadsheets know it by, one line each, the headings first."""
        names = (
            *("kind", "direction", "level", "lot_id", "product_id", "quantity", "machine_id", "production_id"),
            *("picking_id", "partner_id", "date_from", "date_to", "words"),
        )
        lines = self.env["quality.machine.recall.line"]
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([lines._fields[name]._description_string(self.env) for name in names])
        kinds = dict(lines._fields["kind"]._description_selection(self.env))
        for line in lines.search([("recall_id", "=", self.id)]):
            row = []
            for name in names:
                value = line[name]
                if name == "kind":
                    value = kinds[value]
                elif isinstance(value, models.BaseModel):
                    value = value.display_name if value else ""
                row.append(_cell(value))
            writer.writerow(row)
        return out.getvalue().encode("utf-8-sig")

    def action_hold(self):
        """Hold all lots that were made of it, and where it began, with what of them lies in stock."""
        for recall in self:
            if recall.state != "traced":
                raise UserError(self.env._("Trace it first."))
            lots = recall.line_ids.filtered(
                lambda line: line.kind == "lot" and line.direction in ("origin", "down")
            ).lot_id
            for lot in lots.filtered(lambda lot: not lot.quality_held):
                self.env["quality.machine.hold"]._place(
                    recall.reason or self.env._("Recall %s", recall.name), lot=lot, machine_id=recall.machine_id.id
                )


def _cell(value):
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if value is False or value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(CALCULATES) else text


class QualityMachineRecallLine(models.Model):
    """One thing that was found by a recall."""

    _name = "quality.machine.recall.line"
    _description = "Recall Line"
    _order = "sequence, level, id"
    _log_access = False

    recall_id = fields.Many2one("quality.machine.recall", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", readonly=True)
    sequence = fields.Integer(readonly=True, help="In which place its kind comes.")
    kind = fields.Selection(
        KINDS,
        required=True,
        readonly=True,
        help="What it is.",
    )
    direction = fields.Selection(
        [("origin", "Begins here"), ("up", "Used for it"), ("down", "Made of it")], readonly=True, help="Of a lot."
    )
    level = fields.Integer(readonly=True, help="Steps away from where it begins.")
    lot_id = fields.Many2one(
        "stock.lot", string="Lot/Serial Number", readonly=True, ondelete="cascade", help="Which lot."
    )
    product_id = fields.Many2one("product.product", readonly=True, ondelete="cascade", help="What it is.")
    quantity = fields.Float(readonly=True, digits="Product Unit", help="In the product's unit.")
    machine_id = fields.Many2one("mrp.machine", readonly=True, ondelete="cascade", help="Where.")
    production_id = fields.Many2one(
        "mrp.production", string="Order", readonly=True, ondelete="cascade", help="On which order."
    )
    picking_id = fields.Many2one(
        "stock.picking", string="Transfer", readonly=True, ondelete="cascade", help="With which."
    )
    partner_id = fields.Many2one("res.partner", string="Customer or Vendor", readonly=True, ondelete="cascade")
    date_from = fields.Datetime("From", readonly=True, help="When.")
    date_to = fields.Datetime("To", readonly=True, help="Until when.")
    words = fields.Char("What", readonly=True, help="In words.")
    res_model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(model_field="res_model", readonly=True)
