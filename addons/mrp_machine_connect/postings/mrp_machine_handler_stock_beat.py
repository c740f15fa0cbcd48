from odoo import api, models

from ..quantities import number_text
from .outcome import Ignored, Waiting


class MachineHandlerStockBeat(models.AbstractModel):
    """What was made enters stock while its order goes on, and rejects leave it as scrap, at the machine's time.

    Several decisions on one order are one effect: what is due is asked of the order itself, so that one that comes twice
    or late finds nothing more to do.
    """

    _name = "mrp.machine.handler.stock_beat"
    _inherit = "mrp.machine.handler"
    _description = "Goods into Stock"
    _event_types = ("production.stock_due",)
    _handler_sequence = 26

    @api.model
    def _group(self, row):
        event = row.event_id
        data = event.data or {}
        if event.source_id != self.env.ref("mrp_machine_connect.source_rules"):
            raise Ignored("not_ours", self.env._("Only Odoo's own rules say when goods enter stock."))
        production = self.env["mrp.production"].browse(data.get("production_id") or 0).exists()
        if not production:
            raise Ignored("no_order", self.env._("The order is no more."))
        if production.state == "cancel":
            raise Ignored("order_closed", self.env._("%s is cancelled.", production.display_name))
        return production.id

    @api.model
    def _products(self, group):
        production = self.env["mrp.production"].browse(group)
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        production = self.env["mrp.production"].browse(group)
        moment = rows.event_id[-1:].occurred
        if production.state == "done":
            return self._scrap_at_close(production, rows)
        entered = production._stock_due()
        if not entered:
            raise Ignored(
                "nothing_due",
                self.env._("Nothing of %s is to enter stock before it is closed.", production.display_name),
            )
        self._check(production)
        moves = production._enter_stock()
        moves._date_at(moment)
        # What cannot be scrapped now is so at the close, for it is not there, or nobody told of which lot it is.
        scraps = production._scrap_rejects()
        drafts = scraps.filtered(lambda scrap: scrap.state != "done")
        scraps -= drafts
        drafts.sudo().unlink()  # sudo: made a moment ago and never done; to delete scraps is nobody's right otherwise
        self._date_scraps(scraps, moment)
        words = self.env._(
            "%(quantity)s of %(order)s into stock", quantity=number_text(entered), order=production.display_name
        )
        if scraps:
            words = self.env._(
                "%(entered)s, %(scrapped)s scrapped", entered=words, scrapped=scraps._machine_words(production)
            )
        posting = self._posting(
            rows,
            words,
            production,
            production_id=production.id,
            explanation=self._explanation(rows.event_id[-1:], production),
        )
        self._link(posting, moves, scraps)
        return posting

    @api.model
    def _check(self, production):
        """Lay out what was used, and refuse what cannot enter stock without a person."""
        product = production.product_id
        if product.tracking != "none" and not production.lot_producing_ids:
            raise Waiting(
                "lot",
                self.env._(
                    "%(product)s is tracked, and %(order)s has no lot yet.",
                    product=product.display_name,
                    order=production.display_name,
                ),
            )
        if words := production._missing(production._lay_out()):
            raise Waiting("components", words)

    @api.model
    def _scrap_at_close(self, production, rows):
        """Scrap the rejects of an order that was closed, at the time at which the last of it entered stock."""
        if not production._has_scrap_due():
            raise Ignored("nothing_due", self.env._("No reject of %s is still in stock.", production.display_name))
        finished = production.move_finished_ids.filtered(
            lambda move: move.state == "done" and move.product_id == production.product_id
        )
        scraps = production._scrap_rejects()
        for scrap in scraps.filtered(lambda scrap: scrap.state != "done"):
            raise self._not_scrapped(production, scrap)
        self._date_scraps(scraps, max(finished.mapped("date"), default=rows.event_id[-1:].occurred))
        if scraps:
            words = self.env._(
                "%(quantity)s of %(order)s scrapped",
                quantity=scraps._machine_words(production),
                order=production.display_name,
            )
        else:
            words = self.env._("Why pieces of %s were scrapped", production.display_name)
        posting = self._posting(
            rows,
            words,
            scraps if len(scraps) == 1 else production,
            production_id=production.id,
            explanation=self._explanation(rows.event_id[-1:], production),
        )
        self._link(posting, self.env["stock.move"], scraps)
        return posting

    @api.model
    def _not_scrapped(self, production, scrap):
        """Return why rejects could not be scrapped, as a Waiting.

        :param scrap: the draft that was made of them
        """
        product = scrap.product_id
        words = {
            "quantity": number_text(scrap.scrap_qty),
            "order": production.display_name,
            "product": product.display_name,
            "location": scrap.location_id.display_name,
        }
        _, waits_for = self.env._, f"production:{production.id}"
        if product.tracking != "none" and not scrap.lot_id:
            if product == production.product_id:
                said = _(
                    "%(quantity)s rejects of %(order)s are to be scrapped, and nobody said of which lot of %(product)s.",
                    **words,
                )
            else:
                said = _(
                    "%(quantity)s of %(product)s are to be scrapped for rejects of %(order)s, and nobody said of which lot.",
                    **words,
                )
            return Waiting("scrap_tracked", said, detail=waits_for)
        if product == production.product_id:
            said = _(
                "%(quantity)s rejects of %(order)s are to be scrapped, and are no longer in %(location)s.", **words
            )
        else:
            said = _(
                "%(quantity)s of %(product)s are to be scrapped for rejects of %(order)s, and are not in %(location)s.",
                **words,
            )
        return Waiting("scrap_missing", said, detail=waits_for)

    @api.model
    def _date_scraps(self, scraps, moment):
        if scraps:
            scraps.date_done = moment
            scraps.move_ids._date_at(moment)

    @api.model
    def _link(self, posting, moves, scraps):
        """Let what was moved name the posting that moved it."""
        moves |= scraps.move_ids
        # sudo: nobody writes by hand which posting made a move
        moves.sudo().machine_posting_id = posting

    @api.model
    def _explanation(self, event, production):
        """Return why goods entered stock, or left it, at this moment and no other."""
        _ = self.env._
        machine = event.machine_id
        match event.data.get("rule"):
            case "pieces":
                return _(
                    "On the beat of %(machine)s: every %(pieces)s pieces.",
                    machine=machine.name,
                    pieces=number_text(machine.beat_pieces),
                )
            case "minutes":
                return _(
                    "On the beat of %(machine)s: every %(minutes)s minutes.",
                    machine=machine.name,
                    minutes=number_text(machine.beat_minutes),
                )
            case "shift":
                return _("On the beat of %s: a shift ended.", machine.name)
            case _other:
                return _("%s is closed.", production.display_name)
