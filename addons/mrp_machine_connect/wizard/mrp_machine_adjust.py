from odoo import api, fields, models
from odoo.exceptions import UserError

from ..quantities import pieces_text


class MachineAdjust(models.TransientModel):
    """Add pieces to what a machine counted, or take some away, with a reason: an event like any other."""

    _name = "mrp.machine.adjust"
    _description = "Add or Correct Pieces"

    machine_id = fields.Many2one("mrp.machine", required=True)
    event_id = fields.Many2one("mrp.machine.event", readonly=True, help="The event that is corrected.")
    kind = fields.Selection(
        [("good", "Good pieces"), ("reject", "Rejected pieces"), ("rework", "Pieces to rework")],
        default="good",
        required=True,
    )
    quantity = fields.Float(digits=(16, 3), help="Pieces to add; with a minus, pieces to take away.")
    reason = fields.Char(required=True, help="Why; it stays with the event and shows on the order.")
    at = fields.Datetime(
        string="When",
        required=True,
        default=fields.Datetime.now,
        help="When the pieces were made. It decides which order they belong to.",
    )
    order_words = fields.Char(compute="_compute_order_words", string="Goes To")

    @api.depends("machine_id", "at")
    def _compute_order_words(self):
        for wizard in self:
            loading = self.env["mrp.machine.loading"].search(
                [
                    ("machine_id", "=", wizard.machine_id.id),
                    ("date_start", "<=", wizard.at),
                    "|",
                    ("date_end", "=", False),
                    ("date_end", ">", wizard.at),
                ],
                limit=1,
            )
            if loading:
                order = loading.workorder_id or loading.production_id
                wizard.order_words = self.env._("%s, loaded at that time", order.display_name)
            elif wizard.machine_id.workcenter_id:
                wizard.order_words = self.env._("The only work order in progress on the work center, if there is one")
            else:
                wizard.order_words = self.env._("No order was loaded at that time: the pieces will wait in Exceptions")

    def action_apply(self):
        """Write the event down and let it be posted at once."""
        self.ensure_one()
        if not self.quantity:
            raise UserError(
                self.env._("Quantity: enter how many pieces to add, or with a minus how many to take away.")
            )
        if self.at > fields.Datetime.now():
            raise UserError(self.env._("When: this moment is still to come. Enter when the pieces were made."))
        self.machine_id._adjust(
            self.kind, self.quantity, self.reason.strip(), at=self.at, refers_to=self.event_id.uid or None
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self._written_words(),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _written_words(self):
        words = {"pieces": pieces_text(self.env, self.quantity, signed=True), "machine": self.machine_id.name}
        if abs(self.quantity) == 1:
            return self.env._("%(pieces)s is written down for %(machine)s and posted in a moment.", **words)
        return self.env._("%(pieces)s are written down for %(machine)s and posted in a moment.", **words)
