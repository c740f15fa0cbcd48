from dataclasses import replace

from odoo import api, fields, models

from ..machine_connect import clock
from ..machine_connect.mapping import Interpreter, MappingInvalid
from ..wording import as_read, reading_sentence, sentence, unit_text, value_text, where


class MachineReadNow(models.TransientModel):
    """What a machine says now, signal by signal: as read, as decoded, and as it is understood."""

    _name = "mrp.machine.read.now"
    _description = "Read Now"

    connection_id = fields.Many2one("mrp.machine.connection", required=True, readonly=True)
    machine_id = fields.Many2one(related="connection_id.machine_id")
    line_ids = fields.One2many("mrp.machine.read.now.line", "read_id", readonly=True)
    bad_count = fields.Integer(compute="_compute_bad_count", help="Signals with something to do about them.")
    read_at = fields.Datetime(readonly=True, default=fields.Datetime.now)

    @api.depends("line_ids.words")
    def _compute_bad_count(self):
        for read in self:
            read.bad_count = len(read.line_ids.filtered("words"))

    @api.model
    def _show(self, connection, signals, readings):
        """Return a new record that shows what was read.

        :param connection: the mrp.machine.connection that was asked
        :param signals: the mrp.machine.signal records that were asked for, in order
        :param readings: the Reading of each
        """
        lines = self.env["mrp.machine.read.now.line"]
        return self.create(
            {
                "connection_id": connection.id,
                "line_ids": [
                    fields.Command.create(lines._prepare(signal, reading))
                    for signal, reading in zip(signals, readings, strict=True)
                ],
            }
        )

    def action_again(self):
        """Ask the machine once more."""
        self.ensure_one()
        return self.connection_id.action_read_now()


class MachineReadNowLine(models.TransientModel):
    """One signal as it was read."""

    _name = "mrp.machine.read.now.line"
    _description = "Signal Read Now"
    _order = "id"

    read_id = fields.Many2one("mrp.machine.read.now", required=True, ondelete="cascade")
    signal_id = fields.Many2one("mrp.machine.signal", readonly=True, ondelete="cascade")
    name = fields.Char(readonly=True)
    role = fields.Selection(related="signal_id.role")
    address = fields.Char(readonly=True, help="Where it stands, and under which number the manual has it.")
    raw = fields.Char(string="As Read", readonly=True, help="The registers, or the DataValue of OPC UA.")
    decoded = fields.Char(readonly=True, help="The value by data type, word and byte order.")
    understood = fields.Char(readonly=True, help="After extraction, scale and offset, or by codes and state table.")
    quality = fields.Selection(
        [("good", "Good"), ("uncertain", "Uncertain"), ("bad", "Bad"), ("stale", "Stale")], readonly=True
    )
    age = fields.Float(
        string="Age (s)", readonly=True, digits=(16, 1), help="Seconds since it was so, by the machine's clock."
    )
    words = fields.Text(string="What to Do", readonly=True)

    @api.model
    def _prepare(self, signal, reading):
        """Return the values of the line that shows a reading."""
        understood, words = self._understand(signal, reading)
        return {
            "signal_id": signal.id,
            "name": signal.name,
            "address": where(self.env, signal),
            "raw": as_read(self.env, reading.raw),
            "decoded": value_text(reading.value),
            "understood": understood,
            "quality": reading.quality.value,
            "age": max(0.0, (clock.now() - reading.at).total_seconds()),
            "words": words,
        }

    @api.model
    def _understand(self, signal, reading):
        """Return ``(what the value means once it has stood for its debounce time, what is wrong with it in words)``."""
        if signal._refuses(reading):
            return "", reading_sentence(self.env, reading, signal.address)
        try:
            mapping = replace(signal._mapping(), debounce=0.0)
            result = Interpreter(mapping).interpret({}, reading)
        except MappingInvalid as invalid:
            return "", sentence(self.env, invalid.code, invalid.params, invalid.field)
        if result.value is None:
            refused = [rule for rule in result.rules if rule.get("outcome") == "refused"]
            return "", "; ".join(self._refusal(rule) for rule in refused)
        if signal.role == "state":
            words = ""
            if any(rule.get("detail", {}).get("code") == "unmapped" for rule in result.rules):
                words = self.env._("No code and no state table knows «%s». Map it on the page «Codes».", reading.value)
            return self._state_label(result.value), words
        value = value_text(result.value)
        is_number = isinstance(result.value, (int, float)) and not isinstance(result.value, bool)
        return f"{value} {unit_text(signal.unit)}".strip() if is_number else value, ""

    @api.model
    def _state_label(self, state):
        states = dict(self.env["mrp.machine.status"]._fields["state"]._description_selection(self.env))
        return states.get(state, state)

    @api.model
    def _refusal(self, rule):
        detail = rule.get("detail") or {}
        words = {
            "no_match": self.env._("The pattern finds nothing in «%s». Check the pattern.", detail.get("value")),
            "not_a_number": self.env._("«%s» is no number. Check data type and extraction.", detail.get("value")),
            "not_whole": self.env._(
                "«%s» is no whole number of pieces. Check data type and scale.", detail.get("value")
            ),
            "not_finite": self.env._("The value is not a finite number. Check data type and word order."),
            "negative": self.env._("A counter cannot be negative (%s). Check the data type.", detail.get("value")),
            "empty": self.env._("The device gave no value."),
            "delta_without_time": self.env._(
                "Nobody can tell whether this is one more or the same once more, as the device gives no time with it. "
                "Choose a counter that goes on."
            ),
        }
        return words.get(detail.get("code"), f"{rule.get('rule')}: {detail.get('code') or rule.get('outcome')}")
