"""Do the pages say what there is? Every link leads somewhere; every setting, event type and driver has its row."""

import ast
import re
import shutil
import subprocess
from functools import cache

import pytest

from devtools.environment import ADDONS, ROOT
from machine_connect.drivers import DRIVERS, modbus, opcua_settings
from machine_connect.event import EVENT_TYPES

DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ADDONS.glob("*/README.md"), *(ROOT / "simulator").glob("*.md")],
)
UNIT = ROOT / "deploy" / "systemd" / "odoo-machine-worker.service"
CORE = ADDONS / "mrp_machine_connect" / "models"
#: Fields that people set, by the class that brings them and the heading of their table.
SETTINGS = {
    "Connection": ["mrp_machine_connection.py"],
    "Signal": ["mrp_machine_signal_mixin.py"],
}
#: Options of each protocol's driver, as the driver itself lists them.
OPTIONS = {
    "modbus": set(modbus.DEFAULTS),
    "opcua": {field.name for field in opcua_settings.fields(opcua_settings.Settings)},
}
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


def fields_of(path):
    """The names of a model's fields, read from its source."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "fields":
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


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
    fields = set().union(*(fields_of(CORE / name) for name in SETTINGS[heading]))

    assert len(fields) > 20
    assert fields - documented == set()


def test_every_setting_in_the_pages_is_there():
    page = DOCS / "reference" / "settings.md"
    for heading, more in (("Connection", ()), ("Signal", ("mrp_machine_signal.py",)), ("Machine", ("mrp_machine.py",))):
        fields = set().union(*(fields_of(CORE / name) for name in (*SETTINGS.get(heading, ()), *more)))
        documented = first_cells(section(page, heading).partition("### What the driver gets")[0], 1)

        assert documented - fields == set(), heading


def test_every_setting_that_a_person_gives_a_machine_has_its_row():
    tree = ast.parse((CORE / "mrp_machine.py").read_text())
    shown = {"compute", "related"}
    given = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            call = node.value
            kind = getattr(call.func, "attr", "")
            words = {keyword.arg: keyword.value for keyword in call.keywords}
            if getattr(getattr(call.func, "value", None), "id", "") != "fields" or kind in ("One2many", "Many2many"):
                continue
            if not shown & words.keys() and not ("readonly" in words and ast.literal_eval(words["readonly"])):
                given |= {target.id for target in node.targets}

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
