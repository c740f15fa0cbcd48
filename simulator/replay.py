"""A recorded day of a real machine, told over OPC UA as if it were now, at any speed.

A line recorded at ``t`` comes true at ``start + (t - first line) / speed``, and that is its source timestamp. Namespace
``urn:mmc:simulator:replay``, node ids ``<device>.<key>``: ``nsu=urn:mmc:simulator:replay;s=Hurco04.Part_Count``.

- Before its first line a key has no value: Bad_WaitingForInitialData, without a source time.
- UNAVAILABLE of a number or a truth value is Bad_DataUnavailable, with the time of its line; of a text it is that text.
- Whatever time it is when a client reads, the answer is what the recording says of that very moment: the lines that are
  due are told before the read is answered, and the moment is kept, so that a test can work out what a poller saw.
- A day that begins anew adds what was counted to the counter, so that it never goes back. When a counter's first line
  is not the recording's first moment, it tells of a piece that was made, which counts as well.

``python -m simulator.replay --help`` runs one of its own.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections import deque
from datetime import datetime, timezone
from pathlib import Path

from .control import Control
from .faults import FAULTS
from .opcua_machine import OpcUaMachine
from .shdr import UNAVAILABLE, Condition, Observation, ShdrReader, read_recording

NAMESPACE = "urn:mmc:simulator:replay"
RECORDINGS = Path(__file__).parent / "recordings"
DEFAULT_RECORDING = RECORDINGS / "plate-op2-20parts-Hurco04.txt.gz"

#: Types by key; every other key is a String.
TYPES = {
    **dict.fromkeys(("Part_Count", "Program_Runtime_Seconds", "Block_Number", "PartCountAct", "ppartcount"), "Int32"),
    **dict.fromkeys(("Feed_Rate", "Feed_Override", "Rapid_Override", "Current_Tool"), "Double"),
    **dict.fromkeys(("Spindle_Speed", "Spindle_Override", "Spindle_Time"), "Double"),
}
COUNTERS = ("Part_Count", "PartCountAct", "ppartcount")
STATES = ("Program_Status", "execution", "pexecution")
COMPLETED, RUNNING = "PROGRAM_COMPLETED", "ACTIVE"

#: Seconds between two looks whether lines are due while nobody reads: nobody else can notice.
TICK = 0.1
#: Moments of reads that are kept.
KEPT_READS = 20_000

#: What :meth:`Replay.fault` understands beside the faults of the line.
REPLAY_FAULTS = {
    "pause": "let time stand still for seconds (10); the lines behind come later by that",
    "reset_counter": "let the counter go on from value (0), as after a battery change",
    "power_off": "be gone from the network for seconds (10); time goes on",
}


class Replay(OpcUaMachine):
    """The recorded machine, its server and the line to it.

    :param int port: where it listens on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    :param path: a recording, SHDR lines, text or gzip
    :param str device: before each key in the node ids
    :param float speed: recorded seconds in one of ours
    :param bool loop: begin the day anew when it has ended
    :param float start_delay: seconds after :meth:`start` at which the first line comes true
    :param linger: seconds after the last line at which it hangs up and is gone; None: it stays
    :param types: key -> name of its OPC UA type, over :data:`TYPES`
    :param bool keep_reads: tell in the truth when clients read
    :ivar asyncio.Event ended: set when the last line was told, and never in a loop
    """

    def __init__(self, port=14850, path=DEFAULT_RECORDING, device="Hurco04", speed=20.0, loop=True, start_delay=0.0,
                 linger=None, types=None, keep_reads=False):  # fmt: skip
        super().__init__(device, NAMESPACE, port, prefix=f"{device}.")
        if not speed > 0:
            raise ValueError("the speed must be more than 0")
        self.path = Path(path)
        self.speed = float(speed)
        self.loop = loop
        self.start_delay = float(start_delay)
        self.linger = linger
        self.ended = asyncio.Event()
        self.keep_reads = keep_reads
        self._types = {**TYPES, **(types or {})}
        self._read_lines()
        self.started = None
        self.days = 0
        self.told = 0
        self.completed = 0
        self.active_seconds = 0.0
        self.state = ""
        self.counter = None
        #: Of each Read request: our clock (s since the epoch), the recorded second since the first line of the first
        #: day, how many lines had been told, how many variables were asked for.
        self.read_log = deque(maxlen=KEPT_READS)
        self._state_since = 0.0
        self._next = 0
        self._offset = 0
        self._paused = 0.0
        self._pause = None
        self._telling = asyncio.Lock()
        self._work = None
        self._plays = set()

    def _read_lines(self):
        """Read the recording and work out what a day of it counts."""
        reader = ShdrReader()
        said = [entry for entry in read_recording(self.path, reader) if isinstance(entry, Observation | Condition)]
        if not said:
            raise ValueError(f"{self.path.name} holds no observation")
        # Adapters that were started anew wrote into one file out of order.
        said.sort(key=lambda entry: entry.at)
        self.malformed = reader.malformed
        self.first = said[0].at
        #: (seconds since the first line, key, value): the recording
        self.lines = [((entry.at - self.first).total_seconds(), *_key_and_value(entry)) for entry in said]
        self.seconds = self.lines[-1][0]
        keys = dict.fromkeys(key for _seconds, key, _value in self.lines)
        self.variables = {key: self._types.get(key, "String") for key in keys}
        self.counter_key = next((key for key in COUNTERS if key in keys), "")
        self.state_key = next((key for key in STATES if key in keys), "")
        counts = [(seconds, value) for seconds, key, value in self.lines if key == self.counter_key and value.isdigit()]
        #: What a whole day adds to the counter.
        self.day_total = int(counts[-1][1]) - int(counts[0][1]) + (counts[0][0] > 0) if counts else 0

    # Life

    async def start(self):
        """Listen and begin to tell."""
        await self.serve(self.variables)
        self.started = time.time() + self.start_delay
        self._work = asyncio.create_task(self._run())

    async def stop(self):
        """Stop telling and listening."""
        for task in [self._work, *self._plays]:
            if task:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.hang_up()

    async def _run(self):
        while not self.ended.is_set():
            await self.tell(time.time())
            await asyncio.sleep(TICK)
        if self.linger is not None:
            await asyncio.sleep(self.linger)
            await self.line.stop()

    # Time

    def recorded_seconds(self, now):
        """Return how far the recording is, in its own seconds since its first line over all days; negative before it.

        :param float now: seconds since the epoch
        """
        paused = self._paused + (now - self._pause if self._pause is not None else 0.0)
        return (now - self.started - paused) * self.speed

    def moment(self, seconds):
        """Return when a recorded second comes true, by the clock: the source time of its line."""
        return datetime.fromtimestamp(self.started + self._paused + seconds / self.speed, timezone.utc)

    @property
    def day_length(self):
        """Recorded seconds from the first line of a day to that of the next: a second passes between them."""
        return self.seconds + 1.0

    async def tell(self, now):
        """Tell all lines that are due."""
        async with self._telling:
            while self._pause is None and not self.ended.is_set():
                seconds, key, value = self.lines[self._next]
                seconds += self.days * self.day_length
                if seconds > self.recorded_seconds(now):
                    return
                await self._tell_line(seconds, key, value)
                self.told += 1
                self._next += 1
                if self._next == len(self.lines):
                    self._end_day()

    def _end_day(self):
        if self.loop:
            self._next = 0
            self.days += 1
        else:
            self.ended.set()

    async def _tell_line(self, seconds, key, value):
        at = self.moment(seconds)
        kind = self.variables[key]
        if key == self.state_key:
            self._follow_state(seconds, value)
        if kind == "String":
            await self.set(key, value, at)
            return
        try:
            number = int(value) if kind == "Int32" else float(value)
        except ValueError:
            await self.set_bad(key, "BadDataUnavailable" if value == UNAVAILABLE else "BadTypeMismatch", at)
            return
        if key == self.counter_key:
            number = self.counter = number + self._offset + self.days * self.day_total
        await self.set(key, number, at)

    def _follow_state(self, seconds, value):
        if self.state == RUNNING:
            self.active_seconds += seconds - self._state_since
        self.completed += value == COMPLETED
        self.state, self._state_since = value, seconds

    async def before_read(self, keys):
        now = time.time()
        await self.tell(now)
        self.read_log.append((now, self.recorded_seconds(now), self.told, len(keys)))

    # What it is asked

    def truth(self):
        """Return what was really told since the start, to compare with what others made of it. JSON only."""
        now = time.time()
        return {
            "recording": self.path.name,
            "device": self.name,
            "speed": self.speed,
            "started": self.started,
            "recorded_seconds": self.recorded_seconds(now) if self.started else 0.0,
            "day_seconds": self.seconds,
            "days": self.days,
            "lines": len(self.lines),
            "malformed": self.malformed,
            "told": self.told,
            "ended": self.ended.is_set(),
            "state": self.state,
            "counter": self.counter,
            "day_total": self.day_total,
            "completed": self.completed,
            "active_seconds": round(self.active_seconds, 3),
            "reads": self.reads,
            "write_attempts": self.write_attempts,
            "connections": self.line.connections,
            **({"read_log": list(self.read_log)} if self.keep_reads else {}),
        }

    def fault(self, name, **parameters):
        """Let something go wrong: one of :data:`REPLAY_FAULTS`, or of the line (:data:`simulator.faults.FAULTS`).

        :raise ValueError: there is no such fault, or not with these parameters
        """
        if name in FAULTS:
            self.line.fault(name, **parameters)
            return
        if name not in REPLAY_FAULTS:
            raise ValueError(f"unknown fault {name}; there are: {', '.join([*REPLAY_FAULTS, *FAULTS])}")
        try:
            getattr(self, f"_begin_{name}")(**parameters)
        except TypeError as error:
            raise ValueError(f"{name}: {REPLAY_FAULTS[name]}") from error

    def _begin_reset_counter(self, value=0):
        self._offset += int(value) - (self.counter or 0)

    def _begin_pause(self, seconds=10.0):
        self._play(self._stand_still(float(seconds)))

    def _begin_power_off(self, seconds=10.0):
        self._play(self._stand_without_power(float(seconds)))

    def _play(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self._plays.add(task)
        task.add_done_callback(self._plays.discard)

    async def _stand_still(self, seconds):
        if self._pause is not None:
            return
        await self.tell(time.time())
        self._pause = time.time()
        await asyncio.sleep(seconds)
        self._paused += time.time() - self._pause
        self._pause = None

    async def _stand_without_power(self, seconds):
        await self.line.stop()
        await asyncio.sleep(seconds)
        await self.line.start()


def _key_and_value(entry):
    """Return under what name and how a line's entry is told: a condition by its level and text."""
    if isinstance(entry, Condition):
        return entry.key, f"{entry.level}|{entry.code}|{entry.text}" if entry.code or entry.text else entry.level
    return entry.key, entry.value


