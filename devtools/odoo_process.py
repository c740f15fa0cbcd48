"""How is Odoo started here: with which configuration, on which path, by which command?"""

import os
import sys

from . import environment, odoo_source, virtualenv
from .environment import ADDONS, HOME, PURE_PACKAGE_PARENT, ROOT, Problem

PROGRAM = (virtualenv.PYTHON, "-m", "odoo")


def configuration(cluster, name, **settings):
    """Write a configuration file for Odoo and return its path.

    :param cluster: the PostgreSQL server it works on
    :param str name: name of the file in ``.odoo``
    :param settings: what differs from the settings all our servers share
    """
    options = {
        "addons_path": ADDONS,  # Odoo finds its own by itself
        "data_dir": cluster.data_folder,
        **cluster.odoo_settings(),
        "http_interface": "127.0.0.1",
        "list_db": True,
        "max_cron_threads": 0,
        "limit_time_real_cron": 600,
        **settings,
    }
    lines = ["[options]", *(f"{key} = {value}" for key, value in options.items())]
    path = HOME / f"{name}.conf"
    part = HOME / f"{name}.conf.{os.getpid()}"
    part.write_text("\n".join(lines) + "\n")
    part.chmod(0o600)
    part.replace(path)
    return path


def variables(cluster=None, with_odoo=True):
    """Environment of everything that runs from the virtual environment: Odoo, tests, benchmarks, simulator."""
    found = cluster.environment() if cluster else dict(os.environ)
    paths = [ROOT, PURE_PACKAGE_PARENT]
    if with_odoo:
        paths.insert(0, odoo_source.python_path())
    found["PYTHONPATH"] = os.pathsep.join(str(path) for path in paths)
    found["PATH"] = f"{virtualenv.VENV / 'bin'}{os.pathsep}{found['PATH']}"
    found.pop("ODOO_RC", None)
    # Compiled once instead of at each start, which takes Odoo seconds; here, for the source may belong to somebody else.
    found["PYTHONPYCACHEPREFIX"] = str(HOME / "pycache")
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    # passlib, which Odoo needs, imports a module that is deprecated until Python 3.12; nobody here can change that.
    found["PYTHONWARNINGS"] = "ignore:'crypt' is deprecated:DeprecationWarning"
    # As in deploy/systemd/odoo.service.d: glibc gives each thread memory of its own to manage and hardly any of it back.
    found.setdefault("MALLOC_ARENA_MAX", "2")
    found.setdefault("MALLOC_TRIM_THRESHOLD_", "131072")
    return found


def command(configuration_file, *arguments):
    """A command line of Odoo: ``command(conf, "server", "-d", "demo")``."""
    verb, *rest = arguments
    return [*PROGRAM, verb, "-c", configuration_file, *rest]


def run_python(cluster, configuration_file, database, code):
    """Run a few lines in Odoo's shell, where ``env`` is at hand; they end with a commit of their own.

    :return: the path of the log with what they printed
    """
    log = environment.log_file(f"shell-{environment.safe_name(database)}")
    script = log.with_suffix(".py")
    script.write_text(code)
    try:
        with open(script) as lines:
            environment.run(
                command(configuration_file, "shell", "-d", database, "--no-http", "--log-level=warn"),
                log=log.stem,
                problem="Code in Odoo's shell failed.",
                env=variables(cluster),
                stdin=lines,
            )
    finally:
        script.unlink()
    if "Traceback (most recent call last)" in log.read_text():  # the shell itself ends well all the same
        raise Problem(f"Code in Odoo's shell failed:\n{environment.tail(log, 30)}")
    return log


def become(arguments, cluster=None, **extra):
    """Let a program take the place of this one, so that Ctrl-C and the exit code are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(ROOT)
    os.execvpe(str(arguments[0]), [str(part) for part in arguments], {**variables(cluster), **extra})


def has_worker():
    """Whether the addon offers its worker command already."""
    return (ADDONS / "mrp_machine_connect" / "cli" / "machine_worker.py").is_file()


def worker_command(*arguments):
    """A command line of the machine worker; it finds its configuration by the variable ``ODOO_RC``.

    An addon's command is known to Odoo only when the addons path is, and that comes from there.
    """
    if not has_worker():
        raise Problem("There is no worker in this clone yet: mrp_machine_connect/cli/machine_worker.py is missing")
    return [*PROGRAM, "machine_worker", *arguments]
