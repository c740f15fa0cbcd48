"""Whatever a person enters wrong: one sentence that names the field and the remedy, on the form, and no traceback."""

import http.server
import shutil
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from unittest.mock import patch

from asyncua import ua

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import wording
from ..machine_connect.drivers.opcua_security import ensure_certificate
from ..machine_connect.errors import CODES
from ..machine_connect.event import HELD_REASONS
from .common import MachineConnectCommon
from .modbus_device import ModbusDevice
from .opcua_device import NAMESPACE, SECURED, OpcUaDevice

PASSWORD = "correct horse battery staple"


class _EachIsKnown(dict):
    """In place of the dash that stands for what a code did not bring: a test that sees it fails."""

    def __missing__(self, key):
        raise AssertionError(f"the sentence speaks of {key!r}, and the code did not bring it")


class BadInputCase(MachineConnectCommon):
    """A connection of a machine, and a way to ask what a person is told."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patch.object(wording, "_Named", _EachIsKnown))
        cls.enterClassContext(mute_logger("odoo.addons.mrp_machine_connect"))

    def connect(self, protocol, **values):
        """Return a stored connection; what the model refuses at once is raised."""
        connection = self.env["mrp.machine.connection"].create(
            {"machine_id": self.machine.id, "protocol": protocol, "timeout": 1.0, "host": "127.0.0.1", **values}
        )
        self.env.flush_all()
        return connection

    def signal(self, connection, **values):
        signal = self.env["mrp.machine.signal"].create(
            {"machine_id": self.machine.id, "connection_id": connection.id, "name": "Any", "role": "value", **values}
        )
        self.env.flush_all()
        return signal

    def told(self, ask):
        """Return what a person reads when a question fails; it must be words of ours."""
        with self.assertRaises(UserError) as refused, self.env.cr.savepoint():
            ask()
        text = str(refused.exception)
        self.assertNotIn("Traceback", text)
        self.assertNotIn(PASSWORD, text)
        return text

    def words_of_read(self, connection):
        """Return what Read Now tells of the only signal of a connection."""
        with self.enter_registry_test_mode():
            action = connection.action_read_now()
        line = self.env["mrp.machine.read.now"].browse(action["res_id"]).line_ids
        self.assertEqual(len(line), 1)
        return line.words

    def refused_test(self, connection):
        """Return what Test tells when it fails."""
        with self.enter_registry_test_mode():
            return self.told(connection.action_test)

    def assertNames(self, text, field, remedy):
        """The sentence begins with the field as the form calls it, and says what to do."""
        self.assertIn(f"{field}: ", text)
        self.assertIn(remedy, text)


@tagged("post_install", "-at_install")
class TestBadSettings(BadInputCase):
    """What the form refuses when it is saved: nothing is sent."""

    def test_modbus_settings(self):
        for values, field, remedy in (
            ({"host": ""}, "Host", "This is needed"),
            ({"host": "http://10.0.0.5"}, "Host", "without http://"),
            ({"host": "10.0.0.5:502"}, "Host", "Put the port into the field Port"),
            ({"host": "press 4"}, "Host", "neither the name nor the address"),
            ({"port": 0}, "Port", "1 to 65535"),
            ({"port": 70_000}, "Port", "1 to 65535"),
            ({"unit_id": 256}, "Unit", "0 to 255"),
            ({"unit_id": -1}, "Unit", "0 to 255"),
            ({"max_registers": 126}, "Max Registers", "1 to 125"),
            ({"transport": "serial", "serial_port": ""}, "Serial Port", "This is needed"),
            ({"transport": "serial", "serial_port": "ttyUSB0"}, "Serial Port", "/dev/ttyUSB0"),
            ({"transport": "serial", "serial_port": "/dev/ttyUSB0", "baudrate": 1}, "Baudrate", "300"),
        ):
            with self.subTest(**values):
                self.assertNames(self.told(lambda values=values: self.connect("modbus", **values)), field, remedy)

    def test_opcua_settings(self):
        for values, field, remedy in (
            ({"url": ""}, "Endpoint Address", "This is needed"),
            ({"url": "http://10.0.0.5"}, "Endpoint Address", "opc.tcp://host:4840"),
            ({"url": "opc.tcp://10.0.0.5:99999"}, "Endpoint Address", "opc.tcp://host:4840"),
            ({"url": "opc.tcp://me:secret@10.0.0.5"}, "Endpoint Address", "fields of their own"),
            ({"url": "opc.tcp://h", "server_certificate_fingerprint": "12:34"}, "Server Certificate Fingerprint", "64"),
        ):
            with self.subTest(**values):
                self.assertNames(self.told(lambda values=values: self.connect("opcua", **values)), field, remedy)

    def test_how_often(self):
        self.assertIn("Choose «Worker»", self.told(lambda: self.connect("modbus", interval=5)))

    def test_signal_addresses(self):
        modbus = self.connect("modbus")
        opcua = self.connect("opcua", url="opc.tcp://127.0.0.1:1")
        for connection, values, field, remedy in (
            (modbus, {"address": "register 7"}, "Address", "holding:100"),
            (modbus, {"address": "holding:70000"}, "Address", "holding:100"),
            (modbus, {"address": "holding:65535", "data_type": "u32"}, "Address", "0 to 65534"),
            (modbus, {"address": "coil:5", "data_type": "f32"}, "Data Type", "manual gives"),
            (modbus, {"address": "holding:5", "data_type": "string"}, "Length", "This is needed"),
            (modbus, {"address": "holding:5", "data_type": "string", "length": 126}, "Length", "1 to 125"),
            (
                modbus,
                {"address": "holding:5", "data_type": "string", "length": 4, "encoding": "klingon"},
                "Encoding",
                "utf-8",
            ),
            (modbus, {"address": "holding:5", "unit_id": 300}, "Modbus Unit", "0 to 255"),
            (opcua, {"address": "Good"}, "Address", "nsu=<namespace>;s=<name>"),
            (opcua, {"address": "ns=2;s=Good"}, "Address", "pick the address by Browse"),
        ):
            with self.subTest(**values):
                text = self.told(lambda connection=connection, values=values: self.signal(connection, **values))
                if field == "Modbus Unit":
                    field = "Unit"  # as on the connection; the driver has one word for both
                self.assertNames(text, field, remedy)

    def test_meanings(self):
        connection = self.connect("modbus")
        for values, field, remedy in (
            ({"role": "good"}, "Any", "fastest cycle"),
            ({"role": "good", "fastest_cycle": 1, "counter_width": "custom"}, "Any", "2 or more"),
            ({"scale": 0}, "Scale", "or 0"),
            ({"extraction": "regex", "extraction_pattern": "(a+)+"}, "Extraction", "may not be used"),
            ({"extraction": "regex", "extraction_pattern": "("}, "Extraction", "may not be used"),
            ({"extraction": "bit", "extraction_bit": 64}, "Extraction", "may not be used"),
        ):
            with self.subTest(**values):
                text = self.told(lambda values=values: self.signal(connection, address="holding:1", **values))
                self.assertNames(text, field, remedy)


class _Gateway(socketserver.ThreadingTCPServer):
    """Answers every Modbus request as a gateway does whose unit is silent: exception 11 (V1.1b3, 7)."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _SilentUnit)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *exception):
        self.shutdown()
        return super().__exit__(*exception)


