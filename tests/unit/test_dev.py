"""The tooling where it decides something: what is green, what counts as a complaint, what the linter forbids."""

import ast
import os
import subprocess
import sys
import textwrap

import pytest

from devtools import commands, environment, lint, no_silent_green, runner, template
from devtools.environment import ROOT, Problem


def run_pytest(folder, body, *arguments, **variables):
    """Run a test file of one's own with the plugin, as ./dev test does, and return exit code and output."""
    (folder / "test_it.py").write_text(textwrap.dedent(body))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DEV_", "MACHINE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", no_silent_green.__name__, *arguments, "test_it.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_test_that_passes_is_green(tmp_path):
    code, output = run_pytest(tmp_path, "def test_it(): pass")

    assert code == 0, output


def test_a_skipped_test_is_not_green_and_its_reason_is_told(tmp_path):
    code, output = run_pytest(
        tmp_path,
        """
        import pytest
        def test_it(): pass
        def test_other(): pytest.skip("no machine here")
        """,
    )

    assert code == pytest.ExitCode.TESTS_FAILED
    assert "test_other: no machine here" in output


def test_a_file_that_skips_itself_is_not_green(tmp_path):
    code, _output = run_pytest(tmp_path, "import pytest; pytest.importorskip('a_library_that_is_not_there')")

    assert code == pytest.ExitCode.TESTS_FAILED


def test_an_empty_run_is_not_green(tmp_path):
    code, _output = run_pytest(tmp_path, "")

    assert code == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(("asked", "counted"), [("", "1 passed, 1 deselected"), ("1", "2 passed")])
def test_a_long_test_is_left_out_in_sight_unless_asked_for(tmp_path, asked, counted):
    body = """
        import pytest
        def test_short(): pass
        @pytest.mark.full
        def test_long(): pass
        """

    code, output = run_pytest(tmp_path, body, MACHINE_CONNECT_FULL=asked)

    assert code == 0
    assert counted in output


LOG = """\
2025-01-31 12:00:00,000 4711 INFO tpl odoo.modules.loading: all is well
2025-01-31 12:00:01,000 4711 WARNING tpl odoo.addons.base: this is always said
2025-01-31 12:00:02,000 4711 ERROR tpl odoo.sql_db: bad query
Traceback (most recent call last):
2025-01-31 12:00:03,000 4711 INFO tpl odoo.modules.loading: going on
"""


def test_warnings_and_errors_are_found_with_what_follows_them_but_not_what_odoo_always_says():
    found = template.complaints(LOG, known={"this is always said"})

    assert [line.split(": ")[-1] for line in found] == ["bad query", "Traceback (most recent call last):"]


@pytest.mark.parametrize(
    ("path", "tier"),
    [
        ("tests/unit/test_dev.py::test_it", "unit"),
        ("tests/browser", "browser"),
        ("addons/mrp_machine_connect/tests/test_x.py", "odoo"),
    ],
)
def test_a_file_tells_its_tier(path, tier):
    assert runner._tier_of(path) == tier


def test_a_file_that_holds_no_test_is_refused():
    with pytest.raises(Problem, match="README"):
        runner._tier_of("README.md")


BRIDGE_TEST = "addons/mrp_machine_connect_account/tests/test_labour.py::TestLabour"
CORE_TEST = "addons/mrp_machine_connect/tests/test_mrp_machine.py"


@pytest.mark.parametrize(
    ("tier", "paths", "suites"),
    [
        ("unit", [], [("unit", [])]),
        ("odoo", [], [("odoo", []), (runner.BRIDGES_SUITE, [])]),
        ("odoo", [CORE_TEST], [("odoo", [CORE_TEST])]),
        ("odoo", [BRIDGE_TEST], [(runner.BRIDGES_SUITE, [BRIDGE_TEST])]),
        ("odoo", [BRIDGE_TEST, CORE_TEST], [("odoo", [CORE_TEST]), (runner.BRIDGES_SUITE, [BRIDGE_TEST])]),
        ("integration", [], [("integration", [])]),
    ],
)
def test_bridges_are_tested_in_a_database_of_their_own(tier, paths, suites):
    assert runner._suites(tier, paths) == suites


def test_the_suites_of_odoo_leave_no_test_of_an_addon_out_and_run_none_twice():
    paths = [*runner._default_paths("odoo"), *runner._default_paths(runner.BRIDGES_SUITE)]

    assert sorted(paths) == sorted(str(path.relative_to(ROOT)) for path in (ROOT / "addons").glob("*/tests"))


def test_nobody_installs_a_bridge_and_each_installs_itself_with_what_it_couples_us_to():
    assert not set(environment.addons()) & set(environment.bridges())
    for name in environment.bridges():
        manifest = ast.literal_eval((environment.ADDONS / name / "__manifest__.py").read_text())
        assert manifest["auto_install"] is True
        assert environment.BRIDGES[name] in manifest["depends"]


def test_each_of_our_addons_is_one_that_is_installed_or_a_bridge():
    there = {path.parent.name for path in environment.ADDONS.glob("*/__manifest__.py")}

    assert there == {*environment.addons(), *environment.bridges()}


