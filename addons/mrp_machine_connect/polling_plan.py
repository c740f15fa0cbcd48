"""What does the poller hold of a connection and of its signals between two reads?"""

from dataclasses import dataclass

from .machine_connect.mapping import Interpreter
from .machine_connect.polling import PollJob


@dataclass
class Signal:
    """A signal as the poller holds it between two reads."""

    id: int
    name: str
    value_id: int
    interpreter: Interpreter
    memory: dict
    value: str | None = None
    quality: str | None = None
    written: float = float("-inf")
    watches: tuple = ()


@dataclass
class Plan:
    """A connection as the poller holds it between two reads."""

    connection_id: int
    name: str
    endpoint_id: int
    endpoint: str
    machine_id: int
    stream: str
    interval: float
    version: int
    signature: tuple
    job: PollJob
    signals: dict
    lost: bool
    failures: int
    due: float = 0.0
    status_written: float = float("-inf")
    skipped: int = 0
