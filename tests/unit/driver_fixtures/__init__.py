"""For each driver a real server on loopback, as ``tests/unit/test_driver_contract.py`` needs it.

A driver's file here is named after its protocol and holds a class ``Fixture`` (see :class:`DriverFixture`).
"""

from importlib import import_module


class DriverFixture:
    """What the contract's tests need to know of one protocol.

    :cvar str library: the module whose absence makes the driver unavailable
    :ivar dict options: settings that reach the server
    :ivar dict secrets: what the driver is given beside them; none of it may ever show
    :ivar dict dead_options: settings of an address where nothing listens
    :ivar list required: options without which :meth:`Driver.check_options` complains
    :ivar list signals: pairs of a :class:`SignalAddress` and its value, at least four, of different types and constant
    :ivar refused_signal: an address of the right form that the server has nothing at
    :ivar malformed_signal: an address that is none
    """

    library = ""

    def start(self):
        """Start the server; afterwards all attributes are set."""
        raise NotImplementedError

    def stop(self):
        """Stop it for good."""
        raise NotImplementedError

    def lose(self):
        """Take the server off the network, with all its connections."""
        raise NotImplementedError

    def come_back(self):
        """Put it back where it was."""
        raise NotImplementedError

    def requests(self):
        """Return the set of requests that came in since the start, in the words of ``Driver.read_requests``."""
        raise NotImplementedError

    def connections(self):
        """Return how many connections are open now, as the server sees it."""
        raise NotImplementedError

    def forget_library(self):
        """Undo whatever keeps the library once it was imported."""


def fixture_class(protocol):
    """Return the Fixture of a protocol."""
    return import_module(f".{protocol}", __name__).Fixture


__all__ = ["DriverFixture", "fixture_class"]
