"""A stamping press with a Modbus TCP controller.

It makes a stroke every few seconds, rejects a part now and then, and jams once in a while: then it stands in state
Aborted with an alarm code until somebody (the simulator) clears it. Unit 1; every other unit is answered with
exception 11, as a gateway does. It can be read only.

=============  ====  =======  ==========================================================================
address        Modi-  type     what it says
               con
=============  ====  =======  ==========================================================================
holding:0      40001  u16      state: PackML StateCurrent by its numbers of OPC 30050 (Execute 6, Aborted 9 …)
holding:1      40002  u16      mode: PackML UnitMode (1 Production)
holding:2      40003  u32      good parts, counts up and wraps at 2 ** counter_width
holding:4      40005  u16      rejected parts, wraps at 65536
holding:5      40006  u16      alarm code, 0 = none
holding:6      40007  f32      duration of the last stroke in seconds
holding:8      40009  f32      temperature of the oil in °C
holding:10     40011  string   program, 8 registers, UTF-8, padded with NUL
holding:18     40019  u32      strokes altogether, **low word first** (word_order little), as such devices do
input:0        30001  i16      temperature of the oil in 0.1 °C
input:1        30002  u16      bits: 0 running, 1 alarm, 2 door closed
discrete:0     10001  bool     green light: running
discrete:1     10002  bool     yellow light: on its way from one state to the next
discrete:2     10003  bool     red light: alarm
coil:0         00001  bool     the drive is switched on
=============  ====  =======  ==========================================================================

Nothing is defined between and behind these addresses: reading there is answered with exception 2.
"""

import asyncio
import contextlib
import random
import struct

from .faults import FAULTS, FaultProxy
from .interruptions import Interruptions

#: PackML StateCurrent, numbers of OPC 30050
STOPPED, STARTING, IDLE, EXECUTE, ABORTED, CLEARING, RESETTING = 2, 3, 4, 6, 9, 1, 15
TRANSIENT = frozenset({STARTING, CLEARING, RESETTING})

#: Alarm codes of this maker.
ALARMS = {
    101: "sheet jammed in the feeder",
    102: "double sheet",
    110: "pressure of the drive too low",
    120: "light curtain interrupted",
    130: "oil too warm",
}

PROGRAM = "BRACKET-A4"
SECONDS_OF_A_STATE_ON_THE_WAY = 1.0

#: What :meth:`Press.fault` understands beside the faults of the line.
PRESS_FAULTS = {
    "jam": "stand in Aborted for seconds (20) with an alarm code (101)",
    "alarm_flood": "show count (50) alarms one after another within seconds (5), without standing still",
    "reset_counter": "set the good counter to value (0), as after a battery change",
    "stop": "stop, as by its operator, for seconds (30)",
    "power_off": "be gone from the network for seconds (10); counters are kept",
    "program": "change to the program of this name",
}


