import random

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from ..shifts import last_change, times_of_day
from .test_mrp_machine_reject import RejectCommon


class BeatCommon(RejectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"stock_beat": "pieces", "beat_pieces": 100})

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)

    def pieces(self, total, seconds, kind="good", machine=None):
        """Let a counter of a machine stand at a total from a second on."""
        machine, counters = machine or self.machine, self.__dict__.setdefault("counters", {})
        before = counters.get((machine.id, kind), 0)
        counters[machine.id, kind] = total
        return self.told(self.count(total - before, seconds=seconds, kind=kind, before=before), machine=machine)

    def open_components(self, order=None):
        moves = (order or self.order).move_raw_ids
        return moves.filtered(lambda move: move.state not in ("done", "cancel"))

    def load(self, order, machine=None, workorder=None, seconds=1000):
        workorder = order.workorder_ids[:1] if workorder is None else workorder
        self.env["mrp.machine.loading"]._load(machine or self.machine, order, workorder, self.naive(seconds))
        return order

    def order_of(self, quantity=1000, seconds=1000, **values):
        """Return an order without work orders, loaded on the press."""
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "bom_line_ids": [
                    Command.create({"product_id": self.component_a.id, "product_qty": 1}),
                    Command.create({"product_id": self.component_b.id, "product_qty": 4}),
                ],
                **values.pop("bom", {}),
            }
        )
        return self.load(
            self.make_order(quantity, bom=bom, **values), workorder=self.env["mrp.workorder"], seconds=seconds
        )


