"""A semi-automatic packaging line with a Modbus TCP controller, and the person who works at it.

Somebody scans the order and the lot of what is packed; the line packs and counts; a pack that is not right falls into a
bin on a scale, which shows its weight and counts nothing; now and then another lot is put in and the bin is emptied. A
printer beside the line gives each good pack a label with a serial number: who delivers them, and how late, is not the
line's matter; what was printed stands in its truth. It is a :class:`~simulator.press.Press` as far as states, alarms
and faults go, and can be read only.

=============  =====  =======  ==========================================================================
address        Modi-  type     what it says
               con
=============  =====  =======  ==========================================================================
holding:0      40001  u16      state: PackML StateCurrent by its numbers of OPC 30050 (Execute 6, Complete 17 …)
holding:1      40002  u16      mode: PackML UnitMode (1 Production)
holding:2      40003  u32      good packs, counts up
holding:4      40005  u32      what stands on the scale of the rejects, in g
holding:6      40007  u16      alarm code, 0 = none
holding:7      40008  u16      weight of the last pack, good or not, in g
holding:8      40009  string   what the scanner read last, 32 registers, UTF-8; empty a moment later
holding:40     40041  u32      packs altogether, good or not
input:0        30001  u16      packs a minute that it is set to, in tenths
input:1        30002  u16      bits: 0 running, 1 alarm, 2 door closed
discrete:0 …2  10001  bool     green, yellow and red light, as on the press
coil:0         00001  bool     the drive is switched on
=============  =====  =======  ==========================================================================
"""

import asyncio
import struct
import time
from collections import Counter, deque

from .press import EXECUTE, IDLE, PRESS_FAULTS, RESETTING, STARTING, STOPPED, Press

#: PackML StateCurrent, a number of OPC 30050: the batch is made.
COMPLETE = 17

#: Bytes of a code that the scanner's registers hold.
LONGEST_CODE = 64
#: How often the operator looks whether the line is read by now.
SECONDS_BETWEEN_LOOKS = 0.2
#: So many packs and changes of state the truth remembers, the last ones.
KEPT = 5_000

#: What :meth:`Packer.fault` understands beside the faults of the line to it.
PACKER_FAULTS = {
    **{name: words for name, words in PRESS_FAULTS.items() if name != "program"},
    "scan": "let the operator scan this code",
    "change_lot": "stop for seconds (6), put in this lot, scan this code and empty the scale",
    "empty_scale": "carry away the rejects that are on the scale",
    "begin": "go on after a batch, or begin where the line waits for it",
}


