"""What is to be looked at, measured or counted, and what came of it."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import AccessError, UserError, ValidationError

#: What whoever does a check may write on it; the rest is an inspector's.
DONE_BY_ALL = {"value", "count", "note", "photo", "serial", "activity_ids", "message_follower_ids", "message_ids"}
#: Who may change a check itself.
INSPECTORS = ("quality_machine_event.group_quality_inspector", "mrp_machine_connect.group_supervisor")
#: Checks that one pass looks at.
PASS = 500


class QualityMachineCheck(models.Model):
    """One thing that is to be checked: a measure within limits, a yes or no, or a count of what is wrong."""

    _name = "quality.machine.check"
    _description = "Machine Quality Check"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "due, id desc"
    _check_company_auto = True

    name = fields.Char("Number", required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    title = fields.Char("What", required=True, help="What is checked: outer diameter, surface, label.")
    kind = fields.Selection(
        [("measure", "Measure"), ("pass_fail", "Pass or fail"), ("count", "Count of defects")],
        required=True,
        default="pass_fail",
        help="Measure: a value within limits. Pass or fail: somebody says so. Count: at most so many defects.",
    )
    state = fields.Selection(
        [("open", "Open"), ("passed", "Passed"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        required=True,
        readonly=True,
        default="open",
        copy=False,
        index=True,
        tracking=True,
        help="What came of it.",
    )
    machine_id = fields.Many2one(
        "mrp.machine",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The machine that made it, or that measured it.",
    )
    company_id = fields.Many2one(
        "res.company", compute="_compute_company_id", store=True, readonly=False, precompute=True, index=True
    )
    production_id = fields.Many2one(
        "mrp.production", string="Order", index="btree_not_null", check_company=True, help="What was being made."
    )
    workorder_id = fields.Many2one(
        "mrp.workorder",
        string="Work Order",
        index="btree_not_null",
        check_company=True,
        domain="[('production_id', '=', production_id)]",
        help="The step of it.",
    )
    product_id = fields.Many2one(
        "product.product",
        compute="_compute_product_id",
        store=True,
        readonly=False,
        precompute=True,
        index="btree_not_null",
        check_company=True,
        help="What is checked.",
    )
    lot_id = fields.Many2one(
        "stock.lot",
        string="Lot/Serial Number",
        index="btree_not_null",
        check_company=True,
        domain="[('product_id', '=', product_id)]",
        help="Which lot of it, or which piece.",
    )
    serial = fields.Char("Piece", index="btree_not_null", help="Which piece it was, as the label or the file names it.")
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Machine Event",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The machine's event that asked for it, or that brought the value.",
    )
    rule_id = fields.Many2one(
        "quality.machine.rule",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The rule that asked for it.",
    )
    instruction = fields.Text(related="rule_id.instruction", help="How it is checked, as its rule says.")
    may_set_up = fields.Boolean(
        compute="_compute_may_set_up", help="Whether you may change what is checked, and not only do it."
    )
    why = fields.Char("Because", readonly=True, help="Why it is due now.")
    team_id = fields.Many2one("quality.machine.team", check_company=True, index="btree_not_null", help="Who does it.")
    responsible_id = fields.Many2one(
        "res.users",
        domain="[('share', '=', False)]",
        index="btree_not_null",
        help="Who does it, where it is one person's.",
    )
    occurred = fields.Datetime(default=fields.Datetime.now, help="When the piece was made or measured.")
    due = fields.Datetime(index="btree_not_null", help="Until when it is to be done. Later than that it is missing.")
    is_late = fields.Boolean(compute="_compute_is_late", search="_search_is_late", help="It is open and past its time.")
    # A measure
    characteristic = fields.Char(index="btree_not_null", help="What is measured, as the drawing or the file names it.")
    unit = fields.Char(help="The unit that value and limits are in: mm, °C.")
    lower = fields.Float("Lower Limit", digits=(16, 6), help="The least that is good.")
    upper = fields.Float("Upper Limit", digits=(16, 6), help="The most that is good.")
    has_lower = fields.Boolean("Has Lower Limit", help="There is a least.")
    has_upper = fields.Boolean("Has Upper Limit", help="There is a most.")
    target = fields.Float(digits=(16, 6), help="What it should be.")
    value = fields.Float(digits=(16, 6), help="What was measured.")
    deviation = fields.Float(
        compute="_compute_deviation", store=True, digits=(16, 6), aggregator="avg", help="Value less target."
    )
    limits = fields.Char(compute="_compute_limits", help="What is good, in words.")
    # A count
    most = fields.Integer("At Most", help="So many defects are still good.")
    count = fields.Integer("Found", help="So many defects were found.")
    # What came of it
    note = fields.Text(help="What was seen.")
    photo = fields.Image(max_width=1920, max_height=1920, help="A picture of it, from the phone.")
    done_by = fields.Many2one("res.users", readonly=True, copy=False, help="Who did it.")
    done_at = fields.Datetime(readonly=True, copy=False, index=True, help="When it was done.")
    gate = fields.Selection(
        [
            ("none", "Nothing is held"),
            ("failed", "Failed or missing, the lot is held"),
            ("until", "The lot is held until it passes"),
        ],
        required=True,
        default="failed",
        help="What becomes of the lot. Held: it can be neither moved nor used nor scrapped until a person releases it; what "
        "is held until this passes is released by that.",
    )
    blocks_order = fields.Boolean(
        "Order Waits",
        help="While the lot is held, nothing more is booked on the order: what machines count waits in Exceptions.",
    )
    hold_ids = fields.One2many("quality.machine.hold", "check_id", string="Holds", readonly=True, help="What it holds.")
    hold_count = fields.Integer(compute="_compute_hold_count", compute_sudo=True, help="What it holds.")
    alert_id = fields.Many2one(
        "quality.machine.alert",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The alert that it was raised on.",
    )

    _last_good = models.Index("(machine_id, done_at) WHERE state = 'passed'")

    @api.depends("machine_id.company_id", "production_id.company_id")
    def _compute_company_id(self):
        for check in self:
            check.company_id = (
                check.machine_id.company_id or check.production_id.company_id or check.company_id or self.env.company
            )

    @api.depends("production_id")
    def _compute_product_id(self):
        for check in self:
            if check.production_id:
                check.product_id = check.production_id.product_id

    @api.depends_context("uid")
    def _compute_may_set_up(self):
        self.may_set_up = self._is_inspector()

    @api.depends("due", "state")
    def _compute_is_late(self):
        now = fields.Datetime.now()
        for check in self:
            check.is_late = check.state == "open" and bool(check.due) and check.due < now

    @api.model
    def _search_is_late(self, operator, value):
        if operator != "in":
            return NotImplemented
        late = [("state", "=", "open"), ("due", "<", fields.Datetime.now())]
        if set(value) == {True}:
            return late
        return ["!", "&", *late] if set(value) == {False} else []

    @api.depends("value", "target", "state", "kind")
    def _compute_deviation(self):
        for check in self:
            done = check.kind == "measure" and check.state in ("passed", "failed")
            check.deviation = check.value - check.target if done and check.target else 0.0

    @api.depends("kind", "lower", "upper", "has_lower", "has_upper", "unit", "most")
    def _compute_limits(self):
        _ = self.env._
        for check in self:
            words = {"lower": number_text(check.lower), "upper": number_text(check.upper), "unit": check.unit or ""}
            if check.kind == "count":
                check.limits = _("at most %s", check.most)
            elif check.kind != "measure" or not (check.has_lower or check.has_upper):
                check.limits = ""
            elif check.has_lower and check.has_upper:
                check.limits = _("%(lower)s to %(upper)s %(unit)s", **words).strip()
            elif check.has_lower:
                check.limits = _("at least %(lower)s %(unit)s", **words).strip()
            else:
                check.limits = _("at most %(upper)s %(unit)s", **words).strip()

    def _compute_hold_count(self):
        holds = self.env["quality.machine.hold"]
        counts = dict(
            holds._read_group([("check_id", "in", self.ids), ("state", "=", "held")], ["check_id"], ["__count"])
        )
        for check in self:
            check.hold_count = counts.get(check._origin, 0)

    @api.depends("name", "title")
    def _compute_display_name(self):
        for check in self:
            check.display_name = f"{check.name} {check.title}" if check.title else check.name

    @api.constrains("lower", "upper", "has_lower", "has_upper")
    def _check_limits(self):
        for check in self:
            if check.has_lower and check.has_upper and check.lower > check.upper:
                raise ValidationError(self.env._("%s: the lower limit is above the upper one.", check.title))

    @api.model_create_multi
    def create(self, vals_list):
        new = self.env._("New")
        for vals in vals_list:
            if vals.get("name", new) == new:
                vals["name"] = self.env["ir.sequence"].next_by_code("quality.machine.check") or new
        checks = super().create(vals_list)
        checks.filtered(lambda check: check.state == "open" and check.gate == "until")._hold(until=True)
        return checks

    def write(self, vals):
        if not self.env.su and not set(vals) <= DONE_BY_ALL and not self._is_inspector():
            raise AccessError(
                self.env._("What is checked is a quality inspector's matter; enter what you found and press a button.")
            )
        if (
            not self.env.su
            and any(check.state != "open" for check in self)
            and set(vals) & {"value", "count", "serial"}
        ):
            raise UserError(
                self.env._("What came of a check stays as it is. An inspector reopens it where it was wrong.")
            )
        return super().write(vals)

    def _is_inspector(self):
        return any(self.env.user.has_group(group) for group in INSPECTORS)

    # What comes of it

    def action_done(self):
        """Say what was measured or counted: whether it is good follows from the limits."""
        for check in self:
            if check.kind == "pass_fail":
                raise UserError(self.env._("%s: press Pass or Fail.", check.display_name))
            check._finish(check._is_good())

    def action_pass(self):
        """Say that it is good."""
        self._by_word(True)

    def action_fail(self):
        """Say that it is bad."""
        self._by_word(False)

    def _by_word(self, good):
        for check in self:
            if check.kind != "pass_fail":
                raise UserError(self.env._("%s: enter the value, and press Done.", check.display_name))
            check._finish(good)

    def _is_good(self):
        """Return whether value or count lie within the limits."""
        if self.kind == "count":
            return 0 <= self.count <= self.most
        below = self.has_lower and self.value < self.lower
        above = self.has_upper and self.value > self.upper
        return not below and not above

    def _finish(self, good):
        """Write down what came of these checks, and let it have its consequences.

        :param bool good: whether it is good
        """
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_operator"):
            raise AccessError(self.env._("Checks are done by people at the machines."))
        # sudo: an operator does a check and need not be allowed to hold lots or raise alerts, which follows from it
        for check in self.sudo():
            if check.state != "open":
                raise UserError(self.env._("%s is done already.", check.display_name))
            check.write(
                {
                    "state": "passed" if good else "failed",
                    "done_by": self.env.uid,
                    "done_at": fields.Datetime.now(),
                }
            )
            check.activity_ids.action_feedback()
            if good:
                check._release_own()
            else:
                check._fail()

    def _release_own(self):
        """Let go what was held until this check passes, and what was held because it was missing."""
        holds = self.hold_ids.filtered(lambda hold: hold.state == "held" and hold.until_passed)
        holds._release(self.env._("%s passed.", self.display_name))

    def _fail(self):
        """Hold what a failed check stands for, and raise an alert for it."""
        for check in self:
            words = check._failed_words()
            alert = self.env["quality.machine.alert"]._raise_for(check, words)
            if alert:
                check.alert_id = alert
            if check.gate != "none":
                check._hold(words)
                # It is not enough any more that the check passes.
                check.hold_ids.filtered(lambda hold: hold.state == "held").until_passed = False

    def _failed_words(self):
        words = {
            "title": self.title,
            "value": number_text(self.value),
            "unit": self.unit or "",
            "limits": self.limits,
            "count": self.count,
        }
        if self.kind == "measure":
            return self.env._("%(title)s: %(value)s %(unit)s, good is %(limits)s", **words)
        if self.kind == "count":
            return self.env._("%(title)s: %(count)s found, good is %(limits)s", **words)
        return self.env._("%(title)s: failed", **words)

    def _lots(self):
        """Return the lots that this check speaks for: its own, that of the machine at that time, that of the order."""
        self.ensure_one()
        if self.lot_id:
            return self.lot_id
        if self.serial and self.product_id:
            if lot := self.env["stock.lot"]._quality_named(self.product_id, self.serial, self.company_id):
                return lot
        production = self.production_id
        if not production or production.product_id.tracking == "none":
            return self.env["stock.lot"]
        if self.machine_id and production.product_id.tracking == "lot":
            if lot := self.machine_id._lot_at(production, self.occurred or fields.Datetime.now()):
                return lot
        return production.lot_producing_ids[-1:]

    def _hold(self, words=None, until=False):
        """Hold the lot that is checked, or its order where nobody knows the lot.

        :param str words: why; the check itself when not given
        :param bool until: until the check passes
        """
        # sudo: that a check holds is its gate's matter, not a right of whoever it is done by
        holds = self.env["quality.machine.hold"].sudo()
        for check in self:
            lot, production = check._lots()[:1], check.production_id
            if not lot and (not production or production.state in ("done", "cancel")):
                continue  # nothing is known that could be held; the alert says what is wrong
            holds._place(
                words or self.env._("%s is to be done", check.display_name),
                lot=lot,
                production=production,
                machine_id=check.machine_id.id,
                check_id=check.id,
                alert_id=check.alert_id.id,
                blocks_order=check.blocks_order,
                until_passed=until,
            )

    @api.model
    def _cron_missing(self):
        """Hold what checks stand for that were not done in time."""
        checks = self.search(
            [
                ("state", "=", "open"),
                ("due", "<", fields.Datetime.now()),
                ("gate", "=", "failed"),
                ("hold_ids", "=", False),
            ],
            limit=PASS,
            order="due, id",
        )
        for check in checks:
            check._hold(self.env._("%s is missing", check.display_name), until=True)

    # Buttons

    def action_cancel(self):
        """End checks that nobody has to do any more: what they held is released by a person."""
        if not self.env.su and not self._is_inspector():
            raise AccessError(self.env._("Only a quality inspector or a supervisor cancels checks."))
        self.filtered(lambda check: check.state == "open").write({"state": "cancelled"})

    def action_reopen(self):
        """Let a check be done again; what it held stays held."""
        if not self.env.su and not self.env.user.has_group("quality_machine_event.group_quality_inspector"):
            raise AccessError(self.env._("Only a quality inspector reopens checks."))
        self.write({"state": "open", "done_by": False, "done_at": False})

    def action_holds(self):
        """Open what this check holds."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_hold_action")
        action.update(domain=[("check_id", "=", self.id)], context={})
        return action

    def action_contain(self):
        """Propose what else was made since the last good check."""
        self.ensure_one()
        return self.env["quality.machine.contain"]._open(
            machine_id=self.machine_id.id,
            product_id=self.product_id.id,
            moment=self.occurred or self.done_at,
            check=self,
            why=self._failed_words(),
        )

    # Containment

    def _last_good_before(self, moment):
        """Return the last check of the same kind that passed on this machine before a moment, or none.

        The same characteristic, else the same rule, else any of the same product.
        """
        self.ensure_one()
        domain = [
            ("machine_id", "=", self.machine_id.id),
            ("product_id", "=", self.product_id.id),
            ("state", "=", "passed"),
            ("occurred", "<", moment),
            ("id", "!=", self.id),
        ]
        if self.characteristic:
            domain.append(("characteristic", "=", self.characteristic))
        elif self.rule_id:
            domain.append(("rule_id", "=", self.rule_id.id))
        return self.search(domain, order="occurred desc, id desc", limit=1)

    @api.model
    def _due_at(self, moment, minutes):
        """Return until when a check is to be done; False where it has no time.

        From now on, and not from a moment of the machine's that may be long past when its events come.
        """
        return max(moment, fields.Datetime.now()) + timedelta(minutes=minutes) if minutes else False
