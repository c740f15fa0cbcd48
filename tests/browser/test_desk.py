"""A supervisor clears what could not be posted: a thousand alike in a few clicks, with ten thousand on the desk."""

import os
import time

import pytest

from devtools import postgres
from tests.integration import processes

from .pages import DIALOG, PHONE, Screen

TABLET = {"width": 820, "height": 1180}

#: Machines that say words nobody mapped, and pieces that no order is there for; stored as a poller would and posted.
WAITING_CODE = """
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

log, poster = env["mrp.machine.event"], env["mrp.machine.poster"]
source = env.ref("mrp_machine_connect.source_poller")
begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=20)


def machine(code):
    return env["mrp.machine"].create({"name": f"Desk {code}", "code": code, "late_window": 0})


def wait(machine, events):
    "Store events and let the poster find that they wait, within this transaction."
    log._receive(source, [(machine, machine._stream(), {}, 1, events)])
    while poster._post_machine(machine):
        pass


def words(machine, word, number, first=0):
    moments = [begin + timedelta(seconds=10 * (first + place)) for place in range(number)]
    data = {"state": "unknown", "raw_value": word, "unmapped": word}
    wait(machine, [Event(type="machine.state_changed", occurred=at, recorded=at, data=data) for at in moments])


def counts(machine, number, first=0):
    events = []
    for place in range(first, first + number):
        at = begin + timedelta(seconds=place)
        data = {"kind": "good", "delta": 1, "total_before": place, "total_after": place + 1, "unit": "C62"}
        events.append(Event(type="production.count", occurred=at, recorded=at, data=data))
    wait(machine, events)
"""

#: Counts what a person clicks, whatever the web client does with it.
COUNT_CLICKS = "window.clicks = 0; addEventListener('click', (event) => event.isTrusted && window.clicks++, true)"
#: Takes the moment when the first line of the list is there after the menu was clicked, in milliseconds.
OPENED = """() => new Promise((done) => {
    const began = performance.now();
    document.querySelector('[data-menu-xmlid="mrp_machine_connect.mrp_machine_exception_menu"]').click();
    const look = () => document.querySelector('.o_data_row td') || performance.now() - began > 30000
        ? done(performance.now() - began) : requestAnimationFrame(look);
    look();
})"""


@pytest.fixture(scope="module")
def plant(odoo_server):
    """Function that runs Python on the shared server's database, where the names above are known."""
    shell = processes.OdooShell(postgres.FAST, odoo_server.database)
    return lambda code: shell(f"{WAITING_CODE}\n{code}")


def rows(screen, machine, *states, **criteria):
    """The number of effects of a machine, in some states or in all; asked in one question, for they change meanwhile."""
    domain = [["machine_id.code", "=", machine], *[[name, "=", value] for name, value in criteria.items()]]
    if states:
        domain.append(["state", "in", states])
    return screen.call("mrp.machine.event.posting", "search_count", domain)


def open_rows(screen, machine):
    return rows(screen, machine, "received", "waiting", "held", "failed")


def line(page, words):
    return page.locator(".o_data_row").filter(has_text=words)


def test_a_thousand_events_of_one_code_are_cleared_in_five_clicks(plant, open_page, odoo_server):
    plant("words(machine('desk-code'), '42', 1000)")
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("machines")
    assert rows(screen, "desk-code", state="waiting") == 1000
    page.evaluate(COUNT_CLICKS)
    began = time.monotonic()

    screen.menu("Exceptions")
    assert "1,000" in line(page, "Desk desk-code").inner_text()
    line(page, "Desk desk-code").locator("button[name=action_map_code]").click()
    page.wait_for_selector(DIALOG)
    page.locator(f"{DIALOG} .o_field_widget[name=state]").get_by_text("Setup", exact=True).click()
    screen.press("action_map")
    page.wait_for_selector(DIALOG, state="detached")
    screen.wait_until(lambda: not open_rows(screen, "desk-code"), "all are posted", 60)

    seconds = time.monotonic() - began
    assert page.evaluate("window.clicks") <= 5
    assert rows(screen, "desk-code", "posted", handler="state_interval") == 1000
    line(page, "Desk desk-code").wait_for(state="detached")
    [machine] = screen.call("mrp.machine", "search_read", [["code", "=", "desk-code"]], ["state"])
    assert machine["state"] == "setup"
    print(f"cleared 1,000 events in {seconds:.1f} s")
    assert seconds <= 20, f"{seconds:.1f} s"


@pytest.fixture(scope="module")
def crowd(plant):
    """Ten thousand counts that no order is there for, and sixty words that nobody mapped."""
    plant(
        """
lost = machine("desk-lost")
for turn in range(5):
    counts(lost, 2000, 2000 * turn)
    env.cr.commit()
several = machine("desk-words")
for word in range(60):
    words(several, f"W{word}", 1, word)
"""
    )


