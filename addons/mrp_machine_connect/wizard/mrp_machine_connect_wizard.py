import re
import unicodedata

from psycopg2 import IntegrityError

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect.drivers import Driver, SignalAddress, driver_class
from ..models.mrp_machine_signal_mixin import COUNTERS
from ..wording import introduction, reading_sentence

STEPS = ("machine", "address", "drives", "done")


def _like(name):
    """Return a selection that follows one of the connection."""
    return lambda self: self.env["mrp.machine.connection"]._fields[name]._description_selection(self.env)


class MachineConnectWizard(models.TransientModel):
    """Connect a machine in three steps: what it is, where it is, what it drives. Ends with a live read.

    Nothing is stored before the last step; what is wrong is said on the step, and nothing that was typed is lost.

    It knows no protocol: a field with the name of one of the connection's is one of its settings, and is asked for where the
    connection hands that setting to the driver. An addon that brings a protocol adds its fields here as it adds them there.
    """

    _name = "mrp.machine.connect.wizard"
    _description = "Connect a Machine"

    step = fields.Selection(
        [("machine", "What It Is"), ("address", "Where It Is"), ("drives", "What It Drives"), ("done", "Live Values")],
        default="machine",
        required=True,
        readonly=True,
    )
    problem = fields.Text(readonly=True, help="What is wrong on this step, and what to do.")
    answer = fields.Text(readonly=True, help="What the machine said of itself.")
    is_answering = fields.Boolean(readonly=True)

    # 1
    template_id = fields.Many2one(
        "mrp.machine.template",
        help="A machine type whose signals and codes are known. Without one you add signals afterwards.",
    )
    template_description = fields.Text(related="template_id.description")
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    name = fields.Char(help="What people on the floor call it.")
    code = fields.Char(
        compute="_compute_code",
        store=True,
        readonly=False,
        help="Short and stable; it is part of the identity of every event, so choose it once.",
    )

    # 2
    asked_settings = fields.Json(
        compute="_compute_asked_settings", help="Settings that the driver takes with what is chosen so far."
    )
    protocol = fields.Selection(_like("protocol"), default="modbus", required=True)
    transport = fields.Selection(_like("transport"), default="tcp", required=True)
    host = fields.Char(help="Name or address of the machine or of the converter.")
    port = fields.Integer(default=502, help="502 unless the maker says otherwise.")
    unit_id = fields.Integer(default=1, help="Address of the device on the line or behind the gateway.")
    serial_port = fields.Char(help="/dev/ttyUSB0, on the machine where the poller runs.")
    baudrate = fields.Integer(default=19200)
    parity = fields.Selection(_like("parity"), default="E")
    stopbits = fields.Selection(_like("stopbits"), default="1")
    url = fields.Char(string="Endpoint Address", help="opc.tcp://host:4840, as the server shows it.")
    security_policy = fields.Selection(
        _like("security_policy"),
        default="none",
        help="With a policy, our certificate is made on the first try and the server's administrator must trust it.",
    )
    security_mode = fields.Selection(_like("security_mode"), default="sign_and_encrypt")
    user = fields.Char(help="Empty: anonymous.")
    password = fields.Char(help="Stored apart; nobody can read it back.")
    allow_plain_password = fields.Boolean(help="Send the password although the connection is not encrypted.")
    polled_by = fields.Selection(
        _like("polled_by"),
        default="cron",
        required=True,
        help="Scheduled action: nothing to install, once a minute at best. "
        "Worker: the command «odoo machine_worker» runs beside Odoo and polls each second or faster.",
    )
    interval = fields.Float(string="Poll Every (s)", default=60.0, required=True)

    # 3
    workcenter_id = fields.Many2one(
        "mrp.workcenter", "Work Center", help="Where its orders are planned and its time is booked."
    )
    counting_role = fields.Selection(
        [("good", "Good counter"), ("cycle", "Completed cycles"), ("total", "Total counter")],
        string="Order Counts By",
        default="good",
        required=True,
        help="Which of its signals feeds the order. The others are compared with it and never added to it.",
    )
    counter_address = fields.Char(
        string="Counter Stands At",
        help="Without a template: the address of the counter that feeds the order. Empty: add signals afterwards.",
    )
    counter_example = fields.Char(compute="_compute_counter_example")
    counter_type = fields.Selection(
        lambda self: self.env["mrp.machine.signal"]._fields["data_type"]._description_selection(self.env),
        string="Data Type",
        default="u32",
        help="How the counter is laid out in Modbus registers.",
    )
    asks_cycle = fields.Boolean(compute="_compute_asks_cycle")
    fastest_cycle = fields.Float(
        string="Fastest Cycle (s)",
        help="Seconds that a piece takes at the very least. A counter that runs faster than that is held for a person.",
    )
    posting_mode = fields.Selection(
        lambda self: self.env["mrp.machine"]._fields["posting_mode"]._description_selection(self.env),
        default="automatic",
        required=True,
        help="Observe: events and states are kept, no order is touched. "
        "Automatic: events become quantity, time and requests at once.",
    )
    responsible_id = fields.Many2one(
        "res.users",
        default=lambda self: self.env.user,
        domain="[('share', '=', False)]",
        help="Who gets an activity and a mail when the machine falls silent.",
    )

    # The end
    machine_id = fields.Many2one("mrp.machine", readonly=True)
    read_id = fields.Many2one("mrp.machine.read.now", readonly=True)
    read_line_ids = fields.One2many(related="read_id.line_ids")
    bad_count = fields.Integer(related="read_id.bad_count")
    can_browse = fields.Boolean(compute="_compute_can_browse")

    @api.model
    def _connection_fields(self):
        """Return the names of the fields that are settings of the connection, and go there as they are."""
        ours = self.env["mrp.machine.connection"]._fields
        return [
            name
            for name in self._fields
            if name in ours and ours[name].store and not (ours[name].compute or ours[name].related)
            if name != "machine_id" and name not in models.MAGIC_COLUMNS
        ]

    @api.depends(lambda self: self._connection_fields())
    def _compute_asked_settings(self):
        for wizard in self:
            wizard.asked_settings = sorted(wizard._connection()._driver_options()) if wizard.protocol else []

    @api.depends("protocol")
    def _compute_counter_example(self):
        examples = {
            "modbus": self.env._("e.g. holding:100, or empty"),
            "opcua": self.env._("e.g. nsu=urn:maker:machine;s=Good, or empty"),
        }
        for wizard in self:
            wizard.counter_example = examples.get(wizard.protocol, "")

    @api.depends("protocol")
    def _compute_can_browse(self):
        for wizard in self:
            wizard.can_browse = bool(wizard.protocol) and driver_class(wizard.protocol).browse is not Driver.browse

    @api.depends("name")
    def _compute_code(self):
        for wizard in self:
            plain = unicodedata.normalize("NFKD", wizard.name or "").encode("ascii", "ignore").decode()
            proposed = re.sub(r"[^A-Z0-9]+", "-", plain.upper()).strip("-")
            if proposed and (not wizard.code or proposed.startswith(wizard.code[:2])):
                wizard.code = proposed

    @api.depends("template_id", "counter_address", "counting_role")
    def _compute_asks_cycle(self):
        for wizard in self:
            roles = set(wizard.template_id.signal_ids.mapped("role"))
            wizard.asks_cycle = (
                bool(roles & {*COUNTERS, "cycle"}) if wizard.template_id else bool(wizard.counter_address)
            )

    @api.onchange("template_id")
    def _onchange_template_id(self):
        template = self.template_id
        if not template:
            return
        self.protocol = template.protocol
        self.counting_role = template.counting_role
        self.host = self.host or template.default_host
        self.port = template.default_port or self.port
        self.url = self.url or template.default_url
        self.interval = template.default_interval or self.interval
        self.polled_by = "worker" if self.interval < 60 else "cron"
        feeding = template.signal_ids.filtered(lambda signal: signal.role == template.counting_role)
        self.fastest_cycle = feeding[:1].fastest_cycle

    @api.onchange("polled_by")
    def _onchange_polled_by(self):
        if self.polled_by == "cron":
            self.interval = max(self.interval, 60.0)
        elif self.interval >= 60:
            self.interval = 1.0

    @api.onchange("host")
    def _onchange_host(self):
        host, separator, port = (self.host or "").strip().rpartition(":")
        if separator and port.isdecimal() and ":" not in host:
            self.host, self.port = host, int(port)

    @api.onchange("url")
    def _onchange_url(self):
        url = (self.url or "").strip()
        if url and "://" not in url:
            self.url = f"opc.tcp://{url}"

    # Steps

    def action_next(self):
        """Check the step and go to the next one; what is wrong is said on the step."""
        self.ensure_one()
        check = {"machine": self._check_machine, "address": self._check_address}[self.step]
        try:
            check()
        except UserError as wrong:
            return self._stay(str(wrong))
        return self._go(STEPS[STEPS.index(self.step) + 1])

    def action_skip_test(self):
        """Go on although the machine does not answer now."""
        self.ensure_one()
        return self._go("drives")

    def action_back(self):
        """Go back one step; nothing is lost."""
        self.ensure_one()
        return self._go(STEPS[STEPS.index(self.step) - 1])

    def action_test(self):
        """Reach the machine and say what answered."""
        self.ensure_one()
        try:
            self._check_address()
        except UserError as wrong:
            return self._stay(str(wrong))
        return self._go("address")

    def _stay(self, problem):
        self.write({"problem": problem, "answer": False, "is_answering": False})
        return self._reopen()

    def _go(self, step):
        self.write({"step": step, "problem": False})
        return self._reopen()

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Connect a Machine"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
            "context": {"dialog_size": "extra-large" if self.step == "done" else "large"},
        }

    def _check_machine(self):
        if not (self.name or "").strip():
            raise UserError(self.env._("Name: enter what people on the floor call the machine."))
        if not (self.code or "").strip():
            raise UserError(self.env._("Code: enter a short code that stays with the machine."))
        taken = (
            self.env["mrp.machine"]
            .with_context(active_test=False)
            .search([("company_id", "=", self.company_id.id), ("code", "=", self.code.strip())], limit=1)
        )
        if taken:
            raise UserError(
                self.env._(
                    "Code: «%(code)s» belongs to %(machine)s. Choose another.", code=self.code, machine=taken.name
                )
            )

    def _check_address(self):
        """Reach the machine with what was entered; nothing is stored."""
        if self.polled_by == "cron" and self.interval < 60:
            raise UserError(
                self.env._(
                    "Poll Every: Odoo's scheduled actions run once a minute. Enter 60 or more, or choose «Worker»."
                )
            )
        signals = self.template_id.signal_ids
        addresses = [self._template_address(signal) for signal in signals]
        facts, readings = self._ask(lambda driver: (driver.describe(), driver.read(addresses) if addresses else []))
        bad = [(signal, reading) for signal, reading in zip(signals, readings, strict=True) if reading.code]
        lines = introduction(self.env, facts)
        if bad:
            signal, reading = bad[0]
            words = self.env._(
                "%(bad)s of the %(all)s signals of the template cannot be read here. %(signal)s: %(why)s",
                bad=len(bad),
                all=len(signals),
                signal=signal.name,
                why=reading_sentence(self.env, reading, signal.address),
            )
            if len(bad) == len(signals):
                raise UserError(words)
            lines.append(words)
        elif signals:
            lines.append(self.env._("All %s signals of the template can be read.", len(signals)))
        self.write({"answer": "\n".join(lines), "is_answering": True})

    def _template_address(self, signal):
        """Return the SignalAddress by which the driver reads a signal of the template on this machine."""
        options = {**self._connection()._signal_options(), **signal._driver_options()}
        return SignalAddress(str(signal.id), (signal.address or "").strip(), options)

    def _ask(self, ask):
        passwords = {"password": self.password} if self.password else {}
        connection = self._connection()
        return connection._ask_with(self.protocol, connection._driver_options(), passwords, ask)

    def _connection(self):
        """Return the connection that these settings make, without storing it."""
        return self.env["mrp.machine.connection"].new(self._connection_values())

    def _connection_values(self):
        return {name: self[name] for name in self._connection_fields()}

    # The end

    def action_connect(self):
        """Make the machine with connection, signals and codes, and read it live.

        Each in a transaction of its own: the live read takes the lease of the endpoint, and must not wait for rows that
        this very request has not committed yet. A poller that takes up the new machine at once can make the server
        repeat the request; it finds the machine made then, and reads.
        """
        self.ensure_one()
        try:
            if not self.machine_id:
                self._check_drives()
                with self.env.registry.cursor() as cr:
                    wizard = self.with_env(self.env(cr=cr))
                    wizard.write({"machine_id": wizard._make().id, "step": "done", "problem": False})
        except UserError as wrong:
            return self._stay(str(wrong))
        except IntegrityError as wrong:
            return self._stay(str(wrong.diag.message_primary))
        with self.env.registry.cursor() as cr:
            return self.with_env(self.env(cr=cr)).action_read()

    def _check_drives(self):
        self._check_machine()
        if self.asks_cycle and self.fastest_cycle <= 0:
            raise UserError(
                self.env._(
                    "Fastest Cycle (s): enter the seconds that a piece takes at the very least. Without it, a counter that "
                    "jumps cannot be told from production."
                )
            )

    def _make(self):
        """Make machine, connection, signals and codes; return the machine."""
        machine = self.env["mrp.machine"].create(
            {
                "name": self.name.strip(),
                "code": self.code.strip(),
                "company_id": self.company_id.id,
                "workcenter_id": self.workcenter_id.id,
                "template_id": self.template_id.id,
                "counting_role": self.counting_role,
                "posting_mode": self.posting_mode,
                "responsible_id": self.responsible_id.id,
                "ideal_cycle": self.fastest_cycle,
            }
        )
        connection = self.env["mrp.machine.connection"].create(
            {**self._connection_values(), "password": self.password or False, "machine_id": machine.id}
        )
        if self.template_id:
            signals = self.template_id._apply(machine, connection)
            if self.fastest_cycle > 0:
                signals.filtered(lambda signal: signal.role == machine.counting_role).fastest_cycle = self.fastest_cycle
        elif counter := self._counter_values():
            self.env["mrp.machine.signal"].create({**counter, "machine_id": machine.id, "connection_id": connection.id})
        self.password = False
        self.env.flush_all()
        return machine

    def _counter_values(self):
        """Return the values of the one signal that a machine without a template begins with, or nothing."""
        address = (self.counter_address or "").strip()
        if self.template_id or not address:
            return {}
        labels = dict(self._fields["counting_role"]._description_selection(self.env))
        return {
            "name": labels[self.counting_role],
            "role": self.counting_role,
            "address": address,
            "data_type": self.counter_type if self.protocol == "modbus" else False,
            "fastest_cycle": self.fastest_cycle,
        }

    def action_read(self):
        """Read the machine live and show the values; what is wrong is said above them."""
        self.ensure_one()
        connection = self.machine_id.connection_ids[:1]
        signals = connection.signal_ids
        self.read_id = False
        if not signals:
            return self._stay(False)
        addresses = [signal._signal_address() for signal in signals]
        try:
            readings = connection._ask(lambda driver: driver.read(addresses))
        except UserError as wrong:
            return self._stay(str(wrong))
        self.write(
            {"problem": False, "read_id": self.env["mrp.machine.read.now"]._show(connection, signals, readings).id}
        )
        return self._reopen()

    def action_open(self):
        """Open the machine."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine",
            "res_id": self.machine_id.id,
            "view_mode": "form",
            "target": "current",
        }

    def action_load_order(self):
        """Load an order on the new machine."""
        return self.machine_id.action_load_order()
