"""One round of questions to the units on one line: who is asked, in which order, and what a failure means.

A unit that is silent costs its own time-out, never another unit's turn; what it did is remembered from round to
round in :class:`Memory`, and with others to serve it is then asked less and less often.
"""

import time
from collections import deque
from dataclasses import dataclass

from .. import clock
from ..errors import ConnectionFailed
from .modbus_link import Refused, Unanswered

#: Exception code (V1.1b3, 7) -> what a reading says of it. Codes that are not here are failures of the device.
EXCEPTIONS = {
    1: "illegal_function",
    2: "illegal_address",
    3: "illegal_value",
    4: "device_failure",
    5: "device_busy",  # acknowledged, works on it: there is no value yet
    6: "device_busy",
    8: "device_failure",
    10: "gateway_no_path",
    11: "gateway_no_answer",
}
#: A block that is refused so may hold one item that does not exist, or be longer than the device allows.
DIVISIBLE = frozenset({"illegal_address", "illegal_value"})
#: These speak of the whole unit; asking for its other blocks would only try the gateway's patience again.
OF_THE_UNIT = frozenset({"gateway_no_path", "gateway_no_answer"})

#: Blocks halved in one round; what is still whole then is halved in the next.
HALVINGS = 32
#: Part of the time that may go to units which do not answer while others do.
PATIENCE = 0.1
#: Seconds after which a silent unit is asked again, whatever it costs.
LONGEST_SILENCE = 60.0


@dataclass
class Silence:
    """A unit, or one block of it, that did not answer.

    :ivar str code: how it failed
    :ivar int status: its exception code, if a gateway told one
    :ivar int failures: in a row
    :ivar float ask_at: when it should be asked again, by ``time.monotonic``
    """

    code: str = "no_answer"
    status: int | None = None
    failures: int = 0
    ask_at: float = 0.0

    @property
    def is_lasting(self):
        """Whether it was more than one answer lost on the way."""
        return self.failures > 1


class Memory:
    """What a driver has learned of the units on its line.

    :param float timeout: seconds that an answer may take
    :ivar set cuts: extents that no block may join to what stands before them
    :ivar bool cuts_changed: whether plans that were made before are out of date
    :ivar dict silences: unit, or :attr:`Block.key`, -> :class:`Silence`
    :ivar dict holds: unit -> moment (``time.monotonic``) before which it is not asked, because on a line whose answers
        have no number one that is still on its way would be taken for the answer to the next question
    :ivar dict suspects: unit -> :attr:`Block.key` at which it fell silent: perhaps it is only this one
    :ivar set heard: units that answered since the line was opened, and are not silent now
    """

    def __init__(self, timeout):
        self._timeout = timeout
        self.cuts = set()
        self.cuts_changed = False
        self.silences = {}
        self.holds = {}
        self.suspects = {}
        self.heard = set()

    def forget_silences(self):
        """Begin anew with everybody, as after a new connection."""
        self.silences.clear()
        self.holds.clear()
        self.suspects.clear()
        self.heard.clear()

    def cut_before(self, extent):
        self.cuts.add(extent)
        self.cuts_changed = True

    def forget_cuts(self, extents):
        self.cuts -= extents
        self.cuts_changed = True

    def answered(self, unit):
        self.heard.add(unit)
        self.silences.pop(unit, None)

    def failed(self, key, code, status=None):
        """Count a failure of a unit or, by its key, of one block."""
        self.heard.discard(key)
        silence = self.silences.setdefault(key, Silence())
        silence.code, silence.status = code, status
        silence.failures += 1
        silence.ask_at = time.monotonic()
        if silence.is_lasting:
            lasting = sum(other.is_lasting for other in self.silences.values())
            silence.ask_at += min(LONGEST_SILENCE, lasting * self._timeout / PATIENCE)

    def hold(self, unit):
        """Leave a unit alone until whatever it may still send has come and gone."""
        self.holds[unit] = time.monotonic() + self._timeout

    def held(self, moment):
        """Return the units that must be left alone."""
        self.holds = {unit: until for unit, until in self.holds.items() if until > moment}
        return self.holds.keys()


