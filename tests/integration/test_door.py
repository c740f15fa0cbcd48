"""Does the door keep what it promises on a real server: each event once, whoever sends it, and nothing from strangers?"""

import concurrent.futures
import http.client
import json
import random
import subprocess
import time
from datetime import datetime, timezone

import pytest

from devtools import postgres
from machine_connect.client import Client, Destination
from machine_connect.envelope import BATCH
from machine_connect.signature import Key, Request, new_nonce, sign
from machine_connect.timestamps import timestamp
from tests.integration.hostile import form_of_parts
from tests.integration.plant import complaints, number, rows, wait

PATH = "/machine/v1/events"

SET_UP = """
machine = env["mrp.machine"].search([("code", "=", "press")])
source = env["mrp.machine.source"].create({"name": "Line controller", "machine_ids": machine.ids})
wizard = env["mrp.machine.source.new.key"].create({"source_id": source.id})
shown = wizard.action_make()["context"]
env["mrp.machine.connection"].search([]).active = False
result = {
    "machine": machine.id, "code": machine.code, "source": source.id, "key": shown["default_key_name"],
    "secret": shown["default_secret"], "environment": shown["default_environment"],
    "uuid": shown["default_database_uuid"], "example": shown["default_example"],
}
"""


class Door:
    """A server and a source of it that speaks for the demonstration's press."""

    def __init__(self, server, facts):
        self.server = server
        self.facts = facts
        self.key = Key(facts["key"], bytes.fromhex(facts["secret"]))
        self.moment = timestamp(int(time.time() * 1e6))
        self.destination = Destination(server.url, facts["environment"], facts["uuid"])

    def client(self):
        return Client(self.destination, self.key)

    def said(self, index, stream="line/1", **attributes):
        return {
            "specversion": "1.0",
            "id": f"event {index}",
            "source": stream,
            "type": "mmc.production.count.v1",
            "subject": self.facts["code"],
            "time": self.moment,
            "epoch": 1,
            "sequence": f"{index:020d}",
            "data": {"kind": "good", "delta": 1},
            **attributes,
        }

    def post(self, body, key=None, content_type=BATCH, target=PATH, method="POST", environment=None, **headers):
        """Send a signed request and return ``(status, headers, body)`` as they came."""
        request = Request(method, target, body, environment or self.facts["environment"], self.facts["uuid"])
        signed = sign(key or self.key, request, time.time(), new_nonce())
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            line.request(method, target, body, {**signed, "Content-Type": content_type, **headers})
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            line.close()


@pytest.fixture
def door(odoo_server, odoo_shell):
    return Door(odoo_server, odoo_shell(SET_UP))


def test_what_is_delivered_is_stored_once_and_has_its_effect(door, sql, odoo_shell):
    client = door.client()
    batch = [door.said(index) for index in range(1, 501)]
    first = client.deliver(batch)
    again = client.deliver(batch)

    assert {result.status for result in first.results} == {"accepted"}
    assert {(result.status, result.first) for result in again.results} == {("duplicate", "accepted")}
    assert again.watermarks == ({"source": "line/1", "epoch": 1, "sequence": 500},)
    of_source = f"source_id = {door.facts['source']}"
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE {of_source}") == 500
    odoo_shell("env['mrp.machine.poster']._cron_post()")
    made = f"""SELECT coalesce(sum(good), 0) FROM mrp_machine_ledger WHERE machine_id = {door.facts["machine"]}"""
    wait(lambda: number(sql, made) == 500, "the pieces are counted on the press's order")
    assert complaints(door.server.output()) == []


