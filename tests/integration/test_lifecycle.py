"""Does the suite come and go without a trace? Install, upgrade, uninstall and reinstall, empty and full of data.

What Odoo's own modules print for the same commands is not ours to mend; beyond that there is no warning and no error.
"""

import os
import re
import time
import uuid

import pytest

from devtools import environment, odoo_process, postgres, template
from tests.integration.plant import Devices, all_posted, complaints, press_plan, rows, set_up, wait

CORE = environment.ADDON_NAMES[0]
#: Made in the database for our exclusion constraint; others may use it by now.
EXTENSION = "btree_gist"
#: Losses on which time may have been booked stay, and by which a reinstall finds them again.
KEPT = {
    "losses": {"Machine Stopped", "Maintenance", "Trial Run"},
    "parameters": {f"{CORE}.loss_{name}" for name in ("stopped", "maintenance", "trial")},
}
#: Odoo leaves these behind of its own modules as well, and lists each addon that lies there.
OF_ODOO = re.compile(r"(mail|portal|sms|snailmail|rating)\.(selection|model_inherit)__|base\.module_")


class Clone:
    """A database of one test and the commands that a consultant gives it."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        self.complaints = {}

    def sql(self, statement):
        answer = self.cluster.query(self.name, statement)
        assert answer is not None, statement
        return answer

    def module(self, verb, *names):
        """Run ``odoo module install|upgrade|uninstall`` and note the messages of its warnings and errors."""
        configuration = odoo_process.configuration(self.cluster, f"lifecycle-{self.name}", db_name=self.name)
        command = [*odoo_process.command(configuration, "module", verb), "-d", self.name, *names]
        # The option that names the configuration belongs behind the verb.
        command = [part for part in command if part not in ("-c", configuration)] + ["-c", configuration]
        try:
            log = environment.run(
                command,
                log=f"lifecycle-{self.name}",
                problem=f"odoo module {verb} {' '.join(names)} failed.",
                env=odoo_process.variables(self.cluster),
            )
        finally:
            configuration.unlink(missing_ok=True)
        return _messages(log.read_text(errors="replace"))

    def close(self):
        self.cluster.drop(self.name)


def _messages(log):
    """Return the messages of warnings and errors, without what differs from run to run."""
    found = []
    for line in complaints(log):
        entry = template.LOG_LINE.match(line)
        found.append(entry["message"] if entry else line)
    return set(found)


@pytest.fixture
def bare():
    """A database with Manufacturing and Maintenance only."""
    cluster = postgres.FAST
    clone = Clone(cluster, cluster.database(f"life_{os.getpid()}_{uuid.uuid4().hex[:6]}"))
    cluster.clone(cluster.database("tpl_base"), clone.name)
    yield clone
    clone.close()


@pytest.fixture
def beyond_odoo():
    """Function that returns what was said beyond what the same commands print for Odoo's own Maintenance."""

    def beyond(said):
        if not said:
            return said
        cluster = postgres.FAST
        clone = Clone(cluster, cluster.database(f"life_{os.getpid()}_odoo"))
        cluster.clone(cluster.database("tpl_base"), clone.name)
        try:
            return said.difference(*(clone.module(verb, "maintenance") for verb in ("upgrade", "uninstall", "install")))
        finally:
            clone.close()

    return beyond


def test_the_addons_come_and_go_without_a_word_and_without_a_trace(bare, beyond_odoo):
    before = _everything(bare.sql)
    addons = environment.addons()
    siblings = addons[1:]
    steps = [
        ("install", CORE),
        ("install", *siblings),
        ("upgrade", *addons),
        ("uninstall", *siblings),
        ("uninstall", CORE),
    ]
    for verb, *names in steps:
        said = bare.module(verb, *names)
        print(f"odoo module {verb} {' '.join(names)}: {len(said)} warnings")
        assert beyond_odoo(said) == set(), (verb, names)
        states = dict(line.split("|") for line in bare.sql("SELECT name, state FROM ir_module_module").splitlines())
        wanted = "uninstalled" if verb == "uninstall" else "installed"
        assert {states[name] for name in names} == {wanted}

    after = _everything(bare.sql)
    left = {what: sorted(now - before[what] - KEPT.get(what, set())) for what, now in after.items()}
    left["external ids"] = [name for name in left["external ids"] if not OF_ODOO.match(name)]
    assert not any(left.values()), left
    lost = {what: sorted(then - after[what]) for what, then in before.items()}
    assert not any(lost.values()), lost

    said = bare.module("install", *addons)
    assert beyond_odoo(said) == set()


