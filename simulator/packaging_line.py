"""The packaging line in Odoo, as a consultant sets it up: docs/tutorial-packaging-line.md says the same in words.

To be run where Odoo's ``env`` is at hand. What is packed has a serial number a pack, which a label printer tells late;
what goes into it has lots, which are scanned; rejects are weighed, and what was in them is scrapped for its reason.
"""

#: GTINs of the prefix that GS1 keeps for examples.
PACK_GTIN, POUCH_GTIN = "09506000134352", "09506000134369"
#: kg of a pack, and what it takes.
PACK_WEIGHT, POUCHES = 0.25, 2
#: What the line's scale calls the reason for which packs fall into its bin, and what that is in Odoo.
REASON, REASON_NAME = "SEAL", "Seal not tight"
CODE, ORIGIN = "packer", "Packaging line"

SIGNALS = (
    {"name": "State", "role": "state", "address": "holding:0", "data_type": "u16", "state_table": "packml_opc_30050"},
    {"name": "Good packs", "role": "good", "address": "holding:2", "data_type": "u32", "counter_width": "u32"},
    {"name": "Reject scale", "role": "scale", "address": "holding:4", "data_type": "u32", "unit": "GRM"},
    {"name": "Alarm", "role": "alarm", "address": "holding:6", "data_type": "u16"},
    {"name": "Scanner", "role": "scan", "address": "holding:8", "data_type": "string", "length": 32},
)


def label_of_lot(lot):
    """Return the GS1-128 on the label of a lot of pouches, as a scanner says it."""
    return f"]C101{POUCH_GTIN}10{lot}"


def set_up(env, port, *, quantity, lots, cycle=3.0, beat=10, **connection):
    """Make the line with what it packs, an order for it, and a source for its label printer.

    :param env: of Odoo
    :param int port: where the line listens on 127.0.0.1
    :param float quantity: packs that the order is for
    :param dict lots: ``{lot of pouches: how many are in stock}``
    :param float cycle: seconds of a pack; the counter believes half of it
    :param int beat: packs after which they enter stock while the order runs
    :param connection: further values of the connection
    :return: ids and names, JSON only
    """
    pack, pouch, carton = _products(env)
    workcenter = env["mrp.workcenter"].create({"name": "Packaging", "code": "PACK", "resource_calendar_id": False})
    bom = env["mrp.bom"].create(
        {
            "product_tmpl_id": pack.product_tmpl_id.id,
            "operation_ids": [(0, 0, {"name": "Packing", "workcenter_id": workcenter.id})],
            "bom_line_ids": [
                (0, 0, {"product_id": pouch.id, "product_qty": POUCHES}),
                (0, 0, {"product_id": carton.id, "product_qty": 1}),
            ],
        }
    )
    machine = env["mrp.machine"].create(
        {
            "name": "Packaging Line",
            "code": CODE,
            "workcenter_id": workcenter.id,
            "lot_source": "scan",
            "consumption_way": "lot",
            "reject_booking": "component",
            "scrap_events": "add",
            "stock_beat": "pieces",
            "beat_pieces": beat,
            "order_finish": "quantity",
        }
    )
    reached = env["mrp.machine.connection"].create(
        {
            "machine_id": machine.id,
            "host": "127.0.0.1",
            "port": port,
            "polled_by": "worker",
            "interval": 1.0,
            **connection,
        }
    )
    for signal in SIGNALS:
        more = {"fastest_cycle": cycle / 2} if signal["role"] == "good" else {}
        more |= {"scrap_reason": REASON} if signal["role"] == "scale" else {}
        env["mrp.machine.signal"].create({"machine_id": machine.id, "connection_id": reached.id, **signal, **more})
    tag = env["stock.scrap.reason.tag"].create({"name": REASON_NAME})
    env["mrp.machine.code"].create(
        {"machine_id": machine.id, "kind": "scrap_reason", "code": REASON, "scrap_tag_id": tag.id}
    )
    return {
        "machine": machine.id,
        "connection": reached.id,
        "lots": _in_stock(env, pouch, carton, lots, quantity),
        "pack": pack.id,
        "pouch": pouch.id,
        "carton": carton.id,
        **new_order(env, machine, bom, quantity),
        **_printer(env, machine),
    }


def demo(env, port, lots, known):
    """Return the line of the demo, made where it is not there, with an order that is open.

    :param list lots: of pouches
    :param dict known: what this returned before, with the printer's key; empty where that is not known
    """
    machine = env["mrp.machine"].search([("code", "=", CODE)])
    if not machine:
        return set_up(env, port, quantity=5_000, lots=dict.fromkeys(lots, 200_000))
    order = env["mrp.production"].search(
        [("origin", "=", ORIGIN), ("state", "in", ("confirmed", "progress"))], order="id", limit=1
    )
    if order:
        found = {"production": order.id, "workorder": order.workorder_ids.id, "order": order.name}
    else:
        bom = env["mrp.production"].search([("origin", "=", ORIGIN)], order="id desc", limit=1).bom_id
        found = new_order(env, machine, bom, 5_000)
    is_known = known.get("key") and env["mrp.machine.source"].browse(known["source"]).exists()
    return {**(known if is_known else _printer(env, machine)), "machine": machine.id, **found}


def _products(env):
    values = [
        {"name": "Tea, gift box", "tracking": "serial", "barcode": PACK_GTIN, "weight": PACK_WEIGHT},
        {"name": "Tea pouch", "tracking": "lot", "barcode": POUCH_GTIN},
        {"name": "Gift carton"},
    ]
    return env["product.product"].create([{"is_storable": True, **each} for each in values])


def _in_stock(env, pouch, carton, lots, quantity):
    place = env.ref("stock.stock_location_stock")
    found = {}
    for name, amount in lots.items():
        lot = env["stock.lot"].create({"name": name, "product_id": pouch.id})
        env["stock.quant"]._update_available_quantity(pouch, place, amount, lot_id=lot)
        found[name] = lot.id
    env["stock.quant"]._update_available_quantity(carton, place, 2 * quantity)
    return found


def new_order(env, machine, bom, quantity):
    """Make a confirmed order for the line; who loads it is the operator, by a scan of its name."""
    order = env["mrp.production"].create(
        {
            "product_id": bom.product_tmpl_id.product_variant_id.id,
            "bom_id": bom.id,
            "product_qty": quantity,
            "origin": ORIGIN,
        }
    )
    order.action_confirm()
    return {"production": order.id, "workorder": order.workorder_ids.id, "order": order.name}


def _printer(env, machine):
    """Make the source of the label printer and its key."""
    source = env["mrp.machine.source"].create(
        {"name": "Label printer", "machine_ids": machine.ids, "event_types": "identity.scan"}
    )
    made = env["mrp.machine.source.new.key"].create({"source_id": source.id}).action_make()["context"]
    return {
        "source": source.id,
        "code": machine.code,
        "key": made["default_key_name"],
        "secret": made["default_secret"],
        "environment": made["default_environment"],
        "uuid": made["default_database_uuid"],
    }
