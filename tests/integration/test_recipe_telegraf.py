"""Does the recipe for Telegraf work? What Telegraf sends, byte for byte as it documents it, over HTTP with a bearer key.

Telegraf itself is not run. Its configuration is read as TOML, and its Starlark as Python, whose dialect it is.
"""

import copy
import gzip
import http.client
import json
import time
from types import SimpleNamespace

import pytest
import tomllib

from devtools.environment import ROOT
from tests.integration.plant import complaints, number, rows, wait

CONFIGURATION = (ROOT / "docs" / "recipes" / "telegraf.conf").read_text(encoding="utf-8")
#: Of Telegraf's documentation, «JSON output data format», batch format.
DOCUMENTED = b"""{
    "metrics": [
        {
            "fields": {
                "field_1": 30,
                "field_2": 4,
                "field_N": 59,
                "n_images": 660
            },
            "name": "docker",
            "tags": {
                "host": "raynor"
            },
            "timestamp": 1458229140
        },
        {
            "fields": {
                "field_1": 30,
                "field_2": 4,
                "field_N": 59,
                "n_images": 660
            },
            "name": "docker",
            "tags": {
                "host": "raynor"
            },
            "timestamp": 1458229140
        }
    ]
}
"""

SET_UP = """
machine = env["mrp.machine"].search([("code", "=", "press")])
machine.late_window = 0
source = env["mrp.machine.source"].create({
    "name": "Telegraf", "machine_ids": machine.ids, "event_types": "machine.* production.* meter.* process.*",
    "networks": "127.0.0.1", "allows_bearer": True, "allows_bearer_in_production": True, "bearer_reason": "Cannot sign",
})
source.action_add_telegraf()
env["mrp.machine.source.translation"].create({
    "source_id": source.id, "metric": "docker", "machine_id": machine.id, "line_ids": [
        (0, 0, {"key": "kind", "origin": "constant", "said": "good"}), (0, 0, {"key": "delta", "origin": "field", "said": "field_2"}),
    ],
})
shown = env["mrp.machine.source.new.key"].create({"source_id": source.id, "bearer": True}).action_make()["context"]
env["mrp.machine.connection"].search([]).active = False
result = {"machine": machine.id, "source": source.id, "token": shown["default_secret"]}
"""


@pytest.fixture(scope="module")
def configuration():
    return tomllib.loads(CONFIGURATION)


class Odoo:
    """A server, and what Telegraf's ``outputs.http`` does with it."""

    def __init__(self, server, facts, output):
        self.server, self.facts, self.output = server, facts, output

    def send(self, body, token=None, **headers):
        """Post a body with the headers of the recipe; return status and answer."""
        said = {
            name: value.replace("${ODOO_TOKEN}", token or self.facts["token"]).replace("plant", self.server.database)
            for name, value in self.output["headers"].items()
        }
        line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            line.request("POST", self.output["url"].partition("odoo.example")[2], body, {**said, **headers})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            line.close()

    def fates(self, *arguments, **headers):
        status, answer = self.send(*arguments, **headers)
        assert status == 200, answer
        return [result["reason"] or result["status"] for result in answer["results"]]


@pytest.fixture
def odoo(odoo_server, odoo_shell, configuration):
    return Odoo(odoo_server, odoo_shell(SET_UP), configuration["outputs"]["http"][0])


def test_what_telegraf_documents_is_stored_once(odoo, sql):
    assert odoo.fates(DOCUMENTED) == ["accepted", "duplicate"], "the same metric stands twice in the documentation"
    assert odoo.fates(DOCUMENTED) == ["duplicate", "duplicate"]
    assert odoo.fates(gzip.compress(DOCUMENTED), **{"Content-Encoding": "gzip"}) == ["duplicate", "duplicate"]
    single = json.dumps(json.loads(DOCUMENTED)["metrics"][0], separators=(",", ":")).encode() + b"\n"
    assert odoo.fates(single) == ["duplicate"]

    stored = f"SELECT type, data, machine_id FROM mrp_machine_event WHERE source_id = {odoo.facts['source']}"
    assert rows(sql, stored) == [
        {"type": "production.count", "data": {"kind": "good", "delta": 4}, "machine_id": odoo.facts["machine"]}
    ]
    assert complaints(odoo.server.output()) == []


def test_what_telegraf_documents_has_its_effect_when_it_happens_today(odoo, sql, odoo_shell):
    today = DOCUMENTED.replace(b"1458229140", str(int(time.time())).encode())

    assert odoo.fates(today) == ["accepted", "duplicate"]
    odoo_shell("env['mrp.machine.poster']._cron_post()")
    made = f"SELECT coalesce(sum(good), 0) FROM mrp_machine_ledger WHERE machine_id = {odoo.facts['machine']}"
    wait(lambda: number(sql, made) == 4, "the pieces are counted on the press's order")


