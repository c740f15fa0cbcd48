"""A supervisor learns to trust a machine: looks at its shadow, approves what it proposes, and signs its shift."""

import pytest
from playwright.sync_api import expect

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, PHONE, Screen

#: A machine with an order of 100, whose counts are told as a poller would tell them, and posted.
PLANT_CODE = """
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

log, poster = env["mrp.machine.event"], env["mrp.machine.poster"]
source = env.ref("mrp_machine_connect.source_poller")
now = datetime.now(timezone.utc).replace(microsecond=0)


def machine(code, **values):
    workcenter = env["mrp.workcenter"].create({"name": f"Trust {code}", "tz": "UTC"})
    made, used = env["product.product"].create([{"name": f"{name} {code}", "is_storable": True} for name in ("Made", "Used")])
    location = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id
    env["stock.quant"]._update_available_quantity(used, location, 1000)
    bom = env["mrp.bom"].create({
        "product_tmpl_id": made.product_tmpl_id.id, "operation_ids": [(0, 0, {"name": "Make", "workcenter_id": workcenter.id})],
        "bom_line_ids": [(0, 0, {"product_id": used.id, "product_qty": 2})],
    })
    order = env["mrp.production"].create({"product_id": made.id, "bom_id": bom.id, "product_qty": 100, "origin": code})
    order.action_confirm()
    order.action_assign()
    machine = env["mrp.machine"].create(
        {"name": f"Trust {code}", "code": code, "workcenter_id": workcenter.id, "late_window": 0, "stock_beat": "pieces",
         "beat_pieces": 10, **values}
    )
    env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, (now - timedelta(days=2)).replace(tzinfo=None))
    return machine


def counts(machine, began, number, first=0):
    events = []
    for place in range(number):
        at = began + timedelta(seconds=30 * place)
        data = {"kind": "good", "delta": 1, "total_before": first + place, "total_after": first + place + 1, "unit": "C62"}
        events.append(Event(type="production.count", occurred=at, recorded=at, data=data))
    log._receive(source, [(machine, machine._stream(), {}, 1, events)])
    while poster._post_machine(machine):
        pass
"""


@pytest.fixture(scope="module")
def plant(odoo_server):
    """Function that runs Python on the shared server's database, where the names above are known."""
    shell = processes.OdooShell(postgres.FAST, odoo_server.database)
    return lambda code: shell(f"{PLANT_CODE}\n{code}")


def of(screen, code):
    [machine] = screen.ids("mrp.machine", [["code", "=", code]])
    return machine


def order(screen, code):
    [found] = screen.call("mrp.production", "search_read", [["origin", "=", code]], ["qty_producing", "qty_produced"])
    return found["qty_producing"], found["qty_produced"]


def test_what_a_machine_proposes_is_seen_and_approved(plant, open_page, odoo_server):
    plant("counts(machine('ask', posting_mode='propose'), now - timedelta(hours=1), 12)")
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.record("machine-list", of(screen, "ask"))
    screen.expect("a supervisor approves what is booked")

    # What waits for an approval is no trouble: the desk leads to it.
    screen.open("machine-exceptions")
    row = page.locator(".o_data_row").filter(has_text="Trust ask").first
    row.locator("button[name=action_proposals]").click()
    screen.settle()
    assert page.locator(".o_data_row").count() == 1
    page.locator(".o_data_row td[name=summary]").first.click()
    page.wait_for_selector(".o_form_renderer")
    screen.press("action_preview")

    screen.expect("What would be booked, made of 12 events")
    assert order(screen, "ask") == (0, 0), "a preview leaves nothing"
    used = page.locator(".o_field_widget[name=line_ids] .o_data_row").filter(has_text="Used ask").first
    expect(used).to_contain_text("24")
    screen.press("action_approve")
    screen.wait_until(lambda: order(screen, "ask") == (12, 12), "twelve are booked and in stock")
    screen.open("machine-proposals")
    expect(page.locator(".o_data_row").filter(has_text="Trust ask")).to_have_count(0)


