"""How the pure core's codes are said to a person: what happened, where, and what to do. Odoo words and translates."""

import re

from .machine_connect.drivers.modbus_types import parse_address

#: Seconds that a machine's clock may differ from ours without a word.
CLOCK_TOLERANCE = 2
#: Signs of units that machines often have, by their code of UN/CEFACT Recommendation 20.
UNIT_SIGNS = {
    "C62": "",
    "SEC": "s",
    "MIN": "min",
    "HUR": "h",
    "CEL": "°C",
    "KGM": "kg",
    "GRM": "g",
    "MTR": "m",
    "MMT": "mm",
    "LTR": "l",
    "MTQ": "m³",
    "BAR": "bar",
    "KWT": "kW",
    "KWH": "kWh",
    "VLT": "V",
    "AMP": "A",
    "HTZ": "Hz",
    "P1": "%",
}


#: What the drivers and the mapping call a setting -> the field of the connection, the signal or the machine.
FIELDS = {
    "application_uri": "certificate",
    "certificate_path": "certificate",
    "key_path": "certificate",
    "counter": "counter_kind",
    "extraction": "extraction",
    "table": "state_table",
    "codes": "code_ids",
    "zone": "clock_zone",
    "signals": "signal_ids",
    "index": "address",
}
#: Which parameter of a code chooses another sentence for it: ``certificate_expired:server``.
VARIANTS = ("hint", "side", "step")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def field_label(env, field):
    """Return the name of a driver's option as it stands on the form, or the option itself."""
    name = FIELDS.get(field, field)
    for model in ("mrp.machine.connection", "mrp.machine.signal", "mrp.machine"):
        described = env[model]._fields.get(name)
        if described is not None:
            return described._description_string(env)
    return field


def sentence(env, code, params=None, field=""):
    """Return one sentence, or two, about a code of ``machine_connect.errors``: what is wrong, and what to do.

    :param str code: from ``machine_connect.errors.CODES``
    :param dict params: what the code concerns
    :param str field: the option it concerns, put in front by its name on the form
    """
    values = {key: value for key, value in (params or {}).items() if value not in (None, "", "-")}
    words = _words(env, code, values)
    text = words % _Named(values) if words else env._("The connection failed (%s).", code)
    return f"{field_label(env, field)}: {text}" if field else text


def _words(env, code, values):
    """Return the sentence of a code that fits what is known; None where the code is none of ours."""
    sentences = _sentences(env)
    for name in VARIANTS:
        words = sentences.get(f"{code}:{values[name]}") if name in values else None
        if words:
            return words
    words = sentences.get(code)
    if words and f"{code}:bare" in sentences and any(name not in values for name in _PLACEHOLDER.findall(words)):
        return sentences[f"{code}:bare"]
    return words


def where(env, signal):
    """Return where a signal stands, in words for people who hold the maker's manual in their hands.

    :param signal: a record of ``mrp.machine.signal``
    """
    address = (signal.address or "").strip()
    if signal.protocol != "modbus":
        return address
    try:
        table, number, bit = parse_address(address)
    except ValueError:
        return address
    _ = env._
    tables = {
        "coil": (_("coil"), 0),
        "discrete": (_("discrete input"), 1),
        "input": (_("input register"), 3),
        "holding": (_("holding register"), 4),
    }
    name, digit = tables[table]
    words = _("%(table)s %(number)s (manual: %(manual)s)", table=name, number=number, manual=f"{digit}{number + 1:04d}")
    if bit is not None:
        words = _("%(register)s, bit %(bit)s", register=words, bit=bit)
    unit = signal.unit_id if signal.unit_id >= 0 else signal.connection_id.unit_id
    return _("%(register)s, unit %(unit)s", register=words, unit=unit)


def evidence(env, raw):
    """Return where a value was read and what was read, as one line."""
    raw = raw or {}
    said = as_read(env, raw)
    if "registers" in raw:
        return env._(
            "unit %(unit)s, %(table)s:%(address)s: %(said)s",
            unit=raw.get("unit"),
            table=raw.get("table"),
            address=raw.get("address"),
            said=said,
        )
    return f"{raw['node']}: {said}" if "node" in raw else said


