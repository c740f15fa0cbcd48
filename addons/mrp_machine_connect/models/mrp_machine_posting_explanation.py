"""What events and postings say of each other: the counter before and after, and whether what was booked adds up."""

from odoo import api, fields, models
from odoo.tools import float_compare

from ..quantities import number_text, signed_text
from .mrp_machine_explanation import counter_span

#: So many counts of a posting are listed in its sum.
LISTED = 8


class MachineEvent(models.Model):
    _inherit = "mrp.machine.event"

    answers = fields.Html(
        compute="_compute_answers",
        sanitize=False,
        string="Explanation",
        help="What was captured, what was made of it, how it came, whether it was taken, and what it did.",
    )

    @api.depends_context("lang", "tz", "uid")
    def _compute_answers(self):
        explanation = self.env["mrp.machine.explanation"]
        for event in self:
            event.answers = explanation._html(event)

    def action_postings(self):
        """Open what was booked for these events."""
        return self.posting_ids.posting_id._action()


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"

    pieces = fields.Float(
        compute="_compute_counter", digits=(16, 3), help="What this event adds to the pieces of its posting."
    )
    counter_before = fields.Char(compute="_compute_counter", help="What the machine's counter showed before.")
    counter_after = fields.Char(compute="_compute_counter", help="What the machine's counter showed then.")

    @api.depends("event_id", "handler")
    def _compute_counter(self):
        for row in self:
            before, after = counter_span(row.event_id)
            row.counter_before, row.counter_after = number_text(before), number_text(after)
            row.pieces = row._pieces()

    def _pieces(self):
        """Return how many pieces this event gave its handler; none for what is not about pieces."""
        if self.handler == "production_count":
            machine = self.event_id.machine_id
            handler = self.env["mrp.machine.handler.production_count"]
            return handler._counted(self.event_id, machine, machine.counting_role)[1]
        data = self.event_id.data or {}
        return data["delta"] if isinstance(data.get("delta"), int | float) else 0.0

    def action_event(self):
        """Open the event, with its explanation."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine.event",
            "res_id": self.event_id.id,
            "view_mode": "form",
        }


class MachinePosting(models.Model):
    _inherit = "mrp.machine.posting"

    handler_name = fields.Char(compute="_compute_handler_name", string="Effect", help="What kind of effect it is.")
    event_count = fields.Integer(compute="_compute_event_count", help="How many events were booked together.")
    counter_before = fields.Char(
        compute="_compute_proof", help="What the machine's counter showed before the first of its events."
    )
    counter_after = fields.Char(
        compute="_compute_proof", help="What the machine's counter showed with the last of its events."
    )
    proof = fields.Char(
        compute="_compute_proof", string="Adds Up", help="Whether the pieces of its events are what was booked."
    )

    @api.depends("handler")
    def _compute_handler_name(self):
        for posting in self:
            model = self.env.get(f"mrp.machine.handler.{posting.handler}") if posting.handler else None
            posting.handler_name = posting.handler if model is None else model._title()

    @api.depends("event_posting_ids")
    def _compute_event_count(self):
        rows = self.env["mrp.machine.event.posting"].sudo()  # sudo: a number, for whoever may read the posting
        counts = dict(rows._read_group([("posting_id", "in", self.ids)], ["posting_id"], ["__count"]))
        counts = {posting.id: count for posting, count in counts.items()}
        for posting in self:
            posting.event_count = counts.get(posting.id, 0)

    @api.depends("event_posting_ids", "quantity")
    @api.depends_context("lang")
    def _compute_proof(self):
        for posting in self:
            # sudo: of the events no more is told than how many pieces they are
            rows = posting.sudo().event_posting_ids.sorted(lambda row: (row.event_id.occurred_us, row.event_id.id))
            spans = [span for span in map(counter_span, rows.event_id) if None not in span]
            posting.counter_before = number_text(spans[0][0]) if spans else False
            posting.counter_after = number_text(spans[-1][1]) if spans else False
            posting.proof = posting._proof_words([row._pieces() for row in rows]) if posting.quantity else False

    def _proof_words(self, pieces):
        """Return in a sentence whether what the events say is what was booked."""
        _ = self.env._
        total = sum(pieces)
        listed = [signed_text(number) for number in pieces]
        if len(listed) > LISTED:
            listed = [*listed[: LISTED - 1], "…", listed[-1]]
        words = {
            "count": len(pieces),
            "pieces": " ".join(listed).removeprefix("+"),
            "total": number_text(round(total, 6)),
            "booked": number_text(round(self.quantity, 6)),
        }
        if float_compare(total, self.quantity, precision_digits=3):
            if len(pieces) == 1:
                return _("1 event: %(pieces)s, and %(booked)s are booked here.", **words)
            return _("%(count)s events: %(pieces)s = %(total)s, and %(booked)s are booked here.", **words)
        if len(pieces) == 1:
            return _("1 event: %(pieces)s, as booked.", **words)
        return _("%(count)s events: %(pieces)s = %(total)s, as booked.", **words)

    def _action(self, name=None):
        """Return the action that opens these postings: the list of them, or the form of a single one."""
        action = {
            "type": "ir.actions.act_window",
            "name": name or self.env._("Machine Postings"),
            "res_model": "mrp.machine.posting",
            "view_mode": "list,kanban,form",
            "mobile_view_mode": "kanban",
            "domain": [("id", "in", self.ids)],
            "context": {},
        }
        return {**action, "view_mode": "form", "res_id": self.id} if len(self) == 1 else action

    def action_events(self):
        """Open the events that were booked together."""
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        return {**action, "domain": [("posting_ids.posting_id", "in", self.ids)], "context": {}}
