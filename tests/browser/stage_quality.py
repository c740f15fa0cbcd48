"""What quality finds to do on a machine: defects and stops without a cause, too much scrap, checks, a hold, a lot that went out."""

#: People of each role with no rights beside it; for each of ``SIZES`` a machine, an order and lots of its own.
QUALITY_CODE = """
from datetime import datetime, timedelta, timezone

from odoo import Command
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

log, poster, source = env["mrp.machine.event"], env["mrp.machine.poster"], env.ref("mrp_machine_connect.source_poller")
now = datetime.now(timezone.utc).replace(microsecond=0)
shelf = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id
ROLES = {
    "operator": "mrp_machine_connect.group_operator",
    "supervisor": "mrp_machine_connect.group_supervisor",
    "inspector": "quality_machine_event.group_quality_inspector",
}
people = {
    role: env["res.users"].create({
        "name": f"Quality {role}", "login": f"task-{role}", "password": f"task-{role}",
        "group_ids": [Command.set([env.ref(group).id])],
    })
    for role, group in ROLES.items()
}
burr = env["stock.scrap.reason.tag"].create({"name": "Burr on the edge"})


def tell(machine, *told):
    events = [
        Event(kind, now - timedelta(minutes=minutes), now - timedelta(minutes=minutes), data) for minutes, kind, data in told
    ]
    log._receive(source, [(machine, machine._stream(), {}, machine.mapping_version, events)])
    while poster._post_machine(machine):
        pass


def count(kind, pieces):
    return "production.count", {"kind": kind, "delta": pieces, "total_before": 0, "total_after": pieces, "unit": "C62"}


def lot_in_stock(product, name, quantity):
    lot = env["stock.lot"].create({"name": name, "product_id": product.id})
    env["stock.quant"]._update_available_quantity(product, shelf, quantity, lot_id=lot)
    return lot


def order(bom, quantity):
    found = env["mrp.production"].create(
        {"product_id": bom.product_tmpl_id.product_variant_id.id, "bom_id": bom.id, "product_qty": quantity})
    found.action_confirm()
    found.action_assign()
    return found


def deliver(product, quantity, partner):
    kind = shelf.warehouse_id.out_type_id
    places = {"location_id": shelf.id, "location_dest_id": env.ref("stock.stock_location_customers").id}
    picking = env["stock.picking"].create({
        "picking_type_id": kind.id, "partner_id": partner.id, **places,
        "move_ids": [Command.create({"product_id": product.id, "product_uom_qty": quantity, **places})],
    })
    picking.action_confirm()
    picking.action_assign()
    picking.move_ids.picked = True
    picking.button_validate()


def plant(size):
    axle, bar = env["product.product"].create([
        {"name": f"{name} {size}", "is_storable": True, "tracking": "lot", "standard_price": 4} for name in ("Axle", "Bar")])
    bom = env["mrp.bom"].create({
        "product_tmpl_id": axle.product_tmpl_id.id, "planned_scrap_rate": 2,
        "bom_line_ids": [Command.create({"product_id": bar.id, "product_qty": 1})],
    })
    # A lot that went out, of one that came in; made before, by hand
    used = lot_in_stock(bar, f"BAR-{size}", 500)
    sold = env["stock.lot"].create({"name": f"SOLD-{size}", "product_id": axle.id})
    before = order(bom, 20)
    before.write({"qty_producing": 20, "lot_producing_ids": [Command.link(sold.id)]})
    before._set_qty_producing(False)
    before.move_raw_ids.picked = True
    before.button_mark_done()
    customer = env["res.partner"].create({"name": f"Customer {size}"})
    deliver(axle, 5, customer)
    # What the machine makes now
    machine = env["mrp.machine"].create({"name": f"Lathe {size}", "code": f"task-{size}", "late_window": 0})
    production = order(bom, 100)
    production.lot_producing_ids = env["stock.lot"].create({"name": f"NEW-{size}", "product_id": axle.id})
    env["mrp.machine.loading"]._load(
        machine, production, production.workorder_ids, (now - timedelta(hours=3)).replace(tzinfo=None))
    env["quality.machine.rule"].create({
        "name": f"Stop of lathe {size}", "machine_id": machine.id, "trigger": "event", "event_type": "alarm.raised",
        "action": "alert", "gate": "none"})
    tell(machine, (60, *count("good", 40)), (50, *count("reject", 6)),
         (40, "quality.defect", {"characteristic": f"Burr {size}", "qty": 2}),
         (30, "alarm.raised", {"code": "270", "text": "Tool broken", "severity": 700}))
    # What quality holds, and what it looks at
    wrong = lot_in_stock(axle, f"HELD-{size}", 30)
    env["quality.machine.hold"]._place("Scratches", lot=wrong, machine_id=machine.id)
    checked = lot_in_stock(axle, f"CHECKED-{size}", 30)
    about = {"machine_id": machine.id, "product_id": axle.id, "lot_id": checked.id, "responsible_id": people["operator"].id}
    checks = env["quality.machine.check"].create([
        {"title": f"First piece {size}", "kind": "pass_fail", "gate": "until", **about},
        {"title": f"Scratches {size}", "kind": "count", "most": 1, "gate": "failed", **about},
        {"title": f"Diameter {size}", "kind": "measure", "has_lower": True, "lower": 19.9, "has_upper": True, "upper": 20.1,
         "unit": "mm", "gate": "failed", **about},
    ])
    # A ladder, and an alert that stays open
    team = env["quality.machine.team"].create({
        "name": f"Lathes {size}",
        "step_ids": [Command.create({"delay": 2, "role": "Shift leader", "user_id": people["supervisor"].id})]})
    waits = env["quality.machine.alert"].create(
        {"title": f"Seal leaks {size}", "machine_id": machine.id, "production_id": production.id, "team_id": team.id})
    return {
        "machine": machine.id, "order": production.id, "order name": production.name, "sold": sold.id, "held": wrong.id,
        "checked": checked.id, "checks": checks.ids, "alert": waits.id, "customer": customer.name, "used": used.name,
    }


result = {"people": {role: user.id for role, user in people.items()}, "burr": burr.id}
result.update((size, plant(size)) for size in SIZES)
"""
