import re
import struct
from dataclasses import replace
from datetime import timedelta

from odoo import api, fields, models

from ..machine_connect import clock
from ..machine_connect.drivers.modbus_plan import Block
from ..machine_connect.drivers.modbus_types import BIT_TABLES, examine
from ..machine_connect.mapping import Interpreter, MappingInvalid
from ..machine_connect.reading import Reading
from ..models.mrp_machine_signal_mixin import COUNTERS
from ..wording import reading_sentence, rule_lines, sentence, value_text

#: What is worked out of what was entered.
RESULTS = ("decoded_before", "decoded", "understood", "rules", "events", "problem")
#: What separates registers when people type or paste them.
_SEPARATORS = re.compile(r"[\s,;|/]+")


class MachineTry(models.TransientModel):
    """A box that needs no hardware: what a value is decoded to, what the rules say of it, which events it would make."""

    _name = "mrp.machine.try"
    _description = "Try a Signal"

    machine_id = fields.Many2one("mrp.machine", required=True)
    signal_id = fields.Many2one(
        "mrp.machine.signal", required=True, domain="[('machine_id', '=', machine_id)]", ondelete="cascade"
    )
    protocol = fields.Selection(related="signal_id.protocol")
    role = fields.Selection(related="signal_id.role")
    address = fields.Char(related="signal_id.address")
    registers = fields.Char(
        help="As the device sends them, in hexadecimal or decimal: 0x0001 0x86A0, or 1 34464. Bits: 0 or 1. "
        "Empty: take the value below."
    )
    value = fields.Char(help="The value as the driver would hand it on: 48211, true, PROGRAM_COMPLETED.")
    by_registers = fields.Boolean(compute="_compute_by_registers")
    previous = fields.Char(
        string="Value Before",
        help="What it said the time before, written as above: its registers if you gave registers, else its value. "
        "Empty: this is the first value ever.",
    )
    seconds = fields.Float(
        string="Seconds Between",
        default=60.0,
        help="Time between the two values; decides what the machine can have made.",
    )
    decoded_before = fields.Char(
        compute="_compute_result", help="What it said the time before, by data type, word and byte order."
    )
    decoded = fields.Char(compute="_compute_result", help="The value by data type, word and byte order.")
    understood = fields.Char(
        compute="_compute_result", help="After extraction, scale and offset, or by codes and table."
    )
    rules = fields.Text("What the Rules Say", compute="_compute_result")
    events = fields.Text(compute="_compute_result")
    problem = fields.Char(compute="_compute_result")

    @api.model
    def default_get(self, names):
        values = super().default_get(names)
        machine = self.env["mrp.machine"].browse(values.get("machine_id"))
        if "signal_id" in names and not values.get("signal_id"):
            speaking = machine.signal_ids.filtered(lambda signal: signal.role != "value")
            values["signal_id"] = (speaking or machine.signal_ids)[:1].id
        return values

    @api.onchange("signal_id")
    def _onchange_signal_id(self):
        self.seconds = self.signal_id.connection_id.interval or 60.0

    @api.depends("registers", "protocol")
    def _compute_by_registers(self):
        for box in self:
            box.by_registers = box.protocol == "modbus" and bool((box.registers or "").strip())

    @api.depends("signal_id", "registers", "value", "previous", "seconds")
    def _compute_result(self):
        for box in self:
            box.update(dict.fromkeys(RESULTS, ""))
            if not box.signal_id or not (box.by_registers or box.value):
                continue
            try:
                box._fill()
            except _Refused as refused:
                box.problem = str(refused)

    def _fill(self):
        self.ensure_one()
        try:
            interpreter = Interpreter(self.signal_id._mapping())
        except MappingInvalid as invalid:
            raise _Refused(sentence(self.env, invalid.code, invalid.params, invalid.field)) from invalid
        now, memory = clock.now(), {}
        debounce = timedelta(seconds=self.signal_id.debounce)
        label = self._label("registers" if self.by_registers else "value")
        reading = self._reading(self.registers if self.by_registers else self.value, now, label)
        self.decoded = value_text(reading.value)
        if (self.previous or "").strip():
            label = self.env._("Registers Before") if self.by_registers else self._label("previous")
            before = self._reading(self.previous, now - timedelta(seconds=max(0.0, self.seconds)) - debounce, label)
            self.decoded_before = value_text(before.value)
            memory = self._heard(interpreter, memory, before, debounce).memory
        result = self._heard(interpreter, memory, reading, debounce)
        self.understood, self.problem = self.env["mrp.machine.read.now.line"]._understand(self.signal_id, reading)
        self.problem = self.problem or self._advice(memory, result)
        self.rules = "\n".join(rule_lines(self.env, result.rules))
        self.events = "\n".join(self._event_line(event) for event in result.events) or self._silence()

    def _heard(self, interpreter, memory, reading, debounce):
        """Return the Interpretation of a value that stands as long as it must before it is believed."""
        result = interpreter.interpret(memory, reading)
        if not debounce:
            return result
        at = reading.at + debounce
        stood = interpreter.interpret(result.memory, replace(reading, at=at, read_at=at))
        return stood._replace(events=(*result.events, *stood.events))

    def _label(self, name):
        return self._fields[name]._description_string(self.env)

    def _reading(self, text, at, label):
        """Return the good Reading that the driver would make of what was typed.

        :param str label: what the field is called on the form
        :raise _Refused: it cannot be one
        """
        text = text.strip()
        if not self.by_registers:
            return Reading(str(self.signal_id.id), self._typed(text), at, at)
        try:
            reading = self._from_registers(text, at)
        except _Refused as refused:
            raise _Refused(f"{label}: {refused}") from refused
        if reading.code:
            raise _Refused(f"{label}: {reading_sentence(self.env, reading, self.signal_id.address)}")
        return reading

    def _typed(self, text):
        if self.signal_id.data_type == "string":
            return text
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        for convert in (int, float):
            try:
                return convert(text)
            except ValueError:
                continue
        return text

    def _from_registers(self, text, at):
        """Decode registers by the very code that the Modbus driver uses."""
        address = self.signal_id._signal_address()
        layout, problems = examine(address)
        if problems:
            raise _Refused("\n".join(sentence(self.env, p.code, p.params, p.field) for p in problems))
        try:
            numbers = [
                int(word, 0) if word[:2].lower() in ("0x", "0b") else int(word) for word in _SEPARATORS.split(text)
            ]
        except ValueError:
            raise _Refused(
                self.env._("«%s» are no numbers. Write them as 0x0001 0x86A0 or as 1 34464.", text)
            ) from None
        if len(numbers) != layout.count:
            raise _Refused(
                self.env._(
                    "This signal covers %(wanted)s registers, and %(given)s are given. Check data type and length.",
                    wanted=layout.count,
                    given=len(numbers),
                )
            )
        highest = 1 if layout.table in BIT_TABLES else 0xFFFF
        if any(not 0 <= number <= highest for number in numbers):
            raise _Refused(self.env._("Each register lies between 0 and %s.", highest))
        if layout.table in BIT_TABLES:
            payload = bytes(numbers)
        else:
            payload = struct.pack(f">{len(numbers)}H", *numbers)
        readings = [None]
        Block([(layout.extent, [(0, address.name, layout)])]).good(payload, at, readings)
        return readings[0]

    def _event_line(self, event):
        words = self.env["mrp.machine.event"].new({"type": event.type, "data": event.data})._sentence()
        held = f" – {self.env._('held for a person')}" if event.held else ""
        return f"{event.type}: {words}{held}"

    def _advice(self, memory, result):
        """Return what to look at when a counter went back and no rollover is set, else an empty text."""
        signal = self.signal_id
        is_counter = signal.role in COUNTERS and signal.counter_kind == "absolute" and not signal.counter_width
        if is_counter and memory and result.value is not None and memory["value"] > result.value:
            return self.env._(
                "The counter went back. If it begins again at 0 after its highest value, choose that value in «Rolls Over "
                "After» of the signal."
            )
        return ""

    def _silence(self):
        if self.role == "value":
            return self.env._("None: a signal with the role «Value only» makes no events.")
        if not self.previous:
            return self.env._("None: the first value is where counting begins. Enter a value before.")
        return self.env._("None: nothing happened between the two values.")


class _Refused(Exception):
    """What was typed cannot be a reading of the signal; says why, in words."""
