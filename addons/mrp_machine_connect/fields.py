"""Fields that Odoo does not have."""

from odoo import fields
from odoo.tools import SQL


class BigInteger(fields.Integer):
    """An integer of 64 bits (PostgreSQL int8) that may be empty; Odoo's own is int4 and turns nothing into 0.

    For microseconds since 1970, counters and status codes. Reads as 0 when empty, like any Odoo integer.
    """

    _column_type = ("int8", "int8")

    def convert_to_column(self, value, record, values=None, validate=True):
        return None if value is None or value is False else int(value)

    def convert_to_cache(self, value, record, validate=True):
        return None if value is None or value is False else int(value)

    def convert_to_write(self, value, record):
        # What is assigned goes this way, by which Odoo's own would make 0 of nothing.
        return False if value is None or value is False else int(value)


class LooseMany2one(fields.Many2one):
    """A Many2one that PostgreSQL does not watch over: without foreign key.

    For rows that are written by the thousand while the row that they point to is certain to be there, and that go with it or
    before it. A foreign key locks the other row at each insert, which writes it anew: a quarter of what it costs to take an
    event in, a third of what it costs to write down its effect.
    """

    def update_db_foreign_key(self, model, column):
        # One that an earlier version has made goes.
        name = f"{model._table}_{self.name}_fkey"
        table, constraint = SQL.identifier(model._table), SQL.identifier(name)
        model.env.cr.execute(SQL("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, constraint))
