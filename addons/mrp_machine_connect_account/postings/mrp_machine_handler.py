from odoo import api, models
from odoo.tools import format_date

from ..books import BOOKS


class MachineHandler(models.AbstractModel):
    _inherit = "mrp.machine.handler"

    @api.model
    def _posting_values(self, rows, summary, document=None, **values):
        """Say of an effect, where its period was locked, on which day its entries are."""
        books = self.env.context.get(BOOKS)
        if books and books.put_off:
            words = [
                self.env._(
                    "Journal entries are dated %(day)s: the books are locked up to %(locked)s.",
                    day=format_date(self.env, day),
                    locked=format_date(self.env, locked),
                )
                for day, locked in books.put_off.items()
            ]
            values["explanation"] = " ".join(filter(None, [values.get("explanation"), *words]))
        return super()._posting_values(rows, summary, document, **values)
