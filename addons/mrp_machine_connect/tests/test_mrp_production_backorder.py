"""An order that entered stock in parts is closed with a backorder: both make what they are for, and no more."""

from odoo.tests import tagged

from .common import MachineConnectCommon


@tagged("post_install", "-at_install")
class TestMrpProductionBackorder(MachineConnectCommon):
    def in_stock(self, product):
        return sum(
            self.env["stock.quant"]
            .search([("product_id", "=", product.id), ("location_id", "=", self.location.id)])
            .mapped("quantity")
        )

    def close(self, order, backorder):
        order.with_context(
            skip_consumption=True,
            skip_backorder=True,
            skip_redirection=True,
            mo_ids_to_backorder=order.ids if backorder else [],
        ).button_mark_done()
        self.assertEqual(order.state, "done")

    def test_the_backorder_of_an_order_in_parts_makes_its_quantity_once(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 100})
        for part in range(3):
            self.receive(self.machine, self.count(100, seconds=600 * part + 60, before=100 * part))
            self.post(self.machine)
            self.post(self.machine)
        self.receive(self.machine, self.count(50, seconds=2000, before=300))
        self.post(self.machine)
        self.assertEqual((self.order.qty_produced, self.order.qty_producing), (300, 350))

        self.close(self.order, backorder=True)
        rest = self.order.production_group_id.production_ids - self.order
        self.assertEqual([move.product_uom_qty for move in rest.move_finished_ids], [650])
        rest.qty_producing = 650
        rest._set_qty_producing(False)
        self.close(rest, backorder=False)

        self.assertEqual([self.order.qty_produced, rest.qty_produced], [350, 650])
        self.assertEqual(self.in_stock(self.product), 1000)
        self.assertEqual(self.in_stock(self.component_a), 10_000 - 1000)
        self.assertEqual(self.in_stock(self.component_b), 10_000 - 4000)
