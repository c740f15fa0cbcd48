from odoo import fields, models


class Machine(models.Model):
    """Which role feeds the order, and which did before: a count is booked by the role under which it was received."""

    _inherit = "mrp.machine"

    former_roles = fields.Json(
        readonly=True,
        copy=False,
        help="Roles that fed the order before, each with the last event that was received under it; the oldest first.",
    )

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
