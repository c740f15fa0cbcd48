"""How does a person see the suite at work? Odoo, the worker and a simulated plant, on one machine, until Ctrl-C.

The database ``demo`` lies on the durable PostgreSQL and is kept: run again to continue, ``--fresh`` to start over.
"""

import urllib.error
import urllib.request

from . import environment, odoo_process, packaging, postgres, ready, template, virtualenv
from .children import Family
from .environment import ADDONS, ROOT, Problem, say, step

PLANT_PORTS = {
    15020: "press (Modbus TCP)",
    14840: "filler (OPC UA)",
    14850: "CNC (replayed over OPC UA)",
    15100: "control",
}

WHAT_TO_SEE = """
  Odoo          {url}
  log in        admin, password admin
  look at       Machines: three machines change state, events arrive
                Manufacturing > Operations > Manufacturing Orders: the orders in progress count up
                Machines > Exceptions: what could not be posted, and why
                Maintenance: requests from alarms and jams
  the plant     {plant}
  make a jam    curl -X POST 'http://127.0.0.1:15100/fault/press/jam?seconds=30'
  logs          .odoo/log/

  Ctrl-C stops everything; ./dev demo continues; ./dev demo --fresh starts over.
"""


def main(port, fresh, with_packaging=False):
    """Set up what is missing, run everything, return when interrupted.

    :param bool with_packaging: with the packaging line as a fourth machine
    """
    with environment.alone("demo", refusal="Another ./dev demo runs in this clone; end it with Ctrl-C"):
        ports = PLANT_PORTS | ({packaging.PORT: "packer (Modbus TCP)"} if with_packaging else {})
        _refuse_taken(port, ports)
        idle = [cluster for cluster in (postgres.FAST, postgres.DURABLE) if not cluster.is_running()]
        try:
            ready.tools(postgres.DURABLE)
            _run(_database(fresh), port, ports, with_packaging)
        except KeyboardInterrupt:
            say("stopped; ./dev demo continues")
        finally:
            for cluster in idle:
                cluster.stop_if_unused()


def plant_command(*arguments):
    """The command line of the simulator."""
    if not (ROOT / "simulator" / "__main__.py").is_file():
        raise Problem("There is no simulator in this clone yet: simulator/__main__.py is missing")
    return [virtualenv.PYTHON, "-m", "simulator", *arguments]


def _refuse_taken(port, ports):
    if environment.port_answers(port):
        raise Problem(f"Port {port} is taken, perhaps by another demo: ./dev demo --port {port + 1}")
    for taken, machine in ports.items():
        if environment.port_answers(taken):
            raise Problem(f"Port {taken}, where the {machine} listens, is taken; perhaps another ./dev demo runs")


def _database(fresh):
    """The full name of the demo's database, made from the template or brought up to the code."""
    cluster = postgres.DURABLE
    database = cluster.database("demo")
    noted = cluster.databases().get(database)
    if fresh or noted is None:
        template.set_up_durable()
        with step("making the database demo"):
            cluster.clone(cluster.database(template.ours()), database)
    elif noted == _code():
        return database
    with step("bringing our addons in the database up to the code"):
        template.update(cluster, database, log="update-demo")
        template.arm(cluster, database, "./dev demo: its machines are the simulated plant on this computer.")
    cluster.note(database, _code())
    return database


def _code():
    """A word that changes when anything of our addons does."""
    kinds = {".py", ".xml", ".csv", ".js", ".scss", ".css", ".po", ".json", ".svg", ".png"}
    files = sorted(path for path in ADDONS.rglob("*") if path.suffix in kinds and "tests" not in path.parts)
    return environment.fingerprint(*(part for path in files for part in (str(path.relative_to(ROOT)), path)))


def _run(database, port, ports, with_packaging):
    cluster = postgres.DURABLE
    line = packaging.set_up(cluster, database) if with_packaging else None
    configuration = odoo_process.configuration(
        cluster, "demo", db_name=database, http_port=port, max_cron_threads=2, list_db=False
    )
    variables = odoo_process.variables(cluster)
    url = f"http://127.0.0.1:{port}"
    with Family() as family:
        say("starting the plant, Odoo and the worker …")
        if (ROOT / "simulator" / "__main__.py").is_file():
            arguments = packaging.plant_arguments(line) if line else ()
            family.start("plant", plant_command(*arguments), odoo_process.variables())
        family.start("odoo", odoo_process.command(configuration, "server"), variables)
        if odoo_process.has_worker():
            worker = odoo_process.worker_command()
            family.start("worker", worker, {**variables, "ODOO_RC": str(configuration)})
        family.wait_until(lambda: _serves(url), f"Odoo does not answer at {url}", 120)
        if line:
            family.start("label printer", packaging.printer_command(line, url), odoo_process.variables())
        plant = ", ".join(f"{machine} on {number}" for number, machine in ports.items())
        print(WHAT_TO_SEE.format(url=url, plant=plant), flush=True)
        if line:
            print(packaging.WHAT_TO_SEE.format(**line), flush=True)
        family.watch()


def _serves(url):
    try:
        with urllib.request.urlopen(f"{url}/web/login", timeout=30) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
