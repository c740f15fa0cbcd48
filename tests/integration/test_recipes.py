"""Do the recipes work? Each file of docs/recipes runs as it stands, with the programs that it is for, against a real Odoo."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace

import pytest

from devtools import environment, packages, postgres, virtualenv
from devtools.environment import PURE_PACKAGE_PARENT, ROOT
from machine_connect.body import Bounds
from machine_connect.client import Client, Destination, NotDelivered
from machine_connect.envelope import BATCH
from machine_connect.retry import Pauses
from machine_connect.signature import Key, Request, new_nonce, sign
from tests.integration import processes
from tests.integration.plant import number, rows, wait
from tests.integration.prefork import PreforkServer
from tests.integration.test_door_servers import event, second_database, set_up

__all__ = ["second_database"]  # a fixture

RECIPES = ROOT / "docs" / "recipes"
PATH = "/machine/v1/events"


def exchanged(text, **words):
    """Return a recipe with what differs between two plants; each of it must be there."""
    for old, new in words.items():
        assert old in text, f"the recipe does not say {old!r}"
        text = text.replace(old, str(new))
    return text


def signed(facts, body, target=PATH, method="POST"):
    request = Request(method, target, body, facts["environment"], facts["uuid"])
    key = Key(facts["key"], bytes.fromhex(facts["secret"]))
    return {**sign(key, request, time.time(), new_nonce()), "Content-Type": BATCH}


def stored(sql, facts):
    return number(sql, f"SELECT count(*) FROM mrp_machine_event WHERE source_id = {facts['source']}")


def test_the_table_names_every_recipe():
    table = (RECIPES / "README.md").read_text()
    recipes = [path for path in RECIPES.iterdir() if path.name != "README.md"]

    assert len(recipes) >= 5
    assert [path.name for path in recipes if f"({path.name}" not in table] == []


# ---------------------------------------------------------------------------------------------------------------- nginx


class Nginx:
    """nginx with the recipe's server, on free ports of loopback and with a certificate of its own.

    :param folder: for its configuration and its files
    :param server: the Odoo behind it
    """

    def __init__(self, folder, server, start_program):
        packages.set_up_nginx()
        self.port = environment.free_port()
        self.certificate, private = folder / "odoo.crt", folder / "odoo.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
             "-subj", "/CN=odoo.example", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-out", self.certificate, "-keyout", private],
            check=True, capture_output=True,
        )  # fmt: skip
        recipe = exchanged(
            (RECIPES / "nginx.conf").read_text(),
            **{
                "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
                "127.0.0.1:8069": f"127.0.0.1:{server.port}",
                "127.0.0.1:8072": f"127.0.0.1:{server.port}",
                "/etc/nginx/odoo.example.crt": self.certificate,
                "/etc/nginx/odoo.example.key": private,
                " plant;": f" {server.database};",
            },
        )
        (folder / "conf.d").mkdir()
        (folder / "conf.d" / "odoo.conf").write_text(recipe)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = [
            "daemon off;",
            "worker_processes 1;",
            *(["user root;"] if environment.is_root() else []),  # the folder of a test is nobody else's
            f"pid {folder}/nginx.pid;",
            f"lock_file {folder}/nginx.lock;",
            "events {}",
            "http {",
            f"access_log {folder}/access.log;",
            *(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
            f"include {folder}/conf.d/*.conf;",
            "}",
        ]
        main = folder / "nginx.conf"
        main.write_text("\n".join(lines))
        self.program = start_program("nginx", [packages.nginx(), "-e", "stderr", "-c", main])
        self.program.wait_until(lambda: environment.port_answers(self.port), "nginx listens")
        self.tls = ssl.create_default_context(cafile=self.certificate)

    def line(self, address="127.0.0.1"):
        """Return a connection over TLS from an address of loopback, not yet opened."""
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=60, context=self.tls, source_address=(address, 0)
        )

    def post(self, facts, events, line, **headers):
        """Deliver events over a connection; return status and answer."""
        body = json.dumps(events).encode()
        line.request("POST", PATH, body, {**signed(facts, body), **headers})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())

    def ask(self, method, path, body=None, headers=(), address="127.0.0.1"):
        """Send one request over a connection of its own; return status, kind of content and content."""
        with contextlib.closing(self.line(address)) as line:
            line.request(method, path, body, dict(headers))
            answer = line.getresponse()
            return answer.status, answer.getheader("Content-Type").partition(";")[0], answer.read()


@pytest.fixture
def prefork(durable_database, programs):
    """An Odoo as in production, with one process for requests, that believes what a proxy says."""
    server = PreforkServer(postgres.DURABLE, durable_database, workers=1, proxy_mode=True)
    programs.append(server)
    return server.start()


@pytest.fixture
def nginx(prefork, start_program, tmp_path):
    return Nginx(tmp_path, prefork, start_program)


def test_nginx_keeps_connections_waits_for_slow_senders_and_says_who_asks(nginx, prefork, odoo_shell, sql):
    facts = set_up(odoo_shell, networks="127.0.0.2/32")

    # One connection for many batches.
    with contextlib.closing(nginx.line("127.0.0.2")) as line:
        line.connect()
        opened = line.sock
        for index in range(1, 6):
            status, answer = nginx.post(facts, [event(facts, index)], line)
            assert (status, answer["results"][0]["status"]) == (200, "accepted")
            assert line.sock is opened, "the connection is still the same"
        # The database is named by nginx, who asks is the address that nginx sees, whatever is said in headers.
        assert nginx.post(facts, [event(facts, 6)], line, **{"X-Odoo-Database": "postgres"})[0] == 200
        assert nginx.post(facts, [event(facts, 7)], line, **{"X-Forwarded-For": "127.0.0.3"})[0] == 200
    forged = {"X-Forwarded-For": "127.0.0.2", "X-Forwarded-Host": "odoo.example", "Forwarded": "for=127.0.0.2"}
    body = json.dumps([event(facts, 8)]).encode()
    for said in ({}, forged):
        status, _kind, answer = nginx.ask("POST", PATH, body, {**signed(facts, body), **said}, "127.0.0.3")
        assert (status, json.loads(answer)["code"]) == (401, "unauthorized")
    assert rows(sql, "SELECT reason, address, count FROM mrp_machine_refusal") == [
        {"reason": "network_foreign", "address": "127.0.0.3", "count": 2}
    ]

    # A body that comes slowly is cut off by Odoo alone. With nginx it comes through, and the one process of Odoo answers
    # others meanwhile.
    here = ("127.0.0.2", 0)
    straight = socket.create_connection(("127.0.0.1", prefork.port), source_address=here)
    assert _slowly(facts, [event(facts, 8)], straight, lambda: None) in (400, None)
    slow = nginx.tls.wrap_socket(
        socket.create_connection(("127.0.0.1", nginx.port), source_address=here), server_hostname="localhost"
    )
    meanwhile = []

    def look():
        started = time.monotonic()
        meanwhile.append(nginx.ask("GET", "/machine/v1/health")[0])
        assert time.monotonic() - started < 2

    assert _slowly(facts, [event(facts, 8)], slow, look) == 200
    assert meanwhile == [200]
    assert stored(sql, facts) == 8

    # What is packed stays packed, what is too big for the door is refused by it in words, what is far too big by nginx.
    odoo_shell(f"env['mrp.machine.source'].browse({facts['source']}).networks = False")
    destination = Destination(f"https://localhost:{nginx.port}", facts["environment"], facts["uuid"], tls=nginx.tls)
    key = Key(facts["key"], bytes.fromhex(facts["secret"]))
    answer = Client(destination, key, Pauses(tries=1)).deliver([event(facts, index) for index in range(9, 501)])
    assert {result.status for result in answer.results} == {"accepted"}
    assert stored(sql, facts) == 500
    with pytest.raises(NotDelivered) as failure:
        Client(replace(destination, tls=None), key, Pauses(tries=1)).deliver([event(facts, 501)])
    assert failure.value.code == "certificate_refused"
    assert f"client_max_body_size {8 * Bounds.sent >> 20}m;" in (RECIPES / "nginx.conf").read_text()
    for size, kind in ((Bounds.sent + 1, "application/problem+json"), (8 * Bounds.sent + 1, "text/html")):
        body = b" " * size
        assert nginx.ask("POST", PATH, body, signed(facts, body))[:2] == (413, kind)
    assert nginx.ask("GET", "/web/login")[:2] == (200, "text/html"), "people come the same way"
    assert stored(sql, facts) == 500
    assert "Traceback" not in prefork.output()


def _slowly(facts, events, line, meanwhile):
    """Send a batch with three seconds of silence in its middle; return the status, or None where it was cut off."""
    body = json.dumps(events).encode()
    headers = {**signed(facts, body), "Host": "localhost", "Content-Length": len(body), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    half = len(body) // 2
    with line:
        line.settimeout(30)
        line.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + body[:half])
        time.sleep(3)
        meanwhile()
        with contextlib.suppress(OSError), line.makefile("rb") as answers:
            line.sendall(body[half:])
            answer = answers.readline()
            return int(answer.split()[1]) if answer else None


# ------------------------------------------------------------------------------------------------------------- Node-RED


def test_node_red_keeps_what_it_hears_and_delivers_it_once(
    npm_package, start_program, durable_database, programs, odoo_shell, sql, tmp_path
):
    facts = set_up(odoo_shell)
    server = processes.OdooServer(postgres.DURABLE, durable_database)
    programs.append(server)
    for name in ("flow.json", "settings.js"):
        shutil.copy(RECIPES / "node-red" / name, tmp_path)
    port = environment.free_port()
    node_red = start_program(
        "node-red",
        ["node", npm_package("node-red/red.js"), "-u", tmp_path, "-s", tmp_path / "settings.js", "flow.json"],
        PORT=str(port),
        HOME=str(tmp_path),
        NODE_OPTIONS=f"--require={ROOT / 'tests' / 'integration' / 'listen_on_loopback.cjs'}",
        ODOO_URL=server.url,
        ODOO_DATABASE=durable_database,
        MACHINE_KEY=facts["key"],
        MACHINE_SECRET=facts["secret"],
        MACHINE_ENVIRONMENT=facts["environment"],
        MACHINE_DATABASE_UUID=facts["uuid"],
    )
    started = "Started flows"
    node_red.wait_until(lambda: started in node_red.output(), "Node-RED runs the flow")

    def say(**words):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
            line.request("POST", "/machine", json.dumps(words), {"Content-Type": "application/json"})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())

    # Odoo is not there, and Node-RED ends and comes back meanwhile.
    kept = [say(machine=facts["code"], good=2) for _time in range(10)]
    assert [status for status, _answer in kept] == [202] * 10
    assert kept[-1][1]["waiting"] == 10
    assert say(good=1)[0] == 400
    assert say(machine=facts["code"], state="running")[1]["waiting"] == 11
    assert say(machine=facts["code"], state="running")[1]["kept"] == [], "it says the same as before"
    wait(lambda: facts["code"] in "".join(path.read_text() for path in tmp_path.glob("context/*/flow.json")), "kept")
    node_red.restart()
    node_red.wait_until(lambda: node_red.output().count(started) == 2, "Node-RED is back")

    server.start()
    wait(lambda: stored(sql, facts) == 11, "all of it is delivered")
    server.kill()
    say(machine=facts["code"], state="stopped", reject=1)
    say(machine="nobody's", good=1)
    say(machine=facts["code"], good=1)
    time.sleep(2)  # it has tried in vain
    server.start()
    wait(lambda: stored(sql, facts) == 14, "what came while Odoo was away is delivered")
    wait(lambda: "machine_unknown" in node_red.output(), "what was rejected is shown")
    wait(lambda: say(machine=facts["code"])[1]["waiting"] == 0, "nothing is kept")

    found = rows(
        sql,
        f"""SELECT type, count(*) AS events, count(DISTINCT uid) AS ids, sum((data->>'delta')::int) AS pieces
              FROM mrp_machine_event WHERE source_id = {facts["source"]} GROUP BY type ORDER BY type""",
    )
    assert found == [
        {"type": "machine.state_changed", "events": 2, "ids": 2, "pieces": None},
        {"type": "production.count", "events": 12, "ids": 12, "pieces": 22},
    ]
    assert rows(sql, "SELECT data->>'state' AS now, data->>'previous' AS before FROM mrp_machine_event "
                     "WHERE type = 'machine.state_changed' ORDER BY sequence") == [
        {"now": "running", "before": None}, {"now": "stopped", "before": "running"}
    ]  # fmt: skip
    assert number(sql, "SELECT count(*) FROM mrp_machine_refusal WHERE reason <> 'machine_unknown'") == 0


# ----------------------------------------------------------------------------------------------------------------- curl


def test_the_lines_of_the_curl_page(odoo_server, odoo_shell, sql, tmp_path):
    facts = set_up(odoo_shell)
    conf, functions, spool, use, ask = re.findall(r"^```sh\n(.*?)^```", (RECIPES / "curl.md").read_text(), re.S | re.M)
    conf = exchanged(
        conf,
        **{
            "https://odoo.example": odoo_server.url,
            "KEY_ID": facts["key"],
            "=SECRET": f"={facts['secret']}",
            "environment=production": f"environment={facts['environment']}",
            "DATABASE_UUID": facts["uuid"],
            "database=plant": f"database={odoo_server.database}",
        },
    )

    def run(*lines):
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", "\n".join(lines)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout, done.stderr

    assert run(conf) == (0, "", "")
    assert (tmp_path / "door.conf").stat().st_mode & 0o077 == 0
    assert run(functions, spool, use) == (0, "", "")
    kept = "SELECT count(*) FROM mrp_machine_event WHERE stream = 'script'"
    assert number(sql, kept) == 1
    assert list((tmp_path / "spool").glob("*.json")) == []

    # Odoo is away: kept, and delivered once it is back; twice sent is once stored.
    odoo_server.stop()
    code, _said, why = run(functions, spool, use)
    (waiting,) = (tmp_path / "spool").glob("*.json")
    assert code == 1 and "later" in why
    shutil.copy(waiting, tmp_path / "again.json")
    odoo_server.start()
    assert run(functions, spool, "deliver")[0] == 0
    shutil.copy(tmp_path / "again.json", waiting)
    assert run(functions, spool, "deliver")[0] == 0
    assert (number(sql, kept), list((tmp_path / "spool").glob("*.json"))) == (2, [])

    # What is rejected holds up nothing, and is there to be mended.
    assert run(functions, spool, "count nobody 1; sleep 0.01; count press 4; deliver") == (0, "", "")
    assert "machine_unknown" in "".join(path.read_text() for path in (tmp_path / "rejected").glob("*.answer"))
    assert number(sql, kept) == 3

    code, said, _why = run(functions, f"id={waiting.stem}", ask)
    assert (code, json.loads(said)["disposition"]) == (0, "accepted")
    code, said, _why = run(functions, "id=nothing", ask)
    assert (code, json.loads(said)["code"]) == (22, "trace_unknown")


# ----------------------------------------------------------------------------------------------------------- middleware


def test_the_middleware_brings_each_message_to_the_odoo_it_is_for(
    durable_database, second_database, programs, start_program, tmp_path
):
    names, cluster = (durable_database, second_database), postgres.DURABLE
    facts = [set_up(processes.OdooShell(cluster, name)) for name in names]
    server = processes.OdooServer(cluster, durable_database)
    text = server.configuration.read_text()
    server.configuration.write_text(exchanged(text, **{f"db_name = {names[0]}": f"db_name = {','.join(names)}"}))
    programs.append(server)
    port = environment.free_port()
    settings = {
        "port": port,
        "spool": str(tmp_path / "spool.db"),
        "stations": {
            "ST10": {"machine": facts[0]["code"], "odoo": "hall 1"},
            "ST20": {"machine": facts[1]["code"], "odoo": "hall 2"},
            "ST30": {"machine": "nobody", "odoo": "hall 1"},
        },
        "odoo": {
            hall: {
                "destination": {
                    "url": server.url, "environment": of["environment"], "database": of["uuid"], "database_name": name,
                },
                "key": of["key"], "secret": of["secret"],
            }
            for hall, of, name in zip(("hall 1", "hall 2"), facts, names, strict=True)
        },
    }  # fmt: skip
    lost = {"ST40": {"machine": "press", "odoo": "hall 9"}}
    (tmp_path / "lost.json").write_text(json.dumps({**settings, "stations": lost}))
    told = subprocess.run(
        [virtualenv.PYTHON, RECIPES / "middleware.py", tmp_path / "lost.json"],
        env={"PYTHONPATH": str(PURE_PACKAGE_PARENT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (told.returncode, "names an Odoo" in told.stderr) == (1, True), "what would never be delivered is not taken"
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    middleware = start_program(
        "middleware",
        [virtualenv.PYTHON, RECIPES / "middleware.py", tmp_path / "settings.json"],
        PYTHONPATH=str(PURE_PACKAGE_PARENT),
    )
    middleware.wait_until(lambda: environment.port_answers(port), "the middleware listens")

    def say(no, station="ST10", **words):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        message = {"no": no, "station": station, "job": "WH/MO/00001", "at": at, "ok": 3, "nok": 1, **words}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
            line.request("POST", "/", json.dumps(message))
            return line.getresponse().status

    # Odoo is not there yet, and the middleware is killed meanwhile.
    assert [say(1), say(2, "ST20"), say(3, "ST20", nok=0)] == [202, 202, 202]
    assert [say(4, "ST99"), say(5, ok="many")] == [400, 400]
    middleware.kill()
    middleware.start()
    middleware.wait_until(lambda: environment.port_answers(port), "the middleware is back")
    processes.Program.start(server)

    def found(name):
        return json.loads(
            cluster.query(
                name,
                """SELECT coalesce(json_agg(json_build_array(uid, data->>'kind', data->'delta', correlation) ORDER BY uid), '[]')
                     FROM mrp_machine_event WHERE stream = 'mes'""",
            )
        )

    job = "WH/MO/00001"
    first = [["1-good", "good", 3, job], ["1-reject", "reject", 1, job]]
    second = [["2-good", "good", 3, job], ["2-reject", "reject", 1, job], ["3-good", "good", 3, job]]
    wait(lambda: (found(names[0]), found(names[1])) == (first, second), "each message is where it belongs")

    # The MES says it again, and something that nobody can take.
    assert [say(1), say(6, "ST30"), say(7)] == [202, 202, 202]
    seventh = [["7-good", "good", 3, job], ["7-reject", "reject", 1, job]]
    wait(lambda: found(names[0]) == first + seventh, "what comes after is not held up")
    assert found(names[1]) == second
    assert "Traceback" not in middleware.output() + server.output()


# --------------------------------------------------------------------------------------------------------------- JSON-2

USERS = """
from datetime import datetime, timedelta
keys = {}
for role in ("employee", "operator", "supervisor", "manager"):
    group = "base.group_user" if role == "employee" else f"mrp_machine_connect.group_{role}"
    user = env["res.users"].with_context(no_reset_password=True).create({
        "name": role, "login": f"json2-{role}", "group_ids": [(6, 0, [env.ref("base.group_user").id, env.ref(group).id])],
    })
    keys[role] = env["res.users.apikeys"].with_user(user)._generate("rpc", "JSON-2", datetime.now() + timedelta(hours=1))
