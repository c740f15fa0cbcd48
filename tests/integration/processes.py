"""Real programs on this machine, as they run in a plant: Odoo, the worker, the simulator, machines of others.

Each is a process of its own, can be killed as a power cut would (``kill``), and is started again on the same database.
"""

import contextlib
import http.cookiejar
import itertools
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from devtools import environment, odoo_process, virtualenv
from devtools.environment import ROOT

_numbers = itertools.count(1)


class Program:
    """A program that runs beside the test.

    :param str name: for its log and for messages
    :param list command: program and arguments
    :param dict variables: its environment
    """

    def __init__(self, name, command, variables):
        self.name = f"{name}-{os.getpid()}-{next(_numbers)}"
        self.log = environment.log_file(f"test-{self.name}")
        self.command = [str(part) for part in command]
        self.variables = variables
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        with open(self.log, "ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=environment.die_with_parent,
            )
        return self

    def stop(self, seconds=30):
        """Ask it to end, as a service manager does; that it ends in time is part of the test."""
        if self.running:
            self._process.terminate()
            self._process.wait(seconds)

    def kill(self):
        """End it as a power cut would (-9), with all it started."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        """End it one way or the other, when the test is over."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    def output(self):
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until(self, happened, what, seconds=60):
        """Wait while it runs; fail with the end of its log.

        :param happened: function that tells whether it did
        :param str what: what we wait for
        """
        deadline = time.monotonic() + seconds
        while not happened():
            if not self.running:
                raise AssertionError(f"{self.name} ended by itself before: {what}\n{environment.tail(self.log, 40)}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n{environment.tail(self.log, 40)}")
            time.sleep(0.05)


class RemoteError(Exception):
    """An error that Odoo answered with.

    :param str name: the exception's class, such as ``odoo.exceptions.UserError``
    :param str message: its words
    :param str debug: its traceback
    """

    def __init__(self, name, message, debug=""):
        super().__init__(f"{name}: {message}\n{debug}")
        self.name = name
        self.message = message


class OdooServer(Program):
    """An Odoo server, threaded, on a free port, for one database.

    :param cluster: the PostgreSQL server
    :param str database: name of the database
    :param settings: further settings of its configuration file, such as ``max_cron_threads=2``
    """

    def __init__(self, cluster, database, **settings):
        self.cluster = cluster
        self.database = database
        self.port = environment.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.configuration = odoo_process.configuration(
            cluster, f"test-{database}-{self.port}", db_name=database, http_port=self.port, list_db=False, **settings
        )
        command = odoo_process.command(self.configuration, "server")
        super().__init__(f"odoo-{database}", command, odoo_process.variables(cluster))
        self._open = self._opener()

    def start(self):
        super().start()
        self.wait_until(self.ready, "Odoo answers", 120)
        return self

    def ready(self):
        try:
            return self.get("/web/login", timeout=60).status == 200
        except (urllib.error.URLError, OSError):
            return False

    def close(self):
        super().close()
        self.configuration.unlink(missing_ok=True)

    # -- speaking to it

    def get(self, path, timeout=60):
        """Fetch a page as nobody in particular."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=timeout) as answer:
            answer.read()
            return answer

    def log_in(self, login="admin", password="admin"):
        """Log in; :meth:`call` does so as admin when nobody has."""
        self._open = self._opener()
        found = self._json("/web/session/authenticate", {"db": self.database, "login": login, "password": password})
        assert found["uid"], f"{login} could not log in"
        self._logged_in = True
        return found["uid"]

    def call(self, model, method, *args, **kwargs):
        """Call a public method of a model, as the web client does.

        :raises RemoteError: with Odoo's own words
        :raises urllib.error.URLError: if the server is not there
        """
        if not self._logged_in:
            self.log_in()
        try:
            return self._call(model, method, args, kwargs)
        except RemoteError as error:
            if "SessionExpired" not in error.name:
                raise
            self.log_in()
            return self._call(model, method, args, kwargs)

    def _call(self, model, method, args, kwargs):
        parameters = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        return self._json(f"/web/dataset/call_kw/{model}/{method}", parameters)

    def _opener(self):
        self._logged_in = False
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        return urllib.request.build_opener(cookies).open

    def _json(self, path, parameters):
        body = json.dumps({"jsonrpc": "2.0", "method": "call", "params": parameters, "id": next(_numbers)}).encode()
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": "application/json"})
        with self._open(request, timeout=120) as response:
            answer = json.load(response)
        if error := answer.get("error"):
            data = error.get("data") or {}
            raise RemoteError(
                data.get("name", "error"), data.get("message", error.get("message", "")), data.get("debug", "")
            )
        return answer.get("result")


def on_host(name):
    """Return what to put before a command so that it runs as on a host of this name: with process ids of its own, too."""
    be_called = "import os, socket, sys; socket.sethostname(sys.argv[1]); os.execvp(sys.argv[2], sys.argv[2:])"
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    apart = ["unshare", *user, "--uts", "--pid", "--fork", "--kill-child"]
    return [*apart, virtualenv.PYTHON, "-c", be_called, name]


class MachineWorker(Program):
    """The addon's worker, ``odoo machine_worker``, for one database.

    :param str host: name of the host on which it is to run as if it were another one than this
    """

    def __init__(self, cluster, database, *arguments, host="", **settings):
        self.configuration = odoo_process.configuration(
            cluster, f"test-worker-{database}-{next(_numbers)}", db_name=database, **settings
        )
        variables = {**odoo_process.variables(cluster), "ODOO_RC": str(self.configuration)}
        command = odoo_process.worker_command(*arguments)
        super().__init__(f"worker-{database}", [*(on_host(host) if host else ()), *command], variables)
        self.host = host

    def close(self):
        if self.host:  # what stands before it would not pass on that it is to end
            self.kill()
        super().close()
        self.configuration.unlink(missing_ok=True)


class OdooShell:
    """Runs lines of Python in ``odoo shell`` of one database and hands back what they found.

    :param cluster: the PostgreSQL server
    :param str database: name of the database
    """

    def __init__(self, cluster, database):
        self.cluster = cluster
        self.database = database

    def __call__(self, code):
        """Run code in which ``env`` is at hand; what it does is committed.

        :param str code: assigns what is to be handed back to ``result``
        :return: ``result``, by way of JSON
        """
        answer = environment.HOME / f"shell-{uuid.uuid4().hex}.json"
        body = "\n".join(
            (
                "import json",
                "scope = {'env': env, 'result': None}",
                f"exec({code!r}, scope)",
                "env.cr.commit()",
                f"open({str(answer)!r}, 'w').write(json.dumps(scope['result'], default=str))",
                "",
            )
        )
        configuration = odoo_process.configuration(self.cluster, f"test-shell-{self.database}", db_name=self.database)
        try:
            odoo_process.run_python(self.cluster, configuration, self.database, body)
            return json.loads(answer.read_text())
        finally:
            answer.unlink(missing_ok=True)
            configuration.unlink(missing_ok=True)


@contextlib.contextmanager
def closing_all():
    """A list of programs; all of them are ended at the end, the last one first."""
    programs = []
    try:
        yield programs
    finally:
        for program in reversed(programs):
            program.close()
