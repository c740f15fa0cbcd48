"""What time is it? The one place that asks, so that a test can answer."""

from datetime import datetime, timezone


def now():
    """Return this moment, aware, in UTC, with microseconds."""
    return datetime.now(timezone.utc)
