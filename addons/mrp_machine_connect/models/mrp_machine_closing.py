"""An order that is closed, or deleted, leaves the machines that it runs on."""

from odoo import models

from .mrp_workorder import CLOSED


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        result = super().write(vals)
        if vals.get("state") in CLOSED:
            self._leave_machines(vals.get("date_finished"))
        return result

    def _action_cancel(self):
        result = super()._action_cancel()
        # Without work orders nobody writes that it is cancelled: its state follows from its moves.
        self.filtered(lambda production: production.state in CLOSED)._leave_machines()
        return result

    def _leave_machines(self, at=None):
        self.env["mrp.machine.loading"]._leave_closed(self, self.env["mrp.workorder"], at)


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        result = super().write(vals)
        if vals.get("state") in CLOSED:
            self.env["mrp.machine.loading"]._leave_closed(
                self.env["mrp.production"], self, vals["state"] == "done" and vals.get("date_finished")
            )
        return result

    def unlink(self):
        self.env["mrp.machine.loading"]._leave_closed(self.env["mrp.production"], self)
        return super().unlink()
