"""Is the door the same on every kind of server: threaded, prefork, behind a proxy, with two databases, while keys change?"""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from datetime import datetime, timezone

import pytest

from devtools import postgres
from machine_connect.client import Client, Destination, NotDelivered
from machine_connect.retry import Pauses
from machine_connect.signature import Key, Request, new_nonce, sign
from machine_connect.timestamps import timestamp
from tests.integration import processes
from tests.integration.plant import number, rows
from tests.integration.prefork import PreforkServer

SET_UP = """
env["mrp.machine.arming"]._arm("A database made for a test.")
env["mrp.machine.connection"].search([]).active = False
machine = env["mrp.machine"].search([("code", "=", "press")])
source = env["mrp.machine.source"].create({"name": "Line controller", "machine_ids": machine.ids, "networks": NETWORKS})
shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
result = {
    "source": source.id, "code": machine.code, "key": shown["default_key_name"], "secret": shown["default_secret"],
    "environment": shown["default_environment"], "uuid": shown["default_database_uuid"],
}
"""


def set_up(shell, networks=""):
    return shell(f"NETWORKS = {networks!r}\n{SET_UP}")


def event(facts, index, stream="line/1"):
    return {
        "specversion": "1.0",
        "id": f"event {index}",
        "source": stream,
        "type": "mmc.production.count.v1",
        "subject": facts["code"],
        "time": timestamp(int(time.time() * 1e6)),
        "epoch": 1,
        "sequence": f"{index:020d}",
        "data": {"kind": "good", "delta": 1},
    }


def client(facts, url, tries=1, key=None, database_name=""):
    destination = Destination(url, facts["environment"], facts["uuid"], database_name)
    key = key or facts
    return Client(destination, Key(key["key"], bytes.fromhex(key["secret"])), Pauses(tries=tries))


def refused(facts, url, **options):
    """Return ``(status, code)`` with which a batch is refused."""
    with pytest.raises(NotDelivered) as failure:
        client(facts, url, **options).deliver([event(facts, 9_999)])
    return failure.value.params["status"], failure.value.params["problem"].get("code")


def assert_delivery(facts, url, sql, **options):
    """Deliver, deliver again, leave a gap and fill it; prove what is stored."""
    sender = client(facts, url, **options)
    batch = [event(facts, index) for index in range(1, 301)]
    first, again = sender.deliver(batch), sender.deliver(batch)
    assert {(result.status, result.reason) for result in first.results} == {("accepted", "")}
    assert {(result.status, result.first) for result in again.results} == {("duplicate", "accepted")}
    behind = sender.deliver([event(facts, 302)])
    assert [(result.status, result.reason) for result in behind.results] == [("accepted", "gap_open")]
    assert behind.watermarks == ({"source": "line/1", "epoch": 1, "sequence": 300},)
    assert sender.deliver([event(facts, 301)]).watermarks[0]["sequence"] == 302
    changed = sender.deliver([{**batch[0], "data": {"kind": "good", "delta": 2}}])
    assert [(result.status, result.reason) for result in changed.results] == [("rejected", "identity_conflict")]
    of_source = f"source_id = {facts['source']}"
    assert rows(
        sql,
        f"SELECT count(*) AS events, count(DISTINCT uid) AS ids, sum((data->>'delta')::int) AS pieces "
        f"FROM mrp_machine_event WHERE {of_source}",
    ) == [{"events": 302, "ids": 302, "pieces": 302}]
    assert number(sql, "SELECT count(*) FROM mrp_machine_gap WHERE closed IS NULL") == 0
    # Who has no right gets nowhere here either.
    assert refused({**facts, "secret": "00" * 32}, url, **options) == (401, "unauthorized")
    assert refused({**facts, "environment": "moon"}, url, **options) == (401, "unauthorized")
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE {of_source}") == 302


@pytest.fixture
def start_prefork(durable_database, programs):
    """Function that starts a prefork server for the test's database."""

    def start(**settings):
        server = PreforkServer(postgres.DURABLE, durable_database, **settings)
        programs.append(server)
        return server.start()

    return start


def test_threaded(odoo_server, odoo_shell, sql):
    assert_delivery(set_up(odoo_shell), odoo_server.url, sql)


def test_prefork(start_prefork, odoo_shell, sql):
    facts = set_up(odoo_shell)
    server = start_prefork()

    assert len(server.workers()) == 2
    assert_delivery(facts, server.url, sql)


# ------------------------------------------------------------------------------------------------- a proxy in front


