"""The pure package is pure: it runs without Odoo, under either of its two names, and without any protocol's library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import machine_connect

PACKAGE = Path(machine_connect.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
#: Where a library that is not Python's own may be imported at all, and there in functions only.
ROOMS = {"drivers", "formats", "client.py", "signature.py"}


def imports(tree):
    """Yield name (empty for a relative one) and node of each import of a file, and whether it waits in a function."""
    waiting = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node, id(node) in waiting
        elif isinstance(node, ast.ImportFrom):
            yield "" if node.level else node.module, node, id(node) in waiting


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def path(request):
    return request.param


@pytest.fixture
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_there_is_something_to_look_at():
    assert {"counter.py", "mapping.py", "reading.py"} <= {path.name for path in FILES}


def test_it_imports_itself_relatively_and_never_odoo(path, tree):
    for name, node, _waiting in imports(tree):
        assert name.split(".")[0] not in ("machine_connect", "odoo"), f"{path}:{node.lineno}"


def test_it_does_not_climb_out_of_the_package(path, tree):
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"{path}:{node.lineno}"


def test_foreign_libraries_wait_until_their_protocol_is_opened(path, tree):
    room = path.relative_to(PACKAGE).parts[0]
    for name, node, waiting in imports(tree):
        if name and name.split(".")[0] not in sys.stdlib_module_names:
            assert waiting, f"{path}:{node.lineno} imports {name} at once"
            assert room in ROOMS, f"{path}:{node.lineno} imports {name}"


def test_the_time_is_asked_in_one_place(path, tree):
    if path.name == "clock.py":
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            assert owner not in ("datetime", "date"), f"{path}:{node.lineno} asks for the time; clock.now does that"


def test_it_words_nothing_for_people(path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("_", "_lt"), f"{path}:{node.lineno} translates; wording is Odoo's"


def test_it_loads_alone():
    """In a Python without any library, and under another name than its own, as Odoo imports it."""
    program = f"""
import importlib, pkgutil, sys, types
outer = types.ModuleType("outer")
outer.__path__ = [{str(PACKAGE.parent)!r}]
sys.modules["outer"] = outer
package = importlib.import_module("outer.machine_connect")
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("outer.machine_connect")]))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(FILES)
