"""What the people at the desk need on an alert: what it is about, who works on it until when, and what belongs to it."""

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.quantities import number_text

from . import quality_machine_alert  # noqa: F401 - extended here, so it must be there

#: Alerts of a rule or of a check: one is open for what it is about.
BY_TOPIC = ("check", "rule")


class QualityMachineAlert(models.Model):
    _inherit = "quality.machine.alert"  # pylint: disable=consider-merging-classes-inherited; one question a file

    title = fields.Char(help="What is wrong, in a few words.")
    origin = fields.Selection(
        selection_add=[("check", "Raised by a check"), ("rule", "Raised by a rule")],
        ondelete={"check": "cascade", "rule": "cascade"},
    )
    state = fields.Selection(
        selection_add=[("watch", "Below the Limit"), ("new",)],
        ondelete={"watch": "set default"},
    )
    topic = fields.Char(
        readonly=True,
        copy=False,
        help="What it is about: a characteristic, or a rule. While it is open, more of the same is put to it.",
    )
    team_id = fields.Many2one(
        "quality.machine.team",
        compute="_compute_team_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        check_company=True,
        help="Who works on it, and whose ladder of escalation holds.",
    )
    cause_id = fields.Many2one(
        "quality.machine.cause",
        string="Kind of Cause",
        index="btree_not_null",
        ondelete="restrict",
        help="Why it was so, from the list, so that causes can be counted.",
    )
    tag_ids = fields.Many2many(
        "stock.scrap.reason.tag", string="Defects", help="What is wrong with the pieces, as scraps are classified."
    )
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Machine Event",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
        help="The machine's event that it was raised for.",
    )
    photo = fields.Image(max_width=1920, max_height=1920, help="A picture of it, from the phone.")
    deadline = fields.Date("Due", tracking=True, help="Until when it is to be done.")
    raised = fields.Datetime(
        readonly=True,
        required=True,
        default=fields.Datetime.now,
        copy=False,
        help="When Odoo knew; the ladder begins then.",
    )
    check_ids = fields.One2many("quality.machine.check", "alert_id", string="Checks", readonly=True)
    check_count = fields.Integer("Failed Checks", compute="_compute_counts", compute_sudo=True, help="Raised on it.")
    hold_ids = fields.One2many("quality.machine.hold", "alert_id", string="Holds", readonly=True)
    hold_count = fields.Integer("Held", compute="_compute_counts", compute_sudo=True, help="What is held for it.")

    _topic_open_unique = models.UniqueIndex(
        "(machine_id, COALESCE(production_id, 0), origin, topic) WHERE topic IS NOT NULL AND state <> 'done'",
        "There is an open alert about this already. Finish that one, or go on there.",
    )

    @api.depends("machine_id")
    def _compute_team_id(self):
        for alert in self:
            alert.team_id = alert.team_id or alert.machine_id.quality_team_id

    def _compute_counts(self):
        checks = dict(
            self.env["quality.machine.check"]._read_group(
                [("alert_id", "in", self.ids), ("state", "=", "failed")], ["alert_id"], ["__count"]
            )
        )
        holds = dict(
            self.env["quality.machine.hold"]._read_group(
                [("alert_id", "in", self.ids), ("state", "=", "held")], ["alert_id"], ["__count"]
            )
        )
        for alert in self:
            alert.check_count = checks.get(alert._origin, 0)
            alert.hold_count = holds.get(alert._origin, 0)

    @api.depends("title")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        for alert in self.filtered("title"):
            alert.display_name = f"{alert.display_name}: {alert.title}"
        return result

    def _schedule(self):
        """Nobody is called for rejects that are still below the limit."""
        return super(QualityMachineAlert, self.filtered(lambda alert: alert.state != "watch"))._schedule()

    def _count(self, pieces, first, last):
        result = super()._count(pieces, first, last)
        if self.state == "watch" and self.reject_count > self.machine_id.quality_alert_above:
            # From here on it is an alert, and its time begins.
            self.write({"state": "new", "raised": fields.Datetime.now()})
        return result

    @api.model
    def _begin(self, machine, production, workorder, first, last=None):
        """Return a new alert of a machine on which rejects are counted, with the reasons that were told of them by now.

        :param first: naive UTC, when the first of them occurred, and ``last``
        """
        # sudo: what was rejected and why is the poster's own
        told = (
            self.env["mrp.machine.reject"]
            .sudo()
            .search([("machine_id", "=", machine.id), ("production_id", "=", production.id), ("kind", "=", "reject")])
            if production
            else self.env["mrp.machine.reject"]
        )
        return self.create(
            {
                "machine_id": machine.id,
                "production_id": production.id,
                "workorder_id": workorder.id,
                "origin": "machine",
                "state": "watch" if machine.quality_alert_above else "new",
                "first_occurred": first,
                "last_occurred": last or first,
                "tag_ids": [(4, tag.id) for tag in told.tag_id],
            }
        )

    @api.model
    def _raise_for(self, check, words):
        """Put a failed check to the open alert about the same, or raise one.

        :return: the alert; empty where nobody knows the machine
        """
        if not check.machine_id:
            return self.browse()
        topic = check.characteristic or (f"rule:{check.rule_id.id}" if check.rule_id else check.title)
        return self._raise(
            check.machine_id,
            check.production_id,
            "check",
            topic,
            {
                "title": check.title,
                "description": words,
                "workorder_id": check.workorder_id.id,
                "product_id": check.product_id.id,
                "lot_id": check.lot_id.id,
                "event_id": check.event_id.id,
                "team_id": check.team_id.id,
                "priority": check.rule_id.priority or "1",
                "first_occurred": check.occurred,
                "last_occurred": check.occurred,
            },
        )

    @api.model
    def _raise(self, machine, production, origin, topic, values):
        """Return the open alert about a topic, raised with some values where there is none.

        :param str origin: of :data:`BY_TOPIC`
        """
        alert = self.search(
            [
                ("machine_id", "=", machine.id),
                ("production_id", "=", production.id),
                ("origin", "=", origin),
                ("topic", "=", topic),
                ("state", "!=", "done"),
            ],
            limit=1,
        )
        last = values.get("last_occurred")
        if alert:
            if last and (not alert.last_occurred or last > alert.last_occurred):
                alert.last_occurred = last
            return alert
        if not values.get("team_id"):
            values = {key: value for key, value in values.items() if key != "team_id"}
        return self.create(
            {"machine_id": machine.id, "production_id": production.id, "origin": origin, "topic": topic, **values}
        )

    def _classify(self, tags):
        """Say what is wrong with the pieces of this alert."""
        if new := tags - self.tag_ids:
            self.write({"tag_ids": [(4, tag.id) for tag in new]})

    # Buttons

    def action_checks(self):
        """Open the checks of this alert."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_check_action")
        action.update(domain=[("alert_id", "=", self.id)], context={})
        return action

    def action_holds(self):
        """Open what is held for this alert."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("quality_machine_event.quality_machine_hold_action")
        action.update(domain=[("alert_id", "=", self.id)], context={})
        return action

    def action_hold_lot(self):
        """Ask why the lot of this alert is to be held."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Hold"),
            "res_model": "quality.machine.hold.place",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_lot_id": self.lot_id.id,
                "default_production_id": self.production_id.id,
                "default_alert_id": self.id,
                "default_reason": self.title or self.description or self.name,
            },
        }

    def action_contain(self):
        """Propose what else was made since the last good check."""
        self.ensure_one()
        return self.env["quality.machine.contain"]._open(
            machine_id=self.machine_id.id,
            product_id=self.product_id.id,
            moment=self.first_occurred or self.raised,
            check=self.check_ids[:1],
            why=self.title or self.name,
            alert_id=self.id,
        )

    def _limit_words(self):
        """Return in words how many rejects an alert needs here, or nothing."""
        above = self.machine_id.quality_alert_above
        return self.env._("An alert is raised above %s rejects.", number_text(above)) if above else ""
