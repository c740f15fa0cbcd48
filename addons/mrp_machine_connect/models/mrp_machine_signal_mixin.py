from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..machine_connect.counter import WIDTHS
from ..machine_connect.state import TABLES
from ..quantities import number_text

#: Settings that take any float; where the digits are given, Odoo itself refuses what is no number.
FLOATS = ("deadband", "debounce", "fastest_cycle", "summary_window")
#: Seconds of the fastest cycle: from a thousandth, up to a year.
SHORTEST_CYCLE, LONGEST_CYCLE = 0.001, 31_536_000
#: Pieces of one cycle.
MOST_PIECES = 1_000_000

ROLES = [
    ("state", "State"),
    ("good", "Good pieces"),
    ("reject", "Rejected pieces"),
    ("rework", "Pieces to rework"),
    ("total", "Total pieces"),
    ("cycle", "Completed cycle"),
    ("alarm", "Alarm"),
    ("program", "Program"),
    ("lot", "Lot"),
    ("scan", "Scanner"),
    ("operator", "Operator"),
    ("scale", "Scale of rejects"),
    ("meter", "Meter"),
    ("condition", "Value to watch"),
    ("value", "Value only"),
]

#: Roles that are counters.
COUNTERS = ("good", "reject", "rework", "total")

#: The tables that translate a machine's own states, by their names for people.
STATE_TABLES = {
    "canonical": "Our own words",
    "packml_opc_30050": "PackML (OPC 30050)",
    "packml_tmc_v2": "PackML (OPC 30060 TMC, from 0)",
    "mtconnect_execution": "MTConnect Execution",
    "mtconnect_wait_state": "MTConnect WaitState",
    "machinery_item_state": "OPC UA Machinery ItemState",
    "euromap_production_status": "Euromap 83 ProductionStatus",
    "stack_light": "Stack light",
}

#: What a signal's memory hangs on: another address or another kind of counter starts from a new baseline.
BASELINE_FIELDS = (
    "address",
    "connection_id",
    "data_type",
    "byte_order",
    "word_order",
    "unit_id",
    "extraction",
    "extraction_bit",
    "extraction_from",
    "extraction_to",
    "extraction_pattern",
    "scale",
    "offset",
    "role",
    "counter_kind",
    "counter_width",
    "counter_modulus",
)


