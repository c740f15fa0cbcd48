"""How does a batch of events reach Odoo? Signed, sent, and sent again until an answer for each event is there.

The same bytes with the same nonce each time: what was taken already is answered as duplicate, so a lost answer costs nothing.
One batch at a time, in the order given: the next one is for the caller to hand in once this one is answered. Problems are
read by RFC 9457. A batch that is too big is sent in halves (413), and what is not taken while too much waits is sent again.
"""

import gzip
import http.client
import json
import ssl
import time
from dataclasses import astuple, dataclass, field
from urllib.parse import urlsplit

from . import clock
from .envelope import BATCH, cloud_event
from .errors import MachineConnectError
from .formats import qif
from .refusals import SEND_AGAIN
from .retry import Pauses, retry_after
from .signature import Request, new_nonce, sign

EVENTS_PATH = "/machine/v1/events"
#: Bytes of an answer at most; one result is some hundred bytes.
ANSWER_LIMIT = 4_194_304
#: Statuses (RFC 9110, 15; RFC 6585, 4): the batch is more than is taken at once.
TOO_BIG = 413
#: Statuses that say nothing against the request: it is sent again.
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
#: What becomes of an event at the door.
STATUSES = frozenset({"accepted", "duplicate", "held", "rejected"})

#: Why a batch was not delivered, with what it says in English for logs.
DELIVERY_FAILURES = {
    "not_reached": "the server could not be reached",
    "no_answer": "the connection was cut or was silent before the answer was whole",
    "certificate_refused": "the server's certificate is not trusted",
    "answer_unreadable": "the answer is not one of the door",
    "overloaded": "the server asks to come again later",
    "server_failed": "the server failed",
    "refused": "the server refuses the request",
}


class NotDelivered(MachineConnectError):
    """A batch has no answer; whatever of it was taken, the same batch may be sent again.

    :param str code: from :data:`DELIVERY_FAILURES`
    :param params: what a sentence about it needs, never a secret: ``status`` of HTTP, ``problem`` as the server words it
        (``type``, ``title``, ``detail``, ``code``), ``tries``, and ``retry_after``: seconds that it asks to wait, or None
    """

    def __init__(self, code, **params):
        super().__init__(f"{code}: {DELIVERY_FAILURES[code]} {params}")
        self.code = code
        self.params = params


class _TryAgain(NotDelivered):
    """:param asked: seconds that the server asks to wait, or None"""

    def __init__(self, code, asked=None, **params):
        super().__init__(code, **params)
        self.asked = asked


