from odoo import api, fields, models
from odoo.exceptions import UserError

#: States of what nothing happens on any more.
CLOSED = ("done", "cancel")
#: In a context: what MRP writes as quantity in production is its own invention and is not written. Two of its buttons do
#: so by an ordinary write: *Start* of a work order, and the change of the quantity to produce.
KEEP_QUANTITY = "machine_fed_keep_quantity"


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"

    is_machine_fed = fields.Boolean(compute="_compute_is_machine_fed", help="A machine reports its pieces.")

    def _compute_is_machine_fed(self):
        fed = self._machine_fed()
        for workorder in self:
            workorder.is_machine_fed = workorder in fed

    def _machine_fed(self):
        """Return those of these work orders whose pieces a machine reports.

        Asked anew each time: whether a machine feeds changes by its signals, its mode and what is loaded on it.
        """
        told = self.env["mrp.machine.ledger"]._fed_ids(self)
        # sudo: an operator of the order may know that a machine feeds it, whatever else of the machine is not theirs
        machines = self.sudo().workcenter_id.machine_ids.filtered(lambda machine: machine.active and machine._feeds())
        return self.filtered(
            lambda step: (
                step._origin.id in told
                or step.workcenter_id in machines.workcenter_id
                # MRP finishes none with nothing: a machine fed it, and has been unloaded by now.
                or (step.state == "done" and not step.qty_produced)
            )
        )

    def write(self, vals):
        """Leave the order's quantity alone where only MRP invents it."""
        if self.env.context.get(KEEP_QUANTITY) and "qty_producing" in vals:
            vals = {name: value for name, value in vals.items() if name != "qty_producing"}
            if not vals:
                return True
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_counted(self):
        # sudo: whoever may delete a work order may know that it was counted on
        counted = self.env["mrp.machine.ledger"].sudo().search([("workorder_id", "in", self.ids)], limit=1)
        if counted:
            raise UserError(
                self.env._(
                    "%(order)s cannot be deleted: %(machine)s counted on it, and what a machine counted is kept. "
                    "Cancel it and leave it as it is; it books nothing more.",
                    order=counted.workorder_id.display_name,
                    machine=counted.machine_id.display_name,
                )
            )

    def button_start(self, raise_on_invalid_state=False):
        """Start any step of an order that a machine feeds without the full quantity that MRP reports as in production."""
        orders = self.production_id._machine_fed()
        fed = self.filtered(lambda step: step.production_id in orders)
        result = True
        if fed:
            fed = fed.with_context(**{KEEP_QUANTITY: True})
            result = super(MrpWorkorder, fed).button_start(raise_on_invalid_state)
        if others := self - fed:
            result = super(MrpWorkorder, others).button_start(raise_on_invalid_state)
        return result

    def button_finish(self):
        """Finish with what was counted, where MRP would take the order's quantity or the full one for it."""
        orders = self.production_id._machine_fed()
        aside = self.browse()
        for step in self.filtered(lambda step: step.production_id in orders and step.state not in CLOSED):
            quantity, takes = step._quantity_at_finish(self)
            if takes:
                step._take_components(quantity)
            else:
                step._finish_aside(quantity)
                aside += step
        if others := self - aside:
            return super(MrpWorkorder, others).button_finish()
        return True

    def _quantity_at_finish(self, finishing):
        """Return how much a step made that is being finished, and whether its components are to be taken for that.

        :param finishing: all the work orders that are being finished
        """
        self.ensure_one()
        on_order = self.production_id.qty_producing
        steps = self.production_id._steps()
        fed = steps._machine_fed()
        if self not in fed and not self.qty_produced:
            if (fed - finishing).filtered(lambda step: step.state not in CLOSED):
                # Finished by hand while machines still count: it is no limit to them, and its components follow the order.
                return self.qty_production, False
        # On an order of one step a person's word on the order is its word as well.
        quantity = on_order or self.qty_produced if len(steps) == 1 else self.qty_produced or on_order
        return quantity, bool(quantity)

    def _take_components(self, quantity):
        """Set what this step consumes and yields beside the product; MRP leaves alone what is picked."""
        moves = self.move_raw_ids | self.production_id.move_byproduct_ids.filtered(
            lambda move: move.operation_id in self.operation_id
        )
        moves = moves.filtered(lambda move: not move.picked and move.state not in CLOSED)
        for move in moves:
            move._set_quantity_done(move._due_for(0.0, through=quantity))
        moves.picked = True

    def _finish_aside(self, quantity):
        """Finish without MRP, which would take a quantity for the components or invent one where nothing was made."""
        self.end_all()
        now = fields.Datetime.now()
        values = {"state": "done", "date_finished": now, "costs_hour": self.workcenter_id.costs_hour}
        if quantity:
            values["qty_produced"] = quantity
        if not self.date_start or self.date_start > now:
            values["date_start"] = now
        self.with_context(bypass_duration_calculation=True).write(values)

    def action_mark_as_done(self):
        """Finish without inventing time where the machine reports its own."""
        fed = self._machine_fed()
        fed.button_finish()
        if others := self - fed:
            return super(MrpWorkorder, others).action_mark_as_done()
        return True
