"""Of which lot are the pieces that a machine makes, from when to when?

The machine says it, somebody scans it, a person enters it on the order, or Odoo numbers lots itself. Each word splices
into what was known, in order or late, and pieces that were counted since then go over to the lot it names.
"""

from odoo import fields, models

from ..postings.outcome import Ignored
from . import mrp_machine_event_posting, mrp_machine_posting  # noqa: F401 - extended here, so they must be there


class MachineLot(models.Model):
    """A lot of finished goods on a machine, and how many pieces of it were made on an order.

    Of what is tracked by serial number there is a row for each piece, which takes no time.
    """

    _name = "mrp.machine.lot"
    _inherit = "mrp.machine.span.mixin"
    _description = "Lot on a Machine"
    _order = "date_start desc, id desc"
    _rec_name = "told"
    _check_company_auto = True

    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, index=True, ondelete="restrict", help="Where it was made."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        readonly=True,
        index="btree_not_null",
        check_company=True,
        help="The order that it was made on. Empty: no piece has been made since it was told.",
    )
    lot_id = fields.Many2one(
        "stock.lot",
        string="Lot/Serial Number",
        readonly=True,
        index="btree_not_null",
        check_company=True,
        ondelete="restrict",
        help="The lot, or the serial number of a single piece.",
    )
    product_id = fields.Many2one(related="lot_id.product_id", store=True, help="What was made.")
    told = fields.Char(readonly=True, help="The name as the machine, the label or the person said it.")
    date_start = fields.Datetime(
        string="From", required=True, readonly=True, help="From when on pieces are of this lot, by the machine's time."
    )
    date_end = fields.Datetime(string="To", readonly=True, help="When another lot began. Empty: it lasts.")
    source = fields.Selection(
        [
            ("machine", "Told by the machine"),
            ("scan", "Scanned"),
            ("sequence", "Numbered by Odoo"),
            ("person", "Entered on the order"),
        ],
        required=True,
        readonly=True,
        help="Who said so.",
    )
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Told With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event that said so.",
    )
    quantity = fields.Float(
        readonly=True, digits=(16, 9), help="Pieces of it that became quantity of the order, in the order's unit."
    )
    rejected = fields.Float(readonly=True, digits=(16, 9), help="Rejects among them, in the order's unit.")
    result = fields.Selection(
        [("pass", "Pass"), ("fail", "Fail")],
        compute="_compute_result",
        help="Of a single piece with a serial number: whether it passed.",
    )

    _order_index = models.Index("(production_id, date_start) WHERE production_id IS NOT NULL")

    def _compute_result(self):
        for row in self:
            made = row.quantity and row.product_id.tracking == "serial"
            row.result = ("fail" if row.rejected else "pass") if made else False

    def _is_of(self, production, lot):
        return (self.production_id, self.lot_id) == (production, lot)

    # A word

    def _begin(self, machine, production, lot, told, moment, source, event):
        """Let pieces of a machine be of a lot from a moment on, up to the next word, and return the row.

        :param production: the order, empty where none runs
        :param lot: the stock.lot, empty where none runs or none is worked on
        :param moment: naive UTC
        """
        before = self._at(machine, moment)
        if before and before._is_of(production, lot) and (lot or before.told == told):
            return before
        ends = (before.date_end, self._next(machine, moment).date_start)
        until = min((end for end in ends if end), default=False)
        before.date_end = moment
        row = self.create(
            {
                "machine_id": machine.id,
                "production_id": production.id,
                "lot_id": lot.id,
                "told": told,
                "date_start": moment,
                "date_end": until,
                "source": source,
                "event_id": event.id if event else False,
            }
        )
        row._take_over(before)
        production._lot_is_known()
        (before.production_id | production)._decide_lots(machine)
        return row

    def _take_over(self, before):
        """Take the pieces that were counted for another lot and made since this one began.

        A count that names its lot itself keeps it.
        """
        if not before.quantity or before.production_id != self.production_id or not self.lot_id:
            return
        quantity = rejected = 0.0
        # Of what ended before, however much that is, nothing is read. A search looks at whole seconds.
        since = self.date_start.replace(microsecond=0)
        postings = self.env["mrp.machine.posting"].search(
            [("machine_lot_id", "=", before.id), ("occurred_to", ">=", since)]
        )
        for posting in postings:
            events = posting.event_posting_ids.event_id
            later = events.filtered(
                lambda event: (
                    event.occurred >= self.date_start
                    and (not self.date_end or event.occurred < self.date_end)
                    and not (event.data or {}).get("lot")
                )
            )
            if not later:
                continue
            weights = {event: abs(_pieces(event)) for event in events}
            share = sum(weights[event] for event in later) / (sum(weights.values()) or 1.0)
            quantity += posting.lot_quantity * share
            rejected += posting.lot_rejected * share
            if later == events:
                posting.machine_lot_id = self
        before.write({"quantity": before.quantity - quantity, "rejected": before.rejected - rejected})
        self.write({"quantity": self.quantity + quantity, "rejected": self.rejected + rejected})
        self._take_from_stock(before.lot_id)

    def _take_from_stock(self, lot):
        """Let what is in stock of an earlier lot, and was not made of it, be of this one.

        :raise Waiting: it is not there any more
        """
        production = self.production_id
        unit, in_stock = production.product_uom_id, production._lots_in_stock().get(lot, 0.0)
        made = sum(production._machine_lots().filtered(lambda row: row.lot_id == lot).mapped("quantity"))
        too_many = unit.round(in_stock - made, rounding_method="HALF-UP")
        if unit.compare(too_many, 0.0) <= 0:
            return
        production.with_env(self.env(su=False))._change_lot(lot, self.lot_id.with_env(self.env(su=False)), too_many)


