"""Every screen opens without an error, at a desk and on a phone, with data and without; what waits can be decided."""

import pytest

from devtools import postgres
from devtools.environment import free_port
from tests.integration import processes

from .pages import DIALOG, SIZES, Screen
from .stage import DAY_CODE, NEWCOMER, NEWCOMER_CODE


@pytest.fixture(scope="session")
def plant_server(odoo_server):
    """The shared server with a day of production behind it, and a user of a company without machines."""
    shell = processes.OdooShell(postgres.FAST, odoo_server.database)
    shell(f"PORTS = {{'dead': {free_port()}}}\n{NEWCOMER_CODE}\n{DAY_CODE}")
    statement = "SELECT count(*) FROM mrp_machine_queue"
    odoo_server.wait_until(
        lambda: postgres.FAST.query(odoo_server.database, statement) == "0", "the day is posted", 120
    )
    return odoo_server


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("login", ["admin", NEWCOMER])
def test_every_menu_opens(plant_server, open_page, login, size):
    """In each of its views, and the first record of each."""
    page = open_page(plant_server, login=login, **SIZES[size])
    screen = Screen(page)
    menus = screen.menus()
    assert len(menus) > 15
    for names, _xmlid, action in menus:
        views = dict.fromkeys(
            kind for _number, kind in screen.call("ir.actions.act_window", "read", [action], ["views"])[0]["views"]
        )
        for view in views:
            if view != "form" or len(views) == 1:
                screen.action(action, view)
                assert (wide := screen.overflows()) <= 0, f"{names} {view}: {wide} px wider than the window"
        if "form" in views and len(views) > 1:
            [found] = screen.call("ir.actions.act_window", "read", [action], ["res_model", "domain"])
            domain = [] if not found["domain"] or "uid" in found["domain"] else eval(found["domain"])  # noqa: S307 - ours
            for number in screen.ids(found["res_model"], domain, limit=1):
                screen.action(action, "form", number)
                assert (wide := screen.overflows()) <= 0, f"{names} form: {wide} px wider than the window"


def waiting(screen, **criteria):
    domain = [["state", "in", ["waiting", "held", "failed"]]]
    return screen.ids(
        "mrp.machine.event.posting",
        domain + [[name.replace("__", "."), "=", value] for name, value in criteria.items()],
    )


def wait_until_posted(screen, numbers):
    """Wait for the poster; what it says of each effect is shown if it does not post it."""

    def states():
        return screen.call("mrp.machine.event.posting", "read", numbers, ["state", "message"])

    screen.wait_until(lambda: {row["state"] for row in states()} == {"posted"}, f"these are posted: {states()}")


def test_unknown_code_is_mapped(plant_server, open_page):
    screen = Screen(open_page(plant_server))
    waits = waiting(screen, reason="unknown_code", machine_id__code="press-2")
    number = waits[0]
    screen.record("machine-exception-events", number).expect("The machine says «42»")
    screen.press("action_map_code")
    screen.page.wait_for_selector(DIALOG)
    screen.fill("label", "Tool change").pick("state", "Setup")
    screen.page.locator(f"{DIALOG} .o_form_button_save, {DIALOG} footer .btn-primary").first.click()
    screen.page.wait_for_selector(DIALOG, state="detached")
    wait_until_posted(screen, waits)

    def shown():
        [machine] = screen.call("mrp.machine", "search_read", [["code", "=", "press-2"]], ["state", "state_reason"])
        return machine["state"], machine["state_reason"]

    screen.wait_until(lambda: shown() == ("setup", "Tool change"), "the machine shows the mapped state")


def test_order_is_loaded_from_what_waits_for_it(plant_server, open_page):
    screen = Screen(open_page(plant_server))
    waits = waiting(screen, reason="no_order", machine_id__code="press-2")
    assert len(waits) == 4
    call = plant_server.call
    [source] = call(
        "mrp.production", "search_read", [["product_id.name", "=", "Bracket A4"]], ["product_id", "bom_id"], limit=1
    )
    [workcenter] = call("mrp.workcenter", "search", [["name", "=", "Stamping 2"]])
    [bom] = call("mrp.bom", "copy", [source["bom_id"][0]])
    call("mrp.bom", "write", [bom], {"product_id": source["product_id"][0]})
    [operation] = call("mrp.routing.workcenter", "search", [["bom_id", "=", bom]])
    call("mrp.routing.workcenter", "write", [operation], {"workcenter_id": workcenter})
    [order] = call(
        "mrp.production", "create", [{"product_id": source["product_id"][0], "bom_id": bom, "product_qty": 900}]
    )
    call("mrp.production", "action_confirm", [order])
    [name] = [row["name"] for row in call("mrp.production", "read", [order], ["name"])]

    oldest = min(waits)
    screen.record("machine-exception-events", oldest).expect("No manufacturing order ran on this machine at that time")
    screen.press("action_load_order")
    screen.page.wait_for_selector(DIALOG)
    screen.choose("production_id", name).press("action_load")
    screen.page.wait_for_selector(DIALOG, state="detached")
    wait_until_posted(screen, waits)

    def made():
        return call("mrp.production", "read", [order], ["qty_producing"])[0]["qty_producing"]

    screen.wait_until(lambda: made() == 110 + 111 + 112 + 113, "the order has all pieces that waited")


def test_what_is_ignored_keeps_name_and_reason_and_a_retry_after_a_pause_posts(plant_server, open_page):
    screen = Screen(open_page(plant_server))
    page = screen.page
    [machine] = screen.ids("mrp.machine", [["code", "=", "box"]])
    paused = waiting(screen, machine_id__code="box")
    assert len(paused) == 2
    [count] = waiting(screen, machine_id__code="box", handler="production_count")

    # The pieces are those of a trial.
    screen.record("machine-exception-events", count).expect("Posting is paused: Stock-taking until noon")
    screen.press("action_ignore")
    page.wait_for_selector(DIALOG)
    screen.fill("reason", "Trial parts").press("action_ignore")
    page.wait_for_selector(DIALOG, state="detached")
    [row] = screen.call("mrp.machine.event.posting", "read", [count], ["state", "release_reason", "released_by"])
    assert (row["state"], row["release_reason"]) == ("ignored", "Trial parts")
    assert row["released_by"]

    # The pause is over.
    screen.record("machine-list", machine).expect("Posting is paused until").press("action_resume")
    page.locator("button[name=action_pause]").wait_for()
    for number in waiting(screen, machine_id__code="box"):
        screen.record("machine-exception-events", number).press("action_retry")
    wait_until_posted(screen, sorted(set(paused) - {count}))
