"""What a machine in shadow says of a recorded day is what a machine that books it books, line by line; and so it does itself."""

import pytest

from tests.integration import recorded
from tests.integration.plant import assert_exactly_once, set_up

#: Completed cycles of each day, by an independent reader of the file.
CYCLES = {"plates": 20, "hurco04": 9}
#: Days whose order closes in the midst of an interval: the time from its begin to the close is booked and not in the shadow.
CLOSED_WITHIN = {"hurco04": 1}

# The day is told in portions, each posted before the next comes: first in shadow, then by a machine that books, then the
# first machine books what it had shadowed.
QUESTION = """
from datetime import datetime

sheet, location = order.move_raw_ids.product_id, order.location_src_id
env["stock.quant"]._update_available_quantity(sheet, location, 1000)
twin, twin_order = env["mrp.machine"].browse(TWIN), env["mrp.production"].browse(TWIN_ORDER)
machine.posting_mode = "shadow"


def moved(order):
    moves = order.move_raw_ids | order.move_finished_ids | order.scrap_ids.move_ids
    found = {}
    for line in moves.filtered(lambda move: move.state == "done").move_line_ids:
        move = line.move_id
        key = (move, line.location_id.name, line.location_dest_id.name)
        found[key] = found.get(key, 0.0) + line.quantity
    return sorted(
        (move.product_id.name, quantity, source, destination, str(move.date), bool(move.scrap_id))
        for (move, source, destination), quantity in found.items()
    )


def shadowed(order):
    rows = env["mrp.machine.shadow"].search([("production_id", "=", order.id), ("kind", "in", ("move", "scrap"))])
    return sorted(
        (
            row.product_id.name, row.quantity, row.location_id.name, row.location_dest_id.name, str(row.date),
            row.kind == "scrap",
        )
        for row in rows
    )


def times(machine):
    lines = env["mrp.workcenter.productivity"].search([("workcenter_id", "=", machine.workcenter_id.id)])
    return sorted((str(line.date_start), str(line.date_end), line.duration, line.loss_id.name) for line in lines)


def shadowed_times(machine):
    lines = env["mrp.machine.shadow"].search([("machine_id", "=", machine.id), ("kind", "=", "time")])
    return sorted((str(line.date), str(line.date_end), line.duration, line.loss_id.name) for line in lines)


def stock():
    env.flush_all()
    found = []
    for table in ("stock_quant", "stock_move", "stock_move_line", "mrp_production", "mrp_workorder", "stock_scrap"):
        env.cr.execute(f"SELECT md5(string_agg(row::text, ',' ORDER BY row.id)) FROM {table} AS row")
        found += env.cr.fetchone()
    return found


def tell(machine):
    told = sorted(understood(machine, PATH, KEYS), key=lambda event: event.occurred)
    for start in range(0, len(told), 7):
        receive(machine, told[start : start + 7])
        post()


before = stock()
tell(machine)
untouched = stock() == before
tell(twin)
# What a host does each minute: time that another order has by now is put right.
env["mrp.machine.interval"]._cron_extend()
env.invalidate_all()
result = {
    "untouched": untouched,
    "shadow": shadowed(order),
    "booked": moved(twin_order),
    "shadow times": shadowed_times(machine),
    "times": times(twin),
    "cycles": sum(event.type == "production.cycle_completed" for event in env["mrp.machine.event"].search([("machine_id", "=", twin.id)])),
}
machine._change_mode("automatic", datetime(2017, 1, 1), "It agrees", takes_over=True)
env.cr.commit()
post()
env["mrp.machine.interval"]._cron_extend()
env.invalidate_all()
result["itself"] = [order.qty_producing, twin_order.qty_producing, order.state, twin_order.state]
result["times itself"] = times(machine)
"""


@pytest.mark.parametrize("day", CYCLES)
def test_the_shadow_of_a_day_is_what_is_booked_of_it(day, durable_database, odoo_shell, sql):
    plans = [recorded.plan(code, day, order=CYCLES[day]) for code in ("shadow", "booked")]
    for plan in plans:
        plan["machine"].update(stock_beat="pieces", beat_pieces=4, order_finish="quantity")
    machines = set_up(odoo_shell, plans)

    found = odoo_shell(
        recorded.ask(
            machines["shadow"],
            QUESTION,
            PATH=str(recorded.DAYS[day]),
            KEYS=recorded.KEYS[day],
            TWIN=machines["booked"]["machine"],
            TWIN_ORDER=machines["booked"]["production"],
        )
    )

    assert found["untouched"], "a shadow left a trace"
    assert found["cycles"] >= CYCLES[day]
    assert sum(quantity for product, quantity, *_rest in found["booked"] if product == "Bracket") == CYCLES[day]
    assert found["shadow"] == found["booked"]
    assert found["times"], "nothing to be compared"
    closed_within = CLOSED_WITHIN.get(day, 0)
    assert found["shadow times"] == found["times"][: len(found["times"]) - closed_within]
    assert found["itself"] == [CYCLES[day], CYCLES[day], "done", "done"]
    assert found["times itself"] == found["times"]
    assert_exactly_once(sql)
