"""How are the tests run? Four tiers by what they need, each a pytest process of its own, in this order:

unit (neither Odoo nor a database) · odoo (our addons' own tests; those of bridges in a database with accounting) ·
integration (real servers and processes on a durable PostgreSQL) · browser (Chromium). Skipped tests and empty runs are failures.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys

from . import children, environment, odoo_process, postgres, ready, template, virtualenv
from .environment import ADDON_NAMES, BRIDGES, LOGS, ROOT, Problem, say

TIERS = ("unit", "odoo", "integration", "browser")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_COMMAND = "apt-get install -y --no-install-recommends chromium fonts-liberation"
NO_TESTS_RAN = 5
#: The tests of our bridges: of the tier odoo, in a database with what they couple us to.
BRIDGES_SUITE = "odoo with accounting"
#: How many tests of a tier run at a time, and how they are shared out: these tiers wait for servers and programs most of
#: the time. Where the tests of a file share a server that takes long to start, the file stays with one worker.
SIDE_BY_SIDE = {
    "unit": ["-n", "3", "--dist", "loadfile"],
    # Each with a copy of the database of its own, by pytest-odoo; what a class sets up is made once.
    "odoo": ["-n", "2", "--dist", "loadscope"],
    "integration": ["-n", "2", "--dist", "worksteal"],
    "browser": ["-n", "2", "--dist", "loadfile"],
}


def main(tiers, selection=None, full=False, fresh=False, arguments=()):
    """Run tiers and return the exit code.

    :param list tiers: names of tiers, empty for all
    :param str selection: an expression for pytest's ``-k``
    :param bool full: run the tests marked ``full`` as well
    :param list arguments: anything else for pytest; files and folders among them replace those of the tier
    """
    paths = [argument for argument in arguments if (ROOT / argument.partition("::")[0]).exists()]
    others = [argument for argument in arguments if argument not in paths]
    tiers = tiers or sorted({_tier_of(path) for path in paths}, key=TIERS.index) or TIERS
    if selection:
        others += ["-k", selection]
    if full:
        os.environ["MACHINE_CONNECT_FULL"] = "1"

    suites = [
        (tier, suite, chosen)
        for tier in tiers
        for suite, chosen in _suites(tier, [path for path in paths if _tier_of(path) == tier])
    ]
    codes, reports = _run_all(suites, tiers, others, fresh)
    if selection and any(code != NO_TESTS_RAN for code in codes.values()):
        codes = {suite: code for suite, code in codes.items() if code != NO_TESTS_RAN}
    failed = [suite for suite, code in codes.items() if code]
    if len(suites) > 1:
        print(f"\n{_closing_line(reports, failed)}", flush=True)
    return 1 if failed else 0


def _run_all(suites, tiers, arguments, fresh):
    """Run suites one after the other; return their exit codes and what they counted, by name."""
    codes, reports = {}, {}
    if set(tiers) - {"unit"}:
        # All of it before the first tier: it is fetched side by side, and what starts PostgreSQL gives it its priority for good.
        with contextlib.suppress(Problem):  # who needs it says so
            ready.tools()
    for tier, suite, chosen in suites:
        if len(suites) > 1:
            print(f"\n######## {suite} ########", flush=True)
        try:
            codes[suite], reports[suite] = _run(tier, tiers, suite, chosen, arguments, fresh)
        except Problem as problem:
            print(f"{suite}: {problem}", flush=True)
            codes[suite], reports[suite] = 1, {}
        fresh = False  # what was made anew for one suite is new for the next
    return codes, reports


def _suites(tier, paths):
    """Names and paths of what is run as a pytest of its own; no paths are all of the suite.

    The tests of bridges are one: their database holds accounting, that of all other addons does not.
    """
    if tier != "odoo":
        return [(tier, paths)]
    apart = [path for path in paths if _is_of_bridge(path)]
    suites = [(tier, [path for path in paths if path not in apart]), (BRIDGES_SUITE, apart)]
    if paths:
        return [(suite, chosen) for suite, chosen in suites if chosen]
    return suites if environment.bridges() else suites[:1]


def _is_of_bridge(path):
    return len(parts := path.partition("::")[0].split("/")) > 1 and parts[1] in BRIDGES


def _tier_of(path):
    """The tier a test file belongs to, by where it lies."""
    parts = path.partition("::")[0].split("/")
    if parts[0] == "tests" and len(parts) > 1 and parts[1] in TIERS:
        return parts[1]
    if parts[0] == "addons":
        return "odoo"
    raise Problem(f"{path} is not among the tests: give a file below tests/unit, tests/integration, … or addons/")


def _run(tier, tiers, suite, paths, arguments, fresh):
    prepare = {
        "unit": _unit, "odoo": _odoo, BRIDGES_SUITE: _odoo_of_bridges, "integration": _integration, "browser": _browser,
    }[suite]  # fmt: skip
    with prepare(paths, fresh) as (tier_arguments, variables), _meanwhile(suite, tiers):
        return _pytest(tier, [*tier_arguments, *arguments, *(paths or _default_paths(suite))], variables)


@contextlib.contextmanager
def _meanwhile(suite, tiers):
    """Make ready what later suites need by a ``./dev`` of its own while a suite runs.

    The template databases beside the first one, with the lowest priority, for its tests of timeouts need the machine; the
    servers of others beside Odoo's. Each later suite makes sure for itself that what it needs is there, waits for it, and says
    what is wrong where it is not.
    """
    if suite == "unit" and set(tiers) - {"unit"}:
        command = ["nice", "-n", "19", sys.executable, ROOT / "dev", "setup"]
    elif suite == "odoo" and "integration" in tiers:
        command = [sys.executable, ROOT / "dev", "setup", "--for-tests"]
    else:
        yield
        return
    busy = children.Child("setup-meanwhile", command, dict(os.environ))
    try:
        yield
        if suite == "unit":
            busy.wait()  # broken off, a database would be made once more
    finally:
        busy.stop()


def _side_by_side(tier, paths):
    """Nothing for one file alone, so that what it prints is seen while it runs."""
    return [] if len(paths) == 1 else SIDE_BY_SIDE[tier]


def _pytest(tier, arguments, variables):
    """Run pytest and return its exit code and what it counted."""
    report = LOGS / f"test-{tier}-{os.getpid()}.json"
    LOGS.mkdir(parents=True, exist_ok=True)
    command = [virtualenv.PYTHON, "-m", "pytest", "-p", "devtools.no_silent_green", *arguments]
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env={**variables, "DEV_TEST_REPORT": str(report)},
            check=False,
        )
        return done.returncode, json.loads(report.read_text()) if report.exists() else {}
    finally:
        report.unlink(missing_ok=True)


def _default_paths(suite):
    if suite in ("odoo", BRIDGES_SUITE):
        names = ADDON_NAMES if suite == "odoo" else BRIDGES
        folders = [ROOT / "addons" / name / "tests" for name in names]
    else:
        folders = [ROOT / "tests" / suite]
    found = [str(folder.relative_to(ROOT)) for folder in folders if folder.is_dir()]
    if not found:
        raise Problem("there are no tests of this tier, and an empty run is no success")
    return found


@contextlib.contextmanager
def _unit(paths, fresh):
    virtualenv.set_up()
    yield ["-p", "no:odoo", *_side_by_side("unit", paths)], odoo_process.variables(with_odoo=False)


@contextlib.contextmanager
def _odoo(paths, fresh):
    ready.tools()
    template.set_up_base()
    cluster = postgres.FAST
    if not chromium():
        say(f"without Chromium the tours cannot run, and a skipped test is a failure: {CHROMIUM_COMMAND}")
    with _database() as database:
        needed = _needed_addons(paths)
        if needed == environment.addons():
            template.set_up(fresh)
            with environment.step("copying the template and updating our addons in the copy"):
                cluster.clone(cluster.database(template.ours()), database)
                template.update(cluster, database, log=f"update-{database}")
        else:
            with environment.step(f"installing {', '.join(needed)} into a copy of the template"):
                cluster.clone(cluster.database("tpl_base"), database)
                template.install(cluster, database, needed, log=f"install-{database}")
        yield [*_odoo_arguments(database), *_side_by_side("odoo", paths)], odoo_process.variables(cluster)


@contextlib.contextmanager
def _odoo_of_bridges(paths, fresh):
    ready.tools()
    cluster = postgres.FAST
    with _database() as database:
        template.set_up_bridges(fresh)
        with environment.step("copying the template with our bridges and updating our addons in the copy"):
            cluster.clone(cluster.database(template.with_bridges()), database)
            template.update(cluster, database, log=f"update-{database}")
        yield [*_odoo_arguments(database), *_side_by_side("odoo", paths)], odoo_process.variables(cluster)


@contextlib.contextmanager
def _database():
    """The name of the database that Odoo's tests run in, nobody else's meanwhile."""
    database = postgres.FAST.database(environment.safe_name(os.environ.get("DEV_TEST_DB", "test")))
    with environment.alone(f"test-{database}"):
        yield database


def _odoo_arguments(database):
    return [
        "-p",
        "tests.odoo_copies",
        f"--odoo-config={odoo_process.configuration(postgres.FAST, f'test-{database}')}",
        f"--odoo-database={database}",
        "--odoo-http",
        f"--odoo-extra=screenshots={LOGS / 'screenshots'}",
        # Odoo's and its libraries' warnings are not ours to mend; those of our code are errors.
        "--override-ini",
        "filterwarnings=default\nignore:'crypt' is deprecated\n"
        f"error:::odoo\\.addons\\.({'|'.join([*ADDON_NAMES, *BRIDGES])})",
    ]


def _needed_addons(paths):
    """Our addons that must be installed for these tests: all, or those of the files and the core they stand on."""
    names = {path.split("/")[1] for path in paths if "/" in path} or set(environment.addons())
    return [name for name in environment.addons() if name in {*names, ADDON_NAMES[0]}]


@contextlib.contextmanager
def _integration(paths, fresh):
    ready.everything(fresh, for_tests=True)
    yield ["-p", "no:odoo", *_side_by_side("integration", paths)], odoo_process.variables(postgres.DURABLE)


@contextlib.contextmanager
def _browser(paths, fresh):
    if not chromium():
        raise Problem(f"Chromium is missing: {CHROMIUM_COMMAND}")
    ready.tools()
    template.set_up(fresh)
    yield ["-p", "no:odoo", *_side_by_side("browser", paths)], odoo_process.variables(postgres.FAST)


def chromium():
    """Path of the browser, or None."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def _closing_line(reports, failed):
    """One line in pytest's form for all tiers together."""
    counts, seconds = {}, 0.0
    for report in reports.values():
        seconds += report.get("seconds", 0)
        for name, number in report.get("counts", {}).items():
            counts[name] = counts.get(name, 0) + number
    names = ("failed", "passed", "skipped", "deselected", "error", "subtests passed")
    parts = [f"{counts[name]} {name.replace('error', 'errors')}" for name in names if counts.get(name)]
    if failed:
        parts.insert(0, f"not green: {', '.join(failed)}")
    return f" {', '.join(parts) or 'nothing ran'} in {seconds:.2f}s ".center(100, "=")
