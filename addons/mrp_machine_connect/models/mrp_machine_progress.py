from odoo import fields, models


class MachineProgress(models.Model):
    """Which order runs on a machine and how far it is: the hot row of postings, beside that of polls."""

    _name = "mrp.machine.progress"
    _description = "Machine Progress"
    _log_access = False
    _rec_name = "machine_id"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    production_id = fields.Many2one(
        "mrp.production", string="Order", readonly=True, index="btree_not_null", ondelete="set null"
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", ondelete="set null"
    )
    good = fields.Float(readonly=True, digits=(16, 3), help="Good pieces counted on the order in progress.")
    reject = fields.Float(readonly=True, digits=(16, 3), help="Rejected pieces counted on the order in progress.")
    target = fields.Float(readonly=True, digits=(16, 3), help="Quantity of the order in progress.")

    _machine_unique = models.UniqueIndex("(machine_id)")
