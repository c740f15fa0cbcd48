"""Pictures of every screen, at a desk and on a phone: ``./dev screenshots``.

They go to ``.odoo/screenshots``; a handful of them, made small, also to the description page of the addon. A picture that
cannot be taken is said and does not keep the others from being taken.
"""

import argparse
import contextlib
import io
import re
import signal
import sys
import traceback
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from devtools import runner
from devtools.environment import ADDONS, HOME

from . import stage
from .conftest import CHROMIUM_ARGUMENTS, log_in
from .pages import DIALOG, SIZES, STILL, Screen

FOLDER = HOME / "screenshots"
DESCRIPTION = ADDONS / "mrp_machine_connect" / "static" / "description"
#: Pictures at a desk that go to the description page as well, and their names there.
DESCRIBED = {
    "overview": "banner.png",
    "connect-4-live": "screen_connect.png",
    "machine-signals": "screen_machine.png",
    "exceptions": "screen_exceptions.png",
    "timeline": "screen_times.png",
}
LARGEST = 150_000
PRESS, FILLER, DEAD = "Stamping Press 1", "Bottle Filler", "Deburring Cell"

SHOTS = {}


def shot(function):
    """A picture, named as the function that brings its screen up; one that begins with ``_`` belongs to a newcomer."""
    SHOTS[function.__name__.strip("_").replace("_", "-")] = function
    return function


def machine(screen, name):
    [number] = screen.ids("mrp.machine", [["name", "=", name]])
    return screen.record("machine-list", number)


def first(screen, action, model, domain=(), **kwargs):
    [number] = screen.ids(model, domain, limit=1, **kwargs)
    return screen.record(action, number)


@shot
def overview(screen):
    screen.open("machines")


@shot
def _empty_overview(screen):
    screen.open("machines")


@shot
def _empty_events(screen):
    screen.open("machine-events")


@shot
def _empty_exceptions(screen):
    screen.open("machine-exceptions")


@shot
def _empty_times(screen):
    screen.open("machine-times")


@shot
def _empty_counts(screen):
    screen.open("machine-counts")


@shot
def events(screen):
    screen.open("machine-events")


@shot
def event_form(screen):
    first(
        screen, "machine-events", "mrp.machine.event", [["type", "=", "production.count"], ["signal_id", "!=", False]]
    )


@shot
def event_form_raw(screen):
    event_form(screen)
    screen.tab("raw")


@shot
def event_form_effects(screen):
    event_form(screen)
    screen.tab("effects")


@shot
def event_form_waiting(screen):
    waits = [["posting_ids.reason", "=", "no_order"]]
    first(screen, "machine-events", "mrp.machine.event", waits)


@shot
def event_form_state(screen):
    first(
        screen,
        "machine-events",
        "mrp.machine.event",
        [["type", "=", "machine.state_changed"], ["state", "in", ["posted"]]],
    )


@shot
def event_graph(screen):
    screen.open("machine-events")
    if screen.page.locator(".o_switch_view.o_graph:visible").count():
        screen.page.click(".o_switch_view.o_graph")
    else:
        screen.page.locator(".o_cp_switch_buttons button, .o_cp_switch_buttons .dropdown-toggle").first.click()
        screen.page.locator(".o-dropdown--menu .dropdown-item", has_text="Graph").click()
    screen.page.wait_for_selector(".o_graph_renderer")


@shot
def exceptions(screen):
    screen.open("machine-exceptions")


@shot
def exception_form(screen):
    first(screen, "machine-exceptions", "mrp.machine.exception", [["reason", "=", "no_order"]])


@shot
def exception_events(screen):
    screen.open("machine-exception-events")


@shot
def exceptions_settled(screen):
    screen.open("machine-remedies")


@shot
def exception_map_code(screen):
    first(screen, "machine-exceptions", "mrp.machine.exception", [["reason", "=", "unknown_code"]])
    screen.press("action_map_code")


@shot
def exception_ignore(screen):
    first(screen, "machine-exceptions", "mrp.machine.exception", [["reason", "=", "no_order"]])
    screen.press("action_ignore")


