"""How does one get rid of what ``./dev`` made?"""

import shutil

from . import postgres
from .environment import HOME, LOGS, say

KEPT_DATABASES = {"postgres", "template0", "template1", "tpl_base", "tpl", "tpl_account", "demo"}


def stop():
    """Stop the PostgreSQL servers."""
    for cluster in (postgres.FAST, postgres.DURABLE):
        cluster.stop()


def main(databases=False, everything=False):
    """Remove databases of tests and logs; or all databases; or everything."""
    if not databases and not everything:
        _remove_test_databases()
    stop()
    shutil.rmtree(LOGS, ignore_errors=True)
    if databases or everything:
        for cluster in (postgres.FAST, postgres.DURABLE):
            if not cluster.existing:
                shutil.rmtree(cluster.folder, ignore_errors=True)
            shutil.rmtree(cluster.data_folder, ignore_errors=True)
    if everything:
        postgres.remove_base()
        shutil.rmtree(HOME, ignore_errors=True)
        say("everything ./dev made is gone")


def _remove_test_databases():
    for cluster in (postgres.FAST, postgres.DURABLE):
        if not cluster.is_running():
            continue
        kept = {cluster.database(name) for name in KEPT_DATABASES} | KEPT_DATABASES
        for name in cluster.databases():
            # On a server shared with others only what carries our name is ours to drop.
            if name not in kept and name.startswith(cluster.database("")):
                cluster.drop(name)
