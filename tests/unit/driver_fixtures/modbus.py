"""A Modbus device on loopback: pymodbus' own server behind the simulator's fault proxy."""

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from machine_connect.drivers import SignalAddress, modbus_link
from simulator.faults import FaultProxy
from tests.unit.driver_fixtures import DriverFixture
from tests.unit.loopback import Loopback, closed_port, everybody_let_in

REQUESTS = {
    1: "read_coils",
    2: "read_discrete_inputs",
    3: "read_holding_registers",
    4: "read_input_registers",
}


class ModbusDevice:
    """A server and the line to it.

    :param loop: :class:`Loopback`
    :param dict units: unit -> ``{"holding": {address: [registers]}, "coil": {address: [bits]}, …}``; addresses that are
        not there are answered with exception 2, other units with 11
    :param str framing: socket, rtu or ascii
    :param int max_connections: connections taken at a time, 0 = any number
    :param float timeout: seconds that its drivers wait for an answer
    """

    def __init__(self, loop, units, framing="socket", max_connections=0, timeout=0.8):
        self._loop = loop
        self._units = units
        self._framing = framing
        self._max_connections = max_connections
        self._timeout = timeout
        self._server = None
        self.line = None

    def __enter__(self):
        self._loop.run(self._start())
        return self

    def __exit__(self, *exception):
        self._loop.run(self._stop())

    async def _start(self):
        self._server = await self._serve()
        port = self._server.transport.sockets[0].getsockname()[1]
        self.line = FaultProxy(port, max_connections=self._max_connections)
        await self.line.start()

    async def _stop(self):
        await self.line.stop()
        await everybody_let_in()
        await self._server.shutdown()

    async def _serve(self):
        async def nobody(*_request):
            return ExcCodes.GATEWAY_NO_RESPONSE

        devices = [SimDevice(id=unit, simdata=_simdata(tables)) for unit, tables in self._units.items()]
        everything = SimData(0, count=65536, datatype=DataType.REGISTERS)
        devices.append(SimDevice(id=0, simdata=[everything], action=nobody))
        server = ModbusTcpServer(devices, framer=FramerType(self._framing), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        return server

    @property
    def port(self):
        return self.line.port

    @property
    def options(self):
        transport = {"socket": "tcp", "rtu": "rtu_over_tcp", "ascii": "ascii_over_tcp"}[self._framing]
        return {"transport": transport, "host": "127.0.0.1", "port": self.port, "timeout": self._timeout}

    # What happened, and what shall happen

    def questions(self):
        """Return the frames that came in: ``(unit, function code, address, count)``."""
        return [parse_question(self._framing, frame) for frame in list(self.line.questions)]

    def forget_questions(self):
        self.line.questions.clear()

    def edit(self, function):
        """Let a function ``(question, answer) -> bytes or None`` stand between; see :class:`FaultProxy`."""
        self.line.edit = function

    def lose(self):
        self._loop.run(self.line.stop())

    def come_back(self):
        self._loop.run(self.line.start())

    def fault(self, name, **parameters):
        self._loop.call(self.line.fault, name, **parameters)

    def release(self, count=None):
        return self._loop.call(self.line.release, count)

    def connections(self):
        return self._loop.call(lambda: self.line.connections)


def parse_question(framing, frame):
    """Return ``(unit, function code, address, count)`` of a request for reading."""
    if framing == "ascii":
        frame = bytes.fromhex(frame[1:-2].decode())
    elif framing == "socket":
        frame = frame[6:]
    number = int.from_bytes
    return frame[0], frame[1], number(frame[2:4], "big"), number(frame[4:6], "big")


def _simdata(tables):
    """Return pymodbus' four lists: coils, discrete inputs, holding and input registers."""

    def bits(table):
        # The server keeps bits by 16, so that a list of any other length would be filled up anyway.
        return [
            SimData(
                address, values=[bool(bit) for bit in values] + [False] * (-len(values) % 16), datatype=DataType.BITS
            )
            for address, values in table.items()
        ]

    def words(table):
        return [SimData(address, values=list(values), datatype=DataType.REGISTERS) for address, values in table.items()]

    return (
        bits(tables.get("coil", {65520: [0]})),
        bits(tables.get("discrete", {65520: [0]})),
        words(tables.get("holding", {65535: [0]})),
        words(tables.get("input", {65535: [0]})),
    )


class Fixture(DriverFixture):
    library = "pymodbus"
    required = ("host",)
    secrets = {"password": "a-secret-that-nobody-asked-for"}

    def start(self):
        self._loop = Loopback().__enter__()
        tables = {
            "holding": {0: [7, 0, 48_211], 10: [0x4142, 0x4300]},
            "input": {72: [0x41B4, 0x0000]},
            "coil": {0: [1]},
            "discrete": {0: [0, 1]},
        }
        self._device = ModbusDevice(self._loop, {1: tables}).__enter__()
        self.options = self._device.options
        dead_port, self._reserved = closed_port()
        self.dead_options = {**self.options, "port": dead_port}
        self.signals = [
            (SignalAddress("state", "holding:0"), 7),
            (SignalAddress("good", "holding:1", {"data_type": "u32"}), 48_211),
            (SignalAddress("program", "holding:10", {"data_type": "string", "length": 2}), "ABC"),
            (SignalAddress("voltage", "input:0x0048", {"data_type": "f32"}), 22.5),
            (SignalAddress("drive", "coil:0"), True),
            (SignalAddress("door", "10002"), True),
            (SignalAddress("lamp", "holding:0.3"), False),
        ]
        self.refused_signal = SignalAddress("nowhere", "holding:9")
        self.malformed_signal = SignalAddress("malformed", "register 5")

    def stop(self):
        self._reserved.close()
        self._device.__exit__()
        self._loop.__exit__()

    def lose(self):
        self._device.lose()

    def come_back(self):
        self._device.come_back()

    def requests(self):
        codes = {question[1] for question in self._device.questions()}
        return {REQUESTS.get(code, f"function {code}") for code in codes}

    def connections(self):
        return self._device.connections()

    def forget_library(self):
        modbus_link._library.cache_clear()
