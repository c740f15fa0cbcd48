from odoo import api, models


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "locked_period": _(
                "Let an accountant open the period, or choose the first open day for Locked Periods in the settings of "
                "machines. What waited is posted by itself; after an exception for a user, retry."
            ),
        }

    @api.model
    def _requeue_locked(self, companies=None):
        """Put back to work what waited for a period to be opened, of some companies or of all."""
        domain = [("state", "=", "waiting"), ("reason", "=", "locked_period")]
        if companies is not None:
            domain.append(("company_id", "child_of", companies.ids))
        # sudo: an accountant who opens a period need not be allowed to touch effects, which are the poster's matter
        self.sudo().search(domain)._requeue()
