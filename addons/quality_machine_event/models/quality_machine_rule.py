"""When is a check or an alert due? By what machines make, stop, reject and say.

A rule decides while pieces are counted or an event has its effect, in that very transaction; what it decided is an event of
Odoo's own, which a handler turns into the check or the alert. So each is made once, and says why.
"""

from datetime import timedelta, timezone
from math import isfinite

from odoo import api, fields, models, tools
from odoo.addons.mrp_machine_connect.machine_connect.event import EVENT_TYPES, microseconds
from odoo.addons.mrp_machine_connect.models.mrp_machine_interval import PRODUCTIVE
from odoo.addons.mrp_machine_connect.moments import moment_words
from odoo.exceptions import ValidationError

#: What is decided when pieces are counted.
COUNTED = ("pieces", "minutes", "start", "setup", "lot", "stop", "scrap_rate", "rejects")
#: What makes the next piece a first one.
FIRST = ("setup", "lot", "stop")
#: Events that rules do not listen to: what Odoo itself decided, readings, and counts, which have triggers of their own.
UNHEARD = (
    *("quality.check_due", "production.stock_due", "production.count", "production.cycle_completed"),
    *("process.", "meter.", "agent.", "shift."),
)
#: What a rule must have, by its trigger: field and least.
AMOUNTS = {
    "pieces": ("every_pieces", 1),
    "minutes": ("every_minutes", 0.1),
    "stop": ("stop_minutes", 0.0),
    "scrap_rate": ("window_minutes", 0.1),
}


def _us(moment):
    """Return a naive UTC moment in microseconds since 1970."""
    return microseconds(moment.replace(tzinfo=timezone.utc))


