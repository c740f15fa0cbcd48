from odoo import api, fields, models

from ..books import BOOKS


class AccountMove(models.Model):
    _inherit = "account.move"

    machine_moment = fields.Datetime(
        "Machine Time",
        readonly=True,
        copy=False,
        help="When the machine did what this entry books. The entry has the same day, unless that is locked.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Date entries of what a machine did by its own time."""
        books = self.env.context.get(BOOKS)
        if books:
            company = books.machine.company_id
            dates = {"date": company._machine_entry_day(books), "machine_moment": books.moment.replace(microsecond=0)}
            vals_list = [{**vals, **dates} for vals in vals_list]
        return super().create(vals_list)
