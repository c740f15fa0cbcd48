"""What does the energy of a machine cost, and how does that reach the value of what was made with it?"""

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.postings.outcome import Outcome

from ..books import BOOKS, Books


class MachineEnergyPrice(models.Model):
    """The price of a unit of a carrier of energy, from a day on."""

    _name = "mrp.machine.energy.price"
    _description = "Price of Energy"
    _order = "carrier, date_from desc, id desc"
    _rec_name = "carrier"

    company_id = fields.Many2one(
        "res.company",
        required=True,
        default=lambda self: self.env.company,
        index=True,
        help="The company that pays this price.",
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    carrier = fields.Char(
        required=True, default="electricity", help="As machines name it: electricity, gas, compressed air."
    )
    unit = fields.Char(
        required=True, default="KWH", help="What the price is for, by UN/CEFACT Recommendation 20: KWH, MTQ (m³), KGM."
    )
    price = fields.Float(
        digits=(16, 6),
        required=True,
        help="Of one unit, in the company's currency. It may have more decimals than money.",
    )
    date_from = fields.Date(
        string="From",
        required=True,
        default=lambda self: fields.Date.to_date("2000-01-01"),
        help="The first day on which it is the price.",
    )

    _once = models.UniqueIndex(
        "(company_id, lower(carrier), upper(unit), date_from)", "There is a price from that day on already."
    )
    _least = models.Constraint("CHECK (price >= 0)", "A price is 0 or more.")

    @api.model
    def _of(self, company, carrier, unit, day):
        """Return the price of a unit on a day in a company; 0 where there is none.

        :param str unit: UN/CEFACT Recommendation 20; a price for another unit of the same kind is converted
        """
        # sudo: what energy costs is asked for whoever makes something with it
        prices = self.sudo().search(
            [("company_id", "=", company.id), ("carrier", "=ilike", carrier), ("date_from", "<=", day)]
        )
        units = self.env["uom.uom"]
        used = units._of_code(unit)
        for price in prices:
            if price.unit.strip().upper() == unit:
                return price.price
            priced = units._of_code(price.unit)
            if used and priced and used._has_common_reference(priced):
                return used._compute_quantity(1.0, priced, round=False) * price.price
        return 0.0


class MachineEnergy(models.Model):
    _inherit = "mrp.machine.energy"

    currency_id = fields.Many2one(related="company_id.currency_id")
    cost = fields.Float(
        readonly=True,
        digits=(16, 6),
        help="At the price of its carrier on its day. 0 where there is no price, or the company wants no energy in the cost "
        "of its orders.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        machines = self.env["mrp.machine"]
        prices = self.env["mrp.machine.energy.price"]
        for vals in vals_list:
            company = machines.browse(vals["machine_id"]).company_id
            if company.sudo().machine_energy_cost:  # sudo: whether it counts is asked for whoever's events they are
                day = company._machine_day(fields.Datetime.to_datetime(vals["date_start"]))
                vals["cost"] = vals["quantity"] * prices._of(company, vals["carrier"], vals["unit"], day)
        return super().create(vals_list)

    @api.model
    def _given(self, machine, orders, event):
        """Let what came to be known after an order was closed reach the value of what was made."""
        super()._given(machine, orders, event)
        closed = orders.filtered(lambda order: order.state == "done")
        if not closed or not machine.company_id.sudo().machine_energy_cost:  # sudo: as above
            return
        service = self.env["mrp.machine.poster"]._service(machine)
        books = Books(service, event.occurred)
        for order in closed.with_env(service.env):
            try:
                order.with_context(**{BOOKS: books})._take_late_labour()
            except Outcome:
                # In a locked period the value stays: energy is known all the same, and the next part takes what is left.
                continue
