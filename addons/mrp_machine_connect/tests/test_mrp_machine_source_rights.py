import hashlib
from datetime import timedelta
from uuid import uuid4

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..machine_connect import signature
from ..models.mrp_machine_door import ACTIONS, DoorClosed
from .test_mrp_machine_door import DoorCommon, DoorKeysCommon

#: What a source may ask for when nobody has chosen.
USUAL = {"deliver", "heartbeat", "config", "trace"}


@tagged("post_install", "-at_install")
class TestMachineSourceScopes(DoorCommon):
    """A source speaks for its machines and those of its areas, of its company, and for no other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source.machine_ids = False
        cls.machine.write({"area": "Hall 2", "line": "Line 4"})

    def reason(self, code=None):
        """Return why an event of a machine is rejected; empty when it is not."""
        event = self.said(uuid4().hex, subject=code or self.machine.code)
        return self.send(event)["results"][0]["reason"]

    def another(self, code, **values):
        return self.machine.copy({"code": code, "name": code, "area": "Hall 2", "line": "Line 4", **values})

    def test_by_area_right_missing_wrong(self):
        for areas, expected in (
            ("Hall 2", ""),
            ("Hall 3\n  Hall 2  \n", ""),
            ("Hall 2 / Line 4", ""),
            (False, "machine_unknown"),
            ("\n \n", "machine_unknown"),
            ("Hall 3", "machine_unknown"),
            ("Hall", "machine_unknown"),
            ("hall 2", "machine_unknown"),
            ("Hall 2 / Line 5", "machine_unknown"),
            ("Line 4", "machine_unknown"),
            ("%", "machine_unknown"),
        ):
            with self.subTest(areas=areas):
                self.source.areas = areas
                self.assertEqual(self.reason(), expected)
                self.assertEqual(bool(self.source.spoken_machine_ids), not expected)

    def test_a_machine_that_comes_later_is_spoken_for(self):
        self.source.areas = "Hall 2"
        self.assertEqual(self.reason("later"), "machine_unknown")
        later = self.another("later")
        self.assertEqual(self.reason("later"), "")
        later.area = "Hall 3"
        self.assertEqual(self.reason("later"), "machine_unknown")

    def test_a_machine_without_area_belongs_to_none(self):
        self.machine.write({"area": False, "line": False})
        for areas in (False, "False", " / ", ""):
            with self.subTest(areas=areas):
                self.source.areas = areas
                self.assertEqual(self.reason(), "machine_unknown")

    def test_an_area_of_another_company_is_another_area(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.another("foreign", company_id=other.id, workcenter_id=False)
        self.source.areas = "Hall 2"

        self.assertEqual(self.reason("foreign"), "machine_unknown")
        self.assertEqual(self.source.spoken_machine_ids, self.machine)

    def test_an_archived_machine_is_spoken_for_by_nobody(self):
        self.source.areas = "Hall 2"
        self.machine.active = False

        self.assertEqual(self.reason(), "machine_unknown")

    def test_machines_and_areas_add_up(self):
        single = self.another("single", area="Hall 9")
        self.source.write({"areas": "Hall 2", "machine_ids": single.ids})

        self.assertEqual(self.source._machines(), self.machine | single)

    def test_its_configuration_is_of_the_same_machines(self):
        self.source.areas = "Hall 2"
        document = self.env["mrp.machine.configuration"]._document(self.source)

        self.assertEqual([machine["code"] for machine in document["machines"]], [self.machine.code])


@tagged("post_install", "-at_install")
class TestMachineSourceActions(DoorKeysCommon):
    """What a source may ask for is said for each action."""

    def ask(self, action):
        asked = self.asked()
        sent = signature.sign(self.signer, asked, fields.Datetime.now().timestamp(), signature.new_nonce())
        try:
            return self.door._let_in(asked, sent, "10.0.0.7", action)
        except DoorClosed as closed:
            return closed.reason, closed.told, closed.status

    def test_actions_right_and_missing(self):
        for action in ACTIONS:
            expected = self.source if action in USUAL else ("action_forbidden", True, 403)
            with self.subTest(action=action, when="usual"):
                self.assertEqual(self.ask(action), expected)
            with self.subTest(action=action, when="turned over"):
                self.source[f"allows_{action}"] = action not in USUAL
                expected = ("action_forbidden", True, 403) if action in USUAL else self.source
                self.assertEqual(self.ask(action), expected)
                self.source[f"allows_{action}"] = action in USUAL

    def test_who_may_do_one_thing_may_do_no_other(self):
        for action in ACTIONS:
            self.source.write({f"allows_{name}": name == action for name in ACTIONS})
            with self.subTest(action=action):
                allowed = {name for name in ACTIONS if not isinstance(self.ask(name), tuple)}
                self.assertEqual(allowed, {action})

    def test_a_wrong_signature_is_told_nothing_of_it(self):
        self.source.allows_deliver = False
        self.assertEqual(self.knock(signature.Key(self.signer.name, bytes(32))), "signature_wrong")

    def test_only_managers_change_what_it_may_do(self):
        users = {
            role: self.env["res.users"].create(
                {
                    "name": role,
                    "login": f"rights-{role}",
                    "group_ids": [(6, 0, [self.env.ref(f"mrp_machine_connect.group_{role}").id])],
                }
            )
            for role in ("operator", "supervisor", "manager")
        }
        for role, user in users.items():
            with self.subTest(role=role):
                source = self.source.with_user(user)
                if role == "manager":
                    source.allows_metrics = True
                    self.assertTrue(source.key_ids.mapped("create_uid"))
                else:
                    with self.assertRaises(AccessError):
                        source.allows_metrics = True
                    with self.assertRaises(AccessError):
                        source.key_ids.mapped("name")


@tagged("post_install", "-at_install")
class TestMachineSourceBearer(DoorKeysCommon):
    """A device that cannot sign sends its key along: where that is allowed, from where it is allowed, and for less."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source.write({"networks": "10.0.0.0/28", "allows_bearer": True})
        wizard = cls.env["mrp.machine.source.new.key"].create({"source_id": cls.source.id, "bearer": True})
        cls.shown = wizard.action_make()["context"]
        cls.token = cls.shown["default_secret"]
        cls.bearer = cls.env["mrp.machine.source.key"].search([("name", "=", cls.shown["default_key_name"])])

    @classmethod
    def set_environment(cls, name):
        from odoo.tools import config

        before = config.options.get("machine_connect_environment")
        config.options["machine_connect_environment"] = name
        cls.addClassCleanup(config.options.__setitem__, "machine_connect_environment", before)
        cls.env["mrp.machine.arming"]._arm(f"The server is {name} now.")

    def setUp(self):
        super().setUp()
        self.set_environment("test")

    def come(self, header=None, address="10.0.0.7", action="deliver", **headers):
        header = f"Bearer {self.token}" if header is None else header
        try:
            return self.door._let_in(self.asked(), {"Authorization": header, **headers}, address, action)
        except DoorClosed as closed:
            return closed.reason

    def test_bearer_right_missing_wrong(self):
        name, _point, secret = self.token.rpartition(".")
        stored = self.env["mrp.machine.source.secret"].search([("key_id", "=", self.bearer.id)]).value
        for what, header, expected in (
            ("right", f"Bearer {self.token}", self.source),
            ("right in small letters", f"bearer {self.token}", self.source),
            ("missing", "", "key_unknown"),
            ("no token", "Bearer ", "key_unknown"),
            ("no id", f"Bearer {secret}", "key_unknown"),
            ("another scheme", f"Basic {self.token}", "key_unknown"),
            ("a wrong secret", f"Bearer {name}.{'A' * 43}", "bearer_wrong"),
            ("one character less", f"Bearer {self.token[:-1]}", "key_unknown"),
            ("one character more", f"Bearer {self.token}A", "bearer_wrong"),
            ("what the database holds", f"Bearer {name}.{stored}", "bearer_wrong"),
            ("another key's id", f"Bearer {self.key.name}.{secret}", "key_unknown"),
            ("a line break", f"Bearer {self.token}\n", "key_unknown"),
        ):
            with self.subTest(what=what):
                self.assertEqual(self.come(header), expected)

    def test_the_token_is_shown_once_and_stored_as_its_digest(self):
        secret = self.token.rpartition(".")[2]
        stored = self.env["mrp.machine.source.secret"].search([("key_id", "=", self.bearer.id)]).value

        self.assertEqual(stored, hashlib.sha256(secret.encode()).hexdigest())
        self.assertGreaterEqual(len(secret), 43)
        self.assertIn(f"token='{self.token}'", self.shown["default_example"])
        self.assertIn("Authorization: Bearer $token", self.shown["default_example"])
        self.assertNotIn(secret, str(self.bearer.read()))
        self.assertNotIn(secret, str(self.env["mrp.machine.source.new.key"].search([]).read()))
        self.assertNotIn(secret, str(self.source.message_ids.mapped("body")))

    def test_nobody_signs_with_what_the_database_holds(self):
        stored = self.env["mrp.machine.source.secret"].search([("key_id", "=", self.bearer.id)]).value
        self.assertEqual(self.knock(signature.Key(self.bearer.name, bytes.fromhex(stored))), "key_unknown")

    def test_a_signing_key_does_not_come_as_bearer(self):
        secret = self.env["mrp.machine.source.secret"].search([("key_id", "=", self.key.id)]).value
        self.assertEqual(self.come(f"Bearer {self.key.name}.{secret}"), "key_unknown")

    def test_a_signature_goes_before(self):
        self.assertEqual(self.come(**{signature.KEY_HEADER: "nobody"}), "key_unknown")

    def test_only_where_it_is_allowed(self):
        for allows, environment, in_production, expected in (
            (True, "test", False, self.source),
            (True, "development", False, self.source),
            (False, "test", False, "bearer_forbidden"),
            (True, "production", False, "bearer_forbidden"),
            (True, "prod", False, "bearer_forbidden"),
            (True, "", False, "bearer_forbidden"),
            (True, "production", True, self.source),
            (False, "production", True, "bearer_forbidden"),
        ):
            with self.subTest(allows=allows, environment=environment, in_production=in_production):
                self.source.write(
                    {
                        "allows_bearer": allows,
                        "allows_bearer_in_production": in_production,
                        "bearer_reason": "An old scale",
                    }
                )
                self.set_environment(environment)
                self.assertEqual(self.come(), expected)

    def test_it_is_off_unless_somebody_allows_it(self):
        source = self.env["mrp.machine.source"].create({"name": "Another"})
        self.assertFalse(source.allows_bearer)
        wizard = self.env["mrp.machine.source.new.key"].create({"source_id": source.id, "bearer": True})
        with self.assertRaises(UserError):
            wizard.action_make()
        self.assertFalse(source.key_ids)

    def test_the_forms_show_the_choice_where_it_is_allowed(self):
        wizard = self.env["mrp.machine.source.new.key"]
        with Form(wizard.with_context(default_source_id=self.source.id)) as form:
            form.bearer = True
        with Form(wizard.with_context(default_source_id=self.source.copy({"name": "Signs"}).id)) as form:
            with self.assertRaises(AssertionError):  # the form does not show it
                form.bearer = True
        with Form(self.source) as form:
            form.allows_bearer_in_production = True
            form.bearer_reason = "Scale of 2009"
        self.assertTrue(self.source.allows_bearer_in_production)

    def test_production_takes_a_reason_that_is_logged(self):
        for reason in (False, "", "  "):
            with self.subTest(reason=reason), self.assertRaises(ValidationError):
                self.source.write({"allows_bearer_in_production": True, "bearer_reason": reason})
        self.flush_tracking()
        source = self.source.with_context(tracking_disable=False)
        source.write({"allows_bearer_in_production": True, "bearer_reason": "Scale of 2009"})
        self.flush_tracking()
        tracked = self.source.message_ids.tracking_value_ids
        self.assertIn("Scale of 2009", tracked.mapped("new_value_char"))
        self.assertIn("allows_bearer_in_production", tracked.field_id.mapped("name"))

    def flush_tracking(self):
        self.env.flush_all()
        self.env.cr.precommit.run()

    def test_only_from_networks_that_are_named(self):
        self.assertEqual(self.come(address="10.0.0.16"), "network_foreign")
        self.assertEqual(self.come(address=""), "network_foreign")
        with self.assertRaises(ValidationError):
            self.source.networks = False
        # Also where a former version or an import left it empty.
        self.env.cr.execute("UPDATE mrp_machine_source SET networks = NULL WHERE id = %s", [self.source.id])
        self.env.invalidate_all()
        self.assertEqual(self.come(), "network_foreign")

    def test_it_takes_no_pieces_away(self):
        self.source.event_types = "* correction.*"
        taking_away = self.said("b", kind="correction.adjust", data={"kind": "good", "delta": -1, "why": "miscounted"})
        unsigned, signed = self.come(), self.knock()

        fates = [
            [result["reason"] for result in self.send(self.said(name), {**taking_away, "id": f"{name}-"}, source=source)["results"]]
            for name, source in (("unsigned", unsigned), ("signed", signed))
        ]  # fmt: skip
        self.assertEqual(fates, [["", "type_forbidden"], ["", ""]])

    def test_it_is_scoped_and_ends_like_any_other(self):
        self.assertEqual(self.come(action="metrics"), "action_forbidden")
        self.bearer.valid_until = fields.Datetime.now() - timedelta(seconds=1)
        self.env.flush_all()
        self.assertEqual(self.come(), "key_outdated")
        self.bearer.valid_until = False
        self.env.flush_all()
        self.assertEqual(self.come(), self.source)
        self.env.invalidate_all()
        self.assertTrue(self.bearer.last_used)
        self.bearer.action_revoke()
        self.env.flush_all()
        self.assertEqual(self.come(), "key_unknown")
