import secrets

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect.client import EVENTS_PATH
from ..machine_connect.signature import BEARER, ED25519, HMAC_SHA256, KEY_BYTES, new_token, token_digest
from ..models.mrp_machine_door import environment_name

#: Sends one event by bash, curl and openssl alone, for whoever has nothing else.
CURL = """\
url='%(url)s'; path='%(path)s'
key='%(key)s'; secret='%(secret)s'
environment='%(environment)s'; uuid='%(uuid)s'; database='%(database)s'
now=$(date -u +%%FT%%TZ); id=$(openssl rand -hex 8)
body='[{"specversion": "1.0", "type": "mmc.production.count.v1", "source": "try", "id": "'$id'",
  "subject": "%(machine)s", "time": "'$now'", "data": {"kind": "good", "delta": 1}}]'
seconds=$(date +%%s); nonce=$(openssl rand -hex 16)
digest=$(printf '%%s' "$body" | openssl dgst -sha256 | sed 's/.*= //')
text=$(printf 'v1\\nPOST\\n%%s\\n%%s\\n%%s\\n%%s\\n%%s\\n%%s\\n%%s' "$path" "$digest" "$key" "$seconds" "$nonce" "$environment" "$uuid")
signature=$(printf '%%s' "$text" | openssl dgst -sha256 -mac HMAC -macopt hexkey:"$secret" -binary | openssl base64 -A)
curl -sS "$url$path" --data-binary "$body" -H 'Content-Type: application/cloudevents-batch+json' \\
  -H "X-Machine-Key: $key" -H "X-Machine-Time: $seconds" -H "X-Machine-Nonce: $nonce" \\
  -H "X-Machine-Signature: $signature" -H "X-Odoo-Database: $database"
"""
#: The same for a device that cannot sign.
CURL_BEARER = """\
url='%(url)s'; path='%(path)s'
token='%(secret)s'; database='%(database)s'
now=$(date -u +%%FT%%TZ); id=$(date +%%s%%N)
body='[{"specversion": "1.0", "type": "mmc.production.count.v1", "source": "try", "id": "'$id'",
  "subject": "%(machine)s", "time": "'$now'", "data": {"kind": "good", "delta": 1}}]'
curl -sS "$url$path" --data-binary "$body" -H 'Content-Type: application/cloudevents-batch+json' \\
  -H "Authorization: Bearer $token" -H "X-Odoo-Database: $database"
"""


class NewKey(models.TransientModel):
    """Makes a key for a source, and shows its secret once: it is in the answer to the person alone, and stored nowhere else."""

    _name = "mrp.machine.source.new.key"
    _description = "New Key of a Source"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True)
    algorithm = fields.Selection(
        [(HMAC_SHA256, "HMAC-SHA256"), (ED25519, "Ed25519")],
        required=True,
        default=HMAC_SHA256,
        help="HMAC-SHA256 works everywhere: one secret, known to both sides. With Ed25519 the sender makes a pair of keys "
        "and you enter the public one; the private one never leaves the sender.",
    )
    source_allows_bearer = fields.Boolean("May Send Bearer Keys", related="source_id.allows_bearer")
    bearer = fields.Boolean(
        "Cannot Sign",
        help="Make a bearer key, for a device that cannot sign: it is sent along with each request, and whoever listens can use "
        "it. Let the device sign where it can.",
    )
    public_key = fields.Char(help="Of Ed25519: the 32 raw bytes in Base64, 44 characters.")
    valid_until = fields.Datetime(help="The key is refused from then on. Empty: until it is revoked.")
    # Not stored: they come with the action that opens the second form, and go with it.
    key_name = fields.Char("Key ID", store=False, readonly=True, help="Is sent with each request; no secret.")
    secret = fields.Char(store=False, readonly=True, help="What the sender must know and nobody else. Shown this once.")
    environment = fields.Char(
        store=False, readonly=True, help="Is signed as well: what is meant for a test stays there."
    )
    database_uuid = fields.Char("Database UUID", store=False, readonly=True, help="Is signed as well.")
    example = fields.Text(
        store=False, readonly=True, help="Sends one event with this key. Try it on a test machine first."
    )

    def action_make(self):
        """Make the key."""
        self.ensure_one()
        self.source_id.check_access("write")
        if self.bearer and not self.source_id.allows_bearer:
            raise UserError(
                self.env._(
                    "%s must sign. To make a bearer key for it, allow that on the source first: Cannot Sign.",
                    self.source_id.name,
                )
            )
        algorithm = BEARER if self.bearer else self.algorithm
        secret = {BEARER: new_token, ED25519: str}.get(algorithm, lambda: secrets.token_hex(KEY_BYTES))()
        key = self.env["mrp.machine.source.key"].create(
            {
                "source_id": self.source_id.id,
                "name": secrets.token_hex(8),
                "algorithm": algorithm,
                "public_key": (self.public_key or "").strip() if algorithm == ED25519 else False,
                "valid_until": self.valid_until,
            }
        )
        if secret:
            # sudo: nobody has rights to the table of secrets
            value = token_digest(secret) if self.bearer else secret
            self.env["mrp.machine.source.secret"].sudo().create({"key_id": key.id, "value": value})
        made = self.env._("Bearer key %s was made.") if self.bearer else self.env._("Key %s was made.")
        self.source_id.message_post(body=made % key.name)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("New Key"),
            "res_model": self._name,
            "view_mode": "form",
            "views": [(self.env.ref("mrp_machine_connect.mrp_machine_source_new_key_view_form_shown").id, "form")],
            "target": "new",
            "context": {f"default_{name}": value for name, value in self._shown(key, secret).items()},
        }

    @api.model
    def _shown(self, key, secret):
        """Return what a person must carry to the sender."""
        # sudo: the address and the id of this database are no secret to whoever may make keys
        parameters = self.env["ir.config_parameter"].sudo()
        uuid = parameters.get_param("database.uuid")
        machine = key.source_id._machines()[:1].code or "CODE"
        is_bearer = key.algorithm == BEARER
        if is_bearer:
            secret = f"{key.name}.{secret}"
        facts = {
            "url": key.get_base_url(),
            "path": EVENTS_PATH,
            "key": key.name,
            "secret": secret,
            "environment": environment_name(),
            "uuid": uuid,
            "database": self.env.cr.dbname,
            "machine": machine,
        }
        return {
            "source_id": key.source_id.id,
            "algorithm": False if is_bearer else key.algorithm,
            "bearer": is_bearer,
            "key_name": key.name,
            "secret": secret,
            "environment": facts["environment"],
            "database_uuid": uuid,
            "example": (CURL_BEARER if is_bearer else CURL) % facts if secret else "",
        }
