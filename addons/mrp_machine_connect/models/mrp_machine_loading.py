from datetime import timezone

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect.event import microseconds


class MachineLoading(models.Model):
    """Which order ran on which machine from when to when, so that an event that comes late finds its own order."""

    _name = "mrp.machine.loading"
    _description = "Order Loaded on a Machine"
    _order = "date_start desc, id desc"
    _check_company_auto = True

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production", string="Order", required=True, readonly=True, index=True, check_company=True
    )
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True, check_company=True)
    date_start = fields.Datetime(string="From", required=True, readonly=True, default=fields.Datetime.now)
    date_end = fields.Datetime(string="To", readonly=True, help="Empty: still loaded.")
    user_id = fields.Many2one("res.users", string="Loaded by", readonly=True, default=lambda self: self.env.user)

    _one_at_a_time = models.UniqueIndex(
        "(machine_id) WHERE date_end IS NULL", "This machine has an order loaded already."
    )

    @api.model_create_multi
    def create(self, vals_list):
        loadings = super().create(vals_list)
        for loading in loadings.filtered(lambda loading: not loading.date_end):
            loading.machine_id._show_order(loading.production_id, loading.workorder_id)
        return loadings

    @api.model
    def _load(self, machine, production, workorder, at):
        """Load an order on a machine from a moment on, and unload what was there.

        :param at: naive UTC
        :raise UserError: the order does not belong there, or the moment lies before the last change of order
        """
        self._check_may_load(machine)
        if production.state in ("done", "cancel"):
            raise UserError(self.env._("%s is closed. Choose an order that is open.", production.display_name))
        if production.state == "draft":
            raise UserError(self.env._("%s is a draft. Confirm it first.", production.display_name))
        if production.company_id != machine.company_id:
            raise UserError(self.env._("The order and the machine belong to different companies."))
        if workorder and workorder.production_id != production:
            raise UserError(self.env._("This work order is not part of %s.", production.display_name))
        if production.workorder_ids and not workorder:
            raise UserError(self.env._("Choose the work order of %s that runs here.", production.display_name))
        self._end(machine, at)
        # sudo: who may load was checked; a loading is never changed afterwards, so nobody has rights to write one
        loading = self.sudo().create(
            {
                "machine_id": machine.id,
                "production_id": production.id,
                "workorder_id": workorder.id,
                "date_start": at,
                "user_id": self.env.uid,
            }
        )
        self._move_time(machine, at, production, workorder)
        return loading

    @api.model
    def _unload(self, machine, at):
        """End the load of a machine at a moment (naive UTC), if there is one."""
        self._check_may_load(machine)
        self._end(machine, at)
        self._move_time(machine, at, self.env["mrp.production"], self.env["mrp.workorder"])

    def _end(self, machine, at):
        # sudo: see _load
        current = self.sudo().search([("machine_id", "=", machine.id), ("date_end", "=", False)])
        if current and current.date_start > fields.Datetime.to_datetime(at):
            raise UserError(
                self.env._(
                    "%(order)s was loaded at %(time)s, which is later. Choose a later moment.",
                    order=current.production_id.display_name,
                    time=fields.Datetime.to_string(current.date_start),
                )
            )
        current.date_end = at
        # Before the next one is inserted: only one may be open.
        current.flush_recordset(["date_end"])
        machine._show_order(self.env["mrp.production"], self.env["mrp.workorder"])

    def _check_may_load(self, machine):
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_operator"):
            raise UserError(self.env._("Only an operator of the machines may say which order runs."))
        machine.check_access("read")

    def _move_time(self, machine, at, production, workorder):
        """Give the machine's time from a moment (naive UTC) on to another order; a state that lasts across it is cut."""
        # sudo: the timeline is the poster's own
        timeline = self.env["mrp.machine.interval"].sudo()
        us = microseconds(fields.Datetime.to_datetime(at).replace(tzinfo=timezone.utc))
        across = timeline.search(
            [("machine_id", "=", machine.id), ("start_us", "<", us), "|", ("end_us", "=", False), ("end_us", ">", us)],
            order="start_us desc",
            limit=1,
        )
        if across and across.production_id != production:
            rest = {
                "machine_id": machine.id,
                "workcenter_id": across.workcenter_id.id,
                "state": across.state,
                "reason": across.reason,
                "raw_value": across.raw_value,
                "loss_id": across.loss_id.id,
                "event_id": across.event_id.id,
                "start_us": us,
                "end_us": across.end_us or False,
            }
            across.end_us = us
            timeline.create(rest)
        after = timeline.search([("machine_id", "=", machine.id), ("start_us", ">=", us)])
        after.write({"production_id": production.id, "workorder_id": workorder.id})
        (across | after)._schedule_projection()

    @api.model
    def _between(self, machine, first, last):
        """Return the loadings of a machine that cover any moment from first to last (naive UTC), the latest first."""
        return self.search_fetch(
            [
                ("machine_id", "=", machine.id),
                ("date_start", "<=", last),
                "|",
                ("date_end", "=", False),
                ("date_end", ">", first),
            ],
            ["date_start", "date_end", "production_id", "workorder_id"],
        )
