"""Who may do what: every role, with every model of our addons, at every route of the door, and across two companies.

The tables say what is expected. A model or a route that is not in them is a failure: whoever adds one says who may do what.
"""

import http.client
import json
import time

import pytest

from machine_connect.envelope import BATCH
from machine_connect.signature import Key, Request, new_nonce, sign
from machine_connect.timestamps import timestamp

ROLES = ("public", "portal", "employee", "operator", "supervisor", "manager")

# r(ead) w(rite) c(reate) u(nlink), - nothing; a source has no user and no rights but those of the routes.
# Elsewhere: what a manager of another company sees of what is here: - nothing, shared: what belongs to no company, all.
MODELS = """
model                          public portal employee operator supervisor manager elsewhere
maintenance.machine.asset      -      -      r        r        rwcu       rwcu    -
maintenance.machine.backtest   -      -      -        -        rwcu       rwcu    -
maintenance.machine.backtest.line -      -      -        -        rwcu       rwcu    -
maintenance.machine.escalation -      -      r        r        r          rwcu    -
maintenance.machine.not.fault  -      -      rwcu     rwcu     rwcu       rwcu    -
maintenance.machine.plan       -      -      r        r        r          rwcu    -
maintenance.machine.snooze     -      -      rwcu     rwcu     rwcu       rwcu    -
maintenance.machine.template   -      -      r        r        r          rwcu    -
mrp.machine                    -      -      -        r        rw         rwcu    -
mrp.machine.adjust             -      -      -        rwcu     rwcu       rwcu    -
mrp.machine.alarm              -      -      -        r        r          r       -
mrp.machine.alarm.shelve       -      -      -        -        rwcu       rwcu    -
mrp.machine.alarm.top          -      -      -        r        r          r       -
mrp.machine.arm                -      -      -        -        -          rwcu    -
mrp.machine.arming             -      -      -        -        -          r       all
mrp.machine.browse             -      -      -        -        -          rwcu    -
mrp.machine.browse.line        -      -      -        -        -          rwcu    -
mrp.machine.bucket             -      -      -        -        -          -       -
mrp.machine.change.mode        -      -      -        -        -          rwcu    -
mrp.machine.code               -      -      -        r        rwc        rwcu    shared
mrp.machine.condition          -      -      -        r        r          rwcu    -
mrp.machine.condition.memory   -      -      -        r        r          r       -
mrp.machine.connect.wizard     -      -      -        -        -          rwcu    -
mrp.machine.connection         -      -      -        r        r          rwcu    -
mrp.machine.connection.secret  -      -      -        -        -          -       -
mrp.machine.connection.status  -      -      -        r        r          r       -
mrp.machine.consumption        -      -      -        r        r          r       -
mrp.machine.difference         -      -      -        r        r          r       -
mrp.machine.endpoint           -      -      -        -        -          r       all
mrp.machine.energy             -      -      -        r        r          r       -
mrp.machine.event              -      -      -        r        r          r       -
mrp.machine.event.posting      -      -      -        r        r          r       -
mrp.machine.exception          -      -      -        r        r          r       -
mrp.machine.gap                -      -      -        r        r          r       -
mrp.machine.ignore             -      -      -        -        rwcu       rwcu    -
mrp.machine.interval           -      -      -        r        r          r       -
mrp.machine.ledger             -      -      -        r        r          r       -
mrp.machine.load.material      -      -      -        rwcu     rwcu       rwcu    -
mrp.machine.load.order         -      -      -        rwcu     rwcu       rwcu    -
mrp.machine.loading            -      -      -        r        r          r       -
mrp.machine.lot                -      -      -        r        r          r       -
mrp.machine.lot.enter          -      -      -        -        rwcu       rwcu    -
mrp.machine.map                -      -      -        -        rwcu       rwcu    -
mrp.machine.mapping.version    -      -      -        r        r          r       -
mrp.machine.material           -      -      -        r        r          r       -
mrp.machine.meter              -      -      -        r        r          rwcu    -
mrp.machine.meter.enter        -      -      -        -        rwcu       rwcu    -
mrp.machine.meter.reading      -      -      -        r        r          r       -
mrp.machine.mode.change        -      -      -        r        r          r       -
mrp.machine.nonce              -      -      -        -        -          -       -
mrp.machine.operator           -      -      -        r        r          r       -
mrp.machine.order.change       -      -      -        r        r          r       -
mrp.machine.pause              -      -      -        -        rwcu       rwcu    -
mrp.machine.posting            -      -      -        r        r          r       -
mrp.machine.progress           -      -      -        r        r          r       -
mrp.machine.proposal           -      -      -        r        r          r       -
mrp.machine.proposal.refuse    -      -      -        -        rwcu       rwcu    -
mrp.machine.queue              -      -      -        r        r          r       -
mrp.machine.read.now           -      -      -        rwcu     rwcu       rwcu    -
mrp.machine.read.now.line      -      -      -        rwcu     rwcu       rwcu    -
mrp.machine.refusal            -      -      -        -        r          r       -
mrp.machine.reject             -      -      -        r        r          r       -
mrp.machine.remedy             -      -      -        r        r          r       -
mrp.machine.replay             -      -      -        -        rwcu       rwcu    -
mrp.machine.replay.line        -      -      -        -        rwcu       rwcu    -
mrp.machine.scrap.report       -      -      -        r        r          r       -
mrp.machine.shadow             -      -      -        r        r          r       -
mrp.machine.shadow.memory      -      -      -        -        -          -       -
mrp.machine.sign               -      -      -        -        rwcu       rwcu    -
mrp.machine.signal             -      -      -        r        r          rwcu    -
mrp.machine.signal.import      -      -      -        -        -          rwcu    -
mrp.machine.signal.import.line -      -      -        -        -          rwcu    -
mrp.machine.signal.value       -      -      -        r        r          r       -
mrp.machine.source             -      -      -        r        r          rwc     shared
mrp.machine.source.figure      -      -      -        r        r          r       -
mrp.machine.source.key         -      -      -        -        -          rwc     -
mrp.machine.source.new.key     -      -      -        -        -          rwcu    -
mrp.machine.source.secret      -      -      -        -        -          -       -
mrp.machine.source.status      -      -      -        r        r          r       -
mrp.machine.source.translation -      -      -        -        r          rwcu    -
mrp.machine.source.translation.line - -      -        -        r          rwcu    -
mrp.machine.source.translation.try  - -      -        -        -          rwcu    -
mrp.machine.statement          -      -      -        r        r          r       -
mrp.machine.statement.correction - -     -        r        r          r       -
mrp.machine.statement.counter  -      -      -        r        r          r       -
mrp.machine.statement.line     -      -      -        r        r          r       -
mrp.machine.status             -      -      -        r        r          r       -
mrp.machine.stream             -      -      -        r        r          r       -
mrp.machine.sync               -      -      -        r        r          rwcu    -
mrp.machine.template           -      -      -        r        r          rwcu    shared
mrp.machine.template.import    -      -      -        -        -          rwcu    -
mrp.machine.template.signal    -      -      -        r        r          rwcu    shared
mrp.machine.try                -      -      -        -        -          rwcu    -
mrp.machine.variance           -      -      -        r        r          r       -
mrp.machine.variance.decide    -      -      -        -        rwcu       rwcu    -
mrp.machine.worker             -      -      -        r        r          r       -
quality.machine.alert          -      -      -        r        rwc        rwcu    -
quality.machine.cause          -      -      -        r        r          rwcu    all
quality.machine.check          -      -      -        rw       rwc        rwcu    -
quality.machine.contain        -      -      -        -        rwcu       rwcu    -
quality.machine.contain.line   -      -      -        -        rwcu       rwcu    -
quality.machine.escalation     -      -      -        r        r          rwcu    -
quality.machine.hold           -      -      -        r        r          r       -
quality.machine.hold.place     -      -      -        -        rwc        rwc     -
quality.machine.hold.release   -      -      -        -        -          rwc     -
quality.machine.measurement.upload -      -      -        -        rwc        rwc     -
quality.machine.recall         -      -      -        r        rwc        rwcu    -
quality.machine.recall.line    -      -      -        r        r          r       -
quality.machine.review         -      -      -        r        rw         rw      -
quality.machine.rule           -      -      -        r        r          rwcu    -
quality.machine.rule.progress  -      -      -        -        -          r       -
quality.machine.team           -      -      -        r        r          rwcu    -
"""

