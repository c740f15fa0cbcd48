from odoo import api, fields, models
from odoo.tools import format_datetime

#: Seconds of machine time between two notes about a fault, so that a chattering alarm does not fill the chatter.
NOTE_PAUSE = 600
#: The upper ends of OPC UA's severities (Part 9) and the priority that maintenance gives them; above: the highest.
PRIORITIES = ((333, "1"), (666, "2"))


class MaintenanceRequest(models.Model):
    _inherit = "maintenance.request"

    machine_id = fields.Many2one(
        "mrp.machine",
        check_company=True,
        index="btree_not_null",
        help="The machine that it is about.",
    )
    machine_state = fields.Selection(related="machine_id.state", string="Machine State")
    machine_fault_key = fields.Char(
        string="Fault",
        readonly=True,
        copy=False,
        help="What the machine calls the fault. Requests without it are people's.",
    )
    machine_fault_open = fields.Boolean(
        compute="_compute_machine_fault_open",
        store=True,
        string="Fault Open",
        help="Neither done nor cancelled: when the fault occurs again it is counted here.",
    )
    machine_severity = fields.Integer(
        string="Severity",
        readonly=True,
        copy=False,
        help="The highest severity that the machine gave it, 1 to 1000 (OPC UA Part 9).",
    )
    machine_occurrences = fields.Integer(
        string="Occurrences", readonly=True, copy=False, help="How often the machine raised the fault."
    )
    # Datetimes of our own: Odoo keeps only the days of request and close.
    machine_first_occurred = fields.Datetime(
        string="First Occurred", readonly=True, copy=False, help="The moment of failure, by the machine's clock."
    )
    machine_last_occurred = fields.Datetime(
        string="Last Occurred", readonly=True, copy=False, help="When the machine raised it last."
    )
    machine_cleared = fields.Datetime(
        string="Cleared", readonly=True, copy=False, help="When the machine took it back. Empty: it still stands."
    )
    machine_noted = fields.Datetime(readonly=True, copy=False, help="When the chatter was last told of the fault.")
    machine_values = fields.Char(
        string="Values", readonly=True, copy=False, help="What the machine said with its last occurrence."
    )
    machine_event_id = fields.Many2one(
        "mrp.machine.event",
        string="Raised by Event",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The event that made this request; empty once the log was trimmed.",
    )
    machine_event_count = fields.Integer(compute="_compute_machine_event_count", compute_sudo=True)
    machine_fault_summary = fields.Char(compute="_compute_machine_fault_summary", string="What the Machine Says")

    _machine_fault_open_unique = models.UniqueIndex(
        "(machine_id, machine_fault_key) WHERE machine_fault_open",
        "A request for this fault of this machine is open already. Close that one first, or go on there.",
    )

    @api.depends("machine_fault_key", "stage_id.done", "archive")
    def _compute_machine_fault_open(self):
        for request in self:
            request.machine_fault_open = bool(
                request.machine_fault_key and not request.stage_id.done and not request.archive
            )

    def _compute_machine_event_count(self):
        groups = self.env["mrp.machine.event.posting"]._read_group(
            [("posting_id.res_model", "=", self._name), ("posting_id.res_id", "in", self.ids)],
            ["posting_id"],
            ["__count"],
        )
        counts = dict.fromkeys(self.ids, 0)
        for posting, count in groups:
            counts[posting.res_id] += count
        for request in self:
            request.machine_event_count = counts.get(request.id, 0)

    @api.depends("machine_fault_key", "machine_occurrences", "machine_last_occurred", "machine_cleared")
    @api.depends_context("lang", "tz")
    def _compute_machine_fault_summary(self):
        for request in self:
            request.machine_fault_summary = request._fault_sentence() if request.machine_fault_key else False

    def _fault_sentence(self, zone=None):
        """Return in a sentence how often the fault occurred and whether it still stands."""
        _ = self.env._
        words = {
            "count": self.machine_occurrences,
            "first": self._moment(self.machine_first_occurred, zone),
            "last": self._moment(self.machine_last_occurred, zone),
            "cleared": self._moment(self.machine_cleared, zone),
        }
        if self.machine_occurrences == 1:
            return (
                _("Raised at %(first)s, cleared at %(cleared)s.", **words)
                if self.machine_cleared
                else _("Raised at %(first)s and standing since.", **words)
            )
        return (
            _("Raised %(count)s times from %(first)s to %(last)s, cleared at %(cleared)s.", **words)
            if self.machine_cleared
            else _("Raised %(count)s times from %(first)s to %(last)s, and standing.", **words)
        )

    def _moment(self, moment, zone=None):
        """Return a moment to the second as the language writes it, in a time zone that is named or else the user's own."""
        if not moment:
            return ""
        text = format_datetime(self.env, moment, tz=zone or self.env.context.get("tz") or False)
        return f"{text} ({zone})" if zone else text

    # What the machine says; by the handler alone

    @api.model
    def _fault_request(self, machine, key, occurred):
        """Return the request that an occurrence belongs to, or an empty recordset when a new one is due.

        That is the open one; but news older than what a closed request already counted belongs to that one, however
        late it comes: the fault was repaired meanwhile.

        :param occurred: naive UTC, when it occurred last; None when it did not occur but was cleared
        """
        domain = [("machine_id", "=", machine.id), ("machine_fault_key", "=", key)]
        request = self.search([*domain, ("machine_fault_open", "=", True)], limit=1)
        if not request and occurred:
            closed = self.search(domain, order="machine_last_occurred desc, id desc", limit=1)
            # Compared here, for a domain would cut the microseconds off.
            if closed.machine_last_occurred and occurred <= closed.machine_last_occurred:
                request = closed
        return request

    @api.model
    def _raise_fault(self, machine, key, team, name, description, severity, values, raised):
        """Make the request of a fault that occurred for the first time.

        :param str description: HTML
        :param raised: the events that raised it, the earliest first
        """
        first = raised[0]
        _language, zone = machine._maintenance_reader()
        local = fields.Datetime.context_timestamp(self.with_context(tz=zone), first.occurred)
        return self.create(
            {
                "name": name,
                "description": description,
                "company_id": machine.company_id.id,
                "equipment_id": machine.equipment_id.id,
                "maintenance_team_id": team.id,
                "maintenance_type": "corrective",
                "request_date": local.date(),
                "priority": self._fault_priority(severity),
                "machine_id": machine.id,
                "machine_fault_key": key,
                "machine_event_id": first.id,
                "machine_severity": severity,
                "machine_occurrences": len(raised),
                "machine_first_occurred": first.occurred,
                "machine_last_occurred": raised[-1].occurred,
                "machine_values": values,
            }
        )

    def _count_fault(self, severity, values, raised):
        """Count further occurrences of the fault, whatever their number, in one write.

        The priority rises with a higher severity; what a person set it to otherwise stays.
        """
        self.ensure_one()
        vals = {"machine_occurrences": self.machine_occurrences + len(raised)}
        first, last = raised[0].occurred, raised[-1].occurred
        if first < self.machine_first_occurred:
            vals["machine_first_occurred"] = first
        if last >= self.machine_last_occurred:
            vals.update(machine_last_occurred=last, machine_values=values)
            if self.machine_cleared and self.machine_cleared < last:
                vals["machine_cleared"] = False
        if severity > self.machine_severity:
            vals["machine_severity"] = severity
            priority = self._fault_priority(severity)
            if priority > (self.priority or "0"):
                vals["priority"] = priority
        self.write(vals)

    def _clear_fault(self, cleared):
        """Write down that the machine took the fault back. The request stays open: a person closes it.

        :param cleared: the events that say so, the earliest first
        """
        self.ensure_one()
        last = cleared[-1].occurred
        if last < self.machine_last_occurred or (self.machine_cleared and last <= self.machine_cleared):
            return
        vals = {"machine_cleared": last}
        noted = self.machine_noted
        if not noted or (last - noted).total_seconds() >= NOTE_PAUSE:
            vals["machine_noted"] = last
        self.write(vals)
        if "machine_noted" in vals:
            language, zone = self.machine_id._maintenance_reader()
            self._message_log(body=self.with_context(lang=language)._fault_sentence(zone))

    @api.model
    def _fault_priority(self, severity):
        return next((priority for upper, priority in PRIORITIES if severity <= upper), "3")

    # Buttons

    def action_machine_events(self):
        """Open the events that raised and cleared the fault of this request."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        action["domain"] = [
            ("posting_ids.posting_id.res_model", "=", self._name),
            ("posting_ids.posting_id.res_id", "=", self.id),
        ]
        action["context"] = {}
        return action

    def action_machine(self):
        """Open the machine that this request is about."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "mrp.machine",
            "res_id": self.machine_id.id,
            "view_mode": "form",
        }
