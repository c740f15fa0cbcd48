"""Between the moments of the pure core, aware or in microseconds since 1970, and Odoo's, which are naive and UTC."""

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

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


def moment_words(record, moment):
    """Return a moment of Odoo's for people, by the clock of a company and with the name of its zone.

    What is written once is read by many: the clock is that of the record's company (of the environment's, where the record has
    none), so that all read the same, and the zone tells the hour that comes twice in autumn.

    :param record: what the moment is about
    :param moment: naive UTC, or its text
    """
    company = record.company_id if "company_id" in record._fields else record.env.company
    # sudo: the time zone of a company is nobody's secret
    zone = (company[:1] or record.env.company).sudo().partner_id.tz or "UTC"
    local = fields.Datetime.to_datetime(moment).replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S} ({local.tzname()})"
