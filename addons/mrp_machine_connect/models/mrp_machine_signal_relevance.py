"""Does a signal matter to the books, or only to those who look at the machine?"""

from odoo import fields, models


class MachineSignalMixin(models.AbstractModel):
    _inherit = "mrp.machine.signal.mixin"

    business_relevance = fields.Selection(
        [("posts", "Has effects"), ("log", "Log only")],
        string="Relevance",
        default="posts",
        required=True,
        help="Has effects: its events become quantity, time and requests. Log only: they are kept in the log and never "
        "touch an order, a timeline or stock.",
    )