class Press:
    """The press, its controller and the line to it. Another machine of this make has other registers, and more faults.

    :param int port: where it listens on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    :param float cycle: seconds of a stroke
    :param float reject_rate: part of the strokes that make a reject, 0 to 1
    :param int jam_every: strokes between two jams on average, 0 = never
    :param int counter_start: what the good counter says at first
    :param int counter_width: bits of the good counter, 1 to 32
    :param int seed: makes the same run again
    """

    #: What :meth:`fault` understands beside the faults of the line.
    known_faults = PRESS_FAULTS
    #: How many holding registers the controller has, and how many input registers.
    holding_registers, input_registers = 20, 2

    def __init__(
        self,
        port=15020,
        cycle=2.0,
        reject_rate=0.02,
        jam_every=150,
        counter_start=48_210,
        counter_width=32,
        seed=1,
    ):
        self.port = port
        self.cycle = cycle
        self.reject_rate = reject_rate
        self.jam_every = jam_every
        self.modulus = 2**counter_width
        self.good_counter = counter_start % self.modulus
        self.reject_counter = 0
        self.state = IDLE
        self.alarm = 0
        self.program = PROGRAM
        self.last_cycle = 0.0
        self.temperature = 38.0
        self.strokes = 0
        self.good = 0
        self.reject = 0
        self.jams = 0
        self.alarms = 0
        self.counter_resets = 0
        self.reads = 0
        self.write_attempts = 0
        self.line = FaultProxy(0, port)
        self._random = random.Random(seed)
        self._server = None
        self._work = None
        self._beside = set()
        self._interruptions = Interruptions()

    # Life

    async def start(self):
        """Listen and begin to work."""
        await self._start_controller()
        await self.line.start()
        self.port = self.line.port
        self._work = asyncio.create_task(self._run())

    async def stop(self):
        """Stop working and listening."""
        for task in [self._work, *self._beside]:
            if task:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.line.stop()
        if self._server:
            await self._server.shutdown()

    async def _run(self):
        await self._pass_through(STARTING)
        while True:
            self.state = EXECUTE
            interruption = await self._interruptions.within(self._next_cycle())
            if interruption is None:
                self.stroke()
                if self.jam_every and self._random.random() < 1 / self.jam_every:
                    interruption = (self._stand_jammed, {"seconds": self._random.uniform(15, 40)})
            if interruption:
                what, parameters = interruption
                await what(**parameters)

    def _next_cycle(self):
        return self.cycle * self._random.uniform(0.95, 1.05)

    async def _pass_through(self, *states):
        for state in states:
            self.state = state
            await asyncio.sleep(min(SECONDS_OF_A_STATE_ON_THE_WAY, self.cycle))

    async def _stand_jammed(self, seconds=20.0, code=101):
        self.state, self.alarm = ABORTED, int(code)
        self.jams += 1
        self.alarms += 1
        await asyncio.sleep(seconds)
        self.alarm = 0
        await self._pass_through(CLEARING, STOPPED, RESETTING, IDLE, STARTING)

    async def _stand_stopped(self, seconds=30.0):
        self.state = STOPPED
        await asyncio.sleep(seconds)
        await self._pass_through(RESETTING, IDLE, STARTING)

    def stroke(self):
        """Make one part, good or not."""
        self.strokes += 1
        self.last_cycle = self._next_cycle()
        self.temperature += (45.0 - self.temperature) * 0.01 + self._random.uniform(-0.2, 0.2)
        if self._random.random() < self.reject_rate:
            self.reject += 1
            self.reject_counter = (self.reject_counter + 1) % 65536
        else:
            self.good += 1
            self.good_counter = (self.good_counter + 1) % self.modulus

    # What it is asked

    def truth(self):
        """Return what really happened since the start, to compare with what others made of it. JSON only."""
        return {
            "strokes": self.strokes,
            "good": self.good,
            "reject": self.reject,
            "good_counter": self.good_counter,
            "reject_counter": self.reject_counter,
            "counter_modulus": self.modulus,
            "state": self.state,
            "alarm": self.alarm,
            "jams": self.jams,
            "alarms": self.alarms,
            "counter_resets": self.counter_resets,
            "program": self.program,
            "reads": self.reads,
            "write_attempts": self.write_attempts,
            "connections": self.line.connections,
        }

    def fault(self, name, /, **parameters):
        """Let something go wrong: one of :data:`PRESS_FAULTS`, or of the line (:data:`simulator.faults.FAULTS`).

        :raise ValueError: there is no such fault, or not with these parameters
        """
        if name in FAULTS:
            self.line.fault(name, **parameters)
            return
        if name not in self.known_faults:
            raise ValueError(f"unknown fault {name}; there are: {', '.join([*self.known_faults, *FAULTS])}")
        try:
            getattr(self, f"_begin_{name}")(**parameters)
        except TypeError as error:
            raise ValueError(f"{name}: {self.known_faults[name]}") from error

    def _begin_jam(self, seconds=20.0, code=101):
        self._interruptions.put_nowait((self._stand_jammed, {"seconds": float(seconds), "code": int(code)}))

    def _begin_stop(self, seconds=30.0):
        self._interruptions.put_nowait((self._stand_stopped, {"seconds": float(seconds)}))

    def _begin_reset_counter(self, value=0):
        self.good_counter = int(value) % self.modulus
        self.counter_resets += 1

    def _begin_program(self, name):
        if not 1 <= len(name.encode()) <= 16:
            raise ValueError("program: a name of 1 to 16 bytes")
        self.program = name

    def _begin_alarm_flood(self, count=50, seconds=5.0):
        flood = asyncio.ensure_future(self._flood_with_alarms(int(count), float(seconds)))
        self._beside.add(flood)
        flood.add_done_callback(self._beside.discard)

    async def _flood_with_alarms(self, count, seconds):
        codes = list(ALARMS)
        for number in range(count):
            self.alarm = codes[number % len(codes)]
            self.alarms += 1
            await asyncio.sleep(seconds / count)
        self.alarm = 0

    def _begin_power_off(self, seconds=10.0):
        self._interruptions.put_nowait((self._stand_without_power, {"seconds": float(seconds)}))

    async def _stand_without_power(self, seconds):
        self.state = STOPPED
        await self.line.stop()
        await asyncio.sleep(seconds)
        await self.line.start()
        await self._pass_through(RESETTING, IDLE, STARTING)

    # The controller

    async def _start_controller(self):
        from pymodbus.constants import ExcCodes
        from pymodbus.server import ModbusTcpServer
        from pymodbus.simulator import DataType, SimData, SimDevice

        async def answer(function_code, start, address, count, registers, set_values):
            if set_values is not None:
                self.write_attempts += 1
                return ExcCodes.ILLEGAL_FUNCTION
            self.reads += 1
            image = self._image(function_code)
            registers[: len(image)] = image
            return None

        async def answer_for_nobody(*_request):
            return ExcCodes.GATEWAY_NO_RESPONSE

        def words(count):
            return [SimData(0, count=count, datatype=DataType.REGISTERS)]

        def bits():
            return [SimData(0, values=[False] * 16, datatype=DataType.BITS)]

        tables = (bits(), bits(), words(self.holding_registers), words(self.input_registers))
        everything = SimData(0, count=65536, datatype=DataType.REGISTERS)
        self._server = ModbusTcpServer(
            [
                SimDevice(id=1, simdata=tables, action=answer),
                SimDevice(id=0, simdata=[everything], action=answer_for_nobody),
            ],
            address=("127.0.0.1", 0),
        )
        await self._server.serve_forever(background=True)
        self.line.target_port = self._server.transport.sockets[0].getsockname()[1]

    def _image(self, function_code):
        """Return the registers of the table that a function code reads; of bits, 16 to a word, the lowest first."""
        running, alarm = self.state == EXECUTE, self.alarm != 0
        if function_code == 1:
            return [1]
        if function_code == 2:
            return [running | (self.state in TRANSIENT) << 1 | alarm << 2]
        if function_code == 4:
            return [round(self.temperature * 10) & 0xFFFF, running | alarm << 1 | 1 << 2]
        image = self._holding()
        return list(struct.unpack(f">{len(image) // 2}H", image))

    def _holding(self):
        """Return the holding registers as bytes."""
        total = self.strokes % 2**32
        return struct.pack(
            ">HHIHHff16sHH",
            self.state,
            1,
            self.good_counter,
            self.reject_counter,
            self.alarm,
            self.last_cycle,
            self.temperature,
            self.program.encode(),
            total & 0xFFFF,
            total >> 16,
        )
