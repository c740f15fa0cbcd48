"""From Apps to the first screen, on a database that has never heard of machines."""

import re

from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from playwright.sync_api import expect

from devtools import postgres

from . import pages


def test_app_is_found_activated_and_says_what_to_do_first(bare_server, open_page):
    """Search for Machine in Apps, activate, land where the first step is offered; every other screen is empty and helps."""
    # Without this, Odoo brings our plant along into a database that has demonstration data.
    postgres.FAST.query(bare_server.database, "UPDATE ir_module_module SET demo = false")
    page = open_page(bare_server)
    screen = pages.Screen(page)
    screen.page.goto("/odoo/apps")
    screen.settle()
    page.fill(".o_searchview_input", "Machine")
    page.press(".o_searchview_input", "Enter")
    # While the search is on its way all apps are on the screen yet: a card that moves away under the mouse takes no click.
    expect(page.locator(".o_kanban_record:not(.o_kanban_ghost)")).to_have_count(1)
    screen.quiet()
    card = page.locator(".o_kanban_record", has=page.get_by_text("Machine Connect", exact=True))
    activate(screen, card.locator("button[name=button_immediate_install]"), bare_server)

    screen.app("Machines").expect("Connect your first machine").expect("Three steps")
    page.locator(".o_view_nocontent a", has_text="Connect a Machine").click()
    page.wait_for_selector(pages.DIALOG)
    screen.expect("Connect a Machine").check()
    assert screen.field("template_id").is_visible()
    page.keyboard.press("Escape")

    for names, _xmlid, action in screen.menus():
        screen.action(action)
        assert re.search(r"\w", screen.text()), names


def activate(screen, button, server):
    """Press the button, and wait until Odoo took it: the client then loads itself anew."""
    page = screen.page
    with page.expect_request(lambda asked: "button_immediate_install" in asked.url):
        button.click()
    try:
        page.wait_for_function(
            """() => document.querySelector('.o_error_dialog')
                || !document.querySelector('.o_blockUI') && !location.pathname.endsWith('/apps')""",
            timeout=180_000,
        )
    except PlaywrightTimeoutError as late:
        late.add_note(
            f"At {page.url} with {page.inner_text('body')!r}\n{at_work(server)}\n{server.log.read_text()[-6000:]}"
        )
        raise
    refusal = page.locator(".o_error_dialog")
    assert not refusal.count(), refusal.inner_text()
    page.wait_for_selector(".o_main_navbar")


def at_work(server):
    """What the server does and waits for in the database, and what became of the addon: why an activation stands still."""
    return postgres.FAST.query(
        server.database,
        """SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid)::text, now() - xact_start, left(query, 200)
             FROM pg_stat_activity WHERE datname = current_database()
            UNION ALL
           SELECT 0, state, '', '', '', NULL, name FROM ir_module_module WHERE name LIKE '%machine%'""",
    )
