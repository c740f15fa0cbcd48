"""What a machine would book, put before a supervisor who approves it or refuses."""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..shadow import Shadow

#: Sources of events that nobody has to approve: what people enter, and what follows by a rule from what was approved.
TRUSTED = ("people", "rules")
#: Why events wait for a supervisor.
ASK = "approval"


class MachineProposal(models.Model):
    """Events of one machine that wait for the same decision: their effect on one order, or another effect of one kind."""

    _name = "mrp.machine.proposal"
    _description = "Proposal of a Machine"
    _order = "id desc"
    _rec_name = "summary"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    handler = fields.Char(required=True, readonly=True, help="What would turn the events into an effect.")
    handler_name = fields.Char("Effect", compute="_compute_handler_name")
    kind = fields.Char(readonly=True, help="What its pieces would be booked as.")
    production_id = fields.Many2one("mrp.production", string="Order", readonly=True, index="btree_not_null")
    state = fields.Selection(
        [("proposed", "Proposed"), ("approved", "Approved"), ("refused", "Refused")],
        default="proposed",
        required=True,
        readonly=True,
        index=True,
        help="Proposed: nothing of it is booked. Approved: its events were posted, or wait for something else by now. "
        "Refused: they have no effect.",
    )
    event_count = fields.Integer("Events", readonly=True, help="Events that the decision is about.")
    quantity = fields.Float(readonly=True, digits=(16, 3), help="Pieces, in the machine's unit; 0 for other effects.")
    occurred_from = fields.Datetime("From", readonly=True, help="When the first of its events occurred.")
    occurred_to = fields.Datetime("To", readonly=True, help="When the last of its events occurred.")
    summary = fields.Char(compute="_compute_summary", help="What is proposed, in a sentence.")
    previewed_count = fields.Integer(readonly=True, help="Events that the preview was made of.")
    line_ids = fields.One2many(
        "mrp.machine.shadow",
        "proposal_id",
        string="What Would Be Booked",
        readonly=True,
        help="As it was when somebody last looked: quantities, moves of stock and times.",
    )
    decided_by = fields.Many2one("res.users", readonly=True, help="Who approved or refused it.")
    decided_at = fields.Datetime(readonly=True, help="When it was approved or refused.")
    reason = fields.Char(readonly=True, help="Why it was refused.")

    _open_one = models.UniqueIndex(
        "(machine_id, handler, COALESCE(production_id, 0), COALESCE(kind, '')) WHERE state = 'proposed'",
        "This is proposed already.",
    )

    def _compute_handler_name(self):
        for proposal in self:
            model = self.env.get(f"mrp.machine.handler.{proposal.handler}")
            proposal.handler_name = proposal.handler if model is None else model._title()

    @api.depends("quantity", "event_count", "production_id")
    @api.depends_context("lang")
    def _compute_summary(self):
        for proposal in self:
            words = {
                "effect": proposal.handler_name,
                "order": proposal.production_id.display_name,
                "quantity": f"{proposal.quantity:g}",
                "count": proposal.event_count,
                "machine": proposal.machine_id.name,
            }
            if proposal.production_id and proposal.quantity:
                proposal.summary = self.env._("%(quantity)s pieces on %(order)s", **words)
            elif proposal.production_id:
                proposal.summary = self.env._("%(effect)s of %(order)s", **words)
            else:
                proposal.summary = self.env._("%(effect)s of %(machine)s", **words)

    # By the poster

    @api.model
    def _open(self, machine, handler, production, kind):
        """Return the proposal that further events of one effect belong to, made where there is none."""
        values = {
            "machine_id": machine.id,
            "handler": handler,
            "production_id": production.id,
            "kind": kind or False,
        }
        found = self.search([(name, "=", value) for name, value in values.items()] + [("state", "=", "proposed")])
        return found or self.create(values)

    def _add(self, events, quantity):
        """Let further events wait for this decision."""
        moments = events.mapped("occurred")
        self.write(
            {
                "event_count": self.event_count + len(events),
                "quantity": self.quantity + quantity,
                "occurred_from": min([*filter(None, [self.occurred_from]), *moments]),
                "occurred_to": max([*filter(None, [self.occurred_to]), *moments]),
            }
        )

    def _rows(self, count=None):
        """Return the effects that wait for these decisions, in the order in which they came.

        :param int count: only so many of them
        """
        # sudo: effects are the poster's own
        rows = self.env["mrp.machine.event.posting"].sudo()
        return rows.search(
            [
                ("machine_id", "in", self.machine_id.ids),
                ("state", "=", "waiting"),
                ("reason", "=", ASK),
                ("detail", "in", [f"proposal:{proposal.id}" for proposal in self]),
            ],
            order="id",
            limit=count,
        )

    # By a supervisor

    def _check_supervisor(self):
        self.env["mrp.machine.event.posting"]._check_supervisor()
        self.check_access("read")

    def action_preview(self):
        """Show what would be booked: the poster itself does it, and all of it is undone."""
        for proposal in self:
            proposal._check_supervisor()
            rows = proposal._rows()
            if proposal.state != "proposed" or not rows:
                raise UserError(self.env._("Nothing of this waits for a decision any more."))
            lines = proposal._try(rows.ids)
            # sudo: the lines are the poster's own; that this person may look was checked
            proposal = proposal.sudo()
            proposal.line_ids.unlink()
            proposal.env["mrp.machine.shadow"].create(
                [{**line, "machine_id": proposal.machine_id.id, "proposal_id": proposal.id} for line in lines]
            )
            proposal.previewed_count = len(rows)
        return False

    def _try(self, row_ids):
        """Return what effects would be, as values of lines; nothing of it stays."""
        found = []

        def undone(env, locked):
            rows = env["mrp.machine.event.posting"].browse(row_ids).exists()
            rows = rows.filtered(lambda row: row.state == "waiting")
            if not rows:
                raise UserError(env._("Somebody decided about this meanwhile."))
            poster, events = env["mrp.machine.poster"], rows.event_id
            shadow = Shadow(rows.machine_id, events)

            def post(poster, machine):
                rows.with_env(poster.env)._requeue()
                poster.env.flush_all()
                while poster._post_machine(machine, locked, events.ids):
                    pass

            poster._cast(shadow, poster._service(rows.machine_id), post, locked, events)
            found.append([*poster._real_lines(shadow), *_refusals(shadow)])

        self.env.flush_all()
        self.env["mrp.machine.replay"]._with_locks(row_ids, undone)
        return found[-1]

    def action_approve(self):
        """Post what was proposed.

        Of events that came while a person looked at the list nothing was seen, so they stay proposed: the button tells how
        many there were.
        """
        self._check_supervisor()
        seen = self.env.context.get("seen_events") if len(self) == 1 else None
        for proposal in self.filtered(lambda proposal: proposal.state == "proposed"):
            rows = proposal._rows()
            decided = rows[:seen] if seen else rows
            rest = rows - decided
            proposal._decide("approved", decided)
            decided.released_by = self.env.user
            decided._requeue()
            if rest:
                proposal._leave(rest)
        return True

    def action_refuse(self):
        """Ask why it is refused."""
        self._check_supervisor()
        action = self.env["mrp.machine"]._action_wizard("mrp.machine.proposal.refuse", self.env._("Refuse"))
        action["context"] = {"default_proposal_ids": self.ids}
        return action

    def _refuse(self, reason):
        """Let events that were proposed have no effect."""
        self._check_supervisor()
        for proposal in self.filtered(lambda proposal: proposal.state == "proposed"):
            rows = proposal._rows()
            proposal._decide("refused", rows, reason)
            rows.with_env(self.env)._ignore(reason)

    def _decide(self, state, rows, reason=False):
        # sudo: a proposal is written by the poster; the person's right was checked
        self.sudo().write(
            {
                "state": state,
                "event_count": len(rows),
                "decided_by": self.env.uid,
                "decided_at": fields.Datetime.now(),
                "reason": reason,
            }
        )
        self.flush_recordset()

    def _leave(self, rows):
        """Propose anew what nobody saw."""
        # sudo: see _decide
        other = self.sudo()._open(self.machine_id, self.handler, self.production_id, self.kind)
        rows.detail = f"proposal:{other.id}"
        quantity = sum(map(_pieces, rows.event_id)) if self.quantity else 0.0
        other._add(rows.event_id, quantity)
        self.sudo().quantity -= quantity

    def action_events(self):
        """Open the events."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Effects"),
            "res_model": "mrp.machine.event.posting",
            "view_mode": "list,form",
            "domain": [("id", "in", self._rows().ids)],
        }


def _refusals(shadow):
    """Return a line for each reason for which events would not be posted."""
    words = {
        message: name
        for (name, event_id), (state, _reason, message, _detail) in shadow.endings.items()
        if event_id in shadow.event_ids and state != "posted"
    }
    return [{"kind": "refused", "handler": name, "summary": message} for message, name in words.items()]


def _pieces(event):
    """Return the pieces that an event tells."""
    data = event.data or {}
    return float(data.get("delta", data.get("qty", 1)))


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    proposal_count = fields.Integer(
        compute="_compute_proposal_count",
        string="Proposals to Decide",
        help="What this machine proposes and nobody has approved or refused yet.",
    )

    def _compute_proposal_count(self):
        counts = self._count_each("mrp.machine.proposal", [("state", "=", "proposed")])
        for machine in self:
            machine.proposal_count = counts.get(machine, 0)

    def action_proposals(self):
        """Open what this machine proposes."""
        return self._action_records(
            "mrp_machine_connect.mrp_machine_proposal_action",
            [("machine_id", "=", self.id)],
            search_default_proposed=1,
        )


class MachineShadow(models.Model):
    _inherit = "mrp.machine.shadow"  # pylint: disable=consider-merging-classes-inherited; one question a file

    proposal_id = fields.Many2one(
        "mrp.machine.proposal",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
        help="The proposal that this line is a preview of.",
    )


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _remedies(self):
        return {
            **super()._remedies(),
            ASK: self.env._("Approve or refuse it under «Proposals»; until then nothing of it is booked."),
        }


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _post_propose(self, handler, machine, entries, locked, again):
        """Post what was approved, and propose the rest."""
        name = handler._handler_name()
        rows = self.env["mrp.machine.event.posting"].search(
            [("event_id", "in", entries.event_id.ids), ("handler", "=", name), ("released_by", "!=", False)]
        )
        trusted = entries.filtered(
            lambda entry: entry.event_id in rows.event_id or entry.event_id.source_id.kind in TRUSTED
        )
        if trusted:
            self._post_automatic(handler, trusted, locked, again)
        if not (asked := entries - trusted):
            return
        # sudo: proposals are the poster's own
        proposals, words = self.env["mrp.machine.proposal"].sudo(), self.env._("No supervisor has approved this yet.")
        for group, ids in self._group(handler, asked, locked, again).items():
            theirs = asked.browse(ids)
            events = theirs.event_id
            proposal = proposals._open(machine, name, handler._order_of(group, theirs), handler._proposed_as(group))
            proposal._add(events, sum(map(_pieces, events)) if handler._proposed_as(group) else 0.0)
            self._note(name, events.ids, "waiting", ASK, words, f"proposal:{proposal.id}")
