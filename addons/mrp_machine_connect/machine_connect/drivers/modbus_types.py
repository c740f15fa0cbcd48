"""Where does a Modbus value stand, and what do its registers say?

By the MODBUS Application Protocol Specification V1.1b3: four tables (4.3) of items numbered 0 to 65535 (4.4), each
register sent high byte first (4.2). Whatever is wider than one register is the maker's own choice, also within one
device: the order of the words and of the bytes is therefore a setting of each signal.
"""

import codecs
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from ..errors import Problem

#: Table -> the function code that reads it (V1.1b3, 6.1 to 6.4). There is no other request in this driver.
FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
#: The tables of single bits.
BIT_TABLES = frozenset({"coil", "discrete"})
#: Items in one table.
TABLE_SIZE = 65536
#: Registers that one answer can hold (V1.1b3, 6.3): 250 bytes.
MAX_REGISTERS = 125

#: Data type -> struct code and registers; a string's length is a setting.
DATA_TYPES = {
    "bool": ("H", 1),
    "u16": ("H", 1),
    "i16": ("h", 1),
    "u32": ("I", 2),
    "i32": ("i", 2),
    "u64": ("Q", 4),
    "i64": ("q", 4),
    "f32": ("f", 2),
    "f64": ("d", 4),
    "bcd16": ("H", 1),
    "bcd32": ("I", 2),
    "string": ("s", 0),
}
ORDERS = ("big", "little")
#: The usual encodings, to propose; any that Python knows will do.
ENCODINGS = ("utf-8", "latin-1", "utf-16-be")
#: What a signal may say beside its address.
SIGNAL_OPTIONS = frozenset({"data_type", "word_order", "byte_order", "length", "encoding", "unit_id"})

_TABLE_ADDRESS = re.compile(r"(coil|discrete|holding|input):(0x[0-9a-f]{1,4}|[0-9]{1,5})(?:\.([0-9]{1,2}))?", re.ASCII)
_MODICON_ADDRESS = re.compile(r"([0134])([0-9]{4,5})(?:\.([0-9]{1,2}))?", re.ASCII)
_MODICON_TABLES = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


class NotANumber(ValueError):
    """The float is NaN (IEEE 754): the device says that it has no value."""

    code = "unavailable"


@dataclass(frozen=True)
class Layout:
    """Where one signal stands and how it is taken out of an answer.

    :param int unit: unit identifier, 0 to 255
    :param str table: a key of :data:`FUNCTIONS`
    :param int address: protocol address of its first item, 0 to 65535
    :param int count: registers or bits it covers
    :param str code: struct code of the value, empty for a bit table
    :param bool swapped: whether the two bytes of each register change places before anything else
    :param bool little: whether the least significant byte then comes first
    :param convert: what turns the unpacked value into the reading's, raising ValueError; None when nothing does
    """

    unit: int
    table: str
    address: int
    count: int
    code: str = ""
    swapped: bool = False
    little: bool = False
    convert: Callable | None = None

    @property
    def extent(self):
        """What is asked of the device: table, first address, count."""
        return (self.unit, self.table, self.address, self.count)


def parse_address(text):
    """Return table, protocol address and bit (or None) of an address as people write it.

    >>> parse_address("input:0x0048")
    ('input', 72, None)
    >>> parse_address("40001"), parse_address("465536"), parse_address("holding:100.3")
    (('holding', 0, None), ('holding', 65535, None), ('holding', 100, 3))

    :raise ValueError: it is none of the forms, or the number lies outside the table
    """
    text = str(text).strip().lower()
    if match := _TABLE_ADDRESS.fullmatch(text):
        table, number, bit = match[1], int(match[2], 0 if match[2].startswith("0x") else 10), match[3]
    elif match := _MODICON_ADDRESS.fullmatch(text):
        # The notation of Modicon's manuals counts from 1: 40001 is the first holding register, protocol address 0.
        table, number, bit = _MODICON_TABLES[match[1]], int(match[2]) - 1, match[3]
    else:
        raise ValueError("none of the address forms")
    bit = None if bit is None else int(bit)
    if not 0 <= number < TABLE_SIZE or (bit is not None and (bit > 15 or table in BIT_TABLES)):
        raise ValueError("outside the table")
    return table, number, bit


def whole_number(value):
    """Return a setting as int, also where a file or a form gave it as text.

    :raise ValueError: it is not a whole number
    """
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError("not a whole number")
    return int(value)


def number(value):
    """Return a setting as float, also where a file or a form gave it as text.

    :raise ValueError: it is not a number, or not a finite one
    """
    if isinstance(value, bool) or not isfinite(float(value)):
        raise ValueError("not a number")
    return float(value)


def is_empty(value):
    """Whether a setting was left out; a form gives False, None or an empty text."""
    return value is None or value is False or value == ""


def check_number(field, value, minimum, maximum, convert=whole_number):
    """Return the list of what is wrong with a number, one :class:`Problem` at most."""
    try:
        number = convert(value)
    except (TypeError, ValueError):
        return [Problem(field, "not_a_number", {"value": str(value)})]
    if not minimum <= number <= maximum:
        return [Problem(field, "out_of_range", {"value": number, "minimum": minimum, "maximum": maximum})]
    return []