class Round:
    """One reading of a list of blocks.

    :param link: :class:`Link`, open or not
    :param memory: :class:`Memory` of its units
    :param list readings: filled with one reading for each signal of the blocks
    """

    def __init__(self, link, memory, readings):
        self._link = link
        self._memory = memory
        self._readings = readings
        self._queue = deque()
        self._line_answered = False
        self._heard = set()  # units that answered in this round
        self._good = set()  # units that gave a value in this round
        self._doubted = {}  # unit -> block that stayed without an answer before the unit was given up or heard
        self._given_up = {}  # unit -> (code, status) for the rest of its blocks
        self._cuts = {}  # unit -> extents cut in this round
        self._halvings = HALVINGS
        self._failures = set()

    def run(self, blocks):
        """Ask for each block.

        :raise ConnectionFailed: the line itself is dead, or what answers there does not speak Modbus
        """
        memory = self._memory
        self._queue.extend(self._in_order(blocks) if memory.silences or memory.holds else blocks)
        while self._queue:
            self._step(self._queue.popleft())
        for unit, extents in self._cuts.items():
            # A unit that refuses everything (it may still be starting) has taught nothing about single items.
            if unit not in self._good:
                memory.forget_cuts(extents)
        if self._failures and not self._line_answered:
            self._find_out_why()

    def _in_order(self, blocks):
        """Return the blocks to ask for, what failed lately last; the others' readings are bad without a question.

        Of all that has been silent for longer, one is asked in a round, when its time has come. Where nobody is heard
        there is nobody to hold up: then one is asked in any case.
        """
        moment = time.monotonic()
        held, silences = self._memory.held(moment), self._memory.silences
        ordinary, doubtful, lasting = [], [], []
        for block in blocks:
            known = [silences[key] for key in (block.unit, block.key) if key in silences]
            silence = max(known, key=lambda silence: silence.failures, default=None)
            if block.unit in held:
                self._without_asking(block, silence or Silence())
            elif silence is None:
                ordinary.append(block)
            else:
                (lasting if silence.is_lasting else doubtful).append((silence, block))
        chosen = min((silence for silence, _block in lasting), key=lambda silence: silence.ask_at, default=None)
        if chosen and chosen.ask_at > moment and (ordinary or doubtful or self._memory.heard):
            chosen = None
        for silence, block in lasting:
            if silence is chosen:
                doubtful.append((silence, block))
            else:
                self._without_asking(block, silence)
        suspects = self._memory.suspects
        order = ordinary + [block for _silence, block in doubtful]
        return sorted(order, key=lambda block: suspects.get(block.unit) == block.key)

    def _without_asking(self, block, silence):
        block.bad(silence.code, clock.now(), self._readings, silence.status)

    def _step(self, block):
        if block.unit in self._given_up:
            code, status = self._given_up[block.unit]
            block.bad(code, clock.now(), self._readings, status)
            return
        try:
            payload = self._ask(block)
        except Refused as refusal:
            self._refused(block, refusal.status)
        except Unanswered as failure:
            self._unanswered(block, failure.code)
        else:
            block.good(payload, clock.now(), self._readings)
            self._good.add(block.unit)
            self._answered(block)

    def _ask(self, block):
        if not self._link.is_open:
            self._link.open()
        try:
            return self._link.ask(*block.key)
        except Unanswered as failure:
            if failure.code != "connection_lost":
                raise
        # Devices hang up on those who were silent for a while, and after a restart they know nobody. Only a question
        # that fails on a new line as well has failed.
        self._link.open()
        return self._link.ask(*block.key)

    def _answered(self, block):
        self._line_answered = True
        if block.unit not in self._heard:
            self._heard.add(block.unit)
            self._memory.answered(block.unit)
            if block.unit in self._doubted:
                self._memory.failed(self._doubted.pop(block.unit), "no_answer")
        if self._memory.silences:
            self._memory.silences.pop(block.key, None)
        if self._memory.suspects.get(block.unit) == block.key:
            del self._memory.suspects[block.unit]

    def _refused(self, block, status):
        code = EXCEPTIONS.get(status, "device_failure")
        if code in OF_THE_UNIT:
            self._line_answered = True
            self._given_up[block.unit] = (code, status)
            self._memory.failed(block.unit, code, status)
        else:
            self._answered(block)
            if code in DIVISIBLE and self._halve(block):
                return
        block.bad(code, clock.now(), self._readings, status)

    def _halve(self, block):
        """Put the halves of a block at the head of the queue, if there are any and this is the round for them."""
        halves = block.halves()
        if halves is None:
            return False
        extent = halves[1].first_extent
        self._memory.cut_before(extent)
        self._cuts.setdefault(block.unit, set()).add(extent)
        if not self._halvings:
            return False
        self._halvings -= 1
        self._queue.extendleft(reversed(halves))
        return True

    def _unanswered(self, block, code):
        block.bad(code, clock.now(), self._readings)
        self._failures.add(code)
        unit = block.unit
        if code != "connection_lost" and not self._link.answers_are_numbered:
            # Also after an answer that did not fit: the right one may still be on its way.
            self._memory.hold(unit)
            self._given_up[unit] = (code, None)
        if code != "no_answer":
            return
        if unit in self._heard:
            # Some devices say nothing where the standard wants an exception.
            self._memory.failed(block.key, code)
        elif self._has_second_chance(unit):
            self._doubted[unit] = block.key
        else:
            self._given_up[unit] = (code, None)
            self._memory.suspects[unit] = block.key
            self._memory.failed(unit, code)

    def _has_second_chance(self, unit):
        """Whether one more block tells if it was the unit that is silent, or only the one block."""
        return (
            unit not in self._given_up
            and unit not in self._doubted
            and unit not in self._memory.silences
            and any(block.unit == unit for block in self._queue)
        )

    def _find_out_why(self):
        """Tell units that are silent from a line that is dead.

        :raise ConnectionFailed: it is the line
        """
        if self._failures == {"connection_lost"}:
            raise ConnectionFailed("connection_lost", self._link.field, **self._link.where)
        if "no_answer" in self._failures:
            self._link.open()
            self._link.rule_out_text()
