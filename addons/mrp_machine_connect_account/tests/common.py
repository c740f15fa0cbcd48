"""The plant of the core's tests with books: real-time valuation, labour of 60 an hour, components at 1.00."""

from contextlib import contextmanager
from datetime import timedelta

from odoo.addons.mrp_machine_connect.tests.common import T0, MachineConnectCommon


class MachineAccountCommon(MachineConnectCommon):
    """A bracket of one sheet of 1.00 and four rivets of 0.25: components of 2.00 a piece."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.zero = T0.replace(tzinfo=None)
        cls.production_account = cls.env["account.account"].create(
            {"name": "Production", "code": "MC1001", "account_type": "asset_current"}
        )
        cls.stock_production = cls.product.with_company(cls.company).property_stock_production
        cls.stock_production.valuation_account_id = cls.production_account
        cls.categories = {
            (method, valuation): cls.env["product.category"].create(
                {
                    "name": f"{method} {valuation}",
                    "property_cost_method": method,
                    "property_valuation": valuation,
                }
            )
            for method in ("standard", "average", "fifo")
            for valuation in ("periodic", "real_time")
        }
        cls.component_a.standard_price, cls.component_b.standard_price = 1.0, 0.25
        cls.known_before(cls.product | cls.component_a | cls.component_b)
        cls.productive = cls.env.ref("mrp.block_reason7")
        cls.order.action_cancel()

    @classmethod
    def known_before(cls, products):
        """Let products, and the prices that were set for them, be older than the tests' day, as any product is.

        Odoo keeps the price of a new product, 0.00 too, as one that a person set at that moment.
        """
        cls.env["product.value"].search([("product_id", "in", products.ids), ("move_id", "=", False)]).date = (
            cls.zero - timedelta(days=1)
        )

    @contextmanager
    def undone(self):
        """Undo what is done within, for the next case to begin as this one."""
        with self.env.cr.savepoint() as savepoint:
            yield
            savepoint.rollback()
        self.env.invalidate_all()

    def use(self, method, valuation="periodic", products=None):
        """Let products be valued by a method; by default the bracket."""
        products = products or self.product
        products.categ_id = self.categories[method, valuation]
        self.known_before(products)

    def new_order(self, quantity=1000, **values):
        """Return an order of one step, in progress on the press."""
        order = self.make_order(quantity, **values)
        order.workorder_ids.with_context(bypass_duration_calculation=True).write(
            {"state": "progress", "date_start": self.zero}
        )
        return order

    def work(self, order, begin, end, step=None):
        """Book time of an order's step, in minutes of the tests' day; one costs 1.00."""
        step = step or order.workorder_ids[:1]
        return self.env["mrp.workcenter.productivity"].create(
            {
                "workcenter_id": step.workcenter_id.id,
                "workorder_id": step.id,
                "loss_id": self.productive.id,
                "company_id": step.company_id.id,
                "date_start": self.zero + timedelta(minutes=begin),
                "date_end": self.zero + timedelta(minutes=end),
            }
        )

    def put_in_stock(self, order, total, minute=None):
        """Post a part of an order by MRP's own calls, as the beat does; dated at a minute of the tests' day."""
        moves = order.move_raw_ids | order.move_finished_ids
        before = moves.filtered(lambda move: move.state == "done")
        order.qty_producing = total
        order._set_qty_producing(False)
        order._post_inventory()
        new = (order.move_raw_ids | order.move_finished_ids).filtered(lambda move: move.state == "done") - before
        if minute is not None:
            new._date_at(self.zero + timedelta(minutes=minute))
        return new

    def close(self, order, total=None, minute=None):
        """Close an order as MRP does."""
        moves = order.move_raw_ids | order.move_finished_ids
        before = moves.filtered(lambda move: move.state == "done")
        if total:
            order.qty_producing = total
            order._set_qty_producing(False)
        order.with_context(skip_consumption=True, skip_backorder=True, skip_redirection=True).button_mark_done()
        self.assertEqual(order.state, "done")
        new = (order.move_raw_ids | order.move_finished_ids).filtered(lambda move: move.state == "done") - before
        if minute is not None:
            new._date_at(self.zero + timedelta(minutes=minute))
        return new

    def made(self, order):
        """Return the finished moves of an order that are done, in order."""
        moves = order.move_finished_ids.filtered(
            lambda move: move.state == "done" and move.product_id == order.product_id
        )
        return moves.sorted(lambda move: (move.date, move.id))
