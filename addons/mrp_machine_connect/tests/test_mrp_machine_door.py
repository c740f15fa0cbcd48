import json
import time
from datetime import datetime, timedelta, timezone

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..machine_connect import signature
from ..machine_connect.envelope import BATCH, parse
from ..machine_connect.signature import Key, Request
from ..machine_connect.timestamps import timestamp
from ..models.mrp_machine_door import DoorClosed, environment_name
from .common import MachineConnectCommon

TARGET = "/machine/v1/events"


class DoorCommon(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.door = cls.env["mrp.machine.door"]
        cls.intake = cls.env["mrp.machine.intake"]
        cls.source = cls.env["mrp.machine.source"].create({"name": "Line controller", "machine_ids": cls.machine.ids})

    def said(self, identity, seconds=60, kind="production.count", data=None, **attributes):
        """Return a CloudEvent as a sender would write it."""
        occurred = int(self.at(seconds).timestamp() * 1e6)
        return {
            "specversion": "1.0",
            "id": identity,
            "source": "line/1",
            "type": f"mmc.{kind}.v1",
            "subject": self.machine.code,
            "time": timestamp(occurred),
            "data": {"kind": "good", "delta": 1} if data is None else data,
            **attributes,
        }

    def send(self, *events, source=None):
        """Hand events over as the controller does, and return the answer."""
        parsed = parse(json.dumps(events).encode(), BATCH)
        answer = self.intake._take(source or self.source, parsed)
        self.env.invalidate_all()
        return answer

    def fates(self, answer):
        return [(result["id"], result["status"], result["reason"]) for result in answer["results"]]

    def log(self):
        return self.env["mrp.machine.event"].search([("source_id", "=", self.source.id)], order="id")


@tagged("post_install", "-at_install")
class TestMachineDoor(DoorCommon):
    """What becomes of each event that is delivered: stored once, refused, held, or known already."""

    def test_an_event_is_stored_as_its_sender_said_it(self):
        self.send(
            self.said(
                "a",
                time="2026-03-02T06:01:00.123457Z",
                recordedtime="2026-03-02T06:01:01.000001Z",
                data={"kind": "good", "delta": 3, "total_before": "18446744073709551612", "colour": "red"},
                correlationid="shift 1",
                traceparent="00-abc-01",
            )
        )

        event = self.log()
        self.assertEqual(
            (event.type, event.machine_id, event.stream, event.uid), ("production.count", self.machine, "line/1", "a")
        )
        self.assertEqual(event.occurred_us % 1_000_000, 123457)
        self.assertEqual(event.occurred.replace(microsecond=0), fields.Datetime.to_datetime("2026-03-02 06:01:00"))
        self.assertEqual(event.recorded_us - event.occurred_us, 876_544)
        self.assertEqual(event.data["total_before"], 18446744073709551612)
        self.assertEqual(event.data["colour"], "red")
        self.assertEqual(event.attributes, {"traceparent": "00-abc-01"})
        self.assertEqual(event.correlation, "shift 1")
        self.assertEqual(event.disposition, "accepted")

    def test_what_is_sent_again_is_known(self):
        first = self.send(self.said("a"), self.said("b", 61))
        again = self.send(self.said("b", 61), self.said("a"), self.said("c", 62))

        self.assertEqual(self.fates(first), [("a", "accepted", ""), ("b", "accepted", "")])
        self.assertEqual(self.fates(again), [("b", "duplicate", ""), ("a", "duplicate", ""), ("c", "accepted", "")])
        self.assertEqual(again["results"][0]["first"], "accepted")
        self.assertEqual(self.log().mapped("uid"), ["a", "b", "c"])

    def test_twice_in_one_batch_is_once(self):
        answer = self.send(self.said("a"), self.said("a"), self.said("a", data={"kind": "good", "delta": 9}))

        self.assertEqual(
            self.fates(answer), [("a", "accepted", ""), ("a", "duplicate", ""), ("a", "rejected", "identity_conflict")]
        )
        self.assertEqual(self.log().data["delta"], 1)

    def test_the_same_id_with_another_content_changes_nothing(self):
        self.send(self.said("a"))
        answer = self.send(self.said("a", data={"kind": "good", "delta": 2}))

        self.assertEqual(self.fates(answer), [("a", "rejected", "identity_conflict")])
        self.assertEqual(self.log().data["delta"], 1)

    def test_an_old_id_behind_a_new_number_is_still_known(self):
        """It is beyond the mark, where nobody looks; the database's own rule finds it, and the others are stored."""
        self.send(self.said("a", sequence=1), self.said("b", sequence=2))
        answer = self.send(
            self.said("a", sequence=3), self.said("b", sequence=4, data={"kind": "good", "delta": 2}),
            self.said("c", sequence=5),
        )  # fmt: skip

        self.assertEqual(
            self.fates(answer),
            [("a", "duplicate", ""), ("b", "rejected", "identity_conflict"), ("c", "accepted", "gap_open")],
        )
        self.assertEqual(self.log().mapped("uid"), ["a", "b", "c"])
        queued = self.env["mrp.machine.queue"].search([("event_id", "in", self.log().ids)])
        self.assertEqual(len(queued), 3)
        self.assertEqual(answer["watermarks"], [{"source": "line/1", "epoch": 0, "sequence": 2}])

    def test_no_character_means_anything_to_the_database(self):
        """Rows travel as text with tabs, line feeds and backslashes between them; those of the sender are told apart."""
        texts = [
            "\\N",
            "\\.",
            "a\tb",
            "line\nfeed",
            "carriage\rreturn",
            "back\\slash",
            "\\t",
            "»quoted« \"'",
            "𝄞 ü",
            " ",
        ]
        events = [
            self.said(text, source=f"stream {text}", data={"kind": "good", "delta": 1, "note": text}, more=text)
            for text in texts
        ]
        answer = self.send(*events)

        self.assertEqual({result["status"] for result in answer["results"]}, {"accepted"}, answer)
        stored = {event.uid: (event.stream, event.data["note"], event.attributes["more"]) for event in self.log()}
        self.assertEqual(stored, {text: (f"stream {text}", text, text) for text in texts})
        again = self.send(*events)
        self.assertEqual({result["status"] for result in again["results"]}, {"duplicate"})

    def test_one_bad_event_holds_up_no_other(self):
        answer = self.send(
            self.said("a", kind="production.miracle"), self.said("b"), self.said("c", data={"kind": "good"})
        )

        self.assertEqual(
            self.fates(answer), [("a", "rejected", "type_unknown"), ("b", "accepted", ""), ("c", "rejected", "missing")]
        )
        self.assertEqual(self.log().mapped("uid"), ["b"])

    def test_what_is_unknown_is_kept_and_told(self):
        answer = self.send(self.said("a", data={"kind": "good", "delta": 1, "colour": "red"}, traceparent="x"))

        self.assertEqual(answer["results"][0]["unknown"], ["/traceparent", "/data/colour"])

    def test_a_source_speaks_for_its_machines_alone(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.make_machine("t-elsewhere", company_id=other.id)
        fates = self.fates(
            self.send(
                self.said("a", subject=self.idle_machine.code),
                self.said("b", subject="t-elsewhere"),
                self.said("c", subject="nobody"),
            )
        )
        self.machine.active = False
        fates += self.fates(self.send(self.said("d")))

        self.assertEqual(fates, [(identity, "rejected", "machine_unknown") for identity in "abcd"])
        self.assertFalse(self.log())

    def test_a_source_delivers_only_the_types_that_it_may(self):
        taking_away = self.said("b", kind="correction.adjust", data={"kind": "good", "delta": -1, "why": "miscounted"})
        for types, expected in (
            ("machine.*", ["type_forbidden", "type_forbidden"]),
            ("*", ["", "type_forbidden"]),
            ("production.count correction.adjust", ["", ""]),
        ):
            with self.subTest(types=types):
                self.source.event_types = types
                answer = self.send(self.said("a"), taking_away)
                self.assertEqual([result["reason"] for result in answer["results"]], expected)

    def test_a_time_far_from_ours_waits_for_a_person(self):
        self.machine.write({"late_window": 1, "early_window": 10})
        now = datetime.now(timezone.utc)
        moments = {
            name: timestamp(int((now + timedelta(minutes=minutes)).timestamp() * 1e6))
            for name, minutes in {"late": -61, "old": -59, "soon": 9, "early": 11}.items()
        }
        answer = self.send(*(self.said(name, time=moment) for name, moment in moments.items()))

        self.assertEqual(
            self.fates(answer),
            [
                ("late", "held", "clock_late"),
                ("old", "accepted", ""),
                ("soon", "accepted", ""),
                ("early", "held", "clock_early"),
            ],
        )
        again = self.send(self.said("late", time=moments["late"]))
        self.assertEqual(again["results"][0]["first"], "held")

    def test_what_its_sender_doubts_waits_for_a_person(self):
        answer = self.send(self.said("a", held="jump"))

        self.assertEqual(self.fates(answer), [("a", "held", "jump")])
        self.assertEqual((self.log().disposition, self.log().reason), ("held", "jump"))

    def test_pieces_become_quantity_of_the_order(self):
        self.send(*(self.said(f"e{number}", number) for number in range(20)))
        self.post()
        self.send(*(self.said(f"e{number}", number) for number in range(10, 30)))
        self.post()

        self.assertEqual(self.order.qty_producing, 30)

    def test_the_machine_shows_what_it_said_last(self):
        self.send(self.said("a", kind="machine.state_changed", data={"state": "running", "previous": "idle"}))

        self.assertEqual(self.machine.status_id.state, "running")
        self.assertTrue(self.machine.status_id.last_seen)


@tagged("post_install", "-at_install")
class TestMachineDoorSequence(DoorCommon):
    """Numbers that are left out are noticed, told, and forgotten once they have come; nothing waits for them."""

    def numbered(self, *numbers, epoch=1):
        return self.send(
            *(self.said(f"{epoch}-{number}", number, sequence=f"{number:020d}", epoch=epoch) for number in numbers)
        )

    def gaps(self):
        stream = self.env["mrp.machine.stream"].search([("source_id", "=", self.source.id)])
        return [(gap.first, gap.last, bool(gap.closed)) for gap in stream.gap_ids.sorted("id")]

    def test_gaps_of_several_streams_in_one_request(self):
        def send(*places):
            return self.send(
                *(
                    self.said(f"{stream}-{number}", number, source=stream, sequence=number, epoch=1)
                    for stream, number in places
                )
            )

        def gaps():
            streams = self.env["mrp.machine.stream"].search([("source_id", "=", self.source.id)], order="name")
            found = streams.gap_ids.sorted(lambda gap: (gap.stream_id.name, gap.id))
            return [(gap.stream_id.name, gap.missing, bool(gap.closed)) for gap in found]

        send(("line/2", 10), ("line/1", 1), ("line/3", 5), ("line/2", 12), ("line/1", 4))
        self.assertEqual(gaps(), [("line/1", [[2, 3]], False), ("line/2", [[11, 11]], False)])

        answer = send(("line/1", 2), ("line/3", 6), ("line/2", 11), ("line/1", 7))

        self.assertEqual(gaps(), [("line/1", [[3, 3]], False), ("line/1", [[5, 6]], False), ("line/2", [], True)])
        self.assertEqual(
            {mark["source"]: mark["sequence"] for mark in answer["watermarks"]},
            {"line/1": 2, "line/2": 12, "line/3": 6},
        )

    def test_a_gap_opens_and_closes(self):
        answer = self.numbered(1, 2, 5)
        self.assertEqual([result["reason"] for result in answer["results"]], ["", "", "gap_open"])
        self.assertEqual(answer["watermarks"], [{"source": "line/1", "epoch": 1, "sequence": 2}])
        self.assertEqual(self.gaps(), [(3, 4, False)])
        self.assertEqual(len(self.log()), 3, "what is behind the gap is stored")

        answer = self.numbered(4)
        self.assertEqual(answer["watermarks"][0]["sequence"], 2)
        self.assertEqual(self.gaps(), [(3, 4, False)])
        answer = self.numbered(3)
        self.assertEqual(answer["results"][0]["reason"], "")
        self.assertEqual(answer["watermarks"][0]["sequence"], 5)
        self.assertEqual(self.gaps(), [(3, 4, True)])

    def test_a_stream_may_begin_anywhere_and_what_was_before_may_follow(self):
        self.assertEqual(self.numbered(100)["watermarks"][0]["sequence"], 100)
        self.assertEqual(self.numbered(97)["watermarks"][0]["sequence"], 97)
        self.assertEqual(self.gaps(), [(98, 99, False)])
        self.assertEqual(self.numbered(99, 98)["watermarks"][0]["sequence"], 100)
        self.assertEqual(self.gaps(), [(98, 99, True)])

    def test_epochs_do_not_mix(self):
        self.numbered(7, 8)
        answer = self.numbered(1, epoch=2)

        self.assertEqual(answer["watermarks"], [{"source": "line/1", "epoch": 2, "sequence": 1}])
        self.assertEqual(self.gaps(), [])

    def test_a_number_is_used_once(self):
        self.numbered(1)
        answer = self.send(self.said("another", 9, sequence=f"{1:020d}", epoch=1))

        self.assertEqual(self.fates(answer), [("another", "rejected", "sequence_conflict")])

    def test_a_resend_tells_how_far_the_stream_is(self):
        self.numbered(1, 2)
        answer = self.numbered(1)

        self.assertEqual(answer["watermarks"][0]["sequence"], 2)
        self.assertEqual(self.gaps(), [])


class DoorKeysCommon(DoorCommon):
    """A source with a key, and who knocks with it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.uuid = cls.env["ir.config_parameter"].get_param("database.uuid")
        cls.key, cls.signer = cls.make_key()

    @classmethod
    def make_key(cls, **values):
        """Make a key as a manager does; return its record and what its sender signs with."""
        wizard = cls.env["mrp.machine.source.new.key"].create({"source_id": cls.source.id, **values})
        shown = wizard.action_make()["context"]
        record = cls.env["mrp.machine.source.key"].search([("name", "=", shown["default_key_name"])])
        return record, Key(record.name, bytes.fromhex(shown["default_secret"] or "00" * 32))

    def asked(self, body=b"[]", environment=None, database=None, target=TARGET, method="POST"):
        return Request(method, target, body, environment or environment_name(), database or self.uuid)

    def knock(self, key=None, signed=None, came=None, seconds=0, nonce=None, address="10.0.0.7", **headers):
        """Sign a request, let it arrive, and return the source, or why it was not let in."""
        signed = signed or self.asked()
        sent = signature.sign(key or self.signer, signed, time.time() + seconds, nonce or signature.new_nonce())
        sent = {name: value for name, value in {**sent, **headers}.items() if value is not None}
        try:
            return self.door._let_in(came or signed, sent, address)
        except DoorClosed as closed:
            return closed.reason


@tagged("post_install", "-at_install")
class TestMachineDoorKeys(DoorKeysCommon):
    """Who is let in: whoever signs with a key of a source, for this database and environment, now, once."""

    def test_right_missing_wrong(self):
        self.assertEqual(self.knock(), self.source)
        for header in signature.HEADERS:
            with self.subTest(header=header):
                wanted = "key_unknown" if header == signature.KEY_HEADER else "header_missing"
                self.assertEqual(self.knock(**{header: None}), wanted)
        self.assertEqual(self.knock(Key(self.signer.name, bytes(range(32)))), "signature_wrong")
        self.assertEqual(self.knock(Key("nobody", self.signer.material)), "key_unknown")

    def test_each_part_of_what_is_signed_counts(self):
        for part in (
            {"body": b"[1]"},
            {"environment": "test"},
            {"database": "00000000-0000-0000-0000-000000000000"},
            {"target": TARGET + "?again"},
            {"method": "PUT"},
        ):
            with self.subTest(part=part):
                self.assertEqual(self.knock(came=self.asked(**part)), "signature_wrong")

    def test_a_clock_may_be_five_minutes_wrong(self):
        self.assertEqual(self.knock(seconds=-290), self.source)
        self.assertEqual(self.knock(seconds=290), self.source)
        self.assertEqual(self.knock(seconds=-310), "time_outside")
        self.assertEqual(self.knock(seconds=310), "time_outside")

    def test_the_same_request_may_come_again_and_no_other_with_its_nonce(self):
        nonce = signature.new_nonce()
        self.assertEqual(self.knock(nonce=nonce), self.source)
        self.assertEqual(self.knock(nonce=nonce), self.source)
        self.assertEqual(self.knock(nonce=nonce, signed=self.asked(b"[2]")), "nonce_stolen")

    def test_nonces_do_not_pile_up(self):
        self.knock()
        nonces = self.env["mrp.machine.nonce"].search([("key_id", "=", self.key.id)])
        nonces.expires = fields.Datetime.now() - timedelta(seconds=1)
        self.env.flush_all()
        self.knock()

        self.assertFalse(nonces.exists())

    def test_a_revoked_key_is_refused_at_once_and_its_secret_is_gone(self):
        self.key.action_revoke()
        self.env.flush_all()

        self.assertEqual(self.knock(), "key_unknown")
        self.assertFalse(self.env["mrp.machine.source.secret"].search([("key_id", "=", self.key.id)]))

    def test_keys_overlap_and_end(self):
        new, signer = self.make_key()
        self.assertEqual((self.knock(), self.knock(signer)), (self.source, self.source))
        self.key.valid_until = fields.Datetime.now() - timedelta(seconds=1)
        self.env.flush_all()

        self.assertEqual((self.knock(), self.knock(signer)), ("key_outdated", self.source))

    def test_an_archived_source_is_not_let_in(self):
        self.source.active = False
        self.env.flush_all()

        self.assertEqual(self.knock(), "source_archived")

    def test_only_from_allowed_networks(self):
        self.source.networks = "10.0.0.0/28 fd00::/8"
        for address, expected in (
            ("10.0.0.7", self.source),
            ("fd00::7", self.source),
            ("10.0.0.16", "network_foreign"),
            ("", "network_foreign"),
            ("unix:", "network_foreign"),
        ):
            with self.subTest(address=address):
                self.assertEqual(self.knock(address=address), expected)
        with self.assertRaises(ValidationError):
            self.source.networks = "10.0.0.1/28"

    def test_with_ed25519_the_private_key_never_comes_here(self):
        from base64 import b64encode

        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        public = b64encode(private.public_key().public_bytes_raw()).decode()
        record, _none = self.make_key(algorithm=signature.ED25519, public_key=public)
        signer = Key(record.name, private.private_bytes_raw(), signature.ED25519)
        other = Key(record.name, Ed25519PrivateKey.generate().private_bytes_raw(), signature.ED25519)

        self.assertEqual(self.knock(signer), self.source)
        self.assertEqual(self.knock(other), "signature_wrong")
        self.assertFalse(self.env["mrp.machine.source.secret"].search([("key_id", "=", record.id)]))
        with self.assertRaises(ValidationError):
            self.make_key(algorithm=signature.ED25519, public_key="no key")

    def test_the_last_use_is_shown(self):
        self.knock()
        self.env.invalidate_all()

        self.assertTrue(self.key.last_used)
        self.assertEqual(self.source.last_heard, self.key.last_used)

    @mute_logger("odoo.models", "odoo.addons.base.models.ir_model")
    def test_nobody_reads_a_secret(self):
        secret = self.env["mrp.machine.source.secret"].search([("key_id", "=", self.key.id)]).value
        manager = self.env["res.users"].create(
            {
                "name": "Keys",
                "login": "machines-keys",
                "group_ids": [(6, 0, [self.env.ref("mrp_machine_connect.group_manager").id])],
            }
        )
        with self.assertRaises(AccessError):
            self.env["mrp.machine.source.secret"].with_user(manager).search([])
        record = self.key.with_user(manager)
        self.assertNotIn(secret, str(record.read()))
        self.assertNotIn(secret, str(record.source_id.message_ids.mapped("body")))
        self.assertNotIn(secret, str(self.env["mrp.machine.source.new.key"].search([]).read()))

    def test_what_is_refused_is_counted_a_line_a_day_and_reason(self):
        for reason in ("signature_wrong", "signature_wrong", "machine_unknown"):
            self.door._note_refusals({reason: 2}, self.source.id, "10.0.0.9")
        self.door._note_refusals({"key_unknown": 1}, None, "10.0.0.9")
        self.env.invalidate_all()

        lines = self.source.refusal_ids
        self.assertEqual({line.reason: line.count for line in lines}, {"signature_wrong": 4, "machine_unknown": 2})
        self.assertEqual(set(lines.mapped("company_id")), {self.company})
        self.assertIn("another secret", lines.filtered(lambda line: line.reason == "signature_wrong").words)

    def test_each_reason_has_its_words(self):
        from ..machine_connect.refusals import EVENT_REFUSALS, REQUEST_REFUSALS
        from ..machine_connect.signature import SIGNATURE_REASONS
        from ..models.mrp_machine_door import DOOR_REASONS
        from ..models.mrp_machine_intake import RIGHT_REASONS

        # A key is looked up by its name, so a signature never names another one.
        all_reasons = {*EVENT_REFUSALS, *REQUEST_REFUSALS, *SIGNATURE_REASONS, *DOOR_REASONS, *RIGHT_REASONS} - {
            "key_other"
        }
        self.assertEqual(set(self.door._reason_words()), all_reasons)
