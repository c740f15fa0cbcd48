from odoo import fields, models


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"

    is_machine_fed = fields.Boolean(compute="_compute_is_machine_fed")

    def _compute_is_machine_fed(self):
        # sudo: an operator of the order may know that a machine feeds it, whatever else of the machine is not theirs
        loaded = self.env["mrp.machine.loading"].sudo().search([("workorder_id", "in", self.ids)])
        for workorder in self:
            workorder.is_machine_fed = (
                workorder.sudo().workcenter_id.is_machine_fed or workorder._origin in loaded.workorder_id
            )

    def write(self, vals):
        """Leave quantities alone that only a button of MRP invents, on work orders that a machine feeds.

        ``button_start`` reports the full remaining quantity as in production; ``button_finish`` reports the full
        quantity where nothing was counted. Both do it by an ordinary write, recognized by the context set below.
        """
        if self.env.context.get("machine_fed_start") and "qty_producing" in vals:
            vals = {name: value for name, value in vals.items() if name != "qty_producing"}
            if not vals:
                return True
        return super().write(vals)

    def button_start(self, raise_on_invalid_state=False):
        fed = self.filtered("is_machine_fed")
        result = True
        if fed:
            result = super(MrpWorkorder, fed.with_context(machine_fed_start=True)).button_start(raise_on_invalid_state)
        if others := self - fed:
            result = super(MrpWorkorder, others).button_start(raise_on_invalid_state)
        return result

    def button_finish(self):
        """Finish with what was counted. A fed work order without any count ends with nothing produced by it."""
        uncounted = self.filtered(
            lambda order: order.is_machine_fed and not order.qty_produced and order.state not in ("done", "cancel")
        )
        if uncounted:
            uncounted.end_all()
            now = fields.Datetime.now()
            for workorder in uncounted:
                values = {"state": "done", "date_finished": now, "costs_hour": workorder.workcenter_id.costs_hour}
                if not workorder.date_start or workorder.date_start > now:
                    values["date_start"] = now
                workorder.with_context(bypass_duration_calculation=True).write(values)
        if others := self - uncounted:
            return super(MrpWorkorder, others).button_finish()
        return True

    def action_mark_as_done(self):
        """Finish without inventing time where the machine reports its own."""
        fed = self.filtered("is_machine_fed")
        for workorder in fed:
            workorder.button_finish()
        if others := self - fed:
            return super(MrpWorkorder, others).action_mark_as_done()
        return True
