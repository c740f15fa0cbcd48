"""A recorded day told over OPC UA says at every moment what the recording says, at any speed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from machine_connect.drivers import SignalAddress, driver_class
from machine_connect.errors import ConnectionFailed
from machine_connect.reading import Quality
from simulator.replay import RECORDINGS, REPLAY_FAULTS, Replay, seen
from tests.unit.loopback import wait_until

Driver = driver_class("opcua")
HERE = Path(__file__).parent / "recordings"
PLATES = HERE / "plate-op2-20parts-Hurco04.txt"

LINES = """\
2020-01-01T00:00:00.0000000Z|Program_Status|ACTIVE|Program_Name_Running|A
2020-01-01T00:00:10.0000000Z|Part_Count|100|Feed_Rate|12.5
2020-01-01T00:00:20.0000000Z|Program_Status|PROGRAM_COMPLETED
2017
2020-01-01T00:00:20.0000000Z|Part_Count|101
2020-01-01T00:00:30.0000000Z|Part_Count|UNAVAILABLE|Program_Name_Running|UNAVAILABLE|Feed_Rate|fast
2020-01-01T00:00:40.0000000Z|Part_Count|102|Program_Status|ACTIVE
2020-01-01T00:00:45.0000000Z|system|FAULT|7|HIGH||door
2020-01-01T00:00:50.0000000Z|Program_Status|PROGRAM_COMPLETED
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("recording") / "day.txt"
    made.write_text(LINES)
    return made


def signals(*keys, device="Hurco04"):
    return [SignalAddress(key, f"nsu=urn:mmc:simulator:replay;s={device}.{key}") for key in keys]


class Heard(Replay):
    """A replay that tells a dictionary instead of a server: ``{key: (value or name of a bad status, time)}``."""

    async def serve(self, variables):
        self.said = dict.fromkeys(variables, ("BadWaitingForInitialData", None))

    async def hang_up(self):
        pass

    async def set(self, key, value, at=None):
        self.said[key] = (value, at)

    async def set_bad(self, key, status, at):
        self.said[key] = (status, at)


@pytest.fixture
def play(loop, path, monkeypatch):
    """A function that starts a replay whose time stands until it is set: ``replay, at = play()``."""
    started = []

    def start(replay_class=Heard, **settings):
        async def make():
            machine = replay_class(port=0, **{"path": path, "loop": False, **settings})
            await machine.start()
            return machine

        machine = loop.run(make())
        started.append(machine)
        now = [machine.started - 1]
        monkeypatch.setattr("simulator.replay.time.time", lambda: now[0])

        def at(seconds):
            """Let it be that recorded second, and what is due be told."""
            now[0] = machine.started + seconds / machine.speed
            loop.run(machine.tell(now[0]))

        return machine, at

    # the first line comes true in an hour, so that nothing is told before the test sets the time
    yield lambda *args, **settings: start(*args, **{"start_delay": 3600, **settings})
    for machine in started:
        loop.run(machine.stop())


@pytest.fixture
def play_on_line(play):
    """The same with its server, and a driver that is open: ``replay, at, driver = play_on_line()``."""
    opened = []

    def start(**settings):
        machine, at = play(Replay, **settings)
        driver = Driver({"url": machine.url})
        driver.open()
        opened.append(driver)
        return machine, at, driver

    yield start
    for driver in opened:
        driver.close()


def value(driver, key):
    return driver.read(signals(key))[0].value


# What is told


def test_no_value_before_its_first_line(play):
    replay, at = play()
    at(-1)
    assert replay.said["Program_Status"] == ("BadWaitingForInitialData", None)
    at(5)

    assert replay.said["Program_Status"][0] == "ACTIVE"
    assert replay.said["Part_Count"] == ("BadWaitingForInitialData", None)


