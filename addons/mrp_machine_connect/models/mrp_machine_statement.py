"""What a machine counted in a shift and what became of it, for a supervisor to sign."""

import hashlib
import json
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..moments import microseconds_of
from ..quantities import number_text
from ..reconciliation import FIGURES as FOUND
from .mrp_machine_reconciliation import Teller
from .mrp_machine_statement_part import FIGURES, PIECES

#: Fields of a signed statement that say what was seen of it since, and nothing of the shift.
SEEN = {"checked", "is_settled"}


class MachineStatement(models.Model):
    """A machine's shift: per order, what the counters moved by and what became of it. Signed, it stays as it is."""

    _name = "mrp.machine.statement"
    _description = "Machine Statement"
    _order = "date_start desc, id desc"

    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, index=True, ondelete="restrict", help="Whose shift it is."
    )
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    workcenter_id = fields.Many2one(related="machine_id.workcenter_id", help="Where the machine stands.")
    date_start = fields.Datetime("From", required=True, readonly=True, help="When the shift began.")
    date_end = fields.Datetime(
        "To", required=True, readonly=True, help="When it ended; what happened at that very moment is the next one's."
    )
    is_shift = fields.Boolean(
        "Shift", readonly=True, default=True, help="No: the time between two shifts, in which something was counted."
    )
    state = fields.Selection(
        [("open", "Open"), ("signed", "Signed")],
        default="open",
        required=True,
        readonly=True,
        help="Open: it is made anew as long as events come in. Signed: it stays as it is, and what comes later is a "
        "correction of it.",
    )
    line_ids = fields.One2many("mrp.machine.statement.line", "statement_id", string="Orders", readonly=True)
    difference_ids = fields.One2many("mrp.machine.difference", "statement_id", string="Differences", readonly=True)
    counter_ids = fields.One2many("mrp.machine.statement.counter", "statement_id", string="Counters", readonly=True)
    correction_ids = fields.One2many(
        "mrp.machine.statement.correction", "statement_id", string="Corrections", readonly=True
    )
    movement = fields.Float(
        "Counters Moved", readonly=True, digits=PIECES, help="By how much the machine's counters moved."
    )
    good = fields.Float(readonly=True, digits=PIECES, help="Good pieces that became quantity of orders.")
    reject = fields.Float(
        "Rejected", readonly=True, digits=PIECES, help="Rejected pieces that were booked, without those told as scrap."
    )
    scrap = fields.Float("Scrapped", readonly=True, digits=PIECES, help="Pieces told as scrap, with their reason.")
    waiting = fields.Float(readonly=True, digits=PIECES, help="Pieces that wait in Exceptions, or failed.")
    held = fields.Float(readonly=True, digits=PIECES, help="Pieces that are held, because the data is in doubt.")
    explained = fields.Float(readonly=True, digits=PIECES, help="What the differences make up for.")
    unsigned_count = fields.Integer(
        "Unsigned", compute="_compute_unsigned_count", store=True, help="Differences and corrections nobody signed yet."
    )
    correction_count = fields.Integer(
        "Corrected", compute="_compute_unsigned_count", store=True, help="What came after it was signed."
    )
    is_settled = fields.Boolean(
        "Settled", readonly=True, help="Nothing waits, is held or is still to be booked of this time."
    )
    checked = fields.Datetime("Looked At", readonly=True, help="When its events were read last.")
    signed_by_id = fields.Many2one("res.users", readonly=True, help="Who signed it.")
    signed = fields.Datetime(readonly=True, help="When it was signed.")
    digest = fields.Char(
        "Fingerprint", readonly=True, help="SHA-256 of all that was signed; another one would tell of a change."
    )
    operators = fields.Char(compute="_compute_operators", help="Who was logged on at the machine in this time.")

    _machine_start = models.UniqueIndex("(machine_id, date_start)", "There is a statement of this time already.")
    _unsettled = models.Index("(checked) WHERE NOT is_settled")
    _ended = models.Index("(machine_id, date_end)")

    @api.depends("difference_ids.signed", "correction_ids.signed")
    def _compute_unsigned_count(self):
        for statement in self:
            parts = [*statement.difference_ids, *statement.correction_ids]
            statement.unsigned_count = sum(not part.signed for part in parts)
            statement.correction_count = len(statement.correction_ids)

    def _compute_display_name(self):
        for statement in self:
            start, end = (
                fields.Datetime.context_timestamp(statement.with_context(tz=statement.machine_id._shift_zone()), moment)
                for moment in (statement.date_start, statement.date_end)
            )
            until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
            statement.display_name = f"{statement.machine_id.name}, {start:%Y-%m-%d %H:%M} – {until}"

    def _compute_operators(self):
        for statement in self:
            statement.operators = statement._operator_names()

    def _operator_names(self):
        """Return who was logged on, in the order in which they came."""
        logins = self.env["mrp.machine.operator"]._between(
            self.machine_id, self.date_start, self.date_end - timedelta(seconds=1)
        )
        return ", ".join(dict.fromkeys(logins.mapped("name"))) or False

    def write(self, vals):
        if vals.keys() - SEEN - {"unsigned_count", "correction_count"}:
            for statement in self.filtered(lambda statement: statement.state == "signed"):
                statement._refuse_change()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_signed(self):
        for statement in self.filtered(lambda statement: statement.state == "signed"):
            statement._refuse_change()

    def _refuse_change(self):
        raise UserError(
            self.env._(
                "%s is signed and does not change any more. What came later stands among its corrections.",
                self.display_name,
            )
        )

    # What it says

    def _fill(self):
        """Read the events of these statements' times: open ones are made anew, of signed ones corrections are noted."""
        for statement in self:
            found = statement.machine_id._reconcile(statement.date_start, statement.date_end)
            if statement.state == "signed":
                statement._note_corrections(found)
            else:
                statement._put(found)
            is_settled = not any(line.open for line in found.lines.values())
            statement.write({"checked": fields.Datetime.now(), "is_settled": is_settled})

    def _put(self, found):
        """Let an open statement say what a Reconciliation found; what somebody signed stays signed if it is the same."""
        lines = {line._order_key(): line for line in self.line_ids}
        teller, sums = Teller(self.machine_id), dict.fromkeys(FIGURES, 0.0)
        for order, values in self._lines_of(found).items():
            for figure in FIGURES:
                sums[figure] += values[figure]
            if order in lines:
                lines.pop(order).write(values)
            else:
                uom = teller.unit(order)
                self.env["mrp.machine.statement.line"].create(
                    {"statement_id": self.id, **_order_values(order), "uom_id": uom.id, **values}
                )
        for line in lines.values():
            line.unlink()
        self._put_differences(found)
        self._put_counters(found)
        self.write(sums)

    @api.model
    def _lines_of(self, found):
        """Return ``{order: values of its line}`` of a Reconciliation."""
        lines = {}
        for order, line in found.lines.items():
            values = {figure: getattr(line, figure) for figure in ("movement", *FOUND)}
            values["explained"] = found.explained(order)
            if any(abs(value) > 1e-6 for value in values.values()) or line.events:
                lines[order] = {**values, "event_count": len(line.events)}
        return lines

    def _put_differences(self, found):
        differences = self.env["mrp.machine.difference"]
        known = {difference._key(): difference for difference in self.difference_ids}
        gone = self.difference_ids
        for difference in found.differences:
            values = differences._values(difference, _order_values(difference.order))
            key = (
                difference.cause, difference.order, values["counter"], difference.reason or "", difference.event_id,
                difference.count, round(difference.amount, PIECES[1]),
            )  # fmt: skip
            if key in known:
                gone -= known[key]
            else:
                differences.create({"statement_id": self.id, **values})
        gone.unlink()

    def _put_counters(self, found):
        self.counter_ids.unlink()
        self.env["mrp.machine.statement.counter"].create(
            [
                {
                    "statement_id": self.id,
                    "name": name,
                    "opening": counter.opening or 0.0,
                    "closing": counter.closing or 0.0,
                    "moved": (counter.closing or 0.0) - (counter.opening or 0.0),
                    "pieces": counter.pieces,
                    "place": counter.place or "beside",
                }
                for (_stream, name), counter in sorted(found.counters.items())
            ]
        )

    def _note_corrections(self, found):
        """Note by how much a signed statement, with the corrections it has, differs from what is found by now."""
        said = {}
        for part in (*self.line_ids, *self.correction_ids):
            figures = said.setdefault(part._order_key(), dict.fromkeys(FIGURES, 0.0))
            for figure in FIGURES:
                figures[figure] += part[figure]
        now = self._lines_of(found)
        none = {**dict.fromkeys(FIGURES, 0.0), "event_count": 0}
        late = self.env["mrp.machine.event"].search_count(
            [
                ("machine_id", "=", self.machine_id.id),
                ("occurred", ">=", self.date_start),
                ("occurred", "<", self.date_end),
                ("received", ">", self.signed),
            ]
        )
        for order in {**said, **now}:
            before, after = said.get(order, none), now.get(order, none)
            change = {figure: round(after[figure] - before[figure], PIECES[1]) for figure in FIGURES}
            if any(change.values()):
                self.env["mrp.machine.statement.correction"].create(
                    {
                        "statement_id": self.id,
                        **_order_values(order),
                        **change,
                        "words": self._correction_words(change, late),
                    }
                )

    def _correction_words(self, change, late):
        """Return in a sentence what changed after a statement was signed."""
        fields_of = self.env["mrp.machine.statement.line"]._fields
        parts = ", ".join(
            f"{fields_of[figure]._description_string(self.env)} {'+' if value > 0 else ''}{number_text(value)}"
            for figure, value in change.items()
            if value
        )
        if late:
            return self.env._(
                "%(parts)s; events of this time that came after it was signed: %(late)s.", parts=parts, late=late
            )
        return self.env._("%(parts)s; what waited was decided after it was signed.", parts=parts)

    # The events behind a figure

    def _events_of(self, order, figure, difference=None):
        """Return the events behind a figure of an order: read anew, for a statement keeps no list of them.

        :param order: ``(production id, work order id or 0)``, or None
        :param difference: the mrp.machine.difference that it is about, for ``explained``
        """
        self.ensure_one()
        # sudo: what is told of the events is what the statement says; they are opened as the user's own
        statement = self.sudo()
        machine = statement.machine_id
        self.env.flush_all()
        teller, ids = Teller(machine), []
        teller.opening(microseconds_of(statement.date_start))
        for told in machine._tell(teller, statement.date_start, statement.date_end):
            if told.order == order and told.place in ("in", "within") and _is_behind(told, figure, difference):
                ids.append(told.event_id)
        if difference and difference.event_id and difference.event_id.id not in ids:
            ids.append(difference.event_id.id)
        events = self.env["mrp.machine.event"].browse(ids)
        if self.state == "signed":
            events = events.search([("id", "in", ids), ("received", "<=", self.signed)])
        return events

    @api.model
    def _action_events(self, events, name):
        """Return the action that opens events."""
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        return {**action, "name": name, "domain": [("id", "in", events.ids)], "context": {}}

    @api.model
    def _figures(self):
        """Return the names of the figures of a line, as they are printed."""
        return FIGURES

    @api.model
    def _number(self, value):
        """Return a number as people write it."""
        return number_text(round(value, PIECES[1]))

    # What a person does

    @api.model
    def _check_may_sign(self):
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_supervisor"):
            raise UserError(self.env._("Only a supervisor of the machines may sign statements."))

    def action_check(self):
        """Read the events of these statements' times again."""
        self.check_access("read")
        self.sudo()._fill()  # sudo: nobody writes a statement by hand; it says what the log says

    def action_sign(self):
        """Sign these statements; ask for reasons first where there are differences that nobody signed."""
        self._check_may_sign()
        self.check_access("read")
        for statement in self.filtered(lambda statement: statement.state == "open"):
            if statement.date_end > fields.Datetime.now():
                raise UserError(self.env._("%s is not over yet.", statement.display_name))
        statements = self.sudo()  # sudo: see action_check
        seen = {statement: statement._content() for statement in statements if statement.state == "open"}
        for statement in seen:
            statement._fill()
        if any(statement._content() != content for statement, content in seen.items()):
            return self._action_changed()
        difference_ids = statements.difference_ids.filtered(lambda difference: not difference.signed).ids
        correction_ids = statements.correction_ids.filtered(lambda correction: not correction.signed).ids
        if difference_ids or correction_ids:
            return self._action_sign(
                {
                    "default_statement_ids": self.ids,
                    "default_difference_ids": difference_ids,
                    "default_correction_ids": correction_ids,
                }
            )
        self._sign()
        return True

    def _sign(self):
        """Sign these statements for the user: from now on they stay as they are."""
        for statement in self.sudo().filtered(lambda statement: statement.state == "open"):  # sudo: see action_check
            statement.write(
                {
                    "state": "signed",
                    "signed_by_id": self.env.uid,
                    "signed": fields.Datetime.now(),
                    "digest": statement._content(),
                }
            )

    def _action_changed(self):
        """Return the action that says that what was to be signed is not what stands there by now."""
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning",
                "message": self.env._("Events came in meanwhile, and the figures changed. Look at them, then sign."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.model
    def _action_sign(self, context):
        """Return the action that asks for a reason."""
        action = self.env["mrp.machine"]._action_wizard("mrp.machine.sign", self.env._("Sign"))
        return {**action, "context": context}

    def _content(self):
        """Return the SHA-256 of what a statement says."""
        self.ensure_one()
        content = [
            [self.machine_id.id, str(self.date_start), str(self.date_end)],
            [[line._order_key(), *(round(line[figure], PIECES[1]) for figure in FIGURES)] for line in self.line_ids],
            [
                [
                    difference.cause,
                    difference._order_key(),
                    difference.counter or "",
                    round(difference.amount, PIECES[1]),
                ]
                for difference in self.difference_ids
            ],
            [[counter.name, counter.opening, counter.closing] for counter in self.counter_ids],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _order_values(order):
    """Return the values of an order as a Reconciliation names it."""
    production, workorder = order or (False, False)
    return {"production_id": production, "workorder_id": workorder or False}


def _is_behind(told, figure, difference):
    """Return whether an event is one of those that a figure of its order is made of."""
    match figure:
        case "movement":
            return told.place == "in"
        case "waiting":
            return told.place == "in" and bool(told.pieces) and told.state in ("waiting", "failed", "received")
        case "held":
            return told.place == "in" and told.state == "held"
        case "explained":
            if difference is None:
                return told.state == "ignored" or told.by_hand or told.cause not in ("", "advance")
            if difference.count == 1 and difference.event_id:
                return told.event_id == difference.event_id.id
            if difference.cause == "ignored":
                return told.state == "ignored" and told.reason == (difference.code or "") and told.place == "in"
            return told.counter is not None and told.counter[1] == difference.counter
        case _:
            return bool(told.pieces) and told.state == "posted" and (told.figure == figure or told.place == "within")
