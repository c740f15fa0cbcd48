"""Do the pages say what there is? Every link leads somewhere; every setting, event type and driver has its row."""

import ast
import re
import shlex
import shutil
import subprocess
from functools import cache

import pytest

from devtools import commands
from devtools.environment import ADDONS, ROOT
from machine_connect.drivers import DRIVERS, modbus, opcua_settings
from machine_connect.event import EVENT_TYPES

DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ADDONS.glob("*/README.md"), *(ROOT / "simulator").glob("*.md")],
)
UNIT = ROOT / "deploy" / "systemd" / "odoo-machine-worker.service"
CORE = ADDONS / "mrp_machine_connect" / "models"
#: Models whose fields all have a row, by the heading of their table.
SETTINGS = {
    "Connection": "mrp.machine.connection",
    "Signal": "mrp.machine.signal.mixin",
}
#: Options of each protocol's driver, as the driver itself lists them.
OPTIONS = {
    "modbus": set(modbus.DEFAULTS),
    "opcua": {field.name for field in opcua_settings.fields(opcua_settings.Settings)},
}
#: The developer's tutorial names files that its reader makes; an integration test makes them.
TUTORIAL = DOCS / "tutorial-extend.md"
#: Odoo 19's own commands, and the addons of Odoo that ours need.
ODOO_COMMANDS = {
    "cloc", "db", "deploy", "genproxytoken", "help", "i18n", "module", "neutralize", "obfuscate", "populate", "scaffold",
    "server", "shell", "start", "tsconfig", "upgrade_code",
}  # fmt: skip
ODOO_ADDONS = {"mrp", "maintenance", "mrp_account"}
#: Programs of Python that a page may name behind ``-m``, beside those that lie here.
PYTHON_MODULES = {"pip", "venv"}
#: A path below one of the repository's own folders.
OWN_PATH = re.compile(r"(?:addons|benchmarks|changelog\.d|deploy|devtools|docs|simulator|tests|\.ci)/[\w./*-]*")
#: What is ours alone and must not stand in a page for others.
FOREIGN = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|tmp|Users)/")


@cache
def text(page):
    return page.read_text()


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", text(page), flags=re.S | re.M)


def anchors(page):
    """The anchors that the headings of a page have on GitHub and in most editors."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.M)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings]
    return {heading.strip().lower().replace(" ", "-") for heading in plain}


def section(page, heading):
    """What stands below a heading, up to the next one of its rank."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text(page), re.S | re.M)
    assert found, f"{page.name} has no section «{heading}»"
    return found[1]


