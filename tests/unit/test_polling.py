"""Many devices at once, by few threads: who waits for whom, who is given up, and who hangs up?

The devices are real ones on loopback where the protocol matters; where only the threads do, a driver of our own stands
still until the test lets it go.
"""

import contextlib
import logging
import threading
import time

import pytest

from machine_connect import polling
from machine_connect.drivers import DRIVERS, Driver, SignalAddress
from machine_connect.errors import ConnectionFailed, DriverUnavailable
from machine_connect.polling import PollEngine, PollJob
from machine_connect.reading import Reading
from tests.unit.driver_fixtures.modbus import ModbusDevice
from tests.unit.loopback import Loopback, closed_port

SIGNALS = (SignalAddress("count", "holding:0", {"data_type": "u16"}),)
FOR_EVER = 20.0


class Stand(Driver):
    """A driver whose every call the test sees and can hold up.

    The option ``device`` is the endpoint, ``unit`` tells connections to it apart.
    """

    protocol = "stand"
    read_requests = frozenset({"read"})
    calls = []
    gates = {}
    faults = {}
    open_now = set()
    reading_now = set()
    most_at_once = 0
    lock = threading.Lock()

    @classmethod
    def check_options(cls, options):
        return []

    @classmethod
    def check_address(cls, signal):
        return []

    @classmethod
    def endpoint(cls, options):
        return f"stand://{options['device']}"

    @classmethod
    def transport(cls, options):
        return (options["device"], options.get("setting"))

    @property
    def device(self):
        return self.options["device"]

    def note(self, what):
        with self.lock:
            self.calls.append((what, self.device, self.options.get("unit")))

    def open(self):
        self.note("open")
        with self.lock:
            assert self.device not in self.open_now, f"{self.device} has a client already"
            self.open_now.add(self.device)

    def read(self, signals):
        self.note("read")
        with self.lock:
            assert self.device not in self.reading_now, f"{self.device} is being read already"
            self.reading_now.add(self.device)
            type(self).most_at_once = max(self.most_at_once, len(self.reading_now))
        try:
            if gate := self.gates.get(self.device):
                assert gate.wait(FOR_EVER)
            if fault := self.faults.get(self.device):
                raise fault
            at = polling.clock.now()
            return [Reading(signal.name, 7, at, at) for signal in signals]
        finally:
            with self.lock:
                self.reading_now.discard(self.device)

    def close(self):
        self.note("close")
        with self.lock:
            self.open_now.discard(self.device)


@pytest.fixture
def stand(monkeypatch):
    """The driver of this test, known to the engine as ``stand``; all gates are opened at the end."""
    for name, empty in {"calls": [], "gates": {}, "faults": {}, "open_now": set(), "reading_now": set()}.items():
        monkeypatch.setattr(Stand, name, empty)
    monkeypatch.setattr(Stand, "most_at_once", 0)
    monkeypatch.setitem(DRIVERS, "stand", (__name__, "Stand"))
    real = polling.driver_class
    monkeypatch.setattr(polling, "driver_class", lambda protocol: Stand if protocol == "stand" else real(protocol))
    gates = Stand.gates
    yield Stand
    for gate in gates.values():
        gate.set()


@pytest.fixture
def engine():
    """A function that makes an engine and closes it after the test."""
    with contextlib.ExitStack() as stack:

        def make(threads=4):
            made = PollEngine(threads)
            stack.callback(made.close)
            return made

        yield make


def job(key, device=None, deadline=FOR_EVER, **options):
    return PollJob(key, "stand", {"device": device or key, "unit": key, **options}, SIGNALS, deadline)


def outcomes(engine, count, seconds=FOR_EVER):
    """Return so many outcomes as ``{key: outcome}``."""
    found, ends = [], time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < ends, f"only {[outcome.key for outcome in found]} came back"
        found += engine.completed(0.05)
    assert len(found) == count
    return {outcome.key: outcome for outcome in found}


def until(happened, what, seconds=FOR_EVER):
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends, what
        time.sleep(0.002)


