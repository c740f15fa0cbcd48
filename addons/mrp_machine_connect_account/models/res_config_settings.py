from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    machine_locked_period = fields.Selection(
        related="company_id.machine_locked_period",
        readonly=False,
        required=True,
        help="What machines made in a period that is locked by now. Wait: it stays under Exceptions until an accountant opens "
        "the period, and stock lacks it until then. First open day: stock moves keep the machine's time, and their journal "
        "entries are dated on the first day that is not locked; the posting says so.",
    )