#: What a role gets that is not signed for, and a source: one as it is made, one that may do nothing, one that monitors.
ROUTES = """
route                        public portal employee operator supervisor manager source barred monitor
POST /machine/v1/events      401    401    401      401      401        401     200    403    200
POST /machine/v1/heartbeat   401    401    401      401      401        401     200    403    200
GET /machine/v1/config       401    401    401      401      401        401     200    403    200
GET /machine/v1/trace        401    401    401      401      401        401     200    403    404
GET /machine/v1/metrics      401    401    401      401      401        401     403    403    200
GET /machine/v1/health       200    200    200      200      200        200     200    200    200
GET /machine/v1/openapi.json 200    200    200      200      200        200     200    200    200
"""

SET_UP = """
OURS = ("mrp_machine_connect", "maintenance_machine_trigger", "quality_machine_event")
env["mrp.machine.arming"]._arm("A database made for a test.")
env["mrp.machine.connection"].search([]).active = False
here, elsewhere = env.ref("base.main_company"), env["res.company"].create({"name": "Elsewhere"})
groups = {
    "public": "base.group_public", "portal": "base.group_portal", "employee": "base.group_user",
    "operator": "mrp_machine_connect.group_operator", "supervisor": "mrp_machine_connect.group_supervisor",
    "manager": "mrp_machine_connect.group_manager",
}
def user(role, company, suffix=""):
    return env["res.users"].with_context(no_reset_password=True).create({
        "name": role, "login": f"matrix-{role}{suffix}", "password": f"matrix-{role}{suffix}", "company_id": company.id,
        "company_ids": [(6, 0, company.ids)], "group_ids": [(6, 0, [env.ref(groups[role]).id])],
    })
users = {role: user(role, here) for role in groups}
stranger = user("manager", elsewhere, "-elsewhere")
machine = env["mrp.machine"].search([("code", "=", "press")])
other = env["mrp.machine"].create({
    "name": "Elsewhere", "code": "elsewhere", "company_id": elsewhere.id,
    "workcenter_id": env["mrp.workcenter"].create({"name": "Elsewhere", "company_id": elsewhere.id, "resource_calendar_id": False}).id,
})
nothing = {"allows_deliver": False, "allows_heartbeat": False, "allows_config": False, "allows_trace": False}
sources = {}
for name, company, of, allowed in (
    ("source", here, machine, {}), ("barred", here, machine, nothing), ("monitor", here, machine, {"allows_metrics": True}),
    ("foreign", elsewhere, other, {}),
):
    source = env["mrp.machine.source"].create(
        {"name": name, "machine_ids": of.ids, "company_id": company.id, **allowed}
    )
    shown = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
    sources[name] = {
        "id": source.id, "code": of.code, "key": shown["default_key_name"], "secret": shown["default_secret"],
        "environment": shown["default_environment"], "uuid": shown["default_database_uuid"],
    }
result = {"sources": sources, "routes": [
    f"{method} {rule.rule}"
    for rule in env["ir.http"].routing_map().iter_rules()
    if rule.endpoint.func.__module__.split(".")[2] in OURS and rule.rule.startswith("/machine/v1/")
    for method in rule.methods - {"HEAD", "OPTIONS"}
]}
"""

