from odoo import api, models


class ResCompany(models.Model):
    _inherit = "res.company"

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create(vals_list)
        self._machine_connect_join(companies)
        return companies

    @api.model
    def _machine_connect_join(self, companies):
        """Let the service user work in these companies: a machine of a new one must not wait for an administrator."""
        user = self.env.ref("mrp_machine_connect.user_machine_connect", raise_if_not_found=False)
        if user:
            # sudo: whoever may create a company need not be allowed to change users
            user.sudo().write({"company_ids": [(4, company.id) for company in companies]})