class _SilentUnit(socketserver.BaseRequestHandler):
    def handle(self):
        while question := self.request.recv(260):
            self.request.sendall(question[:4] + b"\0\3" + question[6:7] + bytes([question[7] | 0x80, 11]))


@tagged("post_install", "-at_install")
class TestBadModbus(BadInputCase):
    """What Test and Read Now tell of a real device."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.device = ModbusDevice()
        cls.enterClassContext(cls.device)
        # Bound and not listened on: nobody else can take it, and whoever calls is refused.
        cls.dead = socket.socket()
        cls.dead.bind(("127.0.0.1", 0))
        cls.addClassCleanup(cls.dead.close)
        # Listens and never says a word.
        cls.mute = socket.create_server(("127.0.0.1", 0))
        cls.addClassCleanup(cls.mute.close)

    def test_a_wrong_host(self):
        connection = self.connect("modbus", host="press-4.invalid", port=self.device.port)

        self.assertNames(self.refused_test(connection), "Host", "Check the spelling, or write its IP address")

    def test_a_wrong_port(self):
        connection = self.connect("modbus", port=self.dead.getsockname()[1])

        self.assertNames(self.refused_test(connection), "Port", "Check the port")

    def test_a_port_where_something_else_lives(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_args: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        connection = self.connect("modbus", port=server.server_address[1])
        self.signal(connection, address="holding:0")

        words = self.refused_test(connection)

        self.assertIn("another program" if "hung up" in words else "speaks another protocol", words)

    def test_a_device_that_never_answers(self):
        connection = self.connect("modbus", port=self.mute.getsockname()[1], timeout=0.2)
        self.signal(connection, address="holding:0")

        self.assertIn("Check the unit", self.words_or_refusal(connection))

    def words_or_refusal(self, connection):
        try:
            return self.words_of_read(connection)
        except UserError as refused:
            return str(refused)

    def test_a_serial_port_that_is_not_there(self):
        connection = self.connect("modbus", transport="serial", serial_port="/dev/ttyUSB99")

        self.assertNames(self.refused_test(connection), "Serial Port", "/dev/ttyUSB99")

    def test_a_wrong_unit(self):
        connection = self.connect("modbus", port=self.device.port, unit_id=9, timeout=0.3)
        self.signal(connection, address="holding:0")

        self.assertIn("Check the unit", self.words_or_refusal(connection))

    def test_a_wrong_unit_behind_a_gateway(self):
        with _Gateway() as gateway:
            connection = self.connect("modbus", port=gateway.port, unit_id=9, timeout=0.5)
            self.signal(connection, address="holding:0")

            words = self.words_or_refusal(connection)

        self.assertIn("Unit 9 behind the gateway does not answer. Check the unit", words)

    def test_a_wrong_register(self):
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, address="holding:900")

        words = self.words_of_read(connection)

        self.assertIn("nothing at «holding:900»", words)
        self.assertIn("try one less", words)

    def test_a_wrong_table(self):
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, address="coil:900")

        self.assertIn("try", self.words_of_read(connection).lower())

    def test_a_wrong_type(self):
        self.device.registers[0:2] = [0xABCD, 0xEF01]
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, address="holding:0", data_type="bcd32")

        self.assertIn("Check data type", self.words_of_read(connection))

    def test_a_wrong_encoding(self):
        self.device.registers[0:2] = [0xFFFE, 0xFDFC]
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, address="holding:0", data_type="string", length=2, encoding="utf-8")

        self.assertIn("encoding", self.words_of_read(connection))

    def test_a_state_that_nobody_mapped(self):
        self.device.registers[0] = 77
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, address="holding:0", role="state", state_table="packml_opc_30050")

        words = self.words_of_read(connection)

        self.assertIn("«77»", words)
        self.assertIn("Map it on the page «Codes»", words)

    def test_a_test_tells_which_signal_cannot_be_read(self):
        connection = self.connect("modbus", port=self.device.port)
        self.signal(connection, name="Right", address="holding:0")
        self.signal(connection, name="Wrong", address="holding:900")

        with self.enter_registry_test_mode():
            params = connection.action_test()["params"]

        self.assertEqual(params["type"], "warning")
        self.assertIn(
            "1 of 2 signals cannot be read. Wrong: The device has nothing at «holding:900»", params["message"]
        )


@tagged("post_install", "-at_install")
class TestBadOpcUa(BadInputCase):
    """The same of OPC UA servers: an open one, one with users, one that wants certificates."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        certificate = ensure_certificate(Path(cls.folder, "server"), "urn:plant:server")
        cls.own = ensure_certificate(Path(cls.folder, "own"), cls.env["mrp.machine.connection"]._application_uri())
        cls.startClassPatcher(
            patch.object(type(cls.env["mrp.machine.connection"]), "_certificate_paths", lambda _self: cls.own)
        )
        cls.open = cls.enterClassContext(OpcUaDevice())
        cls.guarded = cls.enterClassContext(OpcUaDevice(users={"operator": PASSWORD}))
        cls.secured = cls.enterClassContext(OpcUaDevice(policies=SECURED, certificate=certificate))
        cls.strict = cls.enterClassContext(
            OpcUaDevice(policies=SECURED, certificate=certificate, validator=cls._distrust)
        )
        cls.dead = socket.socket()
        cls.dead.bind(("127.0.0.1", 0))
        cls.addClassCleanup(cls.dead.close)

    @staticmethod
    async def _distrust(_certificate, _description):
        raise ua.UaStatusCodeError(ua.StatusCodes.BadCertificateUntrusted)

    def test_a_wrong_host(self):
        connection = self.connect("opcua", url="opc.tcp://filler.invalid:4840")

        self.assertNames(self.refused_test(connection), "Endpoint Address", "Check the spelling")

    def test_a_wrong_port(self):
        connection = self.connect("opcua", url=f"opc.tcp://127.0.0.1:{self.dead.getsockname()[1]}")

        self.assertNames(self.refused_test(connection), "Endpoint Address", "Check the port")

    def test_a_port_where_a_modbus_device_lives(self):
        with ModbusDevice() as device:
            connection = self.connect("opcua", url=f"opc.tcp://127.0.0.1:{device.port}")

            words = self.refused_test(connection)

        self.assertIn("Endpoint Address: ", words)
        self.assertRegex(words, "another protocol|hung up|does not answer")

    def test_no_user_where_one_is_wanted(self):
        connection = self.connect("opcua", url=self.guarded.url)

        self.assertNames(self.refused_test(connection), "User", "Enter a user and a password")

    def test_a_password_in_clear(self):
        connection = self.connect("opcua", url=self.guarded.url, user="operator", password=PASSWORD)

        self.assertNames(self.refused_test(connection), "Allow Plain Password", "Choose a security policy")

    def test_a_wrong_password(self):
        connection = self.connect(
            "opcua", url=self.guarded.url, user="operator", password="wrong", allow_plain_password=True
        )

        self.assertNames(self.refused_test(connection), "Password", "Enter both again")

    def test_the_right_password(self):
        connection = self.connect(
            "opcua", url=self.guarded.url, user="operator", password=PASSWORD, allow_plain_password=True
        )

        with self.enter_registry_test_mode():
            params = connection.action_test()["params"]

        self.assertEqual(params["type"], "success")
        self.assertNotIn(PASSWORD, params["message"])

    def test_a_security_that_the_server_does_not_offer(self):
        connection = self.connect("opcua", url=self.open.url, security_policy="Basic256Sha256")

        self.assertNames(self.refused_test(connection), "Security Policy", "It offers: None")

    def test_no_security_where_some_is_wanted(self):
        connection = self.connect("opcua", url=self.secured.url)

        self.assertNames(
            self.refused_test(connection), "Security Policy", "It offers: Basic256Sha256 SignAndEncrypt. Choose one"
        )

    def test_a_certificate_that_the_server_does_not_trust(self):
        connection = self.connect("opcua", url=self.strict.url, security_policy="Basic256Sha256")

        self.assertNames(self.refused_test(connection), "Certificate", "Ask its administrator to trust")

    def test_a_server_with_another_certificate(self):
        connection = self.connect(
            "opcua",
            url=self.secured.url,
            security_policy="Basic256Sha256",
            server_certificate_fingerprint="AB" * 32,
        )

        self.assertNames(self.refused_test(connection), "Server Certificate Fingerprint", "enter the new fingerprint")

    def test_a_certificate_file_that_is_none(self):
        broken = Path(self.folder, "broken")
        broken.mkdir(exist_ok=True)
        paths = (str(broken / "certificate.der"), str(broken / "key.pem"))
        Path(paths[0]).write_text("no certificate")
        Path(paths[1]).write_text("no key")
        connection = self.connect("opcua", url=self.secured.url, security_policy="Basic256Sha256")
        with patch.object(type(connection), "_certificate_paths", lambda _self: paths):
            self.assertNames(self.refused_test(connection), "Certificate", "Delete both files")

    def test_a_wrong_namespace(self):
        connection = self.connect("opcua", url=self.open.url)
        self.signal(connection, address="nsu=urn:nobody;s=Good")

        words = self.words_of_read(connection)

        self.assertIn("«urn:nobody»", words)
        self.assertIn("Use Browse", words)

    def test_a_wrong_node(self):
        connection = self.connect("opcua", url=self.open.url)
        self.signal(connection, address=f"nsu={NAMESPACE};s=Goods")

        words = self.words_of_read(connection)

        self.assertIn("s=Goods", words)
        self.assertIn("Use Browse", words)

    def test_a_folder_in_place_of_a_value(self):
        connection = self.connect("opcua", url=self.open.url)
        self.signal(connection, address=f"nsu={NAMESPACE};s=Press")

        self.assertIn("is a folder", self.words_of_read(connection))

    def test_a_text_where_a_number_is_meant(self):
        connection = self.connect("opcua", url=self.open.url)
        self.signal(connection, address=f"nsu={NAMESPACE};s=Program", role="good", fastest_cycle=1)

        words = self.words_of_read(connection)

        self.assertIn("«BRACKET-A4» is no number", words)
        self.assertIn("Check data type", words)

    def test_a_value_that_the_device_doubts(self):
        doubted = ua.DataValue(
            ua.Variant(7, ua.VariantType.UInt32), ua.StatusCode(ua.StatusCodes.UncertainInitialValue)
        )
        self.open.set_value("Good", doubted)
        self.addCleanup(self.open.set_value, "Good", ua.DataValue(ua.Variant(48_211, ua.VariantType.UInt32)))
        connection = self.connect("opcua", url=self.open.url)
        signal = self.signal(connection, address=f"nsu={NAMESPACE};s=Good")

        words = self.words_of_read(connection)
        with self.enter_registry_test_mode():
            refused = connection.action_test()["params"]
            signal.allow_uncertain = True
            allowed = connection.action_test()["params"]

        self.assertEqual((refused["type"], allowed["type"]), ("warning", "success"))
        self.assertIn("doubts the value (UncertainInitialValue)", words)
        self.assertIn("Allow Uncertain", words)
        self.assertFalse(self.words_of_read(connection), "once it is allowed, nothing is wrong with it")