JUDGE = """
import collections
OURS = ("mrp_machine_connect", "maintenance_machine_trigger", "quality_machine_event")
LETTERS = {"read": "r", "write": "w", "create": "c", "unlink": "u"}
env["mrp.machine.poster"]._cron_post()
env.flush_all()
users = {role: env["res.users"].search([("login", "=", f"matrix-{role}")]) for role in ROLES}
stranger = env["res.users"].search([("login", "=", "matrix-manager-elsewhere")])
here = env.ref("base.main_company")
def rights(model, user):
    return "".join(letter for what, letter in LETTERS.items() if model.with_user(user).has_access(what)) or "-"
def company_of(record):
    for path in ("company_id", "machine_id.company_id", "source_id.company_id", "connection_id.company_id",
                 "signal_id.company_id", "stream_id.source_id.company_id", "template_id.company_id", "event_id.company_id"):
        names = path.split(".")
        if names[0] in record._fields:
            return record.mapped(path)[:1]
    return None
result = {}
for known in env["ir.model"].search([]):
    made_by = set((known.modules or "").replace(" ", "").split(","))
    model = env.get(known.model)
    if model is None or model._abstract or not made_by & set(OURS) or not model._original_module in OURS:
        continue
    facts = {"transient": model._transient, "rights": {role: rights(model, user) for role, user in users.items()}}
    if not model._transient:
        everything = model.sudo().with_context(active_test=False).search([])
        facts["rows"] = len(everything)
        if model.with_user(stranger).has_access("read"):
            seen = model.with_user(stranger).with_context(active_test=False).search([])
            companies = collections.Counter()
            for record in seen.sudo():
                company = company_of(record)
                companies["all" if company is None else "here" if company == here else "shared" if not company else "elsewhere"] += 1
            facts["seen"] = dict(companies)
            hidden = [record.id for record in everything if company_of(record) == here][:1]
            facts["hidden"] = bool(hidden)
            if hidden:
                try:
                    model.with_user(stranger).browse(hidden).read(["id", "display_name"])
                    facts["read_by_id"] = True
                except Exception as error:
                    facts["read_by_id"] = type(error).__name__
    result[known.model] = facts
"""


