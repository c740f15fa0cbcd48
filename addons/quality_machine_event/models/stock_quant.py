"""The one place at which a lot that quality holds cannot pass: whatever moves stock ends in a change of a quant.

Deliveries, consumption, scrap, inventory counts, transfers, packing, unbuilding, corrections of what is done, and whoever
writes a quant himself: all of them take a quantity off a quant, or reserve it there.
"""

from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Domain

#: In a context: who goes through the gate, and that is an object which nobody outside of Python can name.
PASSES = "quality_hold_passes"
#: The value of that key for what goes into quarantine, and for what is decided with the release of a hold.
RELEASED = object()
#: In a context: lots that are not reserved.
NOT_RESERVED = "quality_not_reserved"
#: Where stock is: from there a held lot does not go.
STOCK = ("internal", "transit")
#: What makes another stock of a quant.
IDENTITY = ("product_id", "location_id", "lot_id", "owner_id", "company_id")


class LotHeld(UserError):
    """A lot that quality holds was to be moved, used or reserved.

    :param lot: the stock.lot
    """

    def __init__(self, message, lot):
        super().__init__(message)
        self.lot_id = lot.id


def passes(records):
    """Return whether what is done with these records goes through the gate by the decision of a person."""
    return records.env.context.get(PASSES) is RELEASED


class StockQuant(models.Model):
    _inherit = "stock.quant"

    @api.model_create_multi
    def create(self, vals_list):
        quants = super().create(vals_list)
        for quant in quants:
            if quant.quantity < 0 and quant.lot_id:  # a quant beside one that is locked takes from it
                quant._check_quality_hold(-quant.quantity, before=quant.lot_id._quality_on_hand() - quant.quantity)
            if quant.reserved_quantity > 0:
                quant._check_quality_reserved(quant.reserved_quantity)
        return quants

    def write(self, vals):
        if "quantity" in vals or "reserved_quantity" in vals or any(name in vals for name in IDENTITY):
            for quant in self:
                quant._check_quality_change(vals)
        return super().write(vals)

    def unlink(self):
        for quant in self:
            if quant.quantity > 0:
                quant._check_quality_hold(quant.quantity)
        return super().unlink()

    def _check_quality_change(self, vals):
        """Refuse values that take from a held lot, reserve it, or make another lot or place of it."""
        moved = any(name in vals and (vals[name] or False) != self[name].id for name in IDENTITY)
        taken = self.quantity if moved else self.quantity - (vals.get("quantity", self.quantity) or 0.0)
        if taken > 0:
            self._check_quality_hold(taken)
        reserved = (vals.get("reserved_quantity") or 0.0) - self.reserved_quantity
        if "reserved_quantity" in vals and reserved > 0:
            self._check_quality_reserved(reserved)

    def _check_quality_hold(self, taken, before=None):
        """Refuse to take so much from a lot of which no more is free.

        :param float taken: in the product's unit
        :param before: how much of the lot is in stock before; None: it is looked for
        :raise LotHeld: it is held
        """
        lot = self.lot_id
        if not lot or self.location_id.usage not in STOCK or passes(self) or not lot._quality_lock():
            return
        unit = self.product_id.uom_id
        if self.location_id.is_quality_quarantine:
            raise self._lot_held(lot)
        free = (lot._quality_on_hand() if before is None else before) - lot._quality_held_quantity()
        if unit.compare(taken, max(free, 0.0)) > 0:
            raise self._lot_held(lot)

    def _check_quality_reserved(self, more):
        """Refuse to reserve more of a lot than is free.

        :param float more: in the product's unit
        :raise LotHeld: it is held
        """
        lot = self.lot_id
        if not lot.quality_held or self.location_id.usage not in STOCK or passes(self):
            return
        free = lot._quality_on_hand() - lot._quality_held_quantity() - lot._quality_on_hand(reserved=True)
        if self.location_id.is_quality_quarantine or self.product_id.uom_id.compare(more, max(free, 0.0)) > 0:
            raise self._lot_held(lot)

    @api.model
    def _lot_held(self, lot):
        """Return the error that says what is held and who lets it go."""
        # sudo: whoever meets the hold is told of it
        return LotHeld(lot.sudo().quality_hold_ids._held_words(), lot)

    # What is reserved by Odoo itself

    @api.model
    def _get_gather_domain(self, product_id, location_id, lot_id=None, package_id=None, owner_id=None, strict=False):
        domain = super()._get_gather_domain(product_id, location_id, lot_id, package_id, owner_id, strict)
        if self.env.context.get(NOT_RESERVED):
            excluded, held = self.env.context[NOT_RESERVED]
            domain = Domain(domain) & (
                Domain("lot_id", "=", False)
                | Domain("lot_id", "not in", list(held))
                # Of a lot of which a part is held, what stands in quarantine is what is held.
                | Domain("lot_id", "not in", list(excluded)) & Domain("location_id.is_quality_quarantine", "=", False)
            )
        return domain

    def _get_reserve_quantity(
        self, product_id, location_id, quantity, uom_id=None, lot_id=None, package_id=None, owner_id=None, strict=False
    ):
        """Offer of lots that are held only what is free; the others are taken instead."""
        where = (lot_id, package_id, owner_id, strict)
        if quantity <= 0 or product_id.tracking == "none" or passes(self):
            return super()._get_reserve_quantity(product_id, location_id, quantity, uom_id, *where)
        free = product_id._quality_free_lots()
        if not free:
            return super()._get_reserve_quantity(product_id, location_id, quantity, uom_id, *where)
        unit, fixed, held = product_id.uom_id, [], tuple(lot.id for lot in free)
        excluded = [lot.id for lot, rest in free.items() if unit.compare(rest, 0) <= 0]
        while True:
            rest = quantity - sum(part for _quant, part in fixed)
            if unit.compare(rest, 0) <= 0:
                return fixed
            asked = self.with_context(**{NOT_RESERVED: (tuple(excluded), held)})
            offered = [
                # What is reserved on a quant looks for it again, and is not to miss it.
                (quant.with_context(**{NOT_RESERVED: None}), part)
                for quant, part in super(StockQuant, asked)._get_reserve_quantity(
                    product_id, location_id, rest, uom_id, *where
                )
                if quant.lot_id.id not in excluded
            ]
            of_lot = dict.fromkeys(free, 0.0)
            for quant, part in offered:
                if quant.lot_id in of_lot:
                    of_lot[quant.lot_id] += part
            over = next((lot for lot, part in of_lot.items() if unit.compare(part, free[lot]) > 0), None)
            if over is None:
                return fixed + offered
            # So much of it, and the rest is asked of the others.
            left = free[over]
            for quant, part in offered:
                if quant.lot_id == over and unit.compare(left, 0) > 0:
                    fixed.append((quant, min(part, left)))
                    left -= fixed[-1][1]
            excluded.append(over.id)


