"""May pieces be of this lot, or be made of it?"""

from odoo import fields, models

from ..moments import moment_words

#: Fields by which a lot that was refused becomes good again.
RELEASING = ("machine_blocked", "expiration_date")


class StockLot(models.Model):
    _inherit = "stock.lot"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_blocked = fields.Boolean(
        "Blocked for Machines",
        tracking=True,
        help="Nothing that machines report is booked on this lot, neither made nor used: it waits in Exceptions until the "
        "lot is released here.",
    )
    machine_lot_ids = fields.One2many("mrp.machine.lot", "lot_id", string="Made On", readonly=True)
    machine_lot_count = fields.Integer(
        compute="_compute_machine_lot_count", help="Runs of machines that made this lot."
    )

    def _compute_machine_lot_count(self):
        # sudo: whoever sees a lot may know that a machine made it
        rows = self.env["mrp.machine.lot"].sudo()
        counts = dict(rows._read_group([("lot_id", "in", self.ids)], ["lot_id"], ["__count"]))
        for lot in self:
            lot.machine_lot_count = counts.get(lot._origin, 0)

    def write(self, vals):
        result = super().write(vals)
        if any(name in vals for name in RELEASING):
            details = [f"stock.lot:{lot.id}" for lot in self]
            # sudo: whoever releases a lot need not be allowed to touch effects, which are the poster's matter
            rows = self.env["mrp.machine.event.posting"].sudo()
            rows.search([("state", "=", "waiting"), ("detail", "in", details)])._requeue()
        return result

    def _machine_refusal(self, moment, used=False):
        """Return ``(reason, words)`` of why a machine may not work with this lot at a moment, or None.

        :param moment: naive UTC
        :param bool used: it is a component's; else it is what is made
        """
        self.ensure_one()
        words = {"lot": self.name, "product": self.product_id.display_name}
        if self.machine_blocked:
            return "lot_blocked", self.env._("Lot %(lot)s of %(product)s is blocked.", **words)
        # Only there where the addon of expiration dates is installed.
        ends = self.expiration_date if "expiration_date" in self._fields else False
        if ends and ends <= moment:
            words["date"] = moment_words(self, ends)
            return "lot_expired", self.env._("Lot %(lot)s of %(product)s expired at %(date)s.", **words)
        return None

    def action_machine_lots(self):
        """Open when and where machines made this lot."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_lot_action")
        action["domain"] = [("lot_id", "=", self.id)]
        return action
