"""Where does everything lie, and what does each step of ``./dev`` need? Paths, ports, stamps, locks, child commands.

All that the tooling makes lives in one ignored folder, ``.odoo/``; deleting it loses nothing but time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".odoo"
LOGS = HOME / "log"
ADDONS = ROOT / "addons"

# In the order in which they build on each other.
ADDON_NAMES = ("mrp_machine_connect", "maintenance_machine_trigger", "quality_machine_event")
# Bridges install themselves where what they couple us to is installed: the addon of Odoo behind each.
BRIDGES = {"mrp_machine_connect_account": "mrp_account"}
PURE_PACKAGE_PARENT = ADDONS / "mrp_machine_connect"


class Problem(Exception):
    """Something a person has to do first: one sentence, with the command that helps."""


def say(text):
    """Tell the person at the terminal what is going on."""
    print(f"· {text}", file=sys.stderr, flush=True)


def addons():
    """Names of our addons that can be installed: those that have a manifest already. Bridges are not among them."""
    return [name for name in ADDON_NAMES if (ADDONS / name / "__manifest__.py").is_file()]


def bridges():
    """Names of our bridges: addons that nobody installs, for they come by themselves."""
    return [name for name in BRIDGES if (ADDONS / name / "__manifest__.py").is_file()]


@contextlib.contextmanager
def step(text):
    """Tell what is being done and, if it took a while, how long it took."""
    say(f"{text} …")
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    if seconds >= 1:
        say(f"{text}: {seconds:.0f} s")


@contextlib.contextmanager
def alone(name, refusal=None):
    """Let only one ``./dev`` at a time do this in this clone; the others wait.

    :param str refusal: what to tell a person instead of waiting
    """
    HOME.mkdir(exist_ok=True)
    with open(HOME / f"{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if refusal:
                raise Problem(refusal) from None
            say(f"waiting for another ./dev that is busy with: {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_in_order():
    """Let everything that asks this process to end do so as Ctrl-C does, which ends what it started as well.

    SIGINT too: a shell starts what it puts in the background without it.
    """
    for number in ENDING:
        signal.signal(number, _interrupt)


def _interrupt(number, frame):
    raise KeyboardInterrupt


# -- child commands ---------------------------------------------------------------------------------------------------


def log_file(name):
    """Path of a log in ``.odoo/log``, with its folder made."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"


def tail(path, lines=15):
    """The last lines of a log, indented, for a person to read."""
    try:
        text = Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def run(command, *, log, problem, excerpt=tail, **options):
    """Run a command with its output in a log; if it fails, say so with what matters of that log.

    :param list command: program and arguments
    :param str log: name of the log in ``.odoo/log``
    :param str problem: sentence for a person, should it fail
    :param excerpt: function that takes what matters out of a log
    """
    path = log_file(log)
    with open(path, "wb") as output:
        try:
            done = subprocess.run(
                [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, check=False, **options
            )
        except FileNotFoundError:
            raise Problem(f"{problem} The program {command[0]} is not there.") from None
    if done.returncode:
        raise Problem(f"{problem} From {path.relative_to(ROOT)}:\n{excerpt(path)}")
    return path


def output_of(command, **options):
    """What a short command prints, or None if it fails or is not there."""
    options.setdefault("stderr", subprocess.DEVNULL)
    try:
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=False, **options)
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def die_with_parent():
    """For ``preexec_fn``: the kernel ends the child should this process be killed, so that nothing is left behind."""
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


# -- stamps: what has been done, so that it is not done again ---------------------------------------------------------


def fingerprint(*parts):
    """One short word for many texts and files; it changes when any of them does.

    :param parts: texts as they are, and paths for what the file holds
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            part = part.read_bytes() if part.is_file() else b""
        elif isinstance(part, str):
            part = part.encode()
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:24]


def stamped(path):
    """What was written with :func:`stamp`, or None."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def stamp(path, text):
    """Note that a step has been done, last of all, so that a step broken off is done again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


# -- ports ------------------------------------------------------------------------------------------------------------


def port_answers(port, host="127.0.0.1"):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def free_port():
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def remembered_port(name):
    """The port noted under that name, or None."""
    try:
        return json.loads((HOME / "ports.json").read_text()).get(name)
    except (FileNotFoundError, ValueError):
        return None


def remember_port(name, port):
    """Note a port for the next run; the caller holds the lock of the step."""
    path = HOME / "ports.json"
    try:
        ports = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        ports = {}
    ports[name] = port
    path.write_text(json.dumps(ports, indent=1, sort_keys=True) + "\n")


# -- this machine -----------------------------------------------------------------------------------------------------


def is_root():
    return os.geteuid() == 0


def python_version_problem():
    """A sentence if this Python is not one that Odoo 19 runs on, else None."""
    if (3, 10) <= sys.version_info < (3, 14):
        return None
    version = ".".join(map(str, sys.version_info[:2]))
    return f"Odoo 19 runs on Python 3.10 to 3.13, this is {version}: run python3.11 ./dev"


def safe_name(text):
    """A text made fit to be the name of a database or a file."""
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_") or "unnamed"
