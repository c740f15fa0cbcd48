"""What a person did about all exceptions of one cause: in passes, with its progress, and how it is taken back."""

import logging

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

from ..polling_host import PASSING
from .mrp_machine_exception import KEY

_logger = logging.getLogger(__name__)

#: Effects that one pass takes; each pass is a transaction of its own.
PASS = 1000


class MachineRemedy(models.Model):
    """One decision of a person about all events that wait for one cause, and how far it has got."""

    _name = "mrp.machine.remedy"
    _description = "Remedy for Machine Exceptions"
    _order = "id desc"

    name = fields.Char("What Was Done", required=True, readonly=True, help="In a sentence.")
    what = fields.Selection(
        [("retry", "Try again"), ("release", "Release"), ("ignore", "Ignore"), ("undo", "Take back")],
        string="Remedy",
        required=True,
        readonly=True,
        help="What is done with each event.",
    )
    words = fields.Char("Reason", readonly=True, help="Why, as the person said it; it stays with each event.")
    user_id = fields.Many2one(
        "res.users",
        string="By",
        required=True,
        readonly=True,
        default=lambda self: self.env.user,
        help="Who decided it.",
    )
    machine_id = fields.Many2one(
        "mrp.machine", readonly=True, index=True, ondelete="cascade", help="Whose events they are."
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    handler = fields.Char(readonly=True, help="What turns these events into an effect.")
    former_state = fields.Char(readonly=True, help="What they were: waiting, held or failed.")
    reason = fields.Char("Reason Code", readonly=True, help="A stable code for why.")
    cause = fields.Char(readonly=True, help="What exactly they waited for.")
    undone_id = fields.Many2one("mrp.machine.remedy", readonly=True, index="btree_not_null", help="What it takes back.")
    undo_ids = fields.One2many("mrp.machine.remedy", "undone_id", readonly=True)
    state = fields.Selection(
        [("running", "Running"), ("done", "Done"), ("stopped", "Stopped"), ("failed", "Failed")],
        required=True,
        readonly=True,
        default="running",
        help="Stopped: by a person, before all were taken. Failed: see why.",
    )
    failure = fields.Char("Why It Failed", readonly=True, help="What kept it from going on.")
    total = fields.Integer("Events", readonly=True, help="So many events waited when it was decided.")
    taken = fields.Integer(readonly=True, help="So many were taken by a pass already.")
    after_id = fields.Integer(readonly=True, help="The passes go on after this effect.")
    until_id = fields.Integer(readonly=True, help="What came later than this effect is not meant.")
    date_end = fields.Datetime("Done At", readonly=True, help="When the last of them was settled.")
    settled = fields.Integer(
        compute="_compute_settled", help="So many have an end by now: posted, ignored or waiting again."
    )
    waiting = fields.Integer("Wait Again", compute="_compute_settled", help="So many wait again, for the same or more.")
    progress = fields.Float(compute="_compute_settled", help="In percent.")
    can_undo = fields.Boolean(compute="_compute_settled")
    event_posting_ids = fields.One2many("mrp.machine.event.posting", "remedy_id", string="Its Events", readonly=True)

    _running_ones = models.Index("(id) WHERE state = 'running'")

    @api.depends("taken", "total", "state")
    def _compute_settled(self):
        rows = self.env["mrp.machine.event.posting"]
        counts = {
            (remedy.id, state): count
            for remedy, state, count in rows._read_group(
                [("remedy_id", "in", self.ids)], ["remedy_id", "state"], ["__count"]
            )
        }
        for remedy in self:
            remedy.settled = max(0, remedy.taken - counts.get((remedy.id, "received"), 0))
            remedy.waiting = sum(counts.get((remedy.id, state), 0) for state in ("waiting", "held", "failed"))
            remedy.progress = (
                100.0 * remedy.settled / remedy.total if remedy.total and remedy.state == "running" else 100.0
            )
            remedy.can_undo = remedy.what == "ignore" and bool(counts.get((remedy.id, "ignored")))

    def _key_values(self):
        """Return what tells its cause from others, in the order of ``KEY``."""
        values = self.company_id.id, self.machine_id.id, self.handler, self.former_state, self.reason, self.cause
        return tuple(value or False for value in values)

    # By a person

    @api.model
    def _start(self, keys, what, words=False, name=False):
        """Decide the same about all events of some causes; the passes do it.

        :param list keys: what tells each cause from others, as ``mrp.machine.exception._key`` gives it
        :param str what: ``retry``, ``release`` or ``ignore``
        :param str words: why, as the person says it
        :param str name: what is done, in a sentence; False for the usual
        """
        rows = self.env["mrp.machine.event.posting"]
        rows._check_supervisor()
        lines = self.env["mrp.machine.exception"]
        found = []
        for key in keys:
            # Read by the person: what of another company is there is not theirs.
            first = rows.search(lines._domain_of(key), order="id desc", limit=1)
            if not first:
                continue
            found.append(
                {
                    "name": name or self._usual_name(what, first, words),
                    "what": what,
                    "words": words,
                    "user_id": self.env.uid,
                    **{field: key[field] for field in KEY if field != "state"},
                    "former_state": key["state"],
                    "total": rows.search_count(lines._domain_of(key)),
                    "until_id": first.id,
                }
            )
        # sudo: nobody writes remedies by hand; that this person may decide was checked above
        remedies = self.sudo().create(found)
        self.env["mrp.machine.poster"]._wake()
        return remedies.sudo(False)

    @api.model
    def _start_for(self, domain):
        """Try again, in passes, all effects that a domain finds: what they waited for is mended.

        :param list domain: of mrp.machine.event.posting, by what ``mrp.machine.exception`` has as well
        """
        # sudo: whoever mended it need not be allowed to decide on exceptions
        lines = self.env["mrp.machine.exception"].sudo()
        causes = [("cause" if term[0] == "detail" else term[0], *term[1:]) for term in domain]
        return self.sudo()._start([line._key() for line in lines.search(causes)], "retry")

    def _usual_name(self, what, row, words):
        _ = self.env._
        why = {"machine": row.machine_id.name, "why": row.message or row.reason, "words": words}
        if what == "ignore":
            return _("%(machine)s: ignored, «%(words)s». %(why)s", **why)
        if what == "release":
            return _("%(machine)s: released. %(why)s", **why)
        return _("%(machine)s: tried again. %(why)s", **why)

    def _started(self):
        """Return the action that says what is going on, and lets the screen look again."""
        total = sum(self.mapped("total"))
        words = (
            self.env._("Nothing of this waits any more.")
            if not total
            else self.env._("1 event is worked on.")
            if total == 1
            else self.env._("%s events are worked on, in passes. You need not wait.", f"{total:,}")
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"type": "success", "message": words, "next": {"type": "ir.actions.act_window_close"}},
        }

    def action_stop(self):
        """Leave what no pass has taken yet as it is."""
        self.env["mrp.machine.event.posting"]._check_supervisor()
        # sudo: see _start
        self.sudo().filtered(lambda remedy: remedy.state == "running").write(
            {"state": "stopped", "date_end": fields.Datetime.now()}
        )

    def action_undo(self):
        """Take back what was ignored: it waits again, or is held again."""
        self.ensure_one()
        self.env["mrp.machine.event.posting"]._check_supervisor()
        ignored = self.event_posting_ids.filtered(lambda row: row.state == "ignored")
        if self.what != "ignore" or not ignored:
            raise UserError(
                self.env._(
                    "Only what was ignored can be taken back here. What was posted is corrected on its event, by «Correct»."
                )
            )
        self.action_stop()
        # sudo: see _start
        undo = self.sudo().create(
            {
                "name": self.env._("Taken back: %s", self.name),
                "what": "undo",
                "undone_id": self.id,
                "user_id": self.env.uid,
                **{name: self[name].id for name in ("company_id", "machine_id")},
                **{name: self[name] for name in ("handler", "former_state", "reason", "cause")},
                "total": len(ignored),
                "until_id": max(ignored.ids),
            }
        )
        self.env["mrp.machine.poster"]._wake()
        return undo.sudo(False)._started()

    def action_events(self):
        """Open the events that it was about."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_exception_event_action")
        action.update(domain=[("remedy_id", "=", self.id)], context={})
        return action

    @api.model
    def _running(self):
        """Return what is being done just now, for the desk."""
        return self.search([("state", "=", "running")]).read(["name", "total", "settled", "progress"])

    # By the poster

    @api.model
    def _pass(self, registry, look):
        """Take one pass of each remedy that runs, each in a transaction of its own.

        :param look: a cursor for what is only looked at
        :return: whether there was anything to take
        """
        # By SQL: asked at each turn of a poster, and hardly ever is there one.
        look.execute("SELECT id FROM mrp_machine_remedy WHERE state = 'running' ORDER BY id")
        ids = [number for (number,) in look.fetchall()]
        look.rollback()
        took = False
        for number in ids:
            try:
                with registry.cursor() as cr:
                    # The first statement of a fresh transaction: two posters never take the same.
                    cr.execute(
                        "SELECT id FROM mrp_machine_remedy WHERE id = %s AND state = 'running' FOR UPDATE SKIP LOCKED",
                        [number],
                    )
                    if cr.fetchone():
                        took |= api.Environment(cr, SUPERUSER_ID, {})[self._name].browse(number)._take()
            except PASSING as conflict:
                _logger.info("a pass of remedy %s met another transaction: %s", number, conflict)
            except Exception as error:
                _logger.exception("remedy %s could not go on", number)
                self._note_failure(registry, number, error)
        return took

    def _note_failure(self, registry, number, error):
        with registry.cursor() as cr:
            words = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            api.Environment(cr, SUPERUSER_ID, {})[self._name].browse(number).write(
                {"state": "failed", "failure": words, "date_end": fields.Datetime.now()}
            )

    def _take(self):
        """Take the next effects of this remedy; what was taken is settled when nothing of it is left to be posted.

        :return: whether there were any
        """
        rows = self.env["mrp.machine.event.posting"]
        domain = [("id", ">", self.after_id), ("id", "<=", self.until_id)]
        if self.what == "undo":
            domain += [("remedy_id", "=", self.undone_id.id), ("state", "=", "ignored"), ("reason", "=", "by_person")]
        else:
            key = dict(zip(KEY, self._key_values(), strict=True))
            domain += self.env["mrp.machine.exception"]._domain_of(key)
        found = rows.search(domain, order="id", limit=PASS)
        if not found:
            if not rows.search_count([("remedy_id", "=", self.id), ("state", "=", "received")], limit=1):
                self.write({"state": "done", "date_end": fields.Datetime.now()})
            return False
        self.write({"after_id": found[-1].id, "taken": self.taken + len(found)})
        if self.what != "undo":
            found.remedy_id = self
        # In the name of whoever decided it, in all companies that are theirs.
        user = self.user_id
        theirs = found.with_user(user).with_context(allowed_company_ids=user.company_ids.ids, lang=user.lang)
        match self.what:
            case "retry":
                found.action_retry()
            case "release":
                theirs.action_release()
            case "ignore":
                theirs._ignore(self.words)
            case "undo":
                theirs.action_undo()
        return True
