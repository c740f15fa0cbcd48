"""Which requests read a list of signals, and how are the values taken out of the answers?

Items that stand close together are read as one block. An answer is whole or refused (V1.1b3, 7: one item that does
not exist spoils the request), so a block that was refused is halved, and where is remembered for the next plan.
"""

import struct
from dataclasses import dataclass

from ..reading import Quality, Reading
from .modbus_types import BIT_TABLES, examine, swap_bytes

_new = object.__new__
_fill = object.__setattr__
_GOOD = Quality.GOOD


def good_reading(signal, value, at, raw):
    """Return ``Reading(signal, value, at, at, raw=raw)`` at half the cost.

    A frozen dataclass sets its fields one by one through ``object.__setattr__``; at 25 values a poll this alone would
    cost as much as the exchange with the device.
    """
    reading = _new(Reading)
    _fill(
        reading,
        "__dict__",
        {
            "signal": signal,
            "value": value,
            "at": at,
            "read_at": at,
            "quality": _GOOD,
            "code": "",
            "status": None,
            "raw": raw,
        },
    )
    return reading


def bad_reading(signal, code, at, status=None, raw=None):
    """Return a reading without a value, for the reason in ``code``."""
    return Reading(signal, None, at, at, Quality.BAD, code, status, raw or {})


@dataclass(frozen=True)
class Limits:
    """How far blocks may be merged.

    :param int max_registers: registers in one request, 1 to 125
    :param int max_bits: coils or discrete inputs in one request, 1 to 2000
    :param int gap: items that nobody asked for and that may be read along, 0 or more
    """

    max_registers: int = 125
    max_bits: int = 2000
    gap: int = 8

    def of(self, table):
        """Return how many items of a table one request may name."""
        return self.max_bits if table in BIT_TABLES else self.max_registers


def _cutting_place(extents):
    """Return the index of the extent before which to cut: at the gap nearest the middle, else nearest the middle."""
    ends, end = [], 0
    for extent in extents:
        ends.append(end)
        end = max(end, extent[2] + extent[3])
    middle = (extents[0][2] + end) / 2
    places = [index for index in range(1, len(extents)) if extents[index][2] > ends[index]]
    # Without a gap every seam will do; only then can the refused item be one that somebody asked for.
    return min(places or range(1, len(extents)), key=lambda index: abs(extents[index][2] - middle))


class Block:
    """One read request and the values in its answer.

    :param parts: list of ``(extent, slots)`` in the order of their addresses; an extent is ``(unit, table, address,
        count)``, a slot ``(index, name, layout)`` of a signal that stands there
    """

    def __init__(self, parts):
        self.parts = parts
        self.unit, self.table, self.address, _count = parts[0][0]
        self.count = max(extent[2] + extent[3] for extent, _slots in parts) - self.address
        self.key = (self.unit, self.table, self.address, self.count)
        if self.table in BIT_TABLES:
            self.size = (self.count + 7) // 8
            self._lanes = []
        else:
            self.size = 2 * self.count
            self._words = struct.Struct(f">{self.count}H")
            self._lanes = _lanes(parts, self.address)

    def halves(self):
        """Return two blocks that together read the same, or None if this one reads a single value."""
        if len(self.parts) < 2:
            return None
        place = _cutting_place([extent for extent, _slots in self.parts])
        return Block(self.parts[:place]), Block(self.parts[place:])

    @property
    def first_extent(self):
        return self.parts[0][0]

    def good(self, payload, at, readings):
        """Put the readings of an answer into their places.

        :param bytes payload: what the device sent, ``size`` bytes
        :param datetime at: when it came; aware, UTC
        :param list readings: filled at each signal's index
        """
        if self.table in BIT_TABLES:
            self._good_bits(payload, at, readings)
            return
        unit, table = self.unit, self.table
        registers = list(self._words.unpack(payload))
        for swapped, unpack, slots in self._lanes:
            values = unpack(swap_bytes(payload) if swapped else payload)
            for (index, name, address, first, last, convert), value in zip(slots, values, strict=True):
                raw = {"unit": unit, "table": table, "address": address, "registers": registers[first:last]}
                if convert is not None:
                    try:
                        value = convert(value)
                    except ValueError as error:
                        code = getattr(error, "code", "decode_failed")
                        readings[index] = bad_reading(name, code, at, raw=raw)
                        continue
                # good_reading(name, value, at, raw), and the call saved: this is most of what we add to the exchange.
                readings[index] = reading = _new(Reading)
                _fill(
                    reading,
                    "__dict__",
                    {
                        "signal": name,
                        "value": value,
                        "at": at,
                        "read_at": at,
                        "quality": _GOOD,
                        "code": "",
                        "status": None,
                        "raw": raw,
                    },
                )

    def _good_bits(self, payload, at, readings):
        for (_unit, _table, address, _count), slots in self.parts:
            offset = address - self.address
            value = payload[offset >> 3] >> (offset & 7) & 1 == 1  # the first item is the lowest bit (V1.1b3, 6.1)
            for index, name, _layout in slots:
                raw = {"unit": self.unit, "table": self.table, "address": address, "registers": [value]}
                readings[index] = good_reading(name, value, at, raw)

    def bad(self, code, at, readings, status=None):
        """Put bad readings into the places of all signals of this block."""
        for (unit, table, address, _count), slots in self.parts:
            for index, name, _layout in slots:
                raw = {"unit": unit, "table": table, "address": address, "registers": []}
                readings[index] = bad_reading(name, code, at, status, raw)


