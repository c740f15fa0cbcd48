from odoo import fields, models

from ..books import BOOKS
from .mrp_workorder import LABOUR


class MrpProduction(models.Model):
    _inherit = "mrp.production"

    # A backorder has no work in progress of its own yet, and who closes an order need not be allowed to see entries.
    wip_move_ids = fields.Many2many(copy=False)

    def write(self, vals):
        """Rename an order, as a backorder does, also for whoever may not see its analytic lines.

        MRP renames these with it, in the rights of the person, or of the service user, who closes the order.
        """
        if "name" in vals and not self.env.su:
            self.check_access("write")
            # sudo: the name alone, on what this user may write
            super(MrpProduction, self.sudo()).write({"name": vals["name"]})
            if not (vals := {name: value for name, value in vals.items() if name != "name"}):
                return True
        return super().write(vals)

    def _cal_price(self, consumed_moves):
        """Put into the value of a part only the labour that no earlier part has taken.

        MRP puts all labour of the order so far into each part. Here a part takes what came since the last one, and gives
        back what was taken away since, where its components are worth that much.
        """
        self.ensure_one()
        made = self.move_finished_ids.filtered(
            lambda move: (
                move.product_id == self.product_id and move.state not in ("done", "cancel") and move.quantity > 0
            )
        )
        if not made:
            self._take_rest(consumed_moves)
            return super()._cal_price(consumed_moves)
        steps = self.workorder_ids
        going = steps._labour_since("labour_taken")
        if sum(consumed_moves.mapped("value")) + sum(going.values()) < 0:
            going = {}
        result = super(MrpProduction, self.with_context(**{LABOUR: going}))._cal_price(consumed_moves)
        steps._labour_goes("labour_taken", going)
        made._is_made_of(consumed_moves, sum(going.values()))
        return result

    def _take_rest(self, components):
        """Put components that are used when all pieces are in stock already into the value of the last part.

        A step that is ahead of the finished pieces used them, and MRP would have nothing that they are the cost of.
        """
        last = self._last_part()
        rest = components.filtered(lambda move: move.quantity and not move.valued_in_id)
        if last.made_share and rest:
            rest.valued_in_id = last
            last._set_value()

    def _last_part(self):
        """Return the move with which the last part of what was made entered stock, empty where none has."""
        made = self.move_finished_ids.filtered(lambda move: move.state == "done" and move.product_id == self.product_id)
        return made.sorted(lambda move: (move.date, move.id))[-1:]

    def _post_inventory(self, cancel_backorder=False):
        """Book the machine's time up to now before what it made is valued: its state may last still."""
        if books := self.env.context.get(BOOKS):
            books.machine._book_time_of(self)
        return super()._post_inventory(cancel_backorder)

    def _take_late_labour(self):
        """Put labour that came to be known after the close into the value of the last part, and into entries.

        :raise Waiting: the period is locked
        """
        for production in self:
            going = production.workorder_ids._labour_since("labour_taken")
            last = production._last_part()
            if not last.made_share or production.company_id.currency_id.is_zero(sum(going.values())):
                continue
            production.company_id._check_machine_period(production.display_name)
            production.workorder_ids._labour_goes("labour_taken", going)
            last.labour_value += sum(going.values())
            last._set_value()
            production._post_labour()

    def _post_labour(self):
        """Book only the labour that is not in an entry yet: an order that closed itself is closed once more by a person."""
        for production in self:
            company = production.company_id
            steps = production.workorder_ids
            going = steps._labour_since("labour_booked")
            if company.currency_id.is_zero(sum(going.values())):
                continue
            location = production.product_id.with_company(company).property_stock_production
            product = production.with_company(company).product_id
            if product.valuation != "real_time" or not location.valuation_account_id:
                continue
            company._check_machine_period(production.display_name)
            super(MrpProduction, production.with_context(**{LABOUR: going}))._post_labour()
            steps._labour_goes("labour_booked", going)
        return None

    def _check_late(self, moment):
        """Refuse to change what was moved in a locked period, where its company wants that to wait."""
        result = super()._check_late(moment)
        self.company_id._check_machine_period(self.display_name, moment)
        return result