def value_text(value):
    """Return a value for people: nothing for None, a number without the noise of its binary form."""
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def unit_text(unit):
    """Return the sign of a unit where its UN/CEFACT code has a well-known one; nothing for pieces."""
    return UNIT_SIGNS.get(unit, unit or "")


def as_read(env, raw):
    """Return what was read: registers as the device sent them, or the DataValue of OPC UA."""
    raw = raw or {}
    _ = env._
    if "registers" in raw:
        registers = raw["registers"]
        if not registers:
            return _("nothing")
        if raw.get("table") in ("coil", "discrete"):
            return " ".join("1" if bit else "0" for bit in registers)
        shown = " ".join(f"0x{register:04X}" for register in registers)
        return f"{shown} ({' '.join(map(str, registers))})"
    if "node" in raw:
        parts = [f"{raw.get('type') or ''} {raw['value'] if raw.get('value') is not None else '–'}".strip()]
        parts.append(str(raw.get("status") or "–"))
        if raw.get("source"):
            parts.append(_("source time %s", raw["source"]))
        if raw.get("server"):
            parts.append(_("server time %s", raw["server"]))
        return ", ".join(parts)
    return ", ".join(f"{key}: {value}" for key, value in raw.items())


def rule_lines(env, rules):
    """Return one line a rule that looked at a reading: which rule, what it said, and why."""
    _ = env._
    names = {
        "quality": _("Quality"),
        "extraction": _("Extraction"),
        "scale": _("Scale"),
        "mapping": _("Codes and state table"),
        "plausibility": _("Plausibility"),
        "debounce": _("Debounce"),
        "deadband": _("Deadband"),
        "sequence": _("Order in time"),
        "clock": _("Machine's clock"),
        "contact": _("Contact"),
        "number": _("Number"),
        "text": _("Text"),
        "value": _("Value"),
    }
    outcomes = {
        "passed": _("passed"),
        "refused": _("refused"),
        "held": _("held for a person"),
        "doubtful": _("doubtful"),
    }
    lines = []
    for rule in rules or ():
        line = (
            f"{names.get(rule.get('rule'), rule.get('rule'))}: {outcomes.get(rule.get('outcome'), rule.get('outcome'))}"
        )
        detail = rule.get("detail")
        if isinstance(detail, dict):
            detail = ", ".join(f"{key} {value}" for key, value in detail.items() if value not in (None, ""))
        lines.append(f"{line} – {detail}" if detail else line)
    return lines


def reading_sentence(env, reading, address):
    """Return why a reading is not good, and what to do.

    :param reading: a ``machine_connect.reading.Reading`` with a code
    :param str address: of its signal, as it stands on the form
    """
    raw = reading.raw or {}
    return sentence(env, reading.code, {**raw, "address": address, "status": raw.get("status") or reading.status})


def introduction(env, facts):
    """Return what a machine says of itself as lines for people; what is odd about it is among them.

    :param dict facts: of :meth:`machine_connect.drivers.Driver.describe`
    """
    _ = env._
    lines = []
    names = [facts.get("name"), facts.get("product"), facts.get("manufacturer"), facts.get("version")]
    if any(names):
        lines.append(f"{' · '.join(dict.fromkeys(name for name in names if name))}.")
    if facts.get("state"):
        lines.append(_("It says of itself: %s.", facts["state"]))
    ahead = facts.get("clock_ahead_seconds")
    if ahead and abs(ahead) >= CLOCK_TOLERANCE:
        words = _("Its clock is %s s ahead of ours.") if ahead > 0 else _("Its clock is %s s behind ours.")
        lines.append(words % round(abs(ahead)))
    if facts.get("endpoints"):
        lines.append(_("It offers the security: %s.", ", ".join(facts["endpoints"])))
    for whose, name in (
        (_("Its certificate"), "server_certificate"),
        (_("Our certificate"), "own_certificate"),
    ):
        if facts.get(f"{name}_not_after"):
            lines.append(
                _(
                    "%(certificate)s is valid until %(date)s, fingerprint %(fingerprint)s.",
                    certificate=whose,
                    date=facts[f"{name}_not_after"],
                    fingerprint=facts.get(f"{name}_fingerprint"),
                )
            )
    if facts.get("key_readable_by_others"):
        lines.append(_("The private key can be read by every user of this server: give its file the mode 0600."))
    return lines