def table(text):
    """Return ``{first column: {column: cell}}`` of a table; the first column may hold one space."""
    lines = [line for line in text.strip().splitlines() if line]
    columns = lines[0].split()[1:]
    cells = (line.rsplit(None, len(columns)) for line in lines[1:])
    return {name.strip(): dict(zip(columns, rest, strict=True)) for name, *rest in cells}


@pytest.fixture
def stage(odoo_server, odoo_shell):
    """The server, our facts, and what every kind of source delivered."""
    facts = odoo_shell(SET_UP)
    for name in ("source", "foreign"):
        source = facts["sources"][name]
        for number in (1, 2, 5):
            assert _ask(odoo_server, "POST", "/machine/v1/events", source, _event(source, number))[0] == 200
        broken = _event({**source, "code": "nobody's"}, 9)
        assert _ask(odoo_server, "POST", "/machine/v1/events", source, broken)[0] == 200
        assert _ask(odoo_server, "POST", "/machine/v1/heartbeat", source, b"{}")[0] == 200
    return odoo_server, facts


def _event(source, number):
    event = {
        "specversion": "1.0",
        "id": f"event {number}",
        "source": "line",
        "type": "mmc.machine.state_changed.v1" if number == 2 else "mmc.production.count.v1",
        "subject": source["code"],
        "time": timestamp(int(time.time() * 1e6)),
        "sequence": f"{number:020d}",
        "data": {"state": "running"} if number == 2 else {"kind": "good", "delta": 1},
    }
    return json.dumps([event]).encode()


