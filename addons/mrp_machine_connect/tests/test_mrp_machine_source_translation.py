import json

from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..machine_connect.envelope import Rejected
from ..machine_connect.event import EVENT_TYPES
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.translation import JSON, UNITS
from .common import T0
from .test_mrp_machine_door import DoorCommon


@tagged("post_install", "-at_install")
class TestMachineSourceTranslation(DoorCommon):
    """What becomes of a sender's metrics by records on its source."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.translations = cls.env["mrp.machine.source.translation"]

    def translation(self, *lines, **values):
        lines = lines or (("kind", "constant", "good"), ("delta", "field", "good"))
        return self.translations.create(
            {
                "source_id": self.source.id,
                "metric": "press",
                "line_ids": [
                    Command.create(dict(zip(("key", "origin", "said", "value_map"), line, strict=False)))
                    for line in lines
                ],
                **values,
            }
        )

    def metric(self, seconds=60, **changes):
        return {
            "name": "press",
            "tags": {"machine": self.machine.code, "host": "gateway"},
            "fields": {"good": 3},
            "timestamp": int(T0.timestamp()) + seconds,
            **changes,
        }

    def read_body(self, *metrics, content_type=JSON):
        return self.translations._read_events(self.source, json.dumps({"metrics": metrics}).encode(), content_type, "")

    def take(self, *metrics):
        answer = self.intake._take(self.source, self.read_body(*metrics))
        self.env.invalidate_all()
        return [(result["status"], result["reason"]) for result in answer["results"]]

    def test_a_metric_is_stored_once_and_has_its_effect(self):
        self.translation()

        self.assertEqual(self.take(self.metric(), self.metric(name="cpu")), [
            ("accepted", ""), ("rejected", "translation_missing"),
        ])  # fmt: skip
        self.assertEqual(self.take(self.metric()), [("duplicate", "")])
        self.assertEqual(self.take(self.metric(fields={"good": 9})), [("rejected", "identity_conflict")])
        event = self.log()
        self.assertEqual((event.type, event.machine_id, event.data), (
            "production.count", self.machine, {"kind": "good", "delta": 3},
        ))  # fmt: skip
        self.assertEqual(event.stream, "telegraf/Line controller")
        self.post()
        self.assertEqual(self.order.qty_producing, 3)

    def test_without_translations_in_use_plain_json_is_refused_as_ever(self):
        with self.assertRaisesRegex(RequestRefused, "media_type_unsupported"):
            self.read_body(self.metric())
        translation = self.translation()
        self.assertEqual(len(self.read_body(self.metric())), 1)
        translation.active = False
        with self.assertRaisesRegex(RequestRefused, "media_type_unsupported"):
            self.read_body(self.metric())

    def test_another_source_knows_nothing_of_them(self):
        self.translation()
        other = self.source.copy({"name": "Another"})
        self.assertFalse(other.translation_ids)
        with self.assertRaisesRegex(RequestRefused, "media_type_unsupported"):
            self.translations._read_events(other, b"{}", JSON, "")

    def test_a_source_with_translations_sends_cloud_events_too(self):
        self.translation()
        self.assertEqual(self.fates(self.send(self.said("a"))), [("a", "accepted", "")])

    def test_what_the_source_may_not_say_is_refused_after_translation_too(self):
        self.translation(("value", "field", "good"), ("unit", "constant", "C62"), event_type="meter.reading")
        self.assertEqual(self.take(self.metric()), [("rejected", "type_forbidden")])
        self.translation()
        self.assertEqual(self.take(self.metric(tags={"machine": "elsewhere"}))[1], ("rejected", "machine_unknown"))

    def test_the_stream_stays_when_the_source_is_renamed(self):
        translation = self.translation()
        self.source.name = "Telegraf of hall 2"
        self.assertEqual(translation.stream, "telegraf/Line controller")

    def test_a_machine_is_chosen_or_in_a_tag(self):
        translation = self.translation(machine_id=self.machine.id, machine_tag=False)
        self.assertEqual(self.take(self.metric(tags={})), [("accepted", "")])
        for values in ({"machine_id": False}, {"tag": "line", "tag_value": ""}):
            with self.subTest(values=values), self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    translation.write(values)
                    translation.flush_recordset()

    def test_what_cannot_be_is_said_in_sentences(self):
        translation = self.translation()
        with self.assertRaisesRegex(ValidationError, "says delta as well"):
            translation.line_ids.filtered(lambda line: line.key == "delta").unlink()
            translation.event_type = "production.count"
            translation._check_lines()
        for values, words in (
            ({"origin": "time", "said": "soon"}, "no number of seconds"),
            ({"origin": "time", "said": "9999999999"}, "no number of seconds"),
            ({"value_map": "running"}, "no line of a table"),
            ({"value_map": "1=a, 1=b"}, "says a value again"),
        ):
            with self.subTest(values=values), self.assertRaisesRegex(ValidationError, words):
                translation.line_ids[0].write(values)
        inside = self.env["mrp.machine.source"].search([("kind", "=", "poller")], limit=1)
        with self.assertRaisesRegex(ValidationError, "lives in Odoo itself"):
            self.translation(source_id=inside.id)

    def test_the_units_are_those_of_the_pure_package(self):
        field = self.translations._fields["unit"]
        self.assertEqual({value for value, _words in field.selection}, set(UNITS))
        self.assertEqual(
            {value for value, _words in self.translations._fields["event_type"].selection}, set(EVENT_TYPES)
        )

    def test_the_preset_for_telegraf_says_what_the_recipe_sends(self):
        self.source.event_types = "machine.* production.* meter.* process.*"
        self.source.action_add_telegraf()
        count = len(self.source.translation_ids)
        self.source.action_add_telegraf()
        self.assertEqual(len(self.source.translation_ids), count)
        tags = {"machine": self.machine.code, "unit": "CEL", "signal": "oil"}
        moment = (int(T0.timestamp()) + 60) * 1_000_000
        metrics = [
            {"name": name, "tags": tags, "fields": said, "timestamp": moment}
            for name, said in (
                ("machine_count", {"good": 3, "reject": 1}),
                ("machine_count", {"good": 2}),
                ("machine_state", {"state": 1}),
                ("machine_meter", {"value": 61.5}),
                ("machine_summary", {"value_count": 6, "value_min": 60, "value_max": 62, "value_mean": 61}),
            )
        ]
        found = self.read_body(*metrics)
        self.assertEqual(
            [(event.type, event.data.get("kind") or event.data.get("state")) for event in found],
            [("production.count", "good"), ("production.count", "reject"), ("production.count", "good"),
             ("machine.state_changed", "running"), ("meter.reading", None), ("process.summary", None)],
        )  # fmt: skip

    def test_a_box_shows_what_a_body_becomes_and_stores_nothing(self):
        self.translation()
        self.source.action_add_telegraf()
        before = self.env["mrp.machine.event"].search_count([])
        box = Form(self.env["mrp.machine.source.translation.try"].with_context(default_source_id=self.source.id))
        self.assertIn("1. production.count of", box.becomes)
        self.assertIn("meter.reading", box.becomes)
        self.assertIn("(type_forbidden)", box.becomes)
        box.body = json.dumps(
            {"metrics": [self.metric(), self.metric(name="cpu"), self.metric(tags={"machine": "moon"})]}
        )
        first, second, third = box.becomes.splitlines()
        self.assertIn(f"production.count of {self.machine.code} at 2026-03-02 06:01:00 UTC", first)
        self.assertNotIn("not taken", first)
        self.assertIn("(translation_missing)", second)
        self.assertIn("(machine_unknown)", third)
        box.body = "{"
        self.assertEqual((box.problem, box.becomes), ("The body is not JSON.", ""))
        box.body = False
        self.assertEqual(box.problem, "The body is not JSON.")
        self.assertEqual(self.env["mrp.machine.event"].search_count([]), before)

    def test_companies_do_not_see_each_others_translations(self):
        translation = self.translation()
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "translations-stranger",
                "company_id": other.id,
                "company_ids": [Command.set(other.ids)],
                "group_ids": [Command.set(self.env.ref("mrp_machine_connect.group_manager").ids)],
            }
        )
        self.assertFalse(self.translations.with_user(stranger).search([("id", "=", translation.id)]))
        for record in (translation, translation.line_ids):
            with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_rule"):
                record.with_user(stranger).read(["display_name"])
        machine = self.machine.copy({"company_id": other.id, "code": "away", "workcenter_id": False})
        with self.assertRaises(UserError):
            translation.machine_id = machine

    def test_the_form_of_a_source_has_a_page_for_them(self):
        with Form(self.source) as form, form.translation_ids.new() as line:
            line.metric = "press"
            for key, origin, said in (("kind", "constant", "good"), ("delta", "field", "good")):
                with line.line_ids.new() as data:
                    data.key, data.origin, data.said = key, origin, said
        self.assertEqual(self.source.translation_ids.stream, "telegraf/Line controller")
        event = self.read_body(self.metric())[0]
        self.assertNotIsInstance(event, Rejected)
        self.assertEqual(event.data, {"kind": "good", "delta": 3})
