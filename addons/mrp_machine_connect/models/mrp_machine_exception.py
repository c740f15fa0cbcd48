"""What could not be posted, by its cause: the lines of the supervisor's desk."""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .mrp_machine_event_posting import CAUSE

#: What tells one cause from another.
KEY = ("company_id", "machine_id", "handler", "state", "reason", "cause")
#: Reasons that are no trouble: a pause ends by itself, and what is to be approved has a list of its own.
ELSEWHERE = ("paused", "approval")
#: Effects that are tried at once to show what would happen; the browser waits for them.
SHOWN = 500


class MachineException(models.Model):
    """All effects of a machine's events that did not come about for one cause.

    No table of its own: a line is there as long as an effect waits for its cause, and whoever posts has nothing to keep.
    Its id is that of its first effect.
    """

    _name = "mrp.machine.exception"
    _description = "Machine Exceptions of One Cause"
    _auto = False
    _order = "events desc, id desc"
    _depends = {
        "mrp.machine.event.posting": [
            "company_id",
            "machine_id",
            "handler",
            "state",
            "reason",
            "detail",
            "message",
            "event_id",
        ]
    }

    first_id = fields.Many2one(
        "mrp.machine.event.posting", "First Effect", readonly=True, help="The effect that waited first."
    )
    last_id = fields.Many2one(
        "mrp.machine.event.posting", "Last Effect", readonly=True, help="The effect that came last."
    )
    company_id = fields.Many2one("res.company", readonly=True)
    machine_id = fields.Many2one("mrp.machine", readonly=True, help="The machine whose events wait.")
    handler = fields.Char(readonly=True, help="What turns these events into an effect.")
    handler_name = fields.Char(related="last_id.handler_name", help="The effect that did not come about.")
    state = fields.Selection(
        [("waiting", "Waiting"), ("held", "Held"), ("failed", "Failed")],
        readonly=True,
        help="Waiting: a person or master data is missing. Held: the data is in doubt. Failed: a technical error.",
    )
    reason = fields.Char(readonly=True, help="A stable code for why.")
    cause = fields.Char(readonly=True, help="What exactly they wait for.")
    events = fields.Integer(readonly=True, help="So many events wait for this.")
    message = fields.Char(related="last_id.message", string="Why", help="Why, in words.")
    remedy = fields.Char(related="last_id.remedy", string="What to Do", help="What a person can do about it.")
    lacks_state_table = fields.Boolean(related="last_id.lacks_state_table")
    summary = fields.Char(
        related="last_id.summary", string="Last Event", help="The event that came last, in a sentence."
    )
    since = fields.Datetime(
        related="first_id.occurred",
        string="First",
        help="When the event occurred that came first, by the machine's clock.",
    )
    until = fields.Datetime(
        related="last_id.occurred",
        string="Last",
        help="When the event occurred that came last, by the machine's clock.",
    )
    event_posting_ids = fields.Many2many(
        "mrp.machine.event.posting",
        compute="_compute_event_posting_ids",
        string="First Events",
        help="The first 40; all of them are one click away.",
    )
    lacks_lot = fields.Boolean(compute="_compute_lacks_lot", help="Nobody said of which lot the pieces are.")
    running_id = fields.Many2one(
        "mrp.machine.remedy", compute="_compute_running", help="What is being done about it just now."
    )
    progress = fields.Float(compute="_compute_running", help="How much of that is done, in percent.")

    @property
    def _table_query(self):
        # By SQL, and no table: 10,000 open effects are grouped in some tens of milliseconds, by an index of what is open.
        return SQL(
            """SELECT min(line.id) AS id, min(line.id) AS first_id, max(line.id) AS last_id, line.company_id,
                      line.machine_id, line.handler, line.state, line.reason, %(cause)s AS cause, count(*) AS events
                 FROM mrp_machine_event_posting line
                WHERE line.state IN ('waiting', 'held', 'failed')
                GROUP BY line.company_id, line.machine_id, line.handler, line.state, line.reason, %(cause)s""",
            cause=SQL(CAUSE, row=SQL.identifier("line")),
        )

    @api.depends("machine_id", "message")
    def _compute_display_name(self):
        for line in self:
            line.display_name = f"{line.machine_id.name}: {line.message or line.reason}" if line.machine_id else ""

    def _compute_event_posting_ids(self):
        for line in self:
            line.event_posting_ids = line._rows(limit=40)

    @api.depends("reason", "cause")
    def _compute_lacks_lot(self):
        for line in self:
            line.lacks_lot = line.reason == "lot" and (line.cause or "").startswith("lot:")

    def _compute_running(self):
        running = self.env["mrp.machine.remedy"].search([("state", "=", "running"), ("what", "!=", "undo")])
        by_key = {remedy._key_values(): remedy for remedy in running}
        for line in self:
            remedy = by_key.get(line._key_values(), running.browse())
            line.running_id, line.progress = remedy, remedy.progress

    # What a line stands for

    def _key(self):
        """Return what tells this cause from others, as a remedy keeps it."""
        self.ensure_one()
        return {
            "company_id": self.company_id.id,
            "machine_id": self.machine_id.id,
            **{name: self[name] or False for name in ("handler", "state", "reason", "cause")},
        }

    def _key_values(self):
        return tuple(self._key()[name] for name in KEY)

    @api.model
    def _domain_of(self, key):
        """Return the domain of the effects of a cause."""
        return [(name, "=", key[name]) for name in KEY]

    def _rows(self, limit=None):
        """Return the effects of this cause, the first to wait first."""
        return self.env["mrp.machine.event.posting"].search(self._domain_of(self._key()), order="id", limit=limit)

    def _present(self):
        """Return those of these lines that are still there.

        :raise UserError: none is; somebody, or the poster, was quicker than this click
        """
        there = self.exists()
        if not there:
            raise UserError(self.env._("This is settled by now, or its cause changed. Look at the list again."))
        return there

    # What a person does about it, for all alike

    def action_retry(self):
        """Try again all that waits for these causes, or failed."""
        return self._remedy("retry", self._present().filtered(lambda line: line.state in ("waiting", "failed")))

    def action_release(self):
        """Let all events of these causes pass: a person looked and found them right."""
        beyond = ("over_production", "order_complete")
        lines = self._present().filtered(lambda line: line.state == "held" or line.reason in beyond)
        return self._remedy("release", lines)

    def action_ignore(self):
        """Ask why all events of these causes are to be ignored."""
        self.env["mrp.machine.event.posting"]._check_supervisor()
        lines = self._present()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ignore"),
            "res_model": "mrp.machine.ignore",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_causes": [line._key() for line in lines],
                "default_events": sum(lines.mapped("events")),
            },
        }

    def _remedy(self, what, lines):
        """Do the same about all events of some lines, in passes; say so."""
        self.env["mrp.machine.event.posting"]._check_supervisor()
        if not lines:
            raise UserError(
                self.env._("Nothing of this can be tried again as it is: what is held is released, or ignored.")
                if what == "retry"
                else self.env._("Nothing of this is held: what waits is tried again, or ignored.")
            )
        remedies = self.env["mrp.machine.remedy"]._start([line._key() for line in lines], what)
        return remedies._started()

    def action_map_code(self):
        """Ask what the word that these events wait for means."""
        line = self._present()[:1]
        kind, _separator, word = (line.cause or "").partition(":")
        if kind != "state":
            return line.last_id.action_map_code()
        action = line.machine_id._action_wizard("mrp.machine.map", self.env._("Map the Code"))
        action["context"] = {
            "default_machine_id": line.machine_id.id,
            "default_kind": kind,
            "default_code": word,
        }
        return action

    def action_signal(self):
        """Open the signal that said it, where its State Table is chosen."""
        return self._present()[:1].last_id.action_signal()

    def action_load_order(self):
        """Open *Load Order* on the machine, from the first of these events on."""
        line = self._present()[:1]
        if line.reason == "spans_change":
            return line._rows(limit=SHOWN).action_load_order()
        action = line.machine_id.action_load_order()
        action["context"] = {**action["context"], "default_date_start": line._began()}
        return action

    def _began(self):
        """Return the second (naive UTC) in which the first of these events occurred."""
        rows = self.env["mrp.machine.event.posting"]
        [(events,)] = rows._read_group(self._domain_of(self._key()), [], ["event_id:array_agg"])
        first = self.env["mrp.machine.event"].search([("id", "in", events)], order="occurred_us", limit=1)
        return first.occurred.replace(microsecond=0)

    def action_proposals(self):
        """Open what these events propose, where a supervisor looks at it and decides."""
        return self._present()[:1].machine_id.action_proposals()

    def action_enter_lot(self):
        """Ask of which lot these pieces are."""
        line = self._present()[:1]
        action = line.machine_id._action_wizard("mrp.machine.lot.enter", self.env._("Enter the Lot"))
        action["context"] = {
            "default_machine_id": line.machine_id.id,
            "default_production_id": int(line.cause.partition(":")[2]),
            "default_date_start": line._began(),
        }
        return action

    def action_replay(self):
        """Ask what would become of these events if they were tried again, before anything is done."""
        return self._present()._first_rows().action_replay()

    def _first_rows(self):
        """Return the effects of these lines, as many as may be tried while somebody waits for it."""
        rows = self.env["mrp.machine.event.posting"]
        for line in self:
            rows |= line._rows(limit=SHOWN)
        return rows[:SHOWN]

    def action_document(self):
        """Open the document that these events wait for."""
        return self._present()[:1].last_id.action_document()

    def action_events(self):
        """Open the events of these causes one by one."""
        lines = self._present()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_exception_event_action")
        domain = []
        for line in lines:
            domain = ["|", *domain, *self._all_of(line)] if domain else self._all_of(line)
        action.update(domain=domain, context={})
        return action

    def _all_of(self, line):
        terms = self._domain_of(line._key())
        return ["&"] * (len(terms) - 1) + terms

    @api.model
    def desk(self):
        """Return what the desk shows at a glance: ``causes`` and ``events`` that wait, and what is ``running``.

        Asked by the web client again and again; it says nothing to whoever may not read exceptions.
        """
        if not self.has_access("read"):
            return {"causes": 0, "events": 0, "running": []}
        [(causes, events)] = self._read_group([("reason", "not in", ELSEWHERE)], [], ["__count", "events:sum"])
        return {"causes": causes, "events": events or 0, "running": self.env["mrp.machine.remedy"]._running()}
