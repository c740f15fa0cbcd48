"""Batches reach the door whole, in order and once, whatever happens on the way."""

import contextlib
import gzip
import json
import ssl
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect import clock
from machine_connect.client import DELIVERY_FAILURES, Client, Destination, NotDelivered, Result, answer
from machine_connect.envelope import ParsedEvent, cloud_event, parse
from machine_connect.event import Event
from machine_connect.retry import Pauses, retry_after
from machine_connect.signature import Key, Request, verify
from tests.unit.loopback import closed_port

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=timezone.utc)
STREAM = "urn:mmc:agent-1:press-7"
KEY = Key("agent-1", bytes(range(32)))
DATABASE = "5f1c2a52-0c7e-11f0-8de9-0242ac120002"


def batch(first, count):
    """Events of one stream, each of another second."""
    return [
        cloud_event(
            Event("production.count", NOON + timedelta(seconds=place), NOON, {"kind": "good", "delta": 1}),
            STREAM, "press-7", 1, place,
        )
        for place in range(first, first + count)
    ]  # fmt: skip


class Door(ThreadingHTTPServer):
    """A door on loopback that verifies, parses and keeps; ``faults`` says what happens to the next requests."""

    daemon_threads = True

    def __init__(self, *faults):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults = list(faults)
        self.seen = []
        self.kept = {}
        self.released = threading.Event()

    def handle_error(self, request, client_address):
        """A caller who hung up is none of our business."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def do_POST(self):
        door = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request("POST", self.path, body, "production", DATABASE)
        reason = verify(KEY, request, self.headers, time.time())
        sent = {"nonce": self.headers["X-Machine-Nonce"], "time": self.headers["X-Machine-Time"], "path": self.path}
        door.seen.append({**sent, "body": body, "reason": reason})
        fault = door.faults.pop(0) if door.faults else take
        fault(self, body)

    def reply(self, status, value, headers=(), content_type="application/json"):
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def results(self, body):
        """Keep the events of a batch; return what the door answers."""
        found = []
        for event in parse(body, self.headers["Content-Type"], self.headers["Content-Encoding"]):
            if isinstance(event, ParsedEvent):
                status = "duplicate" if (event.stream, event.uid) in self.server.kept else "accepted"
                self.server.kept.setdefault((event.stream, event.uid), event.sequence)
                first = "accepted" if status == "duplicate" else None
                found.append({"source": event.stream, "id": event.uid, "status": status, "first": first})
            else:
                found.append({"source": event.stream, "id": event.uid, "status": "rejected", "reason": event.reason})
        marks = [{"source": STREAM, "epoch": 1, "sequence": max(self.server.kept.values(), default=0)}]
        return {"results": found, "watermarks": marks}


# ---------------------------------------------------------------------------------------- what happens to a request


def take(handler, body):
    handler.reply(200, handler.results(body))


def cut_before(handler, _body):
    handler.close_connection = True


def cut_after_taking(handler, body):
    handler.results(body)
    handler.close_connection = True


def cut_within_the_answer(handler, body):
    content = json.dumps(handler.results(body)).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def says(status, *headers, value=None, content_type="application/problem+json"):
    def fault(handler, _body):
        handler.reply(status, {"title": "No", "code": "x"} if value is None else value, headers, content_type)

    return fault


def garbage(handler, body):
    handler.results(body)
    handler.reply(200, b"<html>Welcome</html>", content_type="text/html")


def no_http(handler, _body):
    handler.wfile.write(b"\x00\x01\x02 what?\r\n\r\n")
    handler.close_connection = True


def of_another_batch(handler, body):
    said = handler.results(body)
    said["results"].reverse()
    handler.reply(200, said)


def of_fewer(handler, body):
    said = handler.results(body)
    handler.reply(200, {**said, "results": said["results"][:-1]})


def silent(handler, body):
    handler.results(body)
    handler.server.released.wait(20)


def drips(handler, body):
    """A byte now and then, so that no single wait is long."""
    content = json.dumps(handler.results(body)).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for place in range(len(content)):
        handler.wfile.write(content[place : place + 1])
        if handler.server.released.wait(0.05):
            break


def endless(handler, body):
    handler.results(body)
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" " * 262_144)


@pytest.fixture
def opened():
    """Open doors; each is closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def open_door(*faults):
            door = Door(*faults)
            thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(door.server_close)
            stack.callback(door.shutdown)
            stack.callback(door.released.set)
            return door

        yield open_door


