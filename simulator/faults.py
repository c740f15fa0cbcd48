"""How does a line to a machine fail? A TCP proxy that stands before any server and can be told to misbehave.

It knows no protocol: it drops, delays, shortens and swallows what passes. A test that needs more hands in a function
that sees each question and its answer.
"""

import asyncio
import contextlib

#: What :meth:`FaultProxy.fault` understands, with the parameters it takes.
FAULTS = {
    "drop": "cut all connections; with seconds: and those that come in that time",
    "delay": "hold back what the machine says for seconds each time, for a time of during seconds",
    "wrong_length": "leave out the last count bytes of what the machine says, for seconds",
    "blackhole": "let nothing through for seconds; connections stay open and new ones are taken",
    "heal": "end all of these",
}


class FaultProxy:
    """A proxy on loopback, harmless until told otherwise.

    :param int target_port: where the machine itself listens on 127.0.0.1
    :param int port: where to listen, 0 = any free one; afterwards :attr:`port` says which
    :param int max_connections: connections taken at a time, more are cut at once; 0 = any number
    :ivar list questions: the chunks that clients sent, in order, the last :attr:`kept` of them
    :ivar edit: function ``(question, answer) -> bytes or None`` over each chunk of the machine with the last chunk of
        the client before it; None keeps it back until :meth:`release`
    :ivar bytes greeting: sent to each client that connects, like what a gateway still had for the one before
    """

    kept = 10_000

    def __init__(self, target_port, port=0, max_connections=0):
        self.target_port = target_port
        self.port = port
        self.max_connections = max_connections
        self.edit = None
        self.greeting = b""
        self.questions = []
        self.connections_taken = 0
        self.connections_refused = 0
        self._server = None
        self._lines = {}
        self._tasks = set()
        self._held = []
        self._open = asyncio.Event()  # cleared while nothing may pass
        self._open.set()
        self._delay = 0.0
        self._cut_bytes = 0
        self._dropping = False
        self._timers = {}

    async def start(self):
        # In two steps: whoever is cancelled between them still finds the server, and can close it.
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, start_serving=False)
        self.port = self._server.sockets[0].getsockname()[1]
        await self._server.start_serving()

    async def stop(self):
        """Stop listening and cut what is open; :meth:`start` listens again on the same port.

        A fault that would have ended by itself ends now; one that waits for :meth:`heal` is still there afterwards.
        """
        for name in list(self._timers):
            self._end(name)
        if self._server:
            # asyncio leaves behind a caller whom it has just let in when its server is closed: let him in first.
            for _turn in range(5):
                await asyncio.sleep(0)
            self._server.close()
        self._cut_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before its first step has tidied up nothing; a line that was cut closes in the next turn.
        self._lines.clear()
        await asyncio.sleep(0)
        self._server = None

    @property
    def connections(self):
        """Connections open now."""
        return len(self._lines)

    # Faults

    def fault(self, name, /, **parameters):
        """Begin one of :data:`FAULTS`.

        :raise ValueError: there is no such fault, or not with these parameters
        """
        if name not in FAULTS:
            raise ValueError(f"unknown fault {name}; there are: {', '.join(FAULTS)}")
        try:
            getattr(self, name)(**{key: float(value) for key, value in parameters.items()})
        except TypeError as error:
            raise ValueError(f"{name}: {FAULTS[name]}") from error

    def drop(self, seconds=0.0):
        """Cut all connections, and for some seconds those that come in."""
        self._cut_all()
        if seconds:
            self._dropping = True
            self._later("drop", seconds)

    def delay(self, seconds=1.0, during=0.0):
        """Hold back each chunk of the machine for some seconds."""
        self._delay = seconds
        self._later("delay", during)

    def wrong_length(self, count=1.0, seconds=0.0):
        """Leave out the last bytes of each chunk of the machine."""
        self._cut_bytes = int(count)
        self._later("wrong_length", seconds)

    def blackhole(self, seconds=0.0):
        """Let nothing through; what was sent meanwhile is not lost, it comes late (as on a line that was pulled)."""
        self._open.clear()
        self._later("blackhole", seconds)

    def heal(self):
        """End all faults."""
        for name in FAULTS.keys() - {"heal"}:
            self._end(name)

    def release(self, count=None):
        """Send what was kept back, to whoever is connected now; return how many chunks that were."""
        chunks, self._held = self._held[:count], self._held[count:] if count else []
        for chunk in chunks:
            for client in self._lines:
                client.write(chunk)
        return len(chunks)

    def _later(self, name, seconds):
        """End a fault by itself after some seconds; 0 = when somebody heals it."""
        if timer := self._timers.pop(name, None):
            timer.cancel()
        if seconds:
            self._timers[name] = asyncio.get_running_loop().call_later(seconds, self._end, name)

    def _end(self, name):
        if timer := self._timers.pop(name, None):
            timer.cancel()
        match name:
            case "drop":
                self._dropping = False
            case "delay":
                self._delay = 0.0
            case "wrong_length":
                self._cut_bytes = 0
            case "blackhole":
                self._open.set()

    # Passing on

    def _cut_all(self):
        for client, machine in list(self._lines.items()):
            client.transport.abort()
            if machine:
                machine.transport.abort()

    def _take(self, reader, client):
        if self._dropping or (self.max_connections and len(self._lines) >= self.max_connections):
            self.connections_refused += 1
            client.transport.abort()
            return
        self.connections_taken += 1
        self._lines[client] = None
        # A task of our own, for asyncio complains of one of its own that is cancelled.
        task = asyncio.ensure_future(self._serve(reader, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader, client):
        writers, pumps = [client], []
        try:
            machine_reader, machine = await asyncio.open_connection("127.0.0.1", self.target_port)
            writers.append(machine)
            self._lines[client] = machine
            client.write(self.greeting)
            last = [b""]
            pumps += [
                asyncio.ensure_future(self._pass_questions(reader, machine, last)),
                asyncio.ensure_future(self._pass_answers(machine_reader, client, last)),
            ]
            # Whichever side hangs up first, the other is hung up as well.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            client.transport.abort()  # the machine is not there
        finally:
            self._lines.pop(client, None)
            # Nothing is awaited before all is closed, for this may be cancelled while it waits.
            for writer in writers:
                writer.close()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in writers:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _pass_questions(self, reader, machine, last):
        while chunk := await reader.read(65536):
            self.questions.append(chunk)
            del self.questions[: -self.kept]
            last[0] = chunk
            await self._open.wait()
            machine.write(chunk)
            await machine.drain()

    async def _pass_answers(self, reader, client, last):
        while chunk := await reader.read(65536):
            question = last[0]
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._open.wait()
            if self._cut_bytes:
                chunk = chunk[: -self._cut_bytes]
            if self.edit:
                edited = self.edit(question, chunk)
                if edited is None:
                    self._held.append(chunk)
                    continue
                chunk = edited
            client.write(chunk)
            await client.drain()
