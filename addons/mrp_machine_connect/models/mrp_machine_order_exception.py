"""What a supervisor can do about events that wait because of their order."""

from odoo import api, models


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "unknown_order": _(
                "Confirm the order that is meant, or enter the machine's word as its source document: then this goes on by "
                "itself. Or load the order on the machine from that moment on."
            ),
            "unknown_program": _(
                "Enter the program on the operation or the bill of materials that it makes, or confirm an order: then this "
                "goes on by itself. A program that makes nothing can be ignored."
            ),
            "order_draft": _("Confirm the order: then this goes on by itself."),
            "order_untold": _(
                "See what the machine said of its order, which waits as well; once that is known, this goes on."
            ),
            "wrong_work_center": _(
                "Plan the work order on the machine's work center, or load the order by hand where it is made here all the "
                "same, then retry."
            ),
            "wrong_product": _(
                "Check at the machine which order it works on, then load the right one, or ignore this."
            ),
            "over_production": _(
                "Raise the quantity of the order: then this goes on by itself. Or release it: a person knows that there are "
                "more."
            ),
            "order_complete": _("It goes on when the order is finished: load the next order, or release it."),
            "draft_order": _(
                "Confirm the draft: then these pieces are booked by themselves. Or load another order from that moment on."
            ),
            "nothing_made": _("Add the pieces that were made, then retry; or cancel the order and ignore this."),
            "not_closed": _("Close the order by hand as it asks for, and ignore this; or put it right, then retry."),
            "pieces_moving": _("Nothing: pieces that were made after its end are moved first, and then it goes on."),
        }

    def action_release(self):
        """Let effects pass that were held, or that wait since their order has its quantity: a person looked."""
        result = super().action_release()
        # sudo: the rows are written by the poster alone; the supervisor's right was checked above
        beyond = self.sudo().filtered(
            lambda row: row.state == "waiting" and row.reason in ("over_production", "order_complete")
        )
        beyond.released_by = self.env.user
        beyond._requeue()
        return result

    def action_document(self):
        """Open the document that carries the effect, or the order that it waits for."""
        kind, _separator, number = (self.detail or "").partition(":")
        if self.posting_id or kind != "production":
            return super().action_document()
        order = self.env["mrp.production"].browse(int(number)).exists()
        return order and {
            "type": "ir.actions.act_window",
            "res_model": "mrp.production",
            "res_id": order.id,
            "view_mode": "form",
        }
