"""What is checked before a change is looked at? Ruff, Odoo's linters, import contracts, and a few rules of our own."""

import ast
import re
import subprocess

from . import environment, odoo_process, virtualenv
from .environment import ADDONS, ROOT, say

LONGEST_FILE = 700
PURE = "addons/mrp_machine_connect/machine_connect"

# Where what strangers sent is compared with what only we know, and the words in a name that say so.
DOOR = re.compile(
    r"addons/mrp_machine_connect/(?:machine_connect/signature\.py|controllers/"
    r"|models/mrp_machine_(?:door|intake|nonce|source|pressure|arming))"
)
SECRET_WORDS = frozenset({"signature", "secret", "secrets", "token", "digest", "hexdigest", "password", "mac"})

# What no file of ours may name, because it is true on one machine only or leads a program to the network unasked.
FORBIDDEN_WORDS = {
    "a host that packages come from": re.compile(
        r"(?:pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs\.org|files\.pythonhosted)"
    ),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:home|Users|work|root)/\w"),
    "a mark left by a merge": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}

# Reviewed: written by machines, or data recorded elsewhere that is kept as it is.
NOT_OURS = re.compile(r"(?:^|/)(?:cases|recorded)/|\.(?:pot|po)$|^LICENSE$|^constraints\.txt$")

# The authors are not the OCA, our readme is Markdown, and tables of wordings are translated when they are shown, where
# no environment is at hand.
PYLINT_OFF = "manifest-required-author,missing-readme,prefer-env-translation"

# How an XML file begins, the order of attributes, and whether a number is quoted change nothing; we write Markdown.
OCA_OFF = "xml-header-wrong,xml-field-numeric-without-eval,xml-tag-position,prefer-readme-rst"


def main(fix=False):
    """Run all checks, tell what each found, and return the exit code."""
    virtualenv.set_up()
    environment_variables = odoo_process.variables(with_odoo=False)
    failed = []
    if fix:
        _run("ruff", ["check", "--fix-only", "--quiet", "."], environment_variables)
        _run("ruff", ["format", "--quiet", "."], environment_variables)
    for name, program, arguments in _programs():
        if not _run(program, arguments, environment_variables):
            failed.append(name)
    for finding in our_own():
        print(finding)
        failed.append("our own rules")
    if failed:
        print(f"lint: {', '.join(dict.fromkeys(failed))}: look above; ./dev lint --fix mends what ruff can")
        return 1
    say("lint: all is well")
    return 0


def _programs():
    """Name, program and arguments of each linter that has something to look at."""
    yield "ruff check", "ruff", ["check", "--quiet", "--output-format=concise", "."]
    yield "ruff format", "ruff", ["format", "--check", "--output-format=concise", "--quiet", "."]
    addons = [str((ADDONS / name).relative_to(ROOT)) for name in [*environment.addons(), *environment.bridges()]]
    if addons:
        plugin = ["--load-plugins=pylint_odoo", "--valid-odoo-versions=19.0", "--score=n", "--persistent=n"]
        enabled = ["--disable=all", "--enable=odoolint", f"--disable={PYLINT_OFF}"]
        pure = f"--ignore-paths=.*/{PURE}/.*|{PURE}/.*"  # it has nothing of Odoo to be looked at
        yield "pylint-odoo", "pylint", [*plugin, *enabled, pure, *addons]
        yield "oca-checks-odoo-module", "oca-checks-odoo-module", [f"--disable={OCA_OFF}", *addons]
    if (ROOT / PURE / "__init__.py").is_file() and (ROOT / "simulator" / "__init__.py").is_file():
        yield "import contracts", "lint-imports", ["--no-cache"]


def _run(program, arguments, variables):
    """Run one linter; what it says is shown only if it is not content."""
    done = subprocess.run(
        [virtualenv.VENV / "bin" / program, *arguments],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        print(done.stdout.decode(errors="replace").rstrip(), flush=True)
    return done.returncode == 0


# -- our own rules ----------------------------------------------------------------------------------------------------


def our_own():
    """What breaks our own rules, one line each: ``path:line: what``."""
    for path in _files():
        name = str(path.relative_to(ROOT))
        if NOT_OURS.search(name):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture or the like
        yield from forbidden_words(name, text)
        if name.startswith(("addons/", "simulator/")):
            yield from too_long(name, text)
        if DOOR.match(name) and name.endswith(".py"):
            yield from hasty_comparisons(name, text)
        if name.startswith(f"{PURE}/") and name.endswith(".py"):
            yield from absolute_imports_of_ours(name, text)


def _files():
    """All files that git knows or would take in; without git, all that are not hidden."""
    git = ["git", "-c", f"safe.directory={ROOT}"]  # the clone may belong to somebody else, as in a container
    listed = environment.output_of([*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    if listed:
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not path.relative_to(ROOT).parts[0].startswith(".")]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def forbidden_words(name, text):
    if name == "devtools/lint.py":
        return
    for what, pattern in FORBIDDEN_WORDS.items():
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{name}:{line}: {what}: {found.group().strip()}"


def too_long(name, text):
    lines = text.count("\n")
    if lines > LONGEST_FILE and name.endswith((".py", ".xml", ".js", ".scss")):
        yield f"{name}:1: {lines} lines are more than {LONGEST_FILE}: which second duty does it have?"


def absolute_imports_of_ours(name, text):
    """In the pure package each import of itself is relative: in Odoo and in the agent it has different names."""
    for node in ast.walk(ast.parse(text, name)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module]
        else:
            continue
        for module in modules:
            if module.split(".")[0] in ("machine_connect", "odoo"):
                yield f"{name}:{node.lineno}: the pure package imports itself relatively and Odoo never: {module}"


def hasty_comparisons(name, text):
    """At the door, what is secret is compared in constant time: how long ``==`` takes tells how much of a guess is right."""
    tree = ast.parse(text, name)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not any(isinstance(by, HASTY) for by in node.ops):
            continue
        for side in (node.left, *node.comparators):
            if SECRET_WORDS & set(re.split(r"[^a-z0-9]+", _said_of(side).lower())):
                yield f"{name}:{node.lineno}: compare by hmac.compare_digest what is secret: {ast.unparse(node)}"
                break
    compares = any(isinstance(node, ast.Attribute) and node.attr == "compare_digest" for node in ast.walk(tree))
    if name.endswith("/signature.py") and not compares:
        yield f"{name}:1: a signature is compared by hmac.compare_digest"


HASTY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def _said_of(node):
    """What an expression is called: the last name in it, or the key that is taken out of something."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _said_of(node.func)
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else _said_of(node.slice)
    return ""