def test_what_the_templates_are_made_of_is_told_apart():
    of_core, of_bridges = (list(template._what_makes(names)) for names in (environment.addons(), environment.bridges()))

    assert of_core and of_bridges
    assert not set(of_core) & set(of_bridges)
    assert environment.fingerprint(*of_core) != environment.fingerprint(*of_core, *of_bridges)


def test_all_tiers_together_close_with_one_line():
    reports = {
        "unit": {"counts": {"passed": 3, "deselected": 1}, "seconds": 1.25},
        "odoo": {"counts": {"passed": 4, "failed": 1}, "seconds": 2},
    }

    line = runner._closing_line(reports, failed=["odoo"])

    assert line.strip("= ") == "not green: odoo, 1 failed, 7 passed, 1 deselected in 3.25s"


def test_a_fingerprint_changes_with_each_part_and_their_borders(tmp_path):
    file = tmp_path / "file"
    file.write_text("c")
    marks = [environment.fingerprint("a", "b"), environment.fingerprint("ab"), environment.fingerprint("a", file)]
    file.write_text("d")
    marks.append(environment.fingerprint("a", file))

    assert len(set(marks)) == 4
    assert environment.fingerprint("a", "b") == marks[0]


@pytest.mark.parametrize(
    "text", ["see https://py" + "pi.org/x", "open('/ho" + "me/anna/x')", "<" * 7 + " HEAD", "'/wo" + "rk/main'"]
)
def test_words_that_no_file_may_hold(text):
    assert list(lint.forbidden_words("x.py", text))


@pytest.mark.parametrize("text", ["a/work/center", "/odoo/work-orders", "network/rooted", "$HOME/x"])
def test_words_that_only_look_alike(text):
    assert not list(lint.forbidden_words("x.py", text))


def test_the_pure_package_imports_itself_relatively():
    text = "from .reading import Reading\nimport machine_connect.event\nfrom odoo import models\nimport json\n"

    found = list(lint.absolute_imports_of_ours("x.py", text))

    assert [line.split(":")[1] for line in found] == ["2", "3"]


DOOR_FILE = "addons/mrp_machine_connect/controllers/door.py"


@pytest.mark.parametrize(
    "text",
    [
        "if signature == expected: pass",
        "ok = found['secret'] != sent",
        "ok = sent == self._key.secret",
        "ok = hashlib.sha256(sent).hexdigest() == known",
        "ok = first_digest != digest",
        "ok = token in tokens",
        "ok = headers.get('x') == hmac.digest(key, text, 'sha256')",
    ],
)
def test_a_secret_is_not_compared_in_a_hurry(text):
    assert list(lint.hasty_comparisons(DOOR_FILE, text))
    assert list(lint.hasty_comparisons("x/signature.py", text + "\nhmac.compare_digest(a, b)"))


@pytest.mark.parametrize(
    "text",
    [
        "if not hmac.compare_digest(signature, expected): pass",
        "if secret is None or len(signature) != 64: pass",
        "if reason == 'signature_wrong': pass",
        "if bucket.tokens < 1: pass",
        "if algorithm == HMAC_SHA256: pass",
    ],
)
def test_what_is_no_comparison_of_secrets_may_be_written(text):
    assert not list(lint.hasty_comparisons(DOOR_FILE, text))


def test_signatures_are_compared_in_constant_time_and_the_rule_looks_at_every_file_of_the_door():
    assert list(lint.hasty_comparisons("x/signature.py", "def verify(): return True"))
    looked_at = [name for path in lint._files() if lint.DOOR.match(name := str(path.relative_to(environment.ROOT)))]
    assert {name.rpartition("/")[2] for name in looked_at} >= {
        "signature.py", "door.py", "machine_events.py", "mrp_machine_door.py", "mrp_machine_intake.py", "mrp_machine_source_key.py",
    }  # fmt: skip
    for name in looked_at:
        if name.endswith(".py"):
            assert list(lint.hasty_comparisons(name, (environment.ROOT / name).read_text())) == []


def test_a_file_that_is_too_long_is_told():
    assert list(lint.too_long("x.py", "\n" * (lint.LONGEST_FILE + 1)))
    assert not list(lint.too_long("x.py", "\n" * lint.LONGEST_FILE))


def test_each_command_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        commands.main(["--help"])

    listed = capsys.readouterr().out
    for command in ("setup", "demo", "test", "lint", "serve", "plant", "worker", "shell", "bench", "pot", "clean"):
        assert f"    {command} " in listed


def test_a_problem_is_one_sentence_and_no_traceback(capsys):
    code = commands.main(["bench", "a_benchmark_that_is_not_there"])

    assert code == 1
    assert capsys.readouterr().err.startswith("./dev bench: There is no benchmark a_benchmark_that_is_not_there")


def test_an_unknown_word_is_refused(capsys):
    with pytest.raises(SystemExit):
        commands.main(["lint", "everything"])

    assert "unknown argument: everything" in capsys.readouterr().err
