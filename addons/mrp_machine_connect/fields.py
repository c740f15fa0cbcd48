"""Fields that Odoo does not have."""

from odoo import fields


class BigInteger(fields.Integer):
    """An integer of 64 bits (PostgreSQL int8) that may be empty; Odoo's own is int4 and turns nothing into 0.

    For microseconds since 1970, counters and status codes. Reads as 0 when empty, like any Odoo integer.
    """

    _column_type = ("int8", "int8")

    def convert_to_column(self, value, record, values=None, validate=True):
        return None if value is None or value is False else int(value)

    def convert_to_cache(self, value, record, validate=True):
        return None if value is None or value is False else int(value)
