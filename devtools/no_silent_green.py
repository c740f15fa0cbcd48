"""A pytest plugin: when is a run really green? Never by a skipped test, never by an empty run.

Tests that take long are marked ``full``: they are deselected, and thereby counted and shown, unless
``MACHINE_CONNECT_FULL=1`` asks for them. Nothing else may be left out.
"""

import json
import os
import time
import types

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "full: takes long; runs with ./dev test --full only")
    config.pluginmanager.register(_Count(), "machine-connect-count")


def pytest_collection_modifyitems(config, items):
    if os.environ.get("MACHINE_CONNECT_FULL") == "1":
        return
    long = [item for item in items if _takes_long(item)]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not _takes_long(item)]
    if hasattr(config, "workeroutput"):
        # A worker of pytest-xdist collects for itself and tells nobody what it left out.
        config.workeroutput["deselected"] = [item.nodeid for item in long]


def _takes_long(item):
    """By pytest's marker, or by Odoo's tag in a test class that knows no pytest: ``@tagged("full")``."""
    return item.get_closest_marker("full") or "full" in getattr(item.cls, "test_tags", ())


class _Count:
    def __init__(self):
        self.started = time.monotonic()
        self.skipped = {}
        self.deselected = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        found = set(getattr(node, "workeroutput", {}).get("deselected", ())) - self.deselected
        self.deselected |= found
        if found:
            node.config.hook.pytest_deselected(items=[types.SimpleNamespace(nodeid=name) for name in sorted(found)])

    def pytest_runtest_logreport(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skip(report)

    def pytest_collectreport(self, report):
        if report.skipped:
            self._skip(report)

    def _skip(self, report):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        self.skipped[report.nodeid] = str(reason).removeprefix("Skipped: ")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session, exitstatus):
        if self.skipped and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.skipped:
            terminalreporter.section("skipped, and therefore not green", red=True, bold=True)
            for test, reason in self.skipped.items():
                terminalreporter.write_line(f"{test}: {reason}")
        if path := os.environ.get("DEV_TEST_REPORT"):
            counts = {name: len(reports) for name, reports in terminalreporter.stats.items() if name}
            with open(path, "w") as report:
                json.dump({"counts": counts, "seconds": time.monotonic() - self.started}, report)
