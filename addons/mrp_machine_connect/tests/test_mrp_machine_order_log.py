"""Does an auditor get all of an order in one file, as it was received, and can it be checked?"""

import csv
import hashlib
import io
import json
import zipfile
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, tagged

from ..models import mrp_machine_order_log
from .common import MachineConnectCommon
from .test_mrp_machine_door import DoorCommon

CSV_INJECTIONS = ('=HYPERLINK("http://x","y")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1")


class LogCommon(MachineConnectCommon):
    def export(self, order=None, env=None):
        """Return ``{name: bytes}`` of an order's file."""
        self.env.invalidate_all()
        service = (env or self.env)["mrp.machine.order.log"]
        file, _name = service._open((order or self.order).with_env(service.env))
        with file, zipfile.ZipFile(file) as archive:
            self.assertIsNone(archive.testzip())
            return {name: archive.read(name) for name in archive.namelist()}

    def table(self, files, name):
        """Return the rows of a table as dictionaries."""
        return list(csv.DictReader(io.StringIO(files[name].decode(), newline="")))


@tagged("post_install", "-at_install")
class TestMachineOrderLog(LogCommon):
    def test_all_of_an_order_and_nothing_of_another(self):
        booked = self.receive(self.machine, self.count(40, 60, before=100), self.count(2, 61, before=140))
        aside = self.receive(self.machine, self.event("meter.reading", 62, {"value": 7, "unit": "KWH"}))
        other = self.receive(self.idle_machine, self.count(9))
        before = self.receive(self.machine, self.count(1, -60))
        self.post()
        files = self.export()

        events = self.table(files, "events.csv")
        self.assertEqual([int(row["id"]) for row in events], (booked | aside).sorted("occurred_us").ids)
        self.assertFalse({int(row["id"]) for row in events} & set((other | before).ids))
        self.assertEqual(
            [(row["counter_before"], row["counter_after"]) for row in events[:2]], [("100", "140"), ("140", "142")]
        )
        self.assertEqual(events[0]["occurred"], "2026-03-02T06:01:00.000000Z")
        effects = self.table(files, "effects.csv")
        self.assertEqual(len({(row["event_id"], row["handler"]) for row in effects}), len(effects))
        [posting] = [row for row in self.table(files, "postings.csv") if row["kind"] == "good"]
        self.assertEqual((posting["quantity"], posting["counted_before"], posting["counted_after"]), ("42", "0", "42"))
        self.assertEqual((posting["events"], posting["pieces_of_events"], posting["adds_up"]), ("2", "42", "yes"))
        self.assertEqual(
            {row["posting_id"] for row in effects if row["handler"] == "production_count"}, {posting["id"]}
        )
        documents = self.table(files, "documents.csv")
        [step] = [row for row in documents if row["model"] == "mrp.workorder"]
        self.assertEqual(float(step["quantity"]), 42)
        self.assertEqual({row["model"] for row in documents}, {"mrp.production", "mrp.workorder", "stock.move"})
        [loading] = self.table(files, "loadings.csv")
        self.assertEqual((loading["machine"], loading["start"]), ("t-press", "2026-03-02T06:00:00.000000Z"))

    def test_the_manifest_has_the_digest_of_each_file(self):
        self.receive(self.machine, self.count(3))
        self.post()
        files = self.export()
        manifest = json.loads(files.pop("manifest.json"))

        self.assertEqual(manifest["files"].keys(), files.keys())
        for name, content in files.items():
            with self.subTest(file=name):
                self.assertEqual(manifest["files"][name]["sha256"], hashlib.sha256(content).hexdigest())
                self.assertEqual(manifest["files"][name]["bytes"], len(content))
                if name.endswith(".csv"):
                    self.assertEqual(manifest["files"][name]["rows"], len(self.table(files, name)))
        self.assertEqual((manifest["order"], manifest["events"]), (self.order.name, 1))

    def test_the_same_facts_make_the_same_bytes(self):
        self.receive(self.machine, self.count(3), self.state("running", 5))
        self.post()
        service = self.env["mrp.machine.order.log"]
        first, name = service._open(self.order)
        self.env.invalidate_all()
        second, _name = service._open(self.order)
        with first, second:
            self.assertEqual(first.read(), second.read())
        self.assertTrue(name.endswith(".zip"))
        self.assertNotIn("/", name)

    def test_who_corrected_what_and_why(self):
        event = self.receive(self.machine, self.count(10, before=90))
        self.post()
        self.machine._adjust("good", -4, "Test pieces", at=self.at(80).replace(tzinfo=None), refers_to=event.uid)
        self.post()
        [row] = self.table(self.export(), "corrections.csv")

        self.assertEqual((row["why"], row["pieces"], row["who"]), ("Test pieces", "-4", self.env.user.login))
        self.assertEqual((row["corrects_event_id"], row["corrects_uid"]), (str(event.id), event.uid))
        self.assertEqual((row["counted_before"], row["counted_after"], row["state"]), ("10", "6", "posted"))

    def test_the_log_is_as_received_and_a_changed_row_shows(self):
        event = self.receive(self.machine, self.count(3, before=7, note="Größe 5 µm"))
        self.post()
        files = self.export()
        [row] = self.table(files, "events.csv")

        self.assertEqual(row["digest_check"], "same")
        said = f"production.count\n{event.occurred_us}\n{row['data']}"
        self.assertEqual(hashlib.sha256(said.encode()).hexdigest(), row["digest"])
        # Nobody can by Odoo; somebody with the database can.
        self.env.cr.execute(
            "UPDATE mrp_machine_event SET data = jsonb_set(data, '{delta}', '2') WHERE id = %s", [event.id]
        )
        changed = self.export()
        self.assertEqual(self.table(changed, "events.csv")[0]["digest_check"], "not reproduced")
        self.assertEqual(json.loads(changed["manifest.json"])["digests_not_reproduced"], 1)
        [posting] = [row for row in self.table(changed, "postings.csv") if row["kind"]]
        self.assertEqual((posting["quantity"], posting["pieces_of_events"], posting["adds_up"]), ("3", "2", "no"))

    def test_no_cell_is_a_formula(self):
        for number, text in enumerate(CSV_INJECTIONS):
            self.receive(self.machine, self.event("alarm.raised", 60 + number, {"code": str(number), "text": text}))
        self.machine._adjust("good", 1, CSV_INJECTIONS[0], at=self.at(90).replace(tzinfo=None))
        self.post()
        files = self.export()

        for name in (name for name in files if name.endswith(".csv")):
            for row in csv.reader(io.StringIO(files[name].decode(), newline="")):
                for cell in row:
                    try:
                        float(cell)  # a number with its sign is no formula
                    except ValueError:
                        self.assertFalse(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), cell)
        self.assertIn("'" + CSV_INJECTIONS[0], [row["why"] for row in self.table(files, "corrections.csv")])

    def test_the_page_says_whether_it_adds_up_and_runs_nothing(self):
        self.receive(self.machine, self.count(3), self.event("alarm.raised", 70, {"code": "<script>alert(1)</script>"}))
        self.machine._adjust("good", 1, "<b>bold</b>", at=self.at(90).replace(tzinfo=None))
        self.post()
        page = self.export()["report.html"].decode()

        self.assertIn(self.order.name, page)
        self.assertIn('<span class="yes">yes</span>', page)
        self.assertNotIn("<script", page)
        self.assertIn("&lt;b&gt;bold&lt;/b&gt;", page)
        self.order.machine_ledger_ids.posted = 2
        self.assertIn('<span class="no">no</span>', self.export()["report.html"].decode())

    def test_versions_of_signals_and_codes_that_were_used(self):
        self.env["mrp.machine.code"].create(
            {"machine_id": self.machine.id, "kind": "state", "code": "7", "state": "setup", "label": "Tooling"}
        )
        self.receive(self.machine, self.count(3))
        self.post()
        rows = self.table(self.export(), "mapping_versions.csv")

        self.assertEqual([row["version"] for row in rows], [str(self.machine.mapping_version)])
        self.assertIn("Tooling", rows[0]["snapshot"])

    def test_it_is_read_in_parts(self):
        self.receive(self.machine, *(self.count(1, 60 + n, before=n) for n in range(25)))
        self.post()
        whole = self.export()
        with patch.object(mrp_machine_order_log, "BATCH", 4):
            self.assertEqual(self.export(), whole)
        self.assertEqual(len(self.table(whole, "events.csv")), 25)

    def test_an_order_without_events_has_an_empty_log(self):
        files = self.export(self.make_order(3))

        self.assertEqual(self.table(files, "events.csv"), [])
        self.assertIn("No machine counted on this order.", files["report.html"].decode())

    def user(self, group, **values):
        return self.env["res.users"].create(
            {
                "name": group,
                "login": f"log-{group}-{len(values)}",
                "group_ids": [(6, 0, self.env.ref(group).ids)],
                **values,
            }
        )

    def test_it_is_the_supervisors(self):
        self.receive(self.machine, self.count(3))
        self.post()
        self.assertIn("events.csv", self.export(env=self.env(user=self.user("mrp_machine_connect.group_supervisor"))))
        for group in ("mrp_machine_connect.group_operator", "mrp.group_mrp_manager"):
            with self.subTest(group=group), self.assertRaises(AccessError):
                self.export(env=self.env(user=self.user(group)))

    def test_companies_do_not_see_each_other(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.user("mrp_machine_connect.group_manager", company_id=other.id, company_ids=[(6, 0, other.ids)])

        with self.assertRaises(AccessError):
            self.export(env=self.env(user=stranger, context={"allowed_company_ids": other.ids}))


@tagged("post_install", "-at_install")
class TestDeliveredInTheOrderLog(DoorCommon, LogCommon):
    def test_what_others_delivered_is_reproduced_too(self):
        self.send(
            self.said("a", data={"kind": "good", "delta": 2, "total_before": "18446744073709551612", "x": [1.5, None]})
        )
        self.post()
        [row] = self.table(self.export(), "events.csv")

        self.assertEqual((row["uid"], row["digest_check"]), ("a", "same"))


@tagged("post_install", "-at_install")
class TestOrderLogDownload(HttpCase):
    def test_it_is_downloaded_by_supervisors_alone(self):
        order = self.env["mrp.production"].search([], limit=1)
        groups = {"yes": "mrp_machine_connect.group_supervisor", "no": "mrp_machine_connect.group_operator"}
        for login, group in groups.items():
            self.env["res.users"].create(
                {
                    "name": login,
                    "login": f"log-{login}",
                    "password": f"log-{login}",
                    "group_ids": [(6, 0, self.env.ref(group).ids)],
                }
            )
        address = order.action_machine_log()["url"]
        self.authenticate("log-yes", "log-yes")
        answer = self.url_open(address)
        self.assertEqual((answer.status_code, answer.headers["Content-Type"]), (200, "application/zip"))
        self.assertEqual(int(answer.headers["Content-Length"]), len(answer.content))
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            self.assertEqual(json.loads(archive.read("manifest.json"))["order"], order.name)
        self.assertEqual(self.url_open("/machine/orders/999999999/log").status_code, 404)
        self.authenticate("log-no", "log-no")
        self.assertEqual(self.url_open(address).status_code, 404)
