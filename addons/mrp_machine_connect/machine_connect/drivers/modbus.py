"""Modbus by TCP, RTU over TCP, ASCII over TCP and RTU on a serial line: four reads and nothing else.

By the MODBUS Application Protocol Specification V1.1b3, MODBUS Messaging on TCP/IP V1.0b and MODBUS over Serial Line
V1.02. An address is a table and a protocol address from 0, ``holding:100``, ``input:0x0048``, ``coil:5``,
``discrete:3``; a bit of a register, ``holding:100.3``; or the number in a manual of Modicon's kind, which counts from
1, ``40001``. How a value is laid out there (``data_type``, ``word_order`` …) are options of the signal.
"""

import re
import threading
from contextlib import suppress
from ipaddress import AddressValueError, IPv6Address

from .. import clock
from ..errors import ConnectionFailed, Problem
from .driver import Driver
from .modbus_link import FRAMINGS, Link
from .modbus_plan import Limits, Plan, bad_reading
from .modbus_round import Memory, Round
from .modbus_types import check_choice, check_number, examine, is_empty, number, whole_number

#: Plans kept; one for each tuple of signals that is read again and again.
PLANS = 64

#: Option -> its value when it is left out.
DEFAULTS = {
    "transport": "tcp",
    "host": "",
    "port": 502,
    "serial_port": "",
    # The defaults of MODBUS over Serial Line V1.02, 2.5.1 and 3.3
    "baudrate": 19200,
    "parity": "E",
    "stopbits": 1,
    "bytesize": 8,
    "timeout": 2.0,
    "unit_id": 1,
    "max_registers": 125,
    "max_bits": 2000,
    "gap_limit": 8,
    "close_after_read": False,
    "inter_frame_delay": 0,
}
#: Option -> lowest and highest value, both allowed.
RANGES = {
    "port": (1, 65535),
    "baudrate": (300, 4_000_000),
    "timeout": (0.05, 60),
    "unit_id": (0, 255),
    "max_registers": (1, 125),
    "max_bits": (1, 2000),
    "gap_limit": (0, 124),
    "inter_frame_delay": (0, 1000),
}
CHOICES = {"transport": tuple(FRAMINGS), "parity": ("N", "E", "O"), "stopbits": (1, 2), "bytesize": (8,)}
#: What switches an option on, also from a file.
YES = (True, "1", "true", "True")
SERIAL_OPTIONS = frozenset({"serial_port", "baudrate", "parity", "stopbits", "bytesize"})
SOCKET_OPTIONS = frozenset({"host", "port"})
#: A unit on a serial line: 0 is the broadcast that nobody answers, from 248 on they are reserved (V1.02, 2.2).
SERIAL_UNITS = (1, 247)

#: A name or an IPv4 address; one of IPv6 is looked at by Python.
_HOST = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_])?\.?")
_HOST_AND_PORT = re.compile(r"(\[[^]]*\]|[^:/]+):[0-9]+")
_SERIAL_PORT = re.compile(r"/dev/[^\0]+|(\\\\\.\\)?COM[0-9]{1,3}")