def test_each_line_has_the_time_at_which_it_came_true(play):
    replay, at = play(speed=200)
    at(25)
    start = datetime.fromtimestamp(replay.started, timezone.utc)

    assert (replay.said["Program_Status"][0], replay.said["Part_Count"][0]) == ("PROGRAM_COMPLETED", 101)
    for key in ("Program_Status", "Part_Count"):
        assert abs(replay.said[key][1] - start - timedelta(seconds=20 / 200)) < timedelta(milliseconds=1)


def test_unavailable_is_no_number_and_stays_a_text(play):
    replay, at = play()
    at(35)

    assert replay.said["Part_Count"] == ("BadDataUnavailable", replay.moment(30))
    assert replay.said["Program_Name_Running"] == ("UNAVAILABLE", replay.moment(30))
    assert replay.said["Feed_Rate"] == ("BadTypeMismatch", replay.moment(30))
    at(45)
    assert replay.said["Part_Count"][0] == 102


def test_a_condition_is_told_as_a_text(play):
    replay, at = play()
    at(51)

    assert replay.said["system"][0] == "FAULT|7|door"


def test_a_day_that_begins_anew_adds_what_it_counted(play):
    replay, at = play(loop=True)
    assert replay.day_total == 3, "100, 101, 102: three pieces, for the first came after the day had begun"
    counts = []
    for seconds in range(0, 155, 3):
        at(seconds)
        count, _at = replay.said["Part_Count"]
        if isinstance(count, int) and count not in counts[-1:]:
            counts.append(count)

    assert counts == [100, 101, 102, 103, 104, 105, 106, 107, 108]
    assert replay.truth()["days"] == 3
    assert replay.truth()["completed"] == 6


def test_a_count_in_a_days_first_line_is_no_piece(tmp_path):
    (tmp_path / "x.txt").write_text("2020-01-01T00:00:00Z|Part_Count|5\n2020-01-01T00:00:09Z|Part_Count|7\n")

    assert Replay(path=tmp_path / "x.txt").day_total == 2


def test_the_recordings_count_what_is_known_of_them():
    plates, day = Replay(), Replay(path=RECORDINGS / "2-1-2017-Hurco04-Clean.txt.gz")

    assert (plates.day_total, plates.malformed, len(plates.lines)) == (20, 0, 4522)
    assert (day.day_total, day.malformed) == (10, 9)


def test_nothing_to_tell_is_an_error(tmp_path):
    (tmp_path / "x.txt").write_text("* PONG 10000\n")

    with pytest.raises(ValueError, match="no observation"):
        Replay(path=tmp_path / "x.txt")
    with pytest.raises(ValueError, match="speed"):
        Replay(path=PLATES, speed=0)


def test_at_the_end_the_truth_is_that_of_the_recording(play):
    replay, at = play(path=PLATES)
    at(7000)
    truth = replay.truth()

    assert (truth["completed"], truth["counter"], truth["active_seconds"]) == (20, 1108, 1061.359)
    assert (truth["ended"], truth["told"]) == (True, 4522)
    json.dumps(truth)


def test_lines_are_told_in_time_without_a_reader(loop, path):
    async def work():
        replay = Heard(port=0, path=path, loop=False, speed=100)
        await replay.start()
        await asyncio.wait_for(replay.ended.wait(), 10)
        await replay.stop()
        return replay.truth()

    truth = loop.run(work())
    assert truth["told"] == truth["lines"]
    assert truth["reads"] == 0


# What a poller sees


def test_what_a_poller_saw_can_be_worked_out_from_the_moments_of_its_reads(play_on_line):
    replay, at, driver = play_on_line(path=PLATES, speed=20, keep_reads=True)
    keys = ("Program_Status", "Part_Count")
    saw = []
    for turn in range(400):
        at(turn * 17 + turn % 7)
        saw.append([(made.value, made.at) for made in driver.read(signals(*keys))])

    moments = [recorded for _now, recorded, _told, asked in replay.truth()["read_log"] if asked == 2]
    assert len(moments) == len(saw)
    for position, key in enumerate(keys):
        for readings, wanted in zip(saw, seen(replay.lines, key, moments), strict=True):
            said, moment = readings[position]
            if wanted is None:
                assert said is None
            else:
                recorded, text = wanted
                assert (str(said), moment) == (text, replay.moment(recorded))
    assert replay.truth()["reads"] == 400


