"""An OPC UA server on loopback: asyncua's own behind the simulator's fault proxy."""

from asyncua import ua

from machine_connect.drivers import SignalAddress
from machine_connect.drivers.opcua_wire import library
from tests.unit.driver_fixtures import DriverFixture
from tests.unit.loopback import Loopback, closed_port
from tests.unit.opcua_server import OpcUaServer

LINE = "urn:plant:line"


class Fixture(DriverFixture):
    library = "asyncua"
    required = ("url",)
    secrets = {"password": "a-secret-that-nobody-asked-for"}

    def start(self):
        self._loop = Loopback().__enter__()
        self._server = OpcUaServer(self._loop, prepare=self._prepare).__enter__()
        self.options = {**self._server.options, "timeout": 1.0}
        dead_port, self._reserved = closed_port()
        self.dead_options = {**self.options, "url": f"opc.tcp://127.0.0.1:{dead_port}/plant"}
        self.signals = [
            (SignalAddress("state", f"nsu={LINE};s=State"), 6),
            (SignalAddress("good", f"nsu={LINE};s=Good"), 48_211),
            (SignalAddress("program", f"nsu={LINE};s=Program"), "ABC"),
            (SignalAddress("speed", f"nsu={LINE};s=Speed", {"data_type": "Double"}), 22.5),
            (SignalAddress("door", f"nsu={LINE};s=Door"), True),
            (SignalAddress("third", f"nsu={LINE};s=Zones", {"index": 2}), 30),
        ]
        self.refused_signal = SignalAddress("nowhere", f"nsu={LINE};s=Nowhere")
        self.malformed_signal = SignalAddress("malformed", "ns=2;s=State")

    @staticmethod
    async def _prepare(server):
        kinds = ua.VariantType
        for name, value, kind in (
            ("State", 6, kinds.Int32),
            ("Good", 48_211, kinds.UInt32),
            ("Program", "ABC", kinds.String),
            ("Speed", 22.5, kinds.Double),
            ("Door", True, kinds.Boolean),
            ("Zones", [10, 20, 30], kinds.Int16),
        ):
            await server.add(LINE, name, value, kind)

    def stop(self):
        self._reserved.close()
        self._server.__exit__()
        self._loop.__exit__()

    def lose(self):
        self._server.lose()

    def come_back(self):
        self._server.come_back()

    def requests(self):
        return set(self._server.requests())

    def connections(self):
        return self._server.connections()

    def forget_library(self):
        library.cache_clear()
