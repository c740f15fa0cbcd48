"""What did a machine say, when, and how far can it be trusted?

Quality follows the four words of OPC UA (Part 8, StatusCode severity) and of the field's historians:
good, uncertain, bad, stale. Only *good* may become an effect.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Quality(str, Enum):
    """How far a value can be trusted."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"
    STALE = "stale"


@dataclass(frozen=True)
class Reading:
    """One value of one signal.

    :param str signal: the name under which the signal was asked for
    :param value: bool, int, float or str; None when the quality is bad
    :param datetime at: when it was so, by the machine's clock where it has one, else when we read it; aware, UTC
    :param datetime read_at: when we read it; aware, UTC
    :param Quality quality: how far it can be trusted
    :param str code: why it is not good, from :data:`machine_connect.errors.CODES`; empty when good.
        ``unavailable`` means that the machine itself told us it has no value, which is not the same as a lost
        connection: what happened meanwhile is not caught up.
    :param int status: the protocol's own status (OPC UA StatusCode, Modbus exception code), or None
    :param dict raw: the evidence, JSON only: ``{"unit": 1, "table": "holding", "address": 100, "registers": [1, 2]}``
        or ``{"node": "nsu=urn:x;s=v", "status": "Good", "source": "…", "server": "…", "type": "Int32"}``
    """

    signal: str
    value: object
    at: datetime
    read_at: datetime
    quality: Quality = Quality.GOOD
    code: str = ""
    status: int | None = None
    raw: dict = field(default_factory=dict)

    @property
    def is_good(self):
        return self.quality is Quality.GOOD