@tagged("post_install", "-at_install")
class TestStockBeat(BeatCommon):
    """What was made is in stock while its order goes on, with its components used up, at the machine's time."""

    def test_a_pallet_enters_stock_when_it_is_full(self):
        self.pieces(60, 60)
        self.assertEqual((self.in_stock(self.product), self.due().mapped("state")), (0, []))

        self.pieces(104, 120)

        self.assertEqual(
            (self.in_stock(self.product), self.order.state, self.order.qty_producing), (104, "progress", 104)
        )
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 104)
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 416)
        self.assertEqual(self.due().mapped("state"), ["posted"])
        self.assertIn("104 of", self.due().message)

    def test_counts_go_on_after_it_and_the_close_books_the_rest(self):
        for number in range(1, 6):
            self.pieces(number * 70, number * 60)
        self.assertEqual(self.in_stock(self.product), 280)
        self.pieces(361, 600)
        self.assertEqual((self.order.qty_producing, self.workorder.qty_produced), (361, 361))

        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 361, "Rivet": 1444, "Bracket": 361})
        self.assertEqual(self.in_stock(self.product), 361)
        self.assertEqual(self.ledger().by_hand, 0)

    def test_its_moves_bear_the_machines_time_and_name_their_posting(self):
        self.pieces(104, 120)
        first = (self.order.move_raw_ids | self.order.move_finished_ids).filtered(lambda move: move.state == "done")
        self.assertEqual(set(first.mapped("date")), {self.naive(120)})
        self.assertEqual(first.machine_posting_id, self.due().posting_id)
        self.assertEqual(len(first), 3)

        self.pieces(208, 300)

        self.assertEqual(set(first.mapped("date")), {self.naive(120)}, "later counts leave it")
        rest = (self.order.move_raw_ids | self.order.move_finished_ids) - first
        rest = rest.filtered(lambda move: move.state == "done")
        self.assertEqual(set(rest.mapped("date")), {self.naive(300)})
        self.assertEqual(len(self.due().posting_id), 2)

    def test_rejects_leave_stock_with_the_beat_by_one_scrap(self):
        self.pieces(95, 60)
        self.pieces(7, 90, kind="reject")

        self.assertEqual((self.in_stock(self.product), self.in_stock(self.component_a)), (95, 10_000 - 102))
        self.assertEqual(self.order.scrap_ids.mapped("scrap_qty"), [7])
        scrap = self.order.scrap_ids
        self.assertEqual((scrap.date_done, scrap.move_ids.date), (self.naive(90), self.naive(90)))
        self.assertEqual(scrap.move_ids.machine_posting_id, self.due().posting_id)

        self.pieces(9, 100, kind="reject")
        self.pieces(200, 120)
        self.assertEqual(self.order.scrap_ids.sorted("id").mapped("scrap_qty"), [7, 2])
        self.pieces(12, 140, kind="reject")
        self.close(self.order)

        self.assertEqual(self.moved(self.order), {"Sheet": 212, "Rivet": 848, "Bracket": 212, "Scrapped": 12})
        self.assertEqual(self.in_stock(self.product), 200)

    def test_events_that_come_twice_or_out_of_order_enter_stock_once(self):
        chance = random.Random(7)
        events = [self.count(10, seconds=60 + number, before=10 * number) for number in range(45)]
        events += [self.count(1, seconds=60 + number, kind="reject", before=number) for number in range(12)]
        for _round in range(3):
            chance.shuffle(events)
            for start in range(0, len(events), 7):
                self.told(*events[start : start + 7])

        self.assertEqual((self.order.qty_producing, self.order.qty_produced > 300), (462, True))
        self.assertEqual(self.in_stock(self.product), self.order.qty_produced - self.order._machine_scrapped())
        self.close(self.order)
        self.assertEqual(self.moved(self.order), {"Sheet": 462, "Rivet": 1848, "Bracket": 462, "Scrapped": 12})
        self.assertEqual(self.in_stock(self.product), 450)

    def test_a_decision_that_comes_again_finds_nothing_to_do(self):
        self.pieces(104, 120)
        self.machine._decide_stock(self.order, self.naive(130), "pieces")
        self.post_all()

        self.assertEqual(self.due().mapped("state"), ["posted", "ignored"])
        self.assertEqual(self.in_stock(self.product), 104)

    def test_from_outside_it_has_no_effect(self):
        self.pieces(60, 60)
        told = self.told(self.event("production.stock_due", 90, {"production_id": self.order.id, "rule": "pieces"}))

        self.assertEqual((self.states(told, "stock_beat"), self.in_stock(self.product)), (["ignored"], 0))

    def test_a_persons_change_is_kept_through_a_beat_and_counted_on_from(self):
        self.pieces(60, 60)
        with Form(self.order) as form:
            form.qty_producing = 55
        self.pieces(110, 90)
        self.assertEqual((self.in_stock(self.product), self.order.qty_producing), (105, 105))

        with Form(self.order) as form:
            form.qty_producing = 107
        self.pieces(120, 120)

        self.assertEqual((self.order.qty_producing, self.ledger().by_hand), (117, -3))
        self.close(self.order)
        self.assertEqual(self.moved(self.order), {"Sheet": 117, "Rivet": 468, "Bracket": 117})

    def test_a_backorder_takes_over_what_a_beat_left(self):
        self.pieces(104, 60)
        self.pieces(130, 90)
        self.order.with_context(
            skip_backorder=True, skip_consumption=True, mo_ids_to_backorder=self.order.ids
        ).button_mark_done()

        self.assertEqual((self.order.state, self.in_stock(self.product)), ("done", 130))
        rest = self.order.production_group_id.production_ids - self.order
        self.assertEqual((rest.product_qty, rest.qty_producing), (870, 0))
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 130)

    def test_a_cancelled_order_keeps_what_entered_stock_and_scraps_its_rejects(self):
        self.pieces(101, 60)
        self.pieces(3, 61, kind="reject")
        self.order.action_cancel()
        self.post_all()

        self.assertEqual((self.order.state, self.in_stock(self.product)), ("done", 98))

    # Traps of Odoo's own

    def test_trap_2_nothing_that_was_not_picked_is_cancelled(self):
        bom = self.bom.copy()
        bom.bom_line_ids.operation_id = bom.operation_ids
        order = self.load(self.make_order(1000, bom=bom))
        self.assertTrue(all(order.move_raw_ids.mapped("manual_consumption")))
        extra = self.env["product.product"].create({"name": "Glue", "is_storable": True})
        order.move_raw_ids = [
            Command.create(
                {
                    "product_id": extra.id,
                    "product_uom_qty": 0,
                    "location_id": order.location_src_id.id,
                    "location_dest_id": order.production_location_id.id,
                }
            )
        ]

        self.pieces(104, 1100)
        self.pieces(230, 1200)

        self.assertFalse(order.move_raw_ids.filtered(lambda move: move.state == "cancel"))
        self.assertEqual(self.in_stock(self.product), 230)
        self.pieces(251, 1300)
        self.close(order)
        self.assertEqual(self.moved(order), {"Sheet": 251, "Rivet": 1004, "Bracket": 251})

    def test_trap_5_the_last_beat_is_left_to_the_close(self):
        for start, order in ((1100, self.load(self.make_order(200))), (3100, self.order_of(200, seconds=3000))):
            before = self.in_stock(self.product)
            with self.subTest(workorders=len(order.workorder_ids)):
                self.told(self.count(120, seconds=start))
                self.told(self.count(80, seconds=start + 60, before=120))
                self.assertIn(order.state, ("progress", "to_close"))
                self.assertEqual(order.workorder_ids.mapped("state"), ["progress"] * len(order.workorder_ids))
                self.assertEqual(self.in_stock(self.product) - before, 120)
                self.told(self.count(15, seconds=start + 90, before=200))
                self.assertEqual((order.qty_producing, self.in_stock(self.product) - before), (215, 120))

                self.close(order)

                self.assertEqual(self.moved(order), {"Sheet": 215, "Rivet": 860, "Bracket": 215})
                self.assertEqual(self.in_stock(self.product) - before, 215)

    def test_trap_10_no_time_is_invented(self):
        self.pieces(104, 120)

        self.assertFalse(self.workorder.time_ids)
        self.assertEqual(self.workorder.duration, 0)

    def test_trap_11_what_is_left_is_reserved_again_and_follows_the_counts(self):
        self.order.action_assign()
        self.pieces(104, 120)

        rest = self.open_components()
        self.assertEqual(sorted(rest.mapped("product_uom_qty")), [896, 3584])
        self.assertEqual(sorted(rest.mapped("quantity")), [896, 3584])
        self.assertFalse(any(rest.mapped("picked")))

        self.pieces(110, 150)
        self.assertEqual(sorted(self.open_components().mapped("quantity")), [6, 24])

    def test_trap_11_closing_at_once_uses_nothing_of_what_is_reserved(self):
        for manual in (False, True):
            bom = self.bom.copy()
            if manual:
                bom.bom_line_ids.operation_id = bom.operation_ids
            for order in (self.load(self.make_order(1000, bom=bom), seconds=1000 + manual * 4000),):
                with self.subTest(manual=manual):
                    self.told(self.count(104, seconds=1100 + manual * 4000, before=manual))
                    self.close(order)
                    self.assertEqual(self.moved(order), {"Sheet": 104, "Rivet": 416, "Bracket": 104})

    def test_trap_11_closing_at_once_without_work_orders_too(self):
        order = self.order_of()
        order.move_raw_ids[0].manual_consumption = True
        self.told(self.count(104, seconds=1100))
        self.assertEqual(self.in_stock(self.product), 104)

        self.close(order)

        self.assertEqual(self.moved(order), {"Sheet": 104, "Rivet": 416, "Bracket": 104})

    def test_trap_12_no_less_can_have_been_made_than_is_in_stock(self):
        self.pieces(104, 120)
        with self.assertRaisesRegex(UserError, "104 of .* are in stock already"), Form(self.order) as form:
            form.qty_producing = 60

        self.order.invalidate_recordset()
        self.pieces(110, 150)
        self.assertEqual((self.order.qty_producing, self.in_stock(self.product)), (110, 104))

    def test_trap_2_without_stock_it_waits_and_nothing_falls_below_zero(self):
        order = self.order_of(
            bom={"bom_line_ids": [Command.create({"product_id": self.scarce(250).id, "product_qty": 2})]}
        )
        self.told(self.count(104, seconds=1100))
        self.told(self.count(110, seconds=1200, before=104))
        self.told(self.count(110, seconds=1300, before=214))

        self.assertEqual(self.in_stock(self.product), 104)
        self.assertEqual(self.due(order).mapped("state"), ["posted", "waiting"], "one that waits is enough")
        waiting = self.due(order)[-1]
        self.assertEqual(waiting.reason, "components")
        self.assertIn("178 Units of Scarce in", waiting.message)
        self.assertTrue(waiting.remedy)

        self.env["stock.quant"]._update_available_quantity(order.move_raw_ids.product_id, self.location, 1000)
        waiting.action_retry()
        self.post_all()
        self.assertEqual((self.in_stock(self.product), order.qty_producing), (324, 324))

    def scarce(self, quantity):
        product = self.env["product.product"].create({"name": "Scarce", "is_storable": True})
        self.env["stock.quant"]._update_available_quantity(product, self.location, quantity)
        return product

    def test_a_product_with_lots_waits_for_its_lot(self):
        self.product.tracking = "lot"
        order = self.load(self.make_order(1000))
        events = self.told(self.count(104, seconds=1100))
        row = self.rows(events)
        self.assertEqual((row.state, row.reason, order.qty_producing), ("waiting", "lot", 0))

        order.lot_producing_ids = self.env["stock.lot"].create({"name": "L1", "product_id": self.product.id})
        self.post_all()

        self.assertEqual(self.in_stock(self.product), 104)
        self.assertEqual(order.move_finished_ids.move_line_ids.lot_id.mapped("name"), ["L1"])

    def test_by_products_follow(self):
        chips = self.env["product.product"].create({"name": "Chips", "is_storable": True})
        bom = self.bom.copy()
        bom.byproduct_ids = [Command.create({"product_id": chips.id, "product_qty": 2})]
        order = self.load(self.make_order(1000, bom=bom))

        self.told(self.count(104, seconds=1100))
        self.assertEqual(self.in_stock(chips), 208)
        self.told(self.count(100, seconds=1200, before=104))
        self.told(self.count(20, seconds=1300, before=204))
        self.close(order)

        self.assertEqual(self.moved(order), {"Sheet": 224, "Rivet": 896, "Bracket": 224, "Chips": 448})

    def test_several_steps_enter_stock_by_what_went_through_all(self):
        bom = self.bom.copy()
        bom.operation_ids = [Command.create({"name": "Drill", "workcenter_id": self.idle_machine.workcenter_id.id})]
        order = self.make_order(1000, bom=bom)
        press, drill = order.workorder_ids
        self.load(order, workorder=press)
        self.load(order, machine=self.idle_machine, workorder=drill)
        self.idle_machine.write({"stock_beat": "pieces", "beat_pieces": 100})

        self.told(self.count(150, seconds=1100), self.count(10, seconds=1100, kind="reject"))
        self.assertEqual((order.qty_producing, self.in_stock(self.product)), (10, 0))
        self.told(self.count(95, seconds=1200), machine=self.idle_machine)
        self.assertEqual((order.qty_producing, self.in_stock(self.product)), (105, 95))
        self.told(self.count(20, seconds=1300, before=95), machine=self.idle_machine)
        self.assertEqual((drill.qty_produced, order.qty_producing, order.qty_produced), (115, 125, 105))
        self.told(self.count(35, seconds=1400, before=115), machine=self.idle_machine)
        self.close(order)

        self.assertEqual(self.moved(order), {"Sheet": 160, "Rivet": 640, "Bracket": 160, "Scrapped": 10})
        self.assertEqual(self.in_stock(self.product), 150)

    # By the clock

    def test_by_minutes_since_the_last_pieces_entered_stock(self):
        self.machine.write({"stock_beat": "minutes", "beat_minutes": 10})
        self.pieces(5, 60)
        self.pieces(20, 300)
        self.assertEqual(self.in_stock(self.product), 0)
        self.pieces(30, 700)
        self.assertEqual(self.in_stock(self.product), 30)
        self.pieces(40, 1200)
        self.assertEqual(self.in_stock(self.product), 30)

        self.env["mrp.machine"]._cron_beat()
        self.post_all()

        self.assertEqual(self.in_stock(self.product), 40, "nothing came any more, and the time is over")
        last = self.order.move_finished_ids.filtered(lambda move: move.state == "done").sorted("id")[-1]
        self.assertEqual(last.date, self.naive(1200), "they were made by then")
        self.env["mrp.machine"]._cron_beat()
        self.assertEqual(len(self.due()), 2, "nothing is due any more")

    def test_at_the_end_of_a_shift(self):
        self.workcenter.tz = "Europe/Berlin"
        self.machine.write({"stock_beat": "shift", "beat_shifts": "06:00, 14:00, 22:00"})
        # The tests' day begins at 07:00 in Berlin; the shift ends seven hours later.
        self.pieces(50, 6 * 3600)
        self.assertEqual(self.in_stock(self.product), 0)
        self.pieces(60, 7 * 3600 + 60)
        self.assertEqual(self.in_stock(self.product), 60)
        self.pieces(70, 7 * 3600 + 120)
        self.assertEqual(self.in_stock(self.product), 60)

    def test_when_shifts_end(self):
        self.assertEqual([at.hour for at in times_of_day("22:00,06:00")], [6, 22])
        for text in ("", "6", "25:00", "06:00;14:00", "06:00,"):
            with self.subTest(text), self.assertRaises(ValueError):
                times_of_day(text)
        for moment, change in (
            # The night in which Berlin's clocks go from 02:00 to 03:00, and that in which they go back from 03:00.
            ("2026-03-29 04:30:00", "2026-03-29 04:00:00"),
            ("2026-03-29 03:59:00", "2026-03-28 21:00:00"),
            ("2026-10-25 05:30:00", "2026-10-25 05:00:00"),
            ("2026-10-25 04:59:00", "2026-10-24 20:00:00"),
        ):
            with self.subTest(moment=moment):
                at = fields.Datetime.to_datetime(moment)
                found = last_change("06:00, 22:00", "Europe/Berlin", at)
                self.assertEqual(fields.Datetime.to_string(found), change)

    def test_a_beat_that_cannot_be_is_refused_with_words(self):
        for values in (
            {"stock_beat": "pieces", "beat_pieces": 0},
            {"stock_beat": "minutes", "beat_minutes": -1},
            {"stock_beat": "shift", "beat_shifts": "noon"},
        ):
            with self.subTest(values), self.assertRaises(ValidationError):
                self.machine.write(values)


