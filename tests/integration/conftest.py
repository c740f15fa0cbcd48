"""Fixtures that hand out real programs on a PostgreSQL that keeps what it acknowledged."""

import os
import shutil
import uuid

import pytest

from devtools import environment, odoo_process, packages, postgres, template
from tests.integration import processes

#: Waits for a recording most of its time: begun first, it runs beside all others instead of after them.
BEGUN_FIRST = "test_truth_plate.py"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name != BEGUN_FIRST)


@pytest.fixture
def free_port():
    """Function that finds a free port of the loopback interface."""
    return environment.free_port


@pytest.fixture(scope="session")
def updated_template():
    """Name of a template on the durable cluster that holds our addons as the code is now."""
    cluster = postgres.DURABLE
    source = cluster.database(template.ours())
    name = cluster.database(f"it_{os.getpid()}")
    cluster.clone(source, name)
    template.update(cluster, name, log=f"update-{name}")
    yield name
    cluster.drop(name)


@pytest.fixture
def durable_database(updated_template):
    """Name of a database of this test's own, dropped afterwards, on a server that forgets nothing."""
    cluster = postgres.DURABLE
    assert cluster.query("postgres", "SHOW synchronous_commit") == "on"
    assert cluster.query("postgres", "SHOW fsync") == "on"
    name = f"{updated_template}_{uuid.uuid4().hex[:8]}"
    cluster.clone(updated_template, name)
    yield name
    cluster.drop(name)


@pytest.fixture
def power_cut_cluster(updated_template):
    """A durable PostgreSQL of this test's own with a copy of our database, to be stopped hard, and the database's name.

    Asked for before ``programs``, it outlives what works on it.
    """
    cluster, name = postgres.Cluster(f"pg-cut-{os.getpid()}"), f"cut_{os.getpid()}"
    cluster.start()
    try:
        cluster.copy_from(postgres.DURABLE, updated_template)
        cluster.query("postgres", f'ALTER DATABASE "{updated_template}" RENAME TO {name}')
        cluster.copy_filestore(cluster.filestore(updated_template), name)
        assert cluster.query(name, "SHOW synchronous_commit") == cluster.query(name, "SHOW fsync") == "on"
        yield cluster, name
    finally:
        cluster._pg_ctl("stop", "-m", "immediate")
        shutil.rmtree(cluster.folder, ignore_errors=True)
        shutil.rmtree(cluster.data_folder, ignore_errors=True)
        (environment.HOME / f"{cluster.name}.lock").unlink(missing_ok=True)
        environment.log_file(cluster.name).unlink(missing_ok=True)


@pytest.fixture
def sql(durable_database):
    """Function that runs a statement in the test's database and returns psql's answer."""

    def run(statement):
        answer = postgres.DURABLE.query(durable_database, statement)
        assert answer is not None, f"this statement failed: {statement}"
        return answer

    return run


@pytest.fixture
def programs():
    """List of programs to be ended after the test."""
    with processes.closing_all() as running:
        yield running


@pytest.fixture
def start_odoo(durable_database, programs):
    """Function that starts one more Odoo server for the test's database: ``start_odoo(max_cron_threads=2)``."""

    def start(**settings):
        server = processes.OdooServer(postgres.DURABLE, durable_database, **settings)
        programs.append(server)
        return server.start()

    return start


@pytest.fixture
def odoo_server(start_odoo):
    """An Odoo server without crons for the test's database."""
    return start_odoo()


@pytest.fixture
def machine_worker(durable_database, programs):
    """Function that starts a worker for the test's database; several may run."""

    def start(*arguments, **settings):
        worker = processes.MachineWorker(postgres.DURABLE, durable_database, *arguments, **settings)
        programs.append(worker)
        return worker.start()

    return start


@pytest.fixture
def odoo_shell(durable_database):
    """Function that runs Python in ``odoo shell`` of the test's database and returns its ``result``."""
    return processes.OdooShell(postgres.DURABLE, durable_database)


@pytest.fixture
def start_program(programs):
    """Function that starts any program: ``start_program("press", [python, "-m", "simulator"], KEY="value")``."""

    def start(name, command, **variables):
        program = processes.Program(name, command, {**odoo_process.variables(), **variables})
        programs.append(program)
        return program.start()

    return start


@pytest.fixture
def modsim():
    """Path of modsim, somebody else's Modbus device."""
    packages.set_up_modsim()
    return packages.MODSIM_VENV / "bin" / "modsim"


@pytest.fixture
def npm_package():
    """Function that finds a file of an installed Node package: ``npm_package("node-opcua-samples/bin/…")``."""
    packages.set_up_npm()

    def find(path):
        found = packages.NPM / "node_modules" / path
        assert found.exists(), f"{path} is not among the installed Node packages"
        return found

    return find


@pytest.fixture
def start_node(npm_package, start_program, tmp_path):
    """Function that starts a Node program of a package, on loopback only and with a home of its own."""

    def start(path, *arguments):
        node = shutil.which("node")
        assert node, "Node.js is missing: apt-get install nodejs npm"
        preload = environment.ROOT / "tests" / "integration" / "listen_on_loopback.cjs"
        return start_program(
            "node", [node, npm_package(path), *arguments], HOME=str(tmp_path), NODE_OPTIONS=f"--require={preload}"
        )

    return start
