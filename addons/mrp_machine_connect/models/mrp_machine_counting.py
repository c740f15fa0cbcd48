"""What of that which a machine reports feeds the order, and how is it booked?"""

from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import ValidationError

#: How the rejects of an order are booked; see ``mrp_production_reject.py``.
REJECT_BOOKINGS = [
    ("gross", "Quantity and scrap"),
    ("net", "More of the components"),
    ("component", "Scrap of the components"),
    ("noted", "Noted only"),
]


class Machine(models.Model):
    """Which role feeds the order, and which did before: a count is booked by the role under which it was received."""

    _inherit = "mrp.machine"

    counting_role = fields.Selection(
        selection_add=[("part", "Completed parts")],
        ondelete={"part": "set default"},
        help="Which of its signals feeds the order. The others are compared with it and never added to it. Completed "
        "parts: each part that passed is one good piece, each that failed is one reject.",
    )
    former_roles = fields.Json(
        readonly=True,
        copy=False,
        help="Roles that fed the order before, each with the last event that was received under it; the oldest first.",
    )
    reject_booking = fields.Selection(
        REJECT_BOOKINGS,
        string="Rejects Become",
        default="gross",
        required=True,
        tracking=True,
        help="Quantity and scrap: a reject took its components, so it is part of the order's quantity, and leaves stock as "
        "scrap when the order's pieces enter it: one scrap for each reason a beat, or at the close. More of the components: "
        "it is no quantity, and what it took is used for the good pieces, which are worth so much more. Scrap of the "
        "components: it is no quantity, and the components that it took are scrapped, for its reason. Noted only: it is "
        "counted and shown, and takes neither components nor stock. All rejects of an order are booked as its first one.",
    )
    cavities = fields.Float(
        string="Pieces a Cycle",
        default=1.0,
        help="Each completed cycle makes so many pieces, such as by a mould of four cavities. Where the signal itself has "
        "pieces a cycle, the two are multiplied: enter them once.",
    )

    @api.constrains("cavities")
    def _check_cavities(self):
        for machine in self:
            if not (isfinite(machine.cavities) and machine.cavities > 0):
                raise ValidationError(self.env._("%s: a cycle makes more than 0 pieces.", machine.name))

    @api.constrains("workcenter_id", "active")
    def _check_counting_machine(self):
        for workcenter in self.env["mrp.workcenter"].search([("counting_machine_id", "in", self.ids)]):
            workcenter._check_counting_machine()

    def write(self, vals):
        former = {machine: machine.counting_role for machine in self} if "counting_role" in vals else {}
        result = super().write(vals)
        for machine, role in former.items():
            if role != machine.counting_role:
                # sudo: whoever may change the role may not write its history by hand
                machine = machine.sudo()
                last = self.env["mrp.machine.event"].sudo().search([], order="id desc", limit=1)
                machine.former_roles = [*(machine.former_roles or []), [role, last.id]]
        return result

    def _roles_of(self, events):
        """Return ``{event id: the role that fed the order when it was received}``."""
        self.ensure_one()
        roles = dict.fromkeys(events.ids, self.counting_role)
        # From the latest change back: the oldest that still covers an event is the one it was received under.
        for role, last in reversed(self.former_roles or []):
            roles.update((event_id, role) for event_id in events.ids if event_id <= last)
        return roles

    def _feeds(self):
        if not self._counts_here():
            return False
        if self.counting_role == "part":
            # Parts are told by whoever delivers them; no signal of ours has that role.
            return self._posts()
        return super()._feeds()

    def _counts_here(self):
        """Return whether this machine counts for its work center, where several stand there."""
        self.ensure_one()
        workcenter = self.sudo().workcenter_id  # sudo: whoever works on an order may know whether a machine counts it
        return workcenter.machine_counting != "one" or workcenter.counting_machine_id in (self, self.browse())

    def _derives_rejects(self):
        """Return whether rejects are what the total counter has more than the good one; None where nobody can know yet.

        A machine whose signals are read elsewhere has none here: what it counted on the order tells.
        """
        self.ensure_one()
        roles = set(self.sudo().signal_ids.mapped("role"))  # sudo: see _feeds
        return {"good", "total"} <= roles and "reject" not in roles if roles else None
