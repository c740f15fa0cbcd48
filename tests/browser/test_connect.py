"""A consultant connects a machine; the operator loads an order; pieces arrive on the order and on the overview."""

import re

import pytest

from devtools import postgres
from devtools.environment import free_port
from tests.integration import processes

from .pages import DIALOG, PHONE, Screen
from .stage import Plant

MACHINE = "Press 7"
TARGET = 5000


@pytest.fixture
def plant():
    """A press that is fast enough for a test and never jams."""
    plant = Plant("--press-cycle=0.5", "--press-jam-every=0", machines=("press",))
    yield plant.start()
    plant.close()


@pytest.fixture
def start_worker(odoo_server):
    """Function that starts the worker on the shared server's database."""
    workers = []

    def start():
        worker = processes.MachineWorker(postgres.FAST, odoo_server.database)
        workers.append(worker)
        return worker.start()

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def order(odoo_server):
    """A confirmed order on a work center of its own: ``(name of the order, name of the work center, id)``."""
    call = odoo_server.call
    [workcenter] = call("mrp.workcenter", "create", [{"name": "Line 7", "resource_calendar_id": False}])
    sheet, plate = call(
        "product.product",
        "create",
        [{"name": "Sheet 7", "is_storable": True}, {"name": "Plate 7", "is_storable": True}],
    )
    [template] = call("product.product", "read", [plate], ["product_tmpl_id"])
    [bom] = call(
        "mrp.bom",
        "create",
        [
            {
                "product_tmpl_id": template["product_tmpl_id"][0],
                "operation_ids": [(0, 0, {"name": "Press", "workcenter_id": workcenter})],
                "bom_line_ids": [(0, 0, {"product_id": sheet, "product_qty": 1})],
            }
        ],
    )
    [production] = call("mrp.production", "create", [{"product_id": plate, "bom_id": bom, "product_qty": TARGET}])
    call("mrp.production", "action_confirm", [production])
    [found] = call("mrp.production", "read", [production], ["name"])
    return found["name"], "Line 7", production


def test_machine_is_connected_and_its_order_counts(page, odoo_server, plant, start_worker, order):
    order_name, workcenter, production = order
    screen = Screen(page)

    # What it is
    screen.open("machines").press("action_connect")
    page.wait_for_selector(DIALOG)
    screen.press("action_next").expect("Name: enter what people on the floor call the machine")
    screen.choose("template_id", "Stamping press").fill("name", MACHINE)
    screen.press("action_next")
    page.wait_for_selector(f"{DIALOG} [name=host]:visible")

    # Where it is: a wrong port first
    wrong = free_port()
    screen.fill("host", "127.0.0.1").fill("port", wrong)
    screen.press("action_next").expect(re.compile(rf"Port: .*nothing listens on port {wrong}"))
    assert screen.field("host").locator("input").input_value() == "127.0.0.1"
    assert screen.field("port").locator("input").input_value() == str(wrong)
    assert screen.ids("mrp.machine", [["name", "=", MACHINE]]) == []
    screen.fill("port", plant.ports["press"]).press("action_next").expect("The machine answers.")

    # What it drives
    screen.choose("workcenter_id", workcenter).fill("fastest_cycle", "0.1")
    screen.press("action_connect").expect(f"{MACHINE} is connected.")
    row = page.locator(f"{DIALOG} .o_data_row", has_text="holding register 2 ")
    assert "Good" in row.locator(".badge").inner_text()
    assert re.search(r"0x[0-9A-F]{4}", row.inner_text()), "the raw registers are shown"
    screen.press("action_open")
    page.wait_for_selector(".o_form_renderer .oe_title")
    assert screen.field("name").locator("input, span").first.input_value() == MACHINE

    # The operator loads the order
    screen.press("action_load_order")
    page.wait_for_selector(DIALOG)
    screen.choose("production_id", order_name).press("action_load")
    page.wait_for_selector(DIALOG, state="detached")

    # It counts: on the order's form …
    worker = start_worker()
    address = f"action-mrp.mrp_production_action/{production}"

    def produced():
        return float(
            screen.field("qty_producing")
            .locator("input, span")
            .first.evaluate("e => e.value ?? e.innerText")
            .replace(",", "")
        )

    def look():
        page.goto(f"/odoo/{address}")
        page.wait_for_selector(".o_form_renderer [name=qty_producing]")

    few = screen.wait_until(produced, "the order counts", look=look)
    more = screen.wait_until(lambda: produced() > few and produced(), "the order counts up", look=look)
    assert few < more <= plant.truth("press")["good"] < TARGET

    # … and on the overview, which nobody has to load anew
    screen.open("machines")
    card = page.locator(".o_kanban_record", has=page.get_by_text(MACHINE, exact=True))
    assert order_name in card.inner_text()

    def shown():
        return int(re.search(rf"([\d,]+) of {TARGET:,}", card.inner_text())[1].replace(",", ""))

    first = shown()
    assert first >= more
    screen.wait_until(lambda: shown() > first, "the overview counts up by itself")
    assert "Running" in card.inner_text()
    assert worker.running


