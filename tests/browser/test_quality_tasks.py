"""The main tasks of quality, at a desk and on a phone: inspect, classify, review, release, recall, and be called.

Everybody has the rights of the role alone. That a failed check holds its lot against every way out is in test_quality.py.
"""

from datetime import datetime, timedelta, timezone

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, SIZES, Screen
from .stage_quality import QUALITY_CODE


@pytest.fixture(scope="module")
def stage(odoo_server):
    """Ids and names of what there is to do, by size."""
    shell = processes.OdooShell(postgres.FAST, odoo_server.database)
    return shell(f"SIZES = {tuple(SIZES)!r}\n{QUALITY_CODE}")


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture
def found(stage, size):
    """What there is to do at this size."""
    return stage[size]


@pytest.fixture
def sit_down(open_page, odoo_server, size):
    """Function that opens the screen of a role."""
    return lambda role: Screen(open_page(odoo_server, login=f"task-{role}", **SIZES[size]))


@pytest.fixture
def read(odoo_server):
    """Function that reads records as they are in the database."""

    def read(model, domain, *fields):
        return odoo_server.call(model, "search_read", domain, list(fields), order="id")

    return read


def test_an_operator_inspects(stage, found, sit_down, read, size):
    first, counted, measured = found["checks"]
    assert _is_held(read, found["checked"]), "until the first piece passes"
    screen = sit_down("operator").open("my-machine-quality-checks").fits()
    screen.pick_up(f"First piece {size}")
    assert not screen.page.locator('.o_field_widget[name="kind"]:visible').count(), "what is checked is the inspector's"
    screen.fits().press("action_pass")
    screen.wait_until(lambda: not _is_held(read, found["checked"]), "what passed is free")

    # A thumb that hits Done before anything was entered is asked.
    screen.open("my-machine-quality-checks").pick_up(f"Diameter {size}")
    screen.press("action_done").expect("Is that what you measured?")
    screen.page.locator(f"{DIALOG} footer .btn-secondary").click()
    screen.page.wait_for_selector(DIALOG, state="detached")
    screen.fill("value", 20.02).press("action_done")
    screen.wait_until(
        lambda: read("quality.machine.check", [["id", "=", measured], ["state", "=", "passed"]]), "it passed"
    )

    screen.open("my-machine-quality-checks").pick_up(f"Scratches {size}")
    screen.fits().fill("count", 3).fill("note", "On the shaft").press("action_done")
    screen.wait_until(lambda: _is_held(read, found["checked"]), "what failed is held")

    checks = read(
        "quality.machine.check", [["id", "in", [first, counted]]], "state", "count", "note", "done_by", "alert_id"
    )
    assert [(check["state"], check["done_by"][0]) for check in checks] == [
        ("passed", stage["people"]["operator"]),
        ("failed", stage["people"]["operator"]),
    ]
    assert (checks[1]["count"], checks[1]["note"]) == (3, "On the shaft")
    [alert] = read("quality.machine.alert", [["id", "=", checks[1]["alert_id"][0]]], "title", "origin", "state")
    assert (alert["title"], alert["origin"], alert["state"]) == (f"Scratches {size}", "check", "new")


@pytest.mark.parametrize("about", ["rejects", "a defect", "a stop"])
def test_a_supervisor_gives_it_its_cause(stage, found, sit_down, read, size, about):
    words, domain = {
        "rejects": ("Rejects: 6", [["origin", "=", "machine"]]),
        "a defect": (f"Burr {size}", [["title", "=", f"Burr {size}"]]),
        "a stop": (f"Stop of lathe {size}", [["title", "=", f"Stop of lathe {size}"]]),
    }[about]
    domain += [["machine_id", "=", found["machine"]], ["state", "=", "done"]]
    screen = sit_down("supervisor").open("machine-quality-alerts").fits()
    screen.pick_up(f"Lathe {size}", words)
    screen.fits().press("action_start")
    screen.choose("tag_ids", "Burr on the edge").choose("cause_id", "Tool worn or broken")
    screen.fill("cause", "The insert broke").fill("corrective_action", "Changed after 300 pieces from now on").save()
    screen.fits().press("action_done")

    [alert] = screen.wait_until(
        lambda: read("quality.machine.alert", domain, "state", "tag_ids", "cause_id", "cause", "corrective_action"),
        "it is done",
    )
    assert (alert["state"], alert["tag_ids"]) == ("done", [stage["burr"]])
    assert (alert["cause_id"][1], alert["cause"]) == ("Tool worn or broken", "The insert broke")
    assert alert["corrective_action"] == "Changed after 300 pieces from now on"


