from odoo import fields, models

from ..fields import BigInteger


class MachineOrderChange(models.Model):
    """What a person changed on an order that a machine feeds: found with the next count, and kept by its time."""

    _name = "mrp.machine.order.change"
    _description = "Quantity Changed by Hand"
    _order = "found_us desc, id desc"
    _log_access = False
    _rec_name = "production_id"

    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, ondelete="cascade", help="Whose next count found it."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production", string="Order", required=True, readonly=True, index=True, ondelete="cascade"
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", ondelete="cascade"
    )
    quantity = fields.Float(readonly=True, digits=(16, 6), help="More than before, or fewer, in the order's unit.")
    found_us = BigInteger(
        "Found (µs)",
        required=True,
        readonly=True,
        help="When the first piece was made that was counted after it, in microseconds since 1970.",
    )

    _machine_found = models.Index("(machine_id, found_us)")