def client(url, waited=None, tries=4, key=KEY, **options):
    """A client that notes how long it would wait, and does not."""
    destination = Destination(url, "production", DATABASE, **{"timeout": 5.0, **options})
    pauses = Pauses(tries=tries, first=1.0, longest=60.0)
    return Client(destination, key, pauses, sleep=(waited if waited is not None else []).append)


# -------------------------------------------------------------------------------------------------------- delivered


def test_a_batch_is_delivered_signed_packed_and_answered_in_order(opened):
    door, events = opened(), batch(0, 50)
    answered = client(door.url).deliver(events)

    assert answered.results == tuple(Result(STREAM, event["id"], "accepted") for event in events)
    assert answered.watermarks == ({"source": STREAM, "epoch": 1, "sequence": 49},)
    (request,) = door.seen
    assert request["reason"] == ""
    assert json.loads(gzip.decompress(request["body"])) == events


def test_the_path_below_which_odoo_lies_is_part_of_what_is_signed(opened):
    door = opened()
    client(f"{door.url}/odoo/").deliver(batch(0, 1))

    assert [(request["path"], request["reason"]) for request in door.seen] == [("/odoo/machine/v1/events", "")]


def test_what_is_rejected_is_told_beside_what_is_taken(opened):
    events = batch(0, 3)
    events[1]["type"] = "mmc.production.guess.v1"
    answered = client(opened().url).deliver(events)

    assert [(result.status, result.reason) for result in answered.results] == [
        *(("accepted", ""), ("rejected", "type_unknown"), ("accepted", ""))
    ]


TAKEN = {cut_after_taking, cut_within_the_answer, garbage, of_another_batch, of_fewer, silent, drips, endless}
ONCE_MORE = [
    *(cut_before, cut_after_taking, cut_within_the_answer, garbage, no_http, of_another_batch, of_fewer),
    *(says(500), says(502), says(503), says(429), says(408), says(503, value=b"not json")),
    *(says(200, value=[]), says(200, value={"results": 7}), says(200, value={"results": [1, 2, 3]})),
    says(200, value={"results": [{"source": STREAM, "id": "x", "status": "perhaps"}] * 3}),
]


@pytest.mark.parametrize("fault", ONCE_MORE, ids=lambda fault: fault.__name__)
def test_what_went_wrong_once_is_sent_once_more_the_same(opened, fault):
    door, waited, events = opened(fault), [], batch(0, 3)
    answered = client(door.url, waited).deliver(events)

    status = "duplicate" if fault in TAKEN else "accepted"
    assert [result.status for result in answered.results] == [status] * 3
    assert [uid for _stream, uid in door.kept] == [event["id"] for event in events]
    assert {result.first for result in answered.results} == {"accepted" if fault in TAKEN else ""}
    first, second = door.seen
    assert (first["nonce"], first["body"]) == (second["nonce"], second["body"])
    assert [first["reason"], second["reason"]] == ["", ""]
    assert len(waited) == 1


@pytest.mark.parametrize(("fault", "timeout"), [(silent, 0.3), (drips, 0.3), (endless, 20.0)])
def test_a_server_that_does_not_come_to_an_end_does_not_hold_us(opened, fault, timeout):
    door = opened(fault)
    began = time.monotonic()
    answered = client(door.url, timeout=timeout).deliver(batch(0, 3))

    assert time.monotonic() - began < 3
    assert [result.status for result in answered.results] == ["duplicate"] * 3


def test_a_resend_is_signed_anew_with_its_own_time(opened, monkeypatch):
    """After a long pause the time of the first try would be outside the window."""
    door, waited, began = opened(says(500)), [], clock.now()
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(seconds=20 * len(waited)))
    client(door.url, waited).deliver(batch(0, 1))

    first, second = door.seen
    assert int(second["time"]) - int(first["time"]) == 20
    assert [first["reason"], second["reason"]] == ["", ""]


def test_another_batch_has_another_nonce(opened):
    door = opened()
    sender = client(door.url)
    sender.deliver(batch(0, 1))
    sender.deliver(batch(1, 1))

    assert len({request["nonce"] for request in door.seen}) == 2


FAULTS = [cut_before, cut_after_taking, cut_within_the_answer, garbage, no_http, of_another_batch, says(500), says(429)]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([*FAULTS, take]), max_size=12), st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_nothing_is_lost_doubled_or_out_of_order_whatever_happens(faults, sizes):
    door = Door(*faults)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        sender, sent = client(door.url, tries=2), 0
        for size in sizes:
            events = batch(sent, size)
            while True:
                try:
                    answered = sender.deliver(events)
                    break
                except NotDelivered:
                    continue
            assert [result.uid for result in answered.results] == [event["id"] for event in events]
            sent += size
    finally:
        door.shutdown()
        door.server_close()
        thread.join()

    assert list(door.kept.values()) == list(range(sent))