def check_choice(field, value, choices):
    """Return the list of what is wrong with a choice, one :class:`Problem` at most."""
    if value in choices:
        return []
    return [Problem(field, "unknown_choice", {"value": str(value), "choices": list(choices)})]


def examine(signal, default_unit=1):
    """Return the :class:`Layout` of a signal (None if it has none) and the list of :class:`Problem` found in it.

    :param signal: :class:`SignalAddress`
    :param int default_unit: the unit of a signal that names none, 0 to 255
    """
    options = {key: value for key, value in signal.options.items() if not is_empty(value)}
    problems = [Problem(key, "unknown_option", {}) for key in options if key not in SIGNAL_OPTIONS]
    if "unit_id" in options:
        problems += check_number("unit_id", options["unit_id"], 0, 255)
    for field in ("word_order", "byte_order"):
        problems += check_choice(field, options.get(field, "big"), ORDERS)
    problems += _check_encoding(options.get("encoding", "utf-8"))

    if is_empty(signal.address):
        return None, [*problems, Problem("address", "missing", {})]
    try:
        table, address, bit = parse_address(signal.address)
    except ValueError:
        return None, [*problems, Problem("address", "address_invalid", {"address": str(signal.address)})]

    is_bit = table in BIT_TABLES or bit is not None
    data_type = options.get("data_type", "bool" if is_bit else "u16")
    type_problems = check_choice("data_type", data_type, DATA_TYPES)
    if not type_problems and is_bit and data_type != "bool":
        type_problems = [Problem("data_type", "type_invalid", {"data_type": data_type, "address": signal.address})]
    if not type_problems and data_type == "string":
        if "length" in options:
            type_problems = check_number("length", options["length"], 1, MAX_REGISTERS)
        else:
            type_problems = [Problem("length", "missing", {})]
    problems += type_problems
    if problems:
        return None, problems

    unit = whole_number(options.get("unit_id", default_unit))
    if table in BIT_TABLES:
        return Layout(unit, table, address, 1), []
    layout = _register_layout(unit, table, address, bit, data_type, options)
    if address + layout.count > TABLE_SIZE:
        last = TABLE_SIZE - layout.count
        return None, [Problem("address", "out_of_range", {"value": address, "minimum": 0, "maximum": last})]
    return layout, []


def _check_encoding(encoding):
    try:
        # The word is Python's own for «bytes to text»; without it rot13 or hex would pass.
        if codecs.lookup(encoding)._is_text_encoding:
            return []
    except (LookupError, TypeError, ValueError):
        pass
    return [Problem("encoding", "unknown_choice", {"value": str(encoding), "choices": list(ENCODINGS)})]


def _register_layout(unit, table, address, bit, data_type, options):
    """Reduce word and byte order to what ``struct`` does by itself.

    Registers A B C D as they are on the wire, for a 32-bit value:

    =============  =============  ==========  =====================================
    word_order     byte_order     the value   is unpacked from
    =============  =============  ==========  =====================================
    big            big            ABCD        the wire, most significant byte first
    little         little         DCBA        the wire, least significant first
    big            little         BADC        swapped registers, most significant first
    little         big            CDAB        swapped registers, least significant first
    =============  =============  ==========  =====================================
    """
    code, count = DATA_TYPES[data_type]
    words_reversed = options.get("word_order", "big") == "little"
    bytes_swapped = options.get("byte_order", "big") == "little"
    swapped = words_reversed is not bytes_swapped
    convert = None
    if data_type == "string":
        count = whole_number(options["length"])
        code = f"{2 * count}s"
        convert = text_of(options.get("encoding", "utf-8"), words_reversed)
    elif count == 1:
        swapped, words_reversed = False, bytes_swapped  # one register has no order of words
    if data_type == "bool":
        convert = bit_of(bit)
    elif data_type in ("f32", "f64"):
        convert = finite
    elif data_type in ("bcd16", "bcd32"):
        convert = binary_coded_decimal
    return Layout(unit, table, address, count, code, swapped, words_reversed, convert)


def bit_of(bit):
    """Return a function that tells one bit (0 = least significant) of a register, or for None whether any is set."""
    mask = 0xFFFF if bit is None else 1 << bit

    def convert(register):
        return register & mask != 0

    return convert


def finite(value):
    """Return a float that is a number.

    :raise NotANumber: it is NaN
    :raise ValueError: it is infinite
    """
    if isfinite(value):
        return value
    if value != value:
        raise NotANumber
    raise ValueError("infinite")


def binary_coded_decimal(value):
    """Return what the hexadecimal digits say read as decimal ones.

    >>> binary_coded_decimal(0x1234)
    1234

    :raise ValueError: one of the digits is A to F
    """
    return int(f"{value:x}")


def text_of(encoding, is_reversed):
    """Return a function that decodes the bytes of a text which ends at its first NUL and is padded with blanks."""
    is_wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))

    def convert(data):
        if is_reversed:
            data = data[::-1]
        # What stands after the NUL is left over from a longer text and need not be of the encoding at all.
        text = data.decode(encoding) if is_wide else data.partition(b"\0")[0].decode(encoding)
        return text.partition("\0")[0].rstrip()

    return convert


def swap_bytes(data):
    """Return the bytes with the two of each register in each other's place.

    >>> swap_bytes(b"badc")
    b'abcd'
    """
    words = len(data) // 2
    return struct.pack(f"<{words}H", *struct.unpack(f">{words}H", data))
