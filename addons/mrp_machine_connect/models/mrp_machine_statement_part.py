"""What a statement consists of. Once a supervisor has signed it, it is as it was signed; later events are corrections."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect.instants import instant
from ..quantities import number_text
from .mrp_machine_statement_words import cause_words

#: Digits of pieces in a statement: fractions of a unit as fine as the ledger's are noise here.
PIECES = (16, 3)
#: The figures of a line, in the order in which they are read.
FIGURES = ("movement", "good", "reject", "scrap", "waiting", "held", "explained")


class MachineStatementPart(models.AbstractModel):
    """A row of a statement: written while it is open, and then no more."""

    _name = "mrp.machine.statement.part"
    _description = "Part of a Machine Statement"

    statement_id = fields.Many2one(
        "mrp.machine.statement", required=True, readonly=True, index=True, ondelete="cascade", help="Where it stands."
    )
    company_id = fields.Many2one(related="statement_id.company_id", store=True, index=True)
    machine_id = fields.Many2one(related="statement_id.machine_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Whose pieces they are. Empty: of no order that is known.",
    )
    workorder_id = fields.Many2one(
        "mrp.workorder",
        string="Work Order",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The step that was done.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        parts = super().create(vals_list)
        parts._check_open()
        return parts

    def write(self, vals):
        self._check_open()
        return super().write(vals)

    def unlink(self):
        self._check_open()
        return super().unlink()

    def _check_open(self):
        """Refuse to change what is part of a signed statement."""
        if signed := self.statement_id.filtered(lambda statement: statement.state == "signed"):
            raise UserError(
                self.env._(
                    "%s is signed and does not change any more. What came later stands among its corrections.",
                    signed[:1].display_name,
                )
            )

    def _order_key(self):
        """Return the order as a Reconciliation names it."""
        self.ensure_one()
        return (self.production_id.id, self.workorder_id.id or 0) if self.production_id else None


class MachineStatementLine(models.Model):
    """The pieces of one order in a shift: what the counters moved by is what became of it, and named differences."""

    _name = "mrp.machine.statement.line"
    _inherit = "mrp.machine.statement.part"
    _description = "Line of a Machine Statement"
    _order = "statement_id, id"

    product_id = fields.Many2one(related="production_id.product_id", help="What the order makes.")
    uom_id = fields.Many2one(
        "uom.uom", string="Unit", readonly=True, help="The machine's unit, in which it is counted."
    )
    date_start = fields.Datetime(related="statement_id.date_start", store=True, help="When the shift began.")
    movement = fields.Float(
        "Counters Moved", readonly=True, digits=PIECES, help="By how much the machine's counters moved."
    )
    good = fields.Float(readonly=True, digits=PIECES, help="Good pieces that became quantity of the order.")
    reject = fields.Float(
        "Rejected", readonly=True, digits=PIECES, help="Rejected pieces that were booked, without those told as scrap."
    )
    scrap = fields.Float(
        "Scrapped", readonly=True, digits=PIECES, help="Pieces that were told as scrap, with their reason."
    )
    waiting = fields.Float(
        readonly=True, digits=PIECES, help="Pieces that wait in Exceptions for a person or for master data, or failed."
    )
    held = fields.Float(readonly=True, digits=PIECES, help="Pieces that are held, because the data is in doubt.")
    explained = fields.Float(
        readonly=True, digits=PIECES, help="What the differences of this line make up for; each has a name."
    )
    event_count = fields.Integer("Events", readonly=True, help="How many events it is made of.")

    def _compute_display_name(self):
        for line in self:
            order = line.workorder_id or line.production_id
            line.display_name = order.display_name or self.env._("Without an order")

    def action_events(self):
        """Open the events behind this line, or behind one of its figures: the ``figure`` of the context."""
        self.ensure_one()
        figure = self.env.context.get("figure") or "movement"
        label = self._fields[figure]._description_string(self.env)
        return self.statement_id._action_events(
            self.statement_id._events_of(self._order_key(), figure),
            self.env._("%(figure)s: %(order)s", figure=label, order=self.display_name),
        )


class MachineDifference(models.Model):
    """What the counters moved by and what was found of it differ, for a named cause; somebody signs that, with a reason."""

    _name = "mrp.machine.difference"
    _inherit = "mrp.machine.statement.part"
    _description = "Difference of a Machine Statement"
    _order = "statement_id desc, id"

    cause = fields.Selection(
        [
            ("gap", "Counter moved unseen"),
            ("reset", "Counter set back"),
            ("rollover", "Counter began anew"),
            ("drop", "Counter fell"),
            ("returned", "Counter came back"),
            ("contradiction", "Event contradicts itself"),
            ("by_hand", "Entered by hand"),
            ("order_by_hand", "Changed on the order"),
            ("ignored", "Ignored"),
            ("noted", "Rejects only noted"),
            ("derived", "Total behind good"),
            ("told_scrap", "Scrap that no counter saw"),
        ],
        required=True,
        readonly=True,
        help="Why there is a difference, in one word.",
    )
    counter = fields.Char(readonly=True, help="The counter that it is about.")
    amount = fields.Float(
        readonly=True,
        digits=PIECES,
        help="Pieces. More than 0: the counters moved by more than was booked. Less than 0: more was booked than they "
        "moved by.",
    )
    count = fields.Integer("Events", readonly=True, help="How many events it is made of.")
    code = fields.Char("Rule", readonly=True, help="The code of the rule by which it was ignored.")
    occurred = fields.Datetime(readonly=True, help="When the first of it happened, by the machine's time.")
    value_from = fields.Float("From", readonly=True, digits=PIECES, help="Value of the counter before.")
    value_to = fields.Float("To", readonly=True, digits=PIECES, help="Value of the counter after.")
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="First Event",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The first event that it is made of; empty once the log has let it go by its age.",
    )
    words = fields.Char(readonly=True, help="What happened, in a sentence.")
    reason = fields.Char(readonly=True, help="What the one who signed it said.")
    signed_by_id = fields.Many2one("res.users", readonly=True, help="Who stands for it.")
    signed = fields.Datetime(readonly=True, help="When it was signed.")

    _unsigned = models.Index("(machine_id) WHERE signed IS NULL")

    def _compute_display_name(self):
        labels = dict(self._fields["cause"]._description_selection(self.env))
        for difference in self:
            difference.display_name = f"{labels.get(difference.cause, '')}: {number_text(difference.amount)}"

    def action_events(self):
        """Open the events behind this difference."""
        self.ensure_one()
        statement = self.statement_id
        events = statement._events_of(self._order_key(), "explained", self)
        return statement._action_events(events, self.display_name)

    def action_sign(self):
        """Ask for the reason with which these differences are signed."""
        unsigned = self.filtered(lambda difference: not difference.signed)
        self.env["mrp.machine.statement"]._check_may_sign()
        self._check_open()
        return self.env["mrp.machine.statement"]._action_sign({"default_difference_ids": unsigned.ids})

    def _sign(self, reason):
        """Sign these differences for the user."""
        # sudo: nobody writes parts of a statement by hand; who may sign was checked
        self.sudo().filtered(lambda difference: not difference.signed).write(
            {"reason": reason, "signed_by_id": self.env.uid, "signed": fields.Datetime.now()}
        )

    def _key(self):
        """Return what makes a difference the same one when a statement is made anew."""
        self.ensure_one()
        amount = round(self.amount, PIECES[1])
        return (
            self.cause,
            self._order_key(),
            self.counter or "",
            self.code or "",
            self.event_id.id,
            self.count,
            amount,
        )

    @api.model
    def _values(self, found, order):
        """Return the values of a difference that a Reconciliation found."""
        name, why = found.counter[1] if found.counter else "", ""
        if found.cause == "ignored":
            rows = self.env["mrp.machine.event.posting"].search([("event_id", "=", found.event_id)], order="id")
            why = rows.filtered(lambda row: row.state == "ignored")[:1].message
        return {
            "cause": found.cause,
            **order,
            "counter": name,
            "code": found.reason,
            "amount": found.amount,
            "count": found.count,
            "event_id": found.event_id or False,
            "occurred": found.at and instant(found.at).replace(tzinfo=None, microsecond=0),
            "value_from": found.before or 0.0,
            "value_to": found.after or 0.0,
            "words": cause_words(self.env, found, name, why),
        }


class MachineStatementCounter(models.Model):
    """Where a counter of the machine stood at the beginning and at the end of a shift."""

    _name = "mrp.machine.statement.counter"
    _inherit = "mrp.machine.statement.part"
    _description = "Counter in a Machine Statement"
    _order = "statement_id, name, id"
    _rec_name = "name"

    name = fields.Char("Counter", readonly=True, help="As the machine's signal is called.")
    opening = fields.Float(readonly=True, digits=PIECES, help="What it showed at the beginning.")
    closing = fields.Float(readonly=True, digits=PIECES, help="What it showed at the end.")
    moved = fields.Float(readonly=True, digits=PIECES, help="The end less the beginning.")
    pieces = fields.Float(readonly=True, digits=PIECES, help="Pieces that its events tell of.")
    place = fields.Selection(
        [("in", "Counts"), ("within", "Part of another"), ("beside", "Compared")],
        readonly=True,
        help="Counts: its movement is in the lines. Part of another: its pieces are in another counter's already. "
        "Compared: it is read to compare, and feeds no order.",
    )
