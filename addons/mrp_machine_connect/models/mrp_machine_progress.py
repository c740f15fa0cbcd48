from odoo import api, fields, models


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

    def init(self):
        """Give a row to each machine that is older than this table, once machines have the column that points to it."""
        self.pool.post_init(self._fill)

    @api.model
    def _fill(self):
        # By SQL: the machines of a whole database, while it is upgraded.
        self.env.cr.execute(
            """INSERT INTO mrp_machine_progress (machine_id)
               SELECT id FROM mrp_machine machine
                WHERE NOT EXISTS (SELECT FROM mrp_machine_progress WHERE machine_id = machine.id)"""
        )
        self.env.cr.execute(
            """UPDATE mrp_machine machine SET progress_id = progress.id FROM mrp_machine_progress progress
                WHERE progress.machine_id = machine.id AND machine.progress_id IS DISTINCT FROM progress.id"""
        )

    @api.model
    def _of(self, machine):
        """Return the row of a machine; one that has none, however it was lost, is given one."""
        # sudo: the hot row belongs to the machine; nobody has rights to create one by hand
        machine = machine.sudo()
        if not machine.progress_id:
            rows = self.sudo()
            machine.progress_id = rows.search([("machine_id", "=", machine.id)]) or rows.create(
                {"machine_id": machine.id}
            )
        return machine.progress_id
