"""An operator acknowledges an alarm at a desk and on a phone; a supervisor shelves one; a manager sets up what counts as wrong."""

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, SIZES, Screen

#: Three alarms on a machine of their own, and a person of each role whose password is the login.
STAGE = """
from datetime import datetime, timezone

from odoo.addons.mrp_machine_connect.machine_connect.event import Event

for role in ("operator", "supervisor"):
    env["res.users"].create({
        "name": f"Alarm {role}", "login": f"alarm-{role}", "password": f"alarm-{role}",
        "group_ids": [(6, 0, [env.ref(f"mrp_machine_connect.group_{role}").id])],
    })
machine = env["mrp.machine"].create({"name": "Lathe", "code": "alarm-lathe", "late_window": 0})
now = datetime.now(timezone.utc)
events = [
    Event("alarm.raised", now, now, {"code": "270", "text": "Door open", "severity": 700}),
    Event("alarm.raised", now, now, {"code": "271", "text": "Door not locked", "severity": 700}),
    Event("alarm.raised", now, now, {"code": "284", "text": "Spindle not oriented", "level": "warning"}),
]
batch = (machine, machine._stream(), {}, machine.mapping_version, events)
env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), [batch])
env["mrp.machine.poster"]._post_machine(machine)
env.cr.commit()
result = {alarm.code: alarm.id for alarm in env["mrp.machine.alarm"].search([("machine_id", "=", machine.id)])}
"""


@pytest.fixture(scope="module")
def alarms(odoo_server):
    """The ids of the alarms by their codes."""
    return processes.OdooShell(postgres.FAST, odoo_server.database)(STAGE)


def state(screen, number):
    return screen.call("mrp.machine.alarm", "read", [number], ["state"])[0]["state"]


@pytest.mark.parametrize("size", SIZES)
def test_an_operator_acknowledges(alarms, odoo_server, open_page, size):
    screen = Screen(open_page(odoo_server, login="alarm-operator", **SIZES[size]))
    code, text = {"phone": ("270", "Door open"), "desktop": ("271", "Door not locked")}[size]
    screen.open("machine-alarms").expect(text).fits()
    # Other machines may say the same.
    line = screen.page.locator(".o_kanban_record, .o_data_row").filter(has_text=text).filter(has_text="Lathe")
    line.locator('button[name="action_acknowledge"]').click()
    screen.wait_until(lambda: state(screen, alarms[code]) == "ack_active", "it is acknowledged")
    screen.quiet()
    assert not line.locator('button[name="action_acknowledge"]').count()
    [alarm] = screen.call("mrp.machine.alarm", "read", [alarms[code]], ["acknowledged_by_id"])
    assert alarm["acknowledged_by_id"][1] == "Alarm operator"
    # What is a supervisor's or a manager's is not shown.
    screen.record("machine-alarms", alarms["284"]).fits()
    assert not screen.page.locator('button[name="action_shelve"], button[name="action_out_of_service"]').count()


def test_a_supervisor_shelves_with_an_end(alarms, odoo_server, open_page):
    screen = Screen(open_page(odoo_server, login="alarm-supervisor"))
    screen.record("machine-alarms", alarms["284"]).press("action_shelve")
    screen.page.wait_for_selector(DIALOG)
    screen.fill("reason", "The sensor is exchanged on Monday")
    screen.press("action_shelve")
    screen.page.wait_for_selector(DIALOG, state="detached")
    assert state(screen, alarms["284"]) == "shelved"
    screen.record("machine-alarms", alarms["284"]).expect("The sensor is exchanged on Monday")
    screen.press("action_unshelve")
    screen.wait_until(lambda: state(screen, alarms["284"]) == "unack_active", "it is back")


def test_a_manager_sets_up_a_condition(alarms, odoo_server, open_page):
    screen = Screen(open_page(odoo_server))
    screen.open("machine-conditions/new")
    screen.fill("name", "Stands too long")
    screen.choose("machine_id", "Lathe")
    screen.pick("kind", "A state lasts too long")
    screen.fill("duration", "45")
    screen.save()
    screen.expect("«Any stop» lasts longer than 45 min")
    # Nothing to look at is refused in words.
    screen.pick("kind", "A value is beyond a limit")
    screen.fill("signal_name", "Temperature")
    screen.page.locator(".o_form_button_save:visible").click()
    screen.page.locator(".modal").filter(has_text="Set an upper limit").wait_for()
    screen.check()
