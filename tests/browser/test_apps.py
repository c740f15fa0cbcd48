"""From Apps to the first screen, on a database that has never heard of machines."""

import re

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
    card = page.locator(".o_kanban_record", has=page.get_by_text("Machine Connect", exact=True))
    card.locator("button[name=button_immediate_install]").click()
    # The client loads itself anew when the app is there.
    page.wait_for_function(
        "() => !document.querySelector('.o_blockUI, .o_module_form') && !location.pathname.endsWith('/apps')",
        timeout=180_000,
    )
    page.wait_for_selector(".o_main_navbar")

    screen.app("Machines").expect("Connect your first machine").expect("Three steps")
    page.locator(".o_view_nocontent a", has_text="Connect a Machine").click()
    page.wait_for_selector(pages.DIALOG)
    screen.expect("Connect a Machine").check()
    assert screen.field("template_id").is_visible()
    page.keyboard.press("Escape")

    for names, _xmlid, action in screen.menus():
        screen.open(f"action-{action}")
        assert re.search(r"\w", screen.text()), names