def calls_of(stand, device):
    """Return what was done with one device: a thread that the test before gave up may hang up another only now."""
    return [what for what, asked, _unit in stand.calls if asked == device]


def poll_threads():
    return {thread for thread in threading.enumerate() if thread.name == "machine-poll"}


# Real devices


def modbus_job(key, device, deadline=5.0, **options):
    return PollJob(key, "modbus", {**device.options, **options}, SIGNALS, deadline)


def test_many_devices_are_read_and_lines_stay_open(engine):
    with Loopback() as loop, contextlib.ExitStack() as stack:
        devices = [
            stack.enter_context(ModbusDevice(loop, {1: {"holding": {0: [number]}}}, max_connections=1))
            for number in range(6)
        ]
        polls = engine(3)
        for _round in range(5):
            for number, device in enumerate(devices):
                assert polls.submit(modbus_job(number, device))
            found = outcomes(polls, len(devices))
            assert [found[number].readings[0].value for number in range(6)] == list(range(6))

        assert [device.line.connections_taken for device in devices] == [1] * 6
        assert [device.line.connections_refused for device in devices] == [0] * 6


def test_a_refused_a_silent_and_a_lying_device_cost_only_themselves(engine):
    with Loopback() as loop, contextlib.ExitStack() as stack:
        well, silent, short = (
            stack.enter_context(ModbusDevice(loop, {1: {"holding": {0: [42]}}})) for _number in range(3)
        )
        port, line = closed_port()
        stack.callback(line.close)
        silent.fault("blackhole")
        short.fault("wrong_length", count=1)
        polls = engine(4)
        began = time.monotonic()
        polls.submit(modbus_job("silent", silent))
        polls.submit(modbus_job("short", short))
        polls.submit(PollJob("refused", "modbus", {"host": "127.0.0.1", "port": port, "timeout": 0.3}, SIGNALS, 5.0))
        polls.submit(modbus_job("well", well))

        ended, found = {}, {}
        while len(found) < 4:
            for outcome in polls.completed(0.02):
                found[outcome.key] = outcome
                ended[outcome.key] = time.monotonic() - began

        assert found["well"].readings[0].value == 42
        assert found["refused"].code == "connection_refused"
        # By Modbus a line that opens is there; it is its unit that says nothing.
        assert found["silent"].readings[0].code == "no_answer"
        assert not found["short"].readings[0].is_good
        assert ended["well"] < 0.3 <= ended["silent"]


def test_units_behind_one_gateway_take_turns_on_one_line(engine):
    with Loopback() as loop:
        with ModbusDevice(loop, {unit: {"holding": {0: [unit]}} for unit in (1, 2, 3)}, max_connections=1) as gateway:
            polls = engine(4)
            for unit in (1, 2, 3):
                signals = (SignalAddress("count", "holding:0", {"data_type": "u16", "unit_id": unit}),)
                polls.submit(PollJob(unit, "modbus", {**gateway.options, "unit_id": unit}, signals, 5.0))
            found = outcomes(polls, 3)

            assert {key: outcome.readings[0].value for key, outcome in found.items()} == {1: 1, 2: 2, 3: 3}
            assert [question[0] for question in gateway.questions()] == [1, 2, 3]
            assert gateway.line.connections_taken == 1
            assert gateway.line.connections_refused == 0


def test_a_device_that_comes_back_is_called_anew(engine):
    with Loopback() as loop, ModbusDevice(loop, {1: {"holding": {0: [5]}}}, max_connections=1) as device:
        polls = engine()
        polls.submit(modbus_job("press", device))
        assert outcomes(polls, 1)["press"].code == ""
        device.lose()
        polls.submit(modbus_job("press", device))
        assert outcomes(polls, 1)["press"].readings is None
        device.come_back()
        polls.submit(modbus_job("press", device))

        assert outcomes(polls, 1)["press"].readings[0].value == 5
        assert device.line.connections_refused == 0


# Threads