result = keys
"""


def test_odoos_own_api_with_the_lines_of_its_page(odoo_server, odoo_shell, sql, tmp_path):
    facts = set_up(odoo_shell)
    keys = odoo_shell(USERS)
    page = (RECIPES / "json2.md").read_text()
    read, machines, create, deliver = re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M)
    now = int(time.time())

    def run(lines, role):
        lines = exchanged(lines, **{"https://odoo.example": odoo_server.url})
        status = 'curl() { command curl -s -w "\\n%{http_code}" "$@"; }\n'
        # Sent again is what was sent before: at the same second.
        status += f'date() {{ command date -d "@{now}" "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", status + lines],
            env={
                **os.environ,
                "API_KEY": keys.get(role, "0" * 40),
                "DATABASE": odoo_server.database,
                "SOURCE": str(facts["source"]),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        body, _line, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    # Writing, by the manager of a source alone; what becomes of it is what the door would say.
    for role, status, words in (
        ("nobody", 401, "Invalid apikey"),
        ("employee", 403, ""),
        ("operator", 403, "Only managers"),
        ("supervisor", 403, "Only managers"),
    ):
        answer = run(deliver, role)
        assert answer[0] == status and words in answer[1]["message"], answer
    assert stored(sql, facts) == 0
    first, again = run(deliver, "manager"), run(deliver, "manager")
    assert (first[0], first[1]["results"][0]["status"]) == (200, "accepted"), first
    assert (again[0], again[1]["results"][0]["status"]) == (200, "duplicate"), again
    assert stored(sql, facts) == 1

    # Reading, with the least of all groups.
    for role, expected in (("employee", 403), ("nobody", 401), ("operator", 200), ("supervisor", 200)):
        status, answer = run(read, role)
        assert status == expected, (role, answer)
        if status == 200:
            assert [(one["type"], one["machine_id"][0]) for one in answer] == [
                ("production.count", number(sql, "SELECT id FROM mrp_machine WHERE code = 'press'"))
            ]
        status, answer = run(machines, role)
        assert status == expected, (role, answer)
        if status == 200:
            assert facts["code"] in [machine["code"] for machine in answer]

    # The log is nobody's to write, not even a manager's.
    for role in ("operator", "manager"):
        status, answer = run(create, role)
        assert status == 422 and "received, not created" in answer["message"], answer
    assert stored(sql, facts) == 1
    assert "Traceback" not in odoo_server.output()