@tagged("post_install", "-at_install")
class TestStockBeatInWarehouses(BeatCommon):
    """Components are taken from beside the machine and goods are put beside it, where a warehouse works in two or three steps."""

    def order_in(self, steps):
        warehouse = self.env["stock.warehouse"].create(
            {"name": f"Plant {steps}", "code": steps[-3:].upper(), "manufacture_steps": steps}
        )
        for component in (self.component_a, self.component_b):
            self.env["stock.quant"]._update_available_quantity(component, warehouse.lot_stock_id, 5000)
        order = self.make_order(1000, picking_type_id=warehouse.manu_type_id.id)
        return warehouse, self.load(order)

    def transfer(self, picking):
        picking.action_assign()
        picking.move_ids.picked = True
        picking.button_validate()
        self.assertEqual(picking.state, "done")

    def test_in_two_steps_it_waits_for_the_components(self):
        warehouse, order = self.order_in("pbm")
        self.told(self.count(104, seconds=1100))

        self.assertEqual((self.due(order).state, self.due(order).reason), ("waiting", "components"))
        self.assertIn(f"Transfer {order.picking_ids.name} is to bring it", self.due(order).message)
        self.assertEqual(self.in_stock(self.component_a, warehouse.pbm_loc_id), 0)

        self.transfer(order.picking_ids)
        self.due(order).action_retry()
        self.post_all()

        self.assertEqual(self.in_stock(self.product, warehouse.lot_stock_id), 104)
        self.assertEqual(self.in_stock(self.component_a, warehouse.pbm_loc_id), 896)
        self.assertEqual(self.in_stock(self.component_b, warehouse.pbm_loc_id), 4000 - 416)
        self.told(self.count(46, seconds=1200, before=104))
        self.close(order)
        self.assertEqual(self.in_stock(self.product, warehouse.lot_stock_id), 150)
        self.assertEqual(self.in_stock(self.component_a, warehouse.pbm_loc_id), 850)

    def test_in_three_steps_goods_lie_beside_the_machine_and_rejects_leave_from_there(self):
        warehouse, order = self.order_in("pbm_sam")
        before = order.picking_ids.filtered(lambda picking: picking.location_dest_id == warehouse.pbm_loc_id)
        self.transfer(before)

        self.told(self.count(99, seconds=1100), self.count(5, seconds=1100, kind="reject"))

        self.assertEqual(self.in_stock(self.product, warehouse.sam_loc_id), 99)
        self.assertEqual(self.in_stock(self.product, warehouse.lot_stock_id), 0)
        self.assertEqual(order.scrap_ids.location_id, warehouse.sam_loc_id)
        self.told(self.count(41, seconds=1200, before=99), self.count(2, seconds=1200, kind="reject", before=5))
        self.close(order)
        self.assertEqual(self.in_stock(self.product, warehouse.sam_loc_id), 140)
        self.assertEqual(self.moved(order), {"Sheet": 147, "Rivet": 588, "Bracket": 147, "Scrapped": 7})
        store = order.picking_ids.filtered(lambda picking: picking.location_id == warehouse.sam_loc_id)
        self.assertEqual(sum(store.move_ids.mapped("quantity")), 140, "what is good is reserved to be stored")

    def test_in_one_step_from_and_to_stock(self):
        warehouse, order = self.order_in("mrp_one_step")
        self.told(self.count(99, seconds=1100), self.count(5, seconds=1100, kind="reject"))

        self.assertEqual(self.in_stock(self.product, warehouse.lot_stock_id), 99)
        self.assertEqual(self.in_stock(self.component_a, warehouse.lot_stock_id), 5000 - 104)
        self.assertEqual(order.scrap_ids.location_id, warehouse.lot_stock_id)
