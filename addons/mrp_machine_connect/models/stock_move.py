from odoo import fields, models

#: In a context: a date that is written on moves is the machine's, and becomes the one that they keep.
MACHINE_DATE = "machine_date"


class StockMove(models.Model):
    _inherit = "stock.move"

    machine_posting_id = fields.Many2one(
        "mrp.machine.posting",
        index="btree_not_null",
        readonly=True,
        copy=False,
        help="The effect of a machine's events that made this move.",
    )
    is_machine_dated = fields.Boolean(
        "Date Is the Machine's",
        readonly=True,
        copy=False,
        help="When this was moved is known from the machine, and stays so whatever becomes of the order's dates.",
    )

    def write(self, vals):
        """Keep the date of what was moved at a machine's time.

        MRP writes the order's dates on all of its moves, done ones included, with each count that changes what an order
        is expected to take, and when it is closed.
        """
        if "date" in vals and not self.env.context.get(MACHINE_DATE):
            kept = self.filtered(lambda move: move.is_machine_dated and move.state == "done")
            if kept:
                result = True
                if others := self - kept:
                    result = super(StockMove, others).write(dict(vals))
                if rest := {name: value for name, value in vals.items() if name != "date"}:
                    result = super(StockMove, kept).write(rest)
                return result
        return super().write(vals)

    def _compute_forecast_information(self):
        """Say of components that are used already that they were there.

        MRP looks ahead for all moves of an order that is still open, and finds nothing for those that are done: where
        pieces enter stock one after another, half of the order's components would be «Not Available», and so the order.
        """
        result = super()._compute_forecast_information()
        for move in self:
            if move.state == "done" and move.raw_material_production_id:
                move.forecast_availability = move.product_qty
        return result

    def _date_at(self, moment):
        """Let those of these moves that are done bear a machine's time, and keep it.

        :param moment: naive UTC
        """
        done = self.filtered(lambda move: move.state == "done")
        done.with_context(**{MACHINE_DATE: True}).write(
            {"date": moment.replace(microsecond=0), "is_machine_dated": True}
        )
