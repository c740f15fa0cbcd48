"""What else may be bad: all that a machine made since the last good check."""

from odoo import api, fields, models
from odoo.exceptions import UserError


class QualityMachineContain(models.TransientModel):
    """Proposes what was made since the last good check, and holds what a person leaves in the list."""

    _name = "quality.machine.contain"
    _description = "Containment"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, help="What it was made on.")
    product_id = fields.Many2one("product.product", readonly=True, help="What was made. Empty: all products.")
    check_id = fields.Many2one("quality.machine.check", readonly=True, help="The check that failed.")
    alert_id = fields.Many2one("quality.machine.alert", readonly=True, help="The alert behind it.")
    last_good_id = fields.Many2one("quality.machine.check", readonly=True, help="The last one that passed before.")
    date_start = fields.Datetime("From", help="Since the last good check. Empty: nobody knows since when.")
    date_end = fields.Datetime("To", required=True, help="Until the check that failed, or what is made now.")
    reason = fields.Char("Why", required=True, help="Stays with each hold, and is printed on its tag.")
    line_ids = fields.One2many("quality.machine.contain.line", "contain_id", string="Made Since Then")
    pieces = fields.Float(
        "Pieces without a Lot", readonly=True, digits=(16, 3), help="Booked then, of which no lot is known."
    )

    @api.model
    def _open(self, machine_id, product_id, moment, check, why, alert_id=False):
        """Return the action that proposes what was made before a moment, since the last good check.

        :param moment: naive UTC
        """
        if not machine_id:
            raise UserError(self.env._("Nobody knows on which machine it was made."))
        now = fields.Datetime.now()
        good = check._last_good_before(moment or now) if check else check
        wizard = self.create(
            {
                "machine_id": machine_id,
                "product_id": product_id,
                "check_id": check.id,
                "alert_id": alert_id or check.alert_id.id,
                "last_good_id": good.id,
                "date_start": good.occurred,
                "date_end": now,
                "reason": why,
            }
        )
        wizard._propose()
        return wizard._action()

    def _action(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Containment"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def action_propose(self):
        """Look once more, for another time."""
        self._propose()
        return self._action()

    def _propose(self):
        """Fill the list with the lots and pieces that were made within the time."""
        self.ensure_one()
        self.line_ids.unlink()
        # sudo: where and when lots were made is the poster's own; whoever contains may know
        rows = self.env["mrp.machine.lot"].sudo()
        start = self.date_start or fields.Datetime.to_datetime("1970-01-01")
        found = rows._between(self.machine_id, start, self.date_end)
        # A piece with a number of its own takes no time.
        found |= rows.search(
            [
                ("machine_id", "=", self.machine_id.id),
                ("date_start", ">=", start),
                ("date_start", "<=", self.date_end),
                ("product_id.tracking", "=", "serial"),
            ]
        )
        found = found.filtered(lambda row: row.lot_id and (not self.product_id or row.product_id == self.product_id))
        values = {}
        for row in found.sorted("date_start"):
            known = values.setdefault(
                row.lot_id.id,
                {
                    "lot_id": row.lot_id.id,
                    "production_id": row.production_id.id,
                    "date_start": row.date_start,
                    "quantity": 0.0,
                },
            )
            known["quantity"] += row.quantity
            known["date_end"] = row.date_end or self.date_end
        for serial in self._told_serials(start) - {row.lot_id.name for row in found}:
            product = self.product_id
            lot = product and self.env["stock.lot"]._quality_named(product, serial, self.machine_id.company_id)
            if lot:
                values.setdefault(lot.id, {"lot_id": lot.id, "quantity": 1.0})
        self.line_ids = [(0, 0, line) for line in values.values()]
        postings = self.env["mrp.machine.posting"].sudo()  # sudo: see above
        ((pieces,),) = postings._read_group(
            [
                ("machine_id", "=", self.machine_id.id),
                ("handler", "=", "production_count"),
                ("occurred_to", ">=", start),
                ("occurred_from", "<=", self.date_end),
                ("machine_lot_id", "=", False),
                *([("production_id.product_id", "=", self.product_id.id)] if self.product_id else []),
            ],
            aggregates=["quantity:sum"],
        )
        self.pieces = pieces or 0.0

    def _told_serials(self, start):
        """Return the serial numbers of parts that the machine said were completed within the time."""
        # sudo: see _propose
        events = self.env["mrp.machine.event"].sudo()
        told = events.search(
            [
                ("machine_id", "=", self.machine_id.id),
                ("type", "=", "production.part_completed"),
                ("occurred", ">=", start),
                ("occurred", "<=", self.date_end),
            ]
        )
        return {str((event.data or {}).get("serial") or "").strip() for event in told} - {""}

    def action_hold(self):
        """Hold what is chosen in the list."""
        self.ensure_one()
        holds = self.env["quality.machine.hold"]
        for line in self.line_ids.filtered(lambda line: line.is_chosen and not line.quality_held):
            holds |= holds._place(
                self.reason.strip(),
                lot=line.lot_id,
                production=line.production_id,
                machine_id=self.machine_id.id,
                alert_id=self.alert_id.id,
            )
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_hold_action")
        action.update(domain=[("lot_id", "in", self.line_ids.filtered("is_chosen").lot_id.ids)], context={})
        return action


class QualityMachineContainLine(models.TransientModel):
    """A lot that may be bad as well."""

    _name = "quality.machine.contain.line"
    _description = "Containment Line"

    contain_id = fields.Many2one("quality.machine.contain", required=True, ondelete="cascade")
    is_chosen = fields.Boolean("Hold", default=True, help="It is held with the button.")
    lot_id = fields.Many2one("stock.lot", string="Lot/Serial Number", readonly=True, help="What was made.")
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True, help="On which order.")
    date_start = fields.Datetime("From", readonly=True, help="Made from then on.")
    date_end = fields.Datetime("To", readonly=True, help="Made until then.")
    quantity = fields.Float("Made", readonly=True, digits=(16, 3), help="Pieces of it that were booked.")
    on_hand = fields.Float(compute="_compute_on_hand", digits="Product Unit", help="What of it lies in stock now.")
    quality_held = fields.Boolean(related="lot_id.quality_held", help="It is held already.")

    @api.depends("lot_id")
    def _compute_on_hand(self):
        for line in self:
            line.on_hand = line.lot_id._quality_on_hand()