def _pieces(event):
    data = event.data or {}
    return float(data.get("delta", data.get("qty", 1)))


class MachinePosting(models.Model):
    _inherit = "mrp.machine.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_lot_id = fields.Many2one(
        "mrp.machine.lot",
        string="Lot",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The lot that the pieces were made on.",
    )
    lot_quantity = fields.Float(
        readonly=True, digits=(16, 9), help="Pieces of the lot that became quantity by this, in the order's unit."
    )
    lot_rejected = fields.Float(readonly=True, digits=(16, 9), help="Rejects among them.")


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "lot": _(
                "Tell the lot at the machine, scan it, or enter it on the order. What waited is posted by itself."
            ),
            "lot_change": _(
                "The lot changed while nobody was looking. Split the pieces by «Add or Correct Pieces» and ignore this."
            ),
            "lot_expired": _("Tell another lot, or correct the date of this one. What waited is posted by itself."),
            "lot_blocked": _("Tell another lot, or release this one. What waited is posted by itself."),
            "lot_in_stock": _("Correct the lot of these pieces in stock, and ignore this."),
            "serial": _(
                "Tell the serial numbers, scan them, or let Odoo number them by the machine's setting Lots Come From."
            ),
            "serial_twice": _("Find out which piece has this number. If it was reported twice, ignore this."),
        }


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    lot_source = fields.Selection(
        [
            ("machine", "From the machine"),
            ("scan", "From a scan"),
            ("sequence", "From the product's sequence"),
        ],
        string="Lots Come From",
        default="machine",
        required=True,
        tracking=True,
        help="Of which lot the pieces of a tracked product are, or which serial numbers they have. From the machine: it says "
        "so, with a signal, a count or a completed part; a scan counts as well. From a scan: only what is scanned counts. "
        "From the product's sequence: Odoo numbers them, a new lot for each order and each time the machine says that its "
        "lot changed. Until a lot is known, pieces stand in Exceptions; a lot that is entered on the order is known.",
    )
    machine_lot_ids = fields.One2many("mrp.machine.lot", "machine_id", string="Lots", readonly=True)

    def _lot_at(self, production, moment):
        """Return the stock.lot that pieces of an order are of which this machine makes at a moment (naive UTC).

        Empty where it is not known.
        """
        self.ensure_one()
        # sudo: the rows are the poster's own; people only read them
        rows = self.env["mrp.machine.lot"].sudo()
        row = rows._at(self, moment)
        if row.production_id != production:
            row = rows.search(
                [("production_id", "=", production.id), ("date_start", "<=", moment), ("lot_id", "!=", False)]
            ).filtered(lambda row: row.date_start <= moment)[:1]
        return row.lot_id.with_env(self.env)

    def _take_lot(self, production, name, moment, source, event=None):
        """Let pieces of this machine be of a lot from a moment on; of what has serial numbers, say that of one piece.

        Where the order's product is not tracked, or no order runs, the word is kept for the next order.

        :param production: mrp.production, may be empty
        :param str name: of the lot; empty: of none
        :param moment: naive UTC
        :param str source: ``machine``, ``scan``, ``sequence`` or ``person``
        :param event: the mrp.machine.event that says so
        :return: the mrp.machine.lot, which may have been there
        :raise Outcome: it cannot be, or the machine's setting says that somebody else names lots
        """
        self.ensure_one()
        self._check_lot_source(source)
        # sudo: nobody writes these rows by hand; the word does
        rows, told = self.env["mrp.machine.lot"].sudo(), (name or "").strip()
        if production.product_id.tracking not in ("lot", "serial"):
            none = self.env["mrp.production"], self.env["stock.lot"]
            return rows._begin(self, *none, told, moment, source, event)
        if production.product_id.tracking == "serial":
            if not told:
                raise Ignored("no_lot", self.env._("No serial number was told."))
            return production._expect_serial(self, told, moment, source, event)
        lot = self.env["stock.lot"]
        if told and self.lot_source == "sequence" and source == "machine":
            before = rows._at(self, moment)
            if before.production_id == production and before.told == told:
                return before
            lot = production._next_lot()
        elif told:
            lot = production._finished_lot(told, moment)
        return rows._begin(self, production, lot, told, moment, source, event)

    def _check_lot_source(self, source):
        """Refuse the word of one who does not name lots here.

        :raise Ignored: by the machine's setting
        """
        if (self.lot_source, source) in (("scan", "machine"), ("sequence", "scan")):
            label = dict(self._fields["lot_source"]._description_selection(self.env))[self.lot_source]
            raise Ignored("lot_source", self.env._("Lots of this machine come from elsewhere: %s.", label))
