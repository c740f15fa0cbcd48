"""In which order is everything made ready, and which database does a command mean?"""

from concurrent.futures import ThreadPoolExecutor

from . import environment, odoo_source, packages, postgres, template, virtualenv
from .environment import Problem


def tools(*clusters):
    """Odoo, Python packages and running PostgreSQL servers; without a name, both of them."""
    with environment.alone("setup"):
        with ThreadPoolExecutor(1) as meanwhile:  # both wait for the network most of their time
            fetching = meanwhile.submit(odoo_source.set_up)
            virtualenv.set_up()
            fetching.result()
        postgres.set_up(*clusters)


def everything(fresh=False, for_tests=False):
    """The tools and the template databases; for the tests also the servers of others that they talk to."""
    tools()
    template.set_up(fresh)
    template.set_up_durable()
    if for_tests:
        packages.set_up_modsim()
        packages.set_up_npm()
        packages.set_up_nginx()


def database(name):
    """The cluster that holds a database and its full name there; the durable one is looked at first."""
    for cluster in (postgres.DURABLE, postgres.FAST):
        if cluster.database(name) in cluster.databases():
            return cluster, cluster.database(name)
    found = sorted({*postgres.DURABLE.databases(), *postgres.FAST.databases()} - {"postgres", "template0", "template1"})
    if name == "demo":
        raise Problem("There is no demo yet: ./dev demo")
    raise Problem(f"There is no database {name}; there are: {', '.join(found)}")
