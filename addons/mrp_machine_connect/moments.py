"""Between the moments of the pure core, aware or in microseconds since 1970, and Odoo's, which are naive and UTC."""

from datetime import datetime, timezone

from odoo import fields

from .machine_connect.event import microseconds
from .machine_connect.timestamps import timestamp


def naive_of_iso(text):
    """Return an ISO 8601 moment with its offset as Odoo keeps it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc).replace(tzinfo=None)


def microseconds_of(moment):
    """Return a moment of Odoo's, or its text, in microseconds."""
    return microseconds(fields.Datetime.to_datetime(moment).replace(tzinfo=timezone.utc))


def timestamp_of(moment):
    """Return a moment of Odoo's as RFC 3339; nothing for none."""
    return timestamp(microseconds_of(moment)) if moment else ""
