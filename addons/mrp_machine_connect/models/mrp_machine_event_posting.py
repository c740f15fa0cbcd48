from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ..fields import LooseMany2one
from ..moments import naive_of_iso

#: States of an effect that waits for a person.
OPEN = ("waiting", "held", "failed")
#: So many effects are put back to work at once, within the request of whoever mended something; more go in passes.
AT_ONCE = 1000
#: What an effect waits for, in SQL: what exactly is missing, else the words for why, whatever amounts they name.
CAUSE = r"""coalesce(nullif(%(row)s.detail, ''),
                     regexp_replace(%(row)s.message, '(^|[\s(])[0-9][0-9.,:-]*(?=[\s.,:;)]|$)', '\1…', 'g'))"""


class MachineEventPosting(models.Model):
    """One event and one handler: whether its effect came about. The unique key is the proof of exactly once."""

    # Without foreign keys: there is a row for each event and effect, and to lock the event at each was a third of writing it.
    # Rows are written only for events in the queue; retention takes those that are not, together with all that they did.
    _name = "mrp.machine.event.posting"
    _description = "Effect of a Machine Event"
    _order = "id desc"
    _rec_name = "event_id"

    event_id = LooseMany2one("mrp.machine.event", required=True, readonly=True, ondelete="restrict")
    handler = fields.Char(required=True, readonly=True, help="What turns the event into an effect.")
    handler_name = fields.Char(compute="_compute_handler_name", string="Effect")
    machine_id = LooseMany2one("mrp.machine", required=True, readonly=True, ondelete="restrict")
    company_id = LooseMany2one("res.company", required=True, readonly=True, ondelete="restrict")
    state = fields.Selection(
        [
            ("received", "Received"),
            ("waiting", "Waiting"),
            ("held", "Held"),
            ("posted", "Posted"),
            ("ignored", "Ignored"),
            ("failed", "Failed"),
        ],
        required=True,
        readonly=True,
        default="received",
        help="Waiting: a person or master data is missing. Held: the data is in doubt. Failed: a technical error.",
    )
    reason = fields.Char(readonly=True, help="A stable code for why.")
    detail = fields.Char(readonly=True, help="What exactly is missing, for replaying by itself.")
    message = fields.Char(readonly=True, help="Why, in words.")
    remedy = fields.Char(compute="_compute_remedy", string="What to Do")
    lacks_state_table = fields.Boolean(
        compute="_compute_lacks_state_table", help="The signal that said it has no table that translates its states."
    )
    attempts = fields.Integer(readonly=True)
    released_by = fields.Many2one("res.users", readonly=True, help="Who let a held event pass, or ignored it.")
    release_reason = fields.Char(readonly=True)
    cause = fields.Char(
        compute="_compute_cause",
        search="_search_cause",
        help="What it waits for: what all that wait for the same share.",
    )
    remedy_id = fields.Many2one(
        "mrp.machine.remedy",
        string="Remedied By",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="What a person decided about this and all like it.",
    )
    posting_id = LooseMany2one("mrp.machine.posting", readonly=True, index="btree_not_null", ondelete="restrict")
    type = fields.Char(related="event_id.type", string="Event Type")
    occurred = fields.Datetime(related="event_id.occurred")
    summary = fields.Char(related="event_id.summary")

    _once = models.UniqueIndex("(event_id, handler)", "This event has had this effect already.")
    _exceptions = models.Index("(machine_id, state) WHERE state IN ('waiting', 'held', 'failed')")
    _open = models.Index("(state, id) WHERE state IN ('waiting', 'held', 'failed', 'received')")

    def _compute_handler_name(self):
        for row in self:
            model = self.env.get(f"mrp.machine.handler.{row.handler}") if row.handler else None
            row.handler_name = self.env._("Log only") if model is None else model._title()

    def _compute_cause(self):
        rows = self.filtered(lambda row: row.state in OPEN)
        (self - rows).cause = False
        rows.flush_recordset(["detail", "message"])
        # By SQL: what a cause is, is said once, and exceptions are grouped by it there.
        found = dict(
            self.env.execute_query(
                SQL(
                    "SELECT line.id, %s FROM mrp_machine_event_posting line WHERE line.id IN %s",
                    SQL(CAUSE, row=SQL.identifier("line")),
                    tuple(rows.ids),
                )
            )
            if rows
            else ()
        )
        for row in rows:
            row.cause = found.get(row.id)

    def _search_cause(self, operator, value):
        if operator != "in":
            return NotImplemented
        self.flush_model(["detail", "message"])
        return Domain.custom(to_sql=partial(self._cause_sql, frozenset(value)))

    @staticmethod
    def _cause_sql(values, _model, alias, _query):
        """Return the condition of effects that wait for one of some things; False stands for nothing said."""
        cause = SQL(CAUSE, row=SQL.identifier(alias))
        named = tuple(value for value in values if value)
        conditions = [SQL("%s IN %s", cause, named)] if named else []
        if len(named) < len(values):
            conditions.append(SQL("%s IS NULL", cause))
        return SQL("(%s)", SQL(" OR ").join(conditions)) if conditions else SQL("FALSE")

    @api.depends("reason", "state")
    def _compute_remedy(self):
        words = self._remedies()
        for row in self:
            reason = "no_state_table" if row.lacks_state_table else row.reason
            row.remedy = words.get(reason, "") if row.state in ("waiting", "held", "failed") else ""

    @api.depends("reason")
    def _compute_lacks_state_table(self):
        for row in self:
            signal = row.event_id.signal_id if row.reason == "unknown_code" else None
            row.lacks_state_table = bool(signal and signal.role == "state" and not signal.state_table)

    @api.model
    def _remedies(self):
        """Return ``{reason: what a supervisor can do}``; addons that know more reasons add theirs."""
        _ = self.env._
        return {
            "no_order": _(
                "Load the order on the machine, then retry. What counted before the order began can be ignored."
            ),
            "ambiguous": _("Several orders are in progress here. Load the right one on the machine, then retry."),
            "order_closed": _(
                "Choose an open order and retry. Or set «Pieces After Closing» on the machine, and replay this to see first "
                "what it would do."
            ),
            "order_cancelled": _(
                "Load an open order for that time, then retry; or set «Pieces After Closing» to an order of their own."
            ),
            "no_stock": _(
                "Bring it there, or correct the stock by an inventory count, then retry. Where the goods have left already, "
                "ignore this and adjust the stock."
            ),
            "late_tracked": _("Enter the lots or serial numbers on the order by hand, then ignore this."),
            "late_refused": _(
                "Nothing may be booked at that time any more. Book it by hand in an open period, then ignore this."
            ),
            "unknown_code": _("Map the code on the machine. What waited for it is posted by itself."),
            "no_state_table": _(
                "Choose the State Table of the signal, or map the code on the machine. What waited is posted by itself."
            ),
            "paused": _("Posting is paused on this machine. It goes on by itself, or resume it now."),
            "spans_change": _(
                "The order changed while nobody was looking. Split the pieces by «Add or Correct Pieces» and ignore this."
            ),
            "unit": _("The order's unit has nothing to do with pieces. Correct the unit of the signal or the product."),
            "serial": _("Products tracked by serial number need one number a piece. Enter them on the order."),
            "jump": _("The counter moved faster than the machine can work. Check the machine, then release or ignore."),
            "interrupted": _(
                "The machine itself was without value in between. Check what was made, then release or ignore."
            ),
            "implausible_drop": _(
                "The counter fell to a value that no reset explains. Check the machine, then release or ignore."
            ),
            "clock_late": _(
                "The event is older than the machine's late window. Check its clock, then release or ignore."
            ),
            "clock_early": _("The event lies in the future. Correct the machine's clock, then release or ignore."),
            "error": _("Odoo refused the effect. Read why, put it right on the document, then retry."),
            "no_equipment": _("Choose the equipment on the machine, then retry."),
            "kit": _("Make the components of the kit, or take away its bill of materials as a kit, then retry."),
            "in_stock": _("Scrap or correct in stock what is too much there, and ignore this."),
            "scrapped": _("Correct what is too much scrapped in stock, and ignore this."),
            "components": _("Bring the components, or do their transfer, then retry."),
            "lot": _("Enter the lot on the order, then retry."),
            "scrap_tracked": _("Scrap the rejects on the order with their lot, and ignore this."),
            "scrap_missing": _("Scrap the rejects from where they lie now, and ignore this."),
            "below_zero": _("More pieces would be taken away than were counted."),
        }

    def _requeue(self):
        """Put these rows back to work: they are received again, and their events queue again."""
        rows = self.filtered(lambda row: row.state in ("waiting", "held", "failed"))
        if not rows:
            return
        rows.write({"state": "received", "reason": False, "detail": False, "message": False})
        rows.flush_recordset()
        # By SQL: the queue is a plain table without duplicates.
        self.env.cr.execute_values(
            """INSERT INTO mrp_machine_queue (event_id, machine_id) VALUES %s
                   ON CONFLICT (event_id) DO UPDATE SET not_before = NULL, is_patient = NULL""",
            sorted({(row.event_id.id, row.machine_id.id) for row in rows}),
        )
        self.env["mrp.machine.poster"]._wake()

    @api.model
    def _waiting_for(self, machine, reason=None, detail=None):
        """Return the effects of a machine's events that wait, or failed, for a reason and can be tried again.

        :param str reason: the code of the reason; None for any
        :param str detail: what exactly they wait for; None for any
        """
        domain = [("machine_id", "=", machine.id), ("state", "in", ("waiting", "failed"))]
        if reason:
            domain.append(("reason", "=", reason))
        if detail:
            domain.append(("detail", "=", detail))
        return self.search(domain, order="id")

    @api.model
    def _requeue_unknown(self, kind, machines, is_known, signal=None):
        """Put back to work what waited for the meaning of a machine's word, where the word is known by now.

        :param str kind: ``state`` or ``alarm``
        :param machines: the mrp.machine whose words they are
        :param is_known: function from a word to whether it has a meaning
        :param signal: the mrp.machine.signal that said it, where others may mean something else by the same word
        """
        domain = [
            ("machine_id", "in", machines.ids),
            ("state", "=", "waiting"),
            ("reason", "=", "unknown_code"),
            ("detail", "=like", f"{kind}:%"),
        ]
        if signal:
            domain.append(("event_id.signal_id", "=", signal.id))
        # sudo: whoever gave the word its meaning need not be allowed to touch effects, which are the poster's matter
        rows = self.sudo()
        found = rows._read_group(domain, ["detail"], ["__count"])
        known = [(detail, count) for detail, count in found if is_known(detail.partition(":")[2])]
        if not known:
            return
        domain.append(("detail", "in", [detail for detail, _count in known]))
        if self.env.context.get("exceptions_in_passes"):
            return  # whoever says so puts them back to work, and shows how far that is
        if signal or sum(count for _detail, count in known) <= AT_ONCE:
            rows.search(domain)._requeue()
        else:
            self.env["mrp.machine.remedy"]._start_for(domain)

    @api.model
    def _end_handler(self, handler, message):
        """Settle what is still to come of a handler whose addon goes: nobody is left who could give it an effect.

        :param str handler: the handler's name
        :param str message: why, in words
        """
        # sudo: whoever uninstalls an addon need not be allowed to touch effects
        self.sudo().search(
            [("handler", "=", handler), ("state", "in", ("received", "waiting", "held", "failed"))]
        ).write({"state": "ignored", "reason": "uninstalled", "detail": False, "message": message})

    # What a person decides

    def _check_supervisor(self):
        if not self.env.user.has_group("mrp_machine_connect.group_supervisor") and not self.env.su:
            raise UserError(self.env._("Only a supervisor of the machines may decide on exceptions."))
        self.check_access("read")

    def action_retry(self):
        """Try again: waiting and failed effects. A held one is released by :meth:`action_release`."""
        self._check_supervisor()
        # sudo: the rows are written by the poster alone; the supervisor's right was checked above
        self.sudo().filtered(lambda row: row.state in ("waiting", "failed"))._requeue()

    def action_replay(self):
        """Ask what would become of these effects if they were tried again, before anything is done."""
        self._check_supervisor()
        action = self.env["mrp.machine"]._action_wizard("mrp.machine.replay", self.env._("Replay"))
        action["context"] = {"default_event_posting_ids": self.ids}
        return action

    def action_release(self):
        """Let held effects pass: a person looked and found the event right."""
        self._check_supervisor()
        # sudo: see action_retry
        held = self.sudo().filtered(lambda row: row.state == "held")
        # The person looked at the event: that is good for each effect that it is to have.
        held |= self.sudo().search([("event_id", "in", held.event_id.ids), ("state", "=", "held")])
        held.released_by = self.env.user
        held._requeue()

    def action_ignore(self):
        """Ask why these effects are to be ignored."""
        self._check_supervisor()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ignore"),
            "res_model": "mrp.machine.ignore",
            "view_mode": "form",
            "target": "new",
            "context": {"default_event_posting_ids": self.ids},
        }

    def _ignore(self, reason):
        """End these effects without one, for a reason that a person gave."""
        self._check_supervisor()
        # sudo: see action_retry
        rows = self.sudo().filtered(lambda row: row.state in ("waiting", "held", "failed"))
        rows.write(
            {
                "state": "ignored",
                "reason": "by_person",
                "release_reason": reason,
                "released_by": self.env.user.id,
                "message": reason,
            }
        )
        time = rows.filtered(lambda row: row.handler == "work_time")
        if time:
            intervals = self.env["mrp.machine.interval"].sudo()  # sudo: the timeline is the poster's own
            intervals.search([("event_id", "in", time.event_id.ids), ("is_due", "=", True)]).is_due = False

    def action_undo(self):
        """Take back that these effects were ignored: they are tried again, and what was held is held again."""
        self._check_supervisor()
        # sudo: see action_retry
        rows = self.sudo().filtered(lambda row: row.state == "ignored" and row.reason == "by_person")
        words = self.env["mrp.machine.poster"]._words()
        for reason, held in (
            rows.filtered(lambda row: row.event_id.disposition == "held")
            .grouped(lambda row: row.event_id.reason)
            .items()
        ):
            held.write({"state": "held", "reason": reason, "message": words.get(reason)})
        rows.write({"released_by": False, "release_reason": False})
        again = rows.filtered(lambda row: row.state == "ignored")
        again.state = "waiting"
        time = rows.filtered(lambda row: row.handler == "work_time")
        if time:
            intervals = self.env["mrp.machine.interval"].sudo()  # sudo: the timeline is the poster's own
            intervals.search([("event_id", "in", time.event_id.ids)]).is_due = True
        again._requeue()

    def action_map_code(self):
        """Open a new code with what this effect waits for."""
        self.ensure_one()
        kind, _separator, code = (self.detail or "").partition(":")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Map the Code"),
            "res_model": "mrp.machine.code",
            "view_mode": "form",
            "target": "new",
            "context": {"default_machine_id": self.machine_id.id, "default_kind": kind, "default_code": code},
        }

    def action_signal(self):
        """Open the signal that said it, where its State Table is chosen."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine.signal",
            "res_id": self.event_id.signal_id.id,
            "view_mode": "form",
        }

    def action_load_order(self):
        """Open *Load order* on the machine, from the moment of this event on."""
        action = self.machine_id.action_load_order()
        began = min(row._began() for row in self)
        action["context"] = {**action["context"], "default_date_start": began.replace(microsecond=0)}
        return action

    def _began(self):
        """Return from when on an order must have been there for this effect: where nobody looked, the last look."""
        window = (self.event_id.data or {}).get("window")
        if self.reason == "spans_change" and window:
            return naive_of_iso(window[0])
        return self.occurred

    def action_document(self):
        """Open the document that carries the effect."""
        self.ensure_one()
        return self.posting_id.action_document()
