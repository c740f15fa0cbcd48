"""What can go wrong between us and a machine, as facts: a stable code and what it concerns.

The text of an error is English, for logs. Whoever shows it to a person words it from ``code`` and ``params``.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a setting, before anything was sent.

    :param str field: the option or address field that is wrong, as the driver names it (``host``, ``port``, ``address``)
    :param str code: what is wrong with it, from :data:`CODES`
    :param dict params: what a sentence about it needs, JSON only
    """

    field: str
    code: str
    params: dict = field(default_factory=dict)


class MachineConnectError(Exception):
    """Base of what this package raises."""


class DriverUnavailable(MachineConnectError):
    """The library that speaks this protocol is not installed.

    :param str library: its name as the package index knows it
    :param str requirement: what to ask the installer for, with its version range
    """

    code = "library_missing"

    def __init__(self, library, requirement):
        super().__init__(f"the Python library {library} is missing; install {requirement}")
        self.library = library
        self.requirement = requirement
        self.params = {"library": library, "requirement": requirement}


class ConnectionFailed(MachineConnectError):
    """The machine as a whole could not be reached, or what answered is not what we talk to.

    :param str code: from :data:`CODES`
    :param str field: the option a person should look at first, or an empty string
    :param params: what a sentence about it needs; never a secret
    """

    def __init__(self, code, field="", **params):
        super().__init__(f"{code}: {params}" if params else code)
        self.code = code
        self.field = field
        self.params = params


class NotSupported(MachineConnectError):
    """This protocol has no such question, for example browsing by Modbus."""


#: Every code that a Problem, a ConnectionFailed or a bad Reading may carry, with what it says in English for logs.
CODES = {
    # the connection's settings
    "missing": "a required setting is empty",
    "not_a_number": "the setting must be a number",
    "out_of_range": "the number is outside its range",
    "unknown_choice": "the value is not one of the choices",
    "unknown_option": "the driver has no such setting",
    "host_invalid": "the host is neither a name nor an address",
    "url_invalid": "the endpoint address is not of the form opc.tcp://host:port",
    "password_unprotected": "a password would be sent in clear",
    # reaching the machine
    "library_missing": "the library for this protocol is not installed",
    "unknown_host": "no machine is known by that name",
    "connection_refused": "the machine answers, but nothing listens on that port",
    "connection_timeout": "nothing answered in time",
    "connection_lost": "the connection was cut",
    "unreachable": "there is no way to that network",
    "serial_not_found": "there is no such serial port",
    "serial_denied": "the serial port may not be opened",
    "serial_busy": "the serial port is in use by another program",
    "protocol_error": "what answers speaks something else",
    "deadline": "the connection did not answer before its deadline",
    "internal": "the driver failed in a way it should not",
    # OPC UA security
    "certificate_rejected": "the server does not accept our certificate",
    "certificate_untrusted": "the server's certificate is not the expected one",
    "certificate_invalid": "a certificate or key file cannot be used",
    "certificate_expired": "a certificate is outside its dates",
    "password_wrong": "the server refuses this user or password",
    "anonymous_refused": "the server wants a user",
    "security_unsupported": "the server does not offer this security",
    "too_many_sessions": "the server has no free session",
    # one signal's mapping
    "expression_invalid": "the pattern is not one that may be used",
    "unknown_zone": "there is no such time zone",
    # one signal
    "address_invalid": "the address is not of the protocol's form",
    "type_invalid": "the data type does not fit the address",
    "illegal_function": "the device does not know this kind of read",
    "illegal_address": "the device has nothing at that address",
    "illegal_value": "the device refuses this length",
    "device_failure": "the device reports a failure of its own",
    "device_busy": "the device is busy",
    "gateway_no_path": "the gateway has no path to that unit",
    "gateway_no_answer": "the unit behind the gateway does not answer",
    "no_answer": "the unit does not answer",
    "answer_mismatch": "the answer does not fit the question",
    "decode_failed": "the bytes are not of that type",
    "namespace_unknown": "the server has no such namespace",
    "node_unknown": "the server has no such node",
    "node_not_a_variable": "the node has no value",
    "access_denied": "the server does not let this user read it",
    "bad_status": "the device marks the value as bad",
    "uncertain_status": "the device marks the value as uncertain",
    "unavailable": "the machine itself says that it has no value",
}