def _ask(server, method, target, source=None, body=b"", cookie=None):
    """Ask for a route, signed by a source or with the session of a user, and return status and answer."""
    headers = {}
    if source:
        request = Request(method, target, body, source["environment"], source["uuid"])
        headers = sign(Key(source["key"], bytes.fromhex(source["secret"])), request, time.time(), new_nonce())
    if cookie:
        headers["Cookie"] = f"session_id={cookie}"
    if body:
        headers["Content-Type"] = BATCH if target.endswith("events") else "application/json"
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        line.request(method, target, body or None, headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def _session(server, role):
    """Return the session of a user that logged in."""
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    parameters = {"db": server.database, "login": f"matrix-{role}", "password": f"matrix-{role}"}
    try:
        line.request(
            "POST",
            "/web/session/authenticate",
            json.dumps({"jsonrpc": "2.0", "method": "call", "params": parameters}),
            {"Content-Type": "application/json"},
        )
        answer = line.getresponse()
        assert json.loads(answer.read())["result"]["uid"], role
        return answer.getheader("Set-Cookie").partition("session_id=")[2].partition(";")[0]
    finally:
        line.close()


def test_each_role_may_do_with_each_model_what_the_table_says(stage, odoo_shell):
    expected = table(MODELS)
    found = odoo_shell(f"ROLES = {ROLES!r}\n{JUDGE}")
    print(*_as_table(found), sep="\n")

    assert expected.keys() == found.keys(), "each model of ours is in the table, and no other"
    assert {model: {role: row[role] for role in ROLES} for model, row in expected.items()} == {
        model: facts["rights"] for model, facts in found.items()
    }
    assert {model: row["elsewhere"] for model, row in expected.items()} == {
        model: _elsewhere(facts) for model, facts in found.items()
    }
    # What is hidden cannot be read by its id either, and there was something to hide.
    hidden = {model: facts["read_by_id"] for model, facts in found.items() if facts.get("hidden")}
    assert set(hidden.values()) == {"AccessError"}, hidden
    assert {
        "mrp.machine", "mrp.machine.event", "mrp.machine.source", "mrp.machine.source.key", "mrp.machine.stream",
        "mrp.machine.gap", "mrp.machine.refusal", "mrp.machine.status", "mrp.machine.connection", "mrp.machine.signal",
        "mrp.machine.event.posting",
    } <= hidden.keys(), "the tables that a stranger must not see into are not empty"  # fmt: skip


def _elsewhere(facts):
    """Return what a manager of another company sees of what is here."""
    if facts["transient"] or "seen" not in facts:
        return "-"
    seen = facts["seen"]
    return "HERE" if seen.get("here") else "all" if seen.get("all") else "shared" if seen.get("shared") else "-"


def _as_table(found):
    """Write what was found as the table would say it."""
    width = max(map(len, found)) + 1
    yield f"{'model':{width}}" + " ".join(f"{role:10}" for role in (*ROLES, "elsewhere"))
    for model, facts in sorted(found.items()):
        cells = [*(facts["rights"][role] for role in ROLES), _elsewhere(facts)]
        yield f"{model:{width}}" + " ".join(f"{cell:10}" for cell in cells).rstrip() + f"   # {facts.get('rows', '')}"


def test_each_role_and_source_gets_at_each_route_what_the_table_says(stage, sql):
    server, facts = stage
    expected = table(ROUTES)
    assert expected.keys() == set(facts["routes"]), "each route of ours is in the table, and no other"
    sessions = {role: _session(server, role) for role in ROLES if role not in ("public", "portal")}
    sessions["portal"] = _session(server, "portal")
    before = sql("SELECT count(*) FROM mrp_machine_event")
    targets = {"/machine/v1/trace": "/machine/v1/trace?source=line&id=event%201"}
    found = {}
    for route in expected:
        method, _space, path = route.partition(" ")
        target = targets.get(path, path)
        body = {"/machine/v1/events": b"[]", "/machine/v1/heartbeat": b"{}"}.get(path, b"")
        row = {role: _ask(server, method, target, body=body, cookie=sessions.get(role)) for role in ROLES}
        row |= {
            name: _ask(server, method, target, facts["sources"][name], body) for name in ("source", "barred", "monitor")
        }
        found[route] = {name: str(status) for name, (status, _answer) in row.items()}
        for name, (_status, answer) in row.items():
            assert b"Traceback" not in answer, (route, name)

    assert found == expected
    assert sql("SELECT count(*) FROM mrp_machine_event") == before


def test_a_source_sees_and_reaches_nothing_of_another_one(stage, sql):
    server, facts = stage
    here, foreign = facts["sources"]["source"], facts["sources"]["foreign"]

    # Both have an event of the same name: each is told of its own, and the configuration is of its own machine alone.
    own = json.loads(_ask(server, "GET", "/machine/v1/trace?source=line&id=event%205", here)[1])
    others = json.loads(_ask(server, "GET", "/machine/v1/trace?source=line&id=event%205", foreign)[1])
    assert own != others
    status, configuration = _ask(server, "GET", "/machine/v1/config", here)
    assert status == 200 and b'"press"' in configuration and b"elsewhere" not in configuration.lower()
    # It may not speak for a machine of another company, whatever it signs.
    answer = json.loads(
        _ask(server, "POST", "/machine/v1/events", here, _event({**here, "code": foreign["code"]}, 20))[1]
    )
    assert [result["reason"] for result in answer["results"]] == ["machine_unknown"]
    assert sql("SELECT count(*) FROM mrp_machine_event WHERE uid = 'event 20'") == "0"


def test_a_key_of_the_door_opens_nothing_else_of_odoo(stage):
    server, facts = stage
    source = facts["sources"]["source"]
    for path in ("/json/2/mrp.machine.event/search_count", "/json/2/res.users/search_read"):
        for token in (
            source["secret"],
            source["key"],
            f"{source['key']}:{source['secret']}",
            f"{source['key']}.{source['secret']}",
        ):
            line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            line.request("POST", path, b"{}", {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            assert line.getresponse().status == 401, (path, token)
            line.close()
    signed = _ask(server, "POST", "/json/2/mrp.machine.event/search_count", source, b"{}")
    assert signed[0] == 401
    parameters = {"model": "mrp.machine.event", "method": "search_count", "args": [[]], "kwargs": {}}
    call = json.dumps({"jsonrpc": "2.0", "method": "call", "params": parameters}).encode()
    status, answer = _ask(server, "POST", "/web/dataset/call_kw/mrp.machine.event/search_count", source, call)
    assert status == 200 and "SessionExpired" in json.loads(answer)["error"]["data"]["name"]
