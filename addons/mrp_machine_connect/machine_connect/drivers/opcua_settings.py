"""What may be set for an OPC UA connection and its signals, and what is wrong with a setting?

Nothing here is sent, and no library is needed.
"""

import re
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from ..errors import Problem
from .opcua_address import AddressInvalid, parse_address
from .opcua_value import EXPECTATIONS

#: The port that OPC UA over TCP is registered for (Part 6, 7.2).
DEFAULT_PORT = 4840
#: Part 7, 6.6; Basic128Rsa15 and Basic256 are broken and not offered.
SECURITY_POLICIES = ("none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
#: Part 4, 7.20 (MessageSecurityMode).
SECURITY_MODES = ("sign", "sign_and_encrypt")
#: Option -> smallest and largest number.
RANGES = {"timeout": (0.05, 60), "session_timeout": (5, 3600), "max_nodes": (1, 10000)}
#: What a signal may say beside its address: the element of an array, and what kind of value is expected.
SIGNAL_OPTIONS = frozenset({"index", "data_type"})
#: What signals carry along for registers; an OPC UA server knows the layout of its values itself.
FOREIGN_OPTIONS = frozenset({"word_order", "byte_order", "length", "encoding", "unit_id"})
#: Longest texts: an address of a server has 255 characters in its host alone, a path of a file 4096.
MAX_TEXT = 4096

_FINGERPRINT = re.compile(r"[0-9A-F]{64}")
_INDEX = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9}){0,7}", re.ASCII)
_HOST = re.compile(r"[^\s/?#@\[\]%\\]{1,255}")


@dataclass(frozen=True)
class Settings:
    """One connection's settings, with their defaults.

    :param str url: ``opc.tcp://host:port/path``; the port is 4840 if none is given
    :param float timeout: seconds to wait for one answer, 0.05 to 60
    :param str security_policy: one of :data:`SECURITY_POLICIES`
    :param str security_mode: one of :data:`SECURITY_MODES`; nothing without a policy
    :param str user: empty: anonymous
    :param bool allow_plain_password: send the password although everybody on the way can read it
    :param str certificate_path: our certificate, DER or PEM; made if neither it nor the key is there
    :param str key_path: its private key, PEM or DER, without a password
    :param str server_certificate_fingerprint: SHA-256 of the only server certificate accepted; empty: any
    :param float session_timeout: seconds after which the server may forget a silent session, 5 to 3600
    :param int max_nodes: nodes in one request, 1 to 10000; fewer if the server says so
    :param str application_uri: by what name we introduce ourselves; empty: the one in the certificate
    """

    url: str = ""
    timeout: float = 5.0
    security_policy: str = "none"
    security_mode: str = "sign_and_encrypt"
    user: str = ""
    allow_plain_password: bool = False
    certificate_path: str = ""
    key_path: str = ""
    server_certificate_fingerprint: str = ""
    session_timeout: float = 60.0
    max_nodes: int = 500
    application_uri: str = ""

    @classmethod
    def of(cls, options):
        """Return the Settings of options that :func:`options_problems` finds no fault with."""
        given = {key: value for key, value in options.items() if value not in (None, "")}
        if "max_nodes" in given:
            given["max_nodes"] = int(given["max_nodes"])  # JSON may bring 500.0
        return cls(**given)

    @property
    def host(self):
        return urlsplit(self.url.strip()).hostname

    @property
    def port(self):
        return urlsplit(self.url.strip()).port or DEFAULT_PORT

    @property
    def full_url(self):
        """The address as it is said to the server: always with its port, never with a user in it."""
        parts = urlsplit(self.url.strip())
        return f"opc.tcp://{_bracketed(parts.hostname)}:{self.port}{parts.path}"

    @property
    def where(self):
        """Where it is, for sentences."""
        return {"host": self.host, "port": self.port}

    @property
    def secured(self):
        return self.security_policy != "none"


def _bracketed(host):
    return f"[{host}]" if ":" in host else host


def endpoint_text(options):
    """Return ``opc.tcp://host:port`` in one spelling, whatever is wrong with it."""
    url = str(options.get("url") or "").strip()
    try:
        parts = urlsplit(url)
        return f"opc.tcp://{_bracketed(parts.hostname or '')}:{parts.port or DEFAULT_PORT}"
    except ValueError:
        return url.lower()


def fingerprint_text(text):
    """Return a fingerprint as 64 upper-case hexadecimal digits, without the colons and blanks that people paste."""
    return re.sub(r"[\s:.-]", "", str(text)).upper().removeprefix("SHA256")


