"""Each code by which something fails is on the one list of codes, and a person is told it in a sentence."""

import ast
from pathlib import Path

import machine_connect
from machine_connect.errors import CODES

PACKAGE = Path(machine_connect.__file__).parent
WORDING = PACKAGE.parent / "wording.py"

#: Which argument of a call is a code.
CALLS = {
    "ConnectionFailed": 0, "_CannotBeRead": 0, "Unanswered": 0, "_failed": 0, "Problem": 1, "MappingInvalid": 1,
    "bad_reading": 1, "PollOutcome": 2,
}  # fmt: skip
#: Tables whose values are codes, alone or first of a pair.
TABLES = frozenset({"VALUE_CODES", "SERVICE_CODES", "EXCEPTIONS"})
#: Functions that return one.
FUNCTIONS = frozenset({"value_code", "service_failure", "_network_code"})


def texts(node):
    """Yield the texts that an expression may become: either branch, the default of a look-up, the first of a pair."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Tuple):
        yield from texts(node.elts[0])
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and len(node.args) == 2:
        yield from texts(node.args[1])


def called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def assigned(node):
    """Yield name and value of each thing that an assignment sets: of ``a, b = 1, 2`` both."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
        else:
            pairs = [(target, node.value)]
        for name, value in pairs:
            yield getattr(name, "id", getattr(name, "attr", "")), value


def used(path):
    """Yield each code that a file gives, with the line where it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found = []
        if isinstance(node, ast.Call) and called(node) in CALLS:
            found = [*node.args[CALLS[called(node)] :][:1]]
            found += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for name, value in assigned(node):
                found += value.values if name in TABLES else [value] if name == "code" else []
        elif isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
            found = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return)]
        for value in found:
            for code in texts(value):
                yield code, f"{path.relative_to(PACKAGE)}:{value.lineno}"


def all_used():
    return {code: place for path in sorted(PACKAGE.rglob("*.py")) for code, place in used(path)}


def worded():
    """Return the codes that wording has a sentence for, its variants aside."""
    tree = ast.parse(WORDING.read_text(encoding="utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_sentences")
    (table,) = (node for node in ast.walk(function) if isinstance(node, ast.Dict))
    return {key.value.partition(":")[0] for key in table.keys}


def test_the_look_finds_what_is_given():
    found = all_used()

    assert len(found) > 40
    assert {"connection_refused", "illegal_address", "bad_status", "deadline", "library_missing", "missing"} <= set(
        found
    )


def test_every_code_that_is_given_is_on_the_list():
    assert {code: place for code, place in all_used().items() if code not in CODES} == {}


def test_every_code_that_is_given_has_a_sentence():
    assert {code: place for code, place in all_used().items() if code not in worded()} == {}


def test_nothing_on_the_list_is_given_by_nobody():
    assert set(CODES) - set(all_used()) == set()
