import secrets

from odoo import api, fields, models

from ..machine_connect.client import EVENTS_PATH
from ..machine_connect.signature import ED25519, HMAC_SHA256, KEY_BYTES
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
    public_key = fields.Char(help="Of Ed25519: the 32 raw bytes in Base64, 44 characters.")
    valid_until = fields.Datetime(help="The key is refused from then on. Empty: until it is revoked.")
    # Not stored: they come with the action that opens the second form, and go with it.
    key_name = fields.Char("Key ID", store=False, readonly=True, help="Is sent with each request; no secret.")
    secret = fields.Char(store=False, readonly=True, help="32 bytes in hexadecimal. Shown this once.")
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
        secret = "" if self.algorithm == ED25519 else secrets.token_hex(KEY_BYTES)
        key = self.env["mrp.machine.source.key"].create(
            {
                "source_id": self.source_id.id,
                "name": secrets.token_hex(8),
                "algorithm": self.algorithm,
                "public_key": (self.public_key or "").strip() if self.algorithm == ED25519 else False,
                "valid_until": self.valid_until,
            }
        )
        if secret:
            # sudo: nobody has rights to the table of secrets
            self.env["mrp.machine.source.secret"].sudo().create({"key_id": key.id, "value": secret})
        self.source_id.message_post(body=self.env._("Key %s was made.", key.name))
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
        machine = key.source_id.machine_ids[:1].code or "CODE"
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
            "algorithm": key.algorithm,
            "key_name": key.name,
            "secret": secret,
            "environment": facts["environment"],
            "database_uuid": uuid,
            "example": CURL % facts if secret else "",
        }
