"""How is the plant told what to do? Plain HTTP on loopback, for people with curl and for tests.

``GET /truth`` and ``GET /truth/<machine>`` say what really happened; ``POST /fault/<machine>/<name>?seconds=5`` lets
something go wrong. Answers are JSON.
"""

import asyncio
import contextlib
import json
from urllib.parse import parse_qsl, unquote, urlsplit

LARGEST_HEAD = 8192
SECONDS_FOR_A_REQUEST = 10


class Control:
    """The control server.

    :param dict machines: name -> machine, with ``truth()`` and ``fault(name, **parameters)``
    :param int port: where to listen on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    """

    def __init__(self, machines, port=0):
        self.machines = machines
        self.port = port
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=LARGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            async with _within(SECONDS_FOR_A_REQUEST):
                status, answer = await self._answer(reader)
                body = json.dumps(answer, indent=2).encode() + b"\n"
                head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or never asked anything
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *headers = head.split("\r\n")
        method, _, rest = request.partition(" ")
        target = urlsplit(rest.rpartition(" ")[0])
        # A page in somebody's browser must not reach the plant by a name that leads to loopback.
        host = next((line.partition(":")[2] for line in headers if line.lower().startswith("host:")), "")
        if host.strip().rpartition(":")[0] not in ("127.0.0.1", "localhost"):
            return "403 Forbidden", {"error": "ask 127.0.0.1"}
        path = [unquote(part) for part in target.path.split("/") if part]
        match method, path:
            case "GET", ["truth"]:
                return "200 OK", {name: machine.truth() for name, machine in self.machines.items()}
            case "GET", ["truth", name] if name in self.machines:
                return "200 OK", self.machines[name].truth()
            case "POST", ["fault", name, fault] if name in self.machines:
                try:
                    self.machines[name].fault(fault, **dict(parse_qsl(target.query)))
                except ValueError as error:
                    return "400 Bad Request", {"error": str(error)}
                return "200 OK", {"machine": name, "fault": fault}
        known = {"machines": list(self.machines), "try": ["GET /truth", "POST /fault/<machine>/<name>?seconds=5"]}
        return "404 Not Found", {"error": "there is no such thing here", **known}


@contextlib.asynccontextmanager
async def _within(seconds):
    """``asyncio.timeout``, which Python 3.10 does not have yet."""
    task = asyncio.current_task()
    expired = []
    timer = asyncio.get_running_loop().call_later(seconds, lambda: (expired.append(True), task.cancel()))
    try:
        yield
    except asyncio.CancelledError:
        if not expired:
            raise
        raise asyncio.TimeoutError from None
    finally:
        timer.cancel()
