from odoo import api, fields, models
from odoo.exceptions import UserError

from ..moments import moment_words
from .mrp_workorder import CLOSED


class MachineLoading(models.Model):
    """Which order ran on which machine from when to when, so that an event that comes late finds its own order."""

    _name = "mrp.machine.loading"
    _inherit = "mrp.machine.span.mixin"
    _description = "Order Loaded on a Machine"
    _order = "date_start desc, id desc"
    _check_company_auto = True
    _span_fields = ("date_start", "date_end", "production_id", "workorder_id", "explanation")

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production", string="Order", required=True, readonly=True, index=True, check_company=True
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", check_company=True
    )
    date_start = fields.Datetime(string="From", required=True, readonly=True, default=fields.Datetime.now)
    date_end = fields.Datetime(string="To", readonly=True, help="Empty: still loaded.")
    user_id = fields.Many2one("res.users", string="Loaded by", readonly=True, default=lambda self: self.env.user)
    found_by = fields.Selection(
        [
            ("machine", "Told by the machine"),
            ("person", "Loaded by a person"),
            ("program", "By the machine's program"),
            ("rule", "By a rule"),
        ],
        required=True,
        readonly=True,
        default="person",
        help="Who said that this order runs. What the machine names wins over what a person loaded, and that over what "
        "follows from its program.",
    )
    explanation = fields.Char(
        readonly=True, help="How this order was found, in a sentence; it is kept with each posting."
    )
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Told With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event by which the machine loaded it.",
    )
    left_event_id = fields.Many2one(
        "mrp.machine.event",
        string="Left With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event by which the machine itself said that it works on it no longer.",
    )

    _one_at_a_time = models.UniqueIndex(
        "(machine_id) WHERE date_end IS NULL", "This machine has an order loaded already."
    )

    @api.model_create_multi
    def create(self, vals_list):
        loadings = super().create(vals_list)
        for loading in loadings.filtered(lambda loading: not loading.date_end):
            loading.machine_id._show_order(loading.production_id, loading.workorder_id)
        return loadings

    # By a person

    @api.model
    def _load(self, machine, production, workorder, at):
        """Load an order on a machine from a moment on, and unload what was there.

        Where another order was loaded later, it is loaded until then: pieces of a time without an order, or of one that
        is closed by now, come to an order of their own in that way. What another order got of the pieces made since
        then is taken over.

        :param at: naive UTC
        :return: the loading; the one that is there, where the order is loaded already
        :raise UserError: the order does not belong there, or another one had that time
        """
        self._check_may_load(machine)
        if production.state in CLOSED or workorder.state in CLOSED:
            raise UserError(
                self.env._("%s is closed. Choose an order that is open.", (workorder or production).display_name)
            )
        if production.state == "draft":
            raise UserError(self.env._("%s is a draft. Confirm it first.", production.display_name))
        if production.company_id != machine.company_id:
            raise UserError(self.env._("The order and the machine belong to different companies."))
        if workorder and workorder.production_id != production:
            raise UserError(self.env._("This work order is not part of %s.", production.display_name))
        if production.workorder_ids and not workorder:
            raise UserError(self.env._("Choose the work order of %s that runs here.", production.display_name))
        # sudo: who may load was checked; a loading is never changed afterwards, so nobody has rights to write one
        loadings = self.sudo()
        at = fields.Datetime.to_datetime(at)
        before, until = loadings._at(machine, at), loadings._next_start(machine, at)
        if before and not before.date_end and before._is_of(production, workorder):
            loadings._begun(machine, production, workorder, at, until)
            return before
        before._end(at)
        return loadings._put(machine, production, workorder, at, until)

    @api.model
    def _unload(self, machine, at):
        """End the load of a machine at a moment (naive UTC), if there is one."""
        self._check_may_load(machine)
        at = fields.Datetime.to_datetime(at)
        current = self.sudo()._current(machine)  # sudo: see _load
        if not current:
            return
        if current.date_start > at:
            raise UserError(
                self.env._(
                    "%(order)s was loaded at %(time)s, which is later. Choose a later moment.",
                    order=current.production_id.display_name,
                    time=moment_words(machine, current.date_start),
                )
            )
        current._leave(at)

    # By anybody

    @api.model
    def _put(self, machine, production, workorder, at, until, **values):
        """Let an order begin on a machine, which nothing else is loaded on from then on up to ``until``.

        The machine's time is the order's from then on, and the pieces made since then as well.

        :param at: naive UTC
        :param until: naive UTC, when the next one was loaded; False for good
        :param values: further values of the loading: who said so, and how it was found
        :return: the loading
        """
        loading = self.create(
            {
                "machine_id": machine.id,
                "production_id": production.id,
                "workorder_id": workorder.id,
                "date_start": at,
                "date_end": until,
                "user_id": self.env.uid,
                **values,
            }
        )
        machine._give_time(at, until, production, workorder)
        self._begun(machine, production, workorder, at, until)
        return loading

    @api.model
    def _begun(self, machine, production, workorder, at, until):
        """Give an order what was booked elsewhere of a machine's work since a moment; what else it has is an addon's."""
        machine._take_over_pieces(at, until, production, workorder)

    def _is_of(self, production, workorder):
        """Return whether this is a loading of an order, by its work order where it has one."""
        return (self.production_id, self.workorder_id) == (production, workorder)

    @api.model
    def _current(self, machine):
        """Return what is loaded on a machine now."""
        return self.search([("machine_id", "=", machine.id), ("date_end", "=", False)])

    def _end(self, at):
        """End a loading at a moment within it, since another order is loaded from then on.

        :raise UserError: it has an end already, and its order could still have had the time up to there
        """
        if not self:
            return
        if self.date_end and not self._is_closed():
            raise UserError(
                self.env._(
                    "%(order)s was loaded from %(start)s to %(end)s. Choose a moment that is not within.",
                    order=(self.workorder_id or self.production_id).display_name,
                    start=moment_words(self, self.date_start),
                    end=moment_words(self, self.date_end),
                )
            )
        self._cut(at)

    def _cut(self, at):
        """End a loading at a moment within it (naive UTC)."""
        self.date_end = at
        # Before the next one is inserted: only one may be open.
        self.flush_recordset(["date_end"])

    def _is_closed(self):
        return self.production_id.state in CLOSED or self.workorder_id.state in CLOSED

    def _leave(self, at):
        """End these loadings without another order in their place; the machine's time from then on is nobody's."""
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        for loading in self:
            machine, end = loading.machine_id, max(loading.date_start, at)
            loading.date_end = end
            machine._show_order(*none)
            machine._give_time(end, self._next_start(machine, end), *none)

    @api.model
    def _leave_closed(self, productions, workorders, at=None):
        """Take orders that were closed, or are deleted, off the machines that they run on.

        :param at: when they were closed (naive UTC); now when not given
        """
        now = fields.Datetime.now()
        at = min(fields.Datetime.to_datetime(at) or now, now)
        theirs = ["|", ("production_id", "in", productions.ids), ("workorder_id", "in", workorders.ids)]
        # sudo: whoever closes an order need not be allowed to touch what machines do
        self.sudo().search([("date_end", "=", False), *theirs])._leave(at)
        # What ran without being loaded.
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        machines = self.env["mrp.machine.interval"].sudo().search([("end_us", "=", False), *theirs]).machine_id
        for machine in machines:
            machine._give_time(at, self.sudo()._next_start(machine, at), *none)
        for machine in self.env["mrp.machine.progress"].sudo().search(theirs).machine_id:
            current = self.sudo()._current(machine)
            machine._show_order(current.production_id, current.workorder_id)

    def _check_may_load(self, machine):
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_operator"):
            raise UserError(self.env._("Only an operator of the machines may say which order runs."))
        machine.check_access("read")
