from odoo import api, fields, models


class QualityMachineHoldPlace(models.TransientModel):
    """Hold a lot, or a part of it, for a reason that a person gives."""

    _name = "quality.machine.hold.place"
    _description = "Hold a Lot"

    lot_id = fields.Many2one("stock.lot", string="Lot/Serial Number", help="What is held.")
    product_id = fields.Many2one(related="lot_id.product_id", help="What it is.")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit", help="The unit of the quantity.")
    on_hand = fields.Float(compute="_compute_on_hand", digits="Product Unit", help="So much of it lies in stock.")
    is_whole = fields.Boolean("The Whole Lot", default=True, help="And all that is added to it.")
    quantity = fields.Float(digits="Product Unit", help="So much of it is held.")
    production_id = fields.Many2one("mrp.production", string="Order", help="That it is made on.")
    blocks_order = fields.Boolean("Order Waits", help="Nothing more is booked on the order until it is released.")
    alert_id = fields.Many2one("quality.machine.alert", readonly=True, help="The alert behind it.")
    reason = fields.Char("Why", required=True, help="Stays with the hold, and is printed on its tag.")

    @api.depends("lot_id")
    def _compute_on_hand(self):
        for wizard in self:
            wizard.on_hand = wizard.lot_id._quality_on_hand() if wizard.lot_id else 0.0

    def action_hold(self):
        """Hold it, and open the hold."""
        self.ensure_one()
        hold = self.env["quality.machine.hold"]._place(
            self.reason.strip(),
            lot=self.lot_id,
            production=self.production_id,
            quantity=0.0 if self.is_whole else self.quantity,
            machine_id=self.alert_id.machine_id.id,
            alert_id=self.alert_id.id,
            blocks_order=self.blocks_order,
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "quality.machine.hold",
            "res_id": hold.id,
            "view_mode": "form",
        }
