"""The stock that a machine's counts leave behind, beside that of the same quantities entered on a twin order by hand."""

from collections import defaultdict

from odoo.fields import Command
from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestStockQuants(MachineConnectCommon):
    """Booking looks up quants once a write and no more; what becomes of them must be what Odoo itself makes of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shelves = cls.env["stock.location"].create(
            [{"name": name, "location_id": cls.location.id, "usage": "internal"} for name in ("Shelf A", "Shelf B")]
        )
        cls.pallet = cls.env["stock.package"].create({"name": "PALLET-1"})

    def twin(self, name, tracked):
        """Return an order of 40 with stock of its own: a tracked and a plain component, scattered and too few of one."""
        plain, lots, product = self.env["product.product"].create(
            [
                {"name": f"{name} sheet", "is_storable": True},
                {"name": f"{name} coil", "is_storable": True, "tracking": "lot" if tracked else "none"},
                {"name": f"{name} part", "is_storable": True},
            ]
        )
        first, second = self.env["stock.lot"].create(
            [{"name": lot, "product_id": lots.id} for lot in ("COIL-1", "COIL-2")]
        )
        quants = self.env["stock.quant"]
        quants._update_available_quantity(plain, self.location, 7)
        quants._update_available_quantity(plain, self.shelves[0], 20)
        quants._update_available_quantity(plain, self.shelves[1], 9, package_id=self.pallet)
        for lot, shelf, quantity in ((first, self.shelves[0], 15), (second, self.shelves[1], 90)):
            quants._update_available_quantity(lots, shelf, quantity, lot_id=lot if tracked else None)
        bom = self.env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "operation_ids": [Command.create({"name": "Press", "workcenter_id": self.workcenter.id})],
                "bom_line_ids": [
                    Command.create({"product_id": plain.id, "product_qty": 1}),
                    Command.create({"product_id": lots.id, "product_qty": 2}),
                ],
            }
        )
        order = self.make_order(40, bom=bom)
        order.action_assign()
        return order

    def stock(self, order):
        """Return quantity and reservation of an order's products by place, as the quants say it."""
        found = defaultdict(lambda: [0.0, 0.0])
        products = order.move_raw_ids.product_id | order.product_id
        for quant in self.env["stock.quant"].search([("product_id", "in", products.ids)]):
            place = (
                quant.product_id.name.split()[-1], quant.location_id.name, quant.lot_id.name, quant.package_id.name
            )  # fmt: skip
            found[place][0] += quant.quantity
            found[place][1] += quant.reserved_quantity
        return {place: tuple(amounts) for place, amounts in found.items() if any(amounts)}

    def moved(self, order):
        """Return what the done moves of an order took and gave, by place."""
        found = defaultdict(float)
        for line in (order.move_raw_ids | order.move_finished_ids).move_line_ids.filtered(lambda x: x.state == "done"):
            name = line.product_id.name.split()[-1]
            found[name, line.location_id.name, line.lot_id.name, line.package_id.name] -= line.quantity
            found[name, line.location_dest_id.name, line.lot_id.name, line.result_package_id.name] += line.quantity
        return found

    def compare(self, tracked):
        fed, by_hand = self.twin("Fed", tracked), self.twin("Hand", tracked)
        before = self.stock(fed)
        self.assertEqual(before, self.stock(by_hand))
        self.env["mrp.machine.loading"]._load(self.machine, fed, fed.workorder_ids, self.at(10).replace(tzinfo=None))
        counted = 0
        # Up, up beyond the first quant, back by a correction, beyond the stock that there is.
        for number, pieces in enumerate((5, 1, 14, -8, 30)):
            at = self.at(20 + number)
            if pieces > 0:
                self.receive(self.machine, self.count(pieces, seconds=20 + number, before=counted))
            else:
                self.machine._adjust("good", pieces, "Test pieces", at=at.replace(tzinfo=None))
            self.post()
            counted += pieces
            self.enter(by_hand, counted)
            self.env.flush_all()
            self.env.invalidate_all()
            with self.subTest(counted=counted):
                self.assertEqual(fed.qty_producing, counted)
                self.assertEqual(self.stock(fed), self.stock(by_hand))
                self.assertEqual(self.lines(fed), self.lines(by_hand))
        for order in (fed, by_hand):
            order.with_context(skip_backorder=True, skip_consumption=True).button_mark_done()
            self.assertEqual(order.state, "done")
        after, moved = self.stock(fed), self.moved(fed)
        self.assertEqual(after, self.stock(by_hand))
        self.assertEqual(moved["part", self.location.name, False, False], 42)
        for place in {*before, *after, *moved} - {place for place in moved if place[1] == "Production"}:
            with self.subTest(place=place):
                had, has = before.get(place, (0.0, 0.0))[0], after.get(place, (0.0, 0.0))
                self.assertEqual(has, (had + moved.get(place, 0.0), 0.0))

    def enter(self, order, total):
        """Enter a total on an order as a person does, without anything of ours."""
        workorder = order.workorder_ids
        if workorder.state in ("blocked", "ready"):
            workorder.with_context(bypass_duration_calculation=True).write(
                {"state": "progress", "date_start": self.at(20).replace(tzinfo=None)}
            )
        workorder.qty_produced = total
        order.qty_producing = total
        order._set_qty_producing(False)

    def lines(self, order):
        """Return what each line of an order's components takes, and from where."""
        return sorted(
            (
                line.product_id.name.split()[-1],
                line.location_id.name,
                line.lot_id.name or "",
                line.package_id.name or "",
                line.quantity,
                line.picked,
            )
            for line in order.move_raw_ids.move_line_ids
        )

    def test_plain_components_from_several_places(self):
        self.compare(tracked=False)

    def test_components_in_lots_from_several_places(self):
        self.compare(tracked=True)
