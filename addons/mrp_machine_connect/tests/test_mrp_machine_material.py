import random

from odoo import fields
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .test_mrp_machine_consumption import ConsumptionCommon


class MaterialCommon(ConsumptionCommon):
    """The press uses coils, which are tracked by lot: one of them a bracket; and four rivets, which are not."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"consumption_way": "lot", "stock_beat": "close"})
        cls.coil = cls.env["product.product"].create(
            {"name": "Coil", "default_code": "COIL", "is_storable": True, "tracking": "lot"}
        )
        cls.lots = cls.env["stock.lot"].create(
            [{"name": name, "product_id": cls.coil.id} for name in ("C1", "C2", "C3")]
        )
        for lot in cls.lots:
            cls.env["stock.quant"]._update_available_quantity(cls.coil, cls.location, 500, lot_id=lot)
        cls.coil_bom = cls.env["mrp.bom"].create(
            {
                "product_tmpl_id": cls.product.product_tmpl_id.id,
                "bom_line_ids": [
                    Command.create({"product_id": cls.coil.id, "product_qty": 2}),
                    Command.create({"product_id": cls.component_b.id, "product_qty": 4}),
                ],
            }
        )
        cls.order = cls.make_order(400, bom=cls.coil_bom)
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.order, cls.env["mrp.workorder"], cls.T(1000))

    @classmethod
    def T(cls, seconds):
        return cls.at(cls, seconds).replace(tzinfo=None)

    def loaded(self, lot, seconds, **data):
        return self.event("material.loaded", seconds, {"lot": lot, **data})

    def taken_off(self, lot, seconds, **data):
        return self.event("material.unloaded", seconds, {"lot": lot, **data})

    def lots_used(self, order=None):
        """Return how much of each lot of coil an order really used."""
        found = {}
        for line in self.raw(self.coil, order).filtered(lambda move: move.state == "done").move_line_ids:
            if line.quantity:
                found[line.lot_id.name] = found.get(line.lot_id.name, 0.0) + line.quantity
        return found

    def left(self, name):
        lot = self.lots.filtered(lambda lot: lot.name == name)
        quants = self.env["stock.quant"].search(
            [("lot_id", "=", lot.id), ("location_id", "child_of", self.location.id)]
        )
        self.assertFalse(quants.filtered(lambda quant: quant.quantity < 0), "there is never less than nothing")
        return sum(quants.mapped("quantity"))

    def count_from(self, before, pieces, seconds, **data):
        return self.count(pieces, seconds=seconds, before=before, **data)


@tagged("post_install", "-at_install")
class TestMaterial(MaterialCommon):
    """Pieces are made of the lot that was on the machine when they were made."""

    def test_each_piece_takes_its_components_of_the_lot_that_was_there(self):
        self.told(
            self.loaded("C2", 1000),
            self.count_from(0, 60, 1060),
            self.loaded("C1", 1100),
            self.count_from(60, 40, 1160),
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C2": 120, "C1": 80})
        self.assertEqual((self.left("C1"), self.left("C2"), self.left("C3")), (420, 380, 500))
        self.assertEqual(self.exceptions(), [])

    def test_a_lot_change_between_two_beats_and_within_one(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.loaded("C1", 1000), self.count_from(0, 100, 1060))
        self.assertEqual(self.lots_used(), {"C1": 200})
        self.told(self.loaded("C2", 1100))
        self.told(self.count_from(100, 70, 1160))
        self.told(self.loaded("C3", 1200))
        self.told(self.count_from(170, 30, 1260))
        self.assertEqual(self.lots_used(), {"C1": 200, "C2": 140, "C3": 60})
        self.told(self.count_from(200, 10, 1300))
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C1": 200, "C2": 140, "C3": 80})
        self.assertEqual(self.moved(self.order), {"Coil": 420, "Rivet": 840, "Bracket": 210})
        self.assertEqual(self.in_stock(self.coil), 1500 - 420)

    def test_each_part_that_entered_stock_keeps_what_it_was_made_of(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.loaded("C1", 1000), self.count_from(0, 100, 1060))
        self.told(self.loaded("C2", 1100), self.count_from(100, 100, 1160))
        self.told(self.loaded("C3", 1200), self.count_from(200, 50, 1260))
        self.close(self.order)

        made = self.order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids.sorted("id")
        self.assertEqual(
            [line.consume_line_ids.filtered("lot_id").lot_id.mapped("name") for line in made], [["C1"], ["C2"], ["C3"]]
        )
        for line in self.raw(self.coil).filtered(lambda move: move.state == "done").move_line_ids:
            self.assertEqual(len(line.produce_line_ids), 1)

    def order_of_two_steps(self):
        """Return an order whose coil the press takes, and whose parts enter stock when 50 of them are packed."""
        bom = self.coil_bom.copy()
        bom.operation_ids = [
            Command.create({"name": name, "workcenter_id": machine.workcenter_id.id})
            for name, machine in (("Press", self.machine), ("Pack", self.idle_machine))
        ]
        bom.bom_line_ids.filtered(lambda line: line.product_id == self.coil).operation_id = bom.operation_ids[0]
        order = self.make_order(400, bom=bom)
        for machine, step in zip((self.machine, self.idle_machine), order.workorder_ids, strict=True):
            self.load(order, machine=machine, workorder=step, seconds=3000)
        self.idle_machine.write({"stock_beat": "pieces", "beat_pieces": 50})
        return order

    def test_a_part_takes_its_own_lots_where_the_step_that_takes_them_is_ahead(self):
        order = self.order_of_two_steps()
        self.told(self.loaded("C1", 3000), self.count_from(0, 50, 3060))
        self.told(self.loaded("C2", 3100), self.count_from(50, 30, 3160))
        self.told(self.count_from(0, 50, 3170), machine=self.idle_machine)

        self.assertEqual(self.lots_used(order), {"C1": 100})

        self.told(self.count_from(50, 30, 3260), machine=self.idle_machine)
        self.close(order)
        self.assertEqual(self.lots_used(order), {"C1": 100, "C2": 60})

    def test_net_a_part_whose_pieces_come_late_to_the_step_before_is_put_right_by_what_follows(self):
        order = self.order_of_two_steps()
        self.idle_machine.reject_booking = "net"
        self.told(self.loaded("C1", 3000), self.count_from(0, 50, 3060), self.loaded("C2", 3100))
        rejects = self.count_from(0, 10, 3160, kind="reject")
        self.told(rejects, self.count_from(0, 50, 3170), machine=self.idle_machine)
        self.assertEqual(self.lots_used(order), {"C1": 120}, "of the rejects the press has said nothing yet")

        self.told(self.count_from(50, 20, 3150))
        self.told(self.count_from(50, 10, 3260), machine=self.idle_machine)
        self.close(order)

        self.assertEqual((self.lots_used(order), self.exceptions()), ({"C1": 100, "C2": 40}, []))

    def test_without_a_lot_nothing_enters_stock_and_words_say_so(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.count_from(0, 40, 1060), self.loaded("C1", 1100), self.count_from(40, 60, 1160))

        row = self.due()
        self.assertEqual((row.state, row.reason), ("waiting", "component_lot"))
        self.assertIn("40", row.message)
        self.assertIn("Coil", row.message)
        self.assertTrue(row.remedy)
        self.assertEqual((self.in_stock(self.product), self.order.qty_producing), (0, 100))

        # A person says that it was there from the start.
        self.machine._tell_material("loaded", self.lots[2], self.naive(1000))
        self.post_all()

        self.assertEqual((row.state, self.lots_used()), ("posted", {"C3": 80, "C1": 120}))

    def test_a_person_cannot_close_it_without_and_is_told_why(self):
        self.told(self.count_from(0, 40, 1060))
        with self.assertRaisesRegex(UserError, "no lot of .*Coil"):
            self.order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()

    def test_what_a_person_entered_on_the_order_is_taken(self):
        self.told(self.count_from(0, 40, 1060))
        move = self.raw(self.coil)
        move.with_context(force_manual_consumption=True).write(
            {
                "move_line_ids": [
                    *[Command.delete(line.id) for line in move.move_line_ids],
                    Command.create(
                        {
                            "product_id": self.coil.id,
                            "lot_id": self.lots[1].id,
                            "quantity": 80,
                            "location_id": self.location.id,
                            "location_dest_id": move.location_dest_id.id,
                            "picked": True,
                        }
                    ),
                ],
                "manual_consumption": True,
            }
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C2": 80})

    def test_by_the_bill_of_materials_odoos_reservation_holds_where_no_lot_was_told(self):
        self.machine.consumption_way = "bom"
        self.told(self.count_from(0, 40, 1060))
        self.close(self.order)

        self.assertEqual(sum(self.lots_used().values()), 80)

    def test_by_the_bill_of_materials_a_lot_that_was_told_is_taken(self):
        self.machine.consumption_way = "bom"
        self.told(self.loaded("C3", 1000), self.count_from(0, 40, 1060))
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C3": 80})

    def test_a_lot_that_comes_late_puts_right_what_is_in_stock(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.loaded("C1", 1000), self.count_from(0, 50, 1060), self.count_from(50, 50, 1160))
        self.assertEqual(self.lots_used(), {"C1": 200})

        self.told(self.loaded("C2", 1100))

        self.assertEqual(self.lots_used(), {"C1": 100, "C2": 100})
        self.assertEqual((self.left("C1"), self.left("C2")), (400, 400))
        made = self.order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
        self.assertEqual(set(made.consume_line_ids.lot_id.mapped("name")), {"C1", "C2"})
        self.assertEqual(
            set(self.raw(self.coil).filtered(lambda move: move.state == "done").mapped("date")), {self.naive(1160)}
        )

    def test_net_a_lot_that_comes_late_is_of_the_pieces_of_the_part_and_not_of_later_rejects(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100, "reject_booking": "net"})
        self.told(self.loaded("C1", 1000), self.count_from(0, 60, 1060), self.count_from(60, 40, 1080))
        self.told(self.count_from(0, 20, 1090, kind="reject"))
        self.assertEqual(self.lots_used(), {"C1": 200})

        self.told(self.loaded("C2", 1070))

        self.assertEqual(self.lots_used(), {"C1": 120, "C2": 80})

    def test_a_part_for_which_nothing_was_used_any_more_is_of_what_the_part_before_took(self):
        self.machine.write({"consumption_way": "signal", "stock_beat": "pieces", "beat_pieces": 50})
        self.coil_bom.consumption = "flexible"
        order = self.make_order(400, bom=self.coil_bom)
        self.load(order, workorder=self.env["mrp.workorder"], seconds=3000)
        self.told(self.event("material.consumed", 3050, {"qty": 150, "lot": "C1"}), self.count_from(0, 50, 3060))
        self.told(self.count_from(50, 20, 3160))
        self.close(order)

        self.assertEqual(self.lots_used(order), {"C1": 150})
        made = order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
        self.assertEqual(
            [(line.quantity, line.consume_line_ids.lot_id.mapped("name")) for line in made.sorted("id")],
            [(50, ["C1"]), (20, ["C1"])],
        )

    def test_a_lot_that_comes_after_the_close_puts_right_what_was_used(self):
        self.told(self.loaded("C1", 1000), self.count_from(0, 100, 1060))
        self.close(self.order)
        self.told(self.loaded("C3", 1010))

        self.assertEqual((self.lots_used(), self.exceptions()), ({"C3": 200}, []))
        self.assertEqual((self.left("C1"), self.left("C3")), (500, 300))
        made = self.order.move_finished_ids.move_line_ids
        self.assertEqual(made.consume_line_ids.filtered("lot_id").lot_id.mapped("name"), ["C3"])

    def test_loaded_again_is_no_news_and_more_of_it_is_more(self):
        told = self.told(self.loaded("C1", 1000, qty=100), self.loaded("C1", 1010), self.loaded("C1", 1020, qty=50))

        self.assertEqual(self.states(told, "material"), ["posted", "ignored", "posted"])
        self.assertEqual(self.machine.material_ids.mapped("quantity"), [150])

    def test_out_of_order_loads_splice(self):
        self.told(self.loaded("C3", 1300))
        self.told(self.loaded("C1", 1000))
        self.told(self.loaded("C2", 1200))
        self.told(self.taken_off("C3", 1400))

        loads = self.machine.material_ids.sorted("date_start")
        self.assertEqual(
            [(load.lot_id.name, load.date_start, load.date_end) for load in loads],
            [
                ("C1", self.naive(1000), self.naive(1200)),
                ("C2", self.naive(1200), self.naive(1300)),
                ("C3", self.naive(1300), self.naive(1400)),
            ],
        )

    def test_taken_off_with_a_rest_what_was_used_is_the_difference(self):
        self.told(self.loaded("C1", 1000, qty=205), self.count_from(0, 100, 1060), self.taken_off("C1", 1100, qty=2))
        self.assertEqual(self.quantity(self.coil), 203)
        self.told(self.loaded("C2", 1200), self.count_from(100, 10, 1260))
        self.assertEqual(self.quantity(self.coil), 223)
        self.close(self.order)

        self.assertEqual(sum(self.lots_used().values()), 223)
        self.assertFalse(self.variances())

    def test_what_was_taken_off_may_be_weighed_afterwards_once(self):
        self.told(self.loaded("C1", 1000, qty=205), self.count_from(0, 100, 1060), self.loaded("C2", 1100))
        told = self.told(
            self.taken_off("C1", 1200, qty=1), self.taken_off("C1", 1210, qty=3), self.taken_off("C2", 1220)
        )

        self.assertEqual(self.states(told, "material"), ["posted", "waiting", "posted"])
        self.assertEqual(self.quantity(self.coil), 204)
        first = self.machine.material_ids.filtered(lambda load: load.lot_id.name == "C1")
        self.assertEqual((first.date_end, first.rest), (self.naive(1100), 1))

    def test_a_rest_that_says_too_much_waits_for_a_supervisor(self):
        self.told(self.loaded("C1", 1000, qty=300), self.count_from(0, 100, 1060), self.taken_off("C1", 1100, qty=50))

        self.assertEqual((self.quantity(self.coil), self.variances().deviation), (200, 50))
        self.decide("approved")
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C1": 250})
        self.assertEqual(self.left("C1"), 250)

    def test_a_load_of_two_orders_is_shared_by_their_pieces(self):
        self.told(self.loaded("C1", 1000, qty=210), self.count_from(0, 60, 1060))
        self.machine.reject_booking = "noted"
        second = self.make_order(400, bom=self.coil_bom)
        self.load(second, workorder=self.env["mrp.workorder"], seconds=1100)
        self.told(self.count_from(60, 40, 1160), self.taken_off("C1", 1200, qty=6))

        # 204 for 100 pieces.
        self.assertAlmostEqual(self.quantity(self.coil), 122.4, 2)
        self.assertAlmostEqual(self.quantity(self.coil, second), 81.6, 2)

    def test_more_rest_than_was_loaded_waits(self):
        told = self.told(self.loaded("C1", 1000, qty=10), self.taken_off("C1", 1100, qty=20))

        self.assertEqual(self.rows(told, "material").mapped("reason"), [False, "rest_too_much"])

    def test_what_is_not_there_cannot_be_taken_off(self):
        told = self.told(self.taken_off("C1", 1100))

        self.assertEqual(self.rows(told, "material").mapped("reason"), ["not_loaded"])

    def test_a_blocked_lot_waits_and_goes_on_when_it_is_released(self):
        self.lots[0].machine_blocked = True
        told = self.told(self.loaded("C1", 1000))
        row = self.rows(told, "material")
        self.assertEqual((row.state, row.reason), ("waiting", "lot_blocked"))
        self.assertIn("C1", row.message)

        self.lots[0].machine_blocked = False
        self.post_all()

        self.assertEqual((row.state, self.machine.material_ids.lot_id), ("posted", self.lots[0]))

    def test_a_lot_that_was_blocked_meanwhile_is_not_used(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        self.told(self.loaded("C1", 1000))
        self.lots[0].machine_blocked = True
        self.told(self.count_from(0, 100, 1060))

        self.assertEqual((self.due().reason, self.in_stock(self.product)), ("component_lot", 0))

    def test_an_expired_lot_waits(self):
        if "expiration_date" not in self.lots._fields:
            self.assertIsNone(self.lots[0]._machine_refusal(fields.Datetime.now()))
            return
        self.lots[0].expiration_date = self.naive(900)
        told = self.told(self.loaded("C1", 1000))

        self.assertEqual(self.rows(told, "material").reason, "lot_expired")

    def test_an_unknown_lot_waits_and_goes_on_when_it_is_made(self):
        told = self.told(self.loaded("C9", 1000, product="COIL"))
        row = self.rows(told, "material")
        self.assertEqual((row.state, row.reason, row.detail), ("waiting", "lot_unknown", "lot:C9"))

        lot = self.env["stock.lot"].create({"name": "C9", "product_id": self.coil.id})
        self.post_all()

        self.assertEqual((row.state, self.machine.material_ids.lot_id), ("posted", lot))

    def test_of_a_lot_that_is_not_there_nothing_is_taken(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 300})
        self.told(self.loaded("C1", 1000), self.count_from(0, 300, 1060))

        row = self.due()
        self.assertEqual((row.state, row.reason), ("waiting", "component_lot"))
        self.assertIn("C1", row.message)
        self.assertEqual(self.left("C1"), 500)

    def test_lots_of_two_products_with_one_name_are_told_apart(self):
        other = self.env["product.product"].create({"name": "Wire", "is_storable": True, "tracking": "lot"})
        self.env["stock.lot"].create({"name": "C1", "product_id": other.id})
        self.told(self.loaded("C1", 1000))

        self.assertEqual(self.machine.material_ids.product_id, self.coil)

    def test_the_machine_names_the_lot_by_a_signal_of_the_component(self):
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": "modbus", "host": "127.0.0.1"}
        )
        signal = self.env["mrp.machine.signal"].create(
            {
                "machine_id": self.machine.id,
                "connection_id": connection.id,
                "name": "coil",
                "role": "lot",
                "address": "holding:10",
                "data_type": "string",
                "length": 8,
                "component_id": self.coil.id,
            }
        )
        log = self.env["mrp.machine.event"]
        events = [
            self.event("material.lot_changed", 1000, {"value": "C1"}, signal="coil"),
            self.event("material.lot_changed", 1100, {"value": "C2", "previous": "C1"}, signal="coil"),
            self.event("material.lot_changed", 1200, {"value": "", "previous": "C2"}, signal="coil"),
        ]
        source = self.env.ref("mrp_machine_connect.source_poller")
        received = log._receive(
            source, [(self.machine, self.machine._stream(), {"coil": signal.id}, self.machine.mapping_version, events)]
        )
        self.post_all()

        self.assertEqual(self.states(received, "material"), ["posted"] * 3)
        self.assertFalse(self.rows(received, "lot"))
        self.assertEqual(self.machine.material_ids.mapped("lot_id.name"), ["C2", "C1"])
        self.assertEqual(self.machine.material_ids[:1].date_end, self.naive(1200))

    def test_by_signal_the_machine_says_how_much_of_which_lot(self):
        self.machine.consumption_way = "signal"
        self.told(
            self.count_from(0, 100, 1060),
            self.event("material.consumed", 1061, {"qty": 123, "lot": "C2"}),
            self.event("material.consumed", 1062, {"qty": 79, "lot": "C3"}),
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C2": 123, "C3": 79})

    def test_by_signal_without_a_lot_it_is_of_the_one_that_is_there(self):
        self.machine.consumption_way = "signal"
        self.told(
            self.loaded("C3", 1000),
            self.count_from(0, 50, 1060),
            self.used(101, 1061, product="COIL"),
            self.loaded("C1", 1100),
            self.count_from(50, 50, 1160),
            self.used(98, 1161, product="COIL"),
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C3": 101, "C1": 98})

    def test_serial_numbers_of_components_are_one_each(self):
        board = self.env["product.product"].create(
            {"name": "Board", "default_code": "BOARD", "is_storable": True, "tracking": "serial"}
        )
        serials = self.env["stock.lot"].create([{"name": f"B{n}", "product_id": board.id} for n in range(5)])
        for serial in serials:
            self.env["stock.quant"]._update_available_quantity(board, self.location, 1, lot_id=serial)
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": self.product.product_tmpl_id.id,
                "bom_line_ids": [Command.create({"product_id": board.id, "product_qty": 1})],
            }
        )
        order = self.make_order(5, bom=bom)
        self.load(order, workorder=self.env["mrp.workorder"], seconds=2000)
        told = []
        for number, name in enumerate(("B4", "B1", "B3")):
            told += [self.loaded(name, 2000 + 10 * number), self.count_from(number, 1, 2005 + 10 * number)]
        self.told(*told)
        self.close(order)

        lines = order.move_raw_ids.filtered(lambda move: move.state == "done").move_line_ids
        self.assertEqual(sorted(lines.lot_id.mapped("name")), ["B1", "B3", "B4"])
        self.assertEqual(set(lines.mapped("quantity")), {1})

    def test_a_piece_with_a_serial_number_is_of_the_lots_of_its_time_and_no_lot_is_of_none(self):
        for hand, true in (
            ({}, {"P1": {"C1"}, "P2": {"C1"}, "P3": {"C2"}}),
            # A person knows better: of which of them the third coil is nobody says.
            ({"C1": 3, "C2": 2, "C3": 1}, {"P1": {"C1", "C3"}, "P2": {"C1", "C3"}, "P3": {"C2", "C3"}}),
        ):
            with self.subTest(hand), self.env.cr.savepoint() as undone:
                pump = self.env["product.product"].create(
                    {"name": "Pump", "is_storable": True, "tracking": "serial", "uom_id": self.product.uom_id.id}
                )
                bom = self.coil_bom.copy({"product_tmpl_id": pump.product_tmpl_id.id, "product_id": False})
                self.machine.counting_role = "part"
                order = self.make_order(10, bom=bom)
                self.load(order, workorder=self.env["mrp.workorder"], seconds=3000)
                self.told(
                    self.loaded("C1", 3000),
                    *(
                        self.event("production.part_completed", 3010 + 10 * number, {"serial": name, "status": "PASS"})
                        for number, name in enumerate(("P1", "P2"))
                    ),
                    self.loaded("C2", 3100),
                    self.event("production.part_completed", 3110, {"serial": "P3", "status": "PASS"}),
                )
                if hand:
                    self.enter_lots(self.raw(self.coil, order), hand)
                self.close(order)

                made = order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids
                found = {line.lot_id.name: set(line.consume_line_ids.lot_id.mapped("name")) for line in made}
                self.assertEqual(found, true)
                undone.rollback()

    def enter_lots(self, move, lots):
        """Enter as a person of which lots a component was, and how much of each."""
        move.with_context(force_manual_consumption=True).write(
            {
                "move_line_ids": [
                    Command.clear(),
                    *(
                        Command.create(
                            {
                                **move._prepare_move_line_vals(quantity=0),
                                "quantity": quantity,
                                "lot_id": self.lots.filtered(lambda lot, name=name: lot.name == name).id,
                            }
                        )
                        for name, quantity in lots.items()
                    ),
                ],
                "picked": True,
            }
        )

    def test_a_person_loads_by_the_form(self):
        operator = self.env["res.users"].create(
            {
                "name": "Olga Operator",
                "login": "olga-loads",
                "group_ids": [
                    Command.set(
                        (self.env.ref("mrp_machine_connect.group_operator") | self.env.ref("mrp.group_mrp_user")).ids
                    )
                ],
            }
        )
        machine = self.machine.with_user(operator)
        action = machine.action_load_material()
        form = Form(self.env[action["res_model"]].with_user(operator).with_context(**action["context"]))
        form.product_id = self.coil
        form.lot_id = self.lots[1]
        form.quantity = 90
        form.at = self.naive(1000)
        form.save().action_apply()
        self.post_all()

        load = self.machine.material_ids
        self.assertEqual((load.lot_id, load.quantity, load.date_start), (self.lots[1], 90, self.naive(1000)))
        self.assertEqual(load.user_id, operator)

    def test_genealogy_goes_both_ways(self):
        self.machine.lot_source = "machine"
        self.product.tracking = "lot"
        finished = self.env["stock.lot"].create(
            [{"name": name, "product_id": self.product.id} for name in ("F1", "F2")]
        )
        order = self.make_order(400, bom=self.coil_bom)
        self.load(order, workorder=self.env["mrp.workorder"], seconds=3000)
        self.told(self.loaded("C1", 3000), self.event("material.lot_changed", 3000, {"value": "F1"}))
        self.told(self.count_from(0, 50, 3060))
        self.told(self.loaded("C2", 3100), self.count_from(50, 10, 3160))
        self.told(self.event("material.lot_changed", 3200, {"value": "F2"}))
        self.told(self.count_from(60, 40, 3260))
        self.close(order)

        self.assertEqual(self.lots_used(order), {"C1": 100, "C2": 100})
        used = {lot.name: lot._lots_used().mapped("name") for lot in finished}
        self.assertEqual({name: sorted(names) for name, names in used.items()}, {"F1": ["C1", "C2"], "F2": ["C2"]})
        made = {lot.name: sorted(lot._lots_made().mapped("name")) for lot in self.lots}
        self.assertEqual(made, {"C1": ["F1"], "C2": ["F1", "F2"], "C3": []})
        self.assertEqual((finished[0].used_lot_count, self.lots[1].made_lot_count), (2, 2))
        self.assertEqual(self.env["stock.lot"].search(self.lots[0].action_lots_made()["domain"]), finished[0])

    def test_lots_made_take_their_own_share_of_what_the_machine_used(self):
        self.machine.write({"consumption_way": "signal", "lot_source": "machine"})
        self.product.tracking = "lot"
        finished = self.env["stock.lot"].create(
            [{"name": name, "product_id": self.product.id} for name in ("F1", "F2")]
        )
        self.coil_bom.consumption = "flexible"
        order = self.make_order(400, bom=self.coil_bom)
        self.load(order, workorder=self.env["mrp.workorder"], seconds=3000)
        self.told(self.event("material.lot_changed", 3000, {"value": "F1"}))
        self.told(self.count_from(0, 60, 3060), self.event("material.consumed", 3061, {"qty": 150, "lot": "C1"}))
        self.told(self.event("material.lot_changed", 3200, {"value": "F2"}))
        self.told(self.count_from(60, 40, 3260), self.event("material.consumed", 3261, {"qty": 84, "lot": "C2"}))
        self.close(order)

        self.assertEqual(self.lots_used(order), {"C1": 150, "C2": 84})
        self.assertEqual([lot._lots_used().mapped("name") for lot in finished], [["C1"], ["C2"]])

    def test_late_pieces_take_their_components_of_the_lot_that_was_there(self):
        self.machine.late_booking = "correct"
        self.told(self.loaded("C1", 1000), self.count_from(0, 60, 1060), self.loaded("C2", 1100))
        self.told(self.count_from(70, 40, 1160))
        self.close(self.order)
        self.told(self.count_from(60, 10, 1090))

        self.assertEqual((self.lots_used(), self.exceptions()), ({"C1": 140, "C2": 80}, []))
        self.assertEqual((self.left("C1"), self.left("C2")), (360, 420))
        self.assertEqual(self.moved(self.order), {"Coil": 220, "Rivet": 440, "Bracket": 110})

    def test_late_pieces_and_what_they_used_come_after_the_close(self):
        self.machine.write({"late_booking": "correct", "consumption_way": "signal"})
        self.told(self.loaded("C1", 1000), self.count_from(0, 60, 1060), self.used(121, 1061, product="COIL"))
        self.close(self.order)
        self.told(self.used(41, 1091, product="COIL"))
        self.assertEqual(self.variances().mapped("state"), ["proposed"])
        self.told(self.count_from(60, 20, 1090))

        self.assertEqual((self.lots_used(), self.exceptions()), ({"C1": 162}, []))
        self.assertFalse(self.variances())

    def test_generated_days_use_of_each_lot_what_was_made_of_it(self):
        """Loads, counts and rejects that come late, twice and in any order: what is true is said by arithmetic alone."""
        for seed in range(4):
            with self.subTest(seed=seed):
                chance, start = random.Random(seed), 10_000 * (seed + 1)
                order = self.make_order(400, bom=self.coil_bom)
                self.load(order, workorder=self.env["mrp.workorder"], seconds=start)
                self.machine.write({"stock_beat": "pieces", "beat_pieces": chance.choice((15, 40))})
                before = {lot.name: self.left(lot.name) for lot in self.lots}
                events, true, lot, counted = [], {}, None, {"good": 0, "reject": 0}
                for step in range(30):
                    moment = start + 20 * step
                    if step == 0 or chance.random() < 0.2:
                        lot = chance.choice([name for name in ("C1", "C2", "C3") if name != lot])
                        events.append(self.loaded(lot, moment))
                    kind, pieces = chance.choice(("good", "good", "good", "reject")), chance.randint(1, 4)
                    events.append(self.count(pieces, seconds=moment + 5, kind=kind, before=counted[kind], seed=seed))
                    counted[kind] += pieces
                    true[lot] = true.get(lot, 0) + 2 * pieces
                # Nothing is more than a few events late.
                events.sort(key=lambda event: event.occurred.timestamp() + chance.choice((0, 0, 0, 70)))
                while events:
                    part, events = events[:4], events[4:]
                    self.told(*part)
                    if chance.random() < 0.3:
                        self.assertFalse(self.told(*part))
                self.close(order)

                self.assertEqual(self.exceptions(), [])
                self.assertEqual(self.lots_used(order), true)
                for name, quantity in before.items():
                    self.assertEqual(self.left(name), quantity - true.get(name, 0))
                made = sum(counted.values())
                self.assertEqual(
                    self.moved(order),
                    {"Coil": 2 * made, "Rivet": 4 * made, "Bracket": made, "Scrapped": counted["reject"]},
                )
