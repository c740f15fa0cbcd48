"""One line to Modbus devices: a question, its answer, and whether the answer belongs to the question.

pymodbus makes the frames, but for those of Modbus TCP, which are so plain that its way through ten layers costs as much
as the exchange itself; the socket or port is opened here, because what went wrong in opening it must be told. The
rules for a line that fails are ours: no repetition inside the library, and after any answer that is missing or does
not fit, the line is closed before anything else is asked, so that a late answer never becomes another's value.
"""

import errno
import logging
import socket
import struct
import time
from contextlib import suppress
from functools import cache

from ..errors import ConnectionFailed, DriverUnavailable
from .modbus_types import BIT_TABLES, FUNCTIONS

PYMODBUS = "pymodbus>=3.16,<3.17"
PYSERIAL = "pyserial"

#: Transport -> how its frames are told apart (pymodbus' FramerType).
FRAMINGS = {"tcp": "socket", "rtu_over_tcp": "rtu", "ascii_over_tcp": "ascii", "serial": "rtu"}

#: Seconds between hanging up on a line that failed and calling again, or between calling and asking.
REOPENING_PAUSE = 0.05

#: A question and the head of an answer by Modbus TCP (Messaging on TCP/IP V1.0b, 3.1.3): number, protocol, length of
#: what follows, unit, function code; the question's address and count.
_QUESTION, _HEAD = struct.Struct(">HHHBBHH"), struct.Struct(">HHHBB")

_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
_SERIAL_BUSY = {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}
_SERIAL_DENIED = {errno.EACCES, errno.EPERM}


