"""Does a real server slow senders down instead of falling over, and does nothing get lost by it? And who cannot sign?"""

import concurrent.futures
import http.client
import json
import subprocess
import threading
import time
from collections import Counter

import pytest

from machine_connect.client import Client
from machine_connect.envelope import BATCH
from machine_connect.retry import Pauses
from tests.integration.plant import complaints, number, rows, wait
from tests.integration.test_door import PATH, SET_UP, Door

LIMIT = "env['ir.config_parameter'].set_param('mrp_machine_connect.{}', '{}')\n"

BEARER = """
source = env["mrp.machine.source"].browse({source})
source.write({{
    "networks": "127.0.0.1", "allows_bearer": True, "allows_bearer_in_production": True, "bearer_reason": "Scale of 2009",
}})
wizard = env["mrp.machine.source.new.key"].create({{"source_id": source.id, "bearer": True}})
shown = wizard.action_make()["context"]
result = {{"token": shown["default_secret"], "example": shown["default_example"]}}
"""


@pytest.fixture
def open_door(start_odoo, odoo_shell):
    """Function that opens a door with some limits: ``open_door(source_requests=5)``, on a server as it is configured."""

    def start(settings=None, **limits):
        facts = odoo_shell("".join(LIMIT.format(*limit) for limit in limits.items()) + SET_UP)
        return Door(start_odoo(**(settings or {})), facts)

    return start


def stored(sql, door):
    of_source = f"FROM mrp_machine_event WHERE source_id = {door.facts['source']}"
    return number(sql, f"SELECT count(*) {of_source}"), number(sql, f"SELECT count(DISTINCT (stream, uid)) {of_source}")


@pytest.mark.parametrize("settings", [{}, {"workers": 2}], ids=["threaded", "prefork"])
def test_a_flood_is_asked_to_wait_and_all_of_it_arrives_once(open_door, sql, settings):
    door = open_door(settings, source_requests=10)

    def post(index):
        return door.post(json.dumps([door.said(index)]).encode())

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(post, range(1, 151)))
    asked_to_wait = [(headers, body) for status, headers, body in answers if status == 429]
    assert {status for status, _headers, _body in answers} == {200, 429}
    assert len(asked_to_wait) > 50
    for headers, body in asked_to_wait:
        problem = json.loads(body)
        assert headers["Content-Type"].startswith("application/problem+json")
        assert 1 <= int(headers["Retry-After"]) <= 10
        assert (problem["code"], problem["status"]) == ("rate_exceeded", 429)
        assert problem["retry_after"] == int(headers["Retry-After"])
    taken = stored(sql, door)
    assert taken[0] == taken[1] == 150 - len(asked_to_wait)

    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        time.sleep(seconds)

    def deliver(start):
        client = Client(door.destination, door.key, Pauses(tries=100, first=0.5, longest=15.0), sleep)
        return [
            result.status
            for first in range(start, 151, 4)
            for result in client.deliver([door.said(first)]).results
        ]  # fmt: skip

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        fates = Counter(fate for found in pool.map(deliver, range(1, 5)) for fate in found)
    assert fates == {"accepted": len(asked_to_wait), "duplicate": taken[0]}
    assert pauses, "they were asked to wait, too"
    assert stored(sql, door) == (150, 150)
    refused = rows(sql, "SELECT reason, count FROM mrp_machine_refusal")
    assert [row["reason"] for row in refused] == ["rate_exceeded"]
    assert complaints(door.server.output()) == []


def test_many_processes_go_by_one_bucket(open_door, sql):
    """Four workers let through what one would, and a fifth of a second's more."""
    door = open_door({"workers": 4}, source_requests=10)
    began = time.monotonic()
    taken = Counter()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:

        def post(index):
            taken[door.post(json.dumps([door.said(index)]).encode())[0]] += 1

        while time.monotonic() < began + 6:
            list(pool.map(post, range(20 * sum(taken.values()), 20 * sum(taken.values()) + 20)))
    seconds = time.monotonic() - began

    # The burst of two seconds, the rate, and what four processes take before they have heard of each other.
    assert 10 * seconds <= taken[200] <= 20 + 10 * seconds + 4 * 20
    assert set(taken) == {200, 429}
    assert number(sql, "SELECT count(*) FROM mrp_machine_bucket") == 2


