from odoo import fields, models


class MachineNonce(models.Model):
    """Which requests have come already: a nonce with another body is a stolen signature. Shared by all workers and hosts."""

    _name = "mrp.machine.nonce"
    _description = "Machine Request Nonce"
    _log_access = False
    _rec_name = "nonce"

    key_id = fields.Many2one("mrp.machine.source.key", required=True, readonly=True, ondelete="cascade")
    nonce = fields.Char(required=True, readonly=True)
    digest = fields.Char(required=True, readonly=True, help="SHA-256 of the body as sent.")
    expires = fields.Datetime(required=True, readonly=True, help="From then on its time alone is refused.")

    _nonce_unique = models.UniqueIndex("(key_id, nonce)")
    _expires_index = models.Index("(expires)")