def test_a_supervisor_decides_on_too_much_scrap(stage, found, sit_down, read):
    [review] = read("quality.machine.review", [["production_id", "=", found["order"]]], "state")
    assert review["state"] == "open", "6 of 46 pieces are more than one and a half times the 2 % that are planned"
    screen = sit_down("supervisor")
    screen.open("action-quality_machine_event.quality_machine_review_action").fits()
    screen.pick_up(found["order name"])
    screen.fits().press("action_decide")
    screen.expect("Choose the cause and the decision, and enter why")
    screen.page.locator(f"{DIALOG} footer button").first.click()
    screen.page.wait_for_selector(DIALOG, state="detached")
    screen.choose("cause_id", "Tool worn or broken").pick("decision", "Corrective action")
    screen.fill("decision_reason", "The tool is changed earlier").press("action_decide")

    decided = [["id", "=", review["id"]], ["state", "=", "decided"]]
    [row] = screen.wait_until(
        lambda: read("quality.machine.review", decided, "decision", "decision_reason", "cause_id", "approver_id"),
        "it is decided",
    )
    assert (row["decision"], row["decision_reason"]) == ("action", "The tool is changed earlier")
    assert (row["cause_id"][1], row["approver_id"][0]) == ("Tool worn or broken", stage["people"]["supervisor"])
    said = [
        ["model", "=", "mrp.production"],
        ["res_id", "=", found["order"]],
        ["body", "ilike", "tool is changed earlier"],
    ]
    assert len(read("mail.message", said, "body")) == 1, "the order says so"


def test_an_inspector_releases(stage, found, sit_down, read, size):
    screen = sit_down("inspector").open("machine-quality-holds").fits()
    screen.pick_up(f"HELD-{size}")
    screen.fits().press("action_release")
    screen.page.wait_for_selector(DIALOG)
    screen.fits().fill("reason", "Only on the packaging").press("action_release")
    screen.wait_until(lambda: not _is_held(read, found["held"]), "it is free")
    [hold] = read("quality.machine.hold", [["lot_id", "=", found["held"]]], "state", "release_reason", "released_by")
    assert (hold["state"], hold["release_reason"]) == ("released", "Only on the packaging")
    assert hold["released_by"][0] == stage["people"]["inspector"]


def test_an_inspector_recalls_a_lot_that_went_out(found, sit_down, read, size):
    screen = sit_down("inspector").record("action-stock.action_production_lot_form", found["sold"])
    screen.press("action_quality_recall")
    screen.expect(found["used"]).expect(found["customer"]).fits()
    [recall] = read(
        "quality.machine.recall", [["lot_id", "=", found["sold"]]], "state", "delivered", "in_stock", "partner_count"
    )
    assert (recall["state"], recall["delivered"], recall["in_stock"]) == ("traced", 5, 15)
    assert recall["partner_count"] == 1

    screen.press("action_hold")
    screen.page.locator(f"{DIALOG} footer .btn-primary").click()
    screen.wait_until(lambda: _is_held(read, found["sold"]), "what is left of it is held")
    assert not read("quality.machine.hold", [["lot_id.name", "=", found["used"]]], "state"), (
        "what it was made of is not"
    )


def test_who_is_called_for_what_stays_open_sees_it_on_order_and_alert(stage, found, sit_down, read, odoo_server, size):
    past = (datetime.now(timezone.utc) - timedelta(hours=3)).strftime("%Y-%m-%d %H:%M:%S")
    odoo_server.call("quality.machine.alert", "write", [found["alert"]], {"raised": past})
    screen = sit_down("supervisor").record("machine-quality-alerts", found["alert"])
    assert "Called because" not in screen.text()
    [cron] = read(
        "ir.model.data", [["module", "=", "quality_machine_event"], ["name", "=", "ir_cron_escalate"]], "res_id"
    )
    odoo_server.call("ir.cron", "method_direct_trigger", [cron["res_id"]])

    called = [["res_model", "=", "quality.machine.alert"], ["res_id", "=", found["alert"]]]
    activities = [
        row for row in read("mail.activity", called, "user_id", "summary") if "Open for" in (row["summary"] or "")
    ]
    assert [row["user_id"][0] for row in activities] == [stage["people"]["supervisor"]]
    words = "Shift leader: Quality supervisor"
    screen.record("machine-quality-alerts", found["alert"]).expect(words).fits()
    screen.record("action-mrp.mrp_production_action", found["order"]).expect(words).expect(f"Seal leaks {size}").fits()


def _is_held(read, lot):
    return read("stock.lot", [["id", "=", lot]], "quality_held")[0]["quality_held"]
