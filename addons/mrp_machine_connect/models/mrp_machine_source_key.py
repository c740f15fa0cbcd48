import base64
import binascii

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..machine_connect.signature import BEARER, ED25519, HMAC_SHA256, KEY_BYTES


class MachineSourceKey(models.Model):
    """What a source signs its requests with. The secret of a key lies in a table that nobody has access rights to."""

    _name = "mrp.machine.source.key"
    _description = "Machine Source Key"
    _order = "valid_from desc, id desc"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="source_id.company_id", store=True)
    name = fields.Char("Key ID", required=True, readonly=True, help="Is sent with each request; no secret.")
    algorithm = fields.Selection(
        [(HMAC_SHA256, "HMAC-SHA256"), (ED25519, "Ed25519"), (BEARER, "Bearer (does not sign)")],
        required=True,
        readonly=True,
        default=HMAC_SHA256,
        help="HMAC-SHA256: one secret that both sides know. Ed25519: the sender keeps its private key for itself, so that "
        "whoever reads Odoo's database cannot sign. Bearer: the key itself is sent along, and whoever listens can use it.",
    )
    public_key = fields.Char(readonly=True, help="Of Ed25519: 32 bytes in Base64. No secret.")
    valid_from = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now, help="Refused before.")
    valid_until = fields.Datetime(help="Refused from then on. Empty: until it is revoked.")
    revoked = fields.Datetime(readonly=True, help="Since when it is refused for good.")
    last_used = fields.Datetime(readonly=True, help="When a request with it was last taken, to the minute.")

    _name_unique = models.UniqueIndex("(name)", "This key exists already.")

    @api.constrains("algorithm", "public_key")
    def _check_public_key(self):
        for key in self.filtered(lambda key: key.algorithm == ED25519):
            try:
                size = len(base64.b64decode(key.public_key or "", validate=True))
            except binascii.Error:
                size = 0
            if size != KEY_BYTES:
                raise ValidationError(
                    self.env._("Public Key: this is no Ed25519 key. Enter its 32 raw bytes in Base64, 44 characters.")
                )

    def action_revoke(self):
        """Refuse these keys from now on."""
        self.check_access("write")
        for key in self:
            if key.revoked:
                raise UserError(self.env._("Key %s was revoked already.", key.name))
        self.revoked = fields.Datetime.now()
        for key in self:
            key.source_id.message_post(body=self.env._("Key %s was revoked.", key.name))
        # sudo: the secret is of no more use, and nobody but us may touch it
        self.env["mrp.machine.source.secret"].sudo().search([("key_id", "in", self.ids)]).unlink()


class MachineSourceSecret(models.Model):
    """Secrets of keys, in a table that nobody has access rights to: not read, not exported, not tracked.

    Of HMAC the secret itself, in hexadecimal; of bearer keys its SHA-256, so that whoever reads the database cannot use it.
    """

    _name = "mrp.machine.source.secret"
    _description = "Machine Source Secret"
    _rec_name = "key_id"
    _log_access = False

    key_id = fields.Many2one("mrp.machine.source.key", required=True, ondelete="cascade")
    value = fields.Char(required=True)

    _key_unique = models.UniqueIndex("(key_id)")
