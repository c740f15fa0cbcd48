"""Do heartbeat, configuration, trace and metrics keep what they promise on a real server, and say nothing to strangers?"""

import concurrent.futures
import http.client
import json
import re
import time
from datetime import datetime, timezone
from urllib.parse import quote

import pytest
from openapi_spec_validator import validate

from machine_connect.signature import Key
from machine_connect.timestamps import timestamp
from tests.integration.plant import number, rows
from tests.integration.test_door import SET_UP, Door

BASE = "/machine/v1"
MAY_READ_FIGURES = "source.allows_metrics = True"
MAKE_SIGNAL = """
machine = env["mrp.machine"].search([("code", "=", "press")])
signal = machine.signal_ids[0]
signal.scale = signal.scale + 1
env["mrp.machine"].flush_model()
result = {"version": machine.mapping_version}
"""
#: As the settings do it: what the servers remember of a parameter is forgotten.
LET_IN = """
env["ir.config_parameter"].set_param("mrp_machine_connect.metrics_networks", "{}")
env.cr.commit()
env.registry.signal_changes()
"""
OTHER_SOURCE = """
machine = env["mrp.machine"].search([("code", "=", "press")])
source = env["mrp.machine.source"].create({"name": "Another", "machine_ids": machine.ids})
shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
result = {"key": shown["default_key_name"], "secret": shown["default_secret"], "source": source.id}
"""


@pytest.fixture
def door(odoo_server, odoo_shell):
    return Door(odoo_server, odoo_shell(SET_UP + MAY_READ_FIGURES))


def ask(door, path, key=None, method="GET", **headers):
    """Send a signed request without a body and return ``(status, headers, body)``."""
    return door.post(b"", key=key, target=f"{BASE}/{path}", method=method, content_type="text/plain", **headers)


def plain(door, path, method="GET", **headers):
    """Send a request that nobody signed."""
    line = http.client.HTTPConnection("127.0.0.1", door.server.port, timeout=60)
    try:
        line.request(method, f"{BASE}/{path}", headers=headers)
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        line.close()


def beat(door, said=None, **options):
    body = b"" if said is None else json.dumps(said).encode()
    status, headers, answer = door.post(body, target=f"{BASE}/heartbeat", content_type="application/json", **options)
    return status, json.loads(answer)


def test_a_client_learns_by_the_tag_when_its_configuration_changes(door, odoo_shell):
    status, headers, body = ask(door, "config")
    assert status == 200, body
    assert headers["Content-Type"].startswith("application/json")
    tag, configuration = headers["ETag"], json.loads(body)
    assert [machine["code"] for machine in configuration["machines"]] == [door.facts["code"]]
    assert configuration["machines"][0]["signals"]
    assert "Set-Cookie" not in headers

    for _poll in range(3):
        status, headers, body = ask(door, "config", **{"If-None-Match": tag})
        assert (status, headers["ETag"], body) == (304, tag, b"")
    assert beat(door)[1]["config"] == tag
    odoo_shell(MAKE_SIGNAL)
    assert beat(door)[1]["config"] != tag
    status, headers, body = ask(door, "config", **{"If-None-Match": tag})
    assert status == 200
    changed = json.loads(body)["machines"][0]
    assert headers["ETag"] != tag
    assert changed["mapping_version"] > configuration["machines"][0]["mapping_version"]


