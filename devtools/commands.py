"""What can ``./dev`` do? One function a command, each a few lines that call the module that does it."""

import argparse
import sys

from . import bench, clean, demo, environment, lint, odoo_process, postgres, pot, ready, runner, screenshots, template
from .environment import Problem, say

DESCRIPTION = """\
Develops and shows the machine connectivity suite for Odoo 19.

  ./dev demo     a simulated plant that produces in Odoo, in your browser
  ./dev test     all tests
"""


def main(arguments=None):
    """Run one command and return its exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        parser.error(f"unknown argument: {rest[0]} (./dev {options.command} --help)")
    options.rest = [argument for argument in rest if argument != "--"]
    try:
        return options.function(options) or 0
    except Problem as problem:
        print(f"./dev {options.command}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="./dev", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, function, text, passes_on=None):
        description = text[0].upper() + text[1:] + "."
        made = commands.add_parser(name, help=text, description=description, epilog=passes_on, allow_abbrev=False)
        made.set_defaults(function=function, passes_on=bool(passes_on))
        return made

    made = command("setup", _setup, "make everything ready: Odoo, Python packages, PostgreSQL, template databases")
    made.add_argument("--fresh", action="store_true", help="make the template with our addons anew")
    made.add_argument("--for-tests", action="store_true", help="also the servers of others that the tests talk to")

    made = command("demo", _demo, "run Odoo with a simulated plant of three machines until Ctrl-C")
    made.add_argument("--fresh", action="store_true", help="start over with a new database")
    made.add_argument(
        "--packaging", action="store_true", help="with a fourth machine: a packaging line with its operator"
    )
    made.add_argument("--port", type=int, default=8069, help="where Odoo listens on 127.0.0.1 (default: %(default)s)")

    made = command(
        "test",
        _test,
        "run the tests, all tiers or those named",
        passes_on="Anything else goes to pytest: -x, --lf, a file, file::test … DEV_TEST_DB names another database.",
    )
    made.usage = f"./dev test [{'|'.join(runner.TIERS)} ...] [-k EXPR] [--full] [--fresh] [FILE] [pytest's options]"
    made.add_argument("-k", dest="selection", metavar="EXPR", help="only tests whose name fits, as with pytest")
    made.add_argument("--full", action="store_true", help="also the tests that take long")
    made.add_argument("--fresh", action="store_true", help="make the template with our addons anew first")

    command("lint", _lint, "check style, imports, addons and texts").add_argument(
        "--fix", action="store_true", help="let ruff mend and format what it can first"
    )

    made = command("serve", _serve, "run Odoo alone, our addons updated, until Ctrl-C", passes_on="More goes to Odoo.")
    _database_option(made)
    made.add_argument("--port", type=int, default=8069, help="where Odoo listens on 127.0.0.1 (default: %(default)s)")
    made.add_argument("--no-update", action="store_true", help="do not update our addons first")

    command("plant", _plant, "run the simulated plant alone", passes_on="Anything else goes to: python -m simulator")

    made = command("worker", _worker, "run the machine worker alone", passes_on="More goes to the worker.")
    _database_option(made)

    made = command("shell", _shell, "open Odoo's shell, where env is at hand", passes_on="More goes to Odoo.")
    _database_option(made)

    made = command("psql", _psql, "open psql", passes_on="More goes to psql.")
    _database_option(made)

    made = command("bench", _bench, "measure against the plain way", passes_on="More goes to the benchmark.")
    made.add_argument("name", nargs="?", metavar="NAME", help="a file of benchmarks/; without it they are listed")
    made.add_argument("--json", action="store_true", help="end with one line of JSON")

    command("screenshots", _screenshots, "make the pictures of every screen", passes_on="More goes to the script.")
    command("pot", _pot, "write the translation templates of our addons")
    command("stop", _stop, "stop the PostgreSQL servers that ./dev started")

    made = command("clean", _clean, "stop PostgreSQL and remove databases of tests and logs")
    made.add_argument("--databases", action="store_true", help="remove all databases, also the one of ./dev demo")
    made.add_argument("--all", action="store_true", help="remove everything that ./dev made, downloads too")
    return parser


def _database_option(parser):
    parser.add_argument("--db", default="demo", metavar="NAME", help="the database (default: %(default)s)")


def _setup(options):
    ready.everything(options.fresh, options.for_tests)
    say("ready: ./dev demo, ./dev test")


def _demo(options):
    return demo.main(options.port, options.fresh, options.packaging)


def _test(options):
    tiers = [tier for tier in runner.TIERS if tier in options.rest]
    arguments = [argument for argument in options.rest if argument not in runner.TIERS]
    return runner.main(tiers, options.selection, options.full, options.fresh, arguments)


def _lint(options):
    return lint.main(options.fix)


def _serve(options):
    ready.tools()
    cluster, database = ready.database(options.db)
    if not options.no_update:
        with environment.step("updating our addons"):
            template.update(cluster, database, log=f"update-{database}")
    configuration = odoo_process.configuration(
        cluster, f"serve-{database}", db_name=database, http_port=options.port, max_cron_threads=2
    )
    say(f"http://127.0.0.1:{options.port} (admin, admin)")
    odoo_process.become(odoo_process.command(configuration, "server", *options.rest), cluster)


def _plant(options):
    ready.tools()
    odoo_process.become(demo.plant_command(*options.rest))


def _worker(options):
    ready.tools()
    cluster, database = ready.database(options.db)
    configuration = odoo_process.configuration(cluster, f"worker-{database}", db_name=database)
    odoo_process.become(odoo_process.worker_command(*options.rest), cluster, ODOO_RC=str(configuration))


def _shell(options):
    ready.tools()
    cluster, database = ready.database(options.db)
    configuration = odoo_process.configuration(cluster, f"shell-{database}", db_name=database)
    odoo_process.become(
        odoo_process.command(configuration, "shell", "-d", database, "--no-http", *options.rest), cluster
    )


def _psql(options):
    ready.tools()
    cluster, database = ready.database(options.db)
    odoo_process.become([postgres.binaries() / "psql", database, *options.rest], cluster)


def _bench(options):
    return bench.main(options.name, options.json, options.rest)


def _screenshots(options):
    return screenshots.main(options.rest)


def _pot(options):
    return pot.main()


def _stop(options):
    clean.stop()


def _clean(options):
    clean.main(databases=options.databases, everything=options.all)
