from datetime import timedelta

from odoo.fields import Command
from odoo.tests import tagged

from ..machine_connect.mapping import Interpreter
from ..machine_connect.reading import Reading
from .test_mrp_machine_material import MaterialCommon


class ScaleCommon(MaterialCommon):
    """Rejects of the press fall onto a scale: it says g, a piece weighs 250 g, and why they are rejected is known."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.scrap_events = "add"
        cls.tag = cls.env["stock.scrap.reason.tag"].create({"name": "Seal not tight"})
        cls.env["mrp.machine.code"].create(
            {"machine_id": cls.machine.id, "kind": "scrap_reason", "code": "SEAL", "scrap_tag_id": cls.tag.id}
        )
        cls.product.weight = 0.25
        cls.connection = cls.env["mrp.machine.connection"].create(
            {"machine_id": cls.machine.id, "host": "127.0.0.1", "port": 5020}
        )
        cls.signal = cls.env["mrp.machine.signal"].create(
            {
                "machine_id": cls.machine.id,
                "connection_id": cls.connection.id,
                "name": "Reject scale",
                "role": "scale",
                "address": "holding:4",
                "data_type": "u32",
                "unit": "GRM",
                "scrap_reason": " SEAL ",
            }
        )

    def weighed(self, *grams, since=1003):
        """Return what a scale tells that shows one weight after another, a minute apart."""
        interpreter, memory, events = Interpreter(self.signal._mapping()), None, []
        for minute, value in enumerate(grams):
            at = self.at(since) + timedelta(minutes=minute)
            found = interpreter.interpret(memory, Reading(self.signal.name, value, at, at))
            memory = found.memory
            events += found.events
        return events

    def scrap(self, grams, seconds, **data):
        return self.event("quality.scrap", seconds, {"qty": grams, "unit": "GRM", "reason": "SEAL", **data})

    def scrapped(self, product, order=None):
        """Return ``{lot, or nothing: quantity}`` that was really scrapped of a product for an order, and its reasons."""
        scraps, found = (order or self.order).scrap_ids.filtered(lambda scrap: scrap.product_id == product), {}
        self.assertEqual(set(scraps.mapped("state")), {"done"} if scraps else set())
        for line in scraps.move_ids.move_line_ids:
            found[line.lot_id.name or ""] = found.get(line.lot_id.name or "", 0.0) + line.quantity
        return found, scraps.scrap_reason_tag_ids.mapped("name")


@tagged("post_install", "-at_install")
class TestMachineScale(ScaleCommon):
    """What a scale of rejects shows becomes scrap with its reason, in pieces."""

    def test_what_falls_onto_the_scale_is_rejected_in_pieces_for_its_reason(self):
        told = self.weighed(4_000, 4_247, 4_247, 4_765, 0, 251)
        self.assertEqual([event.data["qty"] for event in told], [247, 518, 251])

        self.told(self.loaded("C1", 1001), self.count_from(0, 16, 1002), *told)
        self.close(self.order)

        self.assertEqual(self.ledger(self.order).rejected, 4)
        self.assertEqual(self.scrapped(self.product), ({"": 4}, ["Seal not tight"]))
        self.assertEqual(self.in_stock(self.product), 16)
        self.assertEqual(self.exceptions(), [])

    def test_a_reason_that_nobody_mapped_waits(self):
        self.signal.scrap_reason = "BENT"
        events = self.told(self.loaded("C1", 1001), *self.weighed(0, 250))

        waiting = self.rows(events.filtered(lambda event: event.type == "quality.scrap"), "scrap")
        self.assertEqual(waiting.mapped("reason"), ["unknown_code"])

    def test_components_of_weighed_rejects_are_of_the_lot_that_was_there(self):
        self.told(
            self.loaded("C1", 1000),
            self.count_from(0, 6, 1060),
            self.scrap(1_000, 1070),
            self.loaded("C2", 1100),
            self.count_from(6, 10, 1160),
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C1": 2 * (6 + 4), "C2": 2 * 10})
        self.assertEqual(self.exceptions(), [])

    def test_several_portions_in_one_effect_are_each_of_their_lot(self):
        self.told(
            self.loaded("C1", 1000),
            self.loaded("C2", 1100),
            self.scrap(250, 1070),
            self.scrap(760, 1170),
            self.count_from(0, 8, 1050),
        )
        self.close(self.order)

        self.assertEqual(self.lots_used(), {"C1": 2 * (8 + 1), "C2": 2 * 3})


@tagged("post_install", "-at_install")
class TestSerialOfWeighed(ScaleCommon):
    """Pieces have serial numbers, which are told late; rejects are weighed and never get one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.write({"reject_booking": "component", "lot_source": "scan"})
        cls.pump = cls.env["product.product"].create(
            {"name": "Pump", "is_storable": True, "tracking": "serial", "weight": 0.25, "barcode": "09506000134352"}
        )
        bom = cls.env["mrp.bom"].create(
            {
                "product_tmpl_id": cls.pump.product_tmpl_id.id,
                "bom_line_ids": [
                    Command.create({"product_id": cls.coil.id, "product_qty": 2}),
                    Command.create({"product_id": cls.component_b.id, "product_qty": 4}),
                ],
            }
        )
        cls.order = cls.make_order(5, bom=bom)
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.order, cls.env["mrp.workorder"], cls.T(1000))

    def label(self, serial, seconds):
        return self.event("identity.scan", seconds, {"value": f"]d2010950600013435221{serial}"})

    def lots_of(self, serials):
        lots = self.env["stock.lot"].search([("product_id", "=", self.pump.id), ("name", "in", serials)])
        return {lot.name: lot._lots_used().mapped("name") for lot in lots}

    def run_both_lots(self):
        return self.told(
            self.loaded("C1", 1001),
            self.count_from(0, 3, 1060),
            self.scrap(500, 1070),
            self.loaded("C2", 1100),
            self.count_from(3, 2, 1160),
            self.scrap(250, 1170),
        )

    def test_good_pieces_wait_for_their_numbers_and_rejects_do_not(self):
        events = self.run_both_lots()

        counts = events.filtered(lambda event: event.type == "production.count")
        scraps = events.filtered(lambda event: event.type == "quality.scrap")
        self.assertEqual(self.rows(counts).mapped("reason"), ["serial"] * 2)
        self.assertEqual(self.states(scraps), ["posted"] * 2)
        self.assertEqual(self.ledger(self.order).beside, 3)
        self.assertEqual(self.order.qty_producing, 0)

    def test_each_number_is_made_of_the_lot_of_its_time_and_rejects_are_scrapped_of_theirs(self):
        self.run_both_lots()
        serials = {"S1": 1055, "S2": 1057, "S3": 1059, "S4": 1155, "S5": 1158}
        self.told(*(self.label(serial, seconds) for serial, seconds in serials.items()))
        self.close(self.order)

        self.assertEqual(self.in_stock(self.pump), 5)
        self.assertEqual(self.lots_used(), {"C1": 6, "C2": 4})
        self.assertEqual(self.scrapped(self.coil), ({"C1": 4, "C2": 2}, ["Seal not tight"]))
        self.assertEqual(self.scrapped(self.component_b), ({"": 12}, ["Seal not tight"]))
        self.assertEqual((self.left("C1"), self.left("C2")), (490, 494))
        # All entered stock at once, and each number knows its own.
        self.assertEqual(
            self.lots_of(list(serials)), {"S1": ["C1"], "S2": ["C1"], "S3": ["C1"], "S4": ["C2"], "S5": ["C2"]}
        )
        first, second = self.lots[:2]
        self.assertEqual(set(first._lots_made().mapped("name")), {"S1", "S2", "S3"})
        self.assertEqual(set(second._lots_made().mapped("name")), {"S4", "S5"})
        self.assertEqual(self.exceptions(), [])

    def test_on_a_beat_with_the_change_in_the_middle(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 2})
        self.run_both_lots()
        for number, seconds in enumerate((1055, 1057, 1059, 1155, 1158), 1):
            self.told(self.label(f"S{number}", seconds))
        self.close(self.order)

        self.assertEqual(
            self.lots_of([f"S{number}" for number in range(1, 6)]),
            {"S1": ["C1"], "S2": ["C1"], "S3": ["C1"], "S4": ["C2"], "S5": ["C2"]},
        )
        self.assertEqual(self.scrapped(self.coil), ({"C1": 4, "C2": 2}, ["Seal not tight"]))

    def test_weighed_rejects_that_are_quantity_have_numbers_like_any_piece(self):
        self.machine.reject_booking = "gross"
        events = self.told(self.loaded("C1", 1001), self.scrap(500, 1070))
        self.assertEqual(self.rows(events).mapped("reason"), ["serial"])

        self.told(self.label("S1", 1065), self.label("S2", 1066))
        self.assertEqual(self.states(events.filtered(lambda event: event.type == "quality.scrap")), ["posted"])

    def test_a_lot_that_was_not_on_the_machine_is_not_made_up(self):
        """Where nobody said what was there, a number keeps all that was used with it."""
        self.machine.consumption_way = "bom"
        self.told(self.count_from(0, 2, 1060), self.label("S1", 1055), self.label("S2", 1057))
        self.close(self.order)

        self.assertEqual(sum(self.lots_used().values()), 4)
        self.assertTrue(all(self.lots_of(["S1", "S2"]).values()))
