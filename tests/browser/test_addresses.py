"""An address that somebody keeps or sends shows the same as the button that led there."""

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import Screen

#: Two machines of which each has told of pieces that no order is there for.
WAITING_CODE = """
from datetime import datetime, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

now = datetime.now(timezone.utc)
for code in ("here", "elsewhere"):
    machine = env["mrp.machine"].create({"name": code.title(), "code": code})
    data = {"kind": "good", "delta": 3, "total_before": 0, "total_after": 3, "unit": "C62"}
    event = Event(type="production.count", occurred=now, recorded=now, data=data)
    env["mrp.machine.event"]._receive(
        env.ref("mrp_machine_connect.source_poller"), [(machine, machine._stream(), {}, 1, [event])]
    )
    env["mrp.machine.poster"]._post_machine(machine)
"""


@pytest.fixture(scope="module")
def waiting_server(odoo_server):
    processes.OdooShell(postgres.FAST, odoo_server.database)(WAITING_CODE)
    return odoo_server


@pytest.mark.parametrize("parent", ["machines", "machine-list"])
def test_the_exceptions_of_a_machine_are_found_by_their_address(waiting_server, open_page, parent):
    screen = Screen(open_page(waiting_server))
    [machine] = screen.ids("mrp.machine", [["code", "=", "here"]])

    screen.open(f"{parent}/{machine}/machine-exceptions").expect("no order was loaded on it")

    assert machines(screen) == ["Here"]
    assert "Here" in screen.page.locator(".o_searchview").inner_text()


def test_the_button_and_its_address_show_the_same(waiting_server, open_page):
    page = open_page(waiting_server)
    screen = Screen(page)
    [machine] = screen.ids("mrp.machine", [["code", "=", "here"]])
    screen.record("machine-list", machine).press("action_exceptions")
    assert machines(screen) == ["Here"]

    page.evaluate("sessionStorage.clear()")
    page.goto(page.url)
    screen.settle()

    assert machines(screen) == ["Here"]


def test_the_menu_shows_the_exceptions_of_all_machines(waiting_server, open_page):
    screen = Screen(open_page(waiting_server))

    screen.open("machine-exceptions")

    assert {"Here", "Elsewhere"} <= set(machines(screen))


def machines(screen):
    """The machines of the rows on the screen."""
    screen.page.locator(".o_data_row").first.wait_for()
    return screen.page.locator(".o_data_row [name=machine_id]").all_inner_texts()