def test_no_more_threads_than_allowed_however_many_devices(engine, stand):
    before = poll_threads()
    polls = engine(3)
    gates = {number: stand.gates.setdefault(number, threading.Event()) for number in range(1, 11)}
    for number in gates:
        assert polls.submit(job(number))
    until(lambda: len(stand.reading_now) == 3, "three are read")
    assert polls.busy() == 10
    assert len(poll_threads() - before) == 3
    for gate in gates.values():
        gate.set()

    assert outcomes(polls, 10).keys() == gates.keys()
    assert stand.most_at_once == 3
    assert polls.busy() == 0
    # The pool knows how many of its threads are free: a second rush finds three again, not more and not fewer.
    for gate in gates.values():
        gate.clear()
    for number in gates:
        polls.submit(job(number))
    until(lambda: len(stand.reading_now) == 3, "three are read again")
    assert len(poll_threads() - before) == 3


def test_few_devices_need_few_threads(engine, stand):
    before = poll_threads()
    polls = engine(16)
    for _round in range(20):
        polls.submit(job("press"))
        outcomes(polls, 1)
        until(lambda: polls._sound.idle == 1, "its thread is free again")

    assert len(poll_threads() - before) == 1
    assert stand.calls.count(("open", "press", "press")) == 1


def test_waiting_for_a_thread_is_not_the_devices_fault(engine, stand):
    stand.gates["slow"] = threading.Event()
    polls = engine(1)
    polls.submit(job("slow"))
    until(lambda: stand.reading_now, "the slow one is read")
    polls.submit(job("next", deadline=0.05))
    time.sleep(0.2)
    assert polls.completed() == []
    stand.gates["slow"].set()

    found = outcomes(polls, 2)
    assert found["next"].code == ""
    assert found["next"].seconds < 0.05


# Deadlines


def test_a_job_past_its_deadline_is_told_once_and_its_answer_is_dropped(engine, stand):
    stand.gates["press"] = threading.Event()
    polls = engine()
    polls.submit(job("press", deadline=0.1))

    late = outcomes(polls, 1)["press"]
    assert (late.code, late.params, late.readings) == ("deadline", {"seconds": 0.1}, None)
    assert late.seconds >= 0.1
    assert polls.busy() == 0
    assert not polls.submit(job("press")), "its thread still reads"
    assert polls.completed(0.1) == []
    stand.gates["press"].set()
    until(lambda: not polls.is_reading("stand://press"), "the read ended")
    assert polls.completed(0.05) == []

    assert polls.submit(job("press"))
    assert outcomes(polls, 1)["press"].readings[0].value == 7


def test_a_job_whose_predecessor_has_not_ended_is_refused(engine, stand):
    stand.gates["line"] = threading.Event()
    polls = engine()
    assert polls.submit(job(1, "line"))
    assert not polls.submit(job(1, "line"))
    assert polls.submit(job(2, "line"))
    assert not polls.submit(job(2, "line")), "it waits already"
    assert polls.busy() == 2
    stand.gates["line"].set()

    assert outcomes(polls, 2).keys() == {1, 2}
    assert polls.completed(0.05) == []


def test_jobs_of_one_endpoint_take_turns_in_the_order_in_which_they_came(engine, stand):
    stand.gates["line"] = threading.Event()
    polls = engine(8)
    wanted = [3, 1, 4, 15, 9, 2, 6]
    for number in wanted:
        polls.submit(job(number, "line"))
    stand.gates["line"].set()
    found, ends = [], time.monotonic() + FOR_EVER
    while len(found) < len(wanted) and time.monotonic() < ends:
        found += [outcome.key for outcome in polls.completed(0.05)]

    assert found == wanted
    assert stand.most_at_once == 1
    assert [what for what, _device, _unit in stand.calls if what == "open"] == ["open"], "one driver serves the lane"


def test_another_setting_on_the_same_endpoint_hangs_up_first(engine, stand):
    polls = engine()
    polls.submit(job(1, "line", setting="slow"))
    outcomes(polls, 1)
    polls.submit(job(2, "line", setting="fast"))
    assert outcomes(polls, 1)[2].code == ""

    assert calls_of(stand, "line") == ["open", "read", "close", "open", "read"]


