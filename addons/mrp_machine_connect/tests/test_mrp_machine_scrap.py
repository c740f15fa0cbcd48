from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .test_mrp_machine_reject import RejectCommon


class ScrapCommon(RejectCommon):
    """Scrap that is told with its reason: JAM and CRACK are known, all other words are not."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.jam, cls.crack = cls.env["stock.scrap.reason.tag"].create([{"name": "Jammed"}, {"name": "Cracked"}])
        for word, tag in (("JAM", cls.jam), ("CRACK", cls.crack)):
            cls.map_reason(word, tag)

    @classmethod
    def map_reason(cls, word, tag, **values):
        return cls.env["mrp.machine.code"].create(
            {"machine_id": cls.machine.id, "kind": "scrap_reason", "code": word, "scrap_tag_id": tag.id, **values}
        )

    def scrap(self, quantity, reason=None, seconds=80, **data):
        if reason:
            data["reason"] = reason
        return self.event("quality.scrap", seconds, {"qty": quantity, **data})

    def load(self, order, seconds, machine=None):
        """Load an order on a machine and return it."""
        moment = self.at(seconds).replace(tzinfo=None)
        self.env["mrp.machine.loading"]._load(machine or self.machine, order, order.workorder_ids, moment)
        return order

    def rejects(self, count, seconds=70, before=0):
        return self.count(count, seconds=seconds, kind="reject", before=before)

    def scraps(self, order=None, product=None):
        """Return ``{reason: quantity}`` of what was really scrapped of an order, by the moves."""
        found = {}
        for scrap in (order or self.order).scrap_ids.filtered(
            lambda scrap: scrap.product_id == (product or self.product)
        ):
            self.assertEqual(scrap.state, "done")
            name = ", ".join(scrap.scrap_reason_tag_ids.mapped("name")) or "–"
            found[name] = found.get(name, 0.0) + sum(scrap.move_ids.mapped("quantity"))
        return found

    def used(self, order=None):
        """Return ``{component: quantity}`` that an order took for its pieces, by the moves."""
        found = {}
        for move in (order or self.order).move_raw_ids.filtered(lambda move: move.state == "done"):
            found[move.product_id.name] = found.get(move.product_id.name, 0.0) + move.quantity
        return found


@tagged("post_install", "-at_install")
class TestScrapReasons(ScrapCommon):
    """What is told of scrap explains the rejects that a counter counts."""

    def test_the_rejects_are_scrapped_one_scrap_for_each_reason(self):
        self.told(
            self.count(20), self.rejects(5), self.scrap(2, "JAM"), self.scrap(1, "CRACK"), self.scrap(1, "jam", 81)
        )
        self.assertEqual(self.order.qty_producing, 25)

        self.close(self.order)

        self.assertEqual(self.scraps(), {"Jammed": 3, "Cracked": 1, "–": 1})
        self.assertEqual(len(self.order.scrap_ids), 3)
        self.assertEqual(self.in_stock(self.product), 20)
        self.assertEqual(self.used(), {"Sheet": 25, "Rivet": 100})

    def test_each_scrap_bears_the_machines_time_and_names_its_posting(self):
        self.told(self.count(20), self.rejects(5), self.scrap(2, "JAM"))
        self.close(self.order)

        finished = self.order.move_finished_ids.filtered(lambda move: move.state == "done")
        for scrap in self.order.scrap_ids:
            self.assertEqual((scrap.date_done, scrap.move_ids.date), (finished.date, finished.date))
            self.assertEqual(scrap.move_ids.machine_posting_id, self.due().posting_id)
        self.assertIn("5 (", self.due().posting_id.summary)
        self.assertIn("Jammed", self.due().posting_id.summary)

    def test_the_same_told_twice_is_scrapped_once(self):
        events = (self.count(20), self.rejects(5), self.scrap(2, "JAM"))
        self.told(*events)
        self.assertFalse(self.told(*events))
        self.close(self.order)
        self.order._decide_scrap()
        self.post_all()

        self.assertEqual(self.scraps(), {"Jammed": 2, "–": 3})

    def test_no_more_is_scrapped_than_was_counted(self):
        self.told(self.count(20), self.rejects(2), self.scrap(3, "JAM"), self.scrap(4, "CRACK", 81))
        self.close(self.order)

        self.assertEqual(self.scraps(), {"Jammed": 2})
        self.assertEqual(self.in_stock(self.product), 20)

    def test_a_beat_scraps_by_reason_and_the_close_the_rest(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.count(8), self.rejects(2), self.scrap(1, "JAM"))
        self.assertEqual(self.scraps(), {"Jammed": 1, "–": 1})

        self.told(self.rejects(3, 90, before=2), self.scrap(2, "CRACK", 91), self.count(4, 92, before=8))
        self.close(self.order)

        self.assertEqual(self.scraps(), {"Jammed": 1, "Cracked": 2, "–": 2})
        self.assertEqual(self.in_stock(self.product), 12)

    def test_a_reason_that_comes_after_the_scrap_is_put_to_it(self):
        self.told(self.count(20), self.rejects(5))
        self.close(self.order)
        self.assertEqual(self.scraps(), {"–": 5})
        moment = self.order.scrap_ids.date_done

        self.told(self.scrap(2, "JAM", 75))

        self.assertEqual(self.scraps(), {"Jammed": 2, "–": 3})
        self.assertEqual(self.in_stock(self.product), 20)
        self.assertEqual(set(self.order.scrap_ids.mapped("date_done")), {moment})
        self.assertEqual(set(self.order.scrap_ids.move_ids.mapped("date")), {moment})
        self.assertTrue(all(self.order.scrap_ids.move_ids.mapped("machine_posting_id")))

        self.told(self.scrap(3, "CRACK", 76))
        self.assertEqual(self.scraps(), {"Jammed": 2, "Cracked": 3})
        self.assertEqual(len(self.order.scrap_ids), 2)

    def test_an_unknown_code_waits_and_mapping_it_books_it(self):
        told = self.told(self.count(20), self.rejects(5), self.scrap(2, "WARP"))
        row = self.rows(told, "scrap")[-1]
        self.assertEqual((row.state, row.reason, row.detail), ("waiting", "unknown_code", "scrap_reason:WARP"))
        self.assertIn("«WARP»", row.message)
        self.assertIn("Map the code", row.remedy)
        self.assertEqual(self.order.qty_producing, 25, "what was counted is booked all the same")

        action = row.action_map_code()
        with Form(self.env["mrp.machine.code"].with_context(**action["context"])) as form:
            self.assertEqual((form.kind, form.code), ("scrap_reason", "WARP"))
            form.scrap_tag_id = self.crack
        self.post_all()
        self.assertEqual(row.state, "posted")
        self.close(self.order)

        self.assertEqual(self.scraps(), {"Cracked": 2, "–": 3})

    def test_a_person_says_why_with_a_correction(self):
        self.told(self.count(20), self.rejects(2))

        for quantity, tag in ((3, self.jam), (-1, self.jam), (-1, self.crack)):
            with Form(self.env["mrp.machine.adjust"].with_context(default_machine_id=self.machine.id)) as form:
                form.kind = "reject"
                form.quantity, form.scrap_tag_id, form.reason = quantity, tag, "Counted by hand"
                form.at = self.at(90).replace(tzinfo=None)
            form.record.action_apply()
        self.post_all()

        corrections = self.env["mrp.machine.event"].search([("type", "=", "correction.adjust")], order="id")
        self.assertEqual(
            [(row.state, row.reason) for row in self.rows(corrections, "scrap")],
            [("posted", False), ("posted", False), ("ignored", "no_pieces")],
            "of a crack nothing was noted that could be taken away",
        )
        self.close(self.order)
        self.assertEqual(self.scraps(), {"Jammed": 2, "–": 1})
        self.assertEqual(self.in_stock(self.product), 20)

    def test_good_pieces_have_no_scrap_reason(self):
        with Form(self.env["mrp.machine.adjust"].with_context(default_machine_id=self.machine.id)) as form:
            form.kind = "reject"
            form.scrap_tag_id = self.jam
            form.kind = "good"
            form.quantity, form.reason, form.at = 1, "Found one", self.at(90).replace(tzinfo=None)
        form.record.action_apply()

        event = self.env["mrp.machine.event"].search([("type", "=", "correction.adjust")])
        self.assertNotIn("scrap_tag_id", event.data)

    def test_a_reason_code_needs_a_reason(self):
        with self.assertRaisesRegex(ValidationError, "choose the scrap reason"):
            self.map_reason("BENT", self.env["stock.scrap.reason.tag"])

    def test_the_stage_and_the_step_are_kept_with_the_reason(self):
        self.told(
            self.count(20),
            self.rejects(5),
            self.scrap(2, "JAM", stage="setup"),
            self.scrap(1, "JAM", 81, stage="run"),
        )

        rows = self.env["mrp.machine.reject"].search([("production_id", "=", self.order.id)])
        self.assertEqual(
            {(row.tag_id, row.stage): row.quantity for row in rows}, {(self.jam, "setup"): 2, (self.jam, "run"): 1}
        )
        self.assertEqual((rows.workorder_id, rows.workcenter_id), (self.workorder, self.workcenter))
        self.assertEqual((self.workorder.machine_reject_count, self.workcenter.machine_reject_count), (3, 3))
        self.close(self.order)
        self.assertEqual(self.scraps(), {"Jammed": 3, "–": 2})

    def test_scrap_without_an_order_waits_with_the_order_to_load(self):
        told = self.told(self.scrap(2, "JAM"), machine=self.idle_machine)

        row = self.rows(told, "scrap")
        self.assertEqual((row.state, row.reason), ("waiting", "no_order"))
        order = self.load(self.make_order(10), 0, machine=self.idle_machine)
        row.action_retry()
        self.post_all()
        self.assertEqual((row.state, row.reason), ("waiting", "unknown_code"), "the words are the other machine's")
        self.map_reason("JAM", self.jam, machine_id=self.idle_machine.id)
        self.post_all()
        self.assertEqual((row.state, order._reject_rows().quantity), ("posted", 2))

    def test_where_no_counter_has_them_they_are_rejects_of_their_own(self):
        self.machine.scrap_events = "add"
        told = self.told(self.count(20), self.scrap(2, "JAM"), self.scrap(1, "CRACK", 81), self.scrap(1, None, 82))
        self.assertEqual(self.order.qty_producing, 24)
        self.assertEqual((self.machine.good, self.machine.reject), (20, 4))
        self.assertEqual(self.states(told), ["posted"] * 4)

        self.close(self.order)

        self.assertEqual(self.scraps(), {"Jammed": 2, "Cracked": 1, "–": 1})
        self.assertEqual(self.used(), {"Sheet": 24, "Rivet": 96})

    def test_of_their_own_they_wait_as_a_whole_for_the_meaning_of_their_reason(self):
        self.machine.scrap_events = "add"
        told = self.told(self.count(20), self.scrap(2, "WARP"))
        self.assertEqual(self.order.qty_producing, 20)
        self.assertEqual(self.states(told[-1]) + self.states(told[-1], "scrap"), ["waiting", "waiting"])

        self.map_reason("WARP", self.crack)
        self.post_all()

        self.assertEqual(self.order.qty_producing, 22)
        self.close(self.order)
        self.assertEqual(self.scraps(), {"Cracked": 2})

    def test_what_is_weighed_is_so_many_pieces_as_the_product_weighs(self):
        self.product.weight = 0.05
        for way in ("explain", "add"):
            with self.subTest(way):
                order = self.make_order(1000)
                start = 1000 if way == "explain" else 3000
                self.load(order, start)
                self.machine.scrap_events = way
                self.told(
                    self.count(100, seconds=start + 60),
                    self.scrap(1.21, "JAM", start + 70, unit="KGM"),
                    *([self.rejects(30, start + 80)] if way == "explain" else []),
                )
                self.close(order)
                # 1.21 kg at 50 g a piece: 24.2, and there is no fifth of a piece.
                self.assertEqual(self.scraps(order), {"Jammed": 24} if way == "add" else {"Jammed": 24, "–": 6})

    def test_what_is_weighed_of_a_product_without_weight_waits(self):
        told = self.told(self.scrap(1.2, "JAM", unit="KGM"))

        row = self.rows(told, "scrap")
        self.assertEqual((row.state, row.reason), ("waiting", "unit"))
        self.assertIn("KGM", row.message)

    def test_only_noted_it_is_shown_and_scraps_nothing(self):
        self.machine.reject_booking = "noted"
        self.told(self.count(20), self.rejects(5), self.scrap(2, "JAM"))
        self.close(self.order)

        self.assertEqual((self.scraps(), self.workorder.machine_reject_count), ({}, 2))
        self.assertEqual(self.in_stock(self.product), 20)

    def test_pieces_to_rework_are_noted_with_their_reason_and_scrapped_never(self):
        self.map_reason("BURR", self.crack, is_rework=True)
        for way in ("explain", "add"):
            with self.subTest(way):
                order = self.make_order(1000)
                start = 1000 if way == "explain" else 3000
                self.load(order, start)
                self.machine.scrap_events = way
                self.told(self.count(20, seconds=start + 60), self.scrap(3, "BURR", start + 70))
                self.assertEqual(order.qty_producing, 20)
                self.assertEqual(self.ledger(order).rework, 3 if way == "add" else 0)
                row = self.env["mrp.machine.reject"].search([("production_id", "=", order.id)])
                self.assertEqual((row.kind, row.tag_id, row.quantity), ("rework", self.crack, 3))
                self.close(order)
                self.assertEqual(self.scraps(order), {})

    def test_rejects_of_what_has_lots_are_scrapped_of_the_lot_that_was_made(self):
        self.product.tracking = "lot"
        order = self.make_order(100)
        order.lot_producing_ids = lot = self.env["stock.lot"].create({"name": "L1", "product_id": self.product.id})
        self.load(order, 1000)
        self.told(self.count(5, seconds=1100), self.rejects(2, 1100), self.scrap(1, "JAM", 1101))

        self.close(order)

        self.assertEqual((self.scraps(order), order.scrap_ids.lot_id), ({"Jammed": 1, "–": 1}, lot))
        self.assertEqual(order.scrap_ids.move_ids.move_line_ids.lot_id, lot)
        self.assertEqual(self.in_stock(self.product), 5)


@tagged("post_install", "-at_install")
class TestComponentScrap(ScrapCommon):
    """A component that is told as scrap leaves stock at once, beside what the pieces take of it."""

    def test_a_component_is_scrapped_at_the_work_order_at_the_machines_time(self):
        told = self.told(self.count(20), self.scrap(3, "JAM", 90, product="Rivet", stage="setup"))

        scrap = self.order.scrap_ids
        self.assertEqual((scrap.state, scrap.product_id, scrap.scrap_qty), ("done", self.component_b, 3))
        self.assertEqual((scrap.workorder_id, scrap.scrap_reason_tag_ids), (self.workorder, self.jam))
        self.assertEqual((scrap.machine_stage, scrap.date_done), ("setup", self.at(90).replace(tzinfo=None)))
        self.assertEqual(scrap.move_ids.date, self.at(90).replace(tzinfo=None))
        posting = self.rows(told, "scrap").posting_id
        self.assertEqual((posting.res_model, posting.res_id), ("stock.scrap", scrap.id))
        self.assertEqual(scrap.move_ids.machine_posting_id, posting)

        self.close(self.order)
        # 20 good at 4 rivets, and 3 rivets of scrap.
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 20 * 4 - 3)
        self.assertEqual((self.used(), self.scraps()), ({"Sheet": 20, "Rivet": 80}, {}))

    def test_all_that_left_stock_is_what_the_pieces_took_and_component_scrap(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.count(10), self.rejects(2), self.scrap(5, "JAM", 81, product="Sheet"))
        self.told(
            self.count(7, 100, before=10), self.rejects(1, 101, before=2), self.scrap(2, None, 102, product="RIVET")
        )
        self.close(self.order)

        self.assertEqual(self.in_stock(self.component_a), 10_000 - (17 + 3) - 5)
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 4 * (17 + 3) - 2)
        self.assertEqual(self.in_stock(self.product), 17)

    def test_it_is_scrapped_once_although_the_setting_takes_scrap_as_rejects(self):
        self.machine.scrap_events = "add"
        told = self.told(self.count(20), self.scrap(3, "JAM", 90, product="Rivet"))

        self.assertEqual(self.order.qty_producing, 20)
        self.assertEqual(self.states(told[-1]) + self.states(told[-1], "scrap"), ["ignored", "posted"])
        self.assertEqual(self.scraps(product=self.component_b), {"Jammed": 3})

    def test_what_the_order_does_not_take_waits_with_words(self):
        told = self.told(self.scrap(3, "JAM", product="Gold"))

        row = self.rows(told, "scrap")
        self.assertEqual((row.state, row.reason), ("waiting", "scrap_product"))
        self.assertIn("«Gold»", row.message)
        self.assertTrue(row.remedy)

    def test_what_is_not_there_is_not_scrapped(self):
        self.env["stock.quant"]._update_available_quantity(self.component_b, self.location, -9_998)
        told = self.told(self.scrap(3, "JAM", product="Rivet"))

        row = self.rows(told, "scrap")
        self.assertEqual((row.state, row.reason), ("waiting", "scrap_missing"))
        self.assertFalse(self.order.scrap_ids)
        self.assertEqual(self.in_stock(self.component_b), 2)

        self.env["stock.quant"]._update_available_quantity(self.component_b, self.location, 5)
        row.action_retry()
        self.post_all()
        self.assertEqual((row.state, self.in_stock(self.component_b)), ("posted", 4))

    def test_of_a_component_with_lots_the_lot_is_told_or_that_which_the_order_takes(self):
        self.component_b.tracking = "lot"
        self.env["stock.quant"]._update_available_quantity(self.component_b, self.location, -10_000)
        first, second = self.env["stock.lot"].create(
            [{"name": name, "product_id": self.component_b.id} for name in ("R1", "R2")]
        )
        quants = self.env["stock.quant"]
        for lot in (first, second):
            quants._update_available_quantity(self.component_b, self.location, 500, lot_id=lot)
        order = self.make_order(100)
        self.load(order, 1000)
        told = self.told(
            self.scrap(3, "JAM", 1100, product="Rivet", lot="R2"),
            self.scrap(2, "JAM", 1101, product="Rivet", lot="R9"),
            self.scrap(1, "JAM", 1102, product="Rivet"),
        )
        self.assertEqual(self.rows(told, "scrap").mapped("reason"), [False, "scrap_tracked", False])
        self.assertIn("«R9»", self.rows(told, "scrap")[1].message)
        self.assertEqual(order.move_raw_ids[1].move_line_ids.lot_id, first)
        self.assertEqual(
            sorted((scrap.lot_id.name, scrap.scrap_qty) for scrap in order.scrap_ids), [("R1", 1), ("R2", 3)]
        )


@tagged("post_install", "-at_install")
class TestScrapTemplates(ScrapCommon):
    def test_a_machine_type_carries_its_reasons_from_database_to_database(self):
        template = self.env["mrp.machine.template"].create(
            {
                "name": "Press",
                "code_ids": [
                    Command.create(
                        {"kind": "scrap_reason", "code": "7", "scrap_tag_id": self.jam.id, "is_rework": True}
                    )
                ],
            }
        )
        text = template._export()
        template.code_ids.unlink()
        self.env["mrp.machine.code"].search([("scrap_tag_id", "=", self.jam.id)]).unlink()
        self.jam.unlink()

        imported = self.env["mrp.machine.template"]._import(text)

        self.assertEqual((imported.code_ids.scrap_tag_id.name, imported.code_ids.is_rework), ("Jammed", True))
