"""What do effects cost, how soon do they come, and do more workers help? On a PostgreSQL with its durable defaults.

- ``folded_gain``, ``ratio_to_bare``: as ``./dev bench count`` has them.
- ``growth_ratio``: our posting beside a log and a stock with years in them, by our posting without, in turns.
- ``shadow_ratio``: our posting of a machine in shadow by that of a machine whose pieces are booked, in turns;
  ``shadow_ratio_beat``: the same where the pieces of each pass enter stock.
- ``lot_ratio_to_bare``: our posting of pieces of a lot that the machine names by the calls of MRP that do the same;
  ``lot_ratio_to_bare_beat``: the same where the pieces of each pass are a new lot and enter stock.
- ``workers_gain``: many machines with an order each and all their pieces in the queue, posted by one worker and by more, each
  time from a copy of the same database; at the end the books must be the same. ``workers_gain_shared``: where all products
  have one component in common, so that only one order at a time can be posted.
- ``latency_p95_s``: from the moment an event is stored to the moment its quantity is on the order, by ``odoo machine_worker``.
"""

import time
from datetime import timedelta

from benchmarks import count, harness, latency, lots
from benchmarks.posters import Posters
from devtools import postgres

WORKERS = (1, 2, 4)


def main(argv=None):
    """Run the benchmark and return its exit code."""
    options = harness.arguments(
        argv, "post", pieces=count.PIECES, postings=4, machines=50, events=200, rate=50, seconds=20.0,
        old_events=1_000_000, old_moves=500_000,
    )  # fmt: skip
    report = harness.Report("post", options.json)
    each, bare, ours, young, grown = _one_order(options)
    shadows = _shadows(options)
    names = ("MRP, a write a piece", "MRP, one write", "ours, folded", "ours, in turn with that", "ours, after years")
    report.rows(dict(zip(names, (each, bare, ours, young, grown), strict=True)), per=options.pieces, unit="piece")
    for title, samples in shadows.items():
        rows = dict(zip((f"booked{title}", f"in shadow{title}"), samples, strict=True))
        report.rows(rows, per=options.pieces, unit="piece")
    by_lot = lots.measure(options)
    for title, samples in by_lot.items():
        rows = dict(zip((f"MRP, a lot{title}", f"ours, a lot{title}"), samples, strict=True))
        report.rows(rows, per=options.pieces, unit="piece")
    apart, shared, p95 = _many_orders(options)
    pieces = options.machines * options.events
    for title, samples in (("components apart", apart), ("one in common", shared)):
        rows = {f"{title}, {number} workers": samples[number] for number in samples}
        report.rows(rows, per=pieces, unit="piece")
    report.figure("folded_gain", harness.ratio(each.cpu, ours.cpu), ">= 40")
    report.figure("ratio_to_bare", harness.paired(ours.cpu, bare.cpu), "<= 1.3")
    report.figure("growth_ratio", harness.paired(grown.cpu, young.cpu), "<= 1.1")
    for title, (booked, shadowed) in shadows.items():
        report.figure("shadow_ratio" + title.replace(", ", "_"), harness.paired(shadowed.cpu, booked.cpu), "<= 1.5")
    for title, (bare, ours) in by_lot.items():
        report.figure("lot_ratio_to_bare" + title.replace(", ", "_"), harness.paired(ours.cpu, bare.cpu), "<= 1.3")
    report.figure("workers_gain", harness.ratio(apart[1].seconds, apart[2].seconds), ">= 1.3")
    report.figure("workers_gain_shared", harness.ratio(shared[1].seconds, shared[2].seconds))
    report.figure("latency_p95_s", p95, "<= 3")
    return report.close()


# -- one order --------------------------------------------------------------------------------------------------------


def _one_order(options):
    """Return a Sample of each way on a young database, and of our posting on that and on an old one in turns."""
    with (
        harness.durable_database() as database,
        harness.odoo_environment(database) as env,
        harness.durable_database() as old_database,
        harness.odoo_environment(old_database) as old_env,
    ):
        young, old = (count.Scene(one, "operation", options.pieces) for one in (env, old_env))
        measured = count.measure(young, options, ("one_by_one", "one_write", "ours"))
        _live_for_years(old_env, options)
        return (*measured, *_in_turns((young, old), options))


def _shadows(options):
    """Return ``{what: (Sample of what is booked, Sample of the same in shadow)}``."""
    samples = {}
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        for title, values in (("", {}), (", beat", {"stock_beat": "pieces", "beat_pieces": options.pieces})):
            booked = BookedScene(env, f"booked{title}", options.pieces)
            shadowed = ShadowScene(env, f"in shadow{title}", options.pieces)
            for scene in (booked, shadowed):
                scene.change(values)
            shadowed.change({"posting_mode": "shadow"})
            samples[title] = _in_turns((booked, shadowed), options)
            assert booked.lines() == shadowed.lines(), "the shadow is not what was booked"
    return samples


