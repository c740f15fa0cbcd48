import base64
import json
from datetime import datetime, timedelta, timezone

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..machine_connect import clock
from .test_mrp_machine_door import DoorCommon


@tagged("post_install", "-at_install")
class TestMachineSourceFigure(DoorCommon):
    """What people see of a source: counted once for each answered request."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.figures = cls.env["mrp.machine.source.figure"]

    def note(self, at=None, action="deliver", seconds=0.01, said=None, **counted):
        if at:
            self.patch(clock, "now", lambda: at.replace(tzinfo=timezone.utc))
        self.figures._note(self.source.id, action, seconds, counted, said)
        self.env.invalidate_all()

    def test_requests_of_a_day_add_up(self):
        self.note(accepted=5, duplicate=2)
        self.note(accepted=1, rejected=3, held=1)
        self.note(action="heartbeat")

        deliver = self.source.figure_ids.filtered(lambda line: line.action == "deliver")
        self.assertEqual(
            (deliver.requests, deliver.events, deliver.accepted, deliver.duplicates, deliver.held, deliver.rejected),
            (2, 12, 6, 2, 1, 3),
        )
        self.assertEqual(len(self.source.figure_ids), 2)
        self.assertEqual(
            (self.source.requests_today, self.source.events_today, self.source.duplicates_today), (3, 12, 2)
        )
        self.assertTrue(self.source.last_heard)

    def test_the_rate_is_that_of_the_last_whole_minute(self):
        start = fields.Datetime.now().replace(hour=12, minute=0, second=5)
        self.note(start, accepted=10)
        self.note(start + timedelta(seconds=30), accepted=20)
        self.note(start + timedelta(seconds=60), accepted=7)
        # A worker whose clock is a little behind counts in the minute that has begun.
        self.note(start + timedelta(seconds=50), accepted=1)

        (line,) = self.source.figure_ids
        self.assertEqual((line.minute_before, line.minute_events), (30, 8))
        self.assertEqual(line._per_minute(start + timedelta(seconds=70)), 30)
        self.assertEqual(line._per_minute(start + timedelta(seconds=125)), 8)
        self.assertEqual(line._per_minute(start + timedelta(seconds=190)), 0)
        self.note(start + timedelta(minutes=5), accepted=2)
        self.assertEqual((line.minute_before, line.minute_events), (0, 2))

    def test_the_senders_clock_is_compared_with_ours(self):
        now = fields.Datetime.now().replace(hour=12)
        said = str(int(now.replace(tzinfo=timezone.utc).timestamp()) - 100)
        self.note(now, said=said)
        self.assertAlmostEqual(self.source.clock_offset, -99.5)
        self.note(now, clock_offset=-99.732, said=said)
        self.assertAlmostEqual(self.source.clock_offset, -99.732)
        self.note(now, action="heartbeat", clock_offset=-99.5)
        self.note(now + timedelta(minutes=9), clock_offset=-90)
        self.assertAlmostEqual(self.source.clock_offset, -99.5, msg="a heartbeat knows it better")
        self.note(now + timedelta(minutes=11), clock_offset=-90)
        self.assertAlmostEqual(self.source.clock_offset, -90, msg="unless it is old")
        self.note(now + timedelta(minutes=11), clock_offset=-99.732)
        for said in ("nonsense", "-1", "9" * 10_000, "1e9"):
            self.note(now + timedelta(minutes=11), said=said)
        self.assertAlmostEqual(self.source.clock_offset, -99.732)

    def test_what_is_refused_and_missing_is_shown(self):
        self.env["mrp.machine.door"]._note_refusals({"machine_unknown": 3, "signature_wrong": 4}, self.source.id, "")
        self.send(*(self.said(f"e{n}", n, sequence=f"{n:020d}", epoch=1) for n in (1, 3)))

        self.assertEqual((self.source.refused_today, self.source.gaps_open), (7, 1))

    def test_yesterday_is_not_today(self):
        self.note(datetime.now(timezone.utc) - timedelta(days=1), accepted=5)

        self.assertEqual((self.source.events_today, self.source.requests_today), (0, 0))
        self.assertTrue(self.source.last_heard)

    def test_old_days_become_one_line_and_no_sum_falls(self):
        self.note(accepted=5, duplicate=1)
        self.env["mrp.machine.door"]._note_refusals({"machine_unknown": 3}, self.source.id, "10.0.0.9")
        for table, ages in (("source_figure", (500, 91, 89)), ("refusal", (500, 401, 399))):
            for days in ages:
                self.env.cr.execute(f"SELECT array_agg(id) FROM mrp_machine_{table}")
                (ids,) = self.env.cr.fetchone()
                self.env[f"mrp.machine.{table.replace('_', '.')}"].browse(max(ids)).copy(
                    {"day": fields.Date.today() - timedelta(days=days)}
                )
        self.env.flush_all()

        def sums():
            self.env.invalidate_all()
            lines, refused = self.source.figure_ids, self.source.refusal_ids
            return sum(lines.mapped("accepted")), sum(lines.mapped("answers_10")), sum(refused.mapped("count"))

        self.assertEqual(sums(), (20, 4, 12))
        for _pass in range(2):
            self.env["mrp.machine.retention"]._fold_figures()
            self.env["mrp.machine.retention"]._fold_refusals()
            self.assertEqual(sums(), (20, 4, 12))
            self.assertEqual((len(self.source.figure_ids), len(self.source.refusal_ids)), (3, 3))

    def test_an_operator_sees_figures_and_no_refusals(self):
        self.note(accepted=5)
        user = self.env["res.users"].create(
            {
                "name": "Operator",
                "login": "figures-operator",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_operator").id])],
            }
        )
        source = self.source.with_user(user)
        self.assertEqual((source.events_today, source.events_per_minute, source.gaps_open), (5, 0, 0))
        with self.assertRaises(AccessError):
            source.read(["refused_today"])


@tagged("post_install", "-at_install")
class TestMachineSourceWatch(DoorCommon):
    """Who falls silent or is refused again and again is told to one person, once for each cause."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = cls.env["res.users"].create(
            {
                "name": "Ann",
                "login": "ann-of-sources",
                "group_ids": [(6, 0, [cls.env.ref("mrp_machine_connect.group_manager").id])],
            }
        )
        cls.source.write({"responsible_id": cls.ann.id, "silent_after": 5, "refused_limit": 10})

    def heard(self, minutes_ago):
        self.env["mrp.machine.source.figure"]._note(self.source.id, "heartbeat", 0.01, {})
        self.env.cr.execute(
            "UPDATE mrp_machine_source_figure SET last = (now() AT TIME ZONE 'UTC') - %s * interval '1 minute'",
            [minutes_ago],
        )
        self.env.invalidate_all()

    def refuse(self, count, reason="signature_wrong"):
        self.env["mrp.machine.door"]._note_refusals({reason: count}, self.source.id, "10.0.0.9")
        self.env.invalidate_all()

    def look(self):
        with mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_watch"):
            self.env["mrp.machine.watch"]._cron_watch()
        self.env.invalidate_all()

    def told(self):
        return self.source.activity_ids.mapped("summary")

    def test_silence_is_told_once_and_taken_back(self):
        self.look()
        self.assertEqual(self.told(), [], "nobody waits for whom nobody ever heard")
        self.heard(4)
        self.look()
        self.assertEqual((self.told(), self.source.is_silent), ([], False))
        self.heard(6)
        self.look()
        self.look()
        self.assertEqual(self.told(), ["Line controller is silent"])
        self.assertEqual(self.source.activity_ids.user_id, self.ann)
        self.assertTrue(self.source.is_silent)
        self.heard(0)
        self.look()
        self.assertEqual((self.told(), self.source.is_silent), ([], False))

    def test_what_a_person_ticked_off_is_not_told_again_in_the_same_silence(self):
        self.heard(6)
        self.look()
        self.source.activity_ids.action_feedback(feedback="I know")
        self.look()
        self.assertEqual(self.told(), [])
        self.heard(0)
        self.look()
        self.heard(6)
        self.look()
        self.assertEqual(len(self.told()), 1)

    def test_nobody_is_told_where_nobody_wants_to_know(self):
        self.heard(600)
        self.source.silent_after = 0
        self.look()
        self.assertEqual(self.told(), [])
        self.source.write({"silent_after": 5, "active": False})
        self.look()
        self.assertEqual(self.told(), [])

    def test_an_attack_makes_one_activity(self):
        self.refuse(9)
        self.look()
        self.assertEqual(self.told(), [])
        self.refuse(1)
        self.look()
        self.refuse(10_000)
        self.refuse(10_000, "machine_unknown")
        self.look()

        self.assertEqual(self.told(), ["Much of Line controller is refused"])
        self.assertIn("The signature does not fit", self.source.activity_ids.note)
        self.source.activity_ids.action_feedback(feedback="I know")
        self.refuse(10_000)
        self.look()
        self.assertEqual(self.told(), [], "not again on the same day")

    def test_the_next_day_it_is_told_again_unless_it_is_open_still(self):
        self.refuse(10)
        self.look()
        status = self.source.status_ids
        status.refused_told = fields.Date.today() - timedelta(days=1)
        self.look()
        self.assertEqual(len(self.told()), 1)
        self.source.activity_ids.action_feedback(feedback="I know")
        status.refused_told = fields.Date.today() - timedelta(days=1)
        self.look()
        self.assertEqual(len(self.told()), 1)


