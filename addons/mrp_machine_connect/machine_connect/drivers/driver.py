"""The contract of a driver: how one protocol is asked for values, and nothing else.

A driver reads. It has no verb that writes, and each driver names in ``read_requests`` the closed list of requests
that it puts on the wire. It knows neither signals' roles nor events.

Synchronous, one thread at a time. Above it stands a bounded pool with a deadline (``machine_connect.polling``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import NotSupported


@dataclass(frozen=True)
class SignalAddress:
    """Where a value is found, in the protocol's own words.

    :param str name: the key under which its reading comes back, unique in one call
    :param str address: the protocol's address: ``holding:100``, ``nsu=urn:plant;s=Part_Count``
    :param options: how the value is laid out there; each driver documents its own (``data_type``, ``word_order`` …)
    """

    name: str
    address: str
    options: Mapping = field(default_factory=dict)


@dataclass(frozen=True)
class BrowseItem:
    """One entry of an address space.

    :param str address: what to put into a signal's address, or to browse below
    :param str label: the name that the device shows
    :param str kind: ``folder`` or ``variable``
    :param str data_type: the device's own name of the type, empty for a folder
    :param value: the value now, JSON only, or None
    :param bool has_children: whether browsing below it may find more
    """

    address: str
    label: str
    kind: str
    data_type: str = ""
    value: object = None
    has_children: bool = False


class Driver(ABC):
    """One way to one device.

    :param options: settings without secrets, as :meth:`check_options` accepts them
    :param secrets: ``{"password": …}``; never logged, never part of an error
    """

    #: The name by which a connection asks for this driver.
    protocol: ClassVar[str]
    #: The closed list of requests that this driver may put on the wire.
    read_requests: ClassVar[frozenset[str]]

    def __init__(self, options, secrets=None):
        self.options = dict(options)
        self._secrets = dict(secrets or {})

    @classmethod
    @abstractmethod
    def check_options(cls, options):
        """Return a list of :class:`Problem` in the settings; nothing is sent and no library is needed."""

    @classmethod
    @abstractmethod
    def check_address(cls, signal):
        """Return a list of :class:`Problem` in one SignalAddress; nothing is sent and no library is needed."""

    @classmethod
    @abstractmethod
    def endpoint(cls, options):
        """Return what only one connection at a time may use, as text: ``modbus://10.0.0.5:502``."""

    @classmethod
    def transport(cls, options):
        """Return the settings, hashable, that two connections must share to be served by one open driver."""
        return (cls.endpoint(options), *sorted((key, str(value)) for key, value in options.items()))

    @abstractmethod
    def open(self):
        """Reach the device.

        :raise DriverUnavailable: the library is missing
        :raise ConnectionFailed: the device cannot be reached; nothing stays open
        """

    @abstractmethod
    def read(self, signals):
        """Read all the given addresses once.

        :param signals: sequence of :class:`SignalAddress`
        :return: one :class:`Reading` a signal, in the order asked; one that cannot be read comes back bad and spoils
            no other
        :raise ConnectionFailed: the device as a whole is lost; the driver must be closed before it is opened again
        """

    @abstractmethod
    def close(self):
        """Hang up. May be called twice, and after a failed :meth:`open`."""

    def browse(self, parent="", limit=500):
        """Return the :class:`BrowseItem` list below an address (empty: the root), at most ``limit``.

        :raise NotSupported: the protocol has no address space to look into
        """
        raise NotSupported(self.protocol)

    def describe(self):
        """Return what the device says of itself, for a person: JSON only, no secret. Needs :meth:`open`."""
        return {}

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exception):
        self.close()
