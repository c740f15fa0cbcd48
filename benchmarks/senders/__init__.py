"""Senders at the door, each in a process of its own: what they spend counts for nobody."""

import contextlib
import http.client
import json
import multiprocessing
import time
import uuid

from machine_connect.envelope import BATCH
from machine_connect.signature import Key, Request, new_nonce, sign
from machine_connect.timestamps import timestamp

PATH = "/machine/v1/events"


class Senders:
    """Processes that post batches at the same time.

    :param dict facts: ``port``, ``key``, ``secret`` (hex), ``environment``, ``uuid``, ``machines`` (their codes)
    :param int number: how many
    :param int batch: events in one request
    """

    def __init__(self, facts, number, batch):
        context = multiprocessing.get_context("spawn")
        self._lines, self._processes = [], []
        for index in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_sender, args=(theirs, facts, index, batch), daemon=True)
            process.start()
            self._lines.append(ours)
            self._processes.append(process)

    def prepare(self, batches):
        """Have each build and sign so many new batches."""
        self._all("prepare", batches)

    def send(self, pause=0.0):
        """Have all send what they have prepared, and return the seconds of each answer.

        :param float pause: seconds from the begin of one request to the begin of the next; 0: as fast as it goes
        """
        return [seconds for found in self._all("send", pause) for seconds in found]

    def again(self):
        """Have all send once more what they sent last, and return how often each status was answered."""
        answers = self._all("again", None)
        return {status: sum(found.get(status, 0) for found in answers) for status in set().union(*answers)}

    def said(self):
        """Return what was sent last, one ``(stream, id, sequence, time, data)`` an event."""
        return [event for found in self._all("said", None) for event in found]

    def processes(self):
        """Return their process ids."""
        return [process.pid for process in self._processes]

    def close(self):
        """End them."""
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.send(("end", None))
        for process in self._processes:
            process.join(10)

    def _all(self, verb, argument):
        for line in self._lines:
            line.send((verb, argument))
        answers = [line.recv() for line in self._lines]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _sender(line, facts, index, batch):
    sender = _Sender(facts, index, batch)
    while True:
        verb, argument = line.recv()
        if verb == "end":
            return
        try:
            line.send(getattr(sender, verb)(argument))
        except Exception as error:
            line.send(RuntimeError(f"a sender failed: {error!r}"))


class _Sender:
    def __init__(self, facts, index, batch):
        self._facts, self._index, self._batch = facts, index, batch
        self._key = Key(facts["key"], bytes.fromhex(facts["secret"]))
        # Each machine has its sender: that is how lines are built, and streams are in order.
        self._machines = facts["machines"][index :: facts["senders"]]
        self._sequences = dict.fromkeys(self._machines, 0)
        self._events, self._requests = [], []

    def prepare(self, batches):
        self._events = [
            [self._event(self._machines[number % len(self._machines)]) for _ in range(self._batch)]
            for number in range(batches)
        ]
        self._requests = [self._signed(events) for events in self._events]

    def _event(self, machine):
        sequence = self._sequences[machine] = self._sequences[machine] + 1
        return {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": f"line/{machine}",
            "type": "mmc.production.count.v1",
            "subject": machine,
            "time": timestamp(int(time.time() * 1e6)),
            "datacontenttype": "application/json",
            "epoch": 1,
            "sequence": f"{sequence:020d}",
            "data": {
                "kind": "good",
                "delta": 3,
                "total_before": 3 * sequence - 3,
                "total_after": 3 * sequence,
                "unit": "C62",
            },
        }

    def _signed(self, events):
        facts = self._facts
        body = json.dumps(events).encode()
        request = Request("POST", PATH, body, facts["environment"], facts["uuid"])
        return body, {**sign(self._key, request, time.time(), new_nonce()), "Content-Type": BATCH}

    def send(self, pause):
        taken, begin = [], time.perf_counter()
        for number, request in enumerate(self._requests):
            if pause and (wait := begin + number * pause - time.perf_counter()) > 0:
                time.sleep(wait)
            started = time.perf_counter()
            answer = self._post(*request)
            taken.append(time.perf_counter() - started)
            assert answer.count(b'"status": "accepted"') + answer.count(b'"status":"accepted"') == self._batch, answer[
                :500
            ]
        return taken

    def again(self, _argument):
        statuses = {}
        for events in self._events:
            for result in json.loads(self._post(*self._signed(events)))["results"]:
                statuses[result["status"]] = statuses.get(result["status"], 0) + 1
        return statuses

    def said(self, _argument):
        return [
            (event["source"], event["id"], int(event["sequence"]), event["time"], event["data"])
            for events in self._events
            for event in events
        ]

    def _post(self, body, headers):
        line = http.client.HTTPConnection("127.0.0.1", self._facts["port"], timeout=120)
        try:
            line.request("POST", PATH, body, headers)
            answer = line.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {text[:500]!r}")
            return text
        finally:
            line.close()
