"""What may the events of a machine do, and from which moment on?"""

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..moments import moment_words
from .mrp_machine_shadow import SHADOW

#: Modes in which what a machine reports becomes documents: at once, or when somebody approved it.
POSTS = ("automatic", "propose")
#: Why events had no effect that may have one later on.
KEPT = ("observe", "shadow")


class MachineModeChange(models.Model):
    """Who let a machine do more, or less, and from when on: it decides what an event may do, by when it occurred."""

    _name = "mrp.machine.mode.change"
    _description = "Change of a Machine's Mode"
    _order = "id desc"
    _rec_name = "mode"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    mode_before = fields.Selection(
        lambda self: self.env["mrp.machine"]._fields["posting_mode"]._description_selection(self.env),
        string="From Mode",
        required=True,
        readonly=True,
        help="What its events were allowed to do until then.",
    )
    mode = fields.Selection(
        lambda self: self.env["mrp.machine"]._fields["posting_mode"]._description_selection(self.env),
        required=True,
        readonly=True,
        help="What they may do from then on.",
    )
    moment = fields.Datetime(
        string="From",
        readonly=True,
        help="Events that occurred from then on, whenever they arrive. Empty: all that were not posted by then.",
    )
    is_done = fields.Boolean(string="In Force", readonly=True, help="The moment has come.")
    takes_over = fields.Boolean(
        string="With What Was Kept", readonly=True, help="What was observed or shadowed since that moment was posted."
    )
    user_id = fields.Many2one("res.users", string="Changed by", readonly=True, default=lambda self: self.env.user)
    reason = fields.Char(readonly=True, help="Why, in the words of the person.")

    _planned = models.Index("(machine_id, moment) WHERE is_done IS NOT TRUE")


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    mode_change_ids = fields.One2many(
        "mrp.machine.mode.change",
        "machine_id",
        string="Changes of Mode",
        readonly=True,
        copy=False,
        help="Who changed what its events may do, from which moment on, and why.",
    )
    mode_from = fields.Datetime(
        readonly=True,
        copy=False,
        help="Events that occurred earlier have the mode of that time. Empty: all have this one.",
    )
    mode_until = fields.Datetime(
        string="Next Change of Mode",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="When the next mode begins that was decided by now.",
    )

    def _posts(self):
        """Return whether what this machine reports becomes documents, or would, in a shadow that is being cast."""
        self.ensure_one()
        return self.posting_mode in POSTS or (self.posting_mode == "shadow" and SHADOW in self.env.context)

    def _begins_to_book(self, mode):
        """Return whether time before now is not to be booked when the mode of this machine becomes another."""
        self.ensure_one()
        if mode in POSTS:
            return self.posting_mode not in POSTS
        return mode == "shadow" and self.posting_mode == "observe"

    # By when an event occurred

    def _by_mode(self, entries):
        """Return queue entries by what they may do: ``{mode: entries}``.

        :param entries: mrp.machine.queue in the order in which their events occurred
        """
        self.ensure_one()
        if SHADOW in self.env.context:
            return {"automatic": entries}
        if not self.mode_from and not self.mode_until:
            return {self.posting_mode: entries}
        if (not self.mode_from or entries[:1].event_id.occurred >= self.mode_from) and (
            not self.mode_until or entries[-1:].event_id.occurred < self.mode_until
        ):
            return {self.posting_mode: entries}
        # sudo: whoever posts need not be allowed to see who changed what
        changes, found = self.sudo().mode_change_ids, {}
        for entry in entries:
            found.setdefault(changes._mode_at(entry.event_id.occurred), []).append(entry.id)
        return {mode: entries.browse(ids) for mode, ids in found.items()}

    def write(self, vals):
        before = {machine: machine.posting_mode for machine in self} if "posting_mode" in vals else {}
        result = super().write(vals)
        changed = [(machine, mode) for machine, mode in before.items() if machine.posting_mode != mode]
        for machine, mode in changed:
            machine._leave_mode(mode)
        if changed and "mode_from" not in vals:
            # For all that comes from now on, whenever it occurred. sudo: nobody writes the history by hand
            machines = self.browse([machine.id for machine, _mode in changed])
            super(Machine, machines).write({"mode_from": False, "mode_until": False})
            self.env["mrp.machine.mode.change"].sudo().create(
                [
                    {
                        "machine_id": machine.id,
                        "mode_before": mode,
                        "mode": machine.posting_mode,
                        "is_done": True,
                        "user_id": self.env.uid,
                    }
                    for machine, mode in changed
                ]
            )
        return result

    def _leave_mode(self, mode):
        """Forget what orders had come to in shadow: from now on they go on from what is true."""
        if mode == "shadow" and self.posting_mode != "shadow":
            # sudo: the memory is the poster's own
            memories = self.env["mrp.machine.shadow.memory"].sudo().search([("machine_ids", "in", self.ids)])
            # By SQL: there may be a hundred thousand; what was counted is of no order any more.
            self.env["mrp.machine.event.posting"].flush_model()
            self.env.cr.execute(
                """UPDATE mrp_machine_event_posting SET detail = NULL
                    WHERE machine_id = ANY(%s) AND handler = 'production_count' AND reason = 'shadow'
                      AND detail IS NOT NULL""",
                [self.ids],
            )
            self.env["mrp.machine.event.posting"].invalidate_model(["detail"])
            for memory in memories:
                if memory.machine_ids <= self:
                    memory.unlink()
                else:
                    memory.machine_ids = [(3, machine.id) for machine in self]

    # A change from a moment on

    def _change_mode(self, mode, moment, reason="", takes_over=False):
        """Let events that occurred from a moment on do more, or less.

        :param str mode: ``observe``, ``shadow``, ``propose`` or ``automatic``
        :param moment: naive UTC; one to come is kept until then
        :param bool takes_over: post what was only observed or shadowed since that moment
        :return: the mrp.machine.mode.change
        :raise UserError: it may not be changed by this person, or not in this way
        """
        self.ensure_one()
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_manager"):
            raise UserError(self.env._("Only a manager of the machines may change what their events may do."))
        now, moment = fields.Datetime.now(), moment.replace(microsecond=0)
        if takes_over and (mode not in POSTS or moment > now):
            raise UserError(self.env._("What was kept can only be posted from a moment that has passed."))
        # sudo: nobody writes the history by hand
        change = (
            self.env["mrp.machine.mode.change"]
            .sudo()
            .create(
                {
                    "machine_id": self.id,
                    "mode_before": self._mode_before(moment),
                    "mode": mode,
                    "moment": moment,
                    "takes_over": takes_over,
                    "user_id": self.env.uid,
                    "reason": reason,
                }
            )
        )
        self._tell_change(change)
        if moment > now:
            self.write({"mode_until": self._next_change()})
        else:
            change._begin()
        return change

    def _mode_before(self, moment):
        """Return the mode that events of a moment had by now."""
        changes = self.sudo().mode_change_ids  # sudo: see _by_mode
        return changes._mode_at(moment) if changes and (self.mode_from or self.mode_until) else self.posting_mode

    def _next_change(self):
        planned = self.sudo().mode_change_ids.filtered(lambda change: not change.is_done)
        return min(planned.mapped("moment"), default=False)

    def _tell_change(self, change):
        labels = dict(self._fields["posting_mode"]._description_selection(self.env))
        words = {
            "before": labels[change.mode_before],
            "mode": labels[change.mode],
            "moment": moment_words(self, change.moment),
            "reason": change.reason or "–",
        }
        if change.takes_over:
            body = self.env._(
                "%(before)s → %(mode)s for what occurred from %(moment)s on, with what was kept since then. %(reason)s",
                **words,
            )
        else:
            body = self.env._("%(before)s → %(mode)s for what occurs from %(moment)s on. %(reason)s", **words)
        self.message_post(body=body)

    @api.model
    def _begin_planned(self):
        """Let modes begin whose moment has come."""
        due = self.with_context(active_test=False).search([("mode_until", "<=", fields.Datetime.now())])
        for machine in due:
            planned = machine.mode_change_ids.filtered(
                lambda change: not change.is_done and change.moment <= fields.Datetime.now()
            )
            planned.sorted("moment")._begin()

    def _take_over(self, moment):
        """Queue what was only observed or shadowed since a moment (naive UTC)."""
        # sudo: effects are the poster's own; who may do it was asked
        rows = self.env["mrp.machine.event.posting"].sudo()
        kept = rows.search(
            [
                ("machine_id", "=", self.id),
                ("state", "=", "ignored"),
                ("reason", "in", KEPT),
                ("event_id.occurred", ">=", moment),
            ]
        )
        kept.write({"state": "waiting"})
        kept._requeue()
        intervals = self.env["mrp.machine.interval"].sudo()
        intervals.search(
            [("machine_id", "=", self.id), "|", ("date_end", "=", False), ("date_end", ">", moment)]
        )._schedule_projection()

    # Buttons

    def action_change_mode(self):
        """Ask what its events may do, and from when on."""
        return self._action_wizard("mrp.machine.change.mode", self.env._("What Its Events May Do"))

    def action_shadow(self):
        """Open what this machine would have booked."""
        return self._action_records("mrp_machine_connect.mrp_machine_shadow_action", [("machine_id", "=", self.id)])


