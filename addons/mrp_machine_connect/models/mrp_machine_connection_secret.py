from odoo import fields, models


class MachineConnectionSecret(models.Model):
    """Secrets of connections, in a table that nobody has access rights to: not read, not exported, not tracked."""

    _name = "mrp.machine.connection.secret"
    _description = "Machine Connection Secret"
    _rec_name = "connection_id"
    _log_access = False

    connection_id = fields.Many2one("mrp.machine.connection", required=True, index=True, ondelete="cascade")
    name = fields.Char(required=True)
    value = fields.Char(required=True)

    _name_unique = models.UniqueIndex("(connection_id, name)")
