"""Files of measurements become checks, alerts and holds."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path

from odoo import fields
from odoo.addons.mrp_machine_connect.machine_connect.client import measurements
from odoo.addons.mrp_machine_connect.machine_connect.envelope import judge
from odoo.addons.mrp_machine_connect.machine_connect.formats import qif
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from .common import QualityCommon

RECORDINGS = Path(__file__).parent / "recordings"
PLATES = gzip.decompress((RECORDINGS / "PlateResults_20_samples.QIF.gz").read_bytes())
TRUTH = json.loads((RECORDINGS / "truth.json").read_text())


@tagged("post_install", "-at_install")
class TestQualityMeasurement(QualityCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gauge = cls.make_machine("t-gauge")
        cls.plate = cls.env["product.product"].create(
            {"name": "Plate", "is_storable": True, "tracking": "serial", "default_code": "Part Number 2"}
        )

    def checks(self):
        return self.env["quality.machine.check"].search([("machine_id", "=", self.gauge.id)], order="id")

    def upload(self, content=PLATES, user="inspector", **values):
        form = Form(self.env["quality.machine.measurement.upload"].with_user(self.users[user]))
        form.file = base64.b64encode(content)
        form.machine_id = self.gauge
        for name, value in values.items():
            form[name] = value
        wizard = form.save()
        self.summary = wizard.summary
        action = wizard.action_upload()
        self.post(self.gauge)
        return self.env["mrp.machine.event"].search(action["domain"])

    def measurement(self, value=4.0, seconds=100, **data):
        data = {"characteristic": "BORE", "value": value, "lsl": 3.9, "usl": 4.1, **data}
        return self.event("quality.measurement", seconds, {key: said for key, said in data.items() if said is not None})

    def receive_and_post(self, *events):
        received = self.receive(self.gauge, *events)
        self.post(self.gauge)
        return received

    # The plates

    def test_twenty_real_plates(self):
        serials = [part["serial"] for part in TRUTH["per_part"] if part["serial"]]
        lots = self.env["stock.lot"].create([{"name": serial, "product_id": self.plate.id} for serial in serials])
        for lot in lots:
            self.env["stock.quant"]._update_available_quantity(self.plate, self.location, 1, lot_id=lot)

        events = self.upload()

        self.assertEqual(len(events), TRUTH["characteristics"])
        self.assertEqual(set(self.states(events, "quality_measurement")), {"posted"})
        checks = self.checks()
        self.assertEqual(len(checks), TRUTH["characteristics"])
        failed = checks.filtered(lambda check: check.state == "failed")
        self.assertEqual(len(failed), TRUTH["fail"])
        self.assertEqual(Counter(check.event_id.data["item"] for check in failed), TRUTH["failed_items"])
        self.assertEqual(len(set(failed.mapped("serial"))), TRUTH["parts_with_fail"])
        # Alerts: one a characteristic, all its failures on it.
        alerts = self.env["quality.machine.alert"].search([("machine_id", "=", self.gauge.id)])
        self.assertEqual(len(alerts), 3)
        self.assertEqual(
            {alert.check_ids[:1].event_id.data["item"]: alert.check_count for alert in alerts}, TRUTH["failed_items"]
        )
        # Parts are matched by their serial numbers, and held: 19 have one, the last has none.
        self.assertEqual(failed.lot_id, lots)
        self.assertEqual(set(lots.mapped("quality_held")), {True})
        self.assertIn("51 of them failed on 20 parts", self.summary)
        # The limits are those of the file.
        bore = failed.filtered(lambda check: check.event_id.data["item"] == "127")[:1]
        self.assertEqual((bore.lower, bore.upper, bore.target, bore.unit), (2.246, 2.754, 2.5, "mm"))
        self.assertEqual(fields.Datetime.to_string(bore.occurred), "2017-03-07 10:39:11")

    def test_a_file_twice_is_a_file_once(self):
        self.upload()
        with self.assertRaises(UserError):
            self.upload()
        self.assertEqual(len(self.checks()), 620)

    def test_what_the_client_sends_is_what_the_upload_makes(self):
        sent = [said.data for said in judge(measurements(PLATES, "urn:mmc:cmm:1", "t-gauge"))]
        self.upload()
        self.assertEqual([check.event_id.data for check in self.checks()], sent)

    # Other files

    def test_files_that_are_none_are_said_so_in_words(self):
        for content, words in (
            (b"hello", "no XML"),
            (b"<html/>", "no QIF"),
            (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "document type"),
            (b'<QIFDocument xmlns="http://qifstandards.org/xsd/qif3"/>', "no measurement results"),
        ):
            with self.subTest(words=words), self.assertRaisesRegex(UserError, words):
                self.upload(content)
            self.assertIn(words, self.summary)

    def test_who_may_upload(self):
        for user in ("supervisor", "manager"):
            with self.subTest(user=user):
                self.upload(PLATES.replace(b"0eac4971", b"0eac" + user[:4].encode()), user=user)
        with self.assertRaises(AccessError):
            self.env["quality.machine.measurement.upload"].with_user(self.users["operator"]).create(
                {"file": base64.b64encode(PLATES), "machine_id": self.gauge.id}
            )

    def test_an_order_that_the_person_names(self):
        self.upload(production_id=self.order)
        self.assertEqual(self.checks().production_id, self.order)

    # Single values

    def test_limits_of_the_event(self):
        events = self.receive_and_post(self.measurement(4.1, 100), self.measurement(4.11, 101))
        self.assertEqual(self.states(events, "quality_measurement"), ["posted", "posted"])
        self.assertEqual(self.checks().mapped("state"), ["passed", "failed"])

    def test_the_measuring_machines_word_counts_where_it_gives_one(self):
        self.receive_and_post(self.measurement(4.11, 100, status="PASS"), self.measurement(4.0, 101, status="FAIL"))
        self.assertEqual(self.checks().mapped("state"), ["passed", "failed"])

    def test_limits_of_a_rule(self):
        self.env["quality.machine.rule"].create(
            {
                "name": "Bore",
                "trigger": "value",
                "characteristic": "bore",
                "has_upper": True,
                "upper": 4.05,
                "has_lower": True,
                "lower": 3.95,
            }
        )
        self.receive_and_post(
            self.measurement(4.04, 100, lsl=None, usl=None),
            self.measurement(4.06, 101, lsl=None, usl=None),
            self.measurement(4.06, 102),
        )
        self.assertEqual(self.checks().mapped("state"), ["passed", "failed", "failed"])
        self.assertEqual(self.checks().mapped("upper"), [4.05, 4.05, 4.1])

    def test_a_value_of_which_nobody_says_what_is_good_is_kept_in_the_log(self):
        events = self.receive_and_post(self.measurement(4.0, 100, lsl=None, usl=None))
        self.assertEqual(self.rows(events, "quality_measurement").reason, "no_limit")
        self.assertFalse(self.checks())

    def test_what_is_no_number(self):
        for value in ("four", "", True):
            events = self.receive_and_post(self.measurement(value, 100))
            self.assertEqual(self.rows(events, "quality_measurement").reason, "no_value", value)

    def test_a_serial_number_of_two_products_is_nobodys(self):
        for product in (self.plate, self.tracked):
            self.env["stock.lot"].create({"name": "S-7", "product_id": product.id})
        self.receive_and_post(self.measurement(5, 100, serial="S-7"))
        self.receive_and_post(self.measurement(5, 101, serial="S-7", model="Part Number 2"))
        self.assertEqual(self.checks().mapped("lot_id.product_id"), self.plate)
        self.assertEqual(self.checks()[0].lot_id.id, False)

    def test_the_gate_of_the_machine(self):
        for gate, held in (("none", False), ("lot", True), ("order", True)):
            self.gauge.quality_measurement_gate = gate
            lot = self.make_lot(f"S-{gate}", 0, product=self.plate)
            self.receive_and_post(self.measurement(5, 100, serial=lot.name))
            self.assertEqual(lot.quality_held, held, gate)

    def test_an_order_is_no_matter_of_who_sends_from_outside(self):
        self.receive_and_post(self.measurement(5, 100, production_id=self.order.id, document="d", part="p"))
        self.assertFalse(self.checks().production_id)

    def test_out_of_order_and_late(self):
        self.receive_and_post(self.measurement(5, 200))
        self.receive_and_post(self.measurement(5, 100))
        alert = self.checks().alert_id
        self.assertEqual((len(alert), alert.check_count), (1, 2))

    def test_the_file_is_read_the_same_in_odoo(self):
        self.assertEqual(len(qif.read(PLATES).measurements), 620)
