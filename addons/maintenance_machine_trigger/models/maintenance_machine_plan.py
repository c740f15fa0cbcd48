"""When is a machine to be serviced? After so much use or so long, whichever comes first, predicted from how it is really used."""

import logging
from datetime import timedelta

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .. import prediction

_logger = logging.getLogger(__name__)

#: A prediction moves the date of a request that was made already only by more than this.
LEAST_MOVE = timedelta(hours=12)


class MaintenanceMachinePlan(models.Model):
    """A service that comes again and again, by a meter of the machine, by the calendar or by both."""

    _name = "maintenance.machine.plan"
    _description = "Maintenance Plan by Use"
    _inherit = ["mail.thread"]
    _order = "due, id"
    _check_company_auto = True

    name = fields.Char(
        required=True, translate=True, tracking=True, help="What is to be done; the requests are called so."
    )
    active = fields.Boolean(default=True)
    equipment_id = fields.Many2one(
        "maintenance.equipment",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
        help="What is serviced; it need not be a machine where the plan goes by the calendar alone.",
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        compute="_compute_machine_id",
        precompute=True,
        store=True,
        readonly=False,
        help="The machine whose use is measured.",
    )
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        index=True,
        precompute=True,
        readonly=False,
        required=True,
    )
    meter_id = fields.Many2one(
        "mrp.machine.meter",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        domain="[('machine_id', '=', machine_id)]",
        tracking=True,
        help="The meter that shows how much the machine was used. Empty: the plan goes by the calendar alone.",
    )
    every = fields.Float(
        string="After Use", tracking=True, help="So much use after the last service, in the meter's unit."
    )
    repeat_interval = fields.Integer(
        string="Or After", tracking=True, help="So long after the last service. 0: by use alone."
    )
    repeat_unit = fields.Selection(
        [("days", "Days"), ("weeks", "Weeks"), ("months", "Months"), ("years", "Years")],
        default="months",
        required=True,
        tracking=True,
        help="Of the time after which it is due however little the machine was used.",
    )
    lead_days = fields.Float(
        string="Request Ahead (days)",
        default=7.0,
        help="So long before it is due the request is made, so that it can be planned.",
    )
    window_days = fields.Float(
        string="Use of the Last (days)",
        default=30.0,
        help="The use of so many days is taken for what will be used from now on.",
    )
    maintenance_team_id = fields.Many2one(
        "maintenance.team",
        string="Team",
        ondelete="restrict",
        check_company=True,
        help="Empty: the team of the equipment.",
    )
    user_id = fields.Many2one(
        "res.users", string="Technician", ondelete="restrict", help="Empty: the technician of the equipment."
    )
    text = fields.Html(translate=True, help="What is to be done; it stands in the request.")
    last_served = fields.Datetime(
        required=True,
        default=fields.Datetime.now,
        copy=False,
        tracking=True,
        help="When it was serviced last; by closing its request, or by you.",
    )
    last_use = fields.Float(
        digits=(16, 3),
        copy=False,
        compute="_compute_last_use",
        store=True,
        readonly=False,
        help="What the meter showed in all at the last service.",
    )
    used = fields.Float(
        compute="_compute_due",
        compute_sudo=True,
        digits=(16, 1),
        help="Use since the last service, in the meter's unit.",
    )
    per_day = fields.Float(
        string="Use a Day",
        compute="_compute_due",
        compute_sudo=True,
        digits=(16, 2),
        help="How much it is used in a day, by the last days.",
    )
    due_now = fields.Datetime(
        string="Due by Use and Calendar", compute="_compute_due", compute_sudo=True, help="When it is due, as of now."
    )
    due = fields.Datetime(
        readonly=True,
        copy=False,
        index=True,
        help="When it is due, as of the last look: each hour, and with each change here.",
    )
    request_ids = fields.One2many("maintenance.request", "machine_plan_id", string="Requests")
    open_request_id = fields.Many2one(
        "maintenance.request",
        compute="_compute_open_request_id",
        help="The service that is to be done.",
    )

    _amounts = models.Constraint(
        "CHECK (every >= 0 AND repeat_interval >= 0 AND lead_days >= 0 AND window_days > 0)",
        "A plan's amounts are 0 or more, and the use of at least some days is looked at.",
    )

    @api.depends("equipment_id")
    def _compute_machine_id(self):
        for plan in self:
            machines = plan.equipment_id._machines()
            if plan.machine_id not in machines:
                plan.machine_id = machines[:1]

    @api.depends("equipment_id", "machine_id")
    def _compute_company_id(self):
        for plan in self:
            plan.company_id = plan.machine_id.company_id or plan.equipment_id.company_id or self.env.company

    @api.depends("meter_id", "last_served")
    def _compute_last_use(self):
        for plan in self:
            plan.last_use = plan.meter_id.value_at(plan.last_served) if plan.meter_id and plan.last_served else 0.0

    @api.depends("request_ids.machine_plan_open")
    def _compute_open_request_id(self):
        for plan in self:
            plan.open_request_id = plan.request_ids.filtered("machine_plan_open")[:1]

    @api.constrains("meter_id", "every", "repeat_interval", "machine_id")
    def _check_when(self):
        for plan in self:
            _ = self.env._
            if not (plan.meter_id and plan.every) and not plan.repeat_interval:
                raise ValidationError(
                    _("%s: say when it is due: after so much use of a meter, after so long, or both.", plan.name)
                )
            if plan.meter_id and plan.meter_id.machine_id != plan.machine_id:
                raise ValidationError(_("%s: the meter belongs to another machine.", plan.name))

    @api.depends("meter_id", "every", "repeat_interval", "repeat_unit", "last_served", "last_use", "window_days")
    def _compute_due(self):
        now = fields.Datetime.now()
        for plan in self:
            plan.used, per_second = plan._use(now)
            plan.per_day = (per_second or 0.0) * 86_400
            left = plan.every - plan.used if plan.meter_id and plan.every else None
            plan.due_now = prediction.due(now, left, per_second, plan._calendar())

    def _calendar(self):
        """Return when it is due by the calendar, naive UTC; None where it does not go by that."""
        if not self.repeat_interval or not self.last_served:
            return None
        return self.last_served + relativedelta(**{self.repeat_unit: self.repeat_interval})

    def _use(self, now):
        """Return the use since the last service, and how much is used in a second: by the last days that anything is known of."""
        if not self.meter_id:
            return 0.0, None
        value = self.meter_id.value_at(now)
        known = self._known_since()
        since = max(now - timedelta(days=self.window_days), known) if known else now
        used = value - self.meter_id.value_at(since)
        return value - self.last_use, prediction.rate(used, (now - since).total_seconds())

    def _known_since(self):
        """Return since when anything is known of the use, naive UTC, None for never."""
        meter = self.meter_id
        # sudo: the timeline and the readings are looked at for the plan
        if meter.source == "running":
            intervals = self.env["mrp.machine.interval"].sudo()
            first = intervals.search([("machine_id", "=", meter.machine_id.id)], order="start_us", limit=1)
            return first.date_start or None
        reading = meter.reading_ids.sudo().sorted("at_us")[:1]
        if reading:
            return reading.at
        if meter.signal_id:
            events = self.env["mrp.machine.event"].sudo()
            domain = [("machine_id", "=", meter.machine_id.id), ("signal_id", "=", meter.signal_id.id)]
            return events.search(domain, order="occurred_us", limit=1).occurred or None
        return None

    @api.model_create_multi
    def create(self, vals_list):
        plans = super().create(vals_list)
        plans._look()
        return plans

    def write(self, vals):
        result = super().write(vals)
        if vals.keys() - {"due"}:
            self._look()
        return result

    # What time does

    @api.model
    def _cron_plan(self):
        """Predict anew when each service is due, and make the requests whose time has come."""
        plans = self.search([("active", "=", True)])
        plans._look()
        for plan in plans:
            plan._plan_request()

    def _look(self):
        """Write down when these are due, as of now."""
        self.invalidate_recordset(["used", "per_day", "due_now"])
        for plan in self:
            if plan.due != plan.due_now:
                plan.due = plan.due_now

    def _plan_request(self):
        """Make the request of a service that is due soon, or move the one that is there with the prediction."""
        self.ensure_one()
        request = self.open_request_id
        if not self.due:
            return
        at = self.due.replace(second=0, microsecond=0)
        if request:
            # What a person planned stays.
            if request.schedule_date == request.machine_plan_date and abs(at - request.machine_plan_date) > LEAST_MOVE:
                request.write({"schedule_date": at, "machine_plan_date": at})
            return
        if fields.Datetime.now() < self.due - timedelta(days=self.lead_days):
            return
        team = self._team()
        if not team:
            _logger.warning("%s is due, and %s has no maintenance team", self.display_name, self.company_id.name)
            return
        at = max(at, fields.Datetime.now().replace(second=0, microsecond=0))
        self.env["maintenance.request"].create(
            {
                "maintenance_team_id": team.id,
                "name": self.env._("%(plan)s: %(equipment)s", plan=self.name, equipment=self.equipment_id.name),
                "description": self.text,
                "company_id": self.company_id.id,
                "equipment_id": self.equipment_id.id,
                "maintenance_type": "preventive",
                "machine_id": self.machine_id.id,
                "machine_plan_id": self.id,
                "machine_plan_date": at,
                "schedule_date": at,
                **({"user_id": self.user_id.id} if self.user_id else {}),
            }
        )

    def _team(self):
        """Return who does it: the plan's team, the equipment's, or the company's first; or an empty recordset."""
        if team := self.maintenance_team_id or self.equipment_id.maintenance_team_id:
            return team
        teams = self.env["maintenance.team"]
        own = teams.search([("company_id", "=", self.company_id.id)], limit=1)
        return own or teams.search([("company_id", "=", False)], limit=1)

    def _served(self, moment):
        """Count anew from a moment, naive UTC: the service was done, or left out."""
        for plan in self:
            plan.write({"last_served": moment})

    # Buttons

    def action_served(self):
        """Say that it was serviced just now, without a request."""
        self.check_access("write")
        self._served(fields.Datetime.now())

    def action_requests(self):
        """Open the requests of this plan."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "maintenance_machine_trigger.maintenance_request_action_machine"
        )
        action.update(domain=[("machine_plan_id", "in", self.ids)], context={})
        return action


class MaintenanceRequest(models.Model):
    _inherit = "maintenance.request"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_plan_id = fields.Many2one(
        "maintenance.machine.plan",
        string="Plan",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The plan whose service this is. When it is closed or cancelled, the plan counts anew.",
    )
    machine_plan_date = fields.Datetime(readonly=True, copy=False, help="For when the plan scheduled it.")
    machine_plan_open = fields.Boolean(
        compute="_compute_machine_plan_open",
        store=True,
        help="Neither done nor cancelled: the plan makes no other meanwhile.",
    )

    _machine_plan_open_unique = models.UniqueIndex(
        "(machine_plan_id) WHERE machine_plan_open",
        "A request of this plan is open already. Close that one first, or go on there.",
    )

    @api.depends("machine_plan_id", "stage_id.done", "archive")
    def _compute_machine_plan_open(self):
        for request in self:
            request.machine_plan_open = bool(
                request.machine_plan_id and not request.stage_id.done and not request.archive
            )

    def write(self, vals):
        if not {"stage_id", "archive"} & vals.keys():
            return super().write(vals)
        before = self.filtered("machine_plan_open")
        result = super().write(vals)
        ended = before.filtered(lambda request: not request.machine_plan_open)
        # sudo: closing the request is what counts, whoever may change plans
        ended.machine_plan_id.sudo()._served(fields.Datetime.now())
        return result
