from odoo import fields, models

from .mrp_machine_statement_part import PIECES


class MachineStatementCorrection(models.Model):
    """What became known of a shift after its statement was signed: by how much each figure of an order changed.

    A signed statement with its corrections says what would stand there had all been known.
    """

    _name = "mrp.machine.statement.correction"
    _description = "Correction of a Machine Statement"
    _order = "statement_id desc, id"
    _rec_name = "words"

    statement_id = fields.Many2one(
        "mrp.machine.statement",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        help="What is corrected.",
    )
    company_id = fields.Many2one(related="statement_id.company_id", store=True, index=True)
    machine_id = fields.Many2one(related="statement_id.machine_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production", string="Order", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    movement = fields.Float("Counters Moved", readonly=True, digits=PIECES, help="More or fewer than was signed.")
    good = fields.Float(readonly=True, digits=PIECES, help="More or fewer good pieces than were signed.")
    reject = fields.Float("Rejected", readonly=True, digits=PIECES, help="More or fewer rejects than were signed.")
    scrap = fields.Float("Scrapped", readonly=True, digits=PIECES, help="More or less scrap than was signed.")
    waiting = fields.Float(readonly=True, digits=PIECES, help="More or fewer waiting pieces than were signed.")
    held = fields.Float(readonly=True, digits=PIECES, help="More or fewer held pieces than were signed.")
    explained = fields.Float(readonly=True, digits=PIECES, help="What differences make up for, more or less.")
    words = fields.Char(readonly=True, help="What changed, in a sentence.")
    reason = fields.Char(readonly=True, help="What the one who signed it said.")
    signed_by_id = fields.Many2one("res.users", readonly=True, help="Who stands for it.")
    signed = fields.Datetime(readonly=True, help="When it was signed.")

    def _order_key(self):
        """Return the order as a Reconciliation names it."""
        self.ensure_one()
        return (self.production_id.id, self.workorder_id.id or 0) if self.production_id else None

    def action_sign(self):
        """Ask for the reason with which these corrections are signed."""
        statements = self.env["mrp.machine.statement"]
        statements._check_may_sign()
        return statements._action_sign({"default_correction_ids": self.filtered(lambda row: not row.signed).ids})

    def _sign(self, reason):
        """Sign these corrections for the user."""
        # sudo: nobody writes a correction by hand; who may sign was checked
        self.sudo().filtered(lambda correction: not correction.signed).write(
            {"reason": reason, "signed_by_id": self.env.uid, "signed": fields.Datetime.now()}
        )