class ModeChangeBegins(models.Model):
    _inherit = "mrp.machine.mode.change"  # pylint: disable=consider-merging-classes-inherited; it needs machines

    def _mode_at(self, moment):
        """Return the mode of what occurred at a moment (naive UTC).

        :param self: all changes of one machine
        """
        return self._deciding(moment).mode or self.sorted("id")[:1].mode_before

    def _deciding(self, moment):
        """Return the change that decides about a moment: the latest by then, of those that no later decision replaced."""
        valid = self.browse()
        for change in self.sorted("id", reverse=True):
            valid |= change
            if not change.moment:
                break  # it was for all, whenever it occurred
        replaced = valid.filtered(
            lambda change: any(
                later.takes_over and later.id > change.id and later.moment <= change.moment
                for later in valid
                if change.moment
            )
        )
        by_then = (valid - replaced).filtered(lambda change: not change.moment or change.moment <= moment)
        return by_then.sorted(lambda change: (bool(change.moment), change.moment or moment, change.id))[-1:]

    def _begin(self):
        """Let these changes be in force."""
        for change in self:
            machine = change.machine_id
            change.is_done = True
            now = machine.mode_change_ids._deciding(fields.Datetime.now())
            values = {"posting_mode": now.mode, "mode_from": now.moment, "mode_until": machine._next_change()}
            if change.takes_over:
                values["automatic_since"] = min(machine.automatic_since or change.moment, change.moment)
            elif machine._begins_to_book(change.mode):
                values["automatic_since"] = change.moment
            machine.write(values)
            if change.takes_over:
                machine._take_over(change.moment)