def first_cells(markdown, column=0):
    """The words in code in one column of all tables."""
    rows = [line.strip().strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return {word for row in rows if len(row) > column for word in re.findall(r"`([^`]+)`", row[column])}


def declarations(*models):
    """What the classes of these models declare, in whichever of our files: ``{name of the field: its call}``."""
    found = {}
    for path in sorted(CORE.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and _model(node) in models:
                for line in node.body:
                    if isinstance(line, ast.Assign) and _is_field(line.value):
                        found |= {target.id: line.value for target in line.targets}
    return found


def _model(node):
    """The model that a class makes or extends."""
    said = {
        line.targets[0].id: line.value.value
        for line in node.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
    }
    return said.get("_name") or said.get("_inherit")


def _is_field(value):
    function = getattr(value, "func", None)
    return isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "fields"


def code_spans(page):
    """The words that a page sets as code in its prose."""
    return [span.replace("\\|", "|") for span in re.findall(r"`([^`\n]+)`", prose(page))]


def command_lines(page):
    """The commands that a page names, in blocks of ``sh`` and in its prose, each as its words."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text(page), re.S | re.M)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()] + code_spans(page)
    found = []
    for line in lines:
        for part in re.split(r"&&|\|\||[;|](?![^\[]*\])", line):
            lexer = shlex.shlex(part, posix=True, punctuation_chars=False)
            lexer.whitespace_split, lexer.commenters = True, "#"
            try:
                words = list(lexer)
            except ValueError:  # half of a sentence in quotes is no command
                continue
            while words and re.match(r"[A-Z_]+=|exec$", words[0]):
                words.pop(0)
            if words:
                found.append(words)
    return found


def unknown(words, capsys):
    """Return why these words are no command that there is, or None."""
    program, rest = words[0], words[1:]
    if program == "./dev" and rest and re.match(r"[a-z]", rest[0]):
        return _unknown_to_dev(rest, capsys)
    if program in ("odoo", "odoo-bin") and rest and re.match(r"[a-z]", rest[0]):
        ours = {path.stem for path in ADDONS.glob("*/cli/*.py")}
        if rest[0] not in ODOO_COMMANDS | ours:
            return f"there is no odoo {rest[0]}"
        named = [names for option, names in zip(rest, rest[1:], strict=False) if option in ("-i", "-u")]
        addons = {path.parent.name for path in ADDONS.glob("*/__manifest__.py")} | ODOO_ADDONS
        lost = {name for names in named for name in names.split(",")} - addons
        return f"there is no addon {lost}" if lost else None
    if program.startswith("python") and "-m" in rest:
        module = rest[rest.index("-m") + 1]
        path = ROOT / module.replace(".", "/")
        if (
            module not in PYTHON_MODULES
            and not (path / "__main__.py").exists()
            and not path.with_suffix(".py").exists()
        ):
            return f"there is no module {module}"
    return None


def _unknown_to_dev(words, capsys):
    with pytest.raises(SystemExit) as told:
        commands.main([words[0], "--help"])
    help_text = capsys.readouterr().out
    if told.value.code:
        return f"there is no ./dev {words[0]}"
    notation = " ".join(words[1:])
    lost = [option for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", notation) if option not in help_text]
    if lost and "goes to" not in help_text:
        return f"./dev {words[0]} has no {lost}"
    made = re.findall(r"<!-- file: (\S+) -->", text(TUTORIAL))
    paths = [path for path in OWN_PATH.findall(notation) if path not in made and not list(ROOT.glob(path))]
    return f"there is no {paths}" if paths else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _hash, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(target)

    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_folder_of_one_computer(page):
    assert FOREIGN.findall(text(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_that_there_is(page, capsys):
    assert [why for words in command_lines(page) if (why := unknown(words, capsys))] == []


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ADDONS / "mrp_machine_connect/README.md"]
)
def test_the_commands_of_a_page_are_seen(page):
    assert [words for words in command_lines(page) if words[0] in ("./dev", "odoo") and len(words) > 1]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("./dev demmo", "there is no ./dev demmo"),
        ("./dev lint --mend", "./dev lint has no"),
        ("./dev test tests/unit/test_nothing.py", "there is no"),
        ("odoo machine_werker -d x", "there is no odoo machine_werker"),
        ("odoo server -d x -i mrp_machine_conect", "there is no addon"),
        ("python3 -m simulater", "there is no module"),
        ("./dev test unit -k counter", None),
        ("ODOO_RC=odoo.conf odoo machine_worker -d x", None),
    ],
)
def test_a_wrong_command_would_be_found(line, why, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"```sh\n{line}\n```\nor `{line}`\n")

    said = [unknown(words, capsys) for words in command_lines(page)]

    assert len(said) == 2
    assert all(answer is None if why is None else why in (answer or "") for answer in said), said


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != TUTORIAL], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_path_and_addon_is_there(page):
    addons = {path.parent.name for path in ADDONS.glob("*/__manifest__.py")}
    spans = code_spans(page)
    paths = [path for span in spans for path in OWN_PATH.findall(span) if OWN_PATH.fullmatch(span)]
    named = [span for span in spans if re.fullmatch(r"(?:mrp_machine_connect|\w+_machine_(?:trigger|event))\w*", span)]

    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []
    assert set(named) - addons == set()


def test_every_type_of_event_has_its_row_with_the_keys_it_must_have():
    rows = {}
    for line in text(DOCS / "reference" / "events.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = cells[0].strip("`")
        if line.startswith("| `") and name in EVENT_TYPES:
            rows[name] = set(re.findall(r"`([^`]+)`", cells[1]))
        elif re.match(r"\| `[a-z]+\.[a-z_]+`", line):
            pytest.fail(f"there is no type {name}")

    assert rows.keys() == EVENT_TYPES.keys()
    lacking = {name: set(EVENT_TYPES[name].required) - keys for name, keys in rows.items()}
    assert {name: keys for name, keys in lacking.items() if keys} == {}


@pytest.mark.parametrize("heading", SETTINGS)
def test_every_field_of_a_connection_and_of_a_signal_has_its_row(heading):
    documented = first_cells(section(DOCS / "reference" / "settings.md", heading), 1)
    fields = declarations(SETTINGS[heading]).keys()

    assert len(fields) > 20
    assert fields - documented == set()


def test_every_setting_in_the_pages_is_there():
    page = DOCS / "reference" / "settings.md"
    for heading, models in (
        ("Connection", ["mrp.machine.connection"]),
        ("Signal", ["mrp.machine.signal.mixin", "mrp.machine.signal"]),
        ("Machine", ["mrp.machine"]),
    ):
        fields = declarations(*models).keys()
        documented = first_cells(section(page, heading).partition("### What the driver gets")[0], 1)

        assert documented - fields == set(), heading


def test_every_setting_that_a_person_gives_a_machine_has_its_row():
    shown = {"compute", "related"}
    given = set()
    for name, call in declarations("mrp.machine").items():
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        if call.func.attr in ("One2many", "Many2many"):
            continue
        if not shown & words.keys() and not ("readonly" in words and ast.literal_eval(words["readonly"])):
            given.add(name)

    assert len(given) > 15
    assert given - first_cells(section(DOCS / "reference" / "settings.md", "Machine"), 1) == set()


def test_every_parameter_of_the_database_has_its_row():
    parameters = set(re.findall(r'config_parameter="([^"]+)"', text(CORE / "res_config_settings.py")))

    assert parameters
    assert parameters - first_cells(section(DOCS / "reference" / "settings.md", "Database"), 1) == set()


def test_every_driver_has_its_page_and_is_known_here():
    assert OPTIONS.keys() == DRIVERS.keys(), "name the options of the new driver above"
    for protocol in DRIVERS:
        assert (DOCS / "drivers" / f"{protocol}.md").is_file(), f"docs/drivers/{protocol}.md is missing"


@pytest.mark.parametrize("protocol", DRIVERS)
def test_every_option_of_a_driver_has_its_row(protocol):
    documented = first_cells(section(DOCS / "drivers" / f"{protocol}.md", "Settings of a connection"))

    assert OPTIONS[protocol] - documented == set()
    assert documented - OPTIONS[protocol] == set()


@pytest.mark.parametrize("protocol", DRIVERS)
def test_the_settings_say_where_each_option_of_a_driver_comes_from(protocol):
    connection = section(DOCS / "reference" / "settings.md", "Connection")

    assert OPTIONS[protocol] - first_cells(connection, 1) - first_cells(connection) == set()


def test_every_decision_is_in_their_list():
    listed = text(DOCS / "decisions" / "README.md")

    assert [page.name for page in DOCS.glob("decisions/0*.md") if f"({page.name})" not in listed] == []


def test_the_unit_of_the_worker_starts_it_as_the_pages_say():
    lines = text(UNIT).splitlines()

    assert "ExecStart=/usr/bin/odoo machine_worker" in lines
    assert [line for line in lines if line.startswith("Environment=ODOO_RC=/")]
    assert "KillSignal=SIGTERM" in lines


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    verifier = shutil.which("systemd-analyze")
    # The program itself need not be installed where the tests run.
    unit = tmp_path / UNIT.name
    unit.write_text(text(UNIT).replace("/usr/bin/odoo", shutil.which("true")))
    if verifier:
        done = subprocess.run([verifier, "verify", unit], capture_output=True, text=True, check=False)

        assert (done.returncode, done.stderr) == (0, "")
    settings = [line.partition("=")[0] for line in text(UNIT).splitlines() if "=" in line and not line.startswith("#")]
    repeatable = {"SystemCallFilter", "Environment", "ReadWritePaths"}
    assert {name for name in settings if settings.count(name) > 1} <= repeatable
