"""A consultant imports the list of signals that the electrician sent, with two rows that cannot be right."""

import re

from .pages import DIALOG, Screen

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

    screen.press("action_import").expect("5 signals were imported. 2 rows are left")
    assert imported() == ALL - set(bad)

    def mend(name, column, value):
        row = rows.filter(has_text=name)
        row.locator(f"td[name={column}]").click()
        page.locator(f"{DIALOG} .o_selected_row [name={column}] input").fill(value)
        page.keyboard.press("Tab")

    mend("List pressure", "address", "holding:12")
    mend("List scrap", "fastest_cycle", "0.5")
    screen.press("action_import")
    page.locator(".o_notification", has_text=re.compile("2 signals were imported")).wait_for()
    page.wait_for_selector(DIALOG, state="detached")
    assert imported() == ALL
