import secrets
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..machine_connect.drivers import driver_class
from ..machine_connect.errors import ConnectionFailed, DriverUnavailable
from ..wording import introduction, reading_sentence, sentence

SECRETS = ("password",)
#: What decides which device answers: another one has counters of its own.
DEVICE_FIELDS = ("protocol", "transport", "host", "port", "unit_id", "serial_port", "url")
#: Opening, introducing itself, reading and hanging up: so many time-outs may a person's question last.
ANSWERS = 6
#: Nobody is out of contact within so many seconds: the poller tries a lost device again that often, and it writes down
#: at leisure when a machine was last heard.
SHORTEST_SILENCE = 60.0


class MachineConnection(models.Model):
    """How a machine is reached: protocol, address, who polls and how often. The driver itself checks the settings."""

    _name = "mrp.machine.connection"
    _description = "Machine Connection"
    _inherit = ["mail.thread", "mail.activity.mixin", "mrp.machine.armed"]
    _order = "machine_id, id"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True, help="Machine and address.")
    machine_id = fields.Many2one(
        "mrp.machine", required=True, index=True, ondelete="cascade", help="The machine that answers at this address."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    active = fields.Boolean(default=True, tracking=True)
    protocol = fields.Selection(
        [("modbus", "Modbus"), ("opcua", "OPC UA")],
        required=True,
        default="modbus",
        tracking=True,
        help="Modbus: most PLCs, meters and converters. OPC UA: newer controllers and gateways. Both are only read.",
    )
    polled_by = fields.Selection(
        [("cron", "Scheduled action"), ("worker", "Worker")],
        required=True,
        default="cron",
        tracking=True,
        help="Scheduled action: nothing to install, once a minute at best. "
        "Worker: the command «odoo machine_worker» runs beside Odoo and polls each second or faster.",
    )
    interval = fields.Float(
        string="Poll Every (s)",
        default=60.0,
        required=True,
        tracking=True,
        help="Seconds between two reads. Below 60 a worker must poll.",
    )
    timeout = fields.Float(string="Time-out (s)", default=3.0, required=True, help="Seconds to wait for one answer.")

    # Modbus
    transport = fields.Selection(
        [
            ("tcp", "Modbus TCP"),
            ("rtu_over_tcp", "RTU over TCP"),
            ("ascii_over_tcp", "ASCII over TCP"),
            ("serial", "RTU over serial line"),
        ],
        default="tcp",
        tracking=True,
        help="RTU or ASCII over TCP: a converter that passes the serial frames on unchanged.",
    )
    host = fields.Char(tracking=True, help="Name or address of the machine or of the converter.")
    port = fields.Integer(default=502, tracking=True, help="502 unless the maker says otherwise.")
    unit_id = fields.Integer(
        default=1,
        tracking=True,
        help="Address of the device on the line or behind the gateway, 0 to 255.",
    )
    serial_port = fields.Char(tracking=True, help="/dev/ttyUSB0, on the machine where the poller runs.")
    baudrate = fields.Integer(default=19200, help="Bits a second, as it is set on the device.")
    parity = fields.Selection(
        [("N", "None"), ("E", "Even"), ("O", "Odd")],
        default="E",
        help="As it is set on the device. Modbus says even; many devices come with none.",
    )
    stopbits = fields.Selection(
        [("1", "1"), ("2", "2")],
        default="1",
        help="As it is set on the device: mostly 2 where the parity is none, else 1.",
    )
    gap_limit = fields.Integer(default=8, help="Registers of no interest that may be read along to save a request.")
    max_registers = fields.Integer(default=125, help="Registers in one request; some devices take fewer than 125.")
    close_after_read = fields.Boolean(help="Hang up after each read: for devices that serve only one client.")
    inter_frame_delay = fields.Float(string="Pause Between Requests (ms)", help="Slow converters need one.")

    # OPC UA
    url = fields.Char(string="Endpoint Address", tracking=True, help="opc.tcp://host:4840, as the server shows it.")
    security_policy = fields.Selection(
        [
            ("none", "None"),
            ("Basic256Sha256", "Basic256Sha256"),
            ("Aes128Sha256RsaOaep", "Aes128-Sha256-RsaOaep"),
            ("Aes256Sha256RsaPss", "Aes256-Sha256-RsaPss"),
        ],
        default="none",
        tracking=True,
        help="With a policy, our certificate is made on the first try and the server's administrator must trust it.",
    )
    security_mode = fields.Selection(
        [("sign", "Sign"), ("sign_and_encrypt", "Sign and encrypt")],
        default="sign_and_encrypt",
        tracking=True,
        help="Sign: nobody can change what is sent, but anybody on the network can read it. Encrypt: nor that.",
    )
    user = fields.Char(tracking=True, help="Empty: anonymous.")
    allow_plain_password = fields.Boolean(
        tracking=True,
        help="Send the password although the connection is not encrypted. Anybody on the network can read it.",
    )
    server_certificate_fingerprint = fields.Char(
        tracking=True, help="SHA-256 of the only server certificate that is accepted. Empty: any."
    )
    password = fields.Char(
        compute="_compute_password",
        inverse="_inverse_password",
        groups="mrp_machine_connect.group_manager",
        help="Stored apart; nobody can read it back. Enter a new one to change it.",
    )
    password_set = fields.Boolean(
        compute="_compute_password", string="Password is set", help="Whether one is stored; it cannot be read back."
    )

    signal_ids = fields.One2many("mrp.machine.signal", "connection_id", string="Signals")
    status_id = fields.Many2one("mrp.machine.connection.status", readonly=True, copy=False, bypass_search_access=True)
    last_ok = fields.Datetime(related="status_id.last_ok", string="Last Answer")
    failing_since = fields.Datetime(
        related="status_id.failing_since",
        help="When the first of the tries failed that have failed since the last answer.",
    )
    failures = fields.Integer(related="status_id.failures")
    seconds = fields.Float(related="status_id.seconds", string="Answer Time (s)", digits=(16, 3))
    skipped = fields.Integer(related="status_id.skipped", string="Skipped Polls")
    health_message = fields.Char(
        compute="_compute_health_message", string="Health", help="What the last try said, and what to do about it."
    )

    # In PostgreSQL NaN is more than any number, so that the upper bounds refuse it as well.
    _interval_range = models.Constraint(
        "CHECK (interval >= 0.05 AND interval <= 86400)", "The poll interval lies between 0.05 seconds and a day."
    )
    _timeout_range = models.Constraint(
        "CHECK (timeout > 0 AND timeout <= 30)", "The time-out lies between 0 and 30 seconds."
    )

    @api.depends("machine_id.name", "protocol", "host", "port", "url", "transport", "serial_port")
    def _compute_name(self):
        for connection in self:
            address = {"opcua": connection.url}.get(connection.protocol) or (
                connection.serial_port
                if connection.transport == "serial"
                else f"{connection.host or '?'}:{connection.port}"
            )
            connection.name = f"{connection.machine_id.name or ''} · {address or '?'}"

    def _compute_password(self):
        # sudo: only whether a secret exists is told, never its value
        present = (
            self.env["mrp.machine.connection.secret"]
            .sudo()
            .search([("connection_id", "in", self.ids), ("name", "=", "password")])
            .connection_id
        )
        for connection in self:
            connection.password = False
            connection.password_set = connection in present

    def _inverse_password(self):
        # sudo: the table has no access rights at all, so that no export and no RPC reads it
        store = self.env["mrp.machine.connection.secret"].sudo()
        for connection in self:
            kept = store.search([("connection_id", "=", connection.id), ("name", "=", "password")])
            if not connection.password:
                continue
            if kept:
                kept.value = connection.password
            else:
                store.create({"connection_id": connection.id, "name": "password", "value": connection.password})
            connection.message_post(body=self.env._("The password was changed."))

    def action_forget_password(self):
        """Delete the stored password."""
        self.check_access("write")
        # sudo: see _inverse_password
        self.env["mrp.machine.connection.secret"].sudo().search(
            [("connection_id", "in", self.ids), ("name", "=", "password")]
        ).unlink()
        # By SQL: a worker takes up a connection anew when it was written; nothing of it changes here.
        self.env.cr.execute(
            "UPDATE mrp_machine_connection SET write_date = clock_timestamp() AT TIME ZONE 'UTC' WHERE id = ANY(%s)",
            [self.ids],
        )
        self.invalidate_recordset(["write_date"])

    @api.depends("status_id.code", "status_id.failing_since", "status_id.last_ok")
    def _compute_health_message(self):
        for connection in self:
            status = connection.status_id
            if status.code:
                connection.health_message = sentence(self.env, status.code, status.params or {})
            elif status.last_ok:
                connection.health_message = self.env._("Answers.")
            else:
                connection.health_message = self.env._("Not polled yet.")

    # Settings

    @api.constrains("interval", "polled_by")
    def _check_interval(self):
        for connection in self:
            if connection.polled_by == "cron" and connection.interval < 60:
                raise ValidationError(
                    self.env._(
                        "%s: Odoo's scheduled actions run once a minute, so they cannot poll more often than every 60 "
                        "seconds. Choose «Worker» for shorter intervals.",
                        connection.name,
                    )
                )

    @api.constrains(
        "protocol", "transport", "host", "port", "unit_id", "serial_port", "baudrate", "url", "security_policy",
        "security_mode", "user", "gap_limit", "max_registers", "inter_frame_delay", "active", "polled_by",
        "allow_plain_password", "server_certificate_fingerprint",
    )  # fmt: skip
    def _check_settings(self):
        for connection in self:
            problems = connection._driver_class().check_options(connection._driver_options())
            if problems:
                raise ValidationError(
                    "\n".join(
                        self.env._(
                            "%(connection)s: %(sentence)s",
                            connection=connection.name,
                            sentence=sentence(self.env, problem.code, problem.params, problem.field),
                        )
                        for problem in problems
                    )
                )
            connection._check_endpoint_shared()
            # An address of one protocol is none of another.
            connection.signal_ids._check_address()

    def _check_endpoint_shared(self):
        """Refuse two pollers on one address: the second client would kill the first."""
        key = self._endpoint_key()
        # sudo: the address may belong to a machine of another company; only the fact is told
        others = self.sudo().search(
            [("id", "!=", self.id), ("polled_by", "!=", self.polled_by), ("machine_id.active", "=", True)]
        )
        for other in others:
            if other._endpoint_key() == key:
                raise ValidationError(
                    self.env._(
                        "%(address)s is polled by another connection already, in another way (worker or scheduled "
                        "action). Let one and the same poller do both.",
                        address=key,
                    )
                )

    def _driver_class(self):
        return driver_class(self.protocol)

    def _endpoint_key(self):
        self.ensure_one()
        return self._driver_class().endpoint(self._driver_options())

    def _driver_options(self):
        """Return the settings of this connection as the driver names them; no secret is among them."""
        self.ensure_one()
        if self.protocol == "opcua":
            options = {
                "url": (self.url or "").strip(),
                "timeout": self.timeout,
                "security_policy": self.security_policy or "none",
                "user": self.user or "",
                "allow_plain_password": self.allow_plain_password,
                "application_uri": self._application_uri(),
            }
            if options["security_policy"] != "none":
                certificate, key = self._certificate_paths()
                options.update(
                    security_mode=self.security_mode or "sign_and_encrypt", certificate_path=certificate, key_path=key
                )
            if self.server_certificate_fingerprint:
                options["server_certificate_fingerprint"] = self.server_certificate_fingerprint
            return options
        options = {
            "transport": self.transport or "tcp",
            "timeout": self.timeout,
            "unit_id": self.unit_id,
            "gap_limit": self.gap_limit,
            "max_registers": self.max_registers,
            "close_after_read": self.close_after_read,
            "inter_frame_delay": self.inter_frame_delay,
        }
        if self.transport == "serial":
            options.update(
                serial_port=(self.serial_port or "").strip(),
                baudrate=self.baudrate,
                parity=self.parity or "N",
                stopbits=int(self.stopbits or 1),
            )
        else:
            options.update(host=(self.host or "").strip(), port=self.port)
        return options

    def _silence(self):
        """Return how many seconds nobody may hear this machine; after that its state is unknown.

        It is the time after which its responsible person is told, see :meth:`MachineWatch._watch_connections`.
        """
        self.ensure_one()
        return max(SHORTEST_SILENCE, self.machine_id.silent_after * 60, 3 * self.interval)

    def _signal_options(self):
        """Return what this connection adds to the options of each of its signals."""
        return {"unit_id": self.unit_id} if self.protocol == "modbus" else {}

    def _secrets(self):
        """Return the secrets of this connection, for its driver only."""
        self.ensure_one()
        # sudo: the table has no access rights at all; the values go to the driver and nowhere else
        rows = self.env["mrp.machine.connection.secret"].sudo().search([("connection_id", "=", self.id)])
        return {row.name: row.value for row in rows}

    @api.model
    def _application_uri(self):
        # sudo: a parameter is readable by administrators only; the database's id is no secret
        return f"urn:odoo:machine-connect:{self.env['ir.config_parameter'].sudo().get_param('database.uuid')}"

    # Life

    @api.model_create_multi
    def create(self, vals_list):
        connections = super().create(vals_list)
        # sudo: the hot row belongs to the connection; nobody has rights to create one by hand
        for connection in connections.sudo():
            connection.status_id = (
                self.env["mrp.machine.connection.status"].sudo().create({"connection_id": connection.id})
            )
        connections._reschedule()
        return connections

    def write(self, vals):
        before = {connection: [connection[name] for name in DEVICE_FIELDS] for connection in self}
        result = super().write(vals)
        if vals.keys() - {"status_id", "message_main_attachment_id"}:
            self._reschedule()
        moved = self.filtered(lambda connection: [connection[name] for name in DEVICE_FIELDS] != before[connection])
        moved.with_context(active_test=False).signal_ids._start_again()
        return result

    def unlink(self):
        statuses = self.status_id
        result = super().unlink()
        # sudo: see create
        statuses.sudo().exists().unlink()
        return result

    @api.onchange("interval", "polled_by")
    def _onchange_interval(self):
        if self.polled_by == "cron" and self.interval < 60:
            return {
                "warning": {
                    "title": self.env._("Too fast for a scheduled action"),
                    "message": self.env._(
                        "Odoo's scheduled actions run once a minute. For %s seconds, choose «Worker» and start "
                        "«odoo machine_worker» beside Odoo.",
                        self.interval,
                    ),
                }
            }

    @api.onchange("host")
    def _onchange_host(self):
        """Take «10.0.0.5:502» apart, as people write it."""
        host, separator, port = (self.host or "").strip().rpartition(":")
        if separator and port.isdecimal() and ":" not in host:
            self.host, self.port = host, int(port)

    @api.onchange("url")
    def _onchange_url(self):
        url = (self.url or "").strip()
        if url and "://" not in url:
            self.url = f"opc.tcp://{url}"
        elif url and urlsplit(url).scheme == "opc.tcp":
            self.url = url

    def _reschedule(self):
        """Make these connections due now, under the endpoint that their settings name."""
        # sudo: hot rows are nobody's to write by hand
        for connection in self.sudo():
            endpoint = self.env["mrp.machine.endpoint"].sudo()._for_key(connection._endpoint_key())
            connection.status_id.write({"endpoint_id": endpoint.id, "next_poll": False, "failures": 0})

    # Asking the machine, for a person who waits

    def _ask(self, ask):
        """Open this connection's driver, let ``ask(driver)`` put its question, and hang up.

        The lease of the endpoint is taken first, so that the poller does not talk to the device at the same time, and
        the transaction ends before the network is touched.

        :raise UserError: in words, what is wrong and what to do
        """
        self.ensure_one()
        self.check_access("read")
        if self.disarmed_words:
            raise UserError(
                self.env._(
                    "%s It may lead to the real machine, so it is not asked. Arm the database first, if it is to speak to the plant.",
                    self.disarmed_words,
                )
            )
        return self._ask_with(self.protocol, self._driver_options(), self._secrets(), ask)

    @api.model
    def _ask_with(self, protocol, options, passwords, ask):
        """Do what :meth:`_ask` does with settings that need not be stored yet."""
        protocol_class = driver_class(protocol)
        problems = protocol_class.check_options(options)
        if problems:
            raise UserError("\n".join(sentence(self.env, p.code, p.params, p.field) for p in problems))
        driver, endpoint = protocol_class(options, passwords), protocol_class.endpoint(options)
        seconds = max(60.0, ANSWERS * options.get("timeout", 0.0))
        with self.env["mrp.machine.poller"]._borrowed(endpoint, f"form-{secrets.token_hex(4)}", seconds):
            try:
                with driver:
                    return ask(driver)
            except (ConnectionFailed, DriverUnavailable) as error:
                raise UserError(sentence(self.env, error.code, error.params, getattr(error, "field", ""))) from error

    def action_test(self):
        """Reach the machine, read its signals once, and say what answered, or what is wrong."""
        self.ensure_one()
        signals = self.signal_ids
        addresses = [signal._signal_address() for signal in signals]
        facts, readings = self._ask(lambda driver: (driver.describe(), driver.read(addresses) if addresses else []))
        lines = introduction(self.env, facts) or [f"{self.name}."]
        bad = [(signal, reading) for signal, reading in zip(signals, readings, strict=True) if signal._refuses(reading)]
        if bad:
            signal, reading = bad[0]
            lines.append(
                self.env._(
                    "%(bad)s of %(all)s signals cannot be read. %(signal)s: %(why)s",
                    bad=len(bad),
                    all=len(signals),
                    signal=signal.name,
                    why=reading_sentence(self.env, reading, signal.address),
                )
            )
        elif signals:
            lines.append(self.env._("All %s signals can be read.", len(signals)))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.env._("The machine answers"),
                "message": " ".join(lines),
                "type": "warning" if bad else "success",
                "sticky": bool(bad),
            },
        }

    def action_read_now(self):
        """Read all signals once and show address, raw registers or DataValue, decoded value, quality and age."""
        self.ensure_one()
        signals = self.signal_ids
        if not signals:
            raise UserError(self.env._("There is no signal to read yet. Add one, import a list or apply a template."))
        readings = self._ask(lambda driver: driver.read([signal._signal_address() for signal in signals]))
        wizard = self.env["mrp.machine.read.now"]._show(self, signals, readings)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Read Now"),
            "res_model": "mrp.machine.read.now",
            "res_id": wizard.id,
            "view_mode": "form",
            "target": "new",
            "context": {"dialog_size": "extra-large"},
        }

    def action_browse(self):
        """Look into the address space of the machine."""
        self.ensure_one()
        if self.protocol != "opcua":
            raise UserError(
                self.env._("Modbus has no address space to look into. The register map is in the maker's manual.")
            )
        wizard = self.env["mrp.machine.browse"].create({"connection_id": self.id})
        wizard._load("")
        return wizard._reopen()

    def action_apply_template(self):
        """Apply the machine's template to this connection."""
        for connection in self:
            if not connection.machine_id.template_id:
                raise UserError(self.env._("Choose a template on the machine first."))
            connection.machine_id.template_id._apply(connection.machine_id, connection)