@tagged("post_install", "-at_install")
class TestSentences(MachineConnectCommon):
    """Each code of the pure core has its sentence, and each sentence speaks of what the codes bring."""

    #: What drivers, engine and mapping give along with a code, beside the code itself.
    GIVEN = frozenset(
        "value minimum maximum choices host port timeout serial_port seconds error library requirement user offered "
        "fingerprint detail not_before not_after address unit namespace status reason zone".split()
    )

    def test_every_code_has_a_sentence_and_no_other_has(self):
        codes = {key.partition(":")[0] for key in wording._sentences(self.env)}

        self.assertEqual(codes, set(CODES))

    def test_every_sentence_speaks_of_what_is_given(self):
        for key, words in wording._sentences(self.env).items():
            with self.subTest(code=key):
                self.assertLessEqual(set(wording._PLACEHOLDER.findall(words)), self.GIVEN)

    def test_every_sentence_ends_as_a_sentence(self):
        for key, words in wording._sentences(self.env).items():
            with self.subTest(code=key):
                self.assertTrue(words.rstrip("»").endswith((".", "?")), words)

    def test_every_reason_to_hold_has_words_and_a_remedy(self):
        remedies = self.env["mrp.machine.event.posting"]._remedies()

        self.assertLessEqual(set(HELD_REASONS), set(remedies))

    def test_a_code_that_nobody_knows_is_told_as_it_is(self):
        self.assertIn("brand_new", wording.sentence(self.env, "brand_new"))

    def test_fields_are_called_as_on_the_form(self):
        for option, label in (("host", "Host"), ("certificate_path", "Certificate"), ("table", "State Table")):
            self.assertEqual(wording.field_label(self.env, option), label)


@tagged("post_install", "-at_install")
class TestValidationIsOnTheForm(BadInputCase):
    def test_a_wrong_setting_is_a_validation_error(self):
        """The web client shows these on the form and keeps what was typed."""
        with self.assertRaises(ValidationError):
            self.connect("modbus", host="")