class MachineSignalMixin(models.AbstractModel):
    """What one address on a machine means. Shared by the signals of machines and of templates."""

    _name = "mrp.machine.signal.mixin"
    _description = "Machine Signal Definition"

    name = fields.Char(required=True, help="A word for people, unique on the machine.")
    sequence = fields.Integer(default=10)
    role = fields.Selection(
        ROLES,
        required=True,
        default="value",
        help="What its changes mean. A signal with the role «Value only» is read and shown and makes no events.",
    )
    address = fields.Char(
        required=True,
        help="Modbus: holding:100, input:0x48, coil:5, discrete:3 (counted from 0), or 40101 as manuals write it. "
        "OPC UA: nsu=<namespace>;s=<name>; use Browse to pick it.",
    )
    data_type = fields.Selection(
        [
            ("bool", "Bit"),
            ("u16", "Unsigned 16 bit"),
            ("i16", "Signed 16 bit"),
            ("u32", "Unsigned 32 bit"),
            ("i32", "Signed 32 bit"),
            ("u64", "Unsigned 64 bit"),
            ("i64", "Signed 64 bit"),
            ("f32", "Float 32 bit"),
            ("f64", "Float 64 bit"),
            ("bcd16", "BCD, 4 digits"),
            ("bcd32", "BCD, 8 digits"),
            ("string", "Text"),
        ],
        help="How the value is laid out in Modbus registers. OPC UA says it itself: leave empty.",
    )
    word_order = fields.Selection(
        [("big", "High word first"), ("little", "Low word first")],
        default="big",
        required=True,
        help="Modbus values of 32 bits and more: which register comes first. If a float is garbage, try the other.",
    )
    byte_order = fields.Selection(
        [("big", "High byte first"), ("little", "Low byte first")],
        default="big",
        required=True,
        help="The order of the two bytes in one register; Modbus says high byte first, some makers differ.",
    )
    length = fields.Integer(  # pylint: disable=attribute-deprecated; a field of ours, not the old argument
        help="Text only: number of registers."
    )
    encoding = fields.Char(default="ascii", help="Text only: ascii, utf-8, latin-1 …")
    unit_id = fields.Integer(
        string="Modbus Unit", default=-1, help="Modbus unit behind this address; -1: the one of the connection."
    )
    extraction = fields.Selection(
        [("bit", "One bit"), ("slice", "Part of a text"), ("regex", "Pattern in a text")],
        help="Takes a part of the value before anything else is done with it.",
    )
    extraction_bit = fields.Integer(string="Bit", help="0 is the lowest bit.")
    extraction_from = fields.Integer(
        string="From Position", help="First position of the text part; the text begins at 0."
    )
    extraction_to = fields.Integer(string="To Position", help="The position after the last one.")
    extraction_pattern = fields.Char(
        string="Pattern", help="A regular expression; its first group is taken, or the whole match."
    )
    scale = fields.Float(default=1.0, digits=(16, 6), help="The value is multiplied by this.")
    offset = fields.Float(default=0.0, digits=(16, 6), help="Added after scaling.")
    unit = fields.Char(
        string="Unit of Measure",
        default="C62",
        help="Unit of the scaled value as a UN/CEFACT code: C62 pieces, KGM, SEC, KWH …",
    )
    deadband = fields.Float(help="Changes smaller than this are noise. Never applied to counters.")
    debounce = fields.Float(string="Debounce (s)", help="A value must stand so long before it speaks.")
    counter_kind = fields.Selection(
        [
            ("absolute", "Runs on"),
            ("since_reset", "Since its last reset"),
            ("delta", "Pieces since the last reading"),
            ("pulse", "One pulse a piece"),
        ],
        default="absolute",
        help="How the counter counts.",
    )
    counter_width = fields.Selection(
        [(width, f"{width} ({modulus - 1:,})") for width, modulus in WIDTHS.items()] + [("custom", "Custom")],
        string="Rolls Over After",
        help="The highest value before the counter begins again at 0. Empty: it does not roll over.",
    )
    counter_modulus = fields.Integer(string="Custom Modulus", help="The number of values; a counter to 9999 has 10000.")
    reset_policy = fields.Selection(
        [
            ("unknown", "Unknown"),
            ("LIFE", "Never"),
            ("POWER_ON", "At power on"),
            ("SHIFT", "Each shift"),
            ("DAY", "Each day"),
            ("WEEK", "Each week"),
            ("MONTH", "Each month"),
            ("ANNUAL", "Each year"),
            ("ACTION_COMPLETE", "When a job ends"),
            ("MAINTENANCE", "At maintenance"),
        ],
        string="Is Reset",
        default="unknown",
        help="When somebody or something sets the counter to 0 (MTConnect resetTriggered).",
    )
    fastest_cycle = fields.Float(
        string="Fastest Cycle (s)",
        help="Seconds that a piece takes at the very least. A counter that runs faster than that is held for a person, "
        "not booked. Required for counters.",
    )
    state_table = fields.Selection(
        [(name, STATE_TABLES.get(name, name)) for name in TABLES],
        help="Which table translates the machine's own state into ours; codes of the machine win over it.",
    )
    cycle_values = fields.Char(
        default="PROGRAM_COMPLETED", help="Values that say that a cycle is complete, separated by commas."
    )
    pieces_per_cycle = fields.Float(default=1.0, digits=(16, 3), help="Cavities, parts a pallet: pieces of one cycle.")
    scrap_reason = fields.Char(
        "Reason of Scrap",
        help="Scale of rejects only: why something is thrown in there, by a code of the machine that «Codes» maps to a scrap "
        "reason. Empty: it is scrap without a reason.",
    )
    summary_window = fields.Float(
        string="Summary Every (min)",
        default=5.0,
        help="Meters and values to watch only: so many minutes become one line of the log, with the number of values, the "
        "least, the greatest, their average and the last. 0: none; conditions look at each value all the same.",
    )
    allow_uncertain = fields.Boolean(help="Also let values speak that the device marks as uncertain.")

    @api.constrains("role", "fastest_cycle", "counter_width", "counter_modulus", "counter_kind")
    def _check_counter(self):
        for signal in self:
            if signal.role not in COUNTERS:
                continue
            if not signal.counter_kind:
                raise ValidationError(self.env._("%s: say how the counter counts.", signal.name))
            if not signal.fastest_cycle or signal.fastest_cycle < 0:
                raise ValidationError(
                    self.env._(
                        "%s: give the fastest cycle in seconds. Without it, a counter that jumps cannot be told "
                        "from production.",
                        signal.name,
                    )
                )
            if signal.counter_width == "custom" and signal.counter_modulus < 2:
                raise ValidationError(self.env._("%s: a custom modulus is 2 or more.", signal.name))

    # Before _check_mapping, which takes the numbers as they are: constraints are checked in the order of their names.
    @api.constrains("pieces_per_cycle", *FLOATS)
    def _check_figures(self):
        for signal in self:
            for name in FLOATS:
                if not isfinite(signal[name]):
                    raise ValidationError(
                        self.env._("%(signal)s: «%(field)s» must be a number.", **signal._figure_words(name))
                    )
            if signal.pieces_per_cycle <= 0:
                raise ValidationError(self.env._("%s: pieces per cycle must be more than 0.", signal.name))
            if signal.pieces_per_cycle > MOST_PIECES:
                raise ValidationError(
                    self.env._(
                        "%(signal)s: «%(field)s» is %(most)s at most.",
                        most=number_text(MOST_PIECES),
                        **signal._figure_words("pieces_per_cycle"),
                    )
                )
            if signal.fastest_cycle and not SHORTEST_CYCLE <= signal.fastest_cycle <= LONGEST_CYCLE:
                raise ValidationError(
                    self.env._(
                        "%(signal)s: «%(field)s» lies between %(least)s and %(most)s seconds. A counter that may run faster "
                        "than that would never be held.",
                        least=number_text(SHORTEST_CYCLE),
                        most=number_text(LONGEST_CYCLE),
                        **signal._figure_words("fastest_cycle"),
                    )
                )

    @api.constrains("scale", "deadband", "debounce", "summary_window")
    def _check_numbers(self):
        for signal in self:
            if not signal.scale:
                raise ValidationError(self.env._("%s: a scale of 0 would make every value 0.", signal.name))
            if signal.summary_window < 0:
                raise ValidationError(
                    self.env._("%(signal)s: «%(field)s» cannot be negative.", **signal._figure_words("summary_window"))
                )
            if signal.deadband < 0 or signal.debounce < 0:
                raise ValidationError(self.env._("%s: deadband and debounce cannot be negative.", signal.name))

    def _figure_words(self, name):
        """Return a signal and the name that a setting has on its form."""
        return {"signal": self.name, "field": self._fields[name]._description_string(self.env)}

    @api.model
    def _definition_fields(self):
        """Return the names of the fields that say what a signal means."""
        return [name for name in self.env["mrp.machine.signal.mixin"]._fields if name not in models.MAGIC_COLUMNS]

    def _driver_options(self):
        """Return the options of this signal for its driver."""
        self.ensure_one()
        options = {
            "data_type": self.data_type,
            "word_order": self.word_order,
            "byte_order": self.byte_order,
            "length": self.length or None,
            "encoding": self.encoding if self.data_type == "string" else None,
            "unit_id": self.unit_id if self.unit_id >= 0 else None,
        }
        return {key: value for key, value in options.items() if value is not None and value is not False}