@shot
def machines(screen):
    screen.open("machine-list")


@shot
def machine_form(screen):
    machine(screen, PRESS)


for _page in ("signals", "codes", "posting", "quality", "maintenance", "timeline", "loadings", "mapping", "notes"):

    def _turn(screen, page=_page):
        machine(screen, PRESS).tab(page)

    SHOTS[f"machine-{_page}"] = _turn


@shot
def replay(screen):
    machine(screen, PRESS).press("action_replay")
    screen.page.wait_for_selector(DIALOG)


@shot
def machine_failing(screen):
    machine(screen, DEAD)


@shot
def machine_paused(screen):
    machine(screen, "Box Maker")


@shot
def machine_new(screen):
    screen.page.goto("/odoo/machine-list/new")
    screen.settle()


@shot
def error_no_code(screen):
    machine_new(screen)
    screen.page.click(".o_form_button_save")
    screen.page.wait_for_selector(".o_notification, .o_field_invalid")


@shot
def test_answer(screen):
    machine(screen, PRESS).press("action_test")
    screen.page.wait_for_selector(".o_notification, .o_dialog .modal-content")


@shot
def test_refused(screen):
    machine(screen, DEAD).press("action_test")
    screen.page.wait_for_selector(".o_notification, .o_dialog .modal-content")