# ---------------------------------------------------------------------------------------------------- not delivered


def failure(sender, events):
    with pytest.raises(NotDelivered) as told:
        sender.deliver(events)
    return told.value


def test_after_the_last_try_it_is_told_with_what_is_known(opened):
    door, waited = opened(*[says(500)] * 9), []
    told = failure(client(door.url, waited, tries=3), batch(0, 1))

    assert (told.code, told.params["status"], told.params["tries"]) == ("server_failed", 500, 3)
    assert told.params["problem"] == {"title": "No", "code": "x"}
    assert (len(door.seen), len(waited)) == (3, 2)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 415, 422])
def test_what_is_refused_is_not_sent_again(opened, status):
    door, waited = opened(says(status)), []
    told = failure(client(door.url, waited), batch(0, 1))

    assert (told.code, told.params["status"], told.params["problem"]["code"]) == ("refused", status, "x")
    assert (len(door.seen), waited) == (1, [])


def test_an_address_that_is_not_there_while_the_servers_database_is_away_is_tried_again(opened):
    """Odoo answers so, in HTML, for every address; the door itself refuses in its own form."""
    events = batch(0, 1)
    away = says(404, value=b"<title>404 Not Found</title>", content_type="text/html")
    door, waited = opened(away, away, *[says(500)] * 9), []
    told = failure(client(door.url, waited, tries=3), events)

    assert (told.code, told.params["status"], len(door.seen)) == ("server_failed", 500, 3)


@pytest.mark.parametrize(
    ("value", "content_type"),
    [(b"{", "application/problem+json"), ([1], "application/problem+json"), ({"title": "No"}, "text/html")],
)
def test_a_problem_that_cannot_be_read_is_none(opened, value, content_type):
    told = failure(client(opened(says(403, value=value, content_type=content_type)).url), batch(0, 1))

    assert told.params["problem"] == {}


def test_a_signature_of_another_key_is_refused_by_the_real_check(opened):
    door = opened(says(401))
    told = failure(client(door.url, key=Key("agent-1", b"y" * 32)), batch(0, 1))

    assert (told.params["status"], door.seen[0]["reason"]) == (401, "signature_wrong")


def test_nobody_listens():
    port, line = closed_port()
    with contextlib.closing(line):
        told = failure(client(f"http://127.0.0.1:{port}", tries=2), batch(0, 1))

    assert (told.code, told.params["error"], told.params["tries"]) == ("not_reached", "ConnectionRefusedError", 2)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(opened, tmp_path):
    door = opened()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    door.socket = context.wrap_socket(door.socket, server_side=True)
    url = f"https://127.0.0.1:{door.server_port}"
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")

    assert failure(client(url), batch(0, 1)).code == "certificate_refused"
    assert door.seen == []
    assert client(url, tls=trusting).deliver(batch(0, 1)).results[0].status == "accepted"