def test_a_heartbeat_is_kept_and_answered(door, sql):
    door.client().deliver([door.said(index) for index in (1, 2, 5)])
    ahead = timestamp(int((time.time() + 90) * 1e6))
    status, answer = beat(
        door, {"time": ahead, "software": "Gateway", "version": "2", "spool": {"depth": 3, "oldest_age": 9.5}}
    )

    assert status == 200
    assert answer["watermarks"] == [{"source": "line/1", "epoch": 1, "sequence": 2}]
    assert abs(datetime.fromisoformat(answer["time"]) - datetime.now(timezone.utc)).total_seconds() < 10
    (kept,) = rows(sql, "SELECT software, version, spool_depth, spool_oldest FROM mrp_machine_source_status")
    assert kept == {"software": "Gateway", "version": "2", "spool_depth": 3, "spool_oldest": 9.5}
    offset = rows(sql, "SELECT clock_offset FROM mrp_machine_source_figure WHERE action = 'heartbeat'")
    assert 85 < offset[0]["clock_offset"] < 91
    for said, code in (({"spool": {"depth": -1}}, "body_unfit"), ([[[[[[[[1]]]]]]]], "too_deep")):
        status, problem = beat(door, said)
        assert (status, problem["code"]) == (400, code)
    assert beat(door, key=Key(door.key.name, bytes(32)))[0] == 401
    assert "Traceback" not in door.server.output()


def test_an_event_can_be_traced_by_who_delivered_it(door, sql, odoo_shell):
    door.client().deliver([door.said(1)])
    where = f"trace?source={quote('line/1', safe='')}&id={quote('event 1')}"
    status, _headers, body = ask(door, where)
    assert status == 200, body
    assert json.loads(body)["state"] == "received"
    odoo_shell("env['mrp.machine.poster']._cron_post()")
    found = json.loads(ask(door, where)[2])

    assert (found["disposition"], found["state"], found["occurred"]) == ("accepted", "posted", door.moment)
    times = [found[name] for name in ("occurred", "recorded", "received", "posted")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment) for moment in times), times
    assert times == sorted(times)
    count = next(effect for effect in found["effects"] if effect["handler"] == "production_count")
    assert count["state"] == "posted" and count["document"]

    other = odoo_shell(OTHER_SOURCE)
    stranger = ask(door, where, key=Key(other["key"], bytes.fromhex(other["secret"])))
    unknown = ask(door, where + "x")
    assert (stranger[0], stranger[2]) == (404, unknown[2])
    assert json.loads(unknown[2])["code"] == "trace_unknown"
    for query in (
        "trace",
        "trace?source=line/1",
        "trace?id=1",
        f"trace?source=a&id={'x' * 300}",
        "trace?source=a&id=%00",
    ):
        status, _headers, body = ask(door, query)
        assert (status, json.loads(body)["code"]) == (400, "query_unfit"), query
    assert "Traceback" not in door.server.output()


def series(text, name, **labels):
    """Return the value of a series, or 0 where there is none."""
    for line in text.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rpartition(" ")[2])
    return 0


@pytest.mark.parametrize("workers", [0, 2], ids=["threaded", "prefork"])
def test_the_figures_are_right_however_many_count(start_odoo, odoo_shell, sql, workers):
    """Four at once in two streams, on one server or more: each request and event is counted once."""
    first = start_odoo(workers=workers, **({"max_cron_threads": 0} if workers else {}))
    second = start_odoo()
    door = Door(first, odoo_shell(SET_UP + MAY_READ_FIGURES))
    doors = [door, Door(second, door.facts)]

    def send(sender):
        client = doors[sender % 2].client()
        for start in range(0, 100, 10):
            client.deliver([door.said(index, stream=f"line/{sender // 2}") for index in range(start, start + 10)])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    door.client().deliver([{**door.said(1000), "subject": "nobody"}])
    status, headers, body = ask(door, "metrics")
    text = body.decode()

    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    me = {"source_id": door.facts["source"]}
    assert series(text, "machine_connect_events_received_total", **me) == 401
    assert series(text, "machine_connect_events_duplicate_total", **me) == 200
    assert series(text, "machine_connect_events_rejected_total", **me) == 1
    assert series(text, "machine_connect_refused_total", reason="machine_unknown", **me) == 1
    assert series(text, "machine_connect_events_unposted") == 200
    assert series(text, "machine_connect_oldest_unposted_age_seconds") > 0
    assert series(text, "machine_connect_answer_seconds_count", action="deliver") == 41
    assert series(text, "machine_connect_answer_seconds_bucket", action="deliver", le="+Inf") == 41
    assert number(sql, "SELECT count(*) FROM mrp_machine_source_figure WHERE action = 'deliver'") in (1, 2)
    for server in (first, second):  # started in this way, a prefork server's websocket process complains of itself
        assert "at the door failed" not in server.output() and "could not serialize" not in server.output()