class ProductProduct(models.Model):
    _inherit = "product.product"

    def _quality_free_lots(self):
        """Return ``{lot: quantity}`` of lots of this product that are held: what of them may still be reserved."""
        self.ensure_one()
        # sudo: as stock itself looks for lots
        lots = self.env["stock.lot"].sudo().search([("product_id", "=", self.id), ("quality_held", "=", True)])
        return {
            lot.with_env(self.env): max(
                0.0, lot._quality_on_hand() - lot._quality_held_quantity() - lot._quality_on_hand(reserved=True)
            )
            for lot in lots
        }


class StockLot(models.Model):
    _inherit = "stock.lot"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _quality_tell(self):
        """Let all transactions that take from these lots at this moment meet the hold that was placed, also a second one."""
        self.env.flush_all()
        # By SQL: the row is written although nothing of it changes.
        self.env.cr.execute("UPDATE stock_lot SET quality_held = quality_held WHERE id = ANY(%s)", [self.ids])

    def _quality_lock(self):
        """Return whether this lot is held, as it is now and not only in this transaction's snapshot.

        A hold that another transaction places meanwhile changes the lot's row: this one then meets it, and is tried again.
        """
        self.ensure_one()
        self.flush_recordset(["quality_held"])
        # By SQL: only a lock on the row says that no other transaction holds the lot at this moment. What is locked to be
        # read by many hinders none of them.
        self.env.cr.execute(
            "SELECT quality_held FROM stock_lot WHERE id = %s FOR SHARE", [self.id], log_exceptions=False
        )
        return bool(self.env.cr.fetchone()[0])