def self_signed(folder):
    """Write a certificate of 127.0.0.1 and its key; return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "door")])
    now = clock.now()
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    authority = x509.BasicConstraints(ca=True, path_length=0)
    certificate = builder.add_extension(names, False).add_extension(authority, True).sign(key, hashes.SHA256())
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (cut_before, "no_answer"),
        (cut_after_taking, "no_answer"),
        (cut_within_the_answer, "no_answer"),
        (no_http, "no_answer"),
        (garbage, "answer_unreadable"),
        (of_fewer, "answer_unreadable"),
        (of_another_batch, "answer_unreadable"),
        (says(429), "overloaded"),
        (says(503), "overloaded"),
        (says(500), "server_failed"),
        (says(403), "refused"),
    ],
)
def test_a_failure_says_which_it_is_and_no_secret(opened, fault, code):
    told = failure(client(opened(fault).url, tries=1), batch(0, 3))

    assert told.code == code
    assert code in DELIVERY_FAILURES
    assert KEY.material.hex() not in f"{told} {told.params}"


def test_what_is_no_json_is_not_sent(opened):
    door = opened()
    with pytest.raises(ValueError):
        client(door.url).deliver([{"data": float("nan")}])

    assert door.seen == []


@pytest.mark.parametrize("url", ["odoo.example", "ftp://odoo.example", "https://", "https://a/?b", "https://a/#b"])
def test_what_is_no_address(url):
    with pytest.raises(ValueError):
        Destination(url, "production", DATABASE)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b'"results"'])
def test_what_is_no_answer(content):
    with pytest.raises(ValueError):
        answer(content, batch(0, 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["results", "watermarks", "source", "id", "status", "x"]), inner, max_size=4)
    ),
)


@settings(deadline=None)
@given(json_values)
def test_whatever_the_answer_is_it_is_an_answer_or_none(value):
    try:
        answered = answer(json.dumps(value).encode(), batch(0, 1))
    except ValueError:
        return
    assert len(answered.results) == 1


# ----------------------------------------------------------------------------------------------------------- pauses


def test_pauses_grow_to_the_longest_and_are_never_the_same_for_all():
    pauses = Pauses(first=1.0, longest=60.0)

    assert [pauses.after(tries, chance=lambda: 1.0) for tries in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [pauses.after(tries, chance=lambda: 0.0) for tries in (1, 8)] == [0, 0]
    assert len({pauses.after(5) for _time in range(20)}) > 10
    assert pauses.after(10_000, chance=lambda: 1.0) == 60


@pytest.mark.parametrize("status", [429, 503])
def test_what_the_server_asks_to_wait_is_waited(opened, status):
    waited = []
    client(opened(says(status, ("Retry-After", "7"))).url, waited).deliver(batch(0, 1))

    assert len(waited) == 1
    assert 7 <= waited[0] <= 8


def test_who_is_asked_to_wait_for_long_comes_back_later(opened):
    door, waited = opened(says(429, ("Retry-After", "3600"))), []
    told = failure(client(door.url, waited), batch(0, 1))

    assert (told.code, told.params["retry_after"], waited) == ("overloaded", 3600.0, [])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 05 Jan 2026 12:01:00 GMT", 60.0),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0.0),
        *((value, None) for value in (None, "", "soon", "-7", "1.5", "٧", "9" * 400, "Mon, 99 Jan 2026 12:01:00 GMT")),
    ],
)
def test_how_long_retry_after_asks_for(value, seconds):
    assert retry_after(value, NOON) == seconds


# ---------------------------------------------------------------------------------------------------- under pressure


def takes_at_most(most, code="too_many_events"):
    """A door that takes so many events at once."""

    def fault(handler, body):
        if len(json.loads(gzip.decompress(body))) > most:
            handler.server.faults.insert(0, fault)
            handler.reply(413, {"title": "No", "code": code, "limit": most}, (), "application/problem+json")
        else:
            handler.server.faults.insert(0, fault)
            take(handler, body)

    return fault


@pytest.mark.parametrize("code", ["too_many_events", "body_too_big", "unknown to us"])
def test_a_batch_that_is_too_big_is_sent_in_parts_and_answered_as_one(opened, code):
    door, events = opened(takes_at_most(7, code)), batch(0, 50)
    answered = client(door.url).deliver(events)

    assert answered.results == tuple(Result(STREAM, event["id"], "accepted") for event in events)
    assert answered.watermarks == ({"source": STREAM, "epoch": 1, "sequence": 49},)
    assert len(door.kept) == 50


def test_one_event_that_is_too_big_is_refused_after_few_tries(opened):
    door = opened(takes_at_most(0))
    told = failure(client(door.url), batch(0, 64))

    assert (told.code, told.params["status"]) == ("refused", 413)
    assert len(door.seen) == 7


def not_now(handler, body):
    """Takes each second event, and asks to send the others again."""
    said = handler.results(body)
    for result in said["results"][::2]:
        del handler.server.kept[result["source"], result["id"]]
        result |= {"status": "rejected", "reason": "backlog_full", "message": "later"}
    handler.reply(200, said)


def test_what_is_not_taken_now_is_sent_again_and_nothing_else(opened):
    door, events, waited = opened(not_now, not_now), batch(0, 8), []
    answered = client(door.url, waited).deliver(events)

    assert answered.results == tuple(Result(STREAM, event["id"], "accepted") for event in events)
    sent = [[event["id"] for event in json.loads(gzip.decompress(request["body"]))] for request in door.seen]
    names = [event["id"] for event in events]
    assert sent == [names, names[::2], names[::4]]
    assert len(waited) == 2
    assert len({request["nonce"] for request in door.seen}) == 3, "another body, another nonce"


def test_what_is_never_taken_is_told(opened):
    door = opened(*(not_now for _time in range(9)))
    told = failure(client(door.url, tries=3), batch(0, 8))

    assert (told.code, len(door.seen)) == ("overloaded", 3)


def test_the_pause_that_is_asked_for_is_kept(opened):
    door, waited = opened(says(429, ("Retry-After", "7")), says(429, ("Retry-After", "3"))), []
    client(door.url, waited).deliver(batch(0, 3))

    assert waited[0] >= 7 and waited[1] >= 3
    assert len({request["nonce"] for request in door.seen}) == 1, "the same request"
