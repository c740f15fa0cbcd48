from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import config

from ..models import mrp_machine_pressure
from .test_mrp_machine_door import DoorCommon

MANAGER = "mrp_machine_connect.group_manager"


@tagged("post_install", "-at_install")
class TestMachineSourceDelivery(DoorCommon):
    """Events by Odoo's own API: a manager hands them in, and the source may say what it may say at the door."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(cls.env, "delivery-manager", groups=f"base.group_user,{MANAGER}")

    def setUp(self):
        super().setUp()
        # What this process knows of other tests' sources and queues says nothing of ours.
        self.patch(mrp_machine_pressure, "_memory", mrp_machine_pressure._Memory())

    def deliver(self, *events, user=None, source=None, **context):
        source = (source or self.source).with_user(user or self.manager).with_context(**context)
        answer = source.deliver(list(events))
        self.env.invalidate_all()
        return answer

    def test_what_a_manager_hands_in_is_stored_once(self):
        said = self.said("a", epoch=1, sequence=1)

        first, again = self.deliver(said), self.deliver(said)

        self.assertEqual(self.fates(first), [("a", "accepted", "")])
        self.assertEqual(first["watermarks"], [{"source": "line/1", "epoch": 1, "sequence": 1}])
        self.assertEqual(self.fates(again), [("a", "duplicate", "")])
        self.assertEqual(self.log().mapped("uid"), ["a"])
        self.assertEqual(self.fates(self.send(said)), [("a", "duplicate", "")], "the door knows it as well")
        changed = self.deliver({**said, "data": {"kind": "good", "delta": 2}})
        self.assertEqual(self.fates(changed), [("a", "rejected", "identity_conflict")])
        figure = self.env["mrp.machine.source.figure"].search([("source_id", "=", self.source.id)])
        self.assertEqual(sum(figure.mapped("requests")), 3)

    def test_nobody_else_does(self):
        for groups in ("base.group_user", "base.group_portal", "base.group_public"):
            user = new_test_user(self.env, f"delivery {groups}", groups=groups)
            with self.subTest(groups=groups), self.assertRaises(AccessError):
                self.deliver(self.said("a"), user=user)
        for role in ("operator", "supervisor"):
            user = new_test_user(self.env, role, groups=f"base.group_user,mrp_machine_connect.group_{role}")
            with self.subTest(role=role), self.assertRaisesRegex(AccessError, "Only managers"):
                self.deliver(self.said("a"), user=user)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "elsewhere",
            groups=f"base.group_user,{MANAGER}",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        with self.assertRaises(AccessError):
            self.deliver(self.said("a"), user=stranger)
        self.assertFalse(self.log())

    def test_the_source_may_say_no_more_than_at_the_door(self):
        foreign = self.machine.copy({"code": "foreign", "name": "Foreign"})
        self.source.event_types = "production.*"
        for said, reason in (
            (self.said("a", subject=foreign.code), "machine_unknown"),
            (self.said("b", kind="alarm.raised", data={"code": "E1"}), "type_forbidden"),
            (self.said("c", data={"kind": "colour", "delta": 1}), "unknown_choice"),
        ):
            with self.subTest(reason=reason):
                self.assertEqual([fate[2] for fate in self.fates(self.deliver(said))], [reason])
        self.assertFalse(self.log())

    def test_a_source_that_may_not_is_told_in_words(self):
        said = self.said("a")
        for values, words in (
            ({"allows_deliver": False}, "may not deliver"),
            ({"active": False}, "archived"),
            ({"kind": "people"}, "lives in Odoo"),
        ):
            before = {name: self.source[name] for name in values}
            self.source.write(values)
            with self.subTest(values=values), self.assertRaisesRegex(UserError, words):
                self.deliver(said)
            self.source.write(before)
        elsewhere = patch.dict(config.options, {"machine_connect_environment": "elsewhere"})
        with elsewhere, self.assertRaisesRegex(UserError, "disarmed"):
            self.deliver(said)
        self.assertFalse(self.log())

    def test_what_is_no_batch_is_refused_in_words(self):
        for events in ("text", {"id": "a"}, [self.said(str(index)) for index in range(1001)], None):
            with self.subTest(events=str(events)[:20]), self.assertRaisesRegex(UserError, "None of these events"):
                self.source.with_user(self.manager).deliver(events)

    def test_pressure_holds_here_too(self):
        self.env["ir.config_parameter"].set_param("mrp_machine_connect.backlog_all", "1")
        self.deliver(self.said("a"))
        mrp_machine_pressure._memory.backlog.clear()
        with self.assertRaisesRegex(UserError, "backlog_full"):
            self.deliver(self.said("b"))

    def test_the_callers_context_changes_nothing(self):
        self.source.event_types = "production.* correction.adjust"
        why = {"kind": "good", "delta": -1, "why": "miscounted"}

        # Set at the door for who cannot sign; whoever is logged in cannot set it for others or undo it.
        answer = self.deliver(
            self.said("a", kind="correction.adjust", data=why), machine_bearer=True, active_test=False
        )

        self.assertEqual(self.fates(answer), [("a", "accepted", "")])
