"""What is held, why, and who let it go."""

from math import isfinite
from urllib.parse import urlencode

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import AccessError, UserError, ValidationError

from .stock_quant import PASSES, RELEASED

#: Who may let go what is held.
RELEASERS = ("quality_machine_event.group_quality_inspector", "mrp_machine_connect.group_manager")
#: Who may hold.
HOLDERS = (*RELEASERS, "mrp_machine_connect.group_supervisor")


class QualityMachineHold(models.Model):
    """A lot, a part of it, or an order whose lot is not known yet, that goes no further until a person releases it."""

    _name = "quality.machine.hold"
    _description = "Quality Hold"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char("Number", required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    lot_id = fields.Many2one(
        "stock.lot",
        string="Lot/Serial Number",
        readonly=True,
        index="btree_not_null",
        check_company=True,
        ondelete="restrict",
        help="What is held. Empty: the lot of the order is not known yet, so the order itself waits.",
    )
    product_id = fields.Many2one(
        "product.product", compute="_compute_product_id", store=True, index="btree_not_null", help="What it is."
    )
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit", help="The unit that the product is kept in.")
    quantity = fields.Float(
        digits="Product Unit",
        readonly=True,
        help="So much of the lot is held. 0: the whole lot, whatever is added to it.",
    )
    held_now = fields.Float(
        compute="_compute_held_now", digits="Product Unit", help="What is held by this, of what lies in stock now."
    )
    machine_id = fields.Many2one(
        "mrp.machine", readonly=True, index="btree_not_null", check_company=True, help="The machine that made it."
    )
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        readonly=True,
        index="btree_not_null",
        check_company=True,
        help="The order that it was made on.",
    )
    blocks_order = fields.Boolean(
        "Order Waits",
        readonly=True,
        help="Nothing more is booked on the order until this is released: what machines count waits in Exceptions.",
    )
    check_id = fields.Many2one(
        "quality.machine.check", readonly=True, index="btree_not_null", ondelete="set null", help="The check behind it."
    )
    alert_id = fields.Many2one(
        "quality.machine.alert", readonly=True, index="btree_not_null", ondelete="set null", help="The alert behind it."
    )
    until_passed = fields.Boolean(readonly=True, help="Held until its check passes, which releases it.")
    reason = fields.Char("Why", required=True, readonly=True, help="Why it is held; printed on the tag.")
    state = fields.Selection(
        [("held", "Held"), ("released", "Released")],
        required=True,
        readonly=True,
        default="held",
        copy=False,
        tracking=True,
        help="Held: it can be neither reserved nor moved, used or scrapped, but for a move into quarantine.",
    )
    held_by = fields.Many2one("res.users", readonly=True, default=lambda self: self.env.user, help="Who held it.")
    held_at = fields.Datetime(readonly=True, default=fields.Datetime.now, help="When.")
    released_by = fields.Many2one("res.users", readonly=True, copy=False, help="Who let it go.")
    released_at = fields.Datetime(readonly=True, copy=False, help="When all of it was let go.")
    release_reason = fields.Char(readonly=True, copy=False, tracking=True, help="Why it was let go.")
    good_quantity = fields.Float(
        "Good", digits="Product Unit", readonly=True, copy=False, help="Let go as good, in all."
    )
    bad_quantity = fields.Float("Bad", digits="Product Unit", readonly=True, copy=False, help="Found bad, in all.")

    _what = models.Constraint(
        "CHECK (lot_id IS NOT NULL OR production_id IS NOT NULL)", "A hold is of a lot, or of an order."
    )
    _check_lot_unique = models.UniqueIndex(
        "(check_id, COALESCE(lot_id, 0)) WHERE state = 'held' AND check_id IS NOT NULL",
        "This check holds this lot already.",
    )
    _order_index = models.Index("(production_id) WHERE state = 'held' AND blocks_order")

    @api.depends("lot_id.product_id", "production_id.product_id")
    def _compute_product_id(self):
        for hold in self:
            hold.product_id = hold.lot_id.product_id or hold.production_id.product_id

    @api.depends("lot_id", "quantity", "state")
    def _compute_held_now(self):
        for hold in self:
            held = hold.lot_id._quality_on_hand() if hold.lot_id and hold.state == "held" else 0.0
            hold.held_now = min(held, hold.quantity) if hold.quantity else held

    @api.depends("name", "lot_id.name", "production_id.name")
    def _compute_display_name(self):
        for hold in self:
            hold.display_name = f"{hold.name} {hold.lot_id.name or hold.production_id.name or ''}".strip()

    @api.constrains("quantity")
    def _check_quantity(self):
        for hold in self:
            if hold.quantity < 0 or not isfinite(hold.quantity):
                raise ValidationError(self.env._("A hold is of a quantity of 0 or more."))

    @api.model_create_multi
    def create(self, vals_list):
        new = self.env._("New")
        for vals in vals_list:
            if vals.get("name", new) == new:
                vals["name"] = self.env["ir.sequence"].next_by_code("quality.machine.hold") or new
        return super().create(vals_list)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_held(self):
        if any(hold.state == "held" for hold in self):
            raise UserError(self.env._("What is held is released first, with a reason."))

    # Holding

    @api.model
    def _place(self, why, lot=None, production=None, quantity=0.0, **values):
        """Hold a lot, or an order whose lot is not known; what a check holds already stays as it is.

        :param str why: printed on the tag
        :param float quantity: in the product's unit; 0: all of the lot
        :param values: further fields: ``machine_id``, ``check_id``, ``alert_id``, ``blocks_order``, ``until_passed``
        :return: the hold
        """
        if not self.env.su and not any(self.env.user.has_group(group) for group in HOLDERS):
            raise AccessError(self.env._("Only a quality inspector, a supervisor or a manager holds lots."))
        lot, production = lot or self.env["stock.lot"], production or self.env["mrp.production"]
        # sudo: nobody writes holds by hand; the right was asked above, or a check asks for it
        holds = self.sudo()
        if check_id := values.get("check_id"):
            known = holds.search([("check_id", "=", check_id), ("lot_id", "=", lot.id), ("state", "=", "held")])
            if known:
                return known.with_env(self.env)
        company = lot.company_id or production.company_id or self.env.company
        hold = holds.create(
            {
                "reason": why,
                "lot_id": lot.id,
                "production_id": production.id,
                "quantity": quantity,
                "company_id": company.id,
                "held_by": self.env.uid,
                **values,
                "blocks_order": bool(production) and (values.get("blocks_order", False) or not lot),
            }
        )
        lot._quality_tell()
        hold._free_what_is_reserved()
        if production:
            production.sudo().message_post(body=hold._placed_words())  # sudo: a note on what its pieces are
        return hold.with_env(self.env)

    def _placed_words(self):
        return self.env._("%(what)s is held: %(why)s", what=self.display_name, why=self.reason)

    def _free_what_is_reserved(self):
        """Give back what documents reserved of a lot that is held now, and let them look for another."""
        for hold in self.filtered("lot_id"):
            lines = self.env["stock.move.line"].search(
                [("lot_id", "=", hold.lot_id.id), ("state", "not in", ("done", "cancel")), ("picked", "=", False)]
            )
            lines = lines.filtered(
                lambda line: (
                    line.location_id.usage in ("internal", "transit")
                    and not line.location_dest_id.is_quality_quarantine
                )
            )
            moves = lines.move_id
            lines.unlink()
            for document in (*moves.picking_id, *moves.raw_material_production_id):
                document.message_post(
                    body=self.env._("%s is held by quality: its reservation was given back.", hold.lot_id.display_name)
                )
            moves._action_assign()

    @api.model
    def _of_order(self, production):
        """Return the holds for which an order waits."""
        # sudo: whoever works on an order may know that it is held
        return self.sudo().search(
            [("production_id", "=", production.id), ("state", "=", "held"), ("blocks_order", "=", True)]
        )

    def _lot_is_known(self, lot):
        """Let holds of an order hold its lot, now that somebody said which one that is."""
        for hold in self.filtered(lambda hold: hold.state == "held" and not hold.lot_id):
            hold.write({"lot_id": lot.id})
            lot._quality_tell()
            hold._free_what_is_reserved()

    def _held_words(self):
        """Return in a sentence that this is held, why, and who lets it go."""
        holds = self.filtered(lambda hold: hold.state == "held")
        lot = holds[:1].lot_id
        words = {
            "lot": lot.name or holds[:1].production_id.name or "",
            "product": holds[:1].product_id.display_name,
            "holds": "; ".join(f"{hold.name}: {hold.reason}" for hold in holds),
        }
        if any(not hold.quantity for hold in holds):
            return self.env._(
                "%(lot)s of %(product)s is held by quality (%(holds)s). It can be moved into quarantine; for all else a "
                "quality inspector releases it first, under Machines → Quality → Holds.",
                **words,
            )
        return self.env._(
            "%(quantity)s of %(lot)s of %(product)s are held by quality (%(holds)s), and what is asked for is more than is "
            "free. A quality inspector releases it under Machines → Quality → Holds.",
            quantity=number_text(sum(holds.mapped("quantity"))),
            **words,
        )

    def _order_words(self):
        """Return in a sentence why an order waits."""
        return self.env._(
            "%(order)s waits for quality: %(holds)s.",
            order=self[:1].production_id.display_name,
            holds="; ".join(f"{hold.name}: {hold.reason}" for hold in self),
        )

    # Releasing

    def _check_releaser(self):
        if not self.env.su and not any(self.env.user.has_group(group) for group in RELEASERS):
            raise AccessError(self.env._("Only a quality inspector or a manager releases what is held."))
        self.check_access("read")

    def action_release(self):
        """Ask why it is let go, and how much of it is good."""
        self._check_releaser()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Release"),
            "res_model": "quality.machine.hold.release",
            "view_mode": "form",
            "target": "new",
            "context": {"default_hold_ids": self.ids},
        }

    def _release(self, why, good=None, bad=0.0, scrap_location=None):
        """Let go what is held, or the good part of it.

        :param str why: stays with the hold, with the person's name
        :param good: how much is good, in the product's unit; None: all of it
        :param float bad: how much of the rest was found bad
        :param scrap_location: where what is bad is scrapped to; without one it stays held
        """
        self._check_releaser()
        why = (why or "").strip()
        if not why:
            raise UserError(self.env._("Enter why: it stays with the hold, with your name."))
        if good is not None:
            self.ensure_one()
        # sudo: nobody writes holds by hand; the right was asked above
        for hold in self.sudo().filtered(lambda hold: hold.state == "held"):
            if good is None:
                hold._end(why, hold.held_now, 0.0)
            else:
                hold._split(why, good, bad, scrap_location)

    def _split(self, why, good, bad, scrap_location):
        """Let the good part go; the bad one is scrapped, or stays held."""
        unit, held = self.uom_id, self.held_now
        if unit.compare(good, 0.0) < 0 or unit.compare(bad, 0.0) < 0 or unit.compare(good + bad, held) > 0:
            raise UserError(
                self.env._(
                    "Good and bad are together at most what is held: %(held)s %(unit)s.",
                    held=number_text(held),
                    unit=unit.name,
                )
            )
        if not self.lot_id:
            raise UserError(self.env._("The order has no lot yet: it is released as a whole."))
        scrapped = bad if scrap_location else 0.0
        if scrapped:
            self._scrap(scrapped, scrap_location)
        rest = unit.round(held - good - scrapped, rounding_method="HALF-UP")
        if unit.compare(rest, 0.0) <= 0:
            self._end(why, good, bad)
            return
        self.write(
            {
                "quantity": rest,
                "good_quantity": self.good_quantity + good,
                "bad_quantity": self.bad_quantity + bad,
                "release_reason": why,
            }
        )
        self.message_post(
            body=self.env._(
                "%(good)s good and let go, %(bad)s bad, %(rest)s still held. %(why)s",
                good=number_text(good),
                bad=number_text(bad),
                rest=number_text(rest),
                why=why,
            ),
            author_id=self.env.user.partner_id.id,
        )
        self._go_on()

    def _end(self, why, good, bad):
        self.write(
            {
                "state": "released",
                "released_by": self.env.uid,
                "released_at": fields.Datetime.now(),
                "release_reason": why,
                "good_quantity": self.good_quantity + good,
                "bad_quantity": self.bad_quantity + bad,
            }
        )
        if self.production_id:
            self.production_id.message_post(
                body=self.env._(
                    "%(what)s is released by %(who)s: %(why)s", what=self.display_name, who=self.env.user.name, why=why
                )
            )
        self._go_on()

    def _scrap(self, quantity, location):
        """Scrap what is bad from where it lies: it goes through the gate by the decision that is written down here."""
        quants = self.env["stock.quant"].search(
            [
                ("lot_id", "=", self.lot_id.id),
                ("location_id.usage", "in", ("internal", "transit")),
                ("quantity", ">", 0),
            ],
            # What stands in quarantine is what was found bad.
            order="id",
        )
        for quant in quants.sorted(lambda quant: not quant.location_id.is_quality_quarantine):
            part = min(quantity, quant.quantity)
            if self.uom_id.compare(part, 0.0) <= 0:
                break
            scrap = self.env["stock.scrap"].create(
                {
                    "product_id": self.product_id.id,
                    "scrap_qty": part,
                    "product_uom_id": self.uom_id.id,
                    "lot_id": self.lot_id.id,
                    "package_id": quant.package_id.id,
                    "owner_id": quant.owner_id.id,
                    "location_id": quant.location_id.id,
                    "scrap_location_id": location.id,
                    "company_id": self.company_id.id,
                    "origin": self.name,
                }
            )
            scrap.with_context(**{PASSES: RELEASED}).do_scrap()
            quantity -= part

    def _go_on(self):
        """Let what waited for this be tried again: effects of machines, and documents that found nothing else."""
        details = [f"stock.lot:{hold.lot_id.id}" for hold in self if hold.lot_id]
        details += [f"quality.order:{hold.production_id.id}" for hold in self if hold.production_id]
        # sudo: whoever releases need not be allowed to touch effects
        rows = self.env["mrp.machine.event.posting"].sudo()
        rows.search([("state", "=", "waiting"), ("detail", "in", details)])._requeue()

    # Buttons

    def action_contain(self):
        """Propose what else was made since the last good check."""
        self.ensure_one()
        return self.env["quality.machine.contain"]._open(
            machine_id=self.machine_id.id,
            product_id=self.product_id.id,
            moment=self.check_id.done_at or self.held_at,
            check=self.check_id,
            why=self.reason,
        )

    def _tag_barcode(self):
        """Return where the picture of the lot's barcode is to be had."""
        said = {"barcode_type": "Code128", "value": self.lot_id.name, "width": 600, "height": 100}
        return f"/report/barcode/?{urlencode(said)}"

    def action_print_tag(self):
        """Print the tag that is put to the goods."""
        return self.env.ref("quality_machine_event.quality_machine_hold_report").report_action(self, config=False)