@tagged("post_install", "-at_install")
class TestMachineSourceDiagnostics(DoorCommon):
    def test_the_file_says_what_support_needs_and_no_secret(self):
        wizard = self.env["mrp.machine.source.new.key"].create({"source_id": self.source.id})
        secret = wizard.action_make()["context"]["default_secret"]
        public = base64.b64encode(bytes(range(32))).decode()
        wizard = self.env["mrp.machine.source.new.key"].create(
            {"source_id": self.source.id, "algorithm": "ed25519", "public_key": public}
        )
        wizard.action_make()
        self.send(*(self.said(f"e{n}", n, sequence=f"{n:020d}", epoch=1) for n in (1, 3)))
        self.env["mrp.machine.door"]._note_refusals({"machine_unknown": 3}, self.source.id, "10.0.0.9")
        self.env["mrp.machine.source.figure"]._note(self.source.id, "deliver", 0.01, {"accepted": 2})
        self.env.invalidate_all()
        text = base64.b64decode(self.source.diagnostics_file).decode()
        found = json.loads(text)

        self.assertEqual(found["source"]["name"], "Line controller")
        self.assertEqual(found["machines"], [self.machine.code])
        self.assertEqual({key["name"] for key in found["keys"]}, set(self.source.key_ids.mapped("name")))
        self.assertEqual([(gap["stream"], gap["first"], gap["last"]) for gap in found["gaps"]], [("line/1", 2, 2)])
        self.assertEqual([(line["reason"], line["count"]) for line in found["refusals"]], [("machine_unknown", 3)])
        self.assertEqual(found["figures"][0]["accepted"], 2)
        self.assertTrue(found["versions"]["odoo"])
        uuid = self.env["ir.config_parameter"].get_param("database.uuid")
        for hidden in (secret, public, uuid):
            self.assertNotIn(hidden, text)

    def test_it_is_downloaded_by_managers(self):
        action = self.source.action_download_diagnostics()

        self.assertIn(f"/web/content/mrp.machine.source/{self.source.id}/diagnostics_file/", action["url"])
