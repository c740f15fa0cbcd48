"""A technician's day with requests of machines, at a desk and on a phone: look, snooze, refuse, finish; and be called for one."""

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, SIZES, Screen

#: For each of ``SIZES`` a machine with equipment, three faults and one for which its template has a ladder.
STAGE = """
from datetime import datetime, timedelta, timezone

from odoo import Command
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

GROUPS = {"technician": "base.group_user", "lead": "maintenance.group_equipment_manager"}
people = {
    role: env["res.users"].create({
        "name": f"Maintenance {role}", "login": f"care-{role}", "password": f"care-{role}",
        "group_ids": [Command.set([env.ref("base.group_user").id, env.ref(group).id])],
    })
    for role, group in GROUPS.items()
}
env["maintenance.machine.template"].create({
    "name": "Coolant", "sequence": 1, "alarm_code": "900",
    "escalation_ids": [Command.create({"hours": 4, "user_id": people["lead"].id, "raise_priority": True})],
})
now = datetime.now(timezone.utc).replace(microsecond=0)
team = env["maintenance.team"].create({"name": "Mechanics"})


def plant(size):
    machine = env["mrp.machine"].create({"name": f"Mill {size}", "code": f"care-{size}", "late_window": 0})
    machine.equipment_id = env["maintenance.equipment"].create({
        "name": f"Mill {size}", "maintenance_team_id": team.id, "technician_user_id": people["technician"].id,
        "company_id": machine.company_id.id,
    })

    def alarm(minutes, what, code, text, **data):
        at = now - timedelta(minutes=minutes)
        return Event(f"alarm.{what}", at, at, {"code": code, "text": text, "severity": 700, **data})

    spindle = {"signal": "Spindle load", "value": 93, "unit": "P1"}
    events = [
        alarm(90, "raised", "270", "Spindle overload", **spindle), alarm(80, "cleared", "270", "Spindle overload"),
        alarm(30, "raised", "270", "Spindle overload", **{**spindle, "value": 97}),
        alarm(28, "raised", "284", "Door open"), alarm(27, "raised", "310", "Filter dirty"),
        alarm(26, "raised", "900", "Coolant low"),
    ]
    source = env.ref("mrp_machine_connect.source_poller")
    env["mrp.machine.event"]._receive(source, [(machine, machine._stream(), {}, machine.mapping_version, events)])
    while env["mrp.machine.poster"]._post_machine(machine):
        pass
    requests = env["maintenance.request"].search([("machine_id", "=", machine.id)])
    return {request.machine_fault_key: request.id for request in requests}


result = {"people": {role: user.id for role, user in people.items()}}
result.update((size, plant(size)) for size in SIZES)
"""
REQUESTS = "action-maintenance_machine_trigger.maintenance_request_action_machines"


@pytest.fixture(scope="module")
def stage(odoo_server):
    """The requests of a machine of each size, by code, and the ids of the people."""
    return processes.OdooShell(postgres.FAST, odoo_server.database)(f"SIZES = {tuple(SIZES)!r}\n{STAGE}")


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture
def sit_down(open_page, odoo_server, size):
    """Function that opens the screen of a person."""
    return lambda role: Screen(open_page(odoo_server, login=f"care-{role}", **SIZES[size]))


@pytest.fixture
def read(odoo_server, stage, size):
    """Function that reads the request of a code as it is in the database."""
    return lambda code, *fields: odoo_server.call("maintenance.request", "read", [stage[size][code]], list(fields))[0]


