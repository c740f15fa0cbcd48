from odoo import fields, models
from odoo.fields import Command
from odoo.tools import float_round

from ..books import BOOKS

#: In a context: the products whose order of values is being mended, so that none is mended twice.
MENDING = "machine_mending"
#: In a context: the amount of an entry, where it is not the whole value of its move.
DIFFERENCE = "machine_difference"


class StockMove(models.Model):
    _inherit = "stock.move"

    labour_value = fields.Monetary(
        "Labour in It",
        currency_field="company_currency_id",
        readonly=True,
        copy=False,
        help="How much labour of the order's work orders is in the value of what was made.",
    )
    made_share = fields.Float(
        "Share of the Cost",
        digits=(5, 4),
        readonly=True,
        copy=False,
        help="What part of components and labour the product bears; by-products bear the rest.",
    )
    valued_in_id = fields.Many2one(
        "stock.move",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The move of the finished product in whose value this component is.",
    )
    valued_component_ids = fields.One2many(
        "stock.move", "valued_in_id", string="Components in Its Value", readonly=True
    )

    def _is_made_of(self, components, labour):
        """Note what the value of a finished move comes from, so that it follows when one of these is corrected."""
        self.ensure_one()
        beside = self.production_id.move_byproduct_ids.filtered(
            lambda move: move.state not in ("done", "cancel") and move.quantity > 0
        )
        share = float_round(1 - sum(beside.mapped("cost_share")) / 100, precision_rounding=0.0001)
        self.write({"labour_value": labour, "made_share": share})
        components.write({"valued_in_id": self.id})

    def _price_anew(self):
        """Set the price of what was made from its components and its labour, which does not grow with the quantity."""
        for move in self:
            quantity = move._get_valued_qty()
            if not move.made_share or not quantity:
                continue
            cost = sum(move.valued_component_ids.mapped("value")) + move.labour_value
            move.price_unit = cost * move.made_share / quantity + move.production_id.extra_cost * move.made_share

    # The order of values is the order of the dates

    def _date_at(self, moment):
        """Value what is dated at a machine's time in the order of the dates."""
        done = self.filtered(lambda move: move.state == "done" and (move.is_in or move.is_out))
        for move in done:
            move._check_machine_period(moment)
        result = super()._date_at(moment)
        done._value_in_order()
        return result

    def _set_value(self, correction_quantity=None):
        """Let a correction of what was moved at a machine's time reach all that it is the cost of."""
        known = {move: move.value for move in self if move._is_corrected_by_machine()}
        for move in known:
            if move.production_id and move.product_id.cost_method != "standard":
                move._price_anew()
        # Odoo multiplies the value that a move had: of what was corrected to nothing that would be nothing for ever.
        anew = self.filtered(
            lambda move: correction_quantity and move in known and move._was_nothing(correction_quantity)
        )
        result = super(StockMove, self - anew)._set_value(correction_quantity)
        super(StockMove, anew)._set_value()
        if known:
            moves = self.browse([move.id for move in known])
            if {BOOKS, MENDING} & self.env.context.keys():  # what a person corrects is left to Odoo's closing
                moves._book_difference(known)
            moves._value_in_order(corrected=True)
            moves.valued_in_id._set_value()
        return result

    def _is_corrected_by_machine(self):
        """Return whether this move has its value already, and either its time or what changes it now is a machine's."""
        # It gets a machine's time once it has its value, be that nothing.
        return self.state == "done" and (self.is_machine_dated or (self.value and BOOKS in self.env.context))

    def _was_nothing(self, correction_quantity):
        """Return whether this move took nothing out of stock before a correction of its quantity."""
        return self._is_out() and self.product_uom.is_zero(self.quantity - correction_quantity)

    def _value_in_order(self, corrected=False):
        """Value again what machines took after these moves, and what was made of it.

        :param bool corrected: whether quantities or values changed; else nothing is to be done where these are the last
        """
        for company, of_company in self.grouped("company_id").items():
            for product, moves in of_company.grouped("product_id").items():
                product = product.with_company(company)
                path = self.env.context.get(MENDING, ())
                if not product._is_valued_in_order() or product.id in path:
                    continue
                since = min(moves.mapped("date"))
                if corrected or product._is_valued_after(since, moves):
                    moves.with_context(**{MENDING: (*path, product.id)})._value_since(product, since)

    def _value_since(self, product, since):
        values = {move.with_env(self.env): value for move, value in product._value_taken(since).items()}
        before = {move: move.value for move in values}
        for move, value in values.items():
            move.value = value
        product._update_standard_price()
        changed = self.browse([move.id for move in values])
        changed._book_difference(before)
        changed.valued_in_id._set_value()

    def _split_done(self, lot, quantity, values):
        """Divide the value as the quantity: together both parts are worth what the move was."""
        value, whole, path = self.value, self.quantity, self.env.context.get(MENDING, ())
        apart = self.with_context(**{MENDING: (*path, self.product_id.id)})
        new = super(StockMove, apart)._split_done(lot, quantity, values).with_env(self.env)
        new.value = self.company_currency_id.round(value * quantity / whole)
        self.value = value - new.value
        if self.product_id.lot_valuated:
            (self | new)._set_value()
        return new

    # Journal entries

    def _check_machine_period(self, moment=None):
        """Refuse what a machine moved in a locked period, where its company wants that to wait.

        :param moment: naive UTC; by default that of the effect
        """
        order = self.production_id or self.raw_material_production_id
        self.company_id._check_machine_period(order.display_name or self.reference, moment)

    def _action_done(self, cancel_backorder=False):
        """Refuse what a machine moved in a locked period before anything is done, where that is to wait."""
        for move in self:
            move._check_machine_period()
        return super()._action_done(cancel_backorder=cancel_backorder)

    def _book_difference(self, before):
        """Book by how much the value of these moves changed, where they have entries.

        :param dict before: ``{move: value}`` as it was
        """
        for move in self.filtered("account_move_id"):
            currency = move.company_currency_id
            difference = currency.round(move.value - before[move])
            if currency.is_zero(difference):
                continue
            lines = move.with_context(**{DIFFERENCE: abs(difference)})._get_account_move_line_vals()
            if difference < 0:
                lines = [{**line, "debit": line["credit"], "credit": line["debit"]} for line in lines]
            # sudo: as Odoo itself makes the entries of moves
            self.env["account.move"].sudo().create(
                {
                    "journal_id": move.company_id.account_stock_journal_id.id,
                    "ref": self.env._("%s - Value Corrected", move.reference),
                    "line_ids": [Command.create(line) for line in lines],
                }
            )._post()

    def _get_aml_value(self):
        return self.env.context.get(DIFFERENCE) or super()._get_aml_value()

    def _shadow_value(self):
        return self.value
