"""Servers on 127.0.0.1 for synchronous tests: an event loop in a thread of its own."""

import asyncio
import socket
import threading
import time


class Loopback:
    """An event loop that runs beside the test.

    >>> with Loopback() as loop:
    ...     server = loop.run(start_server())
    """

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self.run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine, seconds=60):
        """Run a coroutine in the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def call(self, function, *args, **kwargs):
        """Call a plain function in the loop's thread and return its result."""

        async def call():
            return function(*args, **kwargs)

        return self.run(call())

    async def _finish(self):
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def wait_until(happened, seconds=20):
    """Wait until a function says that something happened; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


async def everybody_let_in():
    """Wait until callers that a server is just letting in are in; asyncio forgets them if it is closed meanwhile."""
    for _turn in range(5):
        await asyncio.sleep(0)


def closed_port():
    """Return a port of 127.0.0.1 where nothing listens, kept until the socket (second value) is closed.

    It is bound and not listened on: nobody else can take it, and whoever calls is refused.
    """
    line = socket.socket()
    line.bind(("127.0.0.1", 0))
    return line.getsockname()[1], line