def test_what_the_configuration_sends_becomes_events(odoo, sql):
    metrics = list(_as_telegraf_sends(int(time.time()) - 100))
    body = json.dumps({"metrics": metrics}, separators=(",", ":")).encode() + b"\n"
    count = "SELECT count(*) FROM mrp_machine_event WHERE source_id = %s"

    assert odoo.fates(body) == ["accepted"] * 6 + ["translation_missing"]
    assert odoo.fates(body) == ["duplicate"] * 6 + ["translation_missing"]
    assert number(sql, count % odoo.facts["source"]) == 6
    counted = rows(
        sql,
        f"""SELECT data->>'kind' AS kind, sum((data->>'delta')::int) AS pieces FROM mrp_machine_event
             WHERE source_id = {odoo.facts["source"]} AND type = 'production.count' GROUP BY 1 ORDER BY 1""",
    )
    assert counted == [{"kind": "good", "pieces": 12}, {"kind": "reject", "pieces": 1}]
    assert number(
        sql, "SELECT sum(count) FROM mrp_machine_refusal WHERE reason = 'translation_missing'"
    ) == 2, "people see what no translation is for"  # fmt: skip


def test_who_may_not_is_refused_and_nothing_is_stored(odoo, sql, odoo_shell):
    wrong = odoo.facts["token"][:-4] + "AAAA"
    assert [odoo.send(DOCUMENTED, token=wrong)[0], odoo.send(DOCUMENTED, token="nobody.nothing")[0]] == [401, 401]
    for change, expected in (
        ("allows_bearer_in_production = False", (403, "bearer_forbidden")),
        ("allows_bearer_in_production = True", (415, "media_type_unsupported")),
    ):
        archive = "source.translation_ids.active = False" if expected[0] == 415 else ""
        odoo_shell(f"source = env['mrp.machine.source'].browse({odoo.facts['source']}); source.{change}; {archive}")
        status, answer = odoo.send(DOCUMENTED)
        assert (status, answer["code"]) == expected
    assert number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {odoo.facts['source']}") == 0
    assert "Traceback" not in odoo.server.output() and odoo.facts["token"] not in odoo.server.output()


# ------------------------------------------------------------------------------------- what the configuration says


def _metric(name, moment, tags, **fields):
    return SimpleNamespace(name=name, tags=dict(tags), fields=fields, time=moment * 1_000_000_000)


def _differences(*metrics):
    """Return what the recipe's Starlark makes of metrics."""
    (processor,) = tomllib.loads(CONFIGURATION)["processors"]["starlark"]
    made = {"Metric": lambda name: _metric(name, 0, {})}
    exec(processor["source"], made)  # noqa: S102 – the recipe's own text
    return [made["apply"](copy.deepcopy(metric)) for metric in metrics]


def _as_telegraf_sends(moment):
    """Yield metrics as Telegraf's serializer writes them, with the recipe's unit."""
    tags, meter = {"machine": "press", "host": "gateway"}, {"unit": "CEL", "signal": "oil"}
    totals = [_metric("machine_total", moment + at, tags, good=good, reject=reject)
              for at, good, reject in ((0, 100, 7), (10, 105, 7), (20, 112, 8))]  # fmt: skip
    for counted in _differences(*totals):
        if counted:
            yield _written(counted)
    yield _written(_metric("machine_state", moment, tags, state=1))
    yield _written(_metric("machine_meter", moment, {**tags, **meter}, value=61.5))
    summary = {"value_count": 6, "value_min": 60.5, "value_max": 62, "value_mean": 61.25}
    yield _written(_metric("machine_summary", moment, {**tags, **meter}, **summary))
    yield _written(_metric("cpu", moment, tags, usage_idle=97.25))


def _written(metric):
    return {"fields": metric.fields, "name": metric.name, "tags": metric.tags, "timestamp": metric.time // 1_000}


def test_a_counter_becomes_what_was_made_since_it_was_last_read():
    tags, other = {"machine": "press"}, {"machine": "filler"}
    found = _differences(
        _metric("machine_total", 1, tags, good=100, reject=1),
        _metric("machine_total", 1, other, good=7),
        _metric("machine_total", 2, tags, good=103),
        _metric("machine_total", 3, tags, good=103, reject=1),
        _metric("machine_total", 4, other, good=8),
        _metric("machine_total", 5, tags, good=2, reject=3),
    )

    assert [item and (item.name, item.tags, item.fields, item.time) for item in found] == [
        None,
        None,
        ("machine_count", tags, {"good": 3}, 2_000_000_000),
        None,
        ("machine_count", other, {"good": 1}, 4_000_000_000),
        ("machine_count", tags, {"good": 2, "reject": 2}, 5_000_000_000),
    ]


def test_the_configuration_says_what_the_page_says(configuration):
    (output,) = configuration["outputs"]["http"]
    (summary,) = configuration["aggregators"]["basicstats"]

    assert (output["data_format"], output["json_timestamp_units"]) == ("json", "1us")
    assert output["headers"]["Content-Type"] == "application/json"
    assert output["metric_batch_size"] * 2 <= 1000, "two translations for one metric, all within one request"
    assert (summary["name_override"], summary["period"]) == ("machine_summary", "60s")
    assert configuration["processors"]["dedup"][0]["namepass"] == ["machine_state"]
