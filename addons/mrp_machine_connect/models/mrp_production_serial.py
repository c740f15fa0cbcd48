"""Of which lots is a piece made that has a serial number? Of those that were on its machine at its own time."""

from collections import Counter

from odoo import models

from . import mrp_production_material  # noqa: F401 - extended here, so it must be there


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _check_sn_uniqueness(self):
        """Look only at serial numbers of components that are still to be used.

        MRP looks at all of the order, as it knows no order that entered stock in parts: to it what the parts before used
        was used already, and no more may be.
        """
        self.ensure_one()
        used = self.move_raw_ids.filtered(lambda move: move.state == "done" and move.has_tracking == "serial")
        if not used:
            return super()._check_sn_uniqueness()
        # In the cache alone, and only while MRP looks: it asks the order for its components and takes no others.
        field, components = self._fields["move_raw_ids"], self.move_raw_ids
        field._update_cache(self, (components - used)._ids)
        try:
            return super()._check_sn_uniqueness()
        finally:
            field._update_cache(self, components._ids)

    def _post_inventory(self, cancel_backorder=False):
        """Link each serial number to its own components, where MRP links all that enters stock at once to all that was used."""
        serial = self.filtered(lambda production: production.product_id.tracking == "serial")
        before = {production: production._finished_lines() for production in serial}
        result = super()._post_inventory(cancel_backorder)
        for production, lines in before.items():
            production._link_serials(production._finished_lines() - lines)
        return result

    def _finished_lines(self):
        """Return the lines by which finished pieces of this order entered stock."""
        done = self.move_finished_ids.filtered(lambda move: move.state == "done" and move.product_id == self.product_id)
        return done.move_line_ids

    def _link_serials(self, lines):
        """Leave to each of these lines, of the components that have lots, only what was on the machine at its time.

        Where nobody said what was there, or that was not used with these pieces, all stay.
        """
        loads, known = self.env["mrp.machine.material"].sudo(), {}  # sudo: whoever posts may know what was used
        rows, foreign = {row.lot_id.id: row for row in self._machine_lots()}, {}
        for line in lines:
            row, others = rows.get(line.lot_id.id), self.env["stock.move.line"]
            for product in line.consume_line_ids.filtered("lot_id").product_id if row else ():
                key = row.machine_id, product
                if key not in known:
                    known[key] = loads._of(*key)
                there = known[key].filtered(lambda load, row=row: load._was_there(row.date_start)).lot_id
                theirs = line.consume_line_ids.filtered(lambda used, product=product: used.product_id == product)
                if own := theirs.filtered(lambda used, there=there: used.lot_id in there):
                    others |= theirs - own
            if others:
                foreign[line] = others
        # What would be of no piece any more came to be known late, and of which piece it is nobody knows.
        kept = Counter(used_id for line in lines for used_id in line.consume_line_ids.ids)
        kept.subtract(used_id for others in foreign.values() for used_id in others.ids)
        for line, others in foreign.items():
            line.consume_line_ids -= others.filtered(lambda used: kept[used.id] > 0)
