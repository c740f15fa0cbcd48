"""What a plant that trusts its machines with the books looks like: lots, scrap, consumption, energy, statements, a shadow."""

#: After the day of the stage: a line whose product and coil have lots, one machine in shadow, one that proposes.
BOOKS_CODE = """
from datetime import datetime, timedelta, timezone
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

now = datetime.now(timezone.utc).replace(microsecond=0)
naive = lambda moment: moment.replace(tzinfo=None)
log, source, poster = env["mrp.machine.event"], env.ref("mrp_machine_connect.source_poller"), env["mrp.machine.poster"]
location = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id


def told(what, at, **data):
    return Event(type=what, occurred=at, recorded=at, data=data)


def tell(machine, *events):
    log._receive(source, [(machine, machine._stream(), {}, machine.mapping_version, list(events))])
    while poster._post_machine(machine):
        pass


def counts(began, every, pieces, first, number, kind="good"):
    return [
        told("production.count", began + timedelta(seconds=every * n), kind=kind, delta=pieces,
             total_before=first + pieces * n, total_after=first + pieces * (n + 1), unit="C62")
        for n in range(number)
    ]


def product(name, code, tracking="none", **values):
    return env["product.product"].create({"name": name, "default_code": code, "is_storable": True, "tracking": tracking, **values})


def order_of(bom, quantity, workcenter):
    order = env["mrp.production"].create({"bom_id": bom.id, "product_id": bom.product_tmpl_id.product_variant_id.id,
                                          "product_qty": quantity, "date_start": naive(now - timedelta(hours=9))})
    order.action_confirm()
    order.action_assign()
    return order


hinge, coil, pin = product("Hinge H2", "H2", "lot"), product("Steel Coil", "COIL-2", "lot"), product("Hinge Pin", "PIN")
lots = env["stock.lot"].create([{"name": name, "product_id": coil.id} for name in ("C-2291", "C-2292", "C-2293")])
for lot in lots:
    env["stock.quant"]._update_available_quantity(coil, location, 900, lot_id=lot)
env["stock.quant"]._update_available_quantity(pin, location, 20000)
line = env["mrp.workcenter"].create({"name": "Hinge Line", "costs_hour": 48})
bom = env["mrp.bom"].create({
    "product_tmpl_id": hinge.product_tmpl_id.id, "planned_scrap_rate": 2.0,
    "operation_ids": [(0, 0, {"name": "Form", "workcenter_id": line.id})],
    "bom_line_ids": [(0, 0, {"product_id": coil.id, "product_qty": 1.5}), (0, 0, {"product_id": pin.id, "product_qty": 2})],
})
former = env["mrp.machine"].create({
    "name": "Hinge Former", "code": "former", "workcenter_id": line.id, "area": "Hall 1", "line": "Line 2", "late_window": 0,
    "lot_source": "machine", "consumption_way": "lot", "stock_beat": "minutes", "beat_minutes": 30, "reject_booking": "gross",
    "scrap_events": "explain", "statement_shifts": "times", "beat_shifts": "06:00, 14:00, 22:00",
})
tags = env["stock.scrap.reason.tag"].create([{"name": "Burr"}, {"name": "Crack"}])
env["mrp.machine.code"].create([
    {"machine_id": former.id, "kind": "scrap_reason", "code": code, "scrap_tag_id": tag.id}
    for code, tag in zip(("7", "9"), tags)
])
order = order_of(bom, 800, line)
began = now - timedelta(hours=7)
env["mrp.machine.loading"]._load(former, order, order.workorder_ids, naive(began - timedelta(minutes=10)))
tell(
    former,
    told("identity.operator", began - timedelta(minutes=9), value="OP-17"),
    told("identity.scan", began - timedelta(minutes=8), value="(10)H2-0415"),
    told("material.lot_changed", began - timedelta(minutes=8), value="H2-0415"),
    told("material.loaded", began - timedelta(minutes=7), lot="C-2291", qty=300),
    told("machine.state_changed", began, state="running", raw_value="6"),
    *counts(began, 60, 1, 0, 180),
)
tell(
    former,
    *counts(began + timedelta(minutes=40), 900, 2, 0, 4, "reject"),
    *[told("quality.scrap", began + timedelta(minutes=41 + 15 * n), qty=2, reason=("7", "9")[n % 2], stage="forming") for n in range(4)],
)
tell(
    former,
    told("material.unloaded", began + timedelta(minutes=181), lot="C-2291"),
    told("material.loaded", began + timedelta(minutes=182), lot="C-2292", qty=300),
    told("material.lot_changed", began + timedelta(minutes=183), value="H2-0416"),
    *counts(began + timedelta(minutes=184), 60, 1, 180, 150),
    told("machine.state_changed", began + timedelta(minutes=334), state="fault", raw_value="9"),
    told("machine.state_changed", began + timedelta(minutes=350), state="running", raw_value="6"),
    *[told("energy.interval", began + timedelta(hours=n + 1), kwh=3.4 + n / 10, carrier="electricity",
           start=(began + timedelta(hours=n)).isoformat(), end=(began + timedelta(hours=n + 1)).isoformat()) for n in range(5)],
    told("identity.scan", began + timedelta(minutes=351), value="]C10104012345123456"),
    told("quality.scrap", began + timedelta(minutes=352), qty=1, reason="44"),
)

# Another that only shows what it would do, and a third whose pieces wait for a person.
washer, strip = product("Washer W6", "W6"), product("Strip", "STRIP")
env["stock.quant"]._update_available_quantity(strip, location, 5000)
machines = {}
for name, code, mode in (("Washer Press", "washer", "shadow"), ("Packing Head", "packing", "propose")):
    workcenter = env["mrp.workcenter"].create({"name": name})
    bom = env["mrp.bom"].create({
        "product_tmpl_id": washer.product_tmpl_id.id, "operation_ids": [(0, 0, {"name": "Make", "workcenter_id": workcenter.id})],
        "bom_line_ids": [(0, 0, {"product_id": strip.id, "product_qty": 0.5})],
    })
    machine = machines[code] = env["mrp.machine"].create({
        "name": name, "code": code, "workcenter_id": workcenter.id, "area": "Hall 2", "late_window": 0, "posting_mode": mode,
        "stock_beat": "minutes", "beat_minutes": 30,
    })
    order = order_of(bom, 500, workcenter)
    env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, naive(began))
    tell(
        machine,
        told("machine.state_changed", began + timedelta(minutes=1), state="running", raw_value="6"),
        *counts(began + timedelta(minutes=2), 60, 1, 0, 200),
        told("machine.state_changed", began + timedelta(minutes=210), state="fault", raw_value="9"),
        told("machine.state_changed", began + timedelta(minutes=240), state="running", raw_value="6"),
    )
# Yesterday's late shift, signed; today's early one, to be looked at.
former.statement_until = naive((began - timedelta(days=1)).replace(hour=6, minute=0, second=0))
former._make_statements(naive(now))
"""
