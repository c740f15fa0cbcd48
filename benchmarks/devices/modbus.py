"""Many Modbus TCP devices: holding registers full of 32-bit counters, each one piece further at every read.

By the MODBUS Application Protocol Specification V1.1b3, 6.3, and MODBUS Messaging on TCP/IP V1.0b, 3.1. Written on bare
streams, because a real server would take more of the machine's time than what is measured.
"""

import argparse
import asyncio
import itertools
import struct

from benchmarks import devices

_HEADER = struct.Struct(">HHHBBHH")


class Counters(asyncio.Protocol):
    """One connection to a device.

    :param made: iterator, the pieces made so far; the n-th counter shows n more
    :param float latency: seconds that the device takes to answer
    """

    def __init__(self, made, latency):
        self._made = made
        self._latency = latency
        self._transport = None
        self._received = b""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._received += data
        while len(self._received) >= _HEADER.size:
            transaction, _protocol, _length, unit, function, _address, count = _HEADER.unpack_from(self._received)
            self._received = self._received[_HEADER.size :]
            made = next(self._made)
            counters = [made + number for number in range(count // 2)]
            body = struct.pack(f">BBB{count // 2}I", unit, function, 2 * count, *counters)
            answer = struct.pack(">HHH", transaction, 0, len(body)) + body
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
            else:
                self._transport.write(answer)


class Silent(asyncio.Protocol):
    """A connection to a device that takes questions and never answers."""


async def main(count, silent, latency):
    loop = asyncio.get_running_loop()
    ports = []
    for number in range(count):
        if number < silent:
            protocol = Silent
        else:
            made = itertools.count(1_000)
            protocol = lambda made=made: Counters(made, latency)  # noqa: E731
        server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=16)
        ports.append(server.sockets[0].getsockname()[1])
    await devices.serve({"ports": ports})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1, help="devices")
    parser.add_argument("--silent", type=int, default=0, help="of these never answer, the first ones")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that the others take")
    options = parser.parse_args()
    asyncio.run(main(options.count, options.silent, options.latency))
