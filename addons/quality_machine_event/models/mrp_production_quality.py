"""What quality says of an order, on the order itself."""

from odoo import fields, models

from . import mrp_production  # noqa: F401 - extended here, so it must be there


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    quality_machine_check_ids = fields.One2many("quality.machine.check", "production_id", string="Quality Checks")
    quality_machine_hold_ids = fields.One2many("quality.machine.hold", "production_id", string="Quality Holds")
    quality_machine_check_count = fields.Integer(
        "Open Checks", compute="_compute_quality_machine", compute_sudo=True, help="Checks of this order to be done."
    )
    quality_machine_hold_count = fields.Integer(
        "Held", compute="_compute_quality_machine", compute_sudo=True, help="What of this order is held."
    )
    quality_machine_words = fields.Char(
        "Quality",
        compute="_compute_quality_machine",
        compute_sudo=True,
        help="Why nothing more is booked on this order, and who was called.",
    )

    def _compute_quality_machine(self):
        checks = dict(
            self.env["quality.machine.check"]._read_group(
                [("production_id", "in", self.ids), ("state", "=", "open")], ["production_id"], ["__count"]
            )
        )
        holds = dict(
            self.env["quality.machine.hold"]._read_group(
                [("production_id", "in", self.ids), ("state", "=", "held")], ["production_id"], ["id:recordset"]
            )
        )
        called = dict(
            self.env["quality.machine.alert"]._read_group(
                [("production_id", "in", self.ids), ("state", "!=", "done"), ("escalation_ids", "!=", False)],
                ["production_id"],
                ["id:recordset"],
            )
        )
        for production in self:
            order = production._origin
            held = holds.get(order, self.env["quality.machine.hold"])
            production.quality_machine_check_count = checks.get(order, 0)
            production.quality_machine_hold_count = len(held)
            words = [hold._order_words() for hold in held.filtered("blocks_order")]
            words += [
                self.env._("%(alert)s: %(who)s called.", alert=alert.display_name, who=alert.escalation_words)
                for alert in called.get(order, ())
            ]
            production.quality_machine_words = " ".join(words)

    def write(self, vals):
        result = super().write(vals)
        if "lot_producing_ids" in vals:
            # sudo: whoever enters the lot need not be allowed to touch holds
            holds = self.env["quality.machine.hold"].sudo()
            waiting = holds.search([("production_id", "in", self.ids), ("lot_id", "=", False), ("state", "=", "held")])
            for hold in waiting:
                if lot := hold.production_id.lot_producing_ids[-1:]:
                    hold._lot_is_known(lot)
        return result

    def action_quality_machine_checks(self):
        """Open the checks of this order."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_check_action")
        action.update(domain=[("production_id", "=", self.id)], context={"default_production_id": self.id})
        return action

    def action_quality_machine_holds(self):
        """Open what of this order is held."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_hold_action")
        action.update(domain=[("production_id", "=", self.id)], context={})
        return action
