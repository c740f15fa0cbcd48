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
#: Seconds to wait after the database was away.
DATABASE_PAUSE = 2.0


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
    from psycopg2 import OperationalError

    from odoo.modules.registry import Registry

    from odoo.addons.mrp_machine_connect.polling_host import PollingHost, worker_name

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_arguments: stop.set())
    _logger.info("machine worker for database %s", database)
    registry = host = poster = None
    try:
        while not stop.is_set():
            try:
                registry = Registry(database)
                if "mrp.machine.poller" not in registry:
                    _logger.warning("mrp_machine_connect is not installed in %s; waiting for it", database)
                    stop.wait(10)
                    Registry.delete(database)
                    continue
                registry = registry.check_signaling()
                if host is None or host.registry is not registry:
                    if host:
                        host.close()
                    # A changed registry is a changed addon: plans and drivers are built anew.
                    host = PollingHost(registry, worker_name("worker"), "worker", threads)
                if post and (poster is None or not poster.is_alive()):
                    poster = threading.Thread(target=_post, args=(database, stop), name="machine-post", daemon=True)
                    poster.start()
                host.tick()
            except OperationalError as error:
                _logger.warning("the database is away: %s", str(error).strip())
                stop.wait(DATABASE_PAUSE)
            except Exception:
                _logger.exception("a turn of the machine worker failed")
                stop.wait(DATABASE_PAUSE)
    finally:
        if host:
            with contextlib.suppress(OperationalError):
                host.close()
                host.goodbye()
        if poster:
            poster.join(20)
    _logger.info("machine worker stopped")
    return 0


def _post(database, stop):
    """Post what is due, in a thread of its own so that a slow order does not slow the polling."""
    from psycopg2 import OperationalError

    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry

    while not stop.is_set():
        began = time.monotonic()
        try:
            registry = Registry(database).check_signaling()
            if "mrp.machine.poster" in registry:
                with registry.cursor() as cr:
                    poster = api.Environment(cr, SUPERUSER_ID, {})["mrp.machine.poster"]
                poster._post_due(registry, 10.0)
        except OperationalError as error:
            _logger.warning("posting: the database is away: %s", str(error).strip())
            stop.wait(DATABASE_PAUSE)
        except Exception:
            _logger.exception("a turn of posting failed")
            stop.wait(DATABASE_PAUSE)
        stop.wait(max(0.05, POST_EVERY - (time.monotonic() - began)))
