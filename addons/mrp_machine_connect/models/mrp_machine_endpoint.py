from odoo import fields, models

from ..fields import BigInteger


class MachineEndpoint(models.Model):
    """What only one poller at a time may talk to: a host and port, a serial line. The lease of ``polling`` is here.

    Many devices serve one or two clients, and a second one kills the first. So the lease is not on the connection but
    on what the connections share.
    """

    _name = "mrp.machine.endpoint"
    _description = "Machine Endpoint"
    _log_access = False
    _rec_name = "key"

    key = fields.Char(required=True, readonly=True, help="modbus://10.0.0.5:502")
    holder = fields.Char(readonly=True, help="Which poller holds the lease.")
    lease_until = fields.Datetime(readonly=True, help="By the clock of PostgreSQL.")
    token = BigInteger(
        readonly=True, default=0, help="Counts up with each new holder; results of an older one are void."
    )

    _key_unique = models.UniqueIndex("(key)")

    def _for_key(self, key):
        """Return the endpoint of a key, made when it is new."""
        self.env.cr.execute(
            """INSERT INTO mrp_machine_endpoint (key, token) VALUES (%s, 0)
               ON CONFLICT (key) DO UPDATE SET key = EXCLUDED.key RETURNING id""",
            [key],
        )
        return self.browse(self.env.cr.fetchone()[0])
