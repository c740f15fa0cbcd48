"""The proxy that lets lines fail leaves nothing behind: no socket, no task, no thread, whenever it is stopped."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from simulator.faults import FAULTS, FaultProxy
from simulator.filler import Filler
from simulator.packer import Packer
from simulator.press import Press
from simulator.replay import Replay

ROOT = Path(__file__).parents[2]


def sockets():
    """The sockets that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the one by which the folder was listed
            continue
        if name.startswith("socket:"):
            found.append(name)
    return set(found)


def leaves_nothing(coroutine, caplog):
    """Run a coroutine in a loop of its own and fail on whatever it leaves behind or asyncio complains of."""
    gc.collect()
    before = sockets() | set(threading.enumerate())

    async def watched():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["message"]))
        try:
            return await coroutine
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            assert (complaints, others) == ([], set())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = asyncio.run(watched())
        gc.collect()

    assert [str(warning.message) for warning in caught] == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert (sockets() | set(threading.enumerate())) - before == set()
    return result


async def echo_server():
    """A machine that says what it hears, and a function that ends it."""
    lines = set()

    async def serve(reader, writer):
        lines.add(writer)
        try:
            while heard := await reader.read(100):
                writer.write(heard)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            lines.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    async def end():
        server.close()
        for line in list(lines):
            line.transport.abort()
        while lines:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)

    return server.sockets[0].getsockname()[1], end


async def hang_up(*writers):
    for writer in writers:
        writer.close()
    for writer in writers:
        try:
            await writer.wait_closed()
        except OSError:
            pass


async def call(proxy, word=b"a"):
    """Ask through the proxy; the answer and the line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(word)
    return await reader.read(100), writer


@pytest.mark.parametrize("turns", range(8))
def test_a_caller_who_is_just_coming_in_when_it_stops_leaves_nothing_behind(turns, caplog):
    async def run():
        port, end = await echo_server()
        proxy = FaultProxy(port)
        await proxy.start()
        calls = [asyncio.ensure_future(asyncio.open_connection("127.0.0.1", proxy.port)) for _caller in range(5)]
        for _turn in range(turns):
            await asyncio.sleep(0)
        await proxy.stop()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert proxy.connections == 0
        await hang_up(*(answer[1] for answer in answers if not isinstance(answer, BaseException)))
        await end()

    leaves_nothing(run(), caplog)


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_stopped_in_the_middle_of_a_fault_it_leaves_nothing_behind(fault, caplog):
    async def run():
        port, end = await echo_server()
        proxy = FaultProxy(port)
        await proxy.start()
        answer, first = await call(proxy)
        assert answer == b"a"
        proxy.fault(fault, **({} if fault == "heal" else {"seconds": 60}))
        second = asyncio.ensure_future(call(proxy, b"bc"))
        await asyncio.sleep(0.02)
        await proxy.stop()
        assert proxy.connections == 0
        found = await asyncio.gather(second, return_exceptions=True)
        await hang_up(first, *(one[1] for one in found if not isinstance(one, BaseException)))
        await end()

    leaves_nothing(run(), caplog)


@pytest.mark.parametrize("turns", range(4))
def test_one_who_was_cancelled_while_it_began_to_listen_can_stop_it(turns, caplog):
    async def run():
        proxy = FaultProxy(1)
        starting = asyncio.ensure_future(proxy.start())
        for _turn in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await proxy.stop()

    leaves_nothing(run(), caplog)


def test_after_a_stop_it_is_healed_of_what_would_have_ended_by_itself(caplog):
    async def run():
        port, end = await echo_server()
        proxy = FaultProxy(port)
        await proxy.start()
        for fault in ("drop", "blackhole", "wrong_length"):
            proxy.fault(fault, seconds=60)
        proxy.fault("delay", seconds=60, during=60)
        await proxy.stop()
        await proxy.start()
        answer, line = await asyncio.wait_for(call(proxy, b"abc"), 5)
        assert answer == b"abc"
        await hang_up(line)
        await proxy.stop()
        await end()

    leaves_nothing(run(), caplog)


def test_a_fault_that_waits_for_somebody_survives_a_stop(caplog):
    async def run():
        port, end = await echo_server()
        proxy = FaultProxy(port)
        await proxy.start()
        proxy.fault("wrong_length", count=1)
        await proxy.stop()
        await proxy.start()
        first, line = await call(proxy, b"abc")
        proxy.fault("heal")
        second, other = await call(proxy, b"abc")
        assert (first, second) == (b"ab", b"abc")
        await hang_up(line, other)
        await proxy.stop()
        await end()

    leaves_nothing(run(), caplog)


def test_what_was_healed_by_hand_is_not_ended_once_more(caplog):
    async def run():
        proxy = FaultProxy(1)
        await proxy.start()
        proxy.fault("blackhole", seconds=0.05)
        proxy.fault("heal")
        proxy.fault("blackhole")
        await asyncio.sleep(0.1)
        assert not proxy._open.is_set()
        await proxy.stop()

    leaves_nothing(run(), caplog)


@pytest.mark.parametrize("machine_class", [Press, Filler, Replay, Packer])
def test_a_machine_that_is_stopped_while_things_go_wrong_leaves_nothing_behind(machine_class, caplog):
    async def run():
        machine = machine_class(port=0)
        await machine.start()
        reader, line = await asyncio.open_connection("127.0.0.1", machine.port)
        for fault in ("power_off", "alarm_flood", "alarm_flood", "lose_plc", "pause"):
            try:
                machine.fault(fault, seconds=60)
            except ValueError:
                continue  # none of this machine's
        machine.fault("delay", seconds=1, during=60)
        await asyncio.sleep(0.05)
        await machine.stop()
        await hang_up(line)

    leaves_nothing(run(), caplog)


def test_the_whole_plant_ends_without_a_warning():
    command = [sys.executable, "-W", "error", "-m", "simulator", "--control-port=0"]
    command += [f"--{name}-port=0" for name in ("press", "filler", "cnc")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            lines = [program.stdout.readline() for _line in range(4)]
            assert lines[-1].startswith("control"), lines
            program.terminate()
            _said, complaints = program.communicate(timeout=30)
        finally:
            program.kill()

    assert (program.returncode, complaints) == (0, "")
