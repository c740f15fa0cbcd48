"""What becomes of pieces that a machine reports, or a person corrects, after their order was closed?"""

from odoo import fields, models

from . import mrp_machine_posting  # noqa: F401 - extended here, so it must be there


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    late_booking = fields.Selection(
        [
            ("wait", "Wait for a person"),
            ("correct", "Correct the closed order"),
            ("new_order", "Make an order for them"),
        ],
        string="Pieces After Closing",
        default="wait",
        required=True,
        tracking=True,
        help="Pieces that come to be known after their order, or work order, was closed. Wait: they stand in Exceptions. "
        "Correct: what the closed order finished and consumed is changed, at the date that it has; what was cancelled "
        "never is. Make an order: one for the late pieces alone, at their time, closed at once and named after the first. "
        "A person who corrects an event always corrects the closed order.",
    )

    def _late_policy(self, event):
        """Return what is to be done with an event of an order that is closed: a value of ``late_booking``."""
        self.ensure_one()
        # A person decided when he entered it.
        return "correct" if event.type == "correction.adjust" and event.user_id else self.late_booking

    def action_replay(self):
        """Ask what would become of what waits on this machine if it were tried again."""
        return self._action_wizard("mrp.machine.replay", self.env._("Replay"))


class MachineEvent(models.Model):
    _inherit = "mrp.machine.event"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def action_correct(self):
        """Ask how many to take back; of the order that they were booked on, which another may have followed."""
        action = super().action_correct()
        posting = self._count_row().posting_id
        action["context"].update(
            default_production_id=posting.production_id.id, default_workorder_id=posting.workorder_id.id
        )
        return action


class MachinePosting(models.Model):
    _inherit = "mrp.machine.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    quantity_before = fields.Float(
        "Before", readonly=True, digits=(16, 3), help="Quantity of the document before this, in the document's unit."
    )
    quantity_after = fields.Float(
        "After", readonly=True, digits=(16, 3), help="Quantity of the document after this, in the document's unit."
    )
    corrected_words = fields.Char(
        "Corrected By", readonly=True, help="Who corrected it, and why. Empty: what machines reported."
    )
    is_late = fields.Boolean("Late", readonly=True, help="Its order, or work order, was closed before this was known.")
