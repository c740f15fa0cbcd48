from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.mrp_machine_mode import KEPT, POSTS


class MachineChangeMode(models.TransientModel):
    """Let a machine's events do more, or less: at once, from a moment on, or with what was only kept until now."""

    _name = "mrp.machine.change.mode"
    _description = "What a Machine's Events May Do"

    machine_id = fields.Many2one("mrp.machine", required=True)
    mode_before = fields.Selection(
        related="machine_id.posting_mode", string="Until Now", help="What its events may do now."
    )
    mode = fields.Selection(
        lambda self: self.env["mrp.machine"]._fields["posting_mode"]._description_selection(self.env),
        required=True,
        string="From Then On",
        help="What they may do then.",
    )
    when = fields.Selection(
        [("now", "From now on"), ("moment", "From a moment on"), ("kept", "With what was kept since the last change")],
        required=True,
        default="now",
        help="By when an event occurred, whenever it arrives. With what was kept: what the machine only observed, or "
        "shadowed, is posted as well; choose it only where nobody booked those pieces by hand.",
    )
    moment = fields.Datetime(
        compute="_compute_moment",
        store=True,
        readonly=False,
        help="Such as the next shift; a moment that is to come is kept until then.",
    )
    kept_count = fields.Integer(compute="_compute_kept_count", help="Effects that had only been kept by now.")
    reason = fields.Char(required=True, help="Stays in the history of the machine, with your name.")

    @api.depends("when", "machine_id")
    def _compute_moment(self):
        for wizard in self:
            machine = wizard.machine_id
            if wizard.when == "kept":
                last = machine.mode_change_ids.filtered("is_done").sorted("id")[-1:]
                wizard.moment = last.moment or last.create_date or machine.create_date
            elif wizard.when == "now" or not wizard.moment:
                wizard.moment = fields.Datetime.now()

    @api.depends("when", "moment", "machine_id")
    def _compute_kept_count(self):
        for wizard in self:
            wizard.kept_count = 0
            if wizard.when == "kept" and wizard.moment:
                wizard.kept_count = self.env["mrp.machine.event.posting"].search_count(
                    [
                        ("machine_id", "=", wizard.machine_id.id),
                        ("state", "=", "ignored"),
                        ("reason", "in", KEPT),
                        ("event_id.occurred", ">=", wizard.moment),
                    ]
                )

    def action_change(self):
        """Change it."""
        self.ensure_one()
        if self.mode == self.mode_before and self.when == "now":
            raise UserError(self.env._("This is what its events may do already."))
        moment = fields.Datetime.now() if self.when == "now" else self.moment
        if not moment:
            raise UserError(self.env._("Enter from which moment on."))
        takes_over = self.when == "kept" and self.mode in POSTS
        self.machine_id._change_mode(self.mode, moment, self.reason.strip(), takes_over)
        return {"type": "ir.actions.act_window_close"}
