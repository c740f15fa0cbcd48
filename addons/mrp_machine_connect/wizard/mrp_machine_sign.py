from odoo import api, fields, models
from odoo.exceptions import UserError

from ..quantities import number_text


class MachineSign(models.TransientModel):
    """Sign differences, corrections and statements, for a reason that a supervisor gives."""

    _name = "mrp.machine.sign"
    _description = "Sign Machine Statements"

    statement_ids = fields.Many2many("mrp.machine.statement", string="Statements", readonly=True)
    difference_ids = fields.Many2many("mrp.machine.difference", string="Differences", readonly=True)
    correction_ids = fields.Many2many("mrp.machine.statement.correction", string="Corrections", readonly=True)
    open_words = fields.Char(compute="_compute_open_words", help="What is still to be decided of the shift.")
    reason = fields.Char(required=True, help="Stays with each difference and correction, with your name.")

    @api.depends("statement_ids")
    def _compute_open_words(self):
        for wizard in self:
            pieces = sum(wizard.statement_ids.mapped("waiting")) + sum(wizard.statement_ids.mapped("held"))
            wizard.open_words = pieces and self.env._(
                "Pieces that wait or are held: %s. What becomes of them will show as a correction of the signed statement.",
                number_text(pieces),
            )

    def action_sign(self):
        """Sign them."""
        self.ensure_one()
        self.env["mrp.machine.statement"]._check_may_sign()
        reason = self.reason.strip()
        if not reason:
            raise UserError(self.env._("Say why: the reason stays with what you sign."))
        self.difference_ids._sign(reason)
        self.correction_ids._sign(reason)
        self.statement_ids._sign()
        return {"type": "ir.actions.act_window_close"}
