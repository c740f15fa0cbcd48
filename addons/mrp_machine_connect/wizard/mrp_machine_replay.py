"""What would become of events that wait, if they were tried again now?"""

import logging
import time
from collections import Counter

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

from ..polling_host import PASSING
from ..postings.outcome import LocksNeeded

_logger = logging.getLogger(__name__)

#: Tries to get hold of machines and products that a poster works on, and the pause between, in seconds.
TRIES, PAUSE = 5, 0.2
#: States of effects that can be tried again; what is held is released first.
AGAIN = ("waiting", "failed")
OPEN = ("received", "waiting", "held", "failed")


class _Undone(Exception):
    """Leaves a savepoint without anything of what was done in it."""


class MachineReplay(models.TransientModel):
    """Try again what waited, after what it waited for was put right: first to see what would happen, then for good."""

    _name = "mrp.machine.replay"
    _description = "Replay Machine Events"

    machine_id = fields.Many2one("mrp.machine", help="Whose events are tried again.")
    reason = fields.Selection(
        "_selection_reason", help="What they wait for. Empty: all that waits on this machine, or what was selected."
    )
    detail = fields.Char("Code", help="Only what waits for the meaning of this word of the machine. Empty: all.")
    event_posting_ids = fields.Many2many("mrp.machine.event.posting", string="Events", readonly=True)
    is_selection = fields.Boolean(compute="_compute_is_selection")
    count = fields.Integer(compute="_compute_count", help="Effects of events that would be tried again.")
    step = fields.Selection([("ask", "Ask"), ("shown", "Shown"), ("posted", "Posted")], default="ask", required=True)
    line_ids = fields.One2many("mrp.machine.replay.line", "replay_id", string="What Would Change", readonly=True)
    ending_words = fields.Text("What Would Become of Them", readonly=True)
    change_words = fields.Char(readonly=True)

    @api.model
    def _selection_reason(self):
        _ = self.env._
        words = {
            "no_order": _("No order ran"),
            "ambiguous": _("Several orders ran"),
            "order_closed": _("The order is closed"),
            "order_cancelled": _("The order was cancelled"),
            "unknown_code": _("Unknown code"),
            "spans_change": _("The order changed meanwhile"),
            "unit": _("The unit does not fit"),
            "no_stock": _("Not in stock"),
            "late_tracked": _("Lots or serial numbers are missing"),
            "error": _("Odoo refused it"),
        }
        others = sorted(self.env["mrp.machine.event.posting"]._remedies().keys() - words.keys())
        return [*words.items(), *((reason, reason.replace("_", " ").capitalize()) for reason in others)]

    @api.depends_context("active_model")
    @api.depends("event_posting_ids")
    def _compute_is_selection(self):
        for wizard in self:
            wizard.is_selection = bool(wizard.event_posting_ids) and not wizard.machine_id

    @api.depends("machine_id", "reason", "detail", "event_posting_ids")
    def _compute_count(self):
        for wizard in self:
            wizard.count = len(wizard._waiting())

    def _waiting(self):
        """Return the effects that would be tried again: those that were selected, or those of a machine and reason."""
        rows = self.env["mrp.machine.event.posting"]
        if self.machine_id:
            return rows._waiting_for(self.machine_id, self.reason, self.detail)
        return self.event_posting_ids.filtered(lambda row: row.state in AGAIN)

    def action_show(self):
        """Show what would happen: the poster itself does it, and all of it is undone."""
        self.ensure_one()
        rows = self._waiting()
        rows._check_supervisor()
        if not rows:
            raise UserError(self.env._("Nothing waits here that could be tried again."))
        self.event_posting_ids = rows
        self._show(*self._try(rows.ids))
        self.change_words = False
        return self._reopen()

    def action_post(self):
        """Do what was shown. Where by now something else would happen, that is shown instead and nothing is done."""
        self.ensure_one()
        rows = self.event_posting_ids
        rows._check_supervisor()
        if self.step != "shown":
            return self.action_show()
        shown = {(line.name, line.measure, line.after) for line in self.line_ids}, self.ending_words
        self.env.flush_all()
        if self._with_locks(rows.ids, lambda env, locked: self._post_as_shown(env, rows.ids, locked, shown)):
            self.env.invalidate_all()
            self.step = "posted"
        else:
            self._show(*self._try(rows.ids))
            self.change_words = self.env._("Something changed since it was shown, and nothing was posted. Look again.")
        return self._reopen()

    def action_events(self):
        """Open the events."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Effects"),
            "res_model": "mrp.machine.event.posting",
            "view_mode": "list,form",
            "domain": [("id", "in", self.event_posting_ids.ids)],
        }

    def _reopen(self):
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Replay"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _show(self, changes, endings):
        self.line_ids.unlink()
        self.line_ids = [fields.Command.create(change) for change in changes]
        self.ending_words = endings
        self.step = "shown"

    # What happens in a transaction of its own

    def _with_locks(self, row_ids, work):
        """Call a function in a transaction of its own that holds the machines and products of effects.

        :param work: function of an environment and the ids of the products; the transaction is kept if it returns true
        :raise UserError: a poster works on them, again and again
        """
        products = set()
        for _attempt in range(TRIES):
            try:
                with self.env.registry.cursor() as cr:
                    # Superuser, as the poster; that this person may decide was checked.
                    env = api.Environment(cr, SUPERUSER_ID, {})
                    cr.execute(
                        "SELECT DISTINCT machine_id FROM mrp_machine_event_posting WHERE id = ANY(%s) ORDER BY 1",
                        [row_ids],
                    )
                    machines = [machine_id for (machine_id,) in cr.fetchall()]
                    cr.rollback()  # the locks come first: what is read before them may be old
                    if all(env["mrp.machine.poster"]._lock(cr, machine_id, products) for machine_id in machines):
                        result = work(env, products)
                        if not result:
                            cr.rollback()
                        return result
            except LocksNeeded as needed:
                products = products | needed.product_ids
                continue
            except PASSING as conflict:
                _logger.info("a replay met another transaction: %s", conflict)
            time.sleep(PAUSE)
        raise UserError(self.env._("The machine's events are being posted just now. Try again in a moment."))

    def _try(self, row_ids, prepare=None):
        """Return ``(changes, endings in words)`` of what would happen; nothing of it stays.

        :param prepare: function of an environment that mends what the effects wait for; it is undone as well
        """
        found = []

        def undone(env, locked):
            after = {}
            try:
                with env.cr.savepoint():
                    if prepare:
                        prepare(env)
                    endings, documents = self._replay(env, row_ids, locked)
                    after = {key: self._value(env, *key) for key in documents}
                    names = {key: self._name_of(env, *key) for key in documents}
                    raise _Undone
            except _Undone:
                env.invalidate_all(flush=False)
            changes = [
                {
                    "name": names[key],
                    "measure": key[2],
                    "before": self._value(env, *key) or 0.0,
                    "after": after[key] or 0.0,
                    "is_new": not env[key[0]].browse(key[1]).exists(),
                    "sequence": place,
                }
                for place, key in enumerate(after)
            ]
            found.append((changes, endings))

        self.env.flush_all()
        self._with_locks(row_ids, undone)
        return found[-1]

    def _post_as_shown(self, env, row_ids, locked, shown):
        """Post effects, and return whether what came of it is what was shown."""
        endings, documents = self._replay(env, row_ids, locked)
        after = {
            (self._name_of(env, *key), key[2], self.env["mrp.machine.replay.line"]._kept(self._value(env, *key) or 0.0))
            for key in documents
        }
        return (after, endings) == shown

    def _replay(self, env, row_ids, locked):
        """Post effects anew with the real poster, and no others.

        :return: what became of them in words, and ``[(model, id, measure)]`` of what changed
        """
        rows = env["mrp.machine.event.posting"].browse(row_ids).exists().filtered(lambda row: row.state in AGAIN)
        before = env["mrp.machine.posting"].search([], order="id desc", limit=1).id or 0
        rows._requeue()
        env.flush_all()
        only = rows.event_id.ids
        for machine in rows.machine_id:
            while env["mrp.machine.poster"]._post_machine(machine, locked, only):
                pass
        env.flush_all()
        env.invalidate_all()
        # Also what came with them: a state whose word has a meaning by now has its time as well.
        postings = env["mrp.machine.posting"].search([("id", ">", before)], order="id")
        return self._endings(rows), self._documents(postings)

    def _endings(self, rows):
        """Return in sentences what became of effects: how many were posted, and how many wait and why."""
        _ = self.env._
        lines, counts = [], Counter((row.state, row.message or "") for row in rows)
        done = sum(count for (state, _why), count in counts.items() if state == "posted")
        lines.append(_("%s effects are posted.", done) if done != 1 else _("1 effect is posted."))
        for (state, why), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if state in OPEN:
                lines.append(_("%(count)s still wait: %(why)s", count=count, why=why or state))
            elif state == "ignored":
                lines.append(_("%(count)s have no effect: %(why)s", count=count, why=why))
        return "\n".join(lines)

    def _documents(self, postings):
        """Return ``[(model, id, measure)]`` of what postings changed, without doubles."""
        found = {}
        for posting in postings:
            order, step, document = posting.production_id, posting.workorder_id, (posting.res_model, posting.res_id)
            if posting.kind and order:
                found[order._name, order.id, "quantity"] = True
                if step:
                    found[step._name, step.id, "quantity"] = True
            if posting.handler == "work_time":
                center = posting.machine_id.workcenter_id
                if center:
                    found[center._name, center.id, "minutes"] = True
                lines = self.env["mrp.workcenter.productivity"].with_env(posting.env)
                if posting.res_model == lines._name and (work := lines.browse(posting.res_id).exists().workorder_id):
                    found[work._name, work.id, "minutes"] = True
            elif posting.handler == "state_interval":
                found[posting.machine_id._name, posting.machine_id.id, "states"] = True
            elif all(document) and posting.res_model not in ("mrp.production", "mrp.workorder"):
                found[(*document, "documents")] = True
            elif all(document) and not posting.kind:
                found[(*document, "quantity")] = True
        return list(found)

    @api.model
    def _value(self, env, model, res_id, measure):
        """Return what a document says, None where it is not there."""
        record = env[model].browse(res_id).exists()
        if not record:
            return None
        match measure:
            case "quantity" if model == "mrp.production" and record.state not in ("done", "cancel"):
                return record.qty_producing
            case "quantity":
                return record.qty_produced
            case "minutes" if model == "mrp.workorder":
                return sum(record.time_ids.mapped("duration"))
            case "minutes":
                lines = env["mrp.workcenter.productivity"].search([("workcenter_id", "=", res_id)])
                return sum(lines.mapped("duration"))
            case "states":
                return float(env["mrp.machine.interval"].search_count([("machine_id", "=", res_id)]))
            case _:
                return 1.0

    @api.model
    def _name_of(self, env, model, res_id, measure):
        record = env[model].browse(res_id)
        return record.display_name or env[model]._description


class MachineReplayLine(models.TransientModel):
    """What a document says before and after."""

    _name = "mrp.machine.replay.line"
    _description = "Change by a Replay"
    _order = "sequence, id"

    replay_id = fields.Many2one("mrp.machine.replay", required=True, ondelete="cascade")
    sequence = fields.Integer()
    name = fields.Char("Document", readonly=True)
    measure = fields.Selection(
        [("quantity", "Quantity"), ("minutes", "Minutes"), ("states", "States"), ("documents", "Documents")],
        string="What",
        readonly=True,
    )
    before = fields.Float(readonly=True, digits=(16, 3))
    after = fields.Float(readonly=True, digits=(16, 3))
    change = fields.Float(compute="_compute_change", digits=(16, 3))
    is_new = fields.Boolean("New", readonly=True, help="It is made by this.")

    @api.depends("before", "after")
    def _compute_change(self):
        for line in self:
            line.change = line.after - line.before

    @api.model
    def _kept(self, value):
        """Return a number as a line keeps it."""
        return self._fields["after"].convert_to_cache(value, self)
