"""A bottle filler with an OPC UA server, in the words of PackML.

It fills a bottle every second or so, rejects one now and then, waits for bottles or for the machine behind it, and jams
once in a while: then it stands in state Aborted with an alarm until somebody (the simulator) clears it. Namespace
``urn:mmc:simulator:filler``; every value carries the time since which it is so. It can be read only.

======================  =======  =======================================================================
node id (string)        type     what it says
======================  =======  =======================================================================
StateCurrent            Int32    PackML state by its numbers of OPC 30050 (Execute 6, Aborted 9 …)
UnitModeCurrent         Int32    PackML mode (1 Production)
ProdProcessedCount      UInt32   bottles filled, good and defective, wraps at 2 ** counter_width
ProdDefectiveCount      UInt32   of these, those rejected
GoodCount               UInt32   of these, the others
CurMachSpeed            Double   bottles a minute now; 0 when it stands
MachDesignSpeed         Double   bottles a minute that it is built for
StopReason              Int32    why it stands, 0 = it does not; see STOP_REASONS
EquipmentStarved        Boolean  no bottles come
EquipmentBlocked        Boolean  the machine behind takes none
AlarmCode               Int32    0 = none; see ALARMS
AlarmText               String   empty = none
======================  =======  =======================================================================
"""

import asyncio
import contextlib
import random

from .faults import FAULTS
from .interruptions import Interruptions
from .opcua_machine import OpcUaMachine

NAMESPACE = "urn:mmc:simulator:filler"

#: PackML StateCurrent, numbers of OPC 30050
CLEARING, STOPPED, STARTING, IDLE, SUSPENDED, EXECUTE, STOPPING, ABORTING, ABORTED = range(1, 10)
SUSPENDING, UNSUSPENDING, RESETTING = 13, 14, 15

VARIABLES = {
    "StateCurrent": "Int32",
    "UnitModeCurrent": "Int32",
    "ProdProcessedCount": "UInt32",
    "ProdDefectiveCount": "UInt32",
    "GoodCount": "UInt32",
    "CurMachSpeed": "Double",
    "MachDesignSpeed": "Double",
    "StopReason": "Int32",
    "EquipmentStarved": "Boolean",
    "EquipmentBlocked": "Boolean",
    "AlarmCode": "Int32",
    "AlarmText": "String",
}

#: Alarm codes of this maker, which are also its reasons for an abort.
ALARMS = {
    201: "bottle jammed in the star wheel",
    202: "filling valve does not close",
    210: "product temperature too high",
    220: "guard door open",
    230: "capper torque out of range",
}
#: Stop reasons beside the alarm codes.
STOP_REASONS = {10: "no bottles", 11: "discharge full", 20: "stopped by its operator"}

SECONDS_OF_A_STATE_ON_THE_WAY = 1.0
COUNTERS = ("ProdProcessedCount", "ProdDefectiveCount", "GoodCount")

#: What :meth:`Filler.fault` understands beside the faults of the line.
FILLER_FAULTS = {
    "jam": "stand in Aborted for seconds (20) with an alarm code (201)",
    "starve": "wait for bottles for seconds (15)",
    "block": "wait for the machine behind for seconds (15)",
    "stop": "stop, as by its operator, for seconds (30)",
    "alarm_flood": "show count (50) alarms one after another within seconds (5), without standing still",
    "reset_counter": "set all counters to value (0), as after a battery change",
    "lose_plc": "answer Bad_NotConnected for seconds (10), as a server that lost its controller; filling goes on",
    "power_off": "be gone from the network for seconds (10); counters are kept",
}


