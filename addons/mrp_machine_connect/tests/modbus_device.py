"""A Modbus device on loopback, in a thread of its own: what the addon's tests poll."""

import asyncio
import socket
import threading

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class ModbusDevice:
    """Serves holding registers 0 to 19 of unit 1 on a free port of 127.0.0.1.

    :ivar registers: list of 20 values, read at each request
    :ivar reads: number of requests so far
    """

    def __init__(self, port=0):
        self.registers = [0] * 20
        self.reads = 0
        self.port = port or _free_port()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the Modbus device did not start")
        return self

    def __exit__(self, *exception):
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def set_u32(self, register, value):
        """Set a 32 bit value, high word first."""
        self.registers[register : register + 2] = [value >> 16, value & 0xFFFF]

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._serve())
        self._loop.run_forever()

    async def _serve(self):
        device = SimDevice(
            id=1, simdata=[SimData(0, count=20, values=0, datatype=DataType.REGISTERS)], action=self._answer
        )
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        serving = self._loop.create_task(self._server.serve_forever())
        while self._server.transport is None:
            await asyncio.sleep(0.005)
        self._started.set()
        await serving

    async def _answer(self, _function, start, address, count, registers, _set_values):
        self.reads += 1
        for offset in range(count):
            registers[address - start + offset] = self.registers[address + offset]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
