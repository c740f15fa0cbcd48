from odoo import api, fields, models
from odoo.exceptions import UserError


class QualityMachineHoldRelease(models.TransientModel):
    """Let go what is held, wholly or the good part of it, for a reason that a person gives."""

    _name = "quality.machine.hold.release"
    _description = "Release a Hold"

    hold_ids = fields.Many2many("quality.machine.hold", string="Holds", readonly=True, help="What is released.")
    count = fields.Integer(compute="_compute_held", help="So many holds.")
    held_now = fields.Float(compute="_compute_held", digits="Product Unit", help="So much is held.")
    uom_id = fields.Many2one("uom.uom", compute="_compute_held", help="The unit of it.")
    is_whole = fields.Boolean("All of It Is Good", default=True, help="All of it is let go.")
    good_quantity = fields.Float("Good", digits="Product Unit", help="So much is good, and let go.")
    bad_quantity = fields.Float("Bad", digits="Product Unit", help="So much is bad. What is neither stays held.")
    is_scrapped = fields.Boolean("Scrap What Is Bad", default=True, help="Else it stays held.")
    scrap_location_id = fields.Many2one(
        "stock.location",
        domain="[('usage', '=', 'inventory')]",
        default=lambda self: self._default_scrap_location(),
        help="Where it is scrapped to.",
    )
    reason = fields.Char("Why", required=True, help="Stays with the hold, with your name.")

    @api.model
    def _default_scrap_location(self):
        # sudo: a quality inspector need not be allowed to see locations
        return (
            self.env["stock.location"]
            .sudo()
            .search(
                [("usage", "=", "inventory"), ("company_id", "in", (False, self.env.company.id))], order="id", limit=1
            )
        )

    @api.depends("hold_ids")
    def _compute_held(self):
        for wizard in self:
            wizard.count = len(wizard.hold_ids)
            wizard.held_now = sum(wizard.hold_ids.mapped("held_now")) if wizard.count == 1 else 0.0
            wizard.uom_id = wizard.hold_ids.uom_id if wizard.count == 1 else False

    def action_release(self):
        """Release it."""
        self.ensure_one()
        if self.is_whole:
            self.hold_ids._release(self.reason)
        else:
            if len(self.hold_ids) != 1:
                raise UserError(self.env._("A part is released of one hold at a time."))
            location = self.sudo().scrap_location_id if self.is_scrapped else None  # sudo: see the default
            self.hold_ids._release(self.reason, self.good_quantity, self.bad_quantity, location)
        return {"type": "ir.actions.act_window_close"}
