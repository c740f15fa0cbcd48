from odoo import api, fields, models


class QualityMachineAlert(models.Model):
    """Something is wrong with what a machine makes: who looks into it, why it was so and what was done about it."""

    _name = "quality.machine.alert"
    _description = "Machine Quality Alert"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "priority desc, id desc"
    _check_company_auto = True

    name = fields.Char(
        string="Number", required=True, readonly=True, copy=False, default=lambda self: self.env._("New")
    )
    machine_id = fields.Many2one("mrp.machine", required=True, index=True, ondelete="restrict", check_company=True)
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        index="btree_not_null",
        check_company=True,
        help="What the machine was making; empty when no order was known for that time.",
    )
    workorder_id = fields.Many2one(
        "mrp.workorder",
        string="Work Order",
        index="btree_not_null",
        check_company=True,
        domain="[('production_id', '=', production_id)]",
    )
    product_id = fields.Many2one(
        "product.product",
        compute="_compute_product_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        check_company=True,
    )
    lot_id = fields.Many2one(
        "stock.lot",
        compute="_compute_lot_id",
        store=True,
        readonly=False,
        index="btree_not_null",
        check_company=True,
        domain="[('product_id', '=', product_id)]",
        help="The lot in question; of an order with a single lot it is taken over.",
    )
    origin = fields.Selection(
        [("machine", "Counted by the machine"), ("person", "Raised by a person")],
        required=True,
        readonly=True,
        default="person",
        copy=False,
        help="Rejects are counted on the machine's own alert, of which one is open per machine and order. "
        "People may raise as many as they see problems.",
    )
    state = fields.Selection(
        [("new", "New"), ("in_progress", "In Progress"), ("done", "Done")],
        required=True,
        default="new",
        copy=False,
        tracking=True,
        group_expand="_expand_states",
    )
    priority = fields.Selection(
        [("0", "Low"), ("1", "Medium"), ("2", "High"), ("3", "Critical")], string="Severity", default="1", tracking=True
    )
    responsible_id = fields.Many2one(
        "res.users",
        compute="_compute_responsible_id",
        store=True,
        readonly=False,
        domain="[('share', '=', False)]",
        tracking=True,
        help="Who looks into it, and gets an activity for it.",
    )
    reject_count = fields.Float(
        string="Rejects", digits=(16, 3), copy=False, help="Pieces that the machine or people counted as rejected."
    )
    first_occurred = fields.Datetime(
        string="First Reject", copy=False, default=fields.Datetime.now, help="By the machine's clock."
    )
    last_occurred = fields.Datetime(string="Last Reject", copy=False, help="By the machine's clock.")
    closed = fields.Datetime(readonly=True, copy=False, help="When it was done.")
    description = fields.Text(help="What is wrong, in the words of the person who saw it.")
    cause = fields.Text(help="Why it was so.")
    corrective_action = fields.Text(help="What was done so that it does not happen again.")
    event_count = fields.Integer(compute="_compute_event_count", compute_sudo=True, string="Machine Events")

    _machine_open_unique = models.UniqueIndex(
        "(machine_id, COALESCE(production_id, 0)) WHERE origin = 'machine' AND state <> 'done'",
        "The rejects of this machine and order are counted on an open alert already. Finish that one, or go on there.",
    )

    @api.model
    def _expand_states(self, states, domain):
        """Return the columns of the desk: each stage of the work; what is below its limit only while there is some."""
        return [state for state, _label in self._fields["state"].selection if state != "watch" or state in states]

    @api.depends("production_id")
    def _compute_product_id(self):
        for alert in self:
            if alert.production_id:
                alert.product_id = alert.production_id.product_id

    @api.depends("production_id.lot_producing_ids")
    def _compute_lot_id(self):
        for alert in self:
            lots = alert.production_id.lot_producing_ids
            if not alert.lot_id and len(lots) == 1:
                alert.lot_id = lots

    @api.depends("machine_id")
    def _compute_responsible_id(self):
        for alert in self:
            machine = alert.machine_id
            user = machine.quality_responsible_id or machine.responsible_id
            if not alert.responsible_id and user.active and machine.company_id in user.company_ids:
                alert.responsible_id = user

    def _compute_event_count(self):
        groups = self.env["mrp.machine.event.posting"]._read_group(
            [("posting_id.res_model", "=", self._name), ("posting_id.res_id", "in", self.ids)],
            ["posting_id"],
            ["__count"],
        )
        counts = dict.fromkeys(self.ids, 0)
        for posting, count in groups:
            counts[posting.res_id] += count
        for alert in self:
            alert.event_count = counts.get(alert.id, 0)

    @api.depends("name", "machine_id.name")
    def _compute_display_name(self):
        for alert in self:
            alert.display_name = f"{alert.name} {alert.machine_id.name}" if alert.machine_id else alert.name

    @api.model_create_multi
    def create(self, vals_list):
        new = self.env._("New")
        for vals in vals_list:
            if vals.get("name", new) == new:
                vals["name"] = self.env["ir.sequence"].next_by_code("quality.machine.alert") or new
        alerts = super().create(vals_list)
        alerts.filtered(lambda alert: alert.state != "done")._schedule()
        return alerts

    def write(self, vals):
        if "state" in vals:
            done = vals["state"] == "done"
            vals = {**vals, "closed": fields.Datetime.now() if done else False}
        before = {alert.id: alert.responsible_id for alert in self}
        result = super().write(vals)
        if vals.get("state") == "done":
            self.activity_feedback(["quality_machine_event.activity_type_alert"])
        elif "state" in vals or "responsible_id" in vals:
            self.filtered(
                lambda alert: (
                    alert.state != "done" and (alert.responsible_id != before[alert.id] or not alert._own_activities())
                )
            )._schedule()
        return result

    def _own_activities(self):
        kind = self.env.ref("quality_machine_event.activity_type_alert")
        return self.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)

    def _schedule(self):
        """Give the responsible person the activity to look into it; one that somebody else has moves over."""
        for alert in self.filtered("responsible_id"):
            if not alert.activity_reschedule(
                ["quality_machine_event.activity_type_alert"], new_user_id=alert.responsible_id.id
            ):
                alert.activity_schedule(
                    "quality_machine_event.activity_type_alert",
                    fields.Date.context_today(alert),
                    user_id=alert.responsible_id.id,
                )

    # What the machine counts; by the handler alone

    @api.model
    def _counting(self, machine, production, occurred):
        """Return the alert on which rejects are counted, or an empty recordset when a new one is due.

        That is the open one; but news older than what a closed alert already counted belongs to that one, however late
        it comes.

        :param occurred: naive UTC, when the last of them occurred; None when pieces are only taken back, which is done
            on the newest alert, closed or not
        """
        domain = [("machine_id", "=", machine.id), ("production_id", "=", production.id), ("origin", "=", "machine")]
        alert = self.search([*domain, ("state", "!=", "done")], limit=1)
        if not alert:
            closed = self.search(domain, order="last_occurred desc, id desc", limit=1)
            # Compared here, for a domain would cut the microseconds off.
            if closed.last_occurred and (occurred is None or occurred <= closed.last_occurred):
                alert = closed
        return alert

    def _count(self, pieces, first, last):
        """Count rejects on this alert, or take some back, in one write.

        :param float pieces: negative to take back; never below nothing
        :param first: naive UTC, and ``last``: of the events that counted; both None when pieces are only taken back
        """
        self.ensure_one()
        vals = {"reject_count": max(self.reject_count + pieces, 0.0)}
        if first and (not self.first_occurred or first < self.first_occurred):
            vals["first_occurred"] = first
        if last and (not self.last_occurred or last > self.last_occurred):
            vals["last_occurred"] = last
        self.write(vals)

    @api.model
    def _give_to_order(self, machine, production, workorder, start, end):
        """Give an order the rejects that were counted on the machine alone, before anybody said that the order ran then.

        What a person is done with stays where it is.

        :param start: naive UTC
        :param end: naive UTC; False for all since then
        """
        # sudo: effects and their postings are the poster's own
        effects = self.env["mrp.machine.event.posting"].sudo()
        domain = [
            ("machine_id", "=", machine.id),
            ("handler", "=", "quality_alert"),
            ("state", "=", "posted"),
            ("posting_id.production_id", "=", False),
            ("event_id.occurred", ">=", start),
        ]
        if end:
            domain.append(("event_id.occurred", "<", end))
        effects = effects.search(domain)
        # Who may load an order need not be allowed to write alerts: it is done in the name of the effects' own user.
        machine = self.env["mrp.machine.poster"]._service(machine)
        orders = machine._orders_at(effects.event_id)
        effects = effects.filtered(
            lambda effect: (
                isinstance(orders[effect.event_id.id], tuple)
                and orders[effect.event_id.id][:2] == (production, workorder)
            )
        )
        alerts = machine.env[self._name].browse(effects.posting_id.mapped("res_id")).exists()
        for alert in alerts.filtered(lambda alert: alert.state != "done" and not alert.production_id):
            alert._move(
                effects.filtered(lambda effect, alert=alert: effect.posting_id.res_id == alert.id),
                production,
                workorder,
            )

    def _move(self, effects, production, workorder):
        """Move what some effects counted on this alert to the one of an order: all of it, or so many pieces."""
        self.ensure_one()
        handler = self.env["mrp.machine.handler.quality_alert"]
        order = {"production_id": production.id, "workorder_id": workorder.id}
        events = effects.event_id.sorted("occurred_us")
        pieces = sum(map(handler._pieces, events))
        alert = self._counting(self.machine_id, production, events[-1].occurred)
        if not alert and pieces == self.reject_count:
            self.write(order)
            effects.posting_id.write(order)
            return
        span = {"first_occurred": events[0].occurred, "last_occurred": events[-1].occurred}
        alert = alert or self.create({"machine_id": self.machine_id.id, "origin": "machine", **order, **span})
        alert._count(pieces, *span.values())
        self._count(-pieces, None, None)
        posting = effects.posting_id[:1].copy(
            {
                **order,
                "res_id": alert.id,
                "quantity": pieces,
                "occurred_from": events[0].occurred,
                "occurred_to": events[-1].occurred,
                "summary": handler._summarize(pieces, alert),
                "explanation": self.env._("The order was loaded for that time later; counted on %s before.", self.name),
            }
        )
        for former in effects.posting_id:
            moved = effects.filtered(lambda effect, former=former: effect.posting_id == former)
            former.quantity -= sum(map(handler._pieces, moved.event_id))
        effects.write({"posting_id": posting.id, "message": posting.summary})
        if not self.reject_count:
            self.action_done()

    # Buttons

    def action_start(self):
        """Say that somebody looks into it."""
        self.write({"state": "in_progress"})

    def action_done(self):
        """Finish: what is rejected from now on makes a new alert."""
        self.write({"state": "done"})

    def action_reopen(self):
        """Go on with an alert that was done."""
        self.write({"state": "in_progress"})

    def action_machine(self):
        """Open the machine."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine",
            "res_id": self.machine_id.id,
            "view_mode": "form",
        }

    def action_events(self):
        """Open the events whose rejects are counted here."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        # Of one posting: an event whose rejects count elsewhere may have a lot or an alarm of this number.
        of_this = [("res_model", "=", self._name), ("res_id", "=", self.id)]
        action["domain"] = [("posting_ids.posting_id", "any", of_this)]
        action["context"] = {}
        return action