class _Named(dict):
    """Parameters of a sentence; one that the code did not bring shows as a dash."""

    def __missing__(self, key):
        return "–"


def _sentences(env):
    """Return ``{code: sentence}``; ``code:bare`` where nothing more is known, ``code:variant`` for some cases of it."""
    _ = env._
    return {
        # The connection's settings
        "missing": _("This is needed."),
        "not_a_number": _("This must be a number."),
        "out_of_range": _("This number is outside its range (%(minimum)s to %(maximum)s)."),
        "out_of_range:bare": _("This number cannot be used: it is too small, or 0."),
        "unknown_choice": _("«%(value)s» is not one of the choices: %(choices)s."),
        "unknown_choice:bare": _("This is not one of the choices."),
        "unknown_option": _("This protocol has no such setting. Leave it empty."),
        "host_invalid": _(
            "«%(value)s» is neither the name nor the address of a machine. Write it without http:// and without a port."
        ),
        "host_invalid:port": _(
            "«%(value)s» names a port as well. Put the port into the field Port, and here only the name or the address."
        ),
        "host_invalid:bare": _("This is neither the name nor the address of a machine."),
        "url_invalid": _("«%(value)s» is not an OPC UA address. It looks like opc.tcp://host:4840."),
        "url_invalid:user": _("Leave user and password out of the address; they have fields of their own."),
        "password_unprotected": _(
            "The password of «%(user)s» would be sent in clear. Choose a security policy, or allow the plain password on "
            "this connection."
        ),
        # Reaching the machine
        "library_missing": _(
            "The Python library %(library)s is missing on the server. Install it: pip install '%(requirement)s'."
        ),
        "unknown_host": _("No machine is known by the name «%(host)s». Check the spelling, or write its IP address."),
        "connection_refused": _(
            "%(host)s answers, but nothing listens on port %(port)s. Check the port, and whether the server on the machine "
            "is switched on."
        ),
        "connection_timeout": _(
            "%(host)s does not answer. Check the address, the cable, and whether a firewall lies between; a slow device "
            "needs a longer time-out."
        ),
        "connection_timeout:name": _(
            "Nobody could say in time which address «%(host)s» has. Write the IP address, or ask for the name server."
        ),
        "connection_lost": _("The machine hung up. Some devices serve only one client: is another program connected?"),
        "unreachable": _(
            "There is no way from this server to the network of «%(host)s». Check the address, or ask the network's "
            "administrator."
        ),
        "serial_not_found": _(
            "There is no serial port «%(serial_port)s» where the poller runs. On Linux it looks like /dev/ttyUSB0."
        ),
        "serial_not_found:bare": _("This is not a serial port. On Linux it looks like /dev/ttyUSB0."),
        "serial_denied": _(
            "The serial port «%(serial_port)s» may not be opened. Add the poller's user to the group «dialout»."
        ),
        "serial_busy": _("The serial port «%(serial_port)s» is used by another program. Close that one."),
        "protocol_error": _(
            "What answers there speaks another protocol. Check the port and the protocol; a serial converter may need "
            "RTU over TCP."
        ),
        "deadline": _(
            "The machine did not answer all questions within %(seconds)s s. Read fewer signals or poll less often."
        ),
        "internal": _("The driver failed (%(error)s). The server's log says more; please report it."),
        # Security of OPC UA
        "certificate_rejected": _(
            "The server does not trust our certificate. Ask its administrator to trust the one that is shown on the "
            "connection, then test again."
        ),
        "certificate_untrusted": _(
            "The server shows another certificate (%(fingerprint)s) than the expected one. If it was renewed on purpose, "
            "enter the new fingerprint."
        ),
        "certificate_untrusted:bare": _(
            "The server does not show the expected certificate. Check the address; if the certificate was taken away on "
            "purpose, empty the fingerprint."
        ),
        "certificate_invalid": _(
            "Our certificate or its key cannot be used: %(detail)s. Delete both files on the server to have new ones made."
        ),
        "certificate_invalid:server": _(
            "The server's certificate cannot be used: %(detail)s. Ask the server's administrator for a new one."
        ),
        "certificate_invalid:sha256": _(
            "This is not a SHA-256 fingerprint. It has 64 hexadecimal digits; the server's administrator can tell it."
        ),
        "certificate_expired": _(
            "Our certificate is good from %(not_before)s to %(not_after)s only. Press «Renew Certificate», "
            "and check the clocks of both sides."
        ),
        "certificate_expired:bare": _(
            "The server finds our certificate outside its dates. Press «Renew Certificate», and check the "
            "clocks of both sides."
        ),
        "certificate_expired:server": _(
            "The server's certificate is good from %(not_before)s to %(not_after)s only. Ask its administrator for a new "
            "one, or enter its fingerprint to accept it all the same."
        ),
        "password_wrong": _("The server refuses this user or password. Enter both again, or ask its administrator."),
        "anonymous_refused": _("The server lets nobody in without a name. Enter a user and a password."),
        "security_unsupported": _("The server does not offer this. It offers: %(offered)s. Choose one of these."),
        "security_unsupported:bare": _("The server does not take this security. Choose another one."),
        "too_many_sessions": _(
            "The server has no free session. Close other clients, or wait until old sessions have ended."
        ),
        # What a signal means
        "expression_invalid": _("This pattern may not be used (%(reason)s)."),
        "unknown_zone": _("There is no time zone «%(zone)s»."),
        # Where a signal stands
        "address_invalid": _(
            "«%(address)s» is not an address. Modbus: holding:100, input:0x48, coil:5, discrete:3 or 40101. OPC UA: "
            "nsu=<namespace>;s=<name>."
        ),
        "address_invalid:nsu": _(
            "«%(address)s» names its namespace by a number, which is another one after the server's next start. Write "
            "nsu=<namespace>, or pick the address by Browse."
        ),
        "address_invalid:server": _("«%(address)s» is a node of another server. Connect that one."),
        "type_invalid": _(
            "This data type does not fit what stands there. Choose the one that the maker's manual gives; for OPC UA, "
            "leave it empty."
        ),
        "illegal_function": _(
            "The device does not know this kind of register. Try input instead of holding, or the reverse."
        ),
        "illegal_address": _(
            "The device has nothing at «%(address)s». Many manuals count from 1: try one less, and check the unit."
        ),
        "illegal_value": _("The device refuses so many registers at once. Lower «Max Registers» on the connection."),
        "device_failure": _("The device reports a failure of its own. Check the unit, and look at the device itself."),
        "device_busy": _("The device is busy. Poll less often."),
        "gateway_no_path": _("The gateway has no way to unit %(unit)s. Check the unit."),
        "gateway_no_path:bare": _("The gateway has no way to this unit. Check the unit."),
        "gateway_no_answer": _("Unit %(unit)s behind the gateway does not answer. Check the unit and its supply."),
        "gateway_no_answer:bare": _("The unit behind the gateway does not answer. Check the unit and its supply."),
        "no_answer": _("Unit %(unit)s does not answer. Check the unit and the supply of the device."),
        "no_answer:bare": _("The device behind the server does not answer. Check its supply and its cable."),
        "answer_mismatch": _(
            "The answer did not fit the question and was thrown away. If it stays so, poll less often."
        ),
        "decode_failed": _(
            "What stands there is not of this data type. Check data type, word order, length and encoding."
        ),
        "namespace_unknown": _("The server has no namespace «%(namespace)s». Use Browse to pick the address again."),
        "namespace_unknown:bare": _("The server has no such namespace. Use Browse to pick the address again."),
        "node_unknown": _("The server has no node «%(address)s». Use Browse to pick the address again."),
        "node_not_a_variable": _("«%(address)s» is a folder and has no value. Use Browse to pick one below it."),
        "access_denied": _(
            "The server does not let this user read the value. Ask its administrator for the right to, or enter another "
            "user."
        ),
        "bad_status": _("The device marks the value as bad (%(status)s). Look at the machine; the value is not used."),
        "uncertain_status": _(
            "The device itself doubts the value (%(status)s), so it is not used. Look at the machine; if such values are "
            "right all the same, switch on «Allow Uncertain» on the signal."
        ),
        "unavailable": _("The machine itself says that it has no value now. It is read again by itself."),
    }
