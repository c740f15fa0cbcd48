from odoo import api, models


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "no_equipment": _("Choose the equipment on the machine. What waited for it is posted by itself."),
            "no_team": _(
                "Create a maintenance team in the machine's company, or choose one on the equipment. "
                "What waited for it is posted by itself."
            ),
        }

    @api.model
    def _requeue_waiting(self, reason, machines=None):
        """Put back to work what waited for exactly this reason, of some machines or of all."""
        # sudo: whoever mended the master data need not be allowed to touch effects, which are the poster's matter
        domain = [("state", "=", "waiting"), ("reason", "=", reason), ("handler", "=", "maintenance_request")]
        if machines is not None:
            domain.append(("machine_id", "in", machines.ids))
        self.sudo().search(domain)._requeue()

    def action_choose_equipment(self):
        """Open the machine, where its equipment is chosen."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine",
            "res_id": self.machine_id.id,
            "view_mode": "form",
        }
