from odoo import api, fields, models
from odoo.exceptions import UserError

from .mrp_workorder import CLOSED, KEEP_QUANTITY


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

    def _machine_fed(self):
        """Return those of these orders whose pieces machines report, on one of their work orders or without any."""
        told = self.env["mrp.machine.ledger"]._fed_ids(self)
        steps = self.workorder_ids._machine_fed()
        return self.filtered(lambda production: production._origin.id in told or production in steps.production_id)

    def _steps(self):
        """Return the work orders of this order that are not cancelled."""
        return self.workorder_ids.filtered(lambda step: step.state != "cancel")

    def _machine_quantity(self):
        """Return how many pieces went through all steps of an order that speak of it.

        What a step rejected went through all that follow as a reject.

        A step that no machine feeds and nobody reported on says nothing: most manual steps are not reported on until
        the order is closed.
        """
        self.ensure_one()
        steps = self._steps()
        if len(steps) > 1:
            fed = steps._machine_fed()
            steps = steps.filtered(lambda step: step.qty_produced or step in fed)
            before = self._rejects_before()
            return min((step.qty_produced + before[step] for step in steps), default=0.0)
        return min(steps.mapped("qty_produced"), default=0.0)

    def write(self, vals):
        """Leave the quantity alone where only MRP invents it, and show a new target on the machines of the order."""
        if self.env.context.get(KEEP_QUANTITY) and "qty_producing" in vals:
            vals = {name: value for name, value in vals.items() if name != "qty_producing"}
        result = super().write(vals)
        if "product_qty" in vals:
            # sudo: the hot row is the poster's own
            for row in self.env["mrp.machine.progress"].sudo().search([("production_id", "in", self.ids)]):
                row.target = row.production_id.product_qty
        return result

    def _set_qty_producing(self, pick_manual_consumption_moves=True):
        # What is picked for a quantity that stays as it is would not follow the counts to come.
        pick = pick_manual_consumption_moves and not self.env.context.get(KEEP_QUANTITY)
        return super()._set_qty_producing(pick)

    def pre_button_mark_done(self):
        """Close orders that machines feed with what was counted, and refuse where nothing was.

        Where MRP asks a question first, what is picked for the answer is laid back: when a person says no, it would not
        follow what is counted from then on.
        """
        fed = self._machine_fed()
        for production in fed:
            if production.product_uom_id.is_zero(production.qty_producing):
                production._take_machine_quantity()
        laid_out = (fed.move_raw_ids | fed.move_byproduct_ids).filtered(lambda move: not move.picked)
        for production in fed:
            steps = production._steps()
            if len(steps) > 1:
                for step in steps._machine_fed().filtered(lambda step: step.qty_produced and step.state not in CLOSED):
                    step._take_components(step.qty_produced)
        result = super().pre_button_mark_done()
        if result is not True:
            laid_out.exists().filtered(lambda move: move.state not in CLOSED).picked = False
        return result

    def _take_machine_quantity(self):
        """Set the quantity to what was counted on all steps."""
        counted = self._machine_quantity()
        if self.product_uom_id.is_zero(counted):
            raise UserError(
                self.env._(
                    "No piece has been counted on %s yet, and without a count Odoo would book the whole quantity. "
                    "Enter the quantity that was made, add pieces on the machine, or cancel the order.",
                    self.display_name,
                )
            )
        self.qty_producing = counted
        self._set_qty_producing(False)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_loaded(self):
        for model in ("mrp.machine.ledger", "mrp.machine.loading"):
            # sudo: whoever may delete an order may know that a machine worked on it
            kept = self.env[model].sudo().search([("production_id", "in", self.ids)])
            if kept:
                order = kept[0].production_id
                raise UserError(
                    self.env._(
                        "%(order)s cannot be deleted: it ran on %(machines)s, and it is kept what ran there and what was "
                        "counted. Cancel the order and leave it as it is; it books nothing more.",
                        order=order.display_name,
                        machines=", ".join(
                            kept.filtered(lambda row, order=order: row.production_id == order).machine_id.mapped("name")
                        ),
                    )
                )

    def action_machine_postings(self):
        """Open what machines booked on this order."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Machine Postings"),
            "res_model": "mrp.machine.posting",
            "view_mode": "list,kanban,form",
            "mobile_view_mode": "kanban",
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