@pytest.fixture
def with_accounting():
    """A database with all of our addons and accounting."""
    template.set_up_bridges()
    cluster = postgres.FAST
    clone = Clone(cluster, cluster.database(f"life_{os.getpid()}_{uuid.uuid4().hex[:6]}"))
    cluster.clone(cluster.database(template.with_bridges()), clone.name)
    template.update(cluster, clone.name, log=f"update-{clone.name}")
    yield clone
    clone.close()


def test_a_bridge_comes_by_itself_and_goes_alone_or_with_the_core(with_accounting, beyond_odoo):
    [bridge] = environment.bridges()
    sql = with_accounting.sql
    states = f"SELECT name, state FROM ir_module_module WHERE name IN ('{CORE}', '{bridge}') ORDER BY name"
    assert sql(states).splitlines() == [f"{CORE}|installed", f"{bridge}|installed"], "nobody asked for it"
    before = _everything(sql)
    names = f"SELECT count(*) FROM ir_model_data WHERE module = '{bridge}'"
    assert sql(names) != "0"

    assert beyond_odoo(with_accounting.module("uninstall", bridge)) == set()
    assert sql(states).splitlines() == [f"{CORE}|installed", f"{bridge}|uninstalled"]
    gone = {what: then - now for (what, then), now in zip(before.items(), _everything(sql).values(), strict=True)}
    assert sql(names) == "0"
    assert {"mrp_workorder.labour_taken", "res_company.machine_locked_period"} <= gone["columns"]
    assert {name.partition(".")[0] for name in gone["external ids"]} == {bridge}

    assert beyond_odoo(with_accounting.module("install", bridge)) == set()
    assert _everything(sql) == before

    assert beyond_odoo(with_accounting.module("uninstall", CORE)) == set()
    assert sql(states).splitlines() == [f"{CORE}|uninstalled", f"{bridge}|uninstalled"]
    assert sql(names) == "0"
    assert not {column for column in _everything(sql)["columns"] if "machine" in column or "labour" in column}