def test_while_too_much_waits_stops_and_alarms_are_let_in(open_door, sql, odoo_shell):
    door = open_door(backlog_bulk=200, backlog_all=100_000)
    client = door.client()
    client.deliver([door.said(index) for index in range(1, 301)])
    time.sleep(1.2)  # so long is the length of the backlog believed

    status, headers, body = door.post(json.dumps([door.said(301)]).encode())
    assert (status, json.loads(body)["code"], headers["Retry-After"]) == (429, "backlog_full", "5")
    alarm = {"type": "mmc.alarm.raised.v1", "data": {"code": "17", "severity": 800, "text": "Jam"}}
    stop = {"type": "mmc.machine.state_changed.v1", "data": {"state": "fault", "previous": "running"}}
    odoo_shell(f"env['mrp.machine.source'].browse({door.facts['source']}).event_types = '*'")
    urgent = [door.said(1, "alarms", **alarm), door.said(2, "alarms", **stop)]
    status, _headers, body = door.post(json.dumps([*urgent, door.said(302)]).encode())
    fates = [(result["status"], result["reason"]) for result in json.loads(body)["results"]]
    assert (status, fates) == (200, [("accepted", ""), ("accepted", ""), ("rejected", "backlog_full")])

    # Who brings both is told of the stop at once, and of the pieces once there is room again.
    found = {}

    def deliver():
        patient = Client(door.destination, door.key, Pauses(tries=200, first=0.5, longest=6.0))
        found["answer"] = patient.deliver([door.said(303), door.said(3, "alarms", **stop), door.said(304)])

    sender = threading.Thread(target=deliver)
    sender.start()
    in_log = f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {door.facts['source']} AND stream = 'alarms'"
    wait(lambda: number(sql, in_log) == 3, "the stop is stored although pieces are not taken")
    assert sender.is_alive()
    odoo_shell("env['mrp.machine.poster']._cron_post()")
    sender.join(60)
    assert [result.status for result in found["answer"].results] == ["accepted"] * 3
    assert stored(sql, door) == (305, 305)
    assert complaints(door.server.output()) == []


def test_what_is_too_big_is_told_its_limit_and_sent_in_parts(open_door, sql):
    door = open_door()
    events = [door.said(index) for index in range(1, 2_501)]
    status, _headers, body = door.post(json.dumps(events).encode())
    problem = json.loads(body)
    assert (status, problem["code"], problem["limit"]) == (413, "too_many_events", 1_000)

    answer = door.client().deliver(events)
    assert {result.status for result in answer.results} == {"accepted"}
    assert answer.watermarks == ({"source": "line/1", "epoch": 1, "sequence": 2_500},)
    assert stored(sql, door) == (2_500, 2_500)


def test_a_device_that_cannot_sign_sends_its_key_along(open_door, sql, odoo_shell):
    door = open_door()
    shown = odoo_shell(BEARER.format(**door.facts))
    address = shown["example"].partition("url='")[2].partition("'")[0]
    example = shown["example"].replace(address, door.server.url)
    done = subprocess.run(["bash", "-c", example], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [result["status"] for result in json.loads(done.stdout)["results"]] == ["accepted"], done.stdout

    def ask(path, token, body=b"[]", method="POST", content_type=BATCH):
        line = http.client.HTTPConnection("127.0.0.1", door.server.port, timeout=60)
        line.request(
            method, path, body,
            {"Authorization": f"Bearer {token}", "Content-Type": content_type},
        )  # fmt: skip
        answer = line.getresponse()
        found = answer.status, answer.read(), answer.getheader("Set-Cookie")
        line.close()
        return found

    token = shown["token"]
    assert ask(PATH, token)[0] == 200
    status, body, _cookie = ask(PATH, token[:-4] + "AAAA")
    assert (status, json.loads(body)["code"]) == (401, "unauthorized")
    status, body, _cookie = ask("/machine/v1/metrics", token, method="GET")
    assert (status, json.loads(body)["code"]) == (403, "action_forbidden")
    # A source is no user: its key opens nothing else of Odoo.
    for path in ("/json/2/res.users/search", "/json/2/mrp.machine.event/search"):
        assert ask(path, token, b"{}", content_type="application/json")[0] == 401, path
    odoo_shell(f"env['mrp.machine.source'].browse({door.facts['source']}).allows_bearer = False")
    status, body, _cookie = ask(PATH, token)
    assert (status, json.loads(body)["code"]) == (403, "bearer_forbidden")
    assert token not in door.server.output()
    assert stored(sql, door) == (1, 1)
