from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..machine_connect.counter import WIDTHS, CounterDescriptor, CounterKind
from ..machine_connect.drivers import SignalAddress, driver_class
from ..machine_connect.mapping import Interpreter, SignalMapping
from ..machine_connect.reading import Quality
from ..machine_connect.state import find
from ..quantities import number_text
from ..wording import sentence
from .mrp_machine_signal_mixin import BASELINE_FIELDS, COUNTERS


class MachineSignal(models.Model):
    """One address on a machine, and what it means."""

    _name = "mrp.machine.signal"
    _description = "Machine Signal"
    _inherit = ["mrp.machine.signal.mixin"]
    _order = "machine_id, sequence, id"
    _check_company_auto = True

    machine_id = fields.Many2one(
        "mrp.machine", required=True, index=True, ondelete="cascade", help="The machine that it says something of."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    active = fields.Boolean(default=True)
    connection_id = fields.Many2one(
        "mrp.machine.connection",
        required=True,
        index=True,
        ondelete="cascade",
        domain="[('machine_id', '=', machine_id)]",
        default=lambda self: self._default_connection_id(),
        help="The connection of the machine by which it is read.",
    )
    protocol = fields.Selection(related="connection_id.protocol")
    value_id = fields.Many2one("mrp.machine.signal.value", readonly=True, copy=False, bypass_search_access=True)
    last_value = fields.Char(
        compute="_compute_last_value", help="As it was understood: decoded, taken apart and scaled."
    )
    last_at = fields.Datetime(related="value_id.at", string="At")
    last_quality = fields.Selection(
        related="value_id.quality",
        string="Quality",
        help="Good: it stands. Uncertain: the device doubts it. Bad: it could not be read. Stale: nobody knows any more.",
    )

    _name_unique = models.UniqueIndex("(machine_id, name)", "This machine has a signal of that name already.")

    @api.model
    def _default_connection_id(self):
        """Return the connection that a new signal of a machine's form begins with: its first."""
        machine = self.env["mrp.machine"].browse(self.env.context.get("default_machine_id"))
        return machine.exists().connection_ids[:1]

    @api.model
    def _default_state_table(self, vals):
        """Return the table by which the machine's type translates its states; False where it names none, or several.

        :param dict vals: of a new signal
        """
        machine = self.env["mrp.machine"].browse(vals.get("machine_id"))
        tables = {
            signal.state_table
            for signal in machine.template_id.signal_ids
            if signal.role == "state" and signal.state_table
        }
        return tables.pop() if len(tables) == 1 else False

    @api.depends("value_id.value", "value_id.raw", "data_type", "extraction")
    def _compute_last_value(self):
        # sudo: as of a related field, whoever may read the signal may read its last value
        for signal in self.sudo():
            hot = signal.value_id
            signal.last_value = hot.value and (hot.value if signal._says_text() else _number_text(hot.value))

    def _says_text(self):
        """Return whether the machine says a text here, which stays as it is even where it looks like a number."""
        self.ensure_one()
        said = (self.value_id.raw or {}).get("type")
        return (
            self.data_type == "string" or self.extraction in ("slice", "regex") or said in ("String", "LocalizedText")
        )

    @api.constrains(
        "address", "data_type", "length", "connection_id", "unit_id", "encoding", "word_order", "byte_order"
    )  # fmt: skip
    def _check_address(self):
        for signal in self:
            problems = driver_class(signal.connection_id.protocol).check_address(signal._signal_address())
            if problems:
                raise ValidationError(
                    "\n".join(
                        f"{signal.name}: {sentence(self.env, problem.code, problem.params, problem.field)}"
                        for problem in problems
                    )
                )

    @api.constrains(
        "role", "scale", "offset", "deadband", "debounce", "extraction", "extraction_bit", "extraction_from",
        "extraction_to", "extraction_pattern", "counter_kind", "counter_width", "counter_modulus", "reset_policy",
        "fastest_cycle", "state_table", "cycle_values", "pieces_per_cycle",
    )  # fmt: skip
    def _check_mapping(self):
        for signal in self:
            try:
                Interpreter(signal._mapping())
            except ValueError as invalid:
                field = getattr(invalid, "field", "")
                code, params = getattr(invalid, "code", ""), getattr(invalid, "params", {})
                words = sentence(self.env, code, params, field) if code else str(invalid)
                raise ValidationError(self.env._("%(signal)s: %(words)s", signal=signal.name, words=words)) from invalid

    @api.constrains("counter_kind", "connection_id", "role")
    def _check_delta(self):
        for signal in self:
            if signal.role in COUNTERS and signal.counter_kind == "delta" and signal.protocol == "modbus":
                raise ValidationError(
                    self.env._(
                        "%s: a Modbus register says no time of its own, so nobody can tell whether pieces since the "
                        "last reading are new ones or the same once more. Choose a counter that runs on.",
                        signal.name,
                    )
                )

    @api.constrains("counter_width", "counter_modulus", "scale", "offset", "role")
    def _check_rollover(self):
        for signal in self:
            modulus = signal._raw_modulus()
            if signal.role not in COUNTERS or not modulus:
                continue
            if signal.offset or not (modulus * signal.scale).is_integer():
                raise ValidationError(
                    self.env._(
                        "%(signal)s: a counter that rolls over after %(modulus)s starts again at a whole number of "
                        "pieces only without an offset and with a fitting scale. Leave «%(field)s» empty, or change "
                        "the scale.",
                        signal=signal.name,
                        modulus=modulus,
                        field=signal._fields["counter_width"]._description_string(self.env),
                    )
                )

    @api.constrains("connection_id", "machine_id")
    def _check_connection(self):
        for signal in self:
            if signal.connection_id.machine_id != signal.machine_id:
                raise ValidationError(self.env._("%s: the connection belongs to another machine.", signal.name))

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("connection_id") and vals.get("machine_id"):
                connections = self.env["mrp.machine"].browse(vals["machine_id"]).connection_ids
                if len(connections) == 1:
                    vals["connection_id"] = connections.id
            if vals.get("role") == "state" and "state_table" not in vals:
                vals["state_table"] = self._default_state_table(vals)
        signals = super().create(vals_list)
        # sudo: the hot row belongs to the signal; nobody has rights to create one by hand
        for signal in signals.sudo():
            signal.value_id = self.env["mrp.machine.signal.value"].sudo().create({"signal_id": signal.id})
        signals.machine_id._bump_mapping()
        return signals

    def write(self, vals):
        before = {signal: tuple(signal[name] for name in BASELINE_FIELDS) for signal in self}
        result = super().write(vals)
        if vals.keys() - {"value_id", "sequence"}:
            self.machine_id._bump_mapping()
            if vals.keys() & {"role", "state_table"}:
                self._requeue_states()
            moved = self.filtered(lambda signal: tuple(signal[name] for name in BASELINE_FIELDS) != before[signal])
            moved._start_again()
        return result

    def unlink(self):
        machines, values = self.machine_id, self.value_id
        result = super().unlink()
        machines.exists()._bump_mapping()
        # sudo: see create
        values.sudo().exists().unlink()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_events(self):
        if self.env["mrp.machine.event"].sudo().search_count([("signal_id", "in", self.ids)], limit=1):
            raise UserError(
                self.env._("This signal has made events, and the log keeps pointing at it. Archive the signal instead.")
            )

    def _requeue_states(self):
        """Queue again the events of these signals that waited for the meaning of a state that their table knows now."""
        for signal in self.filtered(lambda signal: signal.role == "state" and signal.state_table):
            self.env["mrp.machine.event.posting"]._requeue_unknown(
                "state",
                signal.machine_id,
                lambda word, table=signal.state_table: find(table, word) is not None,
                signal,
            )

    def _state_for(self, raw):
        """Return the state that this signal's table gives to what a machine said, None where it gives none."""
        if self.role != "state" or not self.state_table:
            return None
        state = find(self.state_table, raw)
        return state and state.value

    def _start_again(self):
        """Forget counter and state of signals whose meaning changed, and say so: the next value is a new baseline."""
        # sudo: the hot row is nobody's to write by hand
        values = self.value_id.sudo()
        if any(values.mapped("memory")):
            for machine in self.machine_id:
                names = ", ".join(
                    self.filtered(lambda signal, machine=machine: signal.machine_id == machine).mapped("name")
                )
                machine.message_post(
                    body=self.env._(
                        "%s: the device, the address or the kind of counter changed, so counting starts again here.",
                        names,
                    )
                )
        values.write({"memory": False, "value": False, "at": False, "read_at": False, "raw": False, "quality": False})

    def _signal_address(self):
        """Return the SignalAddress by which the driver reads this signal; its name is the id as text."""
        self.ensure_one()
        return SignalAddress(
            str(self.id or 0),
            (self.address or "").strip(),
            {**self.connection_id._signal_options(), **self._driver_options()},
        )

    def _counter(self):
        """Return the CounterDescriptor of a signal with a counting role, else None."""
        self.ensure_one()
        if self.role == "cycle" and self.fastest_cycle > 0:
            return CounterDescriptor(
                CounterKind.PULSE,
                None,
                "unknown",
                self.pieces_per_cycle / self.fastest_cycle,
                max(1.0, self.pieces_per_cycle),
            )
        if self.role not in COUNTERS:
            return None
        modulus = self._raw_modulus()
        # The register rolls over, and the core counts in pieces: what the scale makes of it.
        modulus = round(modulus * abs(self.scale)) if modulus else None
        return CounterDescriptor(
            kind=CounterKind(self.counter_kind),
            modulus=modulus,
            reset_policy=self.reset_policy or "unknown",
            max_rate=self.pieces_per_cycle / self.fastest_cycle,
            burst=max(1.0, self.pieces_per_cycle),
        )

    def _raw_modulus(self):
        """Return how many values the machine's own counter has before it starts again, None where that is not known."""
        return self.counter_modulus if self.counter_width == "custom" else WIDTHS.get(self.counter_width)

    def _extraction(self):
        self.ensure_one()
        if self.extraction == "bit":
            return {"bit": self.extraction_bit}
        if self.extraction == "slice":
            return {"slice": [self.extraction_from, self.extraction_to]}
        if self.extraction == "regex":
            return {"regex": self.extraction_pattern or ""}
        return None

    def _mapping(self):
        """Return the SignalMapping of this signal for the pure core."""
        self.ensure_one()
        machine = self.machine_id
        return SignalMapping(
            name=self.name,
            role=self.role,
            scale=self.scale,
            offset=self.offset,
            unit=self.unit or "C62",
            deadband=self.deadband,
            debounce=self.debounce,
            extraction=self._extraction(),
            counter=self._counter(),
            table=self.state_table or "",
            codes=self.env["mrp.machine.code"]._for_signal(self),
            allow_uncertain=self.allow_uncertain,
            cycle_values=tuple(value.strip() for value in (self.cycle_values or "").split(",") if value.strip()),
            pieces_per_cycle=self.pieces_per_cycle,
            reason=(self.scrap_reason or "").strip(),
            window=self.summary_window * 60,
            interval=self.connection_id.interval,
            zone=machine.clock_zone or "",
            late_window=machine.late_window * 3600 or None,
            early_window=machine.early_window * 60 or None,
        )

    def _refuses(self, reading):
        """Return whether this signal makes nothing of a reading: it has no value, or its quality is not allowed."""
        self.ensure_one()
        return bool(reading.code) and not (reading.quality is Quality.UNCERTAIN and self.allow_uncertain)

    def _snapshot(self):
        """Return what this signal means as JSON, for the record of mapping versions."""
        self.ensure_one()
        return {
            "connection": self.connection_id.id,
            "active": self.active,
            **{name: self[name] for name in self._definition_fields() if name != "sequence"},
        }


def _number_text(text):
    """Return a number that was kept as text as people write it."""
    try:
        return number_text(float(text)) if "." in text or "e" in text else text
    except ValueError:
        return text
