"""A person scans at a machine: on a phone into the field, at a desk with a scanner that types wherever the cursor stands."""

import pytest
from playwright.sync_api import expect

from .pages import PHONE, Screen

FIELD = ".o_mrp_machine_scan input"
ANSWER = ".o_mrp_machine_scan [role=status]"
#: GTIN-13 of the GS1 prefix for examples.
GTIN = "9521234543213"


@pytest.fixture(scope="module")
def line(odoo_server):
    """A packaging line with an order of a product that is tracked by lots: ``(machine, order, its name)``."""
    call = odoo_server.call
    [workcenter] = call("mrp.workcenter", "create", [{"name": "Packing"}])
    film, pack = call(
        "product.product",
        "create",
        [
            {"name": "Film", "is_storable": True},
            {"name": "Pack of Six", "is_storable": True, "tracking": "lot", "barcode": GTIN},
        ],
    )
    [template] = call("product.product", "read", [pack], ["product_tmpl_id"])
    [bom] = call(
        "mrp.bom",
        "create",
        [
            {
                "product_tmpl_id": template["product_tmpl_id"][0],
                "bom_line_ids": [(0, 0, {"product_id": film, "product_qty": 1})],
                "operation_ids": [(0, 0, {"name": "Pack", "workcenter_id": workcenter})],
            }
        ],
    )
    [order] = call("mrp.production", "create", [{"product_id": pack, "bom_id": bom, "product_qty": 500}])
    call("mrp.production", "action_confirm", [order])
    [row] = call("mrp.production", "read", [order], ["name"])
    [machine] = call("mrp.machine", "create", [{"name": "Packer", "code": "packer", "workcenter_id": workcenter}])
    return machine, order, row["name"]


def loaded(screen, machine):
    rows = screen.call("mrp.machine.loading", "search_read", [["machine_id", "=", machine]], ["production_id"])
    return [row["production_id"][0] for row in rows]


def lots(screen, machine):
    rows = screen.call("mrp.machine.lot", "search_read", [["machine_id", "=", machine]], ["lot_id"])
    return [row["lot_id"] and row["lot_id"][1] for row in rows]


def test_order_and_lot_are_scanned_on_a_phone_and_at_a_desk(line, odoo_server, open_page):
    machine, order, name = line
    phone = Screen(open_page(odoo_server, viewport=PHONE, is_mobile=True, has_touch=True))
    phone.record("machine-list", machine)
    assert (wide := phone.overflows()) <= 0, f"{wide} px wider than the window"
    phone.page.locator(FIELD).fill(name)
    phone.page.locator(FIELD).press("Enter")
    expect(phone.page.locator(ANSWER)).to_contain_text(f"{name} - Pack loaded on Packer")
    expect(phone.page.locator(FIELD)).to_have_value("")
    phone.wait_until(lambda: loaded(phone, machine) == [order], "the order is loaded")
    assert (wide := phone.overflows()) <= 0, f"{wide} px wider than the window"

    # What nobody knows is said at once, and waits.
    phone.page.locator(FIELD).fill("NOBODY-KNOWS")
    phone.page.locator(FIELD).press("Enter")
    expect(phone.page.locator(ANSWER)).to_contain_text("«NOBODY-KNOWS» was scanned at Packer")

    # A label that was misread is refused.
    phone.page.locator(FIELD).fill("]C10109506000134353")
    phone.page.locator(FIELD).press("Enter")
    expect(phone.page.locator(ANSWER)).to_contain_text("Scan it again")

    # A scanner types like a keyboard, and the cursor stands nowhere.
    desk = Screen(open_page(odoo_server))
    desk.record("machine-list", machine)
    desk.page.evaluate("document.activeElement.blur()")
    desk.page.keyboard.type(f"]C1010{GTIN}10LOT-1")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator(ANSWER)).to_contain_text("is made as lot LOT-1")
    desk.wait_until(lambda: lots(desk, machine) == ["LOT-1"], "the lot is taken")