def test_a_worker_waits_while_the_addon_is_gone_and_data_goes_with_it(
    durable_database, odoo_shell, machine_worker, start_program, sql, beyond_odoo
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.2, "reject_rate": 0.3}])
    equipment = int(sql("SELECT min(id) FROM maintenance_equipment"))
    plans = [press_plan("press", devices.ports["press"], cycle=0.2, order=100_000, interval=0.5)]
    plans[0]["machine"] = {"equipment_id": equipment}
    machine = set_up(odoo_shell, plans)["press"]
    clone = Clone(postgres.DURABLE, durable_database)
    worker = machine_worker()
    counted = "SELECT count(*) FROM mrp_machine_event WHERE type = 'production.count'"
    worker.wait_until(lambda: sql(counted) != "0", "it counts")
    devices.fault("press", "jam", seconds=2, code=101)
    worker.wait_until(
        lambda: sql("SELECT count(*) FROM mrp_machine_event WHERE type = 'alarm.raised'") != "0", "an alarm"
    )
    worker.wait_until(lambda: devices.truth("press")["state"] == 6, "the press works again")
    request = f"SELECT count(*) FROM maintenance_request WHERE equipment_id = {equipment}"
    worker.wait_until(
        lambda: (
            sql(f"{request} AND machine_id = {machine['machine']}") == "1"
            and sql(f"SELECT count(*) FROM quality_machine_alert WHERE machine_id = {machine['machine']}") == "1"
        ),
        "the jam asked for maintenance, and rejects made an alert",
    )
    requests = sql(request)
    # It goes on counting: on a busy computer there is always a piece in the queue.
    latest = sql("SELECT max(id) FROM mrp_machine_event")
    worker.wait_until(
        lambda: (
            sql(f"SELECT count(*) FROM mrp_machine_queue WHERE event_id <= {latest}") == "0"
            and sql("SELECT count(*) FROM mrp_machine_posting WHERE quantity > 0") != "0"
        ),
        "what it counted is posted",
    )

    # Upgraded under a worker that runs: it goes on by itself.
    events = int(sql("SELECT count(*) FROM mrp_machine_event"))
    assert beyond_odoo(clone.module("upgrade", CORE)) == set()
    worker.wait_until(
        lambda: int(sql("SELECT count(*) FROM mrp_machine_event")) > events + 5, "it counts after the upgrade"
    )

    assert beyond_odoo(clone.module("uninstall", CORE)) == set()
    worker.wait_until(lambda: f"{CORE} is not installed" in worker.output(), "the worker says why it waits")
    reads = devices.truth("press")["reads"]
    assert (
        rows(
            sql,
            r"""SELECT table_name FROM information_schema.tables
             WHERE table_name ~ '^(mrp|maintenance|quality)_machine' OR table_name LIKE 'mmc\_%'""",
        )
        == []
    )
    names = ", ".join(f"'{name}'" for name in environment.ADDON_NAMES)
    assert sql(f"SELECT count(*) FROM ir_model_data WHERE module IN ({names})") == "0"
    assert sql("SELECT count(*) FROM ir_cron WHERE cron_name LIKE 'Machines:%'") == "0"
    assert sql(f"SELECT state FROM mrp_production WHERE id = {machine['production']}") == "progress", "the order stays"
    assert sql(request) == requests, "the maintenance request stays"
    assert worker.running

    assert beyond_odoo(clone.module("install", CORE)) == set()
    plans[0] |= {"code": "press-again", "machine": {}}
    again = set_up(odoo_shell, plans)["press-again"]
    worker.wait_until(lambda: devices.truth("press")["reads"] > reads + 2, "the worker polls again")
    worker.wait_until(
        lambda: sql(f"SELECT count(*) FROM mrp_machine_posting WHERE machine_id = {again['machine']}") > "0",
        "the worker posts again",
    )
    worker.stop()
    log = worker.output()
    assert log.count(f"{CORE} is not installed") == 1
    assert "Traceback" not in log
    # The demonstration that came with the reinstall has machines that are not there.
    expected = (f"{CORE} is not installed", "being changed", "is lost: connection_refused")
    assert [line for line in complaints(log) if not any(words in line for words in expected)] == []


def test_in_a_neutralized_copy_nothing_speaks_to_a_machine(
    durable_database, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.2}])
    machine = set_up(odoo_shell, [press_plan("press", devices.ports["press"], cycle=0.2, order=1000, interval=0.5)])[
        "press"
    ]
    odoo_shell("from odoo.modules.neutralize import neutralize_database\nneutralize_database(env.cr)\nresult = None")
    assert sql(f"SELECT active FROM mrp_machine_connection WHERE id = {machine['connection']}") == "f"
    # Even when somebody activates a connection again.
    sql(f"UPDATE mrp_machine_connection SET active = true WHERE id = {machine['connection']}")
    worker = machine_worker()
    worker.wait_until(lambda: "is a neutralized copy" in worker.output(), "the worker says why it waits")
    time.sleep(3)
    assert devices.truth("press")["connections_taken"] == 0
    assert worker.output().count("is a neutralized copy") == 1
    worker.stop()