def test_a_proposal_is_approved_on_a_phone(plant, open_page, odoo_server):
    plant("counts(machine('ask-phone', posting_mode='propose'), now - timedelta(hours=1), 7)")
    screen = Screen(open_page(odoo_server, viewport=PHONE, is_mobile=True, has_touch=True))
    screen.open("machine-proposals")
    assert screen.overflows() <= 0
    card = screen.page.locator(".o_kanban_record").filter(has_text="Trust ask-phone").first
    card.locator("button[name=action_approve]").click()
    screen.wait_until(lambda: order(screen, "ask-phone")[0] == 7, "seven are booked")


def test_a_shadow_is_looked_at_and_then_books(plant, open_page, odoo_server):
    plant("counts(machine('dim', posting_mode='shadow'), now - timedelta(hours=1), 20)")
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.record("machine-list", of(screen, "dim"))
    screen.expect("runs in shadow")
    screen.tab("posting").press("action_shadow")
    screen.settle()
    rows = page.locator(".o_data_row")
    expect(rows.filter(has_text="Made dim")).to_contain_text("20")
    expect(rows.filter(has_text="Used dim")).to_contain_text("40")
    assert order(screen, "dim") == (0, 0), "nothing of it is booked"

    screen.record("machine-list", of(screen, "dim"))
    screen.tab("posting").press("action_change_mode")
    page.wait_for_selector(DIALOG)
    screen.pick("mode", "Automatic")
    screen.fill("reason", "Two weeks agree").press("action_change")
    page.wait_for_selector(DIALOG, state="detached")
    [row] = screen.call("mrp.machine", "read", [of(screen, "dim")], ["posting_mode"])
    assert row["posting_mode"] == "automatic"


def test_a_shift_is_signed_and_later_pieces_are_a_correction(plant, open_page, odoo_server):
    plant(
        """
yesterday = (now - timedelta(days=1)).replace(hour=6, minute=0, second=0)
sure = machine("sure", statement_shifts="times", beat_shifts="06:00, 14:00, 22:00")
counts(sure, yesterday + timedelta(hours=1), 30)
counts(sure, yesterday + timedelta(hours=3), 5, first=33)  # three that no event told
sure.statement_until = yesterday.replace(tzinfo=None)
sure._make_statements((yesterday + timedelta(hours=8)).replace(tzinfo=None))
"""
    )
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.record("machine-list", of(screen, "sure")).press("action_statements")
    screen.settle()
    # Shifts that were over since then have statements as well.
    page.locator(".o_data_row").filter(has_text="35").first.click()
    page.wait_for_selector(".o_form_renderer")
    screen.expect("Differences and corrections that nobody signed")
    assert page.locator(".o_field_widget[name=good]").first.inner_text() == "35"
    screen.press("action_sign")
    page.wait_for_selector(DIALOG)
    screen.fill("reason", "Three were taken out by hand").press("action_sign")
    page.wait_for_selector(DIALOG, state="detached")
    [statement] = screen.call(
        "mrp.machine.statement",
        "search_read",
        [["machine_id.code", "=", "sure"], ["good", ">", 0]],
        ["state", "good", "digest", "signed_by_id"],
    )
    assert (statement["state"], statement["good"], statement["signed_by_id"][1]) == ("signed", 35, "Mitchell Admin")
    assert statement["digest"]

    plant(
        """
sure = env["mrp.machine"].search([("code", "=", "sure")])
yesterday = (now - timedelta(days=1)).replace(hour=6, minute=0, second=0)
counts(sure, yesterday + timedelta(hours=5), 2, first=38)
"""
    )
    screen.record("machine-statements", statement["id"]).press("action_check")
    screen.wait_until(
        lambda: screen.ids("mrp.machine.statement.correction", [["statement_id", "=", statement["id"]]]),
        "what came late is a correction",
        30,
    )
    page.reload()
    screen.settle().expect("What became known after it was signed")
    [signed] = screen.call("mrp.machine.statement", "read", [statement["id"]], ["good", "digest"])
    assert (signed["good"], signed["digest"]) == (35, statement["digest"]), "what was signed does not change"
