"""A consultant imports the list of signals that the electrician sent, with two rows that cannot be right."""

import re

from playwright.sync_api import expect

from devtools.environment import ROOT

from .pages import DIALOG, PHONE, Screen

TUTORIAL = ROOT / "docs" / "tutorial-connect-a-machine.md"

LIST = """Name,Role,Address,Data Type,Fastest Cycle (s),Unit
List state,state,holding:0,u16,,
List reject,reject,holding:4,u16,0.5,
List stroke,value,holding:6,f32,,SEC
List oil,value,holding:8,f32,,CEL
List alarm,alarm,holding:5,u16,,
List pressure,value,hold1ng:12,f32,,BAR
List scrap,rework,holding:14,u32,,
"""
ALL = {f"List {word}" for word in ("state", "reject", "stroke", "oil", "alarm", "pressure", "scrap")}


def test_good_rows_are_imported_and_bad_ones_are_mended(page):
    screen = Screen(page)
    [machine] = screen.ids("mrp.machine", [["code", "=", "press"]])

    def imported():
        found = screen.call(
            "mrp.machine.signal", "search_read", [["machine_id", "=", machine], ["name", "=like", "List %"]], ["name"]
        )
        return {signal["name"] for signal in found}

    screen.record("machine-list", machine).tab("signals").press("action_import_signals")
    page.wait_for_selector(DIALOG)
    page.set_input_files(
        f"{DIALOG} input[type=file]", files=[{"name": "press.csv", "mimeType": "text/csv", "buffer": LIST.encode()}]
    )
    screen.press("action_check").expect("2 rows cannot become a signal yet")
    rows = page.locator(f"{DIALOG} .o_data_row")
    assert rows.count() == 7
    assert imported() == set(), "looking imports nothing"
    words = {row.locator("[name=name]").inner_text(): row.locator("[name=error]").inner_text() for row in rows.all()}
    bad = {name: text for name, text in words.items() if text}
    assert set(bad) == {"List pressure", "List scrap"}
    assert "hold1ng" in bad["List pressure"]
    assert "Give the fastest cycle in seconds" in bad["List scrap"]

    screen.press("action_import").expect("Signals imported: 5. Rows left: 2.")
    assert imported() == ALL - set(bad)

    mend(screen, 0, "address", "holding:12")
    screen.press("action_check_lines").expect("1 row cannot become a signal yet")
    assert "Signals imported" not in screen.text(), "what the last import said is over"
    mend(screen, 1, "fastest_cycle", "0.5")
    screen.press("action_check_lines").expect("2 rows are good. Press «Import Good Rows».")
    assert "cannot become" not in screen.text()
    screen.press("action_import")
    page.locator(".o_notification", has_text=re.compile("Signals imported: 2")).wait_for()
    page.wait_for_selector(DIALOG, state="detached")
    assert imported() == ALL


def test_the_list_of_the_tutorial_is_imported_as_the_tutorial_says(page, odoo_server):
    words = TUTORIAL.read_text()
    csv = re.search(r"^```csv\n(.*?)^```", words, re.S | re.M)[1]
    call = odoo_server.call
    [machine] = call("mrp.machine", "create", [{"name": "Tutorial list", "code": "tutorial-list"}])
    call("mrp.machine.connection", "create", [{"machine_id": machine, "host": "127.0.0.1", "port": 15019}])
    screen = Screen(page)

    look_at(screen, machine, csv)
    rows = page.locator(f"{DIALOG} .o_data_row")
    bad = [row.locator("[name=name]").inner_text() for row in rows.all() if row.locator("[name=error]").inner_text()]
    assert bad == ["Strokes", "Pressure"]
    assert "Two rows are red" in words
    assert "Three signals are made" in words
    screen.press("action_import").expect("Signals imported: 3. Rows left: 2.")
    mend(screen, 0, "fastest_cycle", "0.5")
    mend(screen, 1, "name", "Stroke time")
    mend(screen, 1, "address", "holding:6")
    mend(screen, 1, "data_type", "f32")
    screen.press("action_check_lines").expect("2 rows are good.")
    screen.press("action_import")
    page.wait_for_selector(DIALOG, state="detached")
    found = call("mrp.machine.signal", "search_read", [["machine_id", "=", machine]], ["name"])
    assert {signal["name"] for signal in found} == {
        "Program", "Oil temperature", "Mode", "Strokes", "Stroke time",
    }  # fmt: skip


def test_on_a_phone_a_row_says_what_to_do_and_is_mended(open_page, odoo_server):
    page = open_page(odoo_server, viewport=PHONE, is_mobile=True, has_touch=True)
    screen = Screen(page)
    [machine] = screen.ids("mrp.machine", [["code", "=", "press"]])

    look_at(screen, machine, "".join(LIST.replace("List ", "Phone ").splitlines(keepends=True)[:7]))
    screen.expect("1 row cannot become a signal yet")
    card = page.locator(f"{DIALOG} .o_kanban_record", has_text="Phone pressure")
    words = card.locator(".text-danger")
    assert "«hold1ng:12» is not an address" in words.inner_text()
    box = words.bounding_box()
    assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"], (
        "all of it can be read without scrolling sideways"
    )
    assert screen.overflows() <= 0
    card.click()
    screen.fill("address", "holding:12")
    page.locator(f"{DIALOG} .o_form_button_save").last.click()
    screen.quiet()
    screen.press("action_check_lines").expect("6 rows are good.")
    assert not card.locator(".text-danger").inner_text()


def look_at(screen, machine, csv):
    """Open the import of a machine and let it look at a list."""
    screen.record("machine-list", machine).tab("signals").press("action_import_signals")
    screen.page.wait_for_selector(DIALOG)
    screen.page.set_input_files(
        f"{DIALOG} input[type=file]", files=[{"name": "list.csv", "mimeType": "text/csv", "buffer": csv.encode()}]
    )
    screen.press("action_check")


def mend(screen, position, column, value):
    """Correct a cell of the list of rows; a row that is being edited cannot be found by its words."""
    row = screen.page.locator(f"{DIALOG} .o_data_row").nth(position)
    row.locator(f"td[name={column}]").click()
    # Until the click is heard the row before is the one that is edited.
    expect(row).to_have_class(re.compile("o_selected_row"))
    row.locator(f"[name={column}] input").fill(value)
    screen.page.keyboard.press("Tab")