def seen(lines, key, moments, day_length=0.0):
    """Return what a poller sees of a key: ``[(recorded second of the line, value)]``, None before the first line.

    :param lines: :attr:`Replay.lines`
    :param moments: recorded seconds at which it reads, ascending
    :param float day_length: :attr:`Replay.day_length` for a recording in a loop, 0 for one that ends
    """
    of_key = [(seconds, value) for seconds, name, value in lines if name == key]
    found, day, position, last = [], 0, 0, None
    for moment in moments:
        while position < len(of_key) and of_key[position][0] + day * day_length <= moment:
            last = (of_key[position][0] + day * day_length, of_key[position][1])
            position += 1
            if position == len(of_key) and day_length:
                day, position = day + 1, 0
        found.append(last)
    return found


def main(arguments=None):
    """Run one replay until it has ended or Ctrl-C, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulator.replay", description="Tells a recorded day over OPC UA.")
    parser.add_argument("recording", nargs="?", default=DEFAULT_RECORDING, help="SHDR lines, text or .gz")
    parser.add_argument("--port", type=int, default=14850, help="on 127.0.0.1, 0 = any free one (default: 14850)")
    parser.add_argument("--device", default="Hurco04", help="before each key in the node ids (default: Hurco04)")
    parser.add_argument("--speed", type=float, default=20.0, help="recorded seconds in one of ours (default: 20)")
    parser.add_argument("--loop", action="store_true", help="begin the day anew when it has ended")
    parser.add_argument("--start-delay", type=float, default=0.0, metavar="S", help="seconds before the first line")
    parser.add_argument("--linger", type=float, default=None, metavar="S", help="hang up so long after the last line")
    parser.add_argument("--control-port", type=int, default=0, help="GET /truth, POST /fault/… (default: any free one)")
    parser.add_argument("--read-log", metavar="FILE", help="at the end, write the moments of all reads, as JSON")
    asyncio.run(_main(parser.parse_args(arguments)))
    return 0


async def _main(options):
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    machine = Replay(
        port=options.port, path=options.recording, device=options.device, speed=options.speed, loop=options.loop,
        start_delay=options.start_delay, linger=options.linger,
    )  # fmt: skip
    await machine.start()
    control = Control({"replay": machine}, options.control_port)
    await control.start()
    print(json.dumps({"url": machine.url, "control": f"http://127.0.0.1:{control.port}/truth"}), flush=True)
    try:
        await ended.wait()
    finally:
        await control.stop()
        await machine.stop()
    if options.read_log:
        Path(options.read_log).write_text(json.dumps(list(machine.read_log)))
    print(json.dumps(machine.truth()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
