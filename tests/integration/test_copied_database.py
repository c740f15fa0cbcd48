"""Is a copy of a database harmless, however it was made, until a manager arms it?"""

import contextlib
import json
import time

import pytest

from devtools import environment, odoo_process, postgres
from machine_connect.envelope import BATCH
from tests.integration import processes
from tests.integration.plant import Devices, press_plan, set_up
from tests.integration.test_door import SET_UP, Door

UUID = "result = env['ir.config_parameter'].get_param('database.uuid')"


def _createdb(source, target):
    postgres.DURABLE.clone(source, target)
    return postgres.DURABLE


def _dump_and_restore(source, target):
    postgres.FAST.start()
    postgres.FAST.copy_from(postgres.DURABLE, source)
    postgres.FAST.query("postgres", f'ALTER DATABASE "{source}" RENAME TO "{target}"')
    return postgres.FAST


def _duplicate(source, target):
    cluster = postgres.DURABLE
    configuration = odoo_process.configuration(cluster, f"duplicate-{target}")
    environment.run(
        odoo_process.command(configuration, "db", "duplicate", source, target),
        log=f"duplicate-{target}",
        problem="The database could not be duplicated.",
        env=odoo_process.variables(cluster),
    )
    configuration.unlink()
    return cluster


@pytest.fixture
def plant(odoo_shell, start_program):
    """The press that counts who calls, and what a sender knows of the database that is armed for both."""
    devices = Devices(start_program, [{"name": "press", "cycle": 0.2}])
    facts = odoo_shell(SET_UP)
    set_up(odoo_shell, [press_plan("copied-press", devices.ports["press"], cycle=0.2, interval=0.5)])
    return devices, facts


def _deliver(server, facts, uuid):
    """Send one event as somebody who knows this database's UUID; return status and code."""
    door = Door(server, {**facts, "uuid": uuid})
    status, _headers, body = door.post(json.dumps([door.said(1)]).encode(), content_type=BATCH)
    return status, json.loads(body).get("code")


def _is_inert_until_armed(cluster, database, plant, **settings):
    devices, facts = plant
    facts = {**facts, "environment": settings.get("machine_connect_environment", facts["environment"])}
    uuid = processes.OdooShell(cluster, database)(UUID)
    with processes.closing_all() as running:
        worker = processes.MachineWorker(cluster, database, **settings)
        server = processes.OdooServer(cluster, database, **settings)
        running += [worker, server]
        worker.start()
        server.start()
        worker.wait_until(lambda: "nothing is armed" in worker.output(), "the worker says that it does not poll")
        time.sleep(5)
        assert devices.truth("press")["connections_taken"] == 0
        assert _deliver(server, facts, uuid) == (401, "disarmed")
        stranger = {**facts, "secret": "00" * 32}
        assert _deliver(server, stranger, uuid) == (401, "unauthorized")

        wizard = server.call("mrp.machine.arm", "create", {"reason": "It is the only one now"})
        server.call("mrp.machine.arm", "action_arm", [wizard])
        worker.wait_until(lambda: devices.truth("press")["connections_taken"] > 0, "it polls, without a restart", 20)
        assert _deliver(server, facts, uuid)[0] == 200


@pytest.mark.parametrize("copy", [_createdb, _dump_and_restore, _duplicate])
def test_a_copy_is_inert_until_armed(copy, durable_database, odoo_shell, plant):
    target = f"{durable_database}_copy"
    with contextlib.ExitStack() as after:
        after.callback(postgres.DURABLE.drop, target)
        cluster = copy(durable_database, target)
        after.callback(cluster.drop, target)
        same = processes.OdooShell(cluster, target)(UUID) == odoo_shell(UUID)
        assert same == (copy is not _duplicate)
        _is_inert_until_armed(cluster, target, plant)


def test_another_environment_in_the_configuration_disarms(durable_database, plant):
    _is_inert_until_armed(postgres.DURABLE, durable_database, plant, machine_connect_environment="test")
