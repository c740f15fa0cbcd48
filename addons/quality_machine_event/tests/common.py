"""What the tests of quality have in common: people of each role, and a lot of brackets in stock."""

from odoo.addons.mrp_machine_connect.tests.common import MachineConnectCommon
from odoo.fields import Command

#: The roles, each by its group.
ROLES = {
    "stock": "stock.group_stock_manager",
    "operator": "mrp_machine_connect.group_operator",
    "inspector": "quality_machine_event.group_quality_inspector",
    "supervisor": "mrp_machine_connect.group_supervisor",
    "manager": "mrp_machine_connect.group_manager",
}


class QualityCommon(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            role: cls.env["res.users"].create(
                {"name": role, "login": f"quality-{role}", "group_ids": [Command.set([cls.env.ref(group).id])]}
            )
            for role, group in ROLES.items()
        }
        cls.customers = cls.env.ref("stock.stock_location_customers")
        cls.warehouse = cls.location.warehouse_id
        cls.shelf = cls.env["stock.location"].create(
            {"name": "Shelf", "usage": "internal", "location_id": cls.location.id}
        )
        cls.quarantine = cls.env["stock.location"].create(
            {
                "name": "Quarantine",
                "usage": "internal",
                "location_id": cls.location.id,
                "is_quality_quarantine": True,
            }
        )
        cls.tracked = cls.env["product.product"].create(
            {"name": "Tracked bracket", "is_storable": True, "tracking": "lot", "default_code": "TB"}
        )
        cls.lot = cls.make_lot("L1", 100)
        cls.other_lot = cls.make_lot("L2", 0)

    @classmethod
    def make_lot(cls, name, quantity, product=None, location=None):
        product = product or cls.tracked
        lot = cls.env["stock.lot"].create({"name": name, "product_id": product.id})
        if quantity:
            cls.env["stock.quant"]._update_available_quantity(product, location or cls.location, quantity, lot_id=lot)
        return lot

    def hold(self, lot=None, quantity=0.0, user="inspector", **values):
        holds = self.env["quality.machine.hold"].with_user(self.users[user])
        return holds._place("scratches", lot=lot or self.lot, quantity=quantity, **values)

    def on_hand(self, lot=None, location=None):
        quants = self.env["stock.quant"].search(
            [("lot_id", "=", (lot or self.lot).id), ("location_id", "child_of", (location or self.location).id)]
        )
        return sum(quants.mapped("quantity"))

    def reserved(self, lot=None):
        quants = self.env["stock.quant"].search(
            [("lot_id", "=", (lot or self.lot).id), ("location_id.usage", "=", "internal")]
        )
        return sum(quants.mapped("reserved_quantity"))

    def transfer(self, quantity, destination=None, source=None, product=None, kind=None):
        """Return a confirmed transfer, a delivery where it goes to customers."""
        destination = destination or self.customers
        kind = kind or (self.warehouse.out_type_id if destination.usage == "customer" else self.warehouse.int_type_id)
        product = product or self.tracked
        picking = self.env["stock.picking"].create(
            {
                "picking_type_id": kind.id,
                "location_id": (source or self.location).id,
                "location_dest_id": destination.id,
                "move_ids": [
                    Command.create(
                        {
                            "product_id": product.id,
                            "product_uom_qty": quantity,
                            "location_id": (source or self.location).id,
                            "location_dest_id": destination.id,
                        }
                    )
                ],
            }
        )
        picking.action_confirm()
        return picking

    def make_tracked_bom(self, product=None, component=None):
        """Return a bill of materials without operations: one of the component for each piece."""
        product = product or self.env["product.product"].create(
            {"name": "Door", "is_storable": True, "tracking": "lot"}
        )
        return self.env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "product_qty": 1.0,
                "bom_line_ids": [Command.create({"product_id": (component or self.tracked).id, "product_qty": 1.0})],
            }
        )
