"""Is all that is connected with a lot, or a machine's time, found; and how fast?"""

import base64
import csv
import io
import logging
import random
from collections import defaultdict

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import QualityCommon

_logger = logging.getLogger(__name__)


@tagged("post_install", "-at_install")
class TestQualityRecall(QualityCommon):
    def trace(self, user="inspector", **values):
        recall = self.env["quality.machine.recall"].with_user(self.users[user]).create(values)
        recall.action_trace()
        return recall

    def found(self, recall, kind, **values):
        return recall.line_ids.filtered(
            lambda line: line.kind == kind and all(line[name] == value for name, value in values.items())
        )

    def make(self, product, component, lots, name, quantity=10):
        """Make a lot of a product of some lots of a component, as people do it in Odoo."""
        bom = self.make_tracked_bom(product, component)
        order = self.make_order(quantity, bom=bom)
        made = self.env["stock.lot"].create({"name": name, "product_id": product.id})
        order.lot_producing_ids = made
        order.qty_producing = quantity
        raw = order.move_raw_ids
        raw.move_line_ids.unlink()
        raw.move_line_ids = [
            Command.create(
                {
                    "product_id": component.id,
                    "lot_id": lot.id,
                    "quantity": quantity / len(lots),
                    "picked": True,
                    "location_id": self.location.id,
                    "location_dest_id": raw.location_dest_id.id,
                }
            )
            for lot in lots
        ]
        raw.picked = True
        order.with_context(skip_consumption=True, skip_backorder=True).button_mark_done()
        self.assertEqual(order.state, "done")
        return made, order

    def deliver(self, lot, quantity, partner):
        picking = self.transfer(quantity, product=lot.product_id)
        picking.partner_id = partner
        picking.move_ids.partner_id = partner
        picking.move_ids.move_line_ids.unlink()
        picking.move_ids.move_line_ids = [
            Command.create(
                {
                    "product_id": lot.product_id.id,
                    "lot_id": lot.id,
                    "quantity": quantity,
                    "picked": True,
                    "location_id": self.location.id,
                    "location_dest_id": self.customers.id,
                    "picking_id": picking.id,
                }
            )
        ]
        picking._action_done()
        self.assertEqual(picking.state, "done")
        return picking

    def small_plant(self):
        """Steel S1 and S2 become frames F1 (of both) and F2 (of S2); F1 becomes doors D1, D2; a customer has some of D1."""
        new = {"is_storable": True, "tracking": "lot"}
        steel, frame, door = self.env["product.product"].create(
            [{"name": name, **new} for name in ("Steel", "Frame", "Door")]
        )
        s1, s2 = self.make_lot("S1", 100, product=steel), self.make_lot("S2", 100, product=steel)
        f1, f1_order = self.make(frame, steel, s1 | s2, "F1", 20)
        f2, _order = self.make(frame, steel, s2, "F2", 20)
        d1, d1_order = self.make(door, frame, f1, "D1", 8)
        d2, _order = self.make(door, frame, f1, "D2", 8)
        partner = self.env["res.partner"].create({"name": "Hotel"})
        picking = self.deliver(d1, 3, partner)
        return locals()

    def test_a_lot_up_and_down(self):
        plant = self.small_plant()
        recall = self.trace(lot_id=plant["s1"].id)
        lots = {line.lot_id: (line.direction, line.level) for line in self.found(recall, "lot")}
        self.assertEqual(
            lots,
            {plant["s1"]: ("origin", 0), plant["f1"]: ("down", 1), plant["d1"]: ("down", 2), plant["d2"]: ("down", 2)},
        )
        delivery = self.found(recall, "delivery")
        self.assertEqual((delivery.lot_id, delivery.quantity), (plant["d1"], 3))
        self.assertEqual((delivery.partner_id, delivery.picking_id), (plant["partner"], plant["picking"]))
        # What lies in stock of S1 (90), F1 (4), D1 (5) and D2 (8).
        self.assertEqual((recall.in_stock, recall.delivered, recall.partner_count), (90 + 4 + 5 + 8, 3, 1))
        self.assertIn(plant["f1_order"], self.found(recall, "order").production_id)
        self.assertGreater(recall.seconds, 0)
        self.assertEqual((recall.state, recall.traced_by), ("traced", self.users["inspector"]))

    def test_a_lot_at_the_end_leads_back_to_all_that_is_in_it(self):
        plant = self.small_plant()
        recall = self.trace(lot_id=plant["d1"].id)
        lots = {line.lot_id: (line.direction, line.level) for line in self.found(recall, "lot")}
        self.assertEqual(
            lots, {plant["d1"]: ("origin", 0), plant["f1"]: ("up", 1), plant["s1"]: ("up", 2), plant["s2"]: ("up", 2)}
        )

    def test_a_circle_ends(self):
        """A lot that is reworked into itself."""
        plant = self.small_plant()
        lines = self.env["stock.move.line"].search(
            [("lot_id", "in", (plant["d1"].id, plant["f1"].id)), ("state", "=", "done")]
        )
        made = lines.filtered(lambda line: line.lot_id == plant["f1"] and line.location_id.usage == "production")
        used = lines.filtered(lambda line: line.lot_id == plant["d1"] and line.location_dest_id.usage == "customer")
        made.consume_line_ids = [Command.link(used.id)]
        recall = self.trace(lot_id=plant["f1"].id)
        self.assertEqual(self.found(recall, "lot", direction="down").lot_id, plant["d1"] | plant["d2"])

    def test_what_the_machine_says_of_the_lots(self):
        plant = self.small_plant()
        rows = self.env["mrp.machine.lot"].sudo()
        rows.create(
            {
                "machine_id": self.machine.id,
                "production_id": plant["f1_order"].id,
                "lot_id": plant["f1"].id,
                "told": "F1",
                "date_start": self.at(100).replace(tzinfo=None),
                "date_end": self.at(500).replace(tzinfo=None),
                "source": "machine",
                "quantity": 20,
            }
        )
        people = self.env["mrp.machine.operator"].sudo()
        for name, start, end in (("early", 0, 90), ("there", 90, 300), ("next", 300, 600), ("late", 600, 700)):
            people.create(
                {
                    "machine_id": self.machine.id,
                    "name": name,
                    "date_start": self.at(start).replace(tzinfo=None),
                    "date_end": self.at(end).replace(tzinfo=None),
                }
            )
        self.receive(
            self.machine,
            *[
                self.event("alarm.raised", second, {"code": f"A{second}", "text": "hot"})
                for second in (40, 50, 200, 600)
            ],
            self.event("alarm.cleared", 60, {"code": "A50"}),
            *[
                self.event(
                    "process.summary",
                    second,
                    {
                        "n": 5,
                        "start": "x",
                        "end": "y",
                        "signal": "temperature",
                        "min": 1,
                        "max": second,
                        "avg": 3,
                        "last": 2,
                    },
                )
                for second in (150, 700)
            ],
        )
        self.receive(self.idle_machine, self.event("alarm.raised", 200, {"code": "elsewhere"}))
        self.post()
        check = self.env["quality.machine.check"].create(
            {
                "title": "Surface",
                "machine_id": self.machine.id,
                "product_id": plant["f1"].product_id.id,
                "lot_id": plant["f1"].id,
            }
        )
        check.action_fail()
        recall = self.trace(lot_id=plant["s1"].id)
        self.assertEqual(self.found(recall, "machine").mapped("machine_id"), self.machine)
        self.assertEqual(self.found(recall, "operator").mapped("words"), ["there", "next"])
        # One that stood already alarmed meanwhile as well; one that was over before did not.
        self.assertEqual(sorted(self.found(recall, "alarm").mapped("words")), ["A200 hot", "A40 hot"])
        self.assertEqual(len(self.found(recall, "value")), 1)
        self.assertIn("max 150", self.found(recall, "value").words)
        self.assertEqual(self.found(recall, "check").mapped("res_id"), check.ids)
        self.assertEqual(self.found(recall, "hold").mapped("res_id"), check.hold_ids.ids)
        self.assertEqual(self.found(recall, "check").words, f"{check.name} {check.title} (Failed)")

    def test_a_machines_time(self):
        plant = self.small_plant()
        rows = self.env["mrp.machine.lot"].sudo()
        for lot, start, end in ((plant["f1"], 100, 500), (plant["f2"], 500, 900)):
            rows.create(
                {
                    "machine_id": self.machine.id,
                    "lot_id": lot.id,
                    "told": lot.name,
                    "date_start": self.at(start).replace(tzinfo=None),
                    "date_end": self.at(end).replace(tzinfo=None),
                    "source": "machine",
                }
            )
        window = {"machine_id": self.machine.id, "date_start": self.at(0).replace(tzinfo=None)}
        recall = self.trace(**window, date_end=self.at(300).replace(tzinfo=None))
        self.assertEqual(self.found(recall, "lot", direction="origin").lot_id, plant["f1"])
        self.assertEqual(self.found(recall, "lot", direction="down").lot_id, plant["d1"] | plant["d2"])
        recall = self.trace(**window, date_end=self.at(600).replace(tzinfo=None))
        self.assertEqual(self.found(recall, "lot", direction="origin").lot_id, plant["f1"] | plant["f2"])

    def test_a_component_without_a_lot_is_named(self):
        plant = self.small_plant()
        order = plant["d1_order"]
        rivet = self.component_b
        move = self.env["stock.move"].create(
            {
                "product_id": rivet.id,
                "product_uom_qty": 4,
                "location_id": self.location.id,
                "location_dest_id": order.production_location_id.id,
                "raw_material_production_id": order.id,
                "quantity": 4,
                "picked": True,
            }
        )
        move._action_done()
        recall = self.trace(lot_id=plant["d1"].id)
        self.assertEqual(self.found(recall, "component", product_id=rivet).mapped("quantity"), [4])

    def test_all_of_it_is_held_with_one_button(self):
        plant = self.small_plant()
        recall = self.trace(lot_id=plant["s1"].id, reason="steel is soft", is_drill=False)
        recall.action_hold()
        self.assertEqual(
            [plant[name].quality_held for name in ("s1", "s2", "f1", "f2", "d1", "d2")],
            [True, False, True, False, True, True],
        )
        self.assertIn("steel is soft", plant["d2"].quality_hold_ids.reason)

    def test_printed_and_exported(self):
        plant = self.small_plant()
        plant["d1"].name = "=cmd|' /C calc'!A0"
        recall = self.trace(lot_id=plant["s1"].id)
        html = (
            self.env["ir.actions.report"]
            ._render_qweb_html("quality_machine_event.report_recall", recall.ids)[0]
            .decode()
        )
        self.assertIn("Hotel", html)
        self.assertIn(recall.name, html)
        action = recall.action_export()
        attachment = self.env["ir.attachment"].browse(int(action["url"].split("/")[3].split("?")[0]))
        text = base64.b64decode(attachment.datas).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        self.assertEqual(len(rows), 1 + len(recall.line_ids))
        self.assertFalse([cell for row in rows for cell in row if cell.startswith("=")])
        self.assertTrue([cell for row in rows for cell in row if "Hotel" in cell])

    def test_twice_is_as_it_is_now(self):
        plant = self.small_plant()
        recall = self.trace(lot_id=plant["s1"].id)
        count = len(recall.line_ids)
        recall.action_trace()
        self.assertEqual(len(recall.line_ids), count)
        self.deliver(plant["d2"], 2, plant["partner"])
        recall.action_trace()
        self.assertEqual(recall.delivered, 5)

    def test_where_it_begins_is_one_thing(self):
        for values in (
            {},
            {"lot_id": self.lot.id, "machine_id": self.machine.id},
            {"machine_id": self.machine.id},
            {"machine_id": self.machine.id, "date_start": "2026-01-02 00:00:00", "date_end": "2026-01-01 00:00:00"},
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.env["quality.machine.recall"].create(values)

    @mute_logger("odoo.addons.base.models.ir_model")
    def test_an_operator_does_not_trace(self):
        recall = self.trace(lot_id=self.lot.id)
        with self.assertRaises(AccessError):
            recall.with_user(self.users["operator"]).action_trace()
        with self.assertRaises(UserError):
            self.env["quality.machine.recall"].create({"lot_id": self.lot.id}).action_hold()

    def test_another_company_is_not_traced(self):
        plant = self.small_plant()
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        recall = self.trace(lot_id=plant["s1"].id)
        self.env.cr.execute(
            "UPDATE quality_machine_recall SET company_id = %s WHERE id = %s", [elsewhere.id, recall.id]
        )
        recall.invalidate_recordset()
        recall.sudo()._trace()
        self.assertEqual(self.found(recall.sudo(), "lot").mapped("direction"), ["origin"])
        self.assertFalse(self.found(recall.sudo(), "delivery") | self.found(recall.sudo(), "stock"))

    # A hundred thousand moves

    LEVELS, LOTS, BEATS, PARTS = 5, 400, 12, 3
    DELIVERIES, RECEIPTS, CUSTOMERS = 40, 18, 60

    def big_plant(self):
        """Lay out 2,000 lots on five levels in 100,000 moves, and return who was made of whom, as it was drawn.

        The rows are those of a move that Odoo made itself, changed in what tells them apart; what is returned comes of the
        dice alone, and not of the database.
        """
        dice, cr = random.Random(20260302), self.env.cr
        products = self.env["product.product"].create(
            [{"name": f"Level {level}", "is_storable": True, "tracking": "lot"} for level in range(self.LEVELS)]
        )
        lots = [
            self.env["stock.lot"]
            .create([{"name": f"{level}-{number}", "product_id": product.id} for number in range(self.LOTS)])
            .ids
            for level, product in enumerate(products)
        ]
        partners = self.env["res.partner"].create([{"name": f"Customer {n}"} for n in range(self.CUSTOMERS)]).ids
        pattern = self.transfer(1, product=self.component_a)
        pattern.action_assign()
        pattern.move_ids.picked = True
        pattern._action_done()
        self.env.flush_all()
        move, line = pattern.move_ids.id, pattern.move_ids.move_line_ids.id
        production = self.order.production_location_id.id
        stock, customers, suppliers = (
            self.location.id,
            self.customers.id,
            self.env.ref("stock.stock_location_suppliers").id,
        )
        cr.execute("SELECT max(id) FROM stock_move_line")
        first, rows, links = cr.fetchone()[0] + 1000, [], []
        made_of, delivered = defaultdict(set), defaultdict(lambda: defaultdict(int))

        def moved(lot, level, source, destination, quantity, partner=None):
            rows.append((first + len(rows), lot, products[level].id, source, destination, quantity, partner))
            return rows[-1][0]

        for lot in lots[0]:
            for _time in range(self.RECEIPTS):
                moved(lot, 0, suppliers, stock, 10, dice.choice(partners))
        for level in range(1, self.LEVELS):
            for place, lot in enumerate(lots[level]):
                # Of near neighbours mostly, as plants do it, so that a recall is of a part of the plant.
                near = [lots[level - 1][(place + step) % self.LOTS] for step in range(-4, 5)]
                for beat in range(self.BEATS):
                    finished = moved(lot, level, production, stock, 5)
                    for used in dice.sample(near, self.PARTS) if beat else near[:3]:
                        made_of[lot].add(used)
                        links.append((finished, moved(used, level - 1, stock, production, 2)))
        for lot in lots[-1]:
            for _time in range(self.DELIVERIES):
                partner = dice.choice(partners)
                delivered[lot][partner] += 1
                moved(lot, self.LEVELS - 1, stock, customers, 1, partner)
        cr.execute(
            "CREATE TEMP TABLE drawn (id int, lot int, product int, source int, target int, quantity numeric, partner int) ON COMMIT DROP"
        )
        cr.execute_values("INSERT INTO drawn VALUES %s", rows, page_size=10_000)
        for table, pattern_id, values in (
            (
                "stock_move",
                move,
                "'id', drawn.id, 'partner_id', drawn.partner, 'picking_id', NULL, 'picking_type_id', NULL, "
                "'warehouse_id', NULL, 'product_uom_qty', drawn.quantity, "
                "'product_qty', drawn.quantity, 'quantity', drawn.quantity",
            ),
            (
                "stock_move_line",
                line,
                "'id', drawn.id, 'move_id', drawn.id, 'picking_id', NULL, 'lot_id', drawn.lot, 'quantity', drawn.quantity, "
                "'quantity_product_uom', drawn.quantity",
            ),
        ):
            cr.execute(
                f"""INSERT INTO {table}
                    SELECT made.* FROM {table} pattern CROSS JOIN drawn
                     CROSS JOIN LATERAL jsonb_populate_record(pattern, jsonb_build_object(
                               'create_uid', NULL, 'write_uid', NULL, 'product_id', drawn.product,
                               'location_id', drawn.source, 'location_dest_id', drawn.target, {values})) made
                     WHERE pattern.id = %s""",
                [pattern_id],
            )
        cr.execute_values(
            "INSERT INTO stock_move_line_consume_rel (consume_line_id, produce_line_id) VALUES %s",
            links,
            page_size=10_000,
        )
        cr.execute("ANALYZE stock_move; ANALYZE stock_move_line; ANALYZE stock_move_line_consume_rel")
        self.env.invalidate_all()
        return lots, made_of, delivered, len(rows)

    @staticmethod
    def closure(edges, begin):
        """Return all that can be reached, by edges as a dict of sets: an oracle without a database."""
        reached, border = set(), {begin}
        while border:
            border = {after for node in border for after in edges.get(node, ())} - reached - {begin}
            reached |= border
        return reached

    def test_a_hundred_thousand_moves(self):
        lots, made_of, delivered, moves = self.big_plant()
        self.assertGreaterEqual(moves, 100_000)
        self.assertEqual(sum(map(len, lots)), 2_000)
        made_into = defaultdict(set)
        for made, used in made_of.items():
            for one in used:
                made_into[one].add(made)

        for lot in (lots[0][7], lots[2][200], lots[4][399]):
            with self.subTest(lot=lot):
                down, up = self.closure(made_into, lot), self.closure(made_of, lot)
                customers = defaultdict(int)
                for one in down | {lot}:
                    for partner, quantity in delivered.get(one, {}).items():
                        customers[partner] += quantity
                recall = self.trace(lot_id=lot)

                self.assertEqual(set(self.found(recall, "lot", direction="down").lot_id.ids), down)
                self.assertEqual(set(self.found(recall, "lot", direction="up").lot_id.ids), up)
                found = defaultdict(int)
                for line in self.found(recall, "delivery"):
                    found[line.partner_id.id] += line.quantity
                self.assertEqual(dict(found), dict(customers))
                self.assertEqual((recall.partner_count, recall.delivered), (len(customers), sum(customers.values())))
                self.assertLess(recall.seconds, 5.0)
                _logger.info(
                    "recall of %s lots, %s lines in %.2f s", recall.lot_count, len(recall.line_ids), recall.seconds
                )
