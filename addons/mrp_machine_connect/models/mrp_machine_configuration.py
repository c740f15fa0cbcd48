from urllib.parse import urlsplit, urlunsplit

from odoo import api, models

from ..machine_connect.entity_tags import canonical_json, entity_tag

#: The form of the document, see machine_connect/schemas/config.v1.json.
VERSION = 1
#: What of a connection's options leaves the database, by protocol: named one by one, so that nothing gets out by being new.
OPTIONS = {
    "modbus": (
        "transport", "host", "port", "serial_port", "baudrate", "parity", "stopbits", "unit_id", "gap_limit",
        "max_registers", "close_after_read", "inter_frame_delay",
    ),
    "opcua": (
        "url", "security_policy", "security_mode", "user", "allow_plain_password", "server_certificate_fingerprint",
    ),
}  # fmt: skip


class MachineConfiguration(models.AbstractModel):
    """What a source reads and what it means, as a document for the source itself: no secret is ever in it."""

    _name = "mrp.machine.configuration"
    _description = "Machine Configuration"

    @api.model
    def _content(self, source):
        """Return the configuration of a source as JSON, and its entity tag: the same as long as nothing of it changes."""
        content = canonical_json(self._document(source))
        return content, entity_tag(content)

    @api.model
    def _document(self, source):
        machines = source._machines()
        signals, codes = self._signals(machines), self._codes(machines)
        return {
            "version": VERSION,
            "source": source.name,
            "machines": [
                self._machine(machine, signals.get(machine.id, []), codes[machine.id])
                for machine in machines.sorted(lambda machine: machine.code)
            ],
        }

    def _machine(self, machine, signals, codes):
        return {
            "code": machine.code,
            "name": machine.name,
            "mapping_version": machine.mapping_version,
            "clock_zone": machine.clock_zone or None,
            "connections": [self._connection(connection) for connection in machine.connection_ids.sorted("id")],
            "signals": signals,
            "codes": [self._code(code) for code in sorted(codes, key=lambda code: (code.kind, code.code))],
        }

    def _connection(self, connection):
        options = connection._driver_options()
        found = {name: options[name] for name in OPTIONS[connection.protocol] if name in options}
        if found.get("url"):
            found["url"] = _without_user(found["url"])
        return {
            "id": connection.id,
            "protocol": connection.protocol,
            "polled_by": connection.polled_by,
            "interval": connection.interval,
            "timeout": connection.timeout,
            "password_needed": connection.password_set,
            "options": found,
        }

    def _signals(self, machines):
        """Return the settings of the signals of each machine; what is not set is null, and only a checkbox says false.

        Read all at once: it is asked at each heartbeat.
        """
        model = self.env["mrp.machine.signal"]
        names = [
            name
            for name in model._definition_fields()
            if name != "sequence" and model._fields[name].type in ("char", "selection", "integer", "float", "boolean")
        ]
        unset = {name for name in names if model._fields[name].type != "boolean"}
        found = {}
        signals = model.search([("machine_id", "in", machines.ids)], order="machine_id, sequence, id")
        for values in signals.read([*names, "machine_id", "connection_id"], load=None):
            settings = {name: None if name in unset and values[name] is False else values[name] for name in names}
            found.setdefault(values["machine_id"], []).append({**settings, "connection": values["connection_id"]})
        return found

    def _codes(self, machines):
        """Return the codes of each machine: its company's, unless it has one of its own for the same word."""
        codes = self.env["mrp.machine.code"].search(
            [
                "|",
                ("machine_id", "in", machines.ids),
                "&",
                "&",
                ("machine_id", "=", False),
                ("template_id", "=", False),
                ("company_id", "in", machines.company_id.ids),
            ]
        )
        common = codes.filtered(lambda code: not code.machine_id).grouped("company_id")
        own = codes.filtered("machine_id").grouped("machine_id")
        return {
            machine.id: {
                (code.kind, code.code): code for code in [*common.get(machine.company_id, ()), *own.get(machine, ())]
            }.values()
            for machine in machines
        }

    def _code(self, code):
        return {
            "kind": code.kind,
            "code": code.code,
            "state": code.state or None,
            "label": code.label or "",
            "severity": code.severity,
        }


def _without_user(url):
    """Return an address without name and password, which somebody may have written into it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