def test_a_technician_sees_what_the_machine_showed_and_snoozes(stage, sit_down, read, size):
    screen = sit_down("technician").open(REQUESTS).fits()
    card = screen.page.locator(".o_kanban_record").filter(has_text=f"Mill {size}").filter(has_text="Spindle overload")
    assert "2 × 270" in card.inner_text()
    assert "Standing" in card.inner_text()
    screen.pick_up(f"Mill {size}", "Spindle overload")
    screen.fits().tab("machine_history")
    screen.expect("Spindle load: 93 P1").expect("Spindle load: 97 P1").fits()
    assert "stands" in screen.text(), "the second occurrence"

    screen.press("action_snooze")
    screen.page.wait_for_selector(DIALOG)
    screen.fits().fill("reason", "The spare part comes tomorrow").press("action_snooze")
    screen.page.wait_for_selector(DIALOG, state="detached")
    asleep = read("270", "machine_is_snoozed", "machine_snooze_reason", "machine_snoozed_until")
    assert (asleep["machine_is_snoozed"], asleep["machine_snooze_reason"]) == (True, "The spare part comes tomorrow")
    screen.open(REQUESTS)
    assert not card.count(), "it is out of the way"

    screen.record(REQUESTS, stage[size]["270"]).expect("Snoozed until").fits().press("action_wake")
    screen.wait_until(lambda: not read("270", "machine_is_snoozed")["machine_is_snoozed"], "it is awake")


def test_a_technician_says_that_it_is_no_fault(sit_down, read, size):
    screen = sit_down("technician").open(REQUESTS)
    screen.pick_up(f"Mill {size}", "Door open")
    screen.fits().press("action_not_fault")
    screen.page.wait_for_selector(DIALOG)
    # Who may not change rules is told what could be changed, and is offered no more.
    screen.expect("it stays among the alarms").fits()
    assert not screen.inside().locator('.o_field_widget[name="apply"]:visible').count()
    screen.fill("reason", "The door was open for cleaning").press("action_not_fault")
    screen.page.wait_for_selector(DIALOG, state="detached")
    request = read("284", "machine_verdict", "machine_verdict_reason", "archive", "machine_fault_open")
    assert (request["machine_verdict"], request["machine_verdict_reason"]) == (
        "not_fault",
        "The door was open for cleaning",
    )
    assert (request["archive"], request["machine_fault_open"]) == (True, False)


def test_a_technician_finishes(sit_down, read, size):
    screen = sit_down("technician").open(REQUESTS)
    screen.pick_up(f"Mill {size}", "Filter dirty")
    screen.stage("Repaired").fits()
    screen.wait_until(lambda: not read("310", "machine_fault_open")["machine_fault_open"], "it is closed")
    request = read("310", "stage_id", "done", "close_date", "machine_cleared")
    assert (request["stage_id"][1], request["done"]) == ("Repaired", True)
    assert request["close_date"]
    assert not request["machine_cleared"], "that the machine has not taken it back is still known"


def test_who_is_called_for_what_stays_open_sees_it(stage, sit_down, read, odoo_server, size):
    number = stage[size]["900"]
    # By SQL: nobody writes when a record was created.
    postgres.FAST.query(
        odoo_server.database,
        f"UPDATE maintenance_request SET create_date = create_date - interval '5 hours' WHERE id = {number}",
    )
    where = [["module", "=", "maintenance_machine_trigger"], ["name", "=", "ir_cron_care"]]
    [cron] = odoo_server.call("ir.model.data", "search_read", where, ["res_id"])
    odoo_server.call("ir.cron", "method_direct_trigger", [cron["res_id"]])

    request = read("900", "machine_escalations", "priority")
    assert (request["machine_escalations"], request["priority"]) == (1, "3")
    domain = [
        ["res_model", "=", "maintenance.request"],
        ["res_id", "=", number],
        ["user_id", "=", stage["people"]["lead"]],
    ]
    [activity] = odoo_server.call("mail.activity", "search_read", domain, ["note"])
    assert "Still open after 4 h" in activity["note"]
    screen = sit_down("lead").open(REQUESTS).fits()
    card = screen.page.locator(".o_kanban_record").filter(has_text=f"Mill {size}").filter(has_text="Coolant low")
    assert "Escalated" in card.inner_text()
    screen.pick_up(f"Mill {size}", "Coolant low")
    screen.expect("Still open after 4 h").fits()