class BookedScene(count.Scene):
    """A scene whose pieces may enter stock."""

    def compare(self, ways):
        """See that each event has had its effect."""
        assert self.endings() == [("posted", None, self._made)]
        order = self.env["mrp.production"].browse(self._orders["ours"])
        assert order.qty_producing == self._made

    def endings(self):
        """Return what became of events: ``[(state, reason, how many)]``."""
        self.env.cr.rollback()  # what was read before is of an earlier snapshot
        self.env.cr.execute(
            """SELECT row.state, row.reason, count(*) FROM mrp_machine_event event
                 JOIN mrp_machine_event_posting row ON row.event_id = event.id AND row.handler = 'production_count'
                WHERE event.machine_id = %s GROUP BY row.state, row.reason ORDER BY row.state""",
            [self._machine],
        )
        return self.env.cr.fetchall()


class ShadowScene(BookedScene):
    """A scene whose machine casts a shadow: its order stays as it was when that began, and lines say what would be."""

    def compare(self, ways):
        """See that nothing was booked, and that each event has its word."""
        assert self.endings() == [("ignored", "shadow", self._made - 1), ("posted", None, 1)]
        order = self.env["mrp.production"].browse(self._orders["ours"])
        assert (order.qty_producing, order.qty_produced) == (1, 0)

    def lines(self):
        """Return what would have been moved, in the order in which it would have been."""
        rows = self.env["mrp.machine.shadow"].search([("machine_id", "=", self._machine), ("kind", "=", "move")])
        return sorted((row.date, row.product_id.name.split()[-1], row.quantity) for row in rows)


def _in_turns(scenes, options):
    """Let our posting run on each of several databases in turn, and return a Sample for each."""
    samples = [harness.Sample() for _scene in scenes]
    for scene in scenes:
        scene.run("ours")
        scene.sessions.look()
    for _turn in range(options.rounds * options.postings):
        for scene, sample in zip(scenes, samples, strict=True):
            seconds, cpu = scene.run("ours")
            sample.seconds.append(seconds)
            sample.cpu.append(cpu)
    for scene in scenes:
        scene.compare(["ours"])
    return samples


def _live_for_years(env, options):
    """Fill the log with old events, each with its effect, and stock with moves of products that nobody posts on."""
    began = time.time()
    env.cr.rollback()
    event = env["mrp.machine.event"].search([], limit=1, order="id")
    # By SQL: a million rows, all alike but for what tells them apart.
    env.cr.execute(
        """WITH old AS (
               INSERT INTO mrp_machine_event (source_id, stream, uid, epoch, sequence, type, type_version, machine_id,
                      company_id, occurred, recorded, received, occurred_us, recorded_us, received_us, data, quality,
                      disposition, digest)
               SELECT source_id, 'old/' || n %% 12, md5(n::text), 1, n, type, type_version, machine_id, company_id, moment,
                      moment, moment, us, us, us, data, quality, disposition, md5(n::text)
                 FROM mrp_machine_event
                 JOIN (SELECT n, (1704067200 + n) * 1000000::int8 AS us,
                              to_timestamp(1704067200 + n) AT TIME ZONE 'UTC' AS moment
                         FROM generate_series(1, %s) AS n) AS made ON TRUE
                WHERE id = %s RETURNING id, machine_id, company_id)
           INSERT INTO mrp_machine_event_posting (event_id, machine_id, company_id, handler, state)
           SELECT id, machine_id, company_id, 'production_count', 'posted' FROM old""",
        [options.old_events, event.id],
    )
    move = env["stock.move"].search([("state", "=", "done")], limit=1, order="id")
    env.cr.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'stock_move'")
    columns = ", ".join(f'"{name}"' for (name,) in env.cr.fetchall() if name != "id")
    env.cr.execute(
        f"INSERT INTO stock_move ({columns}) SELECT {columns} FROM stock_move, generate_series(1, %s) WHERE id = %s",
        [options.old_moves, move.id],
    )
    env.cr.commit()
    env.cr.execute("ANALYZE mrp_machine_event, mrp_machine_event_posting, stock_move")
    env.cr.commit()
    print(f"  {options.old_events:,} events and {options.old_moves:,} moves more, in {time.time() - began:.0f} s")


# -- many orders ------------------------------------------------------------------------------------------------------


def _many_orders(options):
    """Return by number of workers a Sample of components apart, the same of one in common, and the latency."""
    with harness.durable_database() as database:
        with harness.odoo_environment(database) as env:
            plants = {
                "apart": Plant(env, "apart", options.machines, shared=False),
                "shared": Plant(env, "shared", options.machines, shared=True),
            }
            env.cr.commit()
            p95 = _latency(env, database, plants["apart"], options)
        samples = {name: _with_workers(database, plant, options) for name, plant in plants.items()}
    return samples["apart"], samples["shared"], p95