class Filler(OpcUaMachine):
    """The filler, its server and the line to it.

    :param int port: where it listens on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    :param float rate: bottles a minute
    :param float reject_rate: part of the bottles that are rejected, 0 to 1
    :param int jam_every: bottles between two jams on average, 0 = never
    :param int starve_every: bottles between two waits for bottles on average, 0 = never
    :param int counter_start: what ProdProcessedCount and GoodCount say at first
    :param int counter_width: bits of the counters, 1 to 32
    :param int seed: makes the same run again
    """

    def __init__(self, port=14840, rate=60.0, reject_rate=0.015, jam_every=400, starve_every=250, counter_start=1_200,
                 counter_width=32, seed=2):  # fmt: skip
        super().__init__("Filler", NAMESPACE, port)
        self.rate = rate
        self.reject_rate = reject_rate
        self.jam_every = jam_every
        self.starve_every = starve_every
        self.modulus = 2**counter_width
        self.values = {
            "StateCurrent": IDLE, "UnitModeCurrent": 1, "CurMachSpeed": 0.0, "MachDesignSpeed": float(rate),
            "ProdProcessedCount": counter_start % self.modulus, "ProdDefectiveCount": 0,
            "GoodCount": counter_start % self.modulus, "StopReason": 0, "EquipmentStarved": False,
            "EquipmentBlocked": False, "AlarmCode": 0, "AlarmText": "",
        }  # fmt: skip
        self.processed = self.defective = self.jams = self.starved = self.blocked = self.alarms = 0
        self.counter_resets = 0
        self._lost = False
        self._random = random.Random(seed)
        self._work = None
        self._plays = set()
        self._interruptions = Interruptions()

    # Life

    async def start(self):
        """Listen and begin to work."""
        await self.serve(VARIABLES)
        await self._say_all()
        self._work = asyncio.create_task(self._run())

    async def stop(self):
        """Stop working and listening."""
        for task in [self._work, *self._plays]:
            if task:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.hang_up()

    async def _run(self):
        await self._pass_through(STARTING)
        while True:
            await self._say(StateCurrent=EXECUTE, CurMachSpeed=self.rate, StopReason=0)
            interruption = await self._interruptions.within(60 / self.rate * self._random.uniform(0.95, 1.05))
            if interruption is None:
                await self.fill()
                interruption = self._mishap()
            if interruption:
                what, parameters = interruption
                await what(**parameters)

    def _mishap(self):
        """Return what goes wrong by chance after a bottle, or None."""
        for every, what, shortest, longest in (
            (self.jam_every, self._stand_jammed, 15, 40),
            (self.starve_every, self._wait_for_bottles, 5, 20),
        ):
            if every and self._random.random() < 1 / every:
                return what, {"seconds": self._random.uniform(shortest, longest)}
        return None

    async def fill(self):
        """Fill one bottle, well or not."""
        bad = self._random.random() < self.reject_rate
        self.processed += 1
        self.defective += bad
        counted = "ProdDefectiveCount" if bad else "GoodCount"
        await self._say(**{key: (self.values[key] + 1) % self.modulus for key in ("ProdProcessedCount", counted)})

    async def _say(self, **values):
        """Give variables their values; one that has it already keeps its time."""
        for key, value in values.items():
            if self.values[key] != value:
                self.values[key] = value
                if not self._lost:
                    await self.set(key, value)

    async def _say_all(self):
        for key, value in self.values.items():
            await self.set(key, value)

    async def _pass_through(self, *states):
        for state in states:
            await self._say(StateCurrent=state, CurMachSpeed=0.0)
            await asyncio.sleep(min(SECONDS_OF_A_STATE_ON_THE_WAY, 60 / self.rate))

    async def _stand_jammed(self, seconds=20.0, code=201):
        self.jams += 1
        self.alarms += 1
        await self._say(StopReason=code, AlarmCode=code, AlarmText=ALARMS.get(code, "unknown"))
        await self._pass_through(ABORTING)
        await self._say(StateCurrent=ABORTED)
        await asyncio.sleep(seconds)
        await self._say(AlarmCode=0, AlarmText="")
        await self._pass_through(CLEARING, STOPPED, RESETTING, IDLE, STARTING)

    async def _stand_stopped(self, seconds=30.0):
        await self._say(StopReason=20)
        await self._pass_through(STOPPING)
        await self._say(StateCurrent=STOPPED)
        await asyncio.sleep(seconds)
        await self._pass_through(RESETTING, IDLE, STARTING)

    async def _wait_for_bottles(self, seconds=15.0):
        self.starved += 1
        await self._stand_suspended("EquipmentStarved", 10, seconds)

    async def _wait_for_discharge(self, seconds=15.0):
        self.blocked += 1
        await self._stand_suspended("EquipmentBlocked", 11, seconds)

    async def _stand_suspended(self, why, reason, seconds):
        await self._say(StopReason=reason, **{why: True})
        await self._pass_through(SUSPENDING)
        await self._say(StateCurrent=SUSPENDED)
        await asyncio.sleep(seconds)
        await self._say(**{why: False})
        await self._pass_through(UNSUSPENDING)

    async def _stand_without_power(self, seconds=10.0):
        await self.line.stop()
        await asyncio.sleep(seconds)
        await self.line.start()
        await self._pass_through(STOPPED, RESETTING, IDLE, STARTING)

    # What it is asked

    def truth(self):
        """Return what really happened since the start, to compare with what others made of it. JSON only."""
        return {
            "processed": self.processed,
            "good": self.processed - self.defective,
            "reject": self.defective,
            "processed_counter": self.values["ProdProcessedCount"],
            "good_counter": self.values["GoodCount"],
            "reject_counter": self.values["ProdDefectiveCount"],
            "counter_modulus": self.modulus,
            "state": self.values["StateCurrent"],
            "stop_reason": self.values["StopReason"],
            "alarm": self.values["AlarmCode"],
            "jams": self.jams,
            "starved": self.starved,
            "blocked": self.blocked,
            "alarms": self.alarms,
            "counter_resets": self.counter_resets,
            "reads": self.reads,
            "write_attempts": self.write_attempts,
            "connections": self.line.connections,
        }

    def fault(self, name, **parameters):
        """Let something go wrong: one of :data:`FILLER_FAULTS`, or of the line (:data:`simulator.faults.FAULTS`).

        :raise ValueError: there is no such fault, or not with these parameters
        """
        if name in FAULTS:
            self.line.fault(name, **parameters)
            return
        if name not in FILLER_FAULTS:
            raise ValueError(f"unknown fault {name}; there are: {', '.join([*FILLER_FAULTS, *FAULTS])}")
        try:
            getattr(self, f"_begin_{name}")(**parameters)
        except TypeError as error:
            raise ValueError(f"{name}: {FILLER_FAULTS[name]}") from error

    def _interrupt(self, what, **parameters):
        self._interruptions.put_nowait((what, parameters))

    def _begin_jam(self, seconds=20.0, code=201):
        self._interrupt(self._stand_jammed, seconds=float(seconds), code=int(code))

    def _begin_starve(self, seconds=15.0):
        self._interrupt(self._wait_for_bottles, seconds=float(seconds))

    def _begin_block(self, seconds=15.0):
        self._interrupt(self._wait_for_discharge, seconds=float(seconds))

    def _begin_stop(self, seconds=30.0):
        self._interrupt(self._stand_stopped, seconds=float(seconds))

    def _begin_power_off(self, seconds=10.0):
        self._interrupt(self._stand_without_power, seconds=float(seconds))

    def _begin_reset_counter(self, value=0):
        self.counter_resets += 1
        self._play(self._say(**dict.fromkeys(COUNTERS, int(value) % self.modulus)))

    def _begin_alarm_flood(self, count=50, seconds=5.0):
        self._play(self._flood_with_alarms(int(count), float(seconds)))

    def _begin_lose_plc(self, seconds=10.0):
        self._play(self._be_without_plc(float(seconds)))

    def _play(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self._plays.add(task)
        task.add_done_callback(self._plays.discard)

    async def _flood_with_alarms(self, count, seconds):
        codes = list(ALARMS)
        for number in range(count):
            code = codes[number % len(codes)]
            self.alarms += 1
            await self._say(AlarmCode=code, AlarmText=ALARMS[code])
            await asyncio.sleep(seconds / count)
        await self._say(AlarmCode=0, AlarmText="")

    async def _be_without_plc(self, seconds):
        self._lost = True
        for key in VARIABLES:
            await self.set_bad(key, "BadNotConnected", None)
        await asyncio.sleep(seconds)
        self._lost = False
        await self._say_all()