class QualityMachineRule(models.Model):
    """What is checked, or raised, when something happens on a machine."""

    _name = "quality.machine.rule"
    _description = "Machine Quality Rule"
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, help="What it is for; the title of its checks and alerts.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company, index=True)
    machine_id = fields.Many2one(
        "mrp.machine", check_company=True, index="btree_not_null", ondelete="cascade", help="Empty: all machines."
    )
    product_id = fields.Many2one(
        "product.product", check_company=True, index="btree_not_null", ondelete="cascade", help="Empty: all products."
    )
    operation_id = fields.Many2one(
        "mrp.routing.workcenter",
        check_company=True,
        index="btree_not_null",
        ondelete="cascade",
        help="The step of the bill of materials. Empty: all steps.",
    )
    trigger = fields.Selection(
        [
            ("pieces", "Every so many pieces"),
            ("minutes", "Every so many minutes"),
            ("start", "First piece of an order"),
            ("setup", "First piece after a setup"),
            ("lot", "First piece of a new lot"),
            ("stop", "First piece after a stop"),
            ("scrap_rate", "Scrap rate in a window"),
            ("rejects", "More rejects than"),
            ("event", "An event of the machine"),
            ("value", "A measured value"),
        ],
        string="When",
        required=True,
        default="pieces",
        help="What makes a check or an alert due.",
    )
    every_pieces = fields.Float("Pieces", default=100.0, help="Good and rejected ones, of an order on a machine.")
    every_minutes = fields.Float("Minutes", default=60.0, help="By the machine's time, while it makes pieces.")
    stop_minutes = fields.Float("Stop Longer Than (min)", default=15.0, help="Stops from this length on.")
    scrap_percent = fields.Float("Above (%)", default=5.0, help="Rejected of all pieces in the window.")
    window_minutes = fields.Float("Window (min)", default=60.0, help="Up to the last piece; raised once in that time.")
    least_pieces = fields.Float(
        "At Least (pieces)", default=20.0, help="With fewer pieces in the window nothing is raised."
    )
    reject_limit = fields.Float("Rejects", help="More than so many on an order.")
    tag_id = fields.Many2one(
        "stock.scrap.reason.tag",
        string="Defect",
        ondelete="restrict",
        help="Only rejects with this reason. Empty: all.",
    )
    event_type = fields.Char(help="Such as alarm.raised, quality.defect, machine.program_changed.")
    characteristic = fields.Char(help="What is measured, as the machine or the file names it.")
    action = fields.Selection(
        [("check", "A check is due"), ("alert", "An alert is raised")],
        string="Then",
        required=True,
        default="check",
        help="What becomes of it.",
    )
    priority = fields.Selection(
        [("0", "Low"), ("1", "Medium"), ("2", "High"), ("3", "Critical")],
        string="Severity",
        required=True,
        default="1",
        help="Of the alerts that this leads to.",
    )
    team_id = fields.Many2one("quality.machine.team", check_company=True, help="Who does it.")
    responsible_id = fields.Many2one(
        "res.users", domain="[('share', '=', False)]", help="Who does it, where it is one's."
    )
    kind = fields.Selection(
        [("measure", "Measure"), ("pass_fail", "Pass or fail"), ("count", "Count of defects")],
        string="Kind of Check",
        required=True,
        default="pass_fail",
        help="What is entered.",
    )
    instruction = fields.Text(translate=True, help="How it is checked; shows on the check.")
    has_lower = fields.Boolean("Lower Limit", help="There is a least.")
    lower = fields.Float("At Least", digits=(16, 6), help="The least that is good.")
    has_upper = fields.Boolean("Upper Limit", help="There is a most.")
    upper = fields.Float("At Most", digits=(16, 6), help="The most that is good.")
    target = fields.Float(digits=(16, 6), help="What it should be.")
    unit = fields.Char(help="Of value and limits: mm, °C.")
    most = fields.Integer("Defects at Most", help="So many defects are still good.")
    due_minutes = fields.Float("Within (min)", help="Until then it is to be done, else it is missing. 0: no time.")
    gate = fields.Selection(
        [
            ("none", "Nothing is held"),
            ("failed", "Failed or missing, the lot is held"),
            ("until", "The lot is held until it passes"),
        ],
        required=True,
        default="failed",
        help="What becomes of the lot.",
    )
    blocks_order = fields.Boolean(
        "Order Waits", help="While the lot is held, nothing more is booked on the order: it waits in Exceptions."
    )
    check_count = fields.Integer(compute="_compute_check_count", help="Checks that this rule asked for.")

    def _compute_check_count(self):
        counts = dict(
            self.env["quality.machine.check"]._read_group([("rule_id", "in", self.ids)], ["rule_id"], ["__count"])
        )
        for rule in self:
            rule.check_count = counts.get(rule._origin, 0)

    @api.constrains(
        "trigger", "every_pieces", "every_minutes", "stop_minutes", "scrap_percent", "window_minutes", "reject_limit",
        "lower", "upper", "has_lower", "has_upper", "target", "due_minutes", "least_pieces",
    )  # fmt: skip
    def _check_amounts(self):
        for rule in self:
            numbers = (
                "every_pieces",
                "every_minutes",
                "stop_minutes",
                "scrap_percent",
                "window_minutes",
                "reject_limit",
            )
            more = ("lower", "upper", "target", "due_minutes", "least_pieces")
            for name in (*numbers, *more):
                if not isfinite(rule[name]) or (name not in ("lower", "upper", "target") and rule[name] < 0):
                    raise ValidationError(
                        self.env._(
                            "%(rule)s: «%(field)s» must be a number of 0 or more.",
                            rule=rule.name,
                            field=self._fields[name]._description_string(self.env),
                        )
                    )
            name, least = AMOUNTS.get(rule.trigger, (None, 0))
            if name and rule[name] < least:
                raise ValidationError(
                    self.env._(
                        "%(rule)s: «%(field)s» must be at least %(least)s.",
                        rule=rule.name,
                        field=self._fields[name]._description_string(self.env),
                        least=least,
                    )
                )
            if rule.has_lower and rule.has_upper and rule.lower > rule.upper:
                raise ValidationError(self.env._("%s: the lower limit is above the upper one.", rule.name))

    @api.constrains("trigger", "event_type", "characteristic", "has_lower", "has_upper")
    def _check_words(self):
        for rule in self:
            if rule.trigger == "event" and (rule.event_type not in EVENT_TYPES or rule.event_type.startswith(UNHEARD)):
                raise ValidationError(
                    self.env._(
                        "%(rule)s: «%(type)s» is no type of event that rules listen to. Enter one, such as alarm.raised.",
                        rule=rule.name,
                        type=rule.event_type or "",
                    )
                )
            if rule.trigger == "value" and not (rule.characteristic and (rule.has_lower or rule.has_upper)):
                raise ValidationError(self.env._("%s: enter what is measured, and a limit.", rule.name))

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        self.env.registry.clear_cache()
        return rules

    def write(self, vals):
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    # Which rules

    @api.model
    @tools.ormcache()
    def _triggers(self):
        """Return the triggers of all active rules: mostly there are none, and nothing more is asked."""
        # sudo: asked for each count, by whoever counts
        return frozenset(rule.trigger for rule in self.sudo().search([]))

    @api.model
    @tools.ormcache()
    def _heard(self):
        """Return the types of events that active rules listen to."""
        return tuple(sorted(set(self.sudo().search([("trigger", "=", "event")]).mapped("event_type"))))

    @api.model
    def _of(self, machine, production, workorder, triggers):
        """Return the rules that hold for a machine and what it makes."""
        # sudo: rules are configuration; whose count makes them decide need not be allowed to see them
        return self.sudo().search(
            [
                ("trigger", "in", triggers),
                ("company_id", "=", machine.company_id.id),
                ("machine_id", "in", (False, machine.id)),
                ("product_id", "in", (False, production.product_id.id)),
                ("operation_id", "in", (False, workorder.operation_id.id)),
            ]
        )

    # Deciding

    @api.model
    def _counted(self, machine, production, workorder, events):
        """Decide what is due now that pieces were counted."""
        triggers = self._triggers()
        if not triggers.intersection(COUNTED):
            return
        moment = max(events.mapped("occurred"))
        for rule in self._of(machine, production, workorder, COUNTED):
            progress = self.env["quality.machine.rule.progress"]._of(rule, machine, production, workorder)
            found = getattr(rule, f"_due_{rule.trigger}")(machine, production, workorder, moment, events, progress)
            if found is not None:
                rule._decide(machine, production, workorder, moment, found)

    def _decide(self, machine, production, workorder, moment, found):
        """Keep in the log that a check or an alert of this rule is due.

        :param dict found: what tells this time from others
        """
        machine._decide(
            "quality.check_due",
            moment,
            {
                "rule": self.trigger,
                "rule_id": self.id,
                "production_id": production.id or None,
                "workorder_id": workorder.id or None,
                **found,
            },
        )

    def _made(self, machine, production, workorder):
        """Return ``(pieces, rejects)`` that a machine made on a step of an order."""
        # sudo: the ledger is the poster's own
        rows = self.env["mrp.machine.ledger"].sudo()
        rows = rows.search(
            [
                ("machine_id", "=", machine.id),
                ("production_id", "=", production.id),
                ("workorder_id", "=", workorder.id),
            ]
        )
        rejects = sum(rows.mapped("rejects_shown"))
        return sum(rows.mapped("good_on_order")) + rejects, rejects

    def _due_pieces(self, machine, production, workorder, moment, events, progress):
        made, _rejects = self._made(machine, production, workorder)
        times = int(made // self.every_pieces)
        if times <= progress.count:
            return None
        # What was caught up at once is one check: pieces that passed long ago cannot be looked at any more.
        progress.count = times
        return {"pieces": times * self.every_pieces}

    def _due_minutes(self, machine, production, workorder, moment, events, progress):
        if not progress.moment:
            progress.moment = min(events.mapped("occurred"))
        if moment - progress.moment < timedelta(minutes=self.every_minutes):
            return None
        progress.moment = moment
        return {"since_minutes": self.every_minutes}

    def _due_start(self, machine, production, workorder, moment, events, progress):
        if progress.count:
            return None
        progress.count = 1
        return {}

    def _due_setup(self, machine, production, workorder, moment, events, progress):
        return self._due_first(machine, moment, progress, [("is_setup", "=", True)])

    def _due_stop(self, machine, production, workorder, moment, events, progress):
        domain = [("state", "not in", PRODUCTIVE), ("duration", ">=", self.stop_minutes * 60)]
        return self._due_first(machine, moment, progress, domain)

    def _due_first(self, machine, moment, progress, domain):
        """Return what makes this the first piece after an interval of the machine, or None."""
        since = _us(progress.moment) if progress.moment else _us(moment - timedelta(days=1))
        # sudo: the timeline is the poster's own
        interval = (
            self.env["mrp.machine.interval"]
            .sudo()
            .search(
                [
                    ("machine_id", "=", machine.id),
                    ("start_us", "<=", _us(moment)),
                    ("end_us", "!=", False),
                    ("end_us", ">", since),
                    ("end_us", "<=", _us(moment)),
                    *domain,
                ],
                order="start_us desc",
                limit=1,
            )
        )
        if not interval:
            return None
        progress.moment = interval.date_end
        return {"after": fields.Datetime.to_string(interval.date_end), "minutes": round(interval.duration / 60, 1)}

    def _due_lot(self, machine, production, workorder, moment, events, progress):
        if production.product_id.tracking != "lot":
            return None
        # sudo: the rows are the poster's own
        row = self.env["mrp.machine.lot"].sudo()._at(machine, moment)
        if not row.lot_id or row.production_id != production or row.lot_id == progress.lot_id:
            return None
        first = not progress.lot_id
        progress.lot_id = row.lot_id
        return {"lot": row.lot_id.name, "first": first}

    def _due_rejects(self, machine, production, workorder, moment, events, progress):
        _made, rejects = self._made(machine, production, workorder)
        if self.tag_id:
            # sudo: what was rejected is the poster's own
            rows = self.env["mrp.machine.reject"].sudo()
            rejects = sum(
                rows.search(
                    [
                        ("machine_id", "=", machine.id),
                        ("production_id", "=", production.id),
                        ("tag_id", "=", self.tag_id.id),
                        ("kind", "=", "reject"),
                    ]
                ).mapped("quantity")
            )
        if progress.count or rejects <= self.reject_limit:
            return None
        progress.count = 1
        return {"rejects": rejects}

    def _due_scrap_rate(self, machine, production, workorder, moment, events, progress):
        if not any((event.data or {}).get("kind") == "reject" for event in events):
            return None
        window = timedelta(minutes=self.window_minutes)
        if progress.moment and moment - progress.moment < window:
            return None
        made, rejects = machine._pieces_within(moment - window, moment)
        if made < self.least_pieces or not made or 100.0 * rejects / made <= self.scrap_percent:
            return None
        progress.moment = moment
        return {"rejects": rejects, "pieces": made}

    # Words

    def _why(self, data):
        """Return in words why this rule decided.

        :param dict data: of the decision
        """
        _ = self.env._
        after = moment_words(self, data["after"]) if data.get("after") else ""
        number = {key: f"{value:g}" for key, value in data.items() if isinstance(value, (int, float))}
        match self.trigger:
            case "pieces":
                return _(
                    "%(pieces)s pieces were made; one is checked every %(every)s.",
                    every=f"{self.every_pieces:g}",
                    **number,
                )
            case "minutes":
                return _("It is checked every %s minutes of making pieces.", f"{self.every_minutes:g}")
            case "start":
                return _("First piece of the order on this machine.")
            case "setup":
                return _("First piece after the setup that ended at %s.", after)
            case "lot":
                return _("First piece of lot %s.", data.get("lot", ""))
            case "stop":
                return _(
                    "First piece after a stop of %(minutes)s min that ended at %(after)s.",
                    minutes=number.get("minutes", ""),
                    after=after,
                )
            case "scrap_rate":
                return _(
                    "%(rejects)s of %(pieces)s pieces within %(window)s min were rejected: more than %(percent)s %%.",
                    rejects=number.get("rejects", ""),
                    pieces=number.get("pieces", ""),
                    window=f"{self.window_minutes:g}",
                    percent=f"{self.scrap_percent:g}",
                )
            case "rejects":
                return _(
                    "%(rejects)s rejects on the order: more than %(limit)s.",
                    rejects=number.get("rejects", ""),
                    limit=f"{self.reject_limit:g}",
                )
            case "event":
                event = self.env["mrp.machine.event"].browse(data.get("event_id") or []).exists()
                return _("The machine said: %s.", event.display_name or data.get("said") or self.event_type)
            case _value:
                return self.name

    def _check_values(self, moment):
        """Return what a check of this rule is like."""
        return {
            "title": self.name,
            "rule_id": self.id,
            "kind": self.kind,
            "characteristic": self.characteristic,
            "has_lower": self.has_lower,
            "lower": self.lower,
            "has_upper": self.has_upper,
            "upper": self.upper,
            "target": self.target,
            "unit": self.unit,
            "most": self.most,
            "gate": self.gate,
            "blocks_order": self.blocks_order,
            "team_id": self.team_id.id,
            "responsible_id": self.responsible_id.id,
            "due": self.env["quality.machine.check"]._due_at(moment, self.due_minutes),
        }

    def action_checks(self):
        """Open the checks that this rule asked for."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_check_action")
        action.update(domain=[("rule_id", "=", self.id)], context={})
        return action


class QualityMachineRuleProgress(models.Model):
    """How far a rule is with an order on a machine: what was decided last is not decided again."""

    _name = "quality.machine.rule.progress"
    _description = "Progress of a Quality Rule"
    _log_access = False

    rule_id = fields.Many2one("quality.machine.rule", required=True, readonly=True, ondelete="cascade")
    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, ondelete="cascade", index=True)
    production_id = fields.Many2one("mrp.production", required=True, readonly=True, ondelete="cascade", index=True)
    workorder_id = fields.Many2one("mrp.workorder", readonly=True, ondelete="cascade", index="btree_not_null")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    count = fields.Integer(readonly=True, help="How often it was decided; of pieces, up to which multiple.")
    moment = fields.Datetime(readonly=True, help="When it was decided last, or what made the last first piece.")
    lot_id = fields.Many2one("stock.lot", readonly=True, ondelete="cascade", index="btree_not_null")

    _once = models.UniqueIndex("(rule_id, machine_id, production_id, COALESCE(workorder_id, 0))")

    @api.model
    def _of(self, rule, machine, production, workorder):
        """Return the row of a rule, a machine and an order, made when it is new."""
        # sudo: nobody writes these by hand
        rows = self.sudo()
        values = {
            "rule_id": rule.id,
            "machine_id": machine.id,
            "production_id": production.id,
            "workorder_id": workorder.id,
        }
        return rows.search([(name, "=", value) for name, value in values.items()], limit=1) or rows.create(values)
