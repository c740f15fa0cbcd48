"""What follows from a code that was scanned at a machine: an order, a lot, material, a person; and what waits with words."""

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged

from ..machine_connect import gs1
from .common import MachineConnectCommon

FNC1 = "\x1d"
#: Two GTINs of the GS1 prefix for examples, 952, their check digits worked out by hand.
GTIN_PRODUCT, GTIN_SHEET = "09521234543213", "09520123456788"


class ScanCommon(MachineConnectCommon):
    """The press makes a product tracked by lots of a sheet tracked by lots; both have GTINs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tracked, cls.sheet, cls.rivet = cls.env["product.product"].create(
            [
                {"name": "Housing", "is_storable": True, "tracking": "lot", "barcode": GTIN_PRODUCT.lstrip("0")},
                {"name": "Coil", "is_storable": True, "tracking": "lot", "barcode": GTIN_SHEET},
                {"name": "Screw", "is_storable": True, "barcode": "SCREW-1"},
            ]
        )
        bom = cls.env["mrp.bom"].create(
            {
                "product_tmpl_id": cls.tracked.product_tmpl_id.id,
                "operation_ids": [Command.create({"name": "Form", "workcenter_id": cls.idle_machine.workcenter_id.id})],
                "bom_line_ids": [
                    Command.create({"product_id": cls.sheet.id, "product_qty": 1.0}),
                    Command.create({"product_id": cls.rivet.id, "product_qty": 2.0}),
                ],
            }
        )
        cls.coil = cls.env["stock.lot"].create({"name": "COIL-7", "product_id": cls.sheet.id})
        cls.env["stock.quant"]._update_available_quantity(cls.sheet, cls.location, 500, lot_id=cls.coil)
        cls.env["stock.quant"]._update_available_quantity(cls.rivet, cls.location, 5000)
        cls.tracked_order = cls.make_order(100, bom)
        cls.scanner = cls.idle_machine
        cls.operator = cls.env["res.users"].create(
            {
                "name": "Olga Operator",
                "login": "machines-scan",
                "group_ids": [Command.set([cls.env.ref("mrp_machine_connect.group_operator").id])],
            }
        )

    def scan(self, code, seconds=60, machine=None, post=True):
        """Scan as a scanner at the machine does, give it its effect, and return its event."""
        machine = machine or self.scanner
        event = self.receive(machine, self.event("identity.scan", seconds, {"value": code}))
        if post:
            self.post(machine)
        return event

    def row(self, event):
        row = event.posting_ids.filtered(lambda row: row.handler in ("scan", "scan_context"))
        self.assertEqual(len(row), 1)
        return row

    def loadings(self, machine=None):
        loadings = self.env["mrp.machine.loading"].search(
            [("machine_id", "=", (machine or self.scanner).id)], order="date_start"
        )
        return [(loading.production_id, loading.date_start) for loading in loadings]

    def naive(self, seconds):
        return self.at(seconds).replace(tzinfo=None)


@tagged("post_install", "-at_install")
class TestScan(ScanCommon):
    # Orders

    def test_an_order_that_is_scanned_is_loaded_from_then_on(self):
        event = self.scan(self.tracked_order.name, 60)

        self.assertEqual(self.loadings(), [(self.tracked_order, self.naive(60))])
        row = self.row(event)
        self.assertEqual((row.state, row.handler), ("posted", "scan_context"))
        self.assertEqual(row.posting_id.production_id, self.tracked_order)
        self.assertEqual(row.posting_id.workorder_id, self.tracked_order.workorder_ids)

    def test_an_order_is_loaded_while_the_machine_is_observed_or_paused(self):
        self.scanner.posting_mode = "observe"
        self.scan(self.tracked_order.name, 60)

        self.assertEqual(self.loadings(), [(self.tracked_order, self.naive(60))])

    def test_pieces_of_the_same_batch_find_the_order_that_was_scanned(self):
        plain = self.make_order(50)
        machine = self.make_machine("t-second", workcenter=self.workcenter)
        scan, count = self.receive(
            machine, self.event("identity.scan", 30, {"value": plain.name}), self.count(5, seconds=40)
        )
        self.post(machine)

        self.assertEqual(self.row(scan).state, "posted")
        self.assertEqual(self.states(count), ["posted"])
        self.assertEqual(plain.qty_producing, 5)

    def test_an_order_that_cannot_run_waits_with_words(self):
        draft = self.env["mrp.production"].create({"product_id": self.product.id, "bom_id": self.bom.id})
        row = self.row(self.scan(draft.name))

        self.assertEqual((row.state, row.reason), ("waiting", "order_draft"))
        self.assertIn(draft.name, row.message)

    # Material and lots: who books them is another file's matter; here it is which lot of what, from when on

    def test_a_component_lot_is_on_the_machine_from_then_on(self):
        self.scan(self.tracked_order.name, 10)
        event = self.scan(f"]C101{GTIN_SHEET}10COIL-7{FNC1}37120", 60)

        self.assertEqual(self.row(event).state, "posted", self.row(event).message)
        load = self.env["mrp.machine.material"].search([("machine_id", "=", self.scanner.id)])
        self.assertEqual((load.product_id, load.lot_id, load.quantity), (self.sheet, self.coil, 120))
        self.assertEqual((load.date_start, load.event_id), (self.naive(60), event))

    def test_a_component_lot_by_its_bare_name(self):
        self.scan(self.tracked_order.name, 10)
        self.assertEqual(self.row(self.scan("COIL-7")).state, "posted")

    def test_a_lot_of_what_is_made_is_taken(self):
        self.scan(self.tracked_order.name, 10)
        event = self.scan(f"]d201{GTIN_PRODUCT}10H-4711", 60)

        self.assertEqual(self.row(event).state, "posted", self.row(event).message)
        lot = self.scanner._lot_at(self.tracked_order, self.naive(61))
        self.assertEqual((lot.name, lot.product_id), ("H-4711", self.tracked))
        self.assertFalse(self.scanner._lot_at(self.tracked_order, self.naive(59)))

    def test_a_lot_that_is_scanned_shortly_before_its_order_is_that_order_s(self):
        event = self.scan(f"]Q301{GTIN_PRODUCT}10H-1", 60)
        self.assertEqual(self.row(event).state, "waiting")
        self.scan(self.tracked_order.name, 100)
        self.post(self.scanner)

        self.assertEqual(self.row(event).state, "posted", self.row(event).message)
        self.assertEqual(self.scanner._lot_at(self.tracked_order, self.naive(101)).name, "H-1")

    def test_a_lot_that_is_scanned_long_before_an_order_waits(self):
        event = self.scan(f"]Q301{GTIN_PRODUCT}10H-1", 60)
        self.scan(self.tracked_order.name, 60 + 16 * 60)
        self.post(self.scanner)

        self.assertEqual(self.row(event).state, "waiting")

    def test_a_lot_is_not_booked_while_the_machine_is_only_observed(self):
        self.scan(self.tracked_order.name, 10)
        self.scanner.posting_mode = "observe"
        row = self.row(self.scan(f"]C101{GTIN_PRODUCT}10H-1"))

        self.assertEqual((row.handler, row.state, row.reason), ("scan", "ignored", "observe"))

    # What waits

    def test_what_nobody_knows_waits_with_words_until_it_is_there(self):
        self.scan(self.tracked_order.name, 10)
        event = self.scan("COIL-8")
        row = self.row(event)
        self.assertEqual((row.state, row.reason), ("waiting", "unknown_scan"))
        self.assertIn("COIL-8", row.message)
        self.assertTrue(row.remedy)

        self.env["stock.lot"].create({"name": "COIL-8", "product_id": self.sheet.id})
        self.post(self.scanner)
        self.assertEqual(self.row(event).state, "posted")

    def test_a_component_lot_that_is_not_there_waits_until_it_is(self):
        self.scan(self.tracked_order.name, 10)
        event = self.scan(f"]C101{GTIN_SHEET}10COIL-9")
        self.assertEqual(self.row(event).reason, "unknown_lot")

        self.env["stock.lot"].create({"name": "COIL-9", "product_id": self.sheet.id})
        self.post(self.scanner)
        self.assertEqual(self.row(event).state, "posted")

    def test_a_gtin_that_no_product_has_waits_until_one_has(self):
        self.scan(self.tracked_order.name, 10)
        self.sheet.barcode = False
        event = self.scan(f"]C101{GTIN_SHEET}10COIL-7")
        self.assertEqual(self.row(event).reason, "unknown_product")

        self.sheet.barcode = GTIN_SHEET.lstrip("0")
        self.post(self.scanner)
        self.assertEqual(self.row(event).state, "posted")

    def test_an_order_that_is_scanned_before_it_is_confirmed_is_loaded_once_it_is(self):
        draft = self.env["mrp.production"].create({"product_id": self.product.id, "bom_id": self.bom.id})
        machine = self.make_machine("t-second", workcenter=self.workcenter)
        event = self.scan(draft.name, machine=machine)
        self.assertEqual(self.row(event).state, "waiting")

        draft.action_confirm()
        self.post(machine)
        self.assertEqual(self.row(event).state, "posted", self.row(event).message)

    def test_what_belongs_to_another_order_waits(self):
        self.scan(self.tracked_order.name, 10)
        self.env["product.product"].create({"name": "Gasket", "tracking": "lot", "barcode": "09506000134352"})
        row = self.row(self.scan("]C1010950600013435210G-1"))

        self.assertEqual((row.state, row.reason), ("waiting", "not_in_order"))
        self.assertIn("Gasket", row.message)

    def test_a_label_that_cannot_be_right_is_held(self):
        row = self.row(self.scan("]C10109506000134353"))

        self.assertEqual((row.state, row.reason), ("held", "scan_unreadable"))
        self.assertIn("check digit", row.message)

    def test_elements_that_a_sender_read_count_where_the_code_does_not_say_them(self):
        self.scan(self.tracked_order.name, 10)
        said = {"01": GTIN_SHEET, "10": "COIL-7"}
        right = self.event("identity.scan", 20, {"value": "as on the screen", "elements": said})
        wrong = self.event("identity.scan", 30, {"value": "as on the screen", "elements": {"10": {"no": "text"}}})
        events = self.receive(self.scanner, right, wrong)
        self.post(self.scanner)

        self.assertEqual([self.row(event).state for event in events], ["posted", "held"])

    def test_a_product_that_is_not_tracked_needs_no_scan(self):
        self.scan(self.tracked_order.name, 10)
        self.assertEqual(self.row(self.scan("SCREW-1")).reason, "not_tracked")

    def test_a_lot_that_several_products_have_is_not_guessed(self):
        self.rivet.tracking = "lot"
        self.env["stock.lot"].create({"name": "COIL-7", "product_id": self.rivet.id})
        self.scan(self.tracked_order.name, 10)
        row = self.row(self.scan("COIL-7"))

        self.assertEqual((row.state, row.reason), ("waiting", "scan_ambiguous"))
        self.assertIn("Screw", row.message)

    def test_a_new_name_is_a_new_lot_only_where_it_can_be_nothing_else(self):
        self.scan(self.tracked_order.name, 10)
        self.scanner.lot_source = "scan"
        self.assertEqual(self.row(self.scan("NEW-1", 60)).reason, "unknown_scan")

        self.sheet.tracking = "none"
        event = self.scan("NEW-2", 70)
        self.assertEqual(self.row(event).state, "posted", self.row(event).message)
        self.assertEqual(self.scanner._lot_at(self.tracked_order, self.naive(71)).name, "NEW-2")

    def test_each_scan_has_its_effect_once(self):
        self.scan(self.tracked_order.name, 10)
        again = self.scan(self.tracked_order.name, 10)
        self.assertFalse(again)
        later = self.scan(self.tracked_order.name, 20)

        self.assertEqual(self.row(later).reason, "no_change")
        self.assertEqual(len(self.loadings()), 1)

    # The field on the machine's form

    def test_an_operator_scans_and_is_told_what_it_means(self):
        machine = self.scanner.with_user(self.operator)
        answer = machine.action_scan(self.tracked_order.name)
        self.assertTrue(answer["is_known"])
        self.assertIn(self.tracked_order.name, answer["message"])
        self.post(self.scanner)

        event = self.env["mrp.machine.event"].search([("type", "=", "identity.scan")], limit=1)
        self.assertEqual((event.user_id, event.data["value"]), (self.operator, self.tracked_order.name))
        self.assertEqual(self.env["mrp.machine.loading"]._current(self.scanner).user_id, self.operator)

        answer = machine.action_scan("NOBODY-KNOWS")
        self.assertFalse(answer["is_known"])
        self.assertIn("NOBODY-KNOWS", answer["message"])

    def test_elements_stand_in_the_event_with_whatever_the_scanner_makes_of_the_separator(self):
        for code in (f"]C110COIL-7{FNC1}37120", "]C110COIL-7#37120", "]C110COIL-7Alt02937120"):
            event = self.scanner.with_user(self.operator)._scan(code)
            self.assertEqual(event.data["elements"], {"10": "COIL-7", "37": "120"})

    def test_a_label_that_was_misread_is_not_kept_and_the_operator_scans_again(self):
        with self.assertRaises(UserError) as caught:
            self.scanner.with_user(self.operator).action_scan("]C10109506000134353")
        self.assertIn("Scan it again", str(caught.exception))
        self.assertFalse(self.env["mrp.machine.event"].search_count([("machine_id", "=", self.scanner.id)]))

    def test_others_do_not_scan(self):
        user = self.env["res.users"].create(
            {
                "name": "Walter Worker",
                "login": "machines-worker",
                "group_ids": [Command.set([self.env.ref("mrp.group_mrp_user").id])],
            }
        )
        with self.assertRaises(UserError):
            self.scanner.with_user(user).action_scan("X")

    # Odoo's own nomenclature

    def test_odoo_reads_labels_with_the_identifiers_of_the_shop_floor(self):
        nomenclature = self.env.ref("barcodes_gs1_nomenclature.default_gs1_nomenclature")
        label = {
            "01": GTIN_PRODUCT, "11": "261127", "10": "H-1", "12": "261231", "16": "270101", "20": "01", "22": "2A", "235": "T/1",
            "240": "ADD", "241": "C-9", "250": "S2", "251": "SRC", "400": "PO-1", "416": "9506000134352", "7003": "2611271200",
            "8003": "09506000134352R1", "8004": "9506000M7", "8008": "261127101500", "8200": "example.org/7", "21": "99",
        }  # fmt: skip
        for digits in ("8018", "8017"):
            text = gs1.unbracketed(
                "".join(f"({ai}){value}" for ai, value in {**label, digits: "950600013400000015"}.items())
            )
            found = nomenclature.gs1_decompose_extended(text)
            self.assertEqual(
                {item["ai"]: item["string_value"] for item in found or ()}, {**label, digits: "950600013400000015"}
            )
            self.assertEqual(gs1.parse(text), {**label, digits: "950600013400000015"})
