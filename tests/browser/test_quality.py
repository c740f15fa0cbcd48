"""Quality as people do it: an operator checks on a phone, what failed is held, an inspector releases it, a lot is traced."""

import re

import pytest

from .pages import PHONE, Screen

GROUPS = {
    "operator": "mrp_machine_connect.group_operator",
    "inspector": "quality_machine_event.group_quality_inspector",
}
#: Forms in which a context could be handed over from outside to get through the gate.
FORGED = ({}, {"quality_hold_passes": True}, {"quality_hold_passes": "RELEASED"}, {"quality_hold_passes": {}})


@pytest.fixture(scope="module")
def plant(odoo_server):
    """A machine, a lot of 100 in stock, an operator and an inspector."""
    call = odoo_server.call
    users = {}
    for role, group in GROUPS.items():
        module, name = group.split(".")
        [data] = call("ir.model.data", "search_read", [["module", "=", module], ["name", "=", name]], ["res_id"])
        stock = call(
            "ir.model.data", "search_read", [["module", "=", "stock"], ["name", "=", "group_stock_user"]], ["res_id"]
        )
        lots = call(
            "ir.model.data",
            "search_read",
            [["module", "=", "stock"], ["name", "=", "group_production_lot"]],
            ["res_id"],
        )
        [users[role]] = call(
            "res.users",
            "create",
            [
                {
                    "name": role.title(),
                    "login": f"quality-{role}",
                    "password": f"quality-{role}",
                    "group_ids": [(6, 0, [data["res_id"], stock[0]["res_id"], lots[0]["res_id"]])],
                }
            ],
        )
    [product] = call("product.product", "create", [{"name": "Axle", "is_storable": True, "tracking": "lot"}])
    [lot] = call("stock.lot", "create", [{"name": "AX-1", "product_id": product}])
    [location] = call(
        "stock.location",
        "search",
        [["usage", "=", "internal"], ["complete_name", "like", "/Stock"], ["company_id", "=", 1]],
        limit=1,
    )
    [quant] = call(
        "stock.quant",
        "create",
        [{"product_id": product, "lot_id": lot, "location_id": location, "inventory_quantity": 100}],
        context={"inventory_mode": True},
    )
    call("stock.quant", "action_apply_inventory", [quant])
    [machine] = call("mrp.machine", "create", [{"name": "Lathe", "code": "quality-lathe"}])
    return {"users": users, "product": product, "lot": lot, "quant": quant, "machine": machine, "location": location}


def check(plant, call, **values):
    [number] = call(
        "quality.machine.check",
        "create",
        [
            {
                "title": "Outer diameter",
                "kind": "measure",
                "machine_id": plant["machine"],
                "product_id": plant["product"],
                "lot_id": plant["lot"],
                "responsible_id": plant["users"]["operator"],
                "has_lower": True,
                "lower": 19.9,
                "has_upper": True,
                "upper": 20.1,
                "unit": "mm",
                **values,
            }
        ],
    )
    return number


def held(screen, plant):
    [row] = screen.call("stock.lot", "read", [plant["lot"]], ["quality_held"])
    return row["quality_held"]


def test_checked_on_a_phone_held_released_and_traced(plant, odoo_server, open_page):
    number = check(plant, odoo_server.call)

    # The operator measures, on a phone.
    phone = Screen(open_page(odoo_server, login="quality-operator", viewport=PHONE, is_mobile=True, has_touch=True))
    phone.open("my-machine-quality-checks")
    phone.expect("Outer diameter")
    assert (wide := phone.overflows()) <= 0, f"{wide} px wider than the window"
    phone.page.locator(".o_kanban_record").filter(has_text="Outer diameter").first.click()
    phone.page.wait_for_selector(".o_form_renderer")
    phone.quiet()
    phone.expect("19.9 to 20.1 mm")
    assert (wide := phone.overflows()) <= 0, f"{wide} px wider than the window"
    phone.fill("value", 20.4)
    phone.fill("note", "chatter marks")
    phone.press("action_done")
    phone.wait_until(lambda: held(phone, plant), "the lot is held")
    [done] = phone.call("quality.machine.check", "read", [number], ["state", "done_by", "note"])
    assert (done["state"], done["done_by"][0], done["note"]) == ("failed", plant["users"]["operator"], "chatter marks")

    # Nobody gets it out by the API, whatever the context says.
    for context in FORGED:
        for values in ({"quantity": 0}, {"location_id": 1}, {"reserved_quantity": 5}):
            with pytest.raises(Exception, match="held by quality"):
                odoo_server.call("stock.quant", "write", [plant["quant"]], values, context=context)
        scrap = {
            "product_id": plant["product"],
            "lot_id": plant["lot"],
            "scrap_qty": 1,
            "location_id": plant["location"],
        }
        [draft] = odoo_server.call("stock.scrap", "create", [scrap])
        with pytest.raises(Exception, match="held by quality"):
            odoo_server.call("stock.scrap", "do_scrap", [draft], context=context)

    # The inspector finds 97 good.
    desk = Screen(open_page(odoo_server, login="quality-inspector"))
    desk.open("machine-quality-holds")
    desk.expect("AX-1")
    desk.page.locator(".o_data_row").filter(has_text="AX-1").first.locator("td.o_data_cell").nth(1).click()
    desk.page.wait_for_selector(".o_form_renderer")
    desk.quiet()
    desk.press("action_release")
    desk.inside().locator('.o_field_widget[name="is_whole"] input').uncheck()
    desk.fill("good_quantity", 97)
    desk.fill("bad_quantity", 3)
    desk.fill("reason", "Each one measured")
    desk.inside().locator("footer button[name=action_release], .modal-footer button[name=action_release]").click()
    desk.wait_until(lambda: not held(desk, plant), "the lot is released")
    [stock] = desk.call("stock.quant", "read", [plant["quant"]], ["quantity"])
    assert stock["quantity"] == 97

    # And traces it.
    action = desk.call("stock.lot", "action_quality_recall", [plant["lot"]])
    desk.page.goto(f"/odoo/action-quality_machine_event.quality_machine_recall_action/{action['res_id']}")
    desk.page.wait_for_selector(".o_form_renderer")
    desk.quiet()
    desk.expect(re.compile("AX-1"))
    [recall] = desk.call("quality.machine.recall", "read", [action["res_id"]], ["lot_count", "in_stock", "seconds"])
    assert (recall["lot_count"], recall["in_stock"]) == (1, 97)


@pytest.mark.parametrize("login", ["quality-operator", "quality-inspector"])
def test_the_screens_of_quality_open_for_those_who_work_with_them(plant, odoo_server, open_page, login):
    screen = Screen(open_page(odoo_server, login=login, viewport=PHONE, is_mobile=True, has_touch=True))
    menus = [menu for menu in screen.menus() if menu[0][0] == "Quality" and "Upload" not in menu[0][-1]]
    assert len(menus) >= 6
    for names, _identifier, action in menus:
        screen.action(action)
        assert (wide := screen.overflows()) <= 0, f"{names}: {wide} px wider than the window"
