"""An Odoo server with processes of its own for requests, as it runs in production."""

import contextlib

import psutil

from devtools import environment, virtualenv
from tests.integration import processes

LAUNCHER = environment.ROOT / "tests" / "integration" / "launch_odoo.py"


class PreforkServer(processes.OdooServer):
    """An Odoo server in prefork mode, on a free port, for one database.

    :param int workers: processes that answer requests
    """

    def __init__(self, cluster, database, workers=2, **settings):
        settings = {"gevent_port": environment.free_port(), **settings}
        super().__init__(cluster, database, workers=workers, **settings)
        # Not by ``python -m odoo``: it could not start the process for websockets, and would try again without end.
        self.command = [str(virtualenv.PYTHON), str(LAUNCHER), "server", "-c", str(self.configuration)]

    def workers(self):
        """Return its processes that answer requests (psutil.Process); none while it is away."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "gevent" not in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                        found.append(child)
        return found
