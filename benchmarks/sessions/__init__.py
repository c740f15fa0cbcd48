"""What does PostgreSQL spend on one database? Its sessions' CPU, apart from that of everybody else on the same server.

Other tests and benches may work on the cluster at the same time, and their CPU is not ours.
"""

from pathlib import Path


class Sessions:
    """The sessions that the programs of this machine have open on a database.

    :param registry: Odoo's registry of that database
    """

    def __init__(self, registry):
        self._registry = registry
        self._processes = ()

    def look(self):
        """Note which sessions there are; those that are opened later do not count."""
        with self._registry.cursor() as cr:
            cr.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            others = [row[0] for row in cr.fetchall()]
            cr.execute("SELECT pg_backend_pid()")
            self._processes = (*others, cr.fetchone()[0])

    def cpu_seconds(self):
        """Return what they used so far, exactly: by the kernel's scheduler (proc_pid_schedstat), not by its ticks."""
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self._processes) / 1e9
