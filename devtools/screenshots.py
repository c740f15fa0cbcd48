"""How are the pictures made? ``tests/browser/screenshots.py`` drives Chromium against a server it starts for itself."""

from . import odoo_process, postgres, ready, runner, template, virtualenv
from .environment import ROOT, Problem


def main(arguments):
    """Make the pictures of every screen."""
    if not (ROOT / "tests" / "browser" / "screenshots.py").is_file():
        raise Problem("There is nothing that makes pictures yet: tests/browser/screenshots.py is missing")
    if not runner.chromium():
        raise Problem(f"Chromium is missing: {runner.CHROMIUM_COMMAND}")
    ready.tools()
    template.set_up()
    odoo_process.become([virtualenv.PYTHON, "-m", "tests.browser.screenshots", *arguments], postgres.FAST)