def _lanes(parts, start):
    """Return as few ``(swapped, unpack, slots)`` as take all values out of a payload.

    Each is one compiled struct over the whole payload, with pad bytes where it has no value; values that overlap, or
    that have another order of bytes, go to different lanes.
    """
    lanes = []
    for (_unit, _table, address, count), slots in parts:
        offset = address - start
        for index, name, layout in slots:
            order = (layout.swapped, "<" if layout.little else ">")
            lane = next((lane for lane in lanes if lane["order"] == order and lane["end"] <= offset), None)
            if lane is None:
                lane = {"order": order, "end": 0, "format": order[1], "slots": []}
                lanes.append(lane)
            lane["format"] += f"{2 * (offset - lane['end'])}x{layout.code}"
            lane["slots"].append((index, name, address, offset, offset + count, layout.convert))
            lane["end"] = offset + count
    return [(lane["order"][0], struct.Struct(lane["format"]).unpack_from, lane["slots"]) for lane in lanes]


class Plan:
    """The blocks that read one tuple of signals, and the signals that can never be read.

    :ivar tuple signals: what was asked for
    :ivar list blocks: of :class:`Block`, in the order of unit, table and address
    :ivar list invalid: ``(index, name, code)`` of signals whose address or options are wrong

    :param cuts: extents that no block may join to what stands before them, because the device refused it
    """

    def __init__(self, signals, limits, default_unit=1, cuts=frozenset()):
        self.signals = tuple(signals)
        self.invalid = []
        self.blocks = []
        slots_of = {}
        for index, signal in enumerate(self.signals):
            layout, problems = examine(signal, default_unit)
            if problems:
                self.invalid.append((index, signal.name, problems[0].code))
            else:
                slots_of.setdefault(layout.extent, []).append((index, signal.name, layout))
        self._merge(sorted(slots_of.items()), limits, cuts)

    def _merge(self, parts, limits, cuts):
        """Join neighbours while the gap and the span allow it; a value is never divided."""
        run, end = [], 0
        for extent, slots in parts:
            unit, table, address, count = extent
            if run:
                first = run[0][0]
                joins = (
                    (unit, table) == first[:2]
                    and address - end <= limits.gap
                    and max(end, address + count) - first[2] <= limits.of(table)
                    and extent not in cuts
                )
                if not joins:
                    self.blocks.append(Block(run))
                    run, end = [], 0
            run.append((extent, slots))
            end = max(end, address + count)
        if run:
            self.blocks.append(Block(run))