@dataclass(frozen=True)
class Result:
    """What became of one event at the door.

    :param str stream: its CloudEvents source
    :param str uid: its id, as the server knows it
    :param str status: of :data:`STATUSES`
    :param str reason: why it is held or rejected, a code; else empty
    :param str message: the same in words; may be empty
    :param str first: of a duplicate, what became of it the first time: accepted or held; else empty
    """

    stream: str
    uid: str
    status: str
    reason: str = ""
    message: str = ""
    first: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of a batch.

    :param tuple results: a :class:`Result` for each event, in the order sent
    :param tuple watermarks: how far each stream is: ``{"source", "epoch", "sequence"}``
    """

    results: tuple
    watermarks: tuple


@dataclass(frozen=True)
class Destination:
    """Where batches go.

    :param str url: of the Odoo server: ``https://odoo.example``, with a path where Odoo lies below one
    :param str environment: ``production`` or ``test``
    :param str database: the ``database.uuid`` of the database that is meant
    :param str database_name: its name, for a server with several of them
    :param float timeout: seconds to wait for a connection, for an answer to go on, and for it to come to an end
    :param tls: an ``ssl.SSLContext``; None: the system's authorities and the server's name are checked
    """

    url: str
    environment: str
    database: str
    database_name: str = ""
    timeout: float = 30.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self):
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("the address is not of the form https://host")

    @property
    def events_target(self):
        """The path to which events are posted."""
        return f"{urlsplit(self.url).path.rstrip('/')}{EVENTS_PATH}"

    def connection(self):
        """Return an ``http.client.HTTPConnection`` to it, not yet opened."""
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=self.timeout, context=self.tls or ssl.create_default_context()
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)


class Client:
    """Delivers batches.

    :param Destination destination: where to
    :param machine_connect.signature.Key key: signs each request
    :param Pauses pauses: how often each batch is tried, and how long is waited in between
    :param sleep: waits for so many seconds; ``time.sleep``, or the wait of whoever can be told to stop
    """

    def __init__(self, destination, key, pauses=None, sleep=time.sleep):
        self._destination = destination
        self._key = key
        self._pauses = pauses or Pauses()
        self._sleep = sleep

    def deliver(self, events):
        """Return the :class:`Answer` to a batch of events.

        :param list events: CloudEvents, JSON only, as of :func:`machine_connect.envelope.cloud_event`
        :raise NotDelivered: there is no answer after the last try, the server asks to wait longer than our longest pause,
            or it refuses the batch as a whole
        :raise ValueError: an event holds what JSON cannot say
        """
        try:
            answered = self._deliver_whole(events)
        except NotDelivered as failure:
            if failure.params.get("status") != TOO_BIG or len(events) < 2:
                raise
            half = len(events) // 2
            return _joined(self.deliver(events[:half]), self.deliver(events[half:]))
        tries = 1
        while again := [place for place, result in enumerate(answered.results) if result.reason in SEND_AGAIN]:
            if tries >= self._pauses.tries:
                raise NotDelivered("overloaded", status=200, tries=tries, retry_after=None)
            self._sleep(self._pauses.after(tries))
            tries += 1
            answered = _mended(answered, again, self._deliver_whole([events[place] for place in again]))
        return answered

    def _deliver_whole(self, events):
        """Return the answer to a batch that is sent as it is until there is one."""
        text = json.dumps(events, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        body = gzip.compress(text, compresslevel=5, mtime=0)
        nonce, tries = new_nonce(), 1
        while True:
            try:
                return self._try(body, nonce, events)
            except _TryAgain as failure:
                asked = failure.asked
                if tries >= self._pauses.tries or (asked or 0) > self._pauses.longest:
                    raise NotDelivered(failure.code, **failure.params, tries=tries, retry_after=asked) from failure
                self._sleep(self._pauses.after(tries, asked))
                tries += 1

    def _try(self, body, nonce, events):
        status, headers, content = self._exchange(body, nonce)
        if status == 200:
            try:
                return answer(content, events)
            except ValueError:
                raise _TryAgain("answer_unreadable", status=status) from None
        problem = _problem(headers, content)
        # Odoo knows no address (404) while its database is away; the door itself refuses in its own form.
        if status in TRY_AGAIN or (status == 404 and not problem):
            failed = "overloaded" if status in (429, 503) else "server_failed"
            raise _TryAgain(
                failed, retry_after(headers.get("Retry-After"), clock.now()), status=status, problem=problem
            )
        raise NotDelivered("refused", status=status, problem=problem)

    def _exchange(self, body, nonce):
        """Send a batch once; return status, headers and content of what comes back."""
        destination = self._destination
        target = destination.events_target
        request = Request("POST", target, body, destination.environment, destination.database)
        headers = {
            "Content-Type": BATCH,
            "Content-Encoding": "gzip",
            "Accept": "application/json, application/problem+json",
            "Connection": "close",
            **sign(self._key, request, clock.now().timestamp(), nonce),
        }
        if destination.database_name:
            headers["X-Odoo-Database"] = destination.database_name
        connection = destination.connection()
        try:
            try:
                connection.connect()
            except ssl.SSLCertVerificationError:
                raise NotDelivered("certificate_refused") from None
            except OSError as error:
                raise _TryAgain("not_reached", error=error.__class__.__name__) from None
            try:
                deadline = time.monotonic() + destination.timeout
                connection.request("POST", target, body, headers)
                response = connection.getresponse()
                return response.status, response.headers, _content(response, deadline)
            except (OSError, http.client.HTTPException) as error:
                raise _TryAgain("no_answer", error=error.__class__.__name__) from None
        finally:
            connection.close()


def measurements(content, stream, machine, occurred=None):
    """Return the events that a file of measurements is, ready for :meth:`Client.deliver`; the same file is the same events.

    :param bytes content: a QIF file, see :mod:`machine_connect.formats.qif`
    :param str stream: the CloudEvents source: one a measuring machine
    :param str machine: the machine's code
    :param occurred: aware; when it was measured, where the file does not say
    :raise machine_connect.formats.qif.QifRefused: it is not read
    """
    document = qif.read(content)
    return [cloud_event(event, stream, machine) for event in qif.events(document, occurred, clock.now())]


def _content(response, deadline):
    """Return a whole answer; a server that sends a byte now and then does not hold us for ever."""
    parts, size = [], 0
    while not response.isclosed():
        if time.monotonic() > deadline:
            raise TimeoutError
        part = response.read1(65_536)
        if not part:
            break
        parts.append(part)
        size += len(part)
        if size > ANSWER_LIMIT:
            raise _TryAgain("answer_unreadable", status=response.status)
    if response.length:
        raise http.client.IncompleteRead(b"".join(parts), response.length)
    return b"".join(parts)


def answer(content, events):
    """Return the :class:`Answer` that a server gave to a batch.

    :param bytes content: of the answer
    :param list events: the batch; each result must be of the event in its place
    :raise ValueError: it is no such answer, or one to another batch
    """
    said = _said(content)
    try:
        results, watermarks = said["results"], said.get("watermarks", [])
        if not isinstance(results, list) or not isinstance(watermarks, list) or len(results) != len(events):
            raise ValueError("these are not the results of this batch")
        return Answer(tuple(map(_result, results, events)), tuple(watermarks))
    except (TypeError, KeyError, AttributeError):
        raise ValueError("this is no answer to a batch") from None


def _joined(first, second):
    """Return the answer to both halves of a batch; of a stream the later one knows better how far it is."""
    both = (*first.watermarks, *second.watermarks)
    marks = {(str(mark.get("source")), str(mark.get("epoch"))): mark for mark in both if isinstance(mark, dict)}
    return Answer(first.results + second.results, tuple(marks.values()))


def _mended(answered, places, again):
    """Return an answer in which the results in these places are those of another one."""
    results = list(answered.results)
    for place, result in zip(places, again.results, strict=True):
        results[place] = result
    return _joined(Answer(tuple(results), answered.watermarks), Answer((), again.watermarks))


def _result(said, event):
    optional = (said.get(name) or "" for name in ("reason", "message", "first"))
    result = Result(said["source"], said["id"], said["status"], *optional)
    if not all(isinstance(text, str) for text in astuple(result)) or result.status not in STATUSES:
        raise ValueError("this is no result")
    # What was rejected may not even be fit to be named; there its place says which one it is.
    if result.status != "rejected" and (result.stream, result.uid) != (event["source"], event["id"]):
        raise ValueError("this is the result of another event")
    return result


def _problem(headers, content):
    """Return what a server says is wrong (RFC 9457), as far as it does; texts only, and short ones."""
    if headers.get_content_type() != "application/problem+json":
        return {}
    try:
        said = _said(content)
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    texts = ((name, said.get(name)) for name in ("type", "title", "detail", "code"))
    return {name: text[:255] for name, text in texts if isinstance(text, str)}


def _said(content):
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("this is nested too deeply") from None
