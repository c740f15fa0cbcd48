"""Do the pages' commands run, and does the developer's tutorial work?

A block of ``sh`` below the comment ``<!-- run -->`` is run by bash in a folder that holds what the page says: ``addons/``,
``odoo.conf`` and ``requirements.txt``. Files below ``<!-- file: PATH -->`` and lines below ``<!-- line: PATH -->`` are taken from
the tutorial, and what they make is installed and tested.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager

import pytest

from devtools import environment, odoo_process, postgres, template, virtualenv
from devtools.environment import ADDONS, ROOT

TUTORIAL = ROOT / "docs" / "tutorial-extend.md"
RUN = re.compile(r"<!-- run -->\n+```sh\n(.*?)^```", re.S | re.M)
TAKE = re.compile(r"<!-- (file|line): (\S+) -->\n+```\w+\n(.*?)^```", re.S | re.M)
OURS = ["mrp_machine_program_note", "mrp_machine_connect_jsonpage"]


def marked_pages():
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(ADDONS.glob("*/README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return [page for page in pages if RUN.search(page.read_text())]


def run(command, folder, variables, seconds=120):
    """Run a program to its end; return its output, which fails the test with it."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{command}\n{output[-6000:]}"
    return output


def complaints(output):
    return [line for line in output.splitlines() if re.search(r" (WARNING|ERROR|CRITICAL) |^Traceback", line)]


@contextmanager
def configuration(database, folder, **settings):
    """A configuration of Odoo for a folder with addons/."""
    found = odoo_process.configuration(
        postgres.DURABLE, f"test-docs-{database}", db_name=database, addons_path=folder / "addons", **settings
    )
    try:
        yield found
    finally:
        found.unlink(missing_ok=True)


def test_there_are_commands_to_run():
    assert marked_pages()


@pytest.mark.parametrize("page", marked_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page, durable_database, tmp_path):
    cluster = postgres.DURABLE
    data = tmp_path / "data"
    (data / "machine_connect").mkdir(parents=True)  # as if a connection with security had been tried
    (tmp_path / "addons").symlink_to(ADDONS)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    odoo = programs / "odoo"
    odoo.write_text(f'#!/bin/sh\nexec "{virtualenv.PYTHON}" -m odoo "$@"\n')
    odoo.chmod(0o755)
    variables = {
        **odoo_process.variables(cluster),
        "DB": durable_database,
        "DATA_DIR": str(data),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    variables["PATH"] = os.pathsep.join([str(programs), str(postgres.binaries()), variables["PATH"]])
    with configuration(durable_database, tmp_path, data_dir=data) as found:
        shutil.copy(found, tmp_path / "odoo.conf")
        for block in RUN.findall(page.read_text()):
            output = run(["bash", "-euo", "pipefail", "-c", block], tmp_path, variables)
            assert complaints(output) == [], block


@pytest.fixture
def clone(tmp_path):
    """A folder like this repository, with what the tutorial makes."""
    for name in ("addons", "tests", "simulator", "devtools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for kind, path, body in TAKE.findall(TUTORIAL.read_text()):
        target = tmp_path / path
        if kind == "file":
            assert not target.exists(), f"{path} is there already"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        else:
            source = target.read_text()
            head, brace, rest = source.partition("DRIVERS = {\n")
            assert brace, f"{path} has no DRIVERS"
            target.write_text(head + brace + body + rest)
    return tmp_path


def test_the_driver_of_the_tutorial_keeps_the_contract(clone):
    variables = odoo_process.variables(with_odoo=False)
    variables["PYTHONPATH"] = os.pathsep.join([str(clone), str(clone / "addons" / "mrp_machine_connect")])
    command = [virtualenv.PYTHON, "-m", "pytest", "-p", "no:odoo", "-q", "-k", "jsonpage"]

    output = run([*command, "tests/unit/test_driver_contract.py"], clone, variables)

    assert int(re.search(r"(\d+) passed", output)[1]) > 15
    assert "failed" not in output


def test_the_addons_of_the_tutorial_install_and_pass_their_tests(clone, durable_database):
    with configuration(durable_database, clone) as found:
        tags = ",".join(f"/{name}" for name in OURS)
        arguments = [
            "-d",
            durable_database,
            "-i",
            ",".join(OURS),
            "--test-tags",
            tags,
            "--stop-after-init",
            "--no-http",
        ]
        output = run(odoo_process.command(found, "server", *arguments), clone, odoo_process.variables(postgres.DURABLE))

        assert template.complaints(output) == []
        summary = re.search(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests", output)
        assert summary[1] == summary[2] == "0"
        assert int(summary[3]) >= 5

        with page_of_json({"counters": {"good": 4711}}) as port:
            assert read_by_odoo(found, durable_database, port) == [["4711", "good"]]


@contextmanager
def page_of_json(page):
    """A gateway on loopback that answers every GET with a page of JSON; its port."""

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def read_by_odoo(configuration_file, database, port):
    """Connect a machine by the tutorial's protocol, poll it once, and return what its signals hold."""
    answer = environment.HOME / f"docs-{database}.json"
    code = f"""
import json
env["mrp.machine.connection"].search([]).active = False
machine = env["mrp.machine"].create({{"name": "Gateway", "code": "GATEWAY"}})
connection = env["mrp.machine.connection"].create(
    {{"machine_id": machine.id, "protocol": "jsonpage", "host": "127.0.0.1", "port": {port}, "path": "/values"}})
signal = env["mrp.machine.signal"].create(
    {{"machine_id": machine.id, "connection_id": connection.id, "name": "Good", "role": "good",
      "address": "counters.good", "fastest_cycle": 1}})
env.cr.commit()
env["mrp.machine.poller"]._cron_poll()
env.invalidate_all()
open({str(answer)!r}, "w").write(json.dumps([[signal.last_value, signal.last_quality]]))
"""
    try:
        odoo_process.run_python(postgres.DURABLE, configuration_file, database, code)
        return json.loads(answer.read_text())
    finally:
        answer.unlink(missing_ok=True)
