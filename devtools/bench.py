"""How is a benchmark run? ``benchmarks/NAME.py`` in the virtual environment, on the durable PostgreSQL."""

from . import odoo_process, postgres, ready, template, virtualenv
from .environment import ROOT, Problem

SUPPORT = {"__init__", "harness"}


def names():
    return sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SUPPORT)


def main(name, as_json, arguments):
    """Run one benchmark, or list them if none is named."""
    if not name:
        print("\n".join(names()) or "There are no benchmarks yet.")
        return
    if name not in names():
        raise Problem(f"There is no benchmark {name}; there are: {', '.join(names()) or 'none yet'}")
    ready.tools()
    template.set_up_durable()
    program = f"import sys; from benchmarks import {name}; sys.exit({name}.main(sys.argv[1:]))"
    flags = ["--json"] if as_json else []
    odoo_process.become([virtualenv.PYTHON, "-c", program, *flags, *arguments], postgres.DURABLE)