def test_the_example_of_the_key_wizard_works(door, sql):
    done = subprocess.run(["bash", "-c", door.facts["example"].replace(_url(door), door.server.url)],
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [result["status"] for result in answer["results"]] == ["accepted"], answer
    stored = rows(sql, f"SELECT data, machine_id FROM mrp_machine_event WHERE source_id = {door.facts['source']}")
    assert stored == [{"data": {"kind": "good", "delta": 1}, "machine_id": door.facts["machine"]}]


def _url(door):
    return door.facts["example"].partition("url='")[2].partition("'")[0]


def test_many_senders_of_the_same_events_store_each_once_and_no_gap_stays(door, sql):
    """Four at once, each all of it in an order of its own: what one is storing this moment, another one brings as well."""
    events, senders = 2_000, 4

    def send_all(seed):
        order = list(range(1, events + 1))
        random.Random(seed).shuffle(order)
        client, fates = door.client(), []
        for start in range(0, events, 100):
            answer = client.deliver([door.said(index) for index in order[start : start + 100]])
            fates += [result.status for result in answer.results]
        return fates

    with concurrent.futures.ThreadPoolExecutor(senders) as pool:
        fates = [fate for found in pool.map(send_all, range(senders)) for fate in found]

    assert sorted(set(fates)) == ["accepted", "duplicate"]
    assert fates.count("accepted") == events
    of_source = f"source_id = {door.facts['source']}"
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE {of_source}") == events
    assert number(sql, f"SELECT count(DISTINCT uid) FROM mrp_machine_event WHERE {of_source}") == events
    assert number(sql, "SELECT count(*) FROM mrp_machine_gap WHERE closed IS NULL") == 0
    assert number(sql, "SELECT count(*) FROM mrp_machine_gap") > 0, "they came in any order"
    assert rows(sql, f"SELECT lowest, sequence FROM mrp_machine_stream WHERE {of_source}") == [
        {"lowest": 1, "sequence": events}
    ]
    assert number(sql, "SELECT count(*) FROM mrp_machine_queue") == events
    assert "Traceback" not in door.server.output()


def test_strangers_and_nonsense_are_refused_in_words_and_nothing_is_stored(door, sql):
    good = json.dumps([door.said(1)]).encode()
    stranger = Key(door.key.name, bytes(32))
    form = "application/x-www-form-urlencoded"
    too_many, form_with_parts = form_of_parts(1_001)  # more than Werkzeug would take apart
    for what, expected, options in (
        ("a wrong secret", (401, "unauthorized"), {"body": good, "key": stranger}),
        ("a key nobody has", (401, "unauthorized"), {"body": good, "key": Key("nobody", bytes(32))}),
        ("another environment", (401, "unauthorized"), {"body": good, "environment": "moon"}),
        ("a stolen header", (401, "unauthorized"), {"body": good, "X-Machine-Key": "' OR 1=1 --"}),
        ("a header with half a character", (401, "unauthorized"), {"body": good, "X-Machine-Nonce": "\xff" * 16}),
        ("a form", (415, "media_type_unsupported"), {"body": good, "content_type": form}),
        ("many parts", (415, "media_type_unsupported"), {"body": too_many, "content_type": form_with_parts}),
        ("plain JSON", (415, "media_type_unsupported"), {"body": good, "content_type": "application/json"}),
        ("no JSON", (400, "not_json"), {"body": b"[{"}),
        ("very deep JSON", (400, "too_deep"), {"body": b"[" * 100_000}),
        ("too much", (413, "body_too_big"), {"body": b" " * 2_000_000}),
        ("half a gzip", (400, "gzip_broken"), {"body": good, "Content-Encoding": "gzip"}),
    ):
        status, headers, body = door.post(**options)
        assert headers["Content-Type"].startswith("application/problem+json"), (what, status, body)
        problem = json.loads(body)
        assert (status, problem["code"]) == expected, what
        assert problem["status"] == status and problem["title"]
        assert "Set-Cookie" not in headers, what
    nothing = door.post(json.dumps([{**door.said(1), "subject": "another machine"}]).encode())
    assert (nothing[0], json.loads(nothing[2])["results"][0]["reason"]) == (200, "machine_unknown")

    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {door.facts['source']}") == 0
    refused = {row["reason"]: row["count"] for row in rows(sql, "SELECT reason, count FROM mrp_machine_refusal")}
    assert refused["signature_wrong"] == 2
    assert refused["machine_unknown"] == 1
    log = door.server.output()
    assert "Traceback" not in log and door.facts["secret"] not in log


def test_what_the_database_ends_is_told_in_words_and_can_be_sent_again(door, durable_database, sql):
    """Something Odoo does not try again: it happens around the controller, which cannot answer any more."""
    batch = json.dumps([door.said(1)]).encode()
    lock = "LOCK TABLE mrp_machine_source_figure IN EXCLUSIVE MODE; SELECT pg_sleep(60)"
    ours = "pg_stat_activity WHERE datname = current_database() AND query LIKE"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        held = pool.submit(postgres.DURABLE.query, durable_database, lock)
        wait(lambda: sql(f"SELECT pid FROM {ours} 'LOCK TABLE%' AND wait_event = 'PgSleep'"), "the table is locked")
        asked = pool.submit(door.post, batch)
        of_door = f"{ours} 'INSERT INTO mrp_machine_source_figure%' AND wait_event_type = 'Lock'"
        wait(lambda: sql(f"SELECT pg_cancel_backend(pid) FROM {of_door}"), "the request waits for the lock, in vain")
        status, headers, body = asked.result()
        sql(f"SELECT pg_cancel_backend(pid) FROM {ours} 'LOCK TABLE%'")
        assert held.result() is None, "it was ended by us"

    assert (status, headers["Content-Type"], json.loads(body)["code"]) == (
        500, "application/problem+json", "server_failed",
    )  # fmt: skip
    assert number(sql, "SELECT count(*) FROM mrp_machine_event WHERE stream = 'line/1'") == 0
    assert json.loads(door.post(batch)[2])["results"][0]["status"] == "accepted"


def test_whoever_asks_learns_that_it_is_up_and_nothing_else(door):
    line = http.client.HTTPConnection("127.0.0.1", door.server.port, timeout=60)
    line.request("GET", "/machine/v1/health")
    answer = line.getresponse()

    assert (answer.status, json.loads(answer.read())) == (200, {"status": "up"})
    assert answer.getheader("Set-Cookie") is None
    line.close()
    assert door.post(b"", method="GET")[0] == 405


def test_a_key_that_is_revoked_under_load_is_refused_within_a_second(door, sql, odoo_shell):
    sent = []

    def send(index):
        status, _headers, _body = door.post(json.dumps([door.said(index)]).encode())
        sent.append((datetime.now(timezone.utc), status))
        return status

    assert send(1) == 200
    before = datetime.now(timezone.utc)
    odoo_shell(
        f"env['mrp.machine.source.key'].search([('name', '=', {door.key.name!r})]).action_revoke(); env.cr.commit()"
    )
    revoked = datetime.now(timezone.utc)
    assert send(2) == 401
    assert sent[-1][0] > revoked > before
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {door.facts['source']}") == 1
