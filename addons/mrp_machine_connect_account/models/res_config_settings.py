from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    machine_energy_cost = fields.Boolean(
        related="company_id.machine_energy_cost",
        readonly=False,
        help="What machines use for an order goes into the value of what it makes, at the prices of energy, beside the labour "
        "of its work orders. What was told before this was set stays without cost.",
    )
    machine_locked_period = fields.Selection(
        related="company_id.machine_locked_period",
        readonly=False,
        required=True,
        help="What machines made in a period that is locked by now. Wait: it stays under Exceptions until an accountant opens "
        "the period, and stock lacks it until then. First open day: stock moves keep the machine's time, and their journal "
        "entries are dated on the first day that is not locked; the posting says so.",
    )