def test_template_decides_on_the_protocol(page):
    """What a template fills in is kept when the next step opens, also where nobody can change it."""
    screen = Screen(page)
    screen.open("machines").press("action_connect")
    page.wait_for_selector(DIALOG)
    screen.choose("template_id", "CNC with MTConnect words").fill("name", "Mill 9").press("action_next")
    page.wait_for_selector(f"{DIALOG} [name=url]:visible")
    assert screen.field("protocol").get_by_label("OPC UA", exact=True).is_checked()
    assert not page.locator(f"{DIALOG} [name=host]").is_visible()


#: Template, name of the new machine, machine of the plant, signals in their order.
BUNDLED = (
    ("PLC with PackML states", "Tutorial press", "press", ("State", "Good", "Reject", "Alarm")),
    ("Line machine with PackML tags", "Tutorial filler", "filler", ("State", "Good", "Reject", "Alarm", "Speed")),
    ("CNC with MTConnect words", "Tutorial cnc", "cnc", ("Execution", "Cycle", "Part count")),
)


@pytest.fixture
def whole_plant():
    """All machines of the simulated plant, as ``./dev plant`` runs them."""
    plant = Plant()
    yield plant.start()
    plant.close()


def test_each_machine_of_the_plant_is_read_by_the_template_that_is_made_for_it(page, whole_plant):
    screen = Screen(page)
    # The recorded day tells its first part some seconds after its start.
    screen.wait_until(lambda: whole_plant.truth("cnc")["counter"], "the first part of the CNC")
    for template, name, machine, signals in BUNDLED:
        connect_by_template(screen, template, name, whole_plant.ports[machine], signals)


def test_the_press_is_connected_on_a_phone(open_page, odoo_server, plant):
    page = open_page(odoo_server, viewport=PHONE, is_mobile=True, has_touch=True)
    template, name, machine, signals = BUNDLED[0]
    connect_by_template(Screen(page), template, f"{name} by phone", plant.ports[machine], signals)


def connect_by_template(screen, template, name, port, signals):
    """Do what the tutorial says: no address is typed but that of the machine, and every value is good."""
    page = screen.page
    screen.open("machines").press("action_connect")
    page.wait_for_selector(DIALOG)
    screen.choose("template_id", template).fill("name", name).press("action_next")
    page.wait_for_selector(f"{DIALOG} :is([name=host], [name=url]):visible")
    if page.locator(f"{DIALOG} [name=url]").count():
        screen.fill("url", f"opc.tcp://127.0.0.1:{port}")
    else:
        screen.fill("host", "127.0.0.1").fill("port", port)
    screen.press("action_next").expect(f"All {len(signals)} signals of the template can be read")
    screen.fill("fastest_cycle", "0.1").press("action_connect").expect(f"{name} is connected. These are its values now")
    values = page.locator(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record:not(.o_kanban_ghost)")
    assert values.locator(".badge").all_inner_texts() == ["Good"] * len(signals)
    said = values.all_inner_texts()
    assert all(re.search(rf"^{signal}\b", text, re.M) for signal, text in zip(signals, said, strict=True)), said
    assert "Unknown" not in screen.text(), "the state is understood"
    assert screen.overflows() <= 0
    screen.press("action_open")
    page.wait_for_selector(".o_form_renderer .oe_title")