@shot
def read_now(screen):
    machine(screen, PRESS).press("action_read_now")
    screen.page.wait_for_selector(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record")


@shot
def read_now_opcua(screen):
    machine(screen, FILLER).press("action_read_now")
    screen.page.wait_for_selector(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record")


@shot
def read_now_refused(screen):
    machine(screen, DEAD).press("action_read_now")
    screen.page.wait_for_selector(".o_notification, .o_dialog .modal-content")


@shot
def browse(screen):
    machine(screen, FILLER).press("action_browse")
    screen.page.wait_for_selector(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record")


@shot
def browse_deep(screen):
    browse(screen)
    rows = screen.page.locator(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record:not(.o_kanban_ghost)")
    rows.filter(has_text="Filler").first.locator("button[name=action_open]").click()
    screen.expect("GoodCount")


@shot
def connect_1_what(screen):
    screen.open("machines").press("action_connect")
    screen.page.wait_for_selector(DIALOG)
    screen.choose("template_id", "Stamping press").fill("name", "Press 4").fill("code", f"P-{id(screen) % 99991}")


@shot
def connect_1_nothing_entered(screen):
    screen.open("machines").press("action_connect")
    screen.page.wait_for_selector(DIALOG)
    screen.press("action_next").expect("Name:")


@shot
def connect_2_where(screen):
    connect_1_what(screen)
    screen.press("action_next")
    screen.page.wait_for_selector(f"{DIALOG} [name=host]:visible")
    screen.fill("port", PORTS["press"])


@shot
def connect_2_wrong_port(screen):
    connect_2_where(screen)
    screen.fill("port", PORTS["dead"]).press("action_next").expect("nothing listens on port")


@shot
def connect_2_opcua(screen):
    screen.open("machines").press("action_connect")
    screen.page.wait_for_selector(DIALOG)
    screen.choose("template_id", "CNC with MT").fill("name", "Mill 7").press("action_next")
    screen.page.wait_for_selector(f"{DIALOG} [name=url]:visible")


@shot
def connect_3_drives(screen):
    connect_2_where(screen)
    screen.press("action_next")
    screen.page.wait_for_selector(f"{DIALOG} [name=workcenter_id]:visible")


@shot
def connect_4_live(screen):
    connect_3_drives(screen)
    screen.press("action_connect")
    screen.page.wait_for_selector(f"{DIALOG} .o_data_row, {DIALOG} .o_kanban_record")


@shot
def import_errors(screen):
    machine(screen, PRESS).tab("signals").press("action_import_signals")
    screen.page.set_input_files(
        f"{DIALOG} input[type=file]", files=[{"name": "press.csv", "mimeType": "text/csv", "buffer": LIST}]
    )
    screen.press("action_check").expect("rows cannot become")


@shot
def import_begin(screen):
    machine(screen, PRESS).tab("signals").press("action_import_signals")
    screen.page.wait_for_selector(DIALOG)


@shot
def try_it(screen):
    machine(screen, PRESS).tab("signals").press("action_try")
    screen.page.wait_for_selector(DIALOG)
    screen.choose("signal_id", "Good").fill("previous", "1 34454").fill("registers", "1 34464").expect("10 pieces")


@shot
def load_order(screen):
    machine(screen, "Stamping Press 2").press("action_load_order")
    screen.page.wait_for_selector(DIALOG)


@shot
def add_pieces(screen):
    machine(screen, PRESS).press("action_adjust")
    screen.page.wait_for_selector(DIALOG)


@shot
def pause(screen):
    machine(screen, PRESS).press("action_pause")
    screen.page.wait_for_selector(DIALOG)


@shot
def report_times(screen):
    screen.open("machine-times")


@shot
def report_times_pivot(screen):
    screen.page.goto("/odoo/machine-times?view_type=pivot")
    screen.settle()


@shot
def report_counts(screen):
    screen.open("machine-counts")


@shot
def report_postings(screen):
    screen.open("machine-postings")


@shot
def posting_form(screen):
    first(screen, "machine-postings", "mrp.machine.posting", [["handler", "=", "production_count"]])


@shot
def posting_form_time(screen):
    first(screen, "machine-postings", "mrp.machine.posting", [["handler", "=", "work_time"]])


@shot
def _empty_postings(screen):
    screen.open("machine-postings")


@shot
def timeline(screen):
    screen.open("machine-timeline")


@shot
def templates(screen):
    menu(screen, "Templates")


@shot
def template_form(screen):
    [number] = screen.ids("mrp.machine.template", [["name", "ilike", "Stamping press"]])
    screen.record("machine-templates", number)


@shot
def codes(screen):
    menu(screen, "Codes")


@shot
def signals(screen):
    menu(screen, "Signals")


@shot
def signal_form(screen):
    first(screen, "machine-signals", "mrp.machine.signal", [["role", "=", "good"]])


@shot
def connections(screen):
    menu(screen, "Connections")


@shot
def connection_form(screen):
    first(screen, "machine-connections", "mrp.machine.connection", [["protocol", "=", "modbus"]])


@shot
def connection_form_opcua(screen):
    first(screen, "machine-connections", "mrp.machine.connection", [["protocol", "=", "opcua"]])


@shot
def connection_certificate(screen):
    """Of a server that takes encrypted lines alone; the first try makes our certificate."""
    secured = [["security_policy", "!=", "none"], ["protocol", "=", "opcua"]]
    if not screen.ids("mrp.machine.connection", secured):
        [filler] = screen.ids("mrp.machine", [["name", "=", FILLER]])
        [number] = screen.call(
            "mrp.machine.connection",
            "create",
            [{"machine_id": filler, "protocol": "opcua", "polled_by": "cron", "interval": 60, "timeout": 1,
              "url": "opc.tcp://127.0.0.1:4855/secured", "security_policy": "Basic256Sha256"}],
        )  # fmt: skip
        with contextlib.suppress(AssertionError):  # nobody listens there
            screen.call("mrp.machine.connection", "action_test", [number])
    first(screen, "machine-connections", "mrp.machine.connection", secured)


@shot
def connection_failing(screen):
    first(screen, "machine-connections", "mrp.machine.connection", [["machine_id.name", "=", DEAD]])


@shot
def sources(screen):
    menu(screen, "Sources")


@shot
def source_form(screen):
    first(screen, "machine-sources", "mrp.machine.source", [["name", "=like", "Line controller%"]])


for _page in ("figures", "rights", "keys", "refused", "streams", "translations"):

    def _turn_source(screen, page=_page):
        source_form(screen)
        screen.tab(page)

    SHOTS[f"source-{_page}"] = _turn_source


@shot
def source_bearer(screen):
    first(screen, "machine-sources", "mrp.machine.source", [["name", "=", "Old scale"]])


@shot
def source_bearer_keys(screen):
    source_bearer(screen)
    screen.tab("keys")


@shot
def source_new_key(screen):
    source_form(screen)
    screen.press("action_new_key")
    screen.page.wait_for_selector(DIALOG)


@shot
def source_key_made(screen):
    source_new_key(screen)
    screen.press("action_make").expect("secret")


@shot
def source_translation(screen):
    source_form(screen)
    screen.tab("translations")
    if not screen.page.locator(
        ".o_field_x2many .o_data_row, .o_field_x2many .o_kanban_record:not(.o_kanban_ghost)"
    ).count():
        screen.press("action_add_telegraf")
    screen.page.locator("[name=translation_ids] .o_data_row, [name=translation_ids] .o_kanban_record").first.click()
    screen.settle()


@shot
def source_new(screen):
    screen.page.goto("/odoo/machine-sources/new")
    screen.settle()


@shot
def gaps(screen):
    screen.open("machine-gaps")


@shot
def refusals(screen):
    screen.open("machine-refusals")


@shot
def armings(screen):
    screen.open("machine-armings")


@shot
def workers(screen):
    menu(screen, "Workers")


@shot
def mapping_versions(screen):
    menu(screen, "Mapping Versions")


@shot
def settings(screen):
    menu(screen, "Settings")
    screen.page.wait_for_selector("[name=machine_event_days]")


@shot
def quality_alerts(screen):
    menu(screen, "Quality Alerts")


@shot
def quality_alert(screen):
    [number] = screen.ids("quality.machine.alert", [], limit=1)
    action = next(action for names, _xmlid, action in screen.menus() if names[-1] == "Quality Alerts")
    screen.record(f"action-{action}", number)


@shot
def maintenance_request(screen):
    [number] = screen.ids("maintenance.request", [["machine_id", "!=", False]], limit=1)
    screen.record("action-maintenance.hr_equipment_request_action", number)


@shot
def equipment(screen):
    [number] = screen.ids("maintenance.equipment", [["name", "=", PRESS]], limit=1)
    screen.record("action-maintenance.hr_equipment_action", number)


@shot
def order(screen):
    [number] = screen.ids("mrp.production", [["product_id.name", "=", "Bracket A4"]], limit=1)
    screen.record("action-mrp.mrp_production_action", number)


@shot
def order_postings(screen):
    order(screen)
    stat_button(screen, "action_machine_postings")


@shot
def work_order(screen):
    [number] = screen.ids("mrp.workorder", [["production_id.product_id.name", "=", "Bracket A4"]], limit=1)
    screen.record("action-mrp.mrp_workorder_todo", number)


@shot
def stock_moves(screen):
    screen.open("moves-analysis?view_type=list")


@shot
def stock_move(screen):
    [number] = screen.ids("stock.move", [["raw_material_production_id.product_id.name", "=", "Bracket A4"]], limit=1)
    screen.record("moves-analysis", number)


@shot
def workcenter(screen):
    [number] = screen.ids("mrp.workcenter", [["name", "=", "Stamping"]], limit=1)
    screen.record("action-mrp.mrp_workcenter_action", number)


def stat_button(screen, name):
    """Press one of the buttons above a form; what has no room there is folded away."""
    button = screen.page.locator(f'button[name="{name}"]:visible')
    if not button.count():
        screen.page.locator(".o-form-buttonbox .o_button_more, .o_button_more").first.click()
    screen.page.locator(f'button[name="{name}"]:visible').first.click()
    return screen.settle()


def menu(screen, name):
    """Open an action by the name of its menu, where menus fold away on a phone."""
    action = next(action for names, _xmlid, action in screen.menus() if names[-1] == name)
    screen.open(f"action-{action}")


#: Five good rows and two that are not.
LIST = b"""Name,Role,Address,Data Type,Fastest Cycle (s),Unit
Spare good,good,holding:2,u32,0.5,
Spare reject,reject,holding:4,u16,0.5,
Stroke,value,holding:6,f32,,SEC
Oil,value,holding:8,f32,,CEL
Alarm number,alarm,holding:5,u16,,
Pressure,value,hold1ng:12,f32,,BAR
Second counter,good,holding:14,u32,,
"""

PORTS = {"press": 15020, "dead": 9}


def take(browser, url, size, names, height=None):
    """Take the pictures of one size and return the names of those that could not be taken.

    :param int height: of the window, for what lies further down; None for the usual one
    """
    failed = []
    options = dict(SIZES[size])
    if height:
        options["viewport"] = {**options["viewport"], "height": height}
    contexts = {}
    for name in names:
        function = SHOTS[name]
        login = stage.NEWCOMER if function.__name__.startswith("_empty") else "admin"
        if login not in contexts:
            context = browser.new_context(base_url=url, locale="en-US", **STILL, **options)
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: print(f"    page error: {error}", flush=True))
            page.on("console", lambda m: print(f"    console: {m.text}", flush=True) if m.type == "error" else None)
            log_in(page, login)
            contexts[login] = page
        page = contexts[login]
        screen = Screen(page)
        path = FOLDER / f"{name}-{size}.png"
        try:
            function(screen)
            screen.quiet()
            page.wait_for_timeout(400)  # charts and dialogs fade in
            if (wide := screen.overflows()) > 0:
                print(f"  {name} ({size}) is {wide} px wider than the window", flush=True)
            page.screenshot(path=path)
            if size == "desktop" and name in DESCRIBED:
                (DESCRIPTION / DESCRIBED[name]).write_bytes(small(path))
        except Exception as error:
            failed.append(name)
            page.screenshot(path=path)
            where = next(
                frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if "browser" in frame.filename
            )
            print(f"  {name} ({size}), line {where.lineno}, {where.line}: {str(error)[:300]}", flush=True)
        page.goto("about:blank")
    for page in contexts.values():
        page.context.close()
    return failed


def small(path):
    """A picture for the description page: of a width that pages show, in few colours."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((1200, 1200), Image.Resampling.LANCZOS)
        for colours in (256, 128, 64, 32):
            target = io.BytesIO()
            picture.quantize(colours, dither=Image.Dither.NONE).save(target, "PNG", optimize=True)
            if target.tell() <= LARGEST:
                break
        return target.getvalue()


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="./dev screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="?", default="", help="a regular expression for the names of pictures")
    parser.add_argument("--size", choices=("desktop", "phone"), help="only this one")
    parser.add_argument("--height", type=int, help="pixels of the window, to see what lies further down")
    parser.add_argument("--list", action="store_true", help="say the names and end")
    parser.add_argument("--server", metavar="URL", help="of a server that --stage left running")
    parser.add_argument(
        "--stage", action="store_true", help="set the stage and wait for Ctrl-C instead of taking pictures"
    )
    options = parser.parse_args(arguments)
    names = [name for name in SHOTS if re.search(options.only, name)]
    if options.list:
        print("\n".join(names))
        return 0
    if options.server:
        PORTS.update(_ports_of(options.server))
        return shoot(options.server, names, options.size, options.height)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in the background
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), stage.set_up() as (server, plant):
        PORTS.update(plant.ports)
        if options.stage:
            (HOME / "stage.txt").write_text(f"{server.url} {plant.ports['press']}\n")
            print(f"{server.url}", flush=True)
            server.wait_until(lambda: False, "", 24 * 3600)
        return shoot(server.url, names, options.size, options.height)
    return 1


def _ports_of(url):
    text = Path(HOME / "stage.txt").read_text().split()
    return {"press": int(text[1])} if text[0] == url else {}


def shoot(url, names, size=None, height=None):
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=runner.chromium(), args=CHROMIUM_ARGUMENTS)
        for each in [size] if size else ["desktop", "phone"]:
            failed += take(browser, url, each, names, height)
        browser.close()
    print(f"{len(names)} screens in {FOLDER}; not taken: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


# At the end: they add to the pictures of this file, with what this file has.
from . import screens_of_books, screens_of_care  # noqa: E402, F401

if __name__ == "__main__":
    from tests.browser import screenshots  # not this module, which nobody else sees under this name

    sys.exit(screenshots.main())
