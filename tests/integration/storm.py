"""Senders that deliver in a storm, and a line that is cut when it hurts most.

``python -m tests.integration.storm '{"url": …}'`` is one sender, in a process of its own; what its events became is its last
line of output.
"""

import argparse
import contextlib
import json
import random
import socket
import threading
import time
from collections import Counter

from machine_connect.client import Client, Destination
from machine_connect.retry import Pauses
from machine_connect.signature import Key
from machine_connect.timestamps import timestamp


def said(stream, number, machine, moment):
    """Return an event; the same arguments are the same event, whoever sends it.

    :param int moment: of the first one, in µs since 1970-01-01 UTC
    """
    return {
        "specversion": "1.0",
        "id": f"{stream}#{number}",
        "source": stream,
        "type": "mmc.production.count.v1",
        "subject": machine,
        "time": timestamp(moment - 1_000 * number),
        "epoch": 1,
        "sequence": f"{number:020d}",
        "data": {"kind": "good", "delta": pieces(number)},
    }


def pieces(number):
    """Return how many pieces an event reports: not the same for all, so that none can stand for another one."""
    return 1 + number % 7


def order(stream, partner, events, resends, chance):
    """Return ``(stream, number)`` of all that a sender sends: each of its own, and some once more, shuffled.

    Half of what is sent once more are events of another sender, whether that one has sent them yet or not.
    """
    own = [(stream, number) for number in range(1, events + 1)]
    again = [(chance.choice((stream, partner)), chance.randint(1, events)) for _time in range(int(events * resends))]
    found = own + again
    chance.shuffle(found)
    return found


def send(plan):
    """Deliver all of a plan and return what became of it.

    :param dict plan: ``url``, ``environment``, ``database``, ``key``, ``secret``, ``machine``, ``moment``, ``stream``,
        ``partner``, ``events``, ``resends``, ``batch``, ``seed``
    """
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        time.sleep(seconds)

    chance = random.Random(plan["seed"])
    destination = Destination(plan["url"], plan["environment"], plan["database"])
    key = Key(plan["key"], bytes.fromhex(plan["secret"]))
    client = Client(destination, key, Pauses(tries=200, first=0.1, longest=2.0), sleep)
    work = order(plan["stream"], plan["partner"], plan["events"], plan["resends"], chance)
    statuses, reasons, batches = Counter(), Counter(), 0
    while work:
        size = chance.randint(1, 2 * plan["batch"])
        batch, work = work[:size], work[size:]
        answer = client.deliver([said(*place, plan["machine"], plan["moment"]) for place in batch])
        statuses.update(result.status for result in answer.results)
        reasons.update(result.reason for result in answer.results)
        batches += 1
    return {"statuses": statuses, "reasons": reasons, "batches": batches, "tries_again": len(pauses)}


class CuttingLine:
    """A line between senders and server that is cut now and then once the server has answered.

    The server answers after its commit: what it was sent is stored, and its sender does not learn of it.

    :param int port: of the server
    :param float share: of the answers that do not arrive, or not whole
    """

    def __init__(self, port, share, seed=0):
        self.server_port = port
        self.share = share
        self.cuts = 0
        self.passed = 0
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self):
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._take, args=[client], daemon=True).start()

    def _take(self, client):
        with client, contextlib.suppress(OSError):  # the server is away, or was killed: so is the line
            with socket.create_connection(("127.0.0.1", self.server_port)) as server:
                asking = threading.Thread(target=self._pass_on, args=[client, server], daemon=True)
                asking.start()
                try:
                    self._answer(server, client)
                finally:
                    client.shutdown(socket.SHUT_RDWR)
                    asking.join()

    @staticmethod
    def _pass_on(source, target):
        with contextlib.suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)

    def _answer(self, server, client):
        part = server.recv(65_536)
        with self._lock:
            is_cut, is_half = self._chance.random() < self.share, self._chance.random() < 0.5
            if part:
                self.cuts += is_cut
                self.passed += not is_cut
        if is_cut:
            client.sendall(part[: len(part) // 2] if is_half else b"")
            return
        while part:
            client.sendall(part)
            part = server.recv(65_536)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=json.loads, help="see send")
    print(json.dumps(send(parser.parse_args().plan)), flush=True)
