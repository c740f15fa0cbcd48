"""``odoo machine_worker``: the long-running host of polling and posting, a process of its own beside Odoo."""

import argparse
import contextlib
import logging
import signal
import sys
import threading
import time

from odoo.cli import Command

_logger = logging.getLogger(__name__)

#: Seconds between two looks for events to post when nobody else woke us.
POST_EVERY = 0.5
#: Seconds between two looks for pauses that have ended.
RELEASE_EVERY = 10.0
#: Seconds to wait after the database was away.
DATABASE_PAUSE = 2.0
#: Seconds between two looks whether the addon is still there and at rest.
LOOK_EVERY = 1.0

ADDON = "mrp_machine_connect"


class MachineWorker(Command):
    """Poll machines and post their events, until told to stop"""

    name = "machine_worker"

    def run(self, args):
        parser = argparse.ArgumentParser(prog="odoo machine_worker", description=self.__doc__)
        parser.add_argument("-c", "--config", help="Odoo's configuration file")
        parser.add_argument("-d", "--database", help="the database; default: db_name of the configuration")
        parser.add_argument("--no-post", action="store_true", help="poll only; scheduled actions post")
        parser.add_argument("--threads", type=int, default=32, help="devices read at the same time, at most")
        options, rest = parser.parse_known_args(args)
        arguments = [*(["-c", options.config] if options.config else []), *rest]
        if options.database:
            arguments += ["-d", options.database]
        from odoo.tools import config

        config.parse_config(arguments, setup_logging=True)
        database = options.database or (config["db_name"] or [None])[0]
        if not database:
            sys.exit("odoo machine_worker: name the database by -d or by db_name in the configuration")
        sys.exit(run(database, threads=options.threads, post=not options.no_post))


def run(database, threads=32, post=True):
    """Run until SIGTERM or SIGINT.

    :return: exit code
    """
    from psycopg2.extensions import TransactionRollbackError

    from odoo.addons.mrp_machine_connect.polling_host import PASSING, TABLES_CHANGE, PollingHost, worker_name
    from odoo.modules.registry import Registry

    stop, ready = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_arguments: stop.set())
    _logger.info("machine worker for database %s", database)
    host = poster = None
    looked, told = float("-inf"), ""
    try:
        while not stop.is_set():
            try:
                registry = Registry(database)
                if time.monotonic() - looked >= LOOK_EVERY or not ready.is_set():
                    if obstacle := _obstacle(registry, database):
                        ready.clear()
                        if host:
                            host.hang_up()
                            host = None
                        if obstacle != told:
                            _logger.warning("%s; waiting", obstacle)
                            told = obstacle
                        stop.wait(LOOK_EVERY)
                        continue
                    looked, told = time.monotonic(), ""
                registry = registry.check_signaling()
                if "mrp.machine.poller" not in registry:  # just installed, and not yet said to everybody
                    ready.clear()
                    stop.wait(LOOK_EVERY)
                    continue
                if host is None or host.registry is not registry:
                    if host:
                        host.close()
                    # A changed registry is a changed addon: plans and drivers are built anew.
                    host = PollingHost(registry, worker_name("worker"), "worker", threads)
                    _logger.info("polling as %s", host.holder)
                ready.set()
                if post and (poster is None or not poster.is_alive()):
                    poster = threading.Thread(
                        target=_post, args=(database, stop, ready), name="machine-post", daemon=True
                    )
                    poster.start()
                host.tick()
            except TransactionRollbackError as conflict:
                _logger.info("another transaction was quicker, once more: %s", str(conflict).strip())
            except PASSING as error:
                _logger.warning("the database is away: %s", str(error).strip())
                stop.wait(DATABASE_PAUSE)
            except TABLES_CHANGE as error:
                _logger.info("the addon is being changed: %s", str(error).strip())
                looked = float("-inf")
                stop.wait(LOOK_EVERY)
            except Exception:
                _logger.exception("a turn of the machine worker failed")
                stop.wait(DATABASE_PAUSE)
    finally:
        stop.set()
        if host:
            with contextlib.suppress(*PASSING):
                host.close()
        if poster:
            poster.join(20)
            # What the last reads brought is posted before we go, not when somebody starts the next worker.
            if ready.is_set():
                _post_turn(database)
    _logger.info("machine worker stopped")
    return 0


def _obstacle(registry, database):
    """Return why nothing can be done just now, in words: a copy, or an addon that is missing or changing."""
    with registry.cursor(readonly=True) as cr:
        cr.execute(
            """SELECT module.name, module.state FROM ir_module_module module
                WHERE module.name = %(addon)s
                   OR module.state LIKE 'to %%' AND EXISTS (
                       SELECT FROM ir_module_module_dependency dependency
                        WHERE dependency.module_id = module.id AND dependency.name = %(addon)s)""",
            {"addon": ADDON},
        )
        states = dict(cr.fetchall())
        cr.execute("SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'")
        neutralized = cr.fetchone()
    if neutralized and neutralized[0].lower() not in ("", "false", "0"):
        return f"{database} is a neutralized copy, which must not speak to machines"
    if states.get(ADDON) in (None, "uninstalled", "uninstallable", "to install"):
        return f"{ADDON} is not installed in {database}"
    changing = sorted(name for name, state in states.items() if state != "installed")
    return f"{' and '.join(changing)} is being changed in {database}" if changing else ""


def _post(database, stop, ready):
    """Post what is due, in a thread of its own so that a slow order does not slow the polling."""
    released = float("-inf")
    while not stop.is_set():
        began = time.monotonic()
        if ready.is_set():
            release = began - released >= RELEASE_EVERY
            pause = _post_turn(database, release)
            if pause is not None:
                stop.wait(pause)
            elif release:
                released = began
        stop.wait(max(0.05, POST_EVERY - (time.monotonic() - began)))


def _post_turn(database, release=False):
    """Post once; what keeps it from that is logged, and what is not posted stays queued.

    :return: seconds to wait before the next turn, None when all went well
    """
    from psycopg2.extensions import TransactionRollbackError

    from odoo.addons.mrp_machine_connect.polling_host import PASSING, TABLES_CHANGE

    try:
        return _post_once(database, release)
    except TransactionRollbackError as conflict:
        _logger.info("posting: another transaction was quicker, once more: %s", str(conflict).strip())
        return 0.0
    except PASSING as error:
        _logger.warning("posting: the database is away: %s", str(error).strip())
        return DATABASE_PAUSE
    except TABLES_CHANGE as error:
        _logger.info("posting: the addon is being changed: %s", str(error).strip())
        return 0.0
    except Exception:
        _logger.exception("a turn of posting failed")
        return DATABASE_PAUSE


def _post_once(database, release=False):
    """Post what is due now, for ten seconds at most.

    :param bool release: look for pauses that have ended as well
    """
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry

    registry = Registry(database).check_signaling()
    if "mrp.machine.poster" not in registry:
        return
    with registry.cursor() as cr:
        poster = api.Environment(cr, SUPERUSER_ID, {})["mrp.machine.poster"]
        if release:
            poster._release_paused()
    poster._post_due(registry, 10.0)