class Packer(Press):
    """The line, its controller, its operator and the line to it.

    :param int port: where it listens on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    :param float cycle: seconds of a pack
    :param float reject_rate: part of the packs that are not right, 0 to 1
    :param int batch: good packs after which it stands complete until it is begun again, 0 = never
    :param str order: what its operator scans once the line is read; empty: nobody scans by himself, and it waits to be
        begun
    :param tuple lots: what the operator puts in, one after another and then the first again: the lot, or
        ``(lot, code on its label)``
    :param int packs_a_lot: good packs that are made of a lot before the operator puts in the next one
    :param float pack_weight: g of a pack
    :param float spread: part by which a rejected pack may weigh more or less
    :param float scan_seconds: so long the scanner shows a code, and so long nothing after it
    :param str serials: what the serial numbers on the labels begin with
    :param settings: further ones of :class:`~simulator.press.Press`
    """

    known_faults = PACKER_FAULTS
    holding_registers = 42

    def __init__(
        self,
        port=15030,
        cycle=3.0,
        reject_rate=0.04,
        batch=0,
        order="",
        lots=(),
        packs_a_lot=60,
        pack_weight=250.0,
        spread=0.06,
        scan_seconds=3.0,
        serials="TB",
        **settings,
    ):
        self._state, self.states = IDLE, deque(maxlen=KEPT)
        super().__init__(port, cycle, reject_rate, **{"counter_start": 7_300, "jam_every": 400, **settings})
        self.batch = batch
        self.order = order
        self.lots = [lot if isinstance(lot, str) else tuple(lot) for lot in lots]
        self.packs_a_lot = packs_a_lot
        self.pack_weight = pack_weight
        self.spread = spread
        self.scan_seconds = scan_seconds
        self.serials = serials
        self.lot = ""
        self.scanner = ""
        self.scale = self.last_weight = 0
        self.reject_weight = 0
        self.in_batch = self.of_lot = 0
        self.packs_by_lot, self.rejects_by_lot = Counter(), Counter()
        self.packs = deque(maxlen=KEPT)
        self.scans = deque(maxlen=KEPT)
        self._to_scan = asyncio.Queue()

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, state):
        if state != self._state or not self.states:
            self.states.append([time.time(), state])
        self._state = state

    # Life

    async def _run(self):
        scanner = asyncio.ensure_future(self._show_scans())
        self._beside.add(scanner)
        scanner.add_done_callback(self._beside.discard)
        if self.order:
            while not self.reads:  # before anybody reads, a scan would be for nobody
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            self._begin_scan(self.order)
            await self._next_lot()
        else:
            await self._stand_until_begun(IDLE)
        await super()._run()

    async def _stand_until_begun(self, state=COMPLETE):
        """Stand in a state until somebody begins; what is done meanwhile is done."""
        self.state = state
        while True:
            what, parameters = await self._interruptions.get()
            if what == self._go_on:
                break
            await what(**parameters)
            self.state = state
        self.in_batch = 0
        await self._pass_through(RESETTING, IDLE, STARTING)

    async def _go_on(self):
        """Nothing more is to be done by a line that runs."""

    async def _next_lot(self):
        if self.lots:
            lot = self.lots.pop(0)
            self.lots.append(lot)
            await self._change_lot(*((lot, lot) if isinstance(lot, str) else lot), seconds=4 * self.scan_seconds)

    async def _change_lot(self, lot, code, seconds):
        """Stop, put in a lot and scan it, carry away the rejects; go on."""
        self.state = STOPPED
        await asyncio.sleep(seconds / 2)
        self.lot, self.of_lot, self.scale = lot, 0, 0
        self._begin_scan(code)
        await asyncio.sleep(seconds / 2)
        await self._pass_through(RESETTING, IDLE, STARTING)

    async def _show_scans(self):
        while True:
            code = await self._to_scan.get()
            for self.scanner in (code, ""):
                await asyncio.sleep(self.scan_seconds)

    def stroke(self):
        """Make one pack, good or not."""
        good = self.good
        super().stroke()
        self.last_weight = round(self.pack_weight)
        if self.good == good:
            self.last_weight = round(self.pack_weight * self._random.uniform(1 - self.spread, 1 + self.spread))
            self.scale += self.last_weight
            self.reject_weight += self.last_weight
            self.rejects_by_lot[self.lot] += 1
            return
        self.in_batch += 1
        self.of_lot += 1
        self.packs_by_lot[self.lot] += 1
        self.packs.append({"at": time.time(), "lot": self.lot, "serial": f"{self.serials}{self.good:06d}"})
        if self.batch and self.in_batch >= self.batch:
            self._interruptions.put_nowait((self._stand_until_begun, {}))
        elif self.lots and self.of_lot >= self.packs_a_lot:
            self._interruptions.put_nowait((self._next_lot, {}))

    # What it is asked

    def truth(self):
        told = super().truth()
        for name in ("program", "reject_counter"):
            del told[name]
        return {
            **told,
            "lot": self.lot,
            "packs_by_lot": dict(self.packs_by_lot),
            "rejects_by_lot": dict(self.rejects_by_lot),
            "scanner": self.scanner,
            "scale": self.scale,
            "last_weight": self.last_weight,
            "reject_weight": self.reject_weight,
            "running_seconds": self._running_seconds(),
            "packs": list(self.packs),
            "scans": list(self.scans),
            "states": [list(change) for change in self.states],
        }

    def _running_seconds(self):
        """Return how long it was in Execute, as far back as the truth remembers."""
        ends = [at for at, _state in self.states][1:] + [time.time()]
        return sum(end - at for (at, state), end in zip(self.states, ends, strict=True) if state == EXECUTE)

    def _begin_scan(self, code):
        if not 1 <= len(code.encode()) <= LONGEST_CODE:
            raise ValueError(f"scan: a code of 1 to {LONGEST_CODE} bytes")
        self.scans.append([time.time(), code])
        self._to_scan.put_nowait(code)

    def _begin_change_lot(self, lot, code, seconds=6.0):
        parameters = {"lot": lot, "code": code, "seconds": float(seconds)}
        self._interruptions.put_nowait((self._change_lot, parameters))

    def _begin_empty_scale(self):
        self.scale = 0

    def _begin_begin(self):
        self._interruptions.put_nowait((self._go_on, {}))

    # The controller

    def _image(self, function_code):
        image = super()._image(function_code)
        if function_code == 4:
            image[0] = round(600 / self.cycle)
        return image

    def _holding(self):
        return struct.pack(
            ">HHIIHH64sI",
            self.state,
            1,
            self.good_counter,
            self.scale,
            self.alarm,
            self.last_weight,
            self.scanner.encode(),
            self.strokes % 2**32,
        )