class Plant:
    """Machines, each with a work center and an order of its own; products have three components.

    :param env: of the superuser
    :param str name: of the plant
    :param bool shared: whether all products have one component in common
    """

    def __init__(self, env, name, machines, shared):
        self.machines, self.orders, self._made = [], [], 0
        common = self._products(env, name, 1) if shared else env["product.product"]
        for number in range(machines):
            code = f"{name}-{number}"
            product, *components = self._products(env, code, 3 if shared else 4)
            self._take_in(env, code, product, env["product.product"].concat(*components) | common)

    @staticmethod
    def _products(env, name, how_many):
        products = env["product.product"].create(
            [{"name": f"{name} {n}", "is_storable": True} for n in range(how_many)]
        )
        location = env["stock.warehouse"].search([("company_id", "=", env.company.id)], limit=1).lot_stock_id
        for product in products:
            env["stock.quant"]._update_available_quantity(product, location, 1_000_000)
        return products

    def _take_in(self, env, code, product, components):
        from odoo.fields import Command

        workcenter = env["mrp.workcenter"].create({"name": code, "resource_calendar_id": False})
        bom = env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "operation_ids": [Command.create({"name": "Make", "workcenter_id": workcenter.id})],
                "bom_line_ids": [Command.create({"product_id": part.id, "product_qty": 2.0}) for part in components],
            }
        )
        machine = env["mrp.machine"].create(
            {"name": code, "code": code, "workcenter_id": workcenter.id, "late_window": 0}
        )
        order = env["mrp.production"].create({"product_id": product.id, "bom_id": bom.id, "product_qty": 100_000})
        order.action_confirm()
        order.action_assign()
        env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, count.BEGAN.replace(tzinfo=None))
        self.machines.append(machine.id)
        self.orders.append(order.id)

    def receive(self, registry, pieces, machines=None):
        """Store so many events of one piece each for each machine, as a poller does, and return how many in all."""
        from odoo import SUPERUSER_ID, api
        from odoo.addons.mrp_machine_connect.machine_connect.event import Event

        events = []
        for made in range(self._made, self._made + pieces):
            moment = count.BEGAN + timedelta(seconds=made)
            data = {"kind": "good", "delta": 1, "total_before": made, "total_after": made + 1, "unit": "C62"}
            events.append(Event("production.count", moment, moment, data))
        self._made += pieces
        with registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            chosen = env["mrp.machine"].browse(machines or self.machines)
            batches = [(machine, machine._stream("bench"), {}, machine.mapping_version, events) for machine in chosen]
            env["mrp.machine.event"]._receive(env.ref("mrp_machine_connect.source_poller"), batches)
        return len(events) * len(machines or self.machines)


def _with_workers(database, plant, options):
    """Return ``{number of workers: Sample}`` of the same queue posted by each number, and see that the books are the same."""
    with harness.odoo_environment(database) as env:
        before = _books(database, plant)
        plant.receive(env.registry, options.events)
    cluster, samples, books = postgres.DURABLE, {number: harness.Sample() for number in WORKERS}, []
    for _round in range(options.rounds):
        for number, sample in samples.items():
            copy = f"{database}_{number}"
            cluster.clone(database, copy)
            posters = None
            try:
                posters = Posters(copy, number)
                seconds, cpu = harness.measure(posters.post, [harness.postgres_process(cluster), *posters.pids()])
                sample.seconds.append(seconds)
                sample.cpu.append(cpu)
                books.append(_books(copy, plant))
            finally:
                if posters:
                    posters.close()
                cluster.drop(copy)
    assert all(found == books[0] for found in books), "the books depend on the number of workers"
    for order, (quantity, *_rest) in books[0].items():
        assert quantity == (before[order][0] or 0) + options.events, f"order {order} has {quantity}"
    _empty_queue(database)
    return samples


def _books(database, plant):
    """Return by order: its quantity, its state, what its machine counted, and what it took of each component."""
    with latency.connect(database) as connection, connection.cursor() as cr:
        cr.execute(
            """SELECT production.id, production.qty_producing, production.state, workorder.qty_produced, workorder.state,
                      ledger.good, ledger.posted,
                      (SELECT array_agg(move.quantity ORDER BY move.product_id) FROM stock_move move
                        WHERE move.raw_material_production_id = production.id),
                      (SELECT count(*) FROM mrp_machine_event_posting row
                        WHERE row.machine_id = ledger.machine_id AND row.state = 'posted')
                 FROM mrp_production production
                 JOIN mrp_workorder workorder ON workorder.production_id = production.id
                 LEFT JOIN mrp_machine_ledger ledger ON ledger.production_id = production.id
                WHERE production.id = ANY(%s)""",
            [plant.orders],
        )
        return {order: rest for order, *rest in cr.fetchall()}


def _empty_queue(database):
    with latency.connect(database) as connection, connection, connection.cursor() as cr:
        cr.execute("DELETE FROM mrp_machine_queue")


# -- latency ----------------------------------------------------------------------------------------------------------


def _latency(env, database, plant, options):
    """Return within how many seconds 95 of 100 events are on their order, at a rate of events a second over 10 machines."""
    machines = plant.machines[:10]

    def receive():
        return plant.receive(env.registry, 1, machines)

    with latency.worker(database):
        return latency.p95(database, receive, options.rate, options.seconds)
