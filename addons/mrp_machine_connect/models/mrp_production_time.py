"""Orders and what they move bear the machine's time."""

from odoo import models

from .mrp_workorder import CLOSED
from .mrp_workorder_time import KEEP_DURATION


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _start_at(self, moment):
        """Let orders without work orders begin at a machine's time, or earlier than was known by now.

        :param moment: naive UTC
        """
        moment = moment.replace(microsecond=0)
        for production in self.with_context(force_date=True):
            if production.state == "confirmed" or production.date_start > moment:
                production.date_start = moment

    def _dates_at(self, start, finish):
        """Let an order begin and end at a machine's times. What its close moved bears the time of its end.

        :param start: naive UTC, or None to leave it
        :param finish: naive UTC, or None to leave it
        """
        self.ensure_one()
        values = {"date_start": start, "date_finished": finish}
        values = {name: moment.replace(microsecond=0) for name, moment in values.items() if moment}
        if values:
            self.with_context(force_date=True).write(values)
        if finish:
            moves = self.move_raw_ids | self.move_finished_ids
            moves.filtered(lambda move: not move.is_machine_dated)._date_at(finish)

    def _post_inventory(self, cancel_backorder=False):
        """Post without inventing time for the work orders of orders that machines feed."""
        fed = self._machine_fed()
        if others := self - fed:
            super(MrpProduction, others)._post_inventory(cancel_backorder)
        if fed:
            fed = fed.with_context(**{KEEP_DURATION: True})
            super(MrpProduction, fed)._post_inventory(cancel_backorder)
        return True

    def button_mark_done(self):
        """Close, and let what machines alone made be moved at the time of its last piece, not that of the click.

        Order and work orders end with the click all the same: until then the machine's time was theirs.
        """
        told = self.browse()
        # Whoever closes at a machine's time says so by that; see the handlers.
        if self.env.user != self.env.ref("mrp_machine_connect.user_machine_connect"):
            told = self._machine_fed().filtered(lambda production: production.state not in CLOSED)
        result = super().button_mark_done()
        for production in told.filtered(lambda production: production.state == "done"):
            if last := production._last_piece():
                moves = production.move_raw_ids | production.move_finished_ids
                moves.filtered(lambda move: not move.is_machine_dated)._date_at(last)
        return result

    def _last_piece(self):
        """Return when the last piece of an order was counted (naive UTC); False where a person entered some of it."""
        self.ensure_one()
        # sudo: whoever closes an order may know when its pieces were made
        ledgers = self.sudo().machine_ledger_ids
        if any(ledgers.mapped("by_hand")) or any(ledgers.mapped("kept_on_order")):
            return False
        if self.product_uom_id.compare(self.qty_producing, ledgers[:1].last_on_order) != 0:
            return False
        return self.env["mrp.machine.posting"]._last_piece_of("production_id", self)
