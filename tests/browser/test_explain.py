"""A person asks where a number comes from, puts a wrong one right, and sees yesterday's events where they belong."""

import re
from datetime import datetime, timedelta, timezone

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, PHONE, Screen

#: A press with a work center of its own and two orders of yesterday; it speaks through the log as a poller would tell it.
PLANT_CODE = """
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

log, source = env["mrp.machine.event"], env.ref("mrp_machine_connect.source_poller")
yesterday = datetime.now(timezone.utc).replace(hour=6, minute=0, second=0, microsecond=0) - timedelta(days=1)


def plant(code):
    "A machine with an order of 500 that is loaded since yesterday at six."
    workcenter = env["mrp.workcenter"].create({"name": code, "resource_calendar_id": False, "time_start": 0, "time_stop": 0})
    part, product = env["product.product"].create(
        [{"name": f"{code} blank", "is_storable": True}, {"name": f"{code} part", "is_storable": True}]
    )
    bom = env["mrp.bom"].create(
        {
            "product_tmpl_id": product.product_tmpl_id.id,
            "bom_line_ids": [(0, 0, {"product_id": part.id, "product_qty": 1})],
            "operation_ids": [(0, 0, {"name": f"{code} step", "workcenter_id": workcenter.id, "time_cycle_manual": 0.1})],
        }
    )
    warehouse = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1)
    env["stock.quant"]._update_available_quantity(part, warehouse.lot_stock_id, 1000)
    machine = env["mrp.machine"].create(
        {"name": f"Press {code}", "code": code, "workcenter_id": workcenter.id, "late_window": 0}
    )
    connection = env["mrp.machine.connection"].create(
        {"machine_id": machine.id, "host": "127.0.0.1", "port": 9, "polled_by": "worker", "interval": 3600}
    )
    env["mrp.machine.signal"].create(
        {"machine_id": machine.id, "connection_id": connection.id, "name": "Good pieces", "role": "good",
         "address": "holding:2", "data_type": "u32", "fastest_cycle": 1}
    )
    order = env["mrp.production"].create({"product_id": product.id, "bom_id": bom.id, "product_qty": 500})
    order.action_confirm()
    env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, yesterday.replace(tzinfo=None))
    return machine, order


def count(minutes, before, pieces):
    at, after = yesterday + timedelta(minutes=minutes), before + pieces
    return Event(
        type="production.count", occurred=at, recorded=at, signal="Good pieces", quality="good",
        data={"kind": "good", "delta": pieces, "total_before": before, "total_after": after, "unit": "C62",
              "raw": {"unit": 1, "table": "holding", "address": 2, "registers": [after >> 16, after & 0xFFFF]}},
        rules=({"rule": "plausibility", "outcome": "passed", "detail": {"pieces": pieces}},),
    )


def state(minutes, word):
    at = yesterday + timedelta(minutes=minutes)
    return Event(type="machine.state_changed", occurred=at, recorded=at, data={"state": word, "raw_value": word})


def tell(machine, *events):
    signals = {signal.name: signal.id for signal in machine.signal_ids}
    log._receive(source, [(machine, machine._stream(), signals, machine.mapping_version, list(events))])


def post(machine, *events):
    tell(machine, *events)
    env["mrp.machine.poster"]._post_machine(machine)
"""


@pytest.fixture(scope="module")
def plant(odoo_server):
    """Function that runs Python on the shared server's database, where the names of the plant are known."""
    shell = processes.OdooShell(postgres.FAST, odoo_server.database)
    return lambda code: shell(f"{PLANT_CODE}\n{code}")


YESTERDAY = (datetime.now(timezone.utc) - timedelta(days=1)).date()

#: Counts what a person clicks, whatever the web client does with it.
COUNT_CLICKS = "window.clicks = 0; addEventListener('click', (event) => event.isTrusted && window.clicks++, true)"


def test_a_stock_move_is_explained_by_its_counter_values_in_three_clicks(plant, open_page, odoo_server):
    made = plant(
        """
machine, order = plant("explain")
post(machine, count(10, 70000, 25), count(20, 70025, 30))
post(machine, count(30, 70055, 7))
order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
result = {"order": order.name, "state": order.state, "product": order.product_id.display_name}
"""
    )
    assert made["state"] == "done"
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("moves-analysis?view_type=list")
    search = page.locator(".o_searchview_input")
    search.fill(made["product"])
    search.press("Enter")
    screen.quiet()
    row = page.locator(".o_data_row", has_text=made["product"]).first
    assert "62" in row.inner_text()
    page.evaluate(COUNT_CLICKS)

    row.locator("button[name=action_machine_postings]").click()
    screen.quiet()
    assert page.evaluate("window.clicks") == 1
    postings = page.locator(".o_data_row")
    assert postings.count() == 2
    screen.expect("+55 pieces").expect("+7 pieces")
    postings.filter(has_text="+55 pieces").locator("td[name=summary]").click()
    page.wait_for_selector(".o_form_renderer")
    screen.quiet()
    assert page.evaluate("window.clicks") == 2
    events = page.locator("[name=event_posting_ids] .o_data_row")
    values = [[cell.inner_text() for cell in row.locator("td[name^=counter]").all()] for row in events.all()]
    assert values == [["70000", "70025"], ["70025", "70055"]]
    screen.expect("2 events: 25 +30 = 55, as booked.").expect("Loaded on the machine at that time.")

    events.last.locator("button[name=action_event]").click()
    page.wait_for_selector(".o_machine_answers")
    screen.quiet()
    assert page.evaluate("window.clicks") == 3
    for words in (
        "signal «Good pieces» at holding:2",
        "0x0001 0x11A7 (1 4519)",  # 70055 in two registers
        "The counter went from 70025 to 70055: 30 pieces.",
        "Plausibility: passed",
        "Accepted as it came.",
        made["order"],
    ):
        screen.expect(words)