def test_the_page_opens_within_a_second_with_ten_thousand(crowd, open_page, odoo_server):
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("machines")
    assert rows(screen, "desk-lost", "waiting") == 10_000
    screen.menu("Exceptions")
    times = []
    for _turn in range(5):
        screen.menu("Overview")
        times.append(page.evaluate(OPENED) / 1000)
        screen.quiet()
    print(f"opened with 10,000 exceptions in {[round(seconds, 2) for seconds in times]} s")
    # The quickest: the others waited for whatever else the computer does. Beside other tests all of them may have.
    assert min(times) < (1 if os.environ.get("MACHINE_CONNECT_FULL") == "1" else 3), times

    figure = page.locator("[data-menu-xmlid='mrp_machine_connect.mrp_machine_exception_menu']")
    screen.wait_until(lambda: figure.get_attribute("data-figure"), "the menu shows how many causes wait", 30)
    assert int(figure.get_attribute("data-figure").rstrip("+")) >= 61


def test_ten_thousand_are_ignored_with_progress_and_taken_back(crowd, open_page, odoo_server):
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("machine-exceptions")
    row = line(page, "Desk desk-lost")
    assert "10,000" in row.inner_text()
    row.locator("button[name=action_ignore]").click()
    page.wait_for_selector(DIALOG)
    screen.expect("10,000")
    screen.fill("reason", "Trial parts").press("action_ignore")
    page.wait_for_selector(DIALOG, state="detached")
    running = page.locator(".o_mrp_machine_running")
    running.wait_for()
    seen = set()

    def settled():
        if running.count():
            seen.update(running.locator("b").all_inner_texts())
        return rows(screen, "desk-lost", state="ignored") == 10_000

    screen.wait_until(settled, "all are ignored", 120)
    row.wait_for(state="detached")
    running.wait_for(state="detached")
    assert seen, "what is being done was seen"

    screen.open("machine-remedies")
    done = page.locator(".o_data_row").filter(has_text="Trial parts").first
    assert "10,000" in done.inner_text()
    done.locator("button[name=action_undo]").click()
    screen.wait_until(lambda: rows(screen, "desk-lost", state="waiting") == 10_000, "all wait again", 120)


def test_one_event_is_ignored_and_taken_back(plant, open_page, odoo_server):
    plant("counts(machine('desk-one'), 2)")
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("machine-exceptions")
    line(page, "Desk desk-one").locator("td[name=message]").click()
    page.wait_for_selector(".o_form_renderer")
    screen.expect("no order was loaded on it").press("action_events")
    page.locator(".o_data_row button[name=action_ignore]").first.click()
    page.wait_for_selector(DIALOG)
    screen.fill("reason", "A trial").press("action_ignore")
    page.wait_for_selector(DIALOG, state="detached")
    assert rows(screen, "desk-one", state="ignored") == 1
    [number] = screen.ids(
        "mrp.machine.event.posting", [["machine_id.code", "=", "desk-one"], ["state", "=", "ignored"]]
    )

    screen.record("machine-exception-events", number).press("action_undo")

    screen.wait_until(lambda: rows(screen, "desk-one", state="waiting") == 2, "it waits again", 30)


def test_what_would_happen_is_shown_before_a_code_is_mapped(plant, open_page, odoo_server):
    plant("words(machine('desk-show'), '42', 3)")
    screen = Screen(open_page(odoo_server))
    page = screen.page
    screen.open("machine-exceptions")
    line(page, "Desk desk-show").locator("button[name=action_map_code]").click()
    page.wait_for_selector(DIALOG)
    page.locator(f"{DIALOG} .o_field_widget[name=state]").get_by_text("Idle", exact=True).click()
    screen.press("action_show").expect("3 effects are posted")
    assert rows(screen, "desk-show", state="waiting") == 3


def test_the_empty_desk_says_that_nothing_waits(open_page, odoo_server):
    screen = Screen(open_page(odoo_server))
    screen.open("machine-exceptions")
    search = screen.page.locator(".o_searchview_input")
    search.fill("no machine is called so")
    search.press("Enter")
    screen.expect("Nothing waits for you")


@pytest.mark.parametrize("size", [TABLET, {"width": 1180, "height": 820}, PHONE], ids=["upright", "lying", "phone"])
def test_the_desk_fits_a_tablet(plant, open_page, odoo_server, size):
    plant(f"m = machine('desk-{size['width']}'); words(m, '42', 3); counts(m, 2)")
    screen = Screen(open_page(odoo_server, viewport=size, has_touch=True))
    screen.open("machine-exceptions")
    assert screen.overflows() <= 0
    place = screen.page.locator(".o_data_row, .o_kanban_record").filter(has_text=f"Desk desk-{size['width']}")
    place.first.wait_for()
    buttons = place.filter(has_text="«42»").first.locator("button[name=action_map_code]")
    buttons.scroll_into_view_if_needed()
    box = buttons.bounding_box()
    assert box["x"] >= 0, box
    assert box["x"] + box["width"] <= size["width"], box
    buttons.click()
    screen.page.wait_for_selector(DIALOG)
    assert screen.overflows() <= 0