class ModbusDriver(Driver):
    """One line to one Modbus device, or to a gateway and the units behind it.

    Connections that differ in ``unit_id`` only share a driver; their signals then name their unit themselves, in the
    option ``unit_id``.
    """

    protocol = "modbus"
    read_requests = frozenset({"read_coils", "read_discrete_inputs", "read_holding_registers", "read_input_registers"})

    def __init__(self, options, secrets=None):
        super().__init__(options, secrets)
        self._settings = _settings(options)
        self._limits = Limits(self._settings["max_registers"], self._settings["max_bits"], self._settings["gap_limit"])
        self._link = None
        self._lock = threading.RLock()  # one question at a time on one line, whoever asks
        self._plans = []
        self._memory = Memory(self._settings["timeout"])

    # Settings

    @classmethod
    def check_options(cls, options):
        given = {key: value for key, value in options.items() if not is_empty(value)}
        problems = [Problem(key, "unknown_option", {}) for key in given if key not in DEFAULTS]
        settings = _settings(options)
        for field, choices in CHOICES.items():
            problems += check_choice(field, settings[field], choices)
        is_serial = settings["transport"] == "serial"
        for field, (lowest, highest) in RANGES.items():
            if field == "unit_id" and is_serial:
                lowest, highest = SERIAL_UNITS
            if field in given:
                problems += check_number(field, given[field], lowest, highest, _number_of(field))
        if given.get("close_after_read", True) not in YES:
            problems += check_choice("close_after_read", given["close_after_read"], (True, False))
        field, check = ("serial_port", _check_serial_port) if is_serial else ("host", _check_host)
        value = given.get(field, "")
        problems += [Problem(field, "missing", {})] if value == "" else check(value)
        return problems

    @classmethod
    def check_address(cls, signal):
        return examine(signal)[1]

    @classmethod
    def endpoint(cls, options):
        settings = _settings(options)
        if settings["transport"] == "serial":
            return f"serial://{settings['serial_port']}"
        host = settings["host"].lower().rstrip(".")
        return f"modbus://[{host}]:{settings['port']}" if ":" in host else f"modbus://{host}:{settings['port']}"

    @classmethod
    def transport(cls, options):
        settings = _settings(options)
        # The unit is the signals' affair, the place is in the endpoint, and sockets know no baud rate.
        ignored = SOCKET_OPTIONS | {"unit_id", "serial_port"}
        if settings["transport"] != "serial":
            ignored |= SERIAL_OPTIONS
        return (cls.endpoint(options), *sorted(item for item in settings.items() if item[0] not in ignored))

    # The line

    def open(self):
        with self._lock:
            self.close()
            link = Link(self._settings)
            link.open()
            self._link = link
            self._memory.forget_silences()

    def close(self):
        with self._lock:
            link, self._link = self._link, None
            if link is not None:
                link.close()

    def read(self, signals):
        with self._lock:
            if self._link is None:
                raise ConnectionFailed("connection_lost", "")
            plan = self._plan(signals)
            readings = [None] * len(plan.signals)
            for index, name, code in plan.invalid:
                readings[index] = bad_reading(name, code, clock.now())
            if plan.blocks:
                Round(self._link, self._memory, readings).run(plan.blocks)
            if self._settings["close_after_read"]:
                self._link.close()
            return readings

    def _plan(self, signals):
        """Return the plan for these signals, as a rule one that was made before."""
        if self._memory.cuts_changed:
            self._plans.clear()
            self._memory.cuts_changed = False
        asked = tuple(signals)
        for position, plan in enumerate(self._plans):
            if plan.signals == asked:  # quick, for the signals are mostly the very same objects
                if position:
                    self._plans.insert(0, self._plans.pop(position))
                return plan
        plan = Plan(asked, self._limits, self._settings["unit_id"], self._memory.cuts)
        self._plans.insert(0, plan)
        del self._plans[PLANS:]
        return plan


def _check_host(value):
    """Return a list of Problem in what is given for a host."""
    text = value.strip() if isinstance(value, str) else ""
    if _HOST.fullmatch(text):
        return []
    with suppress(AddressValueError):
        IPv6Address(text)
        return []
    hint = {"hint": "port"} if _HOST_AND_PORT.fullmatch(text) else {}
    return [Problem("host", "host_invalid", {"value": str(value), **hint})]


def _check_serial_port(value):
    """Return a list of Problem in what is given for a serial port."""
    if isinstance(value, str) and _SERIAL_PORT.fullmatch(value.strip()):
        return []
    return [Problem("serial_port", "serial_not_found", {"value": str(value)})]


def _settings(options):
    """Return all options with their defaults, of the types that the rest of the driver counts on.

    Options that :meth:`ModbusDriver.check_options` finds fault with are taken as they are.
    """
    settings = dict(DEFAULTS)
    for key, value in options.items():
        if key in DEFAULTS and not is_empty(value):
            settings[key] = value.strip() if isinstance(value, str) else value
    for key, default in DEFAULTS.items():
        if type(default) in (int, float):
            with suppress(TypeError, ValueError):
                settings[key] = _number_of(key)(settings[key])
    settings["close_after_read"] = settings["close_after_read"] in YES
    return settings


def _number_of(field):
    """Return what makes a number of an option: of those measured in time any, of the others a whole one."""
    return number if field in ("timeout", "inter_frame_delay") else whole_number