def test_on_a_phone_the_five_answers_are_read_without_scrolling_sideways(plant, open_page, odoo_server):
    number = plant(
        """
machine, order = plant("phone")
post(machine, count(10, 4000000000, 25))
result = log.search([("machine_id", "=", machine.id)]).id
"""
    )
    screen = Screen(open_page(odoo_server, viewport=PHONE, is_mobile=True, has_touch=True))
    screen.record("machine-events", number)
    for step in ("captured", "transformed", "delivered", "accepted", "reflected"):
        box = screen.page.locator(f".o_machine_answers [data-step={step}]").bounding_box()
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"], step
    assert screen.overflows() <= 0
    screen.expect("from 4000000000 to 4000000025: 25 pieces")


def test_a_wrong_count_is_corrected(plant, open_page, odoo_server):
    made = plant(
        """
machine, order = plant("correct")
post(machine, count(10, 500, 40))
result = {"event": log.search([("machine_id", "=", machine.id)]).id, "order": order.id, "name": order.name}
"""
    )
    screen = Screen(open_page(odoo_server))

    def quantity():
        return odoo_server.call("mrp.production", "read", [made["order"]], ["qty_producing"])[0]["qty_producing"]

    assert quantity() == 40
    screen.record("machine-events", made["event"]).press("action_correct")
    screen.page.wait_for_selector(DIALOG)
    assert screen.field("quantity").locator("input").input_value() in ("-40.000", "-40.00", "-40")
    screen.fill("quantity", "-4").fill("reason", "Four were test pieces").press("action_apply")
    screen.page.wait_for_selector(DIALOG, state="detached")
    screen.wait_until(lambda: quantity() == 36, "four pieces are taken back")

    screen.record("machine-events", made["event"])
    screen.expect("Corrected by").expect("Four were test pieces").expect("from 500 to 540: 40 pieces")
    with screen.page.expect_popup() as opened:  # a link within words opens beside them
        screen.page.locator(".o_machine_answers a", has_text="Four were test pieces").click()
    correction = Screen(opened.value)
    correction.settle().expect("It corrects:").expect("entered it by hand")
    opened.value.close()
    # What the order shows is explained by both.
    screen.record("action-mrp.mrp_production_action", made["order"])
    screen.page.locator("button[name=action_machine_postings]").click()
    screen.expect("+40 pieces").expect("-4 pieces")


def test_late_events_of_yesterday_are_booked_at_yesterdays_time(plant, open_page, odoo_server):
    made = plant(
        """
machine, order = plant("late")
result = {"step": order.workorder_ids.id, "machine": machine.id, "start": str(order.workorder_ids.date_start)}
env.cr.commit()
"""
    )
    call = odoo_server.call
    screen = Screen(open_page(odoo_server))
    screen.record("action-mrp.mrp_workorder_todo", made["step"])
    assert not screen.page.locator("button[name=action_machine_postings]:visible").count()

    # Nobody could reach the machine; now all of it comes at once, in no order.
    plant(
        f"""
machine = env["mrp.machine"].browse({made["machine"]})
tell(machine, state(95, "off"), count(90, 60, 12), state(5, "running"), count(30, 0, 60))
env.cr.commit()
env["mrp.machine.poster"]._wake()
env.cr.commit()
"""
    )

    def produced():
        return call("mrp.workorder", "read", [made["step"]], ["qty_produced"])[0]["qty_produced"] == 72

    screen.wait_until(produced, "the pieces are on the work order")
    [step] = call("mrp.workorder", "read", [made["step"]], ["date_start", "state"])
    assert step["date_start"] == f"{YESTERDAY} 06:30:00" or step["date_start"] == f"{YESTERDAY} 06:05:00"
    lines = call(
        "mrp.workcenter.productivity", "search_read", [["workorder_id", "=", made["step"]]], ["date_start", "date_end"]
    )
    assert [(line["date_start"], line["date_end"]) for line in lines] == [
        (f"{YESTERDAY} 06:05:00", f"{YESTERDAY} 07:35:00")
    ]

    screen.record("action-mrp.mrp_workorder_todo", made["step"])
    day = f"{YESTERDAY:%b} {YESTERDAY.day}"
    screen.expect(re.compile(rf"Start Date\s*{day}"))
    time_line = screen.page.locator("[name=time_ids] .o_data_row").first
    assert time_line.locator("td[name=date_start]").inner_text().startswith(day)
    screen.page.locator("button[name=action_machine_postings]:visible").first.click()
    screen.expect("+72 pieces")
    counted = screen.page.locator(".o_data_row", has_text="+72 pieces")
    assert counted.locator("td[name=occurred_to]").inner_text().startswith(day)
