from odoo import api, fields, models
from odoo.exceptions import UserError


class MachineLoadMaterial(models.TransientModel):
    """Say which lot of a component is on a machine, and from when on; or that it was taken off."""

    _name = "mrp.machine.load.material"
    _description = "Load Material"

    machine_id = fields.Many2one("mrp.machine", required=True)
    company_id = fields.Many2one(related="machine_id.company_id")
    what = fields.Selection(
        [("loaded", "Loaded"), ("unloaded", "Taken off")], required=True, default="loaded", help="What was done."
    )
    component_ids = fields.Many2many(
        "product.product", string="Components of the Order", compute="_compute_component_ids"
    )
    product_id = fields.Many2one(
        "product.product",
        string="Component",
        required=True,
        domain="[('tracking', '!=', 'none'), ('company_id', 'in', (False, company_id))]",
        help="What it is; proposed are the components of the order that runs here.",
    )
    lot_id = fields.Many2one(
        "stock.lot",
        required=True,
        domain="[('product_id', '=', product_id)]",
        help="As it stands on the label.",
    )
    uom_id = fields.Many2one(related="product_id.uom_id")
    quantity = fields.Float(
        digits="Product Unit",
        help="How much was brought, or is left where it was taken off. 0 when loading: not known.",
    )
    is_weighed = fields.Boolean("Rest Known", help="Tick it where the rest was weighed or counted, be it nothing.")
    at = fields.Datetime("When", required=True, default=fields.Datetime.now, help="From this moment on.")

    @api.depends("machine_id")
    def _compute_component_ids(self):
        for wizard in self:
            moves = wizard.machine_id.production_id.move_raw_ids
            wizard.component_ids = moves.product_id.filtered(lambda product: product.tracking != "none")

    @api.onchange("machine_id")
    def _onchange_machine_id(self):
        if not self.product_id and len(self.component_ids) == 1:
            self.product_id = self.component_ids

    @api.onchange("product_id")
    def _onchange_product_id(self):
        if self.lot_id.product_id != self.product_id:
            self.lot_id = False

    def action_apply(self):
        """Write the event down and let it have its effect at once."""
        self.ensure_one()
        if self.at > fields.Datetime.now():
            raise UserError(self.env._("When: this moment is still to come. Enter from when on it is there."))
        if self.quantity < 0:
            raise UserError(self.env._("Quantity: enter a number from 0 up."))
        told = self.is_weighed if self.what == "unloaded" else bool(self.quantity)
        self.machine_id._tell_material(self.what, self.lot_id, self.at, self.quantity if told else None)
        return {"type": "ir.actions.act_window_close"}