class Refused(Exception):
    """The device answered with an exception (V1.1b3, 7).

    :param int status: the exception code, 1 to 255
    """

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Unanswered(Exception):
    """A question has no usable answer; the line is closed.

    :param str code: ``no_answer``, ``answer_mismatch`` or ``connection_lost``, of :data:`machine_connect.errors.CODES`
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def counted(data):
    """Return the bytes of an answer to a read, as long as it says they are.

    :raise ValueError: it says something else
    """
    if not data or data[0] != len(data) - 1:
        raise ValueError("the byte count is wrong")
    return data[1:]


@cache
def _library():
    """Return what is used of pymodbus.

    :raise DriverUnavailable: it is missing, or too old to have all of it
    """
    try:
        from pymodbus import FramerType, ModbusException
        from pymodbus.client import ModbusSerialClient, ModbusTcpClient
        from pymodbus.exceptions import ConnectionException
        from pymodbus.framer.rtu import FramerRTU
        from pymodbus.pdu import ModbusPDU
    except ImportError as error:
        raise DriverUnavailable("pymodbus", PYMODBUS) from error

    # It writes a line with its last frames for each answer that stays out: a device that is switched off for a night
    # would fill the log. What went wrong is told by our readings; whoever wants the frames sets a level himself.
    log = logging.getLogger("pymodbus.logging")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)

    class Answer(ModbusPDU):
        """The bytes of an answer to one of the four reads, as long as it says they are.

        The library's own answer classes believe the length of a bit answer, and unpack registers one by one.
        """

        rtu_byte_count_pos = 2
        payload = b""

        def decode(self, data):
            self.payload = counted(data)

    class TcpClient(ModbusTcpClient):
        """A client whose receiving knows no ``select``, which fails from the 1024th open file on."""

        def recv(self, size):
            try:
                data = self.socket.recv(4096)
            except TimeoutError:
                return b""
            if not data:
                raise ConnectionException("closed by the device")
            return data

    class Library:
        framer = FramerType
        modbus_error = ModbusException
        connection_error = ConnectionException
        tcp_client = TcpClient
        serial_client = ModbusSerialClient
        answers = tuple(type(f"Answer{code}", (Answer,), {"function_code": code}) for code in FUNCTIONS.values())
        check_crc = staticmethod(FramerRTU.check_CRC)

    return Library


class Link:
    """One line, closed at first.

    :param dict settings: the driver's options, complete and of the right types
    """

    def __init__(self, settings):
        self._settings = settings
        self._library = _library()
        self._framing = FRAMINGS[settings["transport"]]
        self._is_serial = settings["transport"] == "serial"
        self._client = None
        self._reads = {}
        self._received = b""
        self._expected = (0, 0)
        self._number = 0
        self._pause = settings["inter_frame_delay"] / 1000
        if self._is_serial:
            # 3.5 characters of 11 bits; from 19200 baud on a fixed time (MODBUS over Serial Line V1.02, 2.5.1.1)
            self._pause = max(self._pause, 38.5 / min(settings["baudrate"], 22000))
        self._quiet_since = 0.0
        self._given_up_at = 0.0
        #: what the settings call the place, and the one among them to look at when it fails
        self.field = "serial_port" if self._is_serial else "host"
        self.where = {key: settings[key] for key in (("serial_port",) if self._is_serial else ("host", "port"))}
        #: whether an answer names its question; without that a late one can be told from the right one by time only
        self.answers_are_numbered = self._framing == "socket"
        self._text_ruled_out = False
        #: whether anything of Modbus ever came from there
        self.has_answered = False

    @property
    def is_open(self):
        return self._client is not None and self._client.socket is not None

    def open(self):
        """Reach the device, at most ``timeout`` seconds per address of a name.

        :raise ConnectionFailed: it cannot be reached; nothing stays open
        """
        self.close()
        if self._given_up_at:
            # A device with a single connection needs a moment to see that we have hung up.
            time.sleep(max(0.0, self._given_up_at + REOPENING_PAUSE - time.monotonic()))
            self._given_up_at = 0.0
        began = time.monotonic()
        line = self._open_port() if self._is_serial else self._open_socket()
        if not self.answers_are_numbered and not self._is_serial:
            # A gateway may hand the late answer to the one before to whoever calls next. It is here after one way
            # there and back, which is what connecting has taken; the first question throws it away.
            time.sleep(max(REOPENING_PAUSE, 2 * (time.monotonic() - began)))
        client = self._new_client()
        client.socket = line
        self._client = client
        self._reads = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }

    def close(self):
        """Hang up; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def ask(self, unit, table, address, count):
        """Ask one question and return the bytes of its answer.

        :raise Refused: the device answered with an exception; the line stays open
        :raise Unanswered: there is no answer that fits; the line is closed
        :raise ConnectionFailed: what answers has never spoken Modbus; the line is closed
        """
        library, function = self._library, FUNCTIONS[table]
        if self._pause:
            self._keep_pause()
        if not self.answers_are_numbered and not self._is_serial:
            self._drop_stale()
        self._received = b""
        self._expected = (unit, function)
        try:
            if self.answers_are_numbered:
                code, payload = self._exchange(unit, function, address, count)
            else:
                answer = self._reads[table](address, count=count, device_id=unit)
                code = answer.function_code
                payload = bytes([answer.exception_code]) if code & 0x80 else answer.payload
        except library.connection_error:
            raise self._failed("connection_lost") from None
        except library.modbus_error:
            raise self._failed("answer_mismatch" if self._received else "no_answer") from None
        except OSError:  # pyserial's error is one as well
            raise self._failed("connection_lost") from None
        except ValueError:  # a wrong byte count; and the ASCII framer reads hexadecimal digits without looking
            raise self._failed("answer_mismatch") from None
        finally:
            if self._pause:
                self._quiet_since = time.monotonic()
        self.has_answered = True
        if code == function:
            size = (count + 7) // 8 if table in BIT_TABLES else 2 * count
            if len(payload) == size and (self.answers_are_numbered or self._is_last(payload)):
                return payload
        elif code == function | 0x80 and payload and (self.answers_are_numbered or self._is_last(payload)):
            raise Refused(payload[0])
        raise self._failed("answer_mismatch")

    def _exchange(self, unit, function, address, count):
        """Ask by Modbus TCP and return function code and payload of the answer that has our number and our unit.

        Others, as the late answer to an earlier question, are passed over.
        """
        client = self._client
        self._number = number = self._number % 0xFFFF + 1
        client.socket.sendall(_QUESTION.pack(number, 0, 6, unit, function, address, count))
        deadline = time.monotonic() + self._settings["timeout"]
        received = b""
        while data := client.recv(None):
            self._received = received = received + data
            while len(received) > _HEAD.size:
                answered, protocol, length, from_unit, code = _HEAD.unpack_from(received)
                # Some devices forget to count the exception code itself.
                end = 9 if length == 2 else 6 + length
                if protocol or len(received) < end:
                    break
                if answered == number and from_unit == unit:
                    body = received[_HEAD.size : end]
                    return code, body if code & 0x80 else counted(body)
                received = received[end:]
            if time.monotonic() >= deadline:
                break
        raise self._library.modbus_error("no answer within the time-out")

    def rule_out_text(self):
        """Ask a question that holds an end of line, where nothing has ever answered.

        A server of text (a web server, say) waits for a whole line, and until it has one it cannot be told from a
        unit that is silent. To a Modbus device this is one more read, of ten registers from 0x0D0A.

        :raise ConnectionFailed: what answers has never spoken Modbus; the line is closed
        """
        if self._is_serial or self.has_answered or self._text_ruled_out:
            return
        self._text_ruled_out = True
        self._client.socket.settimeout(min(self._settings["timeout"], 0.5))
        with suppress(Refused, Unanswered):
            self.ask(self._settings["unit_id"], "holding", 0x0D0A, 0x000A)
        self.close()

    # The line

    def _open_socket(self):
        settings, where = self._settings, self.where
        try:
            line = socket.create_connection((settings["host"], settings["port"]), timeout=settings["timeout"])
        except socket.gaierror:
            raise ConnectionFailed("unknown_host", "host", **where) from None
        except TimeoutError:
            raise ConnectionFailed("connection_timeout", "host", **where) from None
        except ConnectionRefusedError:
            raise ConnectionFailed("connection_refused", "port", **where) from None
        except UnicodeError:
            raise ConnectionFailed("host_invalid", "host", **where) from None
        except OSError as error:
            code = "unreachable" if error.errno in _UNREACHABLE else "connection_lost"
            raise ConnectionFailed(code, "host", **where) from None
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def _open_port(self):
        try:
            import serial
        except ImportError as error:
            raise DriverUnavailable("pyserial", PYSERIAL) from error

        settings = self._settings
        try:
            # Not serial_for_url: its addresses reach networks and write files.
            return serial.Serial(
                settings["serial_port"],
                baudrate=settings["baudrate"],
                bytesize=settings["bytesize"],
                parity=settings["parity"],
                stopbits=settings["stopbits"],
                timeout=settings["timeout"],
                write_timeout=settings["timeout"],
                exclusive=True,
            )
        except Exception as error:  # also termios.error, which is none of OSError, where a port knows no such setting
            number = getattr(error, "errno", None)
            code = "serial_not_found"
            if number in _SERIAL_DENIED:
                code = "serial_denied"
            elif number in _SERIAL_BUSY:
                code = "serial_busy"
            raise ConnectionFailed(code, "serial_port", **self.where) from None

    def _new_client(self):
        library, settings = self._library, self._settings
        hooks = {
            "framer": library.framer(self._framing),
            "timeout": settings["timeout"],
            "retries": 0,
            "trace_packet": self._trace_packet,
            "trace_pdu": self._trace_pdu,
        }
        if self._is_serial:
            client = library.serial_client(
                settings["serial_port"],
                baudrate=settings["baudrate"],
                bytesize=settings["bytesize"],
                parity=settings["parity"],
                stopbits=settings["stopbits"],
                **hooks,
            )
        else:
            client = library.tcp_client(settings["host"], port=settings["port"], **hooks)
        for answer in library.answers:
            client.register(answer)
        return client

    def _trace_packet(self, sending, data):
        """Keep what has come in so far for the present question."""
        if not sending:
            if self._framing == "rtu":
                data = self._without_noise(data)
            self._received = data
        return data

    def _without_noise(self, data):
        """Return what came in without what stands before the frame, as where a two-wire line changes direction.

        The library takes such bytes for the head of a frame and then finds its check sum wrong.
        """
        unit, function = self._expected
        for start in range(len(data) - 1):
            if data[start] == unit and data[start + 1] & 0x7F == function:
                return data[start:]
        return data

    def _trace_pdu(self, sending, pdu):
        """Let nothing onto the wire but the four reads, whoever asks for it."""
        if sending and pdu.function_code not in FUNCTIONS.values():
            raise RuntimeError(f"function code {pdu.function_code} is not a read")
        return pdu

    def _keep_pause(self):
        """Give the line the silence between two frames that its devices need."""
        remaining = self._quiet_since + self._pause - time.monotonic()
        if remaining > 0:
            time.sleep(remaining)

    def _drop_stale(self):
        """Throw away what came in unasked. (On a serial port the library does so itself.)"""
        line = self._client.socket
        timeout = line.gettimeout()
        line.setblocking(False)
        try:
            while line.recv(4096):
                pass
        except OSError:
            pass  # nothing more there; a line that is cut shows when the question is sent
        finally:
            line.settimeout(timeout)

    # What came in

    def _is_last(self, body):
        """Whether nothing follows the answer that was taken.

        Frames without a number are taken in the order they come. If another follows the one that was taken, the first
        was a late one.
        """
        if self._framing == "rtu":
            return self._received[:-2].endswith(body)  # what is left is the check sum
        return self._received.count(b":") == 1

    def _failed(self, code):
        """Close the line and return what to raise."""
        self.close()
        if code != "connection_lost":
            self._given_up_at = time.monotonic()
        received = self._received
        if not received or self._is_serial or self.has_answered or self._looks_like_modbus(received):
            return Unanswered(code)
        return ConnectionFailed("protocol_error", "port", **self.where)

    def _looks_like_modbus(self, received):
        if self._framing == "socket":
            return received[2:4] in (b"", b"\0", b"\0\0")  # the protocol identifier
        if self._framing == "rtu":
            return self._library.check_crc(received[:-2], int.from_bytes(received[-2:], "big"))
        return received.startswith(b":")