# Giving up


def test_a_thread_that_never_comes_back_is_given_up_and_replaced(engine, stand, monkeypatch, caplog):
    monkeypatch.setattr(polling, "ABANDON_AFTER", 3)
    stuck = stand.gates["stuck"] = threading.Event()
    polls = engine(1)
    polls.submit(job("stuck", deadline=0.1))
    until(lambda: "stuck" in stand.reading_now, "it is read")
    polls.submit(job("well"))  # waits for the only thread
    found = {}
    with caplog.at_level(logging.WARNING):
        ends = time.monotonic() + FOR_EVER
        while len(found) < 2 and time.monotonic() < ends:
            found |= {outcome.key: outcome for outcome in polls.completed(0.02)}

    assert found["stuck"].code == "deadline"
    assert found["well"].readings[0].value == 7
    assert [record.getMessage() for record in caplog.records] == [
        "a read of stand://stuck never came back; it is given up"
    ]
    # What the lost thread does when it wakes up after all is nobody's business any more.
    del stand.gates["stuck"]
    with stand.lock:
        stand.open_now.discard("stuck")
        stand.reading_now.discard("stuck")
    assert polls.submit(job("stuck"))
    assert outcomes(polls, 1)["stuck"].readings[0].value == 7
    closed = stand.calls.count(("close", "stuck", "stuck"))
    stuck.set()
    until(lambda: stand.calls.count(("close", "stuck", "stuck")) == closed + 1, "the lost thread hung up its own line")
    with stand.lock:
        stand.open_now.add("stuck")  # that close was the lost thread's; the new line is still there
    assert polls.completed(0.05) == []
    assert polls.submit(job("stuck"))
    assert outcomes(polls, 1)["stuck"].code == ""
    assert stand.calls.count(("open", "stuck", "stuck")) == 2


def test_threads_given_up_do_not_use_up_the_pool(engine, stand, monkeypatch):
    monkeypatch.setattr(polling, "ABANDON_AFTER", 2)
    polls = engine(2)
    for number in range(1, 5):
        stand.gates[number] = threading.Event()
        polls.submit(job(number, deadline=0.05))
    polls.submit(job("well"))
    found, ends = {}, time.monotonic() + FOR_EVER
    while len(found) < 5 and time.monotonic() < ends:
        found |= {outcome.key: outcome for outcome in polls.completed(0.02)}

    assert found["well"].readings[0].value == 7
    assert {found[number].code for number in range(1, 5)} == {"deadline"}


# Hanging up


def test_release_hangs_up_at_once_when_nobody_reads(engine, stand):
    polls = engine()
    polls.submit(job("press"))
    outcomes(polls, 1)
    assert stand.open_now == {"press"}
    polls.release("stand://press")
    polls.release("stand://press")
    polls.release("stand://nobody")

    assert stand.open_now == set()
    assert stand.calls.count(("close", "press", "press")) == 1


def test_release_waits_for_the_read_and_what_waited_is_forgotten(engine, stand):
    stand.gates["line"] = threading.Event()
    polls = engine()
    polls.submit(job(1, "line"))
    polls.submit(job(2, "line"))
    until(lambda: "line" in stand.reading_now, "it is read")
    polls.release("stand://line")
    assert stand.open_now == {"line"}
    assert polls.is_reading("stand://line")
    assert polls.busy() == 1
    # Taken again before the read has ended: it waits, and never is there a second client.
    assert polls.submit(job(3, "line"))
    stand.gates["line"].set()

    assert outcomes(polls, 2).keys() == {1, 3}
    assert calls_of(stand, "line") == ["open", "read", "close", "open", "read"]


def test_a_job_released_before_it_began_is_never_put_to_the_device(engine, stand):
    stand.gates["slow"] = threading.Event()
    polls = engine(1)
    polls.submit(job("slow"))
    until(lambda: stand.reading_now, "the only thread is taken")
    polls.submit(job("gone"))
    polls.release("stand://gone")
    stand.gates["slow"].set()

    assert outcomes(polls, 1).keys() == {"slow"}
    until(lambda: not polls.is_reading("stand://gone"), "its turn is over")
    assert ("open", "gone", "gone") not in stand.calls


