import base64
import os
import tempfile
from hashlib import sha256
from unittest.mock import patch

from cryptography import x509

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import config

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMachineConnectionCertificate(MachineConnectCommon):
    """Our certificate can be handed to the server's administrator and renewed from the form."""

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        options = patch.dict(config.options, {"data_dir": directory.name})
        options.start()
        self.addCleanup(options.stop)
        self.connection = self.env["mrp.machine.connection"].create(
            {
                "machine_id": self.machine.id,
                "protocol": "opcua",
                "url": "opc.tcp://127.0.0.1:4840",
                "security_policy": "Basic256Sha256",
            }
        )

    def certificate(self):
        self.connection.invalidate_recordset()
        return x509.load_der_x509_certificate(base64.b64decode(self.connection.certificate_file))

    def test_what_is_shown_is_what_is_on_the_disk(self):
        self.assertFalse(self.connection.certificate or self.connection.certificate_file)

        self.connection.action_renew_certificate()

        shown = self.certificate()
        path, key = self.connection._certificate_paths()
        with open(path, "rb") as file:
            content = file.read()
        self.assertEqual(base64.b64decode(self.connection.certificate_file), content)
        self.assertIn(str(shown.not_valid_after_utc.date()), self.connection.certificate)
        words = self.connection.certificate.replace(":", "").lower()
        self.assertIn(sha256(content).hexdigest(), words)
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)

    def test_renewing_keeps_the_key(self):
        self.connection.action_renew_certificate()
        first = self.certificate()

        self.connection.action_renew_certificate()

        second = self.certificate()
        self.assertNotEqual(first.serial_number, second.serial_number)
        self.assertEqual(first.public_key(), second.public_key())

    def test_only_a_manager_renews(self):
        user = new_test_user(self.env, "machine_supervisor", groups="mrp_machine_connect.group_supervisor")

        with self.assertRaises(AccessError):
            self.connection.with_user(user).action_renew_certificate()
