"""How do Odoo's Python packages and the test tools get here? One virtual environment, ``.odoo/venv``."""

import importlib.util
import os
import shutil
import sys

from . import environment
from .environment import HOME, ROOT, Problem, step

VENV = HOME / "venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = (ROOT / "requirements-dev.txt", ROOT / "requirements.txt", ROOT / "constraints.txt")

# Compiling everything takes a third of the time, and most of it is never imported.
PIP_OPTIONS = ["--disable-pip-version-check", "--no-compile"]


def requirements_fingerprint():
    """A word that changes when the Python or the wanted packages do."""
    return environment.fingerprint(f"{sys.version_info[:2]}", *REQUIREMENTS)


def set_up():
    """Make sure that the virtual environment holds what the requirements ask for."""
    wanted = requirements_fingerprint()
    if _is_made(wanted):
        return
    if problem := environment.python_version_problem():
        raise Problem(problem)
    with environment.alone("venv"):
        if _is_made(wanted):  # by another ./dev meanwhile
            return
        with step("installing Python packages into .odoo/venv"):
            create(VENV, ["-r", REQUIREMENTS[0], "-c", REQUIREMENTS[2]], fallback=["-r", REQUIREMENTS[0]])
        environment.stamp(VENV / ".done", wanted)


def _is_made(wanted):
    return environment.stamped(VENV / ".done") == wanted and PYTHON.exists()


def create(folder, arguments, fallback=None):
    """Make a virtual environment and install into it, with uv if that is here.

    :param list arguments: requirements as pip takes them
    :param list fallback: the same, less strict, for an index that no longer has the exact versions
    """
    python = folder / "bin" / "python"
    if shutil.which("uv"):
        _make(folder, ["uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder])
        install = ["uv", "pip", "install", "--quiet", "--python", python]
    elif importlib.util.find_spec("ensurepip"):
        _make(folder, [sys.executable, "-m", "venv", folder])
        install = [python, "-m", "pip", "install", *PIP_OPTIONS]
    elif importlib.util.find_spec("pip"):
        _make(folder, [sys.executable, "-m", "venv", "--without-pip", folder])
        install = [sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS]
    else:
        raise Problem("Python's pip is missing: apt-get install python3-venv")
    try:
        _install(install, arguments)
    except Problem:
        if not fallback:
            raise
        environment.say("the tested versions are not all to be had; taking the newest that fit")
        _install(install, fallback)


def _make(folder, command):
    if (folder / "bin" / "python").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    environment.run(command, log="venv", problem=f"The virtual environment {folder.name} could not be made.")


def _install(command, arguments):
    environment.run(
        [*command, *arguments],
        log="pip",
        env={**os.environ, "PIP_NO_INPUT": "1"},
        problem="Python packages could not be installed. Try again: ./dev setup.",
    )
