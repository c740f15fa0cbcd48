from math import inf

from odoo import api, fields, models


class StockLot(models.Model):
    _inherit = "stock.lot"

    quality_hold_ids = fields.One2many("quality.machine.hold", "lot_id", string="Holds", readonly=True)
    quality_held = fields.Boolean(
        "Held",
        compute="_compute_quality_held",
        compute_sudo=True,
        store=True,
        help="Quality holds this lot, or a part of it: that can be neither reserved nor moved, used or scrapped until it is "
        "released.",
    )

    @api.depends("quality_hold_ids.state")
    def _compute_quality_held(self):
        for lot in self:
            lot.quality_held = any(hold.state == "held" for hold in lot.quality_hold_ids)

    def _quality_held_quantity(self):
        """Return how much of this lot is held, in the product's unit: infinite where all of it is, however much that is."""
        self.ensure_one()
        # sudo: whoever moves stock need not be allowed to see holds
        holds = self.sudo().quality_hold_ids.filtered(lambda hold: hold.state == "held")
        return sum(hold.quantity or inf for hold in holds)

    @api.model
    def _quality_named(self, product, name, company):
        """Return the lot or serial number of a product with a name, or none."""
        return self.search(
            [("product_id", "=", product.id), ("name", "=", name), ("company_id", "in", (False, company.id))], limit=1
        )

    def _quality_on_hand(self, reserved=False):
        """Return how much of this lot lies in stock of its company, in the product's unit.

        :param bool reserved: return how much of it is reserved instead
        """
        self.ensure_one()
        field = "reserved_quantity:sum" if reserved else "quantity:sum"
        # sudo: as stock itself looks for quants
        ((total,),) = (
            self.env["stock.quant"]
            .sudo()
            ._read_group(
                [("lot_id", "=", self.id), ("location_id.usage", "in", ("internal", "transit"))], aggregates=[field]
            )
        )
        return total or 0.0

    def _machine_refusal(self, moment, used=False):
        """A lot that is held as a whole is not used for what a machine makes; one that it makes may go on: all is held."""
        if refusal := super()._machine_refusal(moment, used=used):
            return refusal
        if used and self.quality_held and self._quality_held_quantity() == inf:
            return "lot_held", self.sudo().quality_hold_ids._held_words()  # sudo: see _quality_held_quantity
        return None

    def action_quality_holds(self):
        """Open the holds of this lot."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_hold_action")
        action["domain"] = [("lot_id", "=", self.id)]
        action["context"] = {"default_lot_id": self.id}
        return action

    def action_quality_hold(self):
        """Ask why this lot is to be held, and hold it."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Hold"),
            "res_model": "quality.machine.hold.place",
            "view_mode": "form",
            "target": "new",
            "context": {"default_lot_id": self.id},
        }

    def action_quality_recall(self):
        """Open a recall drill that begins at this lot."""
        self.ensure_one()
        recall = self.env["quality.machine.recall"].create(
            {"lot_id": self.id, "company_id": self._quality_company().id}
        )
        recall.action_trace()
        return {
            "type": "ir.actions.act_window",
            "res_model": "quality.machine.recall",
            "res_id": recall.id,
            "view_mode": "form",
        }

    def _quality_company(self):
        return self.company_id or self.env.company
