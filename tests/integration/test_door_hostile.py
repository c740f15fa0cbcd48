"""Whoever has bad intentions: does the door stay shut, polite and of the same size?

No answer is a failure of the server, no traceback is in an answer or in the log, nothing is stored, and the memory of the server
does not grow with what it refuses.
"""

import concurrent.futures
import json
import random
import re
import statistics
import threading
import time
from collections import Counter, defaultdict

import hypothesis
import psutil
import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from machine_connect.signature import new_nonce
from tests.integration.hostile import Hostility, form_of_fields, form_of_parts, speak
from tests.integration.plant import complaints, number

SENDERS = 3
#: Where Odoo itself may fail before or beside us, as it does at any address: a request without a host, a path with a NUL to
#: which no route leads. A proxy in front lets none of it through.
NOT_OURS = ("broken_line", "path", "path_that_is_signed", "old_http", "headers_of_others")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

SET_UP = """
env["mrp.machine.arming"]._arm("A database made for a test.")
env["mrp.machine.connection"].search([]).active = False
machines = env["mrp.machine"].search([("code", "!=", False)], limit=2)
made = []
for machine in machines:
    source = env["mrp.machine.source"].create({"name": f"Line {machine.code}", "machine_ids": machine.ids})
    shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
    made.append({
        "source": source.id, "code": machine.code, "key": shown["default_key_name"], "secret": shown["default_secret"],
        "environment": shown["default_environment"], "uuid": shown["default_database_uuid"],
    })
made[0]["foreign"], made[1]["foreign"] = made[1]["code"], made[0]["code"]
result = made
"""


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.full)])
def test_hostile_requests_break_nothing_store_nothing_and_leave_nothing(count, odoo_server, odoo_shell, sql):
    facts = odoo_shell(SET_UP)[0]
    seed = random.SystemRandom().randrange(10**6)
    own = Hostility(facts, seed)

    def use_a_nonce():
        """Use one; it is remembered as long as a signature may be old, so a long run needs a new one now and then."""
        nonce = new_nonce()
        status, answer = speak(odoo_server.port, [own.raw(b"[]", own.signed(b"[]", nonce=nonce))])
        assert status == 200, answer
        facts["used_nonce"] = nonce

    use_a_nonce()
    stored = _stored(sql)
    process = psutil.Process(odoo_server.pid)
    statuses, faults, beside, sizes = defaultdict(Counter), [], Counter(), []
    turn, done = threading.Lock(), 0
    began = time.monotonic()

    def attack(_index):
        nonlocal done
        with turn:
            what, sent = own.next()
        status, answer = speak(odoo_server.port, sent)
        with turn:
            statuses[what][status] += 1
            if status == 500 and what in NOT_OURS and b"problem+json" not in answer:
                beside[what] += 1
            elif status in range(500, 600) and status not in (501, 505) or b"Traceback" in answer:
                faults.append((what, sent[0][:300], answer[:300]))
            done += 1
            if done % (count // 100) == 0:
                sizes.append(process.memory_info().rss)
            if done % (count // 20) == 0:
                use_a_nonce()

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        for _found in pool.map(attack, range(count)):
            pass
    seconds = time.monotonic() - began
    # What is imported and kept at first use is no growth; a short run is not through with it after a tenth. Big requests that
    # are under way are none either, and one can be a tenth of it all: so the middle of five readings is taken.
    begun = len(sizes) // (10 if count >= 20_000 else 2)
    early, late = statistics.median(sizes[begun - 5 : begun]), statistics.median(sizes[-5:])
    print(f"{count} hostile requests in {seconds:.0f} s (seed {seed}), RSS {early >> 20} → {late >> 20} MiB: "
          f"{late / early:.3f}")  # fmt: skip
    print(f"  RSS in MiB: {[size >> 20 for size in sizes]}")
    for what, found in sorted(statuses.items()):
        print(f"  {what}: {dict(found)}")

    log = odoo_server.output()
    assert faults == []
    assert our_failures(log) == []
    print(f"  Odoo's own failures, at no address of ours: {dict(beside)}")
    assert sum(beside.values()) < count / 50
    assert facts["secret"] not in log
    assert _stored(sql) == stored
    # The short run has no time to tell a slow growth from what the allocator keeps one time and gives back the other.
    assert late <= (1.05 if count >= 20_000 else 1.15) * early
    # It was no shut door, and it is none now.
    assert {200, 400, 401, 413, 415} <= {status for found in statuses.values() for status in found}
    good = own.batch()
    status, answer = speak(odoo_server.port, [own.raw(good, own.signed(good))])
    assert (status, json.loads(answer.partition(b"\r\n\r\n")[2])["results"][0]["status"]) == (200, "accepted")


def test_a_form_is_refused_without_being_taken_apart(odoo_server, odoo_shell):
    """Odoo would take it apart before anybody is asked whether its sender may; what that costs is not all given back."""
    own = Hostility(odoo_shell(SET_UP)[0], 0)
    process = psutil.Process(odoo_server.pid)
    made = [
        own.raw(body, own.unsigned(), content_type=kind)
        for body, kind in (form_of_fields(20_000), form_of_parts(1_000))
    ]

    def attack(turn):
        status, answer = speak(odoo_server.port, [made[turn % len(made)]])
        assert status == 415 and b"application/problem+json" in answer, answer[:300]

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(attack, range(100)))  # what is kept at first use is no growth
        before = process.memory_info().rss
        list(pool.map(attack, range(300)))
    grown = process.memory_info().rss - before
    print(f"grown by {grown / 2**20:.1f} MiB, from {before >> 20} MiB")
    assert grown <= 10 * 2**20
    assert "Traceback" not in odoo_server.output()


def our_failures(log):
    """Return what a log says of failures in which our code has a part: tracebacks through it, and errors by it."""
    ours = [line for line in complaints(log) if "mrp_machine_connect" in line and " WARNING " not in line]
    parts = re.split(r"^(?=Traceback )", log, flags=re.MULTILINE)[1:]
    traces = [re.split(r"^\d{4}-\d\d-\d\d ", part, maxsplit=1, flags=re.MULTILINE)[0] for part in parts]
    return ours + [trace[-2_000:] for trace in traces if "/mrp_machine_connect/" in trace]


def _stored(sql):
    """Return how much there is of whatever a request could bring in."""
    tables = ("event", "queue", "stream", "gap", "posting", "source_key", "source", "ledger")
    return {table: number(sql, f"SELECT count(*) FROM mrp_machine_{table}") for table in tables}


@pytest.mark.parametrize("examples", [40, pytest.param(1_000, marks=pytest.mark.full)])
def test_what_the_door_says_of_itself_is_true_whatever_is_sent(examples, odoo_server, odoo_shell, sql):
    """By schemathesis: all that the OpenAPI document allows, and much that it does not, signed and not."""
    facts = odoo_shell(SET_UP)[1]
    own = Hostility(facts, 0)
    document = schemathesis.openapi.from_url(f"{odoo_server.url}/machine/v1/openapi.json")
    asked, accepted = Counter(), Counter()
    others = _stored(sql)

    def ask(case, is_signed):
        response = _send(case, odoo_server.url, own if is_signed else None)
        asked[f"{case.method} {case.path} {'signed' if is_signed else 'unsigned'} {response.status_code}"] += 1
        assert response.status_code < 500, response.text
        assert "Traceback" not in response.text
        if case.path.endswith("/events") and response.status_code == 200:
            accepted.update(result["status"] for result in response.json()["results"])
        case.validate_response(response, checks=CHECKS)

    def every_case_of(operation, is_signed):
        @hypothesis.settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy())
        def every_case(case):
            ask(case, is_signed)

        every_case()

    for operation in document.get_all_operations():
        for is_signed in (True, False):
            every_case_of(operation.ok(), is_signed)
    print(json.dumps(asked, indent=1, sort_keys=True), dict(accepted))
    assert not [what for what in asked if "/events unsigned 200" in what]
    assert _stored(sql)["event"] - others["event"] == accepted["accepted"] + accepted["held"]
    assert "Traceback" not in odoo_server.output()


def _send(case, url, own):
    """Send a case of schemathesis, signed if it is to be, and return the answer."""
    plan = case.as_transport_kwargs(base_url=url)
    prepared = requests.Request(**{name: value for name, value in plan.items() if name != "cookies"}).prepare()
    if own:
        body = prepared.body or b""
        body = body.encode() if isinstance(body, str) else body
        prepared.headers.update(own.signed(body, prepared.path_url, prepared.method))
    with requests.Session() as session:
        return session.send(prepared, timeout=30, allow_redirects=False)
