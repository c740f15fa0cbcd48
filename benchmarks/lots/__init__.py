"""What does it cost that pieces are of a lot, beside the calls of MRP that do the same? Part of ``post``.

The machine names the lot with each count; MRP's own calls find the lot, set it on the order and write the quantity once.
"""

from benchmarks import count, harness


def measure(options):
    """Return ``{what: (Sample of MRP's own calls, Sample of our posting of the same)}`` of a product with lots."""
    samples = {}
    with harness.durable_database() as database, harness.odoo_environment(database) as env:
        for title, beat in (("", False), (", beat", True)):
            scene = LotScene(env, f"lots{title}", options.pieces, beat)
            samples[title] = tuple(count.measure(scene, options, ("one_write", "ours")))
    return samples


class LotScene(count.Scene):
    """A scene whose product is tracked by lot; the machine names the lot with each count.

    :param bool beat: each pass makes a lot of its own, and its pieces enter stock
    """

    def __init__(self, env, name, pieces, beat):
        self._beat, self._passes = beat, 0
        super().__init__(env, name, pieces)
        if beat:
            self.change({"stock_beat": "pieces", "beat_pieces": pieces})

    def _bill_of_materials(self, name, workcenter):
        bom = super()._bill_of_materials(name, workcenter)
        bom.product_tmpl_id.tracking = "lot"
        return bom

    def _lot(self, number):
        return f"L{number}" if self._beat else "L"

    def _data(self, made):
        # The first piece, with which the order begins, is of the lot of the first pass.
        return {**super()._data(made), "lot": self._lot(max(1, (made - 1) // self.pieces + 1))}

    def one_write(self):
        """MRP's own calls: the lot, one write of all pieces and, on the beat, their entry into stock."""
        from odoo import api

        self._passes += 1
        with self.registry.cursor() as cr:
            env = api.Environment(cr, self._user, {"allowed_company_ids": [self._company]})
            order, lots = env["mrp.production"].browse(self._orders["one_write"]), env["stock.lot"]
            values = {"name": f"bare {self._lot(self._passes)}", "product_id": order.product_id.id}
            lot = lots.search([(name, "=", value) for name, value in values.items()]) or lots.create(values)
            if order.lot_producing_ids != lot:
                order.lot_producing_ids = lot
            order.workorder_ids.qty_produced += self.pieces
            if self._beat:
                # What is left of the part before it bears the lot of that.
                open_moves = order.move_finished_ids.filtered(lambda move: move.state not in ("done", "cancel"))
                open_moves.move_line_ids.lot_id = lot
                order._post_inventory()
                rest = order.move_raw_ids.filtered(lambda move: move.state not in ("done", "cancel"))
                rest.picked = False
                rest._action_assign()

    def _outcome(self, way):
        """Return also how much of each lot is in stock, and of which lot the order is now; lots by the end of their names."""
        order, in_stock = self.env["mrp.production"].browse(self._orders[way]), {}
        for line in order.move_finished_ids.filtered(lambda move: move.state == "done").move_line_ids:
            name = line.lot_id.name.split()[-1]
            in_stock[name] = in_stock.get(name, 0.0) + line.quantity
        now = [name.split()[-1] for name in order.lot_producing_ids.mapped("name")]
        return *super()._outcome(way), in_stock, now
