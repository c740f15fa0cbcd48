import json
import re
from datetime import datetime, timezone

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from odoo.exceptions import ValidationError
from odoo.http import _generate_routing_rules
from odoo.tests import tagged

from ..controllers.machine_openapi import _content
from ..machine_connect.event_schemas import documents
from ..machine_connect.heartbeat import Heartbeat
from ..machine_connect.instants import microseconds
from ..machine_connect.timestamps import from_timestamp
from ..models.mrp_machine_door import ACTIONS
from .test_mrp_machine_door import DoorCommon

SECRET = "secret-of-the-plant"


@tagged("post_install", "-at_install")
class TestMachineConfiguration(DoorCommon):
    """What a source is told of its machines: all that it needs to read them, and no secret."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection, cls.opcua = cls.env["mrp.machine.connection"].create(
            [
                {"machine_id": cls.machine.id, "protocol": "modbus", "host": "10.0.0.5", "polled_by": "worker"},
                {
                    "machine_id": cls.machine.id,
                    "protocol": "opcua",
                    "url": "opc.tcp://10.0.0.6:4840",
                    "user": "reader",
                    "password": SECRET,
                    "allow_plain_password": True,
                    "polled_by": "worker",
                },
            ]
        )
        cls.signal = cls.env["mrp.machine.signal"].create(
            {
                "machine_id": cls.machine.id,
                "connection_id": cls.connection.id,
                "name": "good",
                "role": "good",
                "address": "holding:100",
                "data_type": "u32",
                "fastest_cycle": 0.5,
            }
        )
        cls.code = cls.env["mrp.machine.code"].create(
            {"machine_id": cls.machine.id, "kind": "state", "code": "9", "state": "fault", "label": "Jam"}
        )

    def content(self):
        self.env.invalidate_all()
        return self.env["mrp.machine.configuration"]._content(self.source)

    def document(self):
        return json.loads(self.content()[0])

    def test_it_says_what_is_read_and_what_it_means(self):
        (machine,) = self.document()["machines"]

        self.assertEqual(
            (machine["code"], machine["mapping_version"]), (self.machine.code, self.machine.mapping_version)
        )
        modbus, opcua = machine["connections"]
        self.assertEqual((modbus["options"]["host"], modbus["password_needed"]), ("10.0.0.5", False))
        self.assertEqual((opcua["options"]["user"], opcua["password_needed"]), ("reader", True))
        (signal,) = machine["signals"]
        self.assertEqual(
            (signal["name"], signal["connection"], signal["address"], signal["fastest_cycle"], signal["state_table"]),
            ("good", self.connection.id, "holding:100", 0.5, None),
        )
        self.assertIn(
            {"kind": "state", "code": "9", "state": "fault", "label": "Jam", "severity": 500}, machine["codes"]
        )

    def test_a_code_of_the_machine_wins_over_that_of_its_company(self):
        self.env["mrp.machine.code"].create(
            [
                {"company_id": self.company.id, "kind": "state", "code": "9", "state": "idle"},
                {"company_id": self.company.id, "kind": "state", "code": "8", "state": "idle"},
                {"machine_id": self.idle_machine.id, "kind": "state", "code": "7", "state": "idle"},
            ]
        )
        self.source.machine_ids = self.machine | self.idle_machine
        found = {
            machine["code"]: {code["code"]: code["state"] for code in machine["codes"]}
            for machine in self.document()["machines"]
        }
        mine, idle = found[self.machine.code], found[self.idle_machine.code]
        self.assertEqual((mine["9"], mine["8"], "7" in mine), ("fault", "idle", False))
        self.assertEqual((idle["9"], idle["8"], idle["7"]), ("idle", "idle", "idle"))
        for machine in self.source.machine_ids:  # as the events' own mapping has it
            codes = self.env["mrp.machine.mapping.version"]._codes(machine)
            self.assertEqual(found[machine.code], {code.code: code.state or None for code in codes})

    def test_it_keeps_to_its_schema(self):
        registry = Registry().with_resources(
            (name, DRAFT202012.create_resource(schema)) for name, schema in documents().items()
        )
        Draft202012Validator(documents()["config.v1.json"], registry=registry).validate(self.document())

    def test_no_secret_is_in_it(self):
        self.opcua.security_policy = "Basic256Sha256"
        secrets = self.env["mrp.machine.connection.secret"].search([]).mapped("value")
        wizard = self.env["mrp.machine.source.new.key"].create({"source_id": self.source.id})
        secrets.append(wizard.action_make()["context"]["default_secret"])
        content = self.content()[0].decode()

        self.assertIn(SECRET, secrets)
        for secret in secrets:
            self.assertNotIn(secret, content)
        self.assertNotRegex(content, r"key_path|certificate_path|\.pem|PRIVATE")
        self.env.cr.execute(  # as nobody could enter it, and somebody may have
            "UPDATE mrp_machine_connection SET url = 'opc.tcp://u:hidden@10.0.0.6:4840' WHERE id = %s", [self.opcua.id]
        )
        content = self.content()[0].decode()
        self.assertIn("opc.tcp://10.0.0.6:4840", content)
        self.assertNotIn("hidden", content)

    def test_the_tag_is_the_same_until_something_changes(self):
        first, again = self.content()[1], self.content()[1]
        self.assertEqual(first, again)
        self.assertRegex(first, r'^"[0-9a-f]{64}"$')
        tags = {first}
        for change in (
            lambda: self.signal.write({"scale": 2.0}),
            lambda: self.code.write({"state": "stopped"}),
            lambda: self.connection.write({"host": "10.0.0.9"}),
            lambda: self.opcua.write({"active": False}),
        ):
            change()
            tags.add(self.content()[1])
        self.assertEqual(len(tags), 5)
        self.machine.note = "<p>Nothing that is read</p>"
        self.assertIn(self.content()[1], tags)

    def test_of_its_own_machines_and_company_alone(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.make_machine("t-elsewhere", company_id=other.id)
        # As a machine that has moved to another company since.
        self.env.cr.execute(
            "INSERT INTO mrp_machine_mrp_machine_source_rel (mrp_machine_source_id, mrp_machine_id) VALUES (%s, %s)",
            [self.source.id, stranger.id],
        )
        self.assertEqual([machine["code"] for machine in self.document()["machines"]], [self.machine.code])
        self.machine.active = False
        self.assertEqual(self.document()["machines"], [])


@tagged("post_install", "-at_install")
class TestMachineTrace(DoorCommon):
    def trace(self, uid, stream="line/1", source=None):
        self.env.invalidate_all()
        return self.env["mrp.machine.trace"]._of(source or self.source, stream, uid)

    def test_it_says_what_became_of_an_event(self):
        self.send(self.said("a", time="2026-03-02T06:01:00.123457Z", recordedtime="2026-03-02T06:01:01.000001Z"))
        received = self.trace("a")
        self.assertEqual((received["state"], received["posted"], received["effects"]), ("received", None, []))
        self.post()
        found = self.trace("a")

        self.assertEqual(found["occurred"], "2026-03-02T06:01:00.123457Z")
        self.assertEqual(found["recorded"], "2026-03-02T06:01:01.000001Z")
        self.assertEqual(from_timestamp(found["received"]), self.log().received_us)
        self.assertEqual((found["disposition"], found["reason"], found["state"]), ("accepted", "", "posted"))
        effect = next(effect for effect in found["effects"] if effect["handler"] == "production_count")
        self.assertEqual(effect["state"], "posted")
        self.assertIn(self.order.name, effect["document"])
        self.assertTrue(effect["summary"])
        self.assertEqual(found["posted"], effect["posted"])
        json.dumps(found)

    def test_an_error_is_told_in_words(self):
        self.send(self.said("late", held="jump"))
        self.post()
        found = self.trace("late")

        self.assertEqual((found["disposition"], found["reason"], found["state"]), ("held", "jump", "held"))
        self.assertIn("more than the machine can make", found["message"])
        self.assertTrue(all(effect["remedy"] for effect in found["effects"]))
        self.assertTrue(found["effects"])

    def test_events_of_others_are_unknown(self):
        self.send(self.said("a"))
        other = self.env["mrp.machine.source"].create({"name": "Another", "machine_ids": self.machine.ids})

        self.assertTrue(self.trace("a"))
        self.assertIsNone(self.trace("a", source=other))
        self.assertIsNone(self.trace("b"))
        self.assertIsNone(self.trace("a", stream="line/2"))


@tagged("post_install", "-at_install")
class TestMachineHeartbeat(DoorCommon):
    def hear(self, **said):
        answer, offset = self.env["mrp.machine.source.status"]._note_heartbeat(self.source, Heartbeat(**said), '"tag"')
        self.env.invalidate_all()
        return answer, offset

    def test_what_a_sender_says_of_itself_is_shown(self):
        ahead = microseconds(datetime.now(timezone.utc)) + 90_000_000
        answer, offset = self.hear(
            time=ahead, software="Gateway", version="2.1", spool_depth=7, oldest_age=12.5, streams=(("line/1", 1, 9),)
        )

        self.assertEqual(answer["config"], '"tag"')
        self.assertAlmostEqual(offset, 90, delta=5)
        self.assertEqual(
            (self.source.software, self.source.spool_depth, self.source.spool_oldest), ("Gateway 2.1", 7, 12.5)
        )
        self.assertTrue(self.source.status_ids.heard)
        self.assertEqual(self.source.status_ids.streams, [["line/1", 1, 9]])

    def test_nothing_is_a_heartbeat_too_and_there_is_one_row(self):
        self.assertIsNone(self.hear()[1])
        self.hear(software="Gateway")

        self.assertEqual(len(self.source.status_ids), 1)

    def test_the_answer_says_from_where_on_to_resume(self):
        def numbered(*numbers, stream="line/1"):
            self.send(*(self.said(f"{stream}{n}", n, source=stream, sequence=f"{n:020d}", epoch=1) for n in numbers))

        numbered(1, 2, 5)
        numbered(7, 8, stream="line/2")
        both = [
            {"source": "line/1", "epoch": 1, "sequence": 2},
            {"source": "line/2", "epoch": 1, "sequence": 8},
        ]
        self.assertEqual(self.hear()[0]["watermarks"], both)
        self.assertEqual(self.hear(streams=(("line/2", 1, 9), ("nowhere", 1, 1)))[0]["watermarks"], both[1:])
        other = self.env["mrp.machine.source"].create({"name": "Another", "machine_ids": self.machine.ids})
        answer, _offset = self.env["mrp.machine.source.status"]._note_heartbeat(other, Heartbeat(), "")
        self.assertEqual(answer["watermarks"], [])


@tagged("post_install", "-at_install")
class TestMachineMetrics(DoorCommon):
    LINE = re.compile(r'[a-z_]+(?:\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? [-+0-9.e]+')

    def text(self, company=None):
        return self.env["mrp.machine.metrics"]._text(company)

    def value(self, name, company=None, **labels):
        """Return the value of a series, by some of its labels."""
        found = [
            line.rpartition(" ")[2]
            for line in self.text(company).splitlines()
            if re.match(rf"{name}[{{ ]", line) and all(f'{key}="{value}"' in line for key, value in labels.items())
        ]
        self.assertLessEqual(len(found), 1)
        return float(found[0]) if found else None

    def note(self, source=None, seconds=0.02, **counted):
        self.env["mrp.machine.source.figure"]._note((source or self.source).id, "deliver", seconds, counted)

    def test_the_figures_of_the_door_are_there(self):
        self.note(accepted=5, duplicate=3)
        self.note(accepted=1, held=1, rejected=2)
        self.env["mrp.machine.door"]._note_refusals({"signature_wrong": 4}, self.source.id, "10.0.0.9")
        self.env["mrp.machine.door"]._note_refusals({"key_unknown": 2}, None, "10.0.0.9")
        me = {"source_id": self.source.id}

        for name, expected in (("received", 12), ("duplicate", 3), ("held", 1), ("rejected", 2)):
            with self.subTest(name=name):
                self.assertEqual(self.value(f"machine_connect_events_{name}_total", **me), expected)
        self.assertEqual(self.value("machine_connect_refused_total", reason="signature_wrong", **me), 4)
        self.assertEqual(self.value("machine_connect_refused_total", reason="key_unknown", source=""), 2)

    def test_what_waits_and_how_long_it_took(self):
        empty = self.value("machine_connect_events_unposted")
        self.send(self.said("a"), self.said("b", 61), self.said("c", 62, held="jump"))
        self.assertEqual(self.value("machine_connect_events_unposted"), empty + 3)
        self.assertGreater(self.value("machine_connect_oldest_unposted_age_seconds"), 0)
        self.post()

        self.assertEqual(self.value("machine_connect_events_unposted"), empty)
        self.assertGreaterEqual(self.value("machine_connect_exceptions", state="held"), 1)
        self.assertGreaterEqual(self.value("machine_connect_posting_recent"), 2)
        self.assertIsNotNone(self.value("machine_connect_posting_seconds", quantile="0.95"))

    def test_gaps(self):
        self.send(*(self.said(f"e{n}", n, sequence=f"{n:020d}", epoch=1) for n in (1, 3, 7)))

        self.assertEqual(self.value("machine_connect_gaps_open", source_id=self.source.id), 2)

    def test_answer_times_are_a_histogram(self):
        self.env["mrp.machine.source.figure"].search([]).unlink()
        for seconds in (0.004, 0.02, 0.02, 0.3, 60):
            self.note(seconds=seconds)

        bucket = "machine_connect_answer_seconds_bucket"
        for bound, expected in (("0.005", 1), ("0.01", 1), ("0.025", 3), ("0.5", 4), ("10", 4), ("+Inf", 5)):
            with self.subTest(bound=bound):
                self.assertEqual(self.value(bucket, le=bound, action="deliver"), expected)
        self.assertEqual(self.value("machine_connect_answer_seconds_count", action="deliver"), 5)
        self.assertAlmostEqual(self.value("machine_connect_answer_seconds_sum", action="deliver"), 60.344)

    def test_names_of_people_break_no_line(self):
        self.source.name = 'Hall "2"\n\\ evil{} 1'
        self.note(accepted=1)
        lines = self.text().splitlines()

        self.assertTrue(lines)
        for line in lines:
            if not line.startswith("# "):
                self.assertRegex(line, f"^{self.LINE.pattern}$")
        self.assertIn('source="Hall \\"2\\"\\n\\\\ evil{} 1"', self.text())

    def test_there_are_no_more_series_than_are_bounded(self):
        from ..models import mrp_machine_metrics

        more = self.env["mrp.machine.source"].create([{"name": f"Source {place}"} for place in range(4)])
        for source in more:
            self.note(source, accepted=1)
        before = self.value("machine_connect_events_received_total", source="others")
        self.assertIsNone(before)
        self.patch(mrp_machine_metrics, "MOST_SOURCES", 1)
        text = self.text()

        self.assertGreaterEqual(self.value("machine_connect_events_received_total", source="others"), 3)
        self.assertLessEqual(len(re.findall(r"^machine_connect_events_received_total\{", text, re.M)), 2)
        self.env["mrp.machine.door"]._note_refusals({"made up": 1, "also made up": 1}, self.source.id, "")
        self.assertNotIn("made up", self.text())

    def test_a_company_sees_its_own_sources(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.env["mrp.machine.source"].create({"name": "Stranger", "company_id": other.id})
        self.note(accepted=1)
        self.note(stranger, accepted=1)
        self.env["mrp.machine.door"]._note_refusals({"key_unknown": 1}, None, "10.0.0.9")
        text = self.text(self.company)

        self.assertIn('source="Line controller"', text)
        self.assertNotIn("Stranger", text)
        self.assertNotIn('source=""', text)

    def test_nobody_is_let_in_unsigned_unless_the_settings_say_so(self):
        metrics = self.env["mrp.machine.metrics"]
        self.assertFalse(metrics._is_open_to("127.0.0.1"))
        self.env["res.config.settings"].create({"machine_metrics_networks": "10.0.0.0/28 ::1"}).execute()

        self.assertTrue(metrics._is_open_to("10.0.0.7"))
        self.assertTrue(metrics._is_open_to("::1"))
        for address in ("10.0.0.16", "127.0.0.1", "", None, "unix:"):
            self.assertFalse(metrics._is_open_to(address))
        with self.assertRaises(ValidationError):
            self.env["res.config.settings"].create({"machine_metrics_networks": "everybody"})


@tagged("post_install", "-at_install")
class TestMachineOpenapi(DoorCommon):
    """The description says what there is: no route that it does not name, and none named that is not there."""

    def described(self):
        return json.loads(_content()[0])

    def test_it_is_openapi(self):
        validate(self.described())

    def test_it_names_each_route_and_method_and_no_other(self):
        routes = {
            (path, method)
            for path, endpoint in _generate_routing_rules(self.env.registry._init_modules, nodb_only=False)
            if path.startswith("/machine/v1/")
            for method in endpoint.routing["methods"]
        }
        described = {
            (path, method.upper()) for path, methods in self.described()["paths"].items() for method in methods
        }
        self.assertEqual(described, routes)
        self.assertGreaterEqual(len(routes), 7)

    def test_each_route_is_one_at_which_no_form_is_taken_apart(self):
        types = {
            path: endpoint.routing["type"]
            for path, endpoint in _generate_routing_rules(self.env.registry._init_modules, nodb_only=False)
            if path.startswith("/machine/v1/")
        }
        self.assertEqual(types, dict.fromkeys(self.described()["paths"], "machine"))

    def test_who_may_ask_is_said_for_each(self):
        for path, methods in self.described()["paths"].items():
            for operation in methods.values():
                is_signed = operation["operationId"] in ACTIONS
                self.assertEqual(any(operation["security"]), is_signed, path)

    def test_it_says_nothing_of_this_database(self):
        content = _content()[0].decode()

        for fact in (self.env["ir.config_parameter"].get_param("database.uuid"), self.source.name, self.machine.code):
            self.assertNotIn(fact, content)

    def test_each_reason_with_which_an_event_is_rejected_is_named(self):
        from ..machine_connect.refusals import EVENT_REFUSALS
        from ..models.mrp_machine_intake import RIGHT_REASONS

        result = self.described()["components"]["schemas"]["EventsAnswer"]["properties"]["results"]["items"]
        named = set(result["properties"]["reason"]["enum"])
        self.assertLessEqual({*EVENT_REFUSALS, *RIGHT_REASONS}, named)
