"""One file a protocol. A line in :data:`DRIVERS` makes a driver known; its library is imported when it is opened."""

from importlib import import_module

from .driver import BrowseItem, Driver, SignalAddress

#: protocol -> module and class, so that listing the drivers imports none of them
DRIVERS = {
    "modbus": (".modbus", "ModbusDriver"),
    "opcua": (".opcua", "OpcUaDriver"),
}


def driver_class(protocol):
    """Return the Driver class of a protocol.

    :raise KeyError: there is no driver of that name
    """
    module, name = DRIVERS[protocol]
    return getattr(import_module(module, __name__), name)


__all__ = ["DRIVERS", "BrowseItem", "Driver", "SignalAddress", "driver_class"]