def test_metrics_without_a_key_for_named_networks_alone(door, odoo_shell):
    assert plain(door, "metrics")[0] == 401
    odoo_shell(LET_IN.format("10.0.0.0/8"))
    assert plain(door, "metrics", **{"X-Forwarded-For": "10.0.0.7"})[0] == 401
    odoo_shell(LET_IN.format("127.0.0.0/8"))

    status, headers, body = plain(door, "metrics")
    assert status == 200 and b"machine_connect_events_unposted" in body
    assert "Set-Cookie" not in headers


def test_the_description_is_for_everybody_and_is_openapi(door):
    status, headers, body = plain(door, "openapi.json")

    assert status == 200
    validate(json.loads(body))
    assert door.facts["uuid"].encode() not in body and door.facts["key"].encode() not in body
    assert "Set-Cookie" not in headers
    assert plain(door, "openapi.json", **{"If-None-Match": headers["ETag"]})[0] == 304
    for path in re.findall(r'"(/machine/v1/[a-z.]+)"', body.decode()):
        assert plain(door, path.removeprefix(f"{BASE}/"), method="OPTIONS")[0] != 404, path


def test_who_only_looks_changes_nothing_and_asks_by_head_as_well(door, sql):
    facts = """SELECT (SELECT count(*) FROM mrp_machine_nonce), (SELECT coalesce(sum(count), 0) FROM mrp_machine_refusal),
                      (SELECT count(*) FROM mrp_machine_source_figure), (SELECT count(*) FROM mrp_machine_source_status),
                      (SELECT count(last_used) FROM mrp_machine_source_key)"""
    before = sql(facts)
    for path, expected in (
        ("config", 401), ("trace?source=a&id=b", 401), ("metrics", 401), ("health", 200), ("openapi.json", 200),
    ):  # fmt: skip
        for method in ("GET", "HEAD"):
            status, headers, body = plain(door, path, method)
            assert status == expected, (method, path)
            assert "Set-Cookie" not in headers
            assert not body if method == "HEAD" else body
    assert plain(door, "config", **{"Content-Type": "application/x-www-form-urlencoded"})[0] in (401, 415)
    assert sql(facts) == before

    for path, expected in (("config", 200), ("metrics", 200), ("trace?source=a&id=b", 404)):
        status, headers, body = ask(door, path, method="HEAD")
        assert (status, body) == (expected, b""), path
    assert "Traceback" not in door.server.output()


def test_support_gets_a_file_without_a_secret_and_nobody_else_does(door):
    door.client().deliver([door.said(1)])
    url = f"/web/content/mrp.machine.source/{door.facts['source']}/diagnostics_file/source.json?download=true"
    assert plain(door, "health")[0] == 200
    line = http.client.HTTPConnection("127.0.0.1", door.server.port, timeout=60)
    line.request("GET", url)
    stranger = line.getresponse()
    assert stranger.status in (303, 403, 404) and door.facts["key"].encode() not in stranger.read()
    line.close()

    door.server.log_in()
    action = door.server.call("mrp.machine.source", "action_download_diagnostics", [door.facts["source"]])
    with door.server._open(f"{door.server.url}{action['url']}", timeout=60) as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        text = answer.read().decode()
    found = json.loads(text)
    assert [key["name"] for key in found["keys"]] == [door.facts["key"]]
    assert found["source"]["events_today"] == 1
    assert door.facts["secret"] not in text and door.facts["uuid"] not in text