def test_close_hangs_up_all_and_ends_all_threads(stand):
    before = poll_threads()
    polls = PollEngine(4)
    for number in range(1, 4):
        polls.submit(job(number))
    outcomes(polls, 3)
    stand.gates[9] = threading.Event()
    polls.submit(job(9))
    until(lambda: 9 in stand.reading_now, "one is being read")
    polls.close()
    until(lambda: stand.open_now == {9}, "all the others are hung up")
    assert not polls.submit(job(10))
    stand.gates[9].set()

    until(lambda: not stand.open_now, "the last one is hung up when its read ends")
    until(lambda: not poll_threads() - before, "no thread is left")


# Bugs


def test_a_bug_in_a_driver_is_told_as_internal_and_logged_with_its_traceback(engine, stand, caplog):
    stand.faults["press"] = ZeroDivisionError("in the driver")
    polls = engine()
    polls.submit(job("press"))
    failed = outcomes(polls, 1)["press"]

    assert (failed.code, failed.params, failed.readings) == ("internal", {"error": "ZeroDivisionError"}, None)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
    assert stand.open_now == set()
    stand.faults.clear()
    polls.submit(job("press"))
    assert outcomes(polls, 1)["press"].readings[0].value == 7


@pytest.mark.parametrize(
    ("error", "code", "params"),
    [
        (ConnectionFailed("connection_lost", "host", seconds=3), "connection_lost", {"seconds": 3}),
        (
            DriverUnavailable("pymodbus", "pymodbus>=3.16"),
            "library_missing",
            {"library": "pymodbus", "requirement": "pymodbus>=3.16"},
        ),
    ],
)
def test_what_a_driver_may_raise_is_told_as_it_is_and_not_logged(engine, stand, caplog, error, code, params):
    stand.faults["press"] = error
    polls = engine()
    polls.submit(job("press"))
    failed = outcomes(polls, 1)["press"]

    assert (failed.code, failed.params) == (code, params)
    assert caplog.records == []
    assert stand.open_now == set()


def test_a_job_shows_no_secret():
    assert "hunter2" not in repr(PollJob(1, "modbus", {}, (), secrets={"password": "hunter2"}))


def stand_still_beside_sound_ones(polls, stand, dead):
    """Ask devices that stand still, which together hold the one thread of their own pool, and then sound ones.

    :return: the gates that let them go on
    """
    gates = [stand.gates.setdefault(name, threading.Event()) for name in dead]
    for name in dead:
        polls.submit(job(name))
    sound = [f"sound {number}" for number in range(8)]
    for name in sound:
        polls.submit(job(name))
    assert outcomes(polls, len(sound)).keys() == set(sound)
    until(lambda: stand.reading_now, "one of those that stand still is asked")
    assert len(stand.reading_now) == 1
    return gates


def test_devices_in_doubt_wait_for_each_other_and_not_the_sound_ones_for_them(engine, stand):
    polls = engine(4)
    dead = [f"dead {number}" for number in range(6)]
    for name in dead:
        stand.faults[name] = ConnectionFailed("connection_timeout")
        polls.submit(job(name))
    outcomes(polls, len(dead))

    gates = stand_still_beside_sound_ones(polls, stand, dead)

    # One that answers is asked with the sound ones from then on.
    stand.faults.clear()
    for gate in gates:
        gate.set()
    outcomes(polls, len(dead))
    assert not polls._in_doubt


def test_devices_that_another_engine_found_dead_keep_nobody_waiting_from_the_first_round_on(engine, stand):
    polls = engine(4)
    dead = [f"dead {number}" for number in range(6)]
    for name in dead:
        polls.doubt(stand.endpoint({"device": name}))

    for gate in stand_still_beside_sound_ones(polls, stand, dead):
        gate.set()
    outcomes(polls, len(dead))
