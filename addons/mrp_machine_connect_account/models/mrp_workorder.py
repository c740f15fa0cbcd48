from odoo import fields, models

#: In a context: what of each work order's labour goes now, as ``{id: amount}``; else all of it does.
LABOUR = "machine_labour"


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"

    currency_id = fields.Many2one(related="company_id.currency_id")
    labour_taken = fields.Monetary(
        "Labour in Stock",
        readonly=True,
        copy=False,
        help="How much of this work order's labour is in the value of what was put in stock by now. The next part of the "
        "order takes what came since, so that labour is counted once however often the order is posted in parts.",
    )
    labour_booked = fields.Monetary(
        readonly=True,
        copy=False,
        help="How much of this work order's labour is in journal entries by now.",
    )

    def _cal_cost(self, date=False):
        going = self.env.context.get(LABOUR)
        if going is None:
            return super()._cal_cost(date)
        return sum(going.get(step.id, 0.0) for step in self)

    def _labour_since(self, gone):
        """Return what the labour of each of these work orders cost since, as ``{id: amount}``; energy is part of it.

        :param str gone: the field that holds how much of it has gone by now
        """
        energy = self._energy_cost()
        return {step.id: step.currency_id.round(step._cal_cost() + energy.get(step, 0.0)) - step[gone] for step in self}

    def _energy_cost(self):
        """Return what the energy cost that machines used for these work orders, as ``{work order: amount}``."""
        # sudo: what was used is the machines' own; whoever posts an order need not be allowed to read it
        rows = self.env["mrp.machine.energy"].sudo()
        found = rows._read_group([("workorder_id", "in", self.ids), ("cost", "!=", 0)], ["workorder_id"], ["cost:sum"])
        return {step.with_env(self.env): cost for step, cost in found}

    def _labour_goes(self, gone, going):
        """Note how much labour has gone.

        :param dict going: as :meth:`_labour_since` returns it
        """
        for step in self:
            if going.get(step.id):
                step[gone] += going[step.id]