class Proxy:
    """Hands requests on to a server and says whom they came from, as nginx does with the lines of our documentation.

    :param int port: of the server
    :param str caller: whom it says they came from
    """

    def __init__(self, port, caller):
        self.server_port = port
        self.caller = caller
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                line, _address = self._listener.accept()
                with line, socket.create_connection(("127.0.0.1", self.server_port)) as server:
                    self._hand_on(line, server)

    def _hand_on(self, line, server):
        request = b""
        while b"\r\n\r\n" not in request:
            request += line.recv(65_536)
        head, _end, body = request.partition(b"\r\n\r\n")
        length = next(
            int(part.split(b":")[1]) for part in head.split(b"\r\n") if part.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += line.recv(65_536)
        more = f"X-Forwarded-For: {self.caller}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: odoo.example"
        server.sendall(head + b"\r\n" + more.encode() + b"\r\n\r\n" + body)
        while part := server.recv(65_536):
            line.sendall(part)


def test_behind_a_proxy_the_caller_is_the_one_that_the_proxy_names(start_odoo, odoo_shell, sql):
    facts = set_up(odoo_shell, networks="192.168.10.0/24")
    server = start_odoo(proxy_mode=True)

    with Proxy(server.port, "192.168.10.7") as near, Proxy(server.port, "192.168.11.7") as far:
        assert_delivery(facts, near.url, sql)
        assert refused(facts, far.url) == (401, "unauthorized")
    assert refused(facts, server.url) == (401, "unauthorized"), "straight from here is not from that network"
    found = rows(sql, "SELECT address FROM mrp_machine_refusal WHERE reason = 'network_foreign'")
    assert found and found[0]["address"] in ("127.0.0.1", "192.168.11.7")


def test_without_proxy_mode_nobody_can_say_that_he_is_somewhere_else(odoo_server, odoo_shell, sql):
    facts = set_up(odoo_shell, networks="192.168.10.0/24")

    with Proxy(odoo_server.port, "192.168.10.7") as proxy:
        assert refused(facts, proxy.url) == (401, "unauthorized")
    assert rows(sql, "SELECT reason, address FROM mrp_machine_refusal") == [
        {"reason": "network_foreign", "address": "127.0.0.1"}
    ]


# ----------------------------------------------------------------------------------------- two databases, one server


@pytest.fixture
def second_database(durable_database):
    """Name of one more database, which is another one than the first in all that says who it is."""
    cluster, name = postgres.DURABLE, f"{durable_database}_b"
    cluster.clone(durable_database, name)
    cluster.query(name, "UPDATE ir_config_parameter SET value = gen_random_uuid() WHERE key = 'database.uuid'")
    yield name
    cluster.drop(name)


@pytest.mark.parametrize("kind", [processes.OdooServer, PreforkServer])
def test_two_databases_of_one_server_never_meet(kind, durable_database, second_database, programs):
    names = (durable_database, second_database)
    cluster = postgres.DURABLE
    facts = [set_up(processes.OdooShell(cluster, name)) for name in names]
    assert facts[0]["uuid"] != facts[1]["uuid"]
    server = kind(cluster, durable_database)
    text = server.configuration.read_text()
    server.configuration.write_text(text.replace(f"db_name = {durable_database}", f"db_name = {','.join(names)}"))
    programs.append(server)
    processes.Program.start(server)
    server.wait_until(lambda: _answers(server, durable_database), "Odoo answers", 120)

    for name, of in zip(names, facts, strict=True):
        assert_delivery(of, server.url, lambda statement, name=name: cluster.query(name, statement), database_name=name)
    # The key of one opens nothing of the other, and without a name none is meant.
    assert refused(facts[0], server.url, database_name=second_database) == (401, "unauthorized")
    assert refused(facts[1], server.url, database_name=durable_database) == (401, "unauthorized")
    assert refused({**facts[0], "uuid": facts[1]["uuid"]}, server.url, database_name=second_database)[0] == 401
    assert refused(facts[0], server.url)[0] == 404
    assert refused(facts[0], server.url, database_name="postgres")[0] in (401, 404)
    for name in names:
        assert cluster.query(name, "SELECT count(*) FROM mrp_machine_event WHERE stream = 'line/1'") == "302"
    assert "Traceback" not in server.output()


def _answers(server, database):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        line.request("GET", "/machine/v1/health", headers={"X-Odoo-Database": database})
        return line.getresponse().status == 200
    except OSError:
        return False
    finally:
        line.close()


# ------------------------------------------------------------------------------------------------- keys come and go


class Sender(threading.Thread):
    """Delivers one batch after the other, and notes each that was refused."""

    def __init__(self, facts, url, stream):
        super().__init__(daemon=True)
        self.facts, self.url, self.stream = facts, url, stream
        self.key = facts
        self.over = threading.Event()
        self.delivered, self.problems, self.by_key = 0, [], {}

    def run(self):
        while not self.over.is_set():
            key = self.key
            batch = [event(self.facts, self.delivered + index, self.stream) for index in range(1, 21)]
            try:
                results = client(self.facts, self.url, key=key).deliver(batch).results
            except NotDelivered as failure:
                self.problems.append((str(failure), failure.params))
                continue
            self.problems += [result for result in results if result.status != "accepted"]
            self.delivered += len(batch)
            self.by_key[key["key"]] = self.by_key.get(key["key"], 0) + len(batch)


def test_a_key_is_changed_under_load_without_one_refused_event(start_prefork, odoo_shell, sql):
    facts = set_up(odoo_shell)
    server = start_prefork()
    senders = [Sender(facts, server.url, f"line/{index}") for index in range(3)]
    for sender in senders:
        sender.start()

    (wizard,) = server.call("mrp.machine.source.new.key", "create", [{"source_id": facts["source"]}])
    shown = server.call("mrp.machine.source.new.key", "action_make", [wizard])["context"]
    new = {"key": shown["default_key_name"], "secret": shown["default_secret"]}
    old_id = int(sql(f"SELECT id FROM mrp_machine_source_key WHERE name = '{facts['key']}'"))
    ends = int(time.time()) + 4
    until = datetime.fromtimestamp(ends, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    server.call("mrp.machine.source.key", "write", [old_id], {"valid_until": until})
    switched = time.time()
    for sender in senders:
        sender.key = {**facts, **new}
    time.sleep(max(0.0, ends - time.time()) + 2)
    for sender in senders:
        sender.over.set()
    for sender in senders:
        sender.join(30)

    assert switched < ends, "the senders changed over while both were valid"
    assert [sender.problems for sender in senders] == [[], [], []]
    assert all(sender.by_key.keys() == {facts["key"], new["key"]} for sender in senders)
    delivered = sum(sender.delivered for sender in senders)
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {facts['source']}") == delivered
    assert refused(facts, server.url) == (401, "key_outdated")
    assert rows(sql, "SELECT reason, count FROM mrp_machine_refusal") == [{"reason": "key_outdated", "count": 1}]
    print(f"{delivered} events while the key was changed: {[sender.by_key for sender in senders]}")


@contextlib.contextmanager
def standing_still(process, sql):
    """Whatever is asked meanwhile is answered by somebody else, who waits for no lock of the one that stands still."""
    open_transactions = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        " AND xact_start IS NOT NULL"
    )
    try:
        process.send_signal(signal.SIGSTOP)
        while number(sql, open_transactions):
            # Its answer was sent, and it still writes what it counted.
            process.send_signal(signal.SIGCONT)
            time.sleep(0.02)
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_revoked_key_is_refused_within_a_second_by_every_worker(start_prefork, odoo_shell, sql):
    facts = set_up(odoo_shell)
    server = start_prefork()
    assert number(sql, f"SELECT count(*) FROM mrp_machine_source_key WHERE source_id = {facts['source']}") == 1
    key_id = int(sql(f"SELECT id FROM mrp_machine_source_key WHERE source_id = {facts['source']}"))
    workers = server.workers()
    assert len(workers) == 2
    server.log_in()

    def answers():
        """Return the status that each of the two gives, while the other one stands still."""
        found = []
        for other in workers:
            with standing_still(other, sql):
                found.append(_status(facts, server.port))
        return found

    assert answers() == [200, 200], "both know the key"
    server.call("mrp.machine.source.key", "action_revoke", [key_id])
    revoked = time.monotonic()
    after = answers()
    seconds = time.monotonic() - revoked

    assert after == [401, 401]
    assert seconds <= 1.0
    print(f"refused by both workers {seconds:.3f} s after it was revoked")


def _status(facts, port):
    body, target = b"[]", "/machine/v1/events"
    request = Request("POST", target, body, facts["environment"], facts["uuid"])
    headers = sign(Key(facts["key"], bytes.fromhex(facts["secret"])), request, time.time(), new_nonce())
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        line.request("POST", target, body, {**headers, "Content-Type": "application/cloudevents-batch+json"})
        answer = line.getresponse()
        json.loads(answer.read())
        return answer.status
    finally:
        line.close()