def test_over_the_wire_values_have_type_status_and_time(play_on_line):
    replay, at, driver = play_on_line()
    keys = ("Program_Status", "Part_Count", "Feed_Rate", "Program_Name_Running")
    (before,) = driver.read(signals("Program_Status"))
    at(12)
    known = driver.read(signals(*keys))
    at(35)
    gone = driver.read(signals(*keys))

    assert (before.quality, before.raw["status"], before.raw["source"]) == (
        Quality.BAD,
        "BadWaitingForInitialData",
        None,
    )
    assert [made.value for made in known] == ["ACTIVE", 100, 12.5, "A"]
    assert [made.raw["type"] for made in known] == ["String", "Int32", "Double", "String"]
    assert known[1].at == replay.moment(10)
    assert [made.code for made in gone] == ["", "unavailable", "bad_status", "unavailable"]
    assert gone[1].raw["status"] == "BadDataUnavailable"
    assert gone[1].at == gone[3].at == replay.moment(30)
    assert replay.address("Part_Count") == "nsu=urn:mmc:simulator:replay;s=Hurco04.Part_Count"


# Failing


def test_time_may_stand_still(play, loop):
    replay, at = play()
    at(12)
    loop.call(replay.fault, "pause", seconds=0.1)
    wait_until(lambda: replay._pause is not None)
    at(25)
    assert replay.said["Part_Count"][0] == 100, "it stands still at second 12"
    wait_until(lambda: replay._pause is None)
    at(30)
    assert replay.said["Part_Count"][0] == 100, "13 seconds were lost, so it is second 17"
    at(34)

    assert replay.said["Part_Count"] == (101, replay.moment(20))


def test_a_counter_may_begin_anew(play, loop):
    replay, at = play()
    at(25)
    loop.call(replay.fault, "reset_counter", value=1)
    at(45)

    assert replay.said["Part_Count"][0] == 2


def test_after_the_last_line_it_hangs_up_if_it_is_to(play_on_line):
    replay, at, driver = play_on_line(linger=0.1)
    assert value(driver, "Part_Count") is None
    at(51)

    with pytest.raises(ConnectionFailed):
        wait_until(lambda: driver.read(signals("Part_Count")) is None)
    driver.close()
    with pytest.raises(ConnectionFailed):
        driver.open()


@pytest.mark.parametrize(("name", "parameters"), [("jam", {}), ("pause", {"loudly": 1}), ("delay", {"loudly": 1})])
def test_what_it_does_not_understand_it_says(name, parameters):
    with pytest.raises(ValueError, match=REPLAY_FAULTS.get(name, name)[:20].replace("(", "\\(")):
        Replay(path=PLATES).fault(name, **parameters)


def test_as_a_program_it_tells_where_it_is_and_what_was_true(path, tmp_path):
    log = tmp_path / "reads.json"
    command = [
        sys.executable,
        "-m",
        "simulator.replay",
        str(path),
        "--port",
        "0",
        "--speed",
        "100",
        "--read-log",
        str(log),
    ]
    variables = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables, cwd=HERE.parents[2]) as program:
        try:
            where = json.loads(program.stdout.readline())
            with Driver({"url": where["url"]}) as driver:
                deadline = time.monotonic() + 20
                while value(driver, "Part_Count") != 102:
                    assert time.monotonic() < deadline
            with urllib.request.urlopen(f"{where['control']}/replay", timeout=10) as answer:
                assert json.load(answer)["counter"] == 102
        finally:
            program.send_signal(signal.SIGTERM)
            rest, _errors = program.communicate(timeout=20)

    assert program.returncode == 0
    assert json.loads(rest)["completed"] >= 1
    assert json.loads(log.read_text())
