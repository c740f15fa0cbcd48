"""Of which lot are the pieces that wait for one? Said once, for all of them."""

from odoo import fields, models
from odoo.exceptions import UserError

from ..postings.outcome import Outcome


class MachineLotEnter(models.TransientModel):
    """Say of which lot a machine's pieces of an order are, from a moment on; a lot that is not there is created."""

    _name = "mrp.machine.lot.enter"
    _description = "Enter the Lot of a Machine's Pieces"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True)
    production_id = fields.Many2one("mrp.production", string="Order", required=True, readonly=True)
    product_id = fields.Many2one(related="production_id.product_id")
    name = fields.Char("Lot", required=True, help="The name of the lot; one that is not there yet is created.")
    date_start = fields.Datetime(
        "From", required=True, help="Pieces made from then on, up to the next lot that was told, are of it."
    )

    def action_enter(self):
        """Take the lot; what waited for it is posted by itself."""
        self.ensure_one()
        self.env["mrp.machine.event.posting"]._check_supervisor()
        if self.date_start > fields.Datetime.now():
            raise UserError(self.env._("From: this moment is still to come. Enter since when it is so."))
        self.machine_id.check_access("read")
        # sudo: the right to decide on exceptions was checked; lots are created in the machine's company
        machine = self.machine_id.sudo().with_company(self.machine_id.company_id)
        try:
            machine._take_lot(self.production_id.sudo(), self.name.strip(), self.date_start, "person")
        except Outcome as refused:
            raise UserError(refused.message) from refused
        return {"type": "ir.actions.act_window_close"}