def options_problems(options):
    """Return the Problems in the settings of a connection."""
    known = {field.name: field.default for field in fields(Settings)}
    problems = [Problem(key, "unknown_option", {"value": str(key)[:80]}) for key in options if key not in known]
    given = {key: value for key, value in options.items() if key in known and value not in (None, "")}
    wrong = set()
    for key, value in given.items():
        problem = _type_problem(key, value, known[key])
        if problem:
            problems.append(problem)
            wrong.add(key)
    settings = {**known, **{key: value for key, value in given.items() if key not in wrong}}
    if "url" not in wrong:
        problems += _url_problems(settings["url"])
    for key, choices in (("security_policy", SECURITY_POLICIES), ("security_mode", SECURITY_MODES)):
        if key not in wrong and settings[key] not in choices:
            problems.append(Problem(key, "unknown_choice", {"value": settings[key][:80], "choices": list(choices)}))
    if settings["security_policy"] in SECURITY_POLICIES[1:]:
        problems += [
            Problem(key, "missing")
            for key in ("certificate_path", "key_path")
            if not settings[key] and key not in wrong
        ]
    pin = settings["server_certificate_fingerprint"]
    if pin and not _FINGERPRINT.fullmatch(fingerprint_text(pin)):
        problems.append(
            Problem(
                "server_certificate_fingerprint",
                "certificate_invalid",
                {"value": pin[:80], "detail": "a SHA-256 fingerprint has 64 hexadecimal digits"},
            )
        )
    return problems


def _type_problem(key, value, default):
    """Return the Problem with the kind of a value, or None; the default tells the kind."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else Problem(key, "unknown_choice", {"value": str(value)[:80]})
    if isinstance(default, str):
        if not isinstance(value, str):
            return Problem(key, "unknown_choice", {"value": str(value)[:80]})
        if len(value) > MAX_TEXT:
            return Problem(key, "out_of_range", {"value": value[:80], "minimum": 0, "maximum": MAX_TEXT})
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Problem(key, "not_a_number", {"value": str(value)[:80]})
    low, high = RANGES[key]
    # a NaN is in no range
    if not low <= value <= high or (isinstance(default, int) and value != int(value)):
        return Problem(key, "out_of_range", {"value": str(value), "minimum": low, "maximum": high})
    return None


def _url_problems(url):
    url = url.strip()
    if not url:
        return [Problem("url", "missing")]
    params = {"value": url[:200]}
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number or too large, a broken IPv6 address
        return [Problem("url", "url_invalid", params)]
    if "@" in parts.netloc:
        # A password in the address would be shown on every form and in every log.
        return [Problem("url", "url_invalid", {"value": url.rpartition("@")[2][:200], "hint": "user"})]
    if parts.scheme != "opc.tcp" or not host or port == 0 or parts.query or parts.fragment:
        return [Problem("url", "url_invalid", params)]
    if not _HOST.fullmatch(host) and ":" not in host:
        return [Problem("url", "host_invalid", {"value": host[:200]})]
    return []


def index_of(options):
    """Return which element of an array a signal names, as a tuple of positions from 0; empty for a single value.

    >>> index_of({"index": "2,0"})
    (2, 0)

    :raise ValueError: it is no position
    """
    index = options.get("index")
    if index is None or index == "" or index is False:
        return ()
    text = str(index).replace(" ", "")
    if isinstance(index, bool | float) or not _INDEX.fullmatch(text):
        raise ValueError(index)
    return tuple(map(int, text.split(",")))


def expected_kind(options):
    """Return ``boolean``, ``number`` or ``text`` if a signal says what it expects, else an empty string.

    :raise ValueError: no such type is known
    """
    data_type = options.get("data_type")
    if not data_type:
        return ""
    if data_type not in EXPECTATIONS:
        raise ValueError(data_type)
    return EXPECTATIONS[data_type]


def address_problems(signal):
    """Return the Problems in a SignalAddress."""
    problems = []
    if not signal.address.strip():
        return [Problem("address", "missing")]
    try:
        parse_address(signal.address)
    except AddressInvalid as error:
        params = {"address": signal.address[:200], "hint": error.hint}
        problems.append(Problem("address", "address_invalid", params))
    try:
        index_of(signal.options)
    except ValueError:
        problems.append(Problem("index", "address_invalid", {"address": str(signal.options["index"])[:80]}))
    try:
        expected_kind(signal.options)
    except ValueError:
        problems.append(Problem("data_type", "type_invalid", {"value": str(signal.options["data_type"])[:80]}))
    return problems + [
        Problem(key, "unknown_option", {"value": str(key)[:80]})
        for key in signal.options
        if key not in SIGNAL_OPTIONS and key not in FOREIGN_OPTIONS
    ]