def test_a_changed_signal_takes_effect_without_a_restart(
    durable_database, odoo_server, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.2}])
    machine = set_up(odoo_shell, [press_plan("press", devices.ports["press"], cycle=0.2, order=1000, interval=0.5)])[
        "press"
    ]
    signal, good = machine["signals"]["Temperature"], machine["signals"]["Good"]
    worker = machine_worker()

    def hot(signal):
        return rows(sql, f"SELECT value, raw, memory FROM mrp_machine_signal_value WHERE signal_id = {signal}")[0]

    worker.wait_until(lambda: (hot(signal)["raw"] or {}).get("address") == 8, "it is read where it was")
    odoo_server.call("mrp.machine.signal", "write", [signal], {"address": "input:0", "data_type": "i16", "scale": 0.1})
    wait(lambda: (hot(signal)["raw"] or {}).get("table") == "input", "it is read where it is now", 3)
    assert 30 < float(hot(signal)["value"]) < 50

    # The counter goes on: what was stored of it was not touched by another signal's change.
    worker.wait_until(
        lambda: sql("SELECT count(*) FROM mrp_machine_event WHERE type = 'production.count'") != "0", "it counts"
    )
    before = hot(good)["memory"]["value"]
    odoo_server.call("mrp.machine.connection", "write", [machine["connection"]], {"interval": 0.25})
    reads = devices.truth("press")["reads_at"]
    worker.wait_until(lambda: len(devices.truth("press")["reads_at"]) >= len(reads) + 12, "it polls faster")
    moments = devices.truth("press")["reads_at"][-6:]
    assert (moments[-1] - moments[0]) / 5 < 0.4
    truth = devices.stand_still("press")["press"]
    wait(lambda: hot(good)["memory"]["value"] == truth["good_counter"] and all_posted(sql), "all is counted")
    assert hot(good)["memory"]["value"] > before

    # Archived, it is left alone; active again, it is polled again.
    odoo_server.call("mrp.machine.connection", "write", [machine["connection"]], {"active": False})
    wait(lambda: devices.truth("press")["connections"] == 0, "the worker hangs up", 5)
    odoo_server.call("mrp.machine.connection", "write", [machine["connection"]], {"active": True})
    wait(lambda: devices.truth("press")["connections"] == 1, "the worker calls again", 5)
    worker.stop()
    assert complaints(worker.output()) == []


def _everything(sql):
    """Return names of all that a module may leave behind, kind by kind."""
    questions = {
        "tables": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'S') AND relnamespace = 'public'::regnamespace",
        "columns": """SELECT table_name || '.' || column_name FROM information_schema.columns
                       WHERE table_schema = 'public'""",
        "indexes": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
        "constraints": "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "functions": f"""SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND oid NOT IN (
            SELECT objid FROM pg_depend JOIN pg_extension ON pg_extension.oid = refobjid WHERE extname = '{EXTENSION}')""",
        "external ids": "SELECT module || '.' || name FROM ir_model_data",
        "models": "SELECT model FROM ir_model",
        "fields": "SELECT model || '.' || name FROM ir_model_fields",
        "crons": "SELECT cron_name FROM ir_cron",
        "groups": "SELECT name->>'en_US' FROM res_groups",
        "privileges": "SELECT name->>'en_US' FROM res_groups_privilege",
        "rules": "SELECT name FROM ir_rule",
        "rights": "SELECT name FROM ir_model_access",
        # Several have one name, and one that comes again has another id.
        "menus": """SELECT concat_ws(' / ', above.name->>'en_US', menu.name->>'en_US') || ' ' || count(*)
                      FROM ir_ui_menu menu LEFT JOIN ir_ui_menu above ON above.id = menu.parent_id
                     GROUP BY above.name->>'en_US', menu.name->>'en_US'""",
        "views": "SELECT name FROM ir_ui_view",
        "actions": "SELECT type || ' ' || (name->>'en_US') FROM ir_actions",
        "mail templates": "SELECT name->>'en_US' FROM mail_template",
        "activity types": "SELECT name->>'en_US' FROM mail_activity_type",
        "parameters": "SELECT key FROM ir_config_parameter",
        "sequences": "SELECT name FROM ir_sequence",
        "losses": "SELECT name->>'en_US' FROM mrp_workcenter_productivity_loss",
        "users": "SELECT login FROM res_users WHERE active",
    }
    return {what: set(sql(question).splitlines()) for what, question in questions.items()}
