from odoo import fields, models
from odoo.exceptions import UserError


class MrpProduction(models.Model):
    _inherit = "mrp.production"

    # A stock user opens orders too, and has no business with machines.
    machine_ledger_ids = fields.One2many(
        "mrp.machine.ledger", "production_id", string="Machine Counts", groups="mrp.group_mrp_user"
    )
    machine_event_count = fields.Integer(compute="_compute_machine_counts", groups="mrp.group_mrp_user")
    machine_count = fields.Integer(compute="_compute_machine_counts", groups="mrp.group_mrp_user")
    machine_difference = fields.Float(
        compute="_compute_machine_difference",
        groups="mrp.group_mrp_user",
        digits=(16, 3),
        help="What fed the order minus what the machines' other counters say.",
    )

    def _compute_machine_counts(self):
        postings = dict(
            self.env["mrp.machine.posting"]._read_group(
                [("production_id", "in", self.ids)], ["production_id"], ["__count"]
            )
        )
        for production in self:
            production.machine_event_count = postings.get(production, 0)
            production.machine_count = len(production.machine_ledger_ids.machine_id)

    def _compute_machine_difference(self):
        for production in self:
            production.machine_difference = sum(production.machine_ledger_ids.mapped("difference"))

    def _is_machine_fed(self):
        """Return whether a machine reports the pieces of this order."""
        self.ensure_one()
        # sudo: whoever closes the order may know that a machine feeds it
        loaded = self.env["mrp.machine.loading"].sudo().search_count([("production_id", "=", self.id)], limit=1)
        return bool(loaded) or any(self.workorder_ids.mapped("is_machine_fed"))

    def pre_button_mark_done(self):
        """Refuse to book the whole quantity of an order that a machine feeds and has counted nothing on."""
        for production in self:
            if production.product_uom_id.is_zero(production.qty_producing) and production._is_machine_fed():
                raise UserError(
                    self.env._(
                        "No piece has been counted on %s yet, and without a count Odoo would book the whole quantity. "
                        "Enter the quantity that was made, add pieces on the machine, or cancel the order.",
                        production.display_name,
                    )
                )
        return super().pre_button_mark_done()

    def action_machine_postings(self):
        """Open what machines booked on this order."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Machine Postings"),
            "res_model": "mrp.machine.posting",
            "view_mode": "list,form",
            "domain": [("production_id", "=", self.id)],
        }

    def action_machine_counts(self):
        """Open what each machine counted on this order, and by how much its counters differ."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_ledger_action")
        action["domain"] = [("production_id", "=", self.id)]
        return action

    def action_machines(self):
        """Open the machines that counted on this order."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_action")
        action["domain"] = [("id", "in", self.machine_ledger_ids.machine_id.ids)]
        return action
