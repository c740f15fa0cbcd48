import base64
from pathlib import Path

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect.errors import ConnectionFailed, DriverUnavailable
from ..wording import sentence


class MachineConnection(models.Model):
    """The certificate by which an OPC UA server knows us: shown, handed to the server's administrator, and renewed."""

    _inherit = "mrp.machine.connection"

    certificate = fields.Char(
        compute="_compute_certificate",
        help="The certificate that we show to the server. Made on the first try, below Odoo's data directory: a worker on "
        "another host has one of its own there.",
    )
    certificate_file = fields.Binary(
        compute="_compute_certificate",
        help="For the administrator of the server, who must trust it.",
    )
    certificate_filename = fields.Char(compute="_compute_certificate", help="Name of the file when it is downloaded.")

    def _compute_certificate(self):
        for connection in self:
            words, content = connection._certificate_facts()
            connection.certificate = words
            connection.certificate_file = content and base64.b64encode(content)
            connection.certificate_filename = content and f"odoo-{self.env.cr.dbname}.der"

    def _certificate_facts(self):
        """Return what a person must know of our certificate and its content, or twice False before it exists."""
        if self.protocol != "opcua" or self.security_policy in (False, "none"):
            return False, False
        from ..machine_connect.drivers.opcua_security import certificate_facts

        certificate, _key = self._certificate_paths()
        try:
            facts = certificate_facts(certificate)
            content = Path(certificate).read_bytes()
        except OSError:
            return False, False
        except (ConnectionFailed, DriverUnavailable) as error:
            return sentence(self.env, error.code, error.params, getattr(error, "field", "")), False
        words = self.env._(
            "%(file)s, valid until %(date)s, fingerprint %(fingerprint)s",
            file=certificate,
            date=facts["not_after"],
            fingerprint=facts["fingerprint"],
        )
        return words, content

    @api.model
    def _certificate_paths(self):
        """Return where certificate and key of this database lie: below Odoo's data directory, never in the database."""
        from odoo.tools import config

        directory = Path(config["data_dir"]) / "machine_connect" / self.env.cr.dbname
        return str(directory / "certificate.der"), str(directory / "key.pem")

    def action_renew_certificate(self):
        """Make a new certificate for the same key; each server must trust it before it lets us in again."""
        self.ensure_one()
        self.check_access("write")
        from ..machine_connect.drivers.opcua_security import ensure_certificate_files

        certificate, key = self._certificate_paths()
        try:
            ensure_certificate_files(certificate, key, self._application_uri(), renew=True)
        except (ConnectionFailed, DriverUnavailable) as error:
            raise UserError(sentence(self.env, error.code, error.params, getattr(error, "field", ""))) from error
        self.message_post(body=self.env._("The certificate was renewed."))
        self.invalidate_recordset(["certificate", "certificate_file"])
        return True
