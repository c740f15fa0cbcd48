from odoo import api, fields, models
from odoo.tools import format_datetime

from .. import folding

#: Seconds of machine time between two notes about a fault, so that a chattering alarm does not fill the chatter.
NOTE_PAUSE = 600


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
    machine_template_id = fields.Many2one(
        "maintenance.machine.template",
        string="Made by Template",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The template that says what this request looks like and how it escalates.",
    )
    machine_condition_id = fields.Many2one(
        "mrp.machine.condition",
        string="Condition",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The rule that found the fault. Empty: the machine itself raised it.",
    )
    # Not equipment_id, which a person may change: what comes again is still counted here.
    machine_asset_id = fields.Many2one(
        "maintenance.equipment",
        string="Told of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The equipment that the fault was mapped to when the request was made.",
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
    machine_recent = fields.Json(readonly=True, copy=False, help="When it occurred lately, in microseconds since 1970.")
    machine_is_flood = fields.Boolean(
        string="Flood",
        readonly=True,
        copy=False,
        help="It came more than ten times within ten minutes: folded into this request, with one note and no more.",
    )
    machine_is_chattering = fields.Boolean(
        string="Chattering",
        readonly=True,
        copy=False,
        help="It came and went several times within a minute: look at the sensor, or give the rule a delay.",
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
        "(machine_id, machine_fault_key, COALESCE(machine_asset_id, 0)) WHERE machine_fault_open",
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
    def _fault_requests(self, machine, occurred):
        """Return the requests that occurrences of faults belong to.

        That is the open one; but news older than what a closed request already counted belongs to that one, however
        late it comes: the fault was repaired meanwhile. And while the fault of a closed request still stands, or is
        snoozed, it makes no other.

        :param dict occurred: ``{(fault key, id of the equipment it is mapped to): when it occurred last}``, naive UTC; None
            where it did not occur but was cleared
        :return: ``{(fault key, id): request}``, an empty recordset where a new one is due
        """
        self.flush_model(
            ["machine_id", "machine_fault_key", "machine_asset_id", "machine_fault_open", "machine_last_occurred"]
        )
        # The open one first, else the latest that was closed. By SQL: of a flood, one look for all faults.
        self.env.cr.execute(
            """SELECT wanted.key, wanted.asset_id,
                      (SELECT id FROM maintenance_request request
                        WHERE machine_id = %(machine)s AND machine_fault_key = wanted.key
                          AND (machine_asset_id = wanted.asset_id OR machine_asset_id IS NULL)
                        ORDER BY machine_fault_open DESC, machine_last_occurred DESC, id DESC LIMIT 1)
                 FROM unnest(%(keys)s::varchar[], %(assets)s::int[]) AS wanted (key, asset_id)""",
            {
                "machine": machine.id,
                "keys": [key for key, _asset_id in occurred],
                "assets": [asset_id for _key, asset_id in occurred],
            },
        )
        latest = {(key, asset_id): request_id for key, asset_id, request_id in self.env.cr.fetchall()}
        known = [request_id for request_id in latest.values() if request_id]  # read in one go
        return {
            fault: self.browse(latest[fault] or ()).with_prefetch(known)._that_keeps(moment)
            for fault, moment in occurred.items()
        }

    def _that_keeps(self, occurred):
        """Return this request if what occurred now is still its fault, none if it is a new one."""
        if self.machine_fault_open:
            return self
        if not self.machine_last_occurred:
            return self.browse()
        # Compared here, for a domain would cut the microseconds off.
        if occurred and occurred <= self.machine_last_occurred or self._keeps_fault(occurred):
            return self
        return self.browse()

    def _keeps_fault(self, occurred):
        """Return whether what occurs now is still this closed request's fault, and no new one."""
        self.ensure_one()
        if occurred and self.machine_snoozed_until and occurred < self.machine_snoozed_until:
            return True
        return not self.machine_cleared and (not occurred or self.machine_template_id.rearm != "close")

    @api.model
    def _raise_faults(self, machine, faults):
        """Make the requests of faults that occurred for the first time, in one go, and return them.

        :param faults: of each ``(key, equipment that it is mapped to, values, raised)``. Values: name, description and what
            else a template says; machine_severity and machine_values. Raised: ``[(moment of failure, mrp.machine.event)]``,
            the earliest first
        """
        requests = self.create(
            [{**self._first_occurred(machine, key, asset, raised), **values} for key, asset, values, raised in faults]
        )
        for request in requests:
            request._block_workcenter()
        return requests

    @api.model
    def _first_occurred(self, machine, key, asset, raised):
        failed, first = raised[0]
        _language, zone = machine._maintenance_reader(asset)
        local = fields.Datetime.context_timestamp(self.with_context(tz=zone), failed)
        return {
            "company_id": machine.company_id.id,
            "equipment_id": asset.id,
            "request_date": local.date(),
            "machine_id": machine.id,
            "machine_asset_id": asset.id,
            "machine_fault_key": key,
            "machine_event_id": first.id,
            "machine_occurrences": len(raised),
            "machine_first_occurred": failed,
            "machine_last_occurred": raised[-1][1].occurred,
            **self._folded([], raised),
        }

    def _count_fault(self, severity, values, raised):
        """Count further occurrences of the fault, whatever their number, in one write.

        The priority rises with a higher severity; what a person set it to otherwise stays.

        :param raised: ``[(moment of failure, mrp.machine.event)]``, the earliest first
        """
        self.ensure_one()
        vals = {
            "machine_occurrences": self.machine_occurrences + len(raised),
            **self._folded(self.machine_recent or [], raised),
        }
        first, last = raised[0][0], raised[-1][1].occurred
        if first < self.machine_first_occurred:
            vals["machine_first_occurred"] = first
        if last >= self.machine_last_occurred:
            vals.update(machine_last_occurred=last, machine_values=values)
            if self.machine_cleared and self.machine_cleared < last:
                vals["machine_cleared"] = False
        if severity > self.machine_severity:
            vals["machine_severity"] = severity
            priority = self.machine_template_id.sudo()._priority(severity)  # sudo: rules are read for the machine
            if priority > (self.priority or "0"):
                vals["priority"] = priority
        was_flood = self.machine_is_flood
        self.write(vals)
        if self.machine_is_flood and not was_flood:
            language, _zone = self._reader()
            request = self.with_context(lang=language)
            request._message_log(
                body=request.env._(
                    "A flood: more than ten times within ten minutes. Each time is counted, without a note."
                )
            )
        if not self.machine_fault_open and last == self.machine_last_occurred:
            self._note_closed(last)

    @api.model
    def _folded(self, before, raised):
        """Return how often the fault came lately, and whether that is a flood or chatter."""
        recent = folding.latest(before, [event.occurred_us for _failed, event in raised])
        times, seconds = self._chatter_limits()
        return {
            "machine_recent": recent,
            "machine_is_flood": folding.is_flood(recent),
            "machine_is_chattering": folding.is_chatter(recent, times, seconds),
        }

    @api.model
    def _chatter_limits(self):
        """Return how often within how many seconds is chatter, as the settings of alarms have it."""
        alarms = self.env["mrp.machine.alarm"]
        return (
            alarms._setting("chatter_times", folding.CHATTER_TIMES),
            alarms._setting("chatter_seconds", folding.CHATTER_SECONDS),
        )

    def _clear_fault(self, cleared):
        """Write down that the machine took the fault back. The request stays open: a person closes it.

        :param cleared: the events that say so, the earliest first
        """
        self.ensure_one()
        last = cleared[-1].occurred
        if last < self.machine_last_occurred or (self.machine_cleared and last <= self.machine_cleared):
            return
        vals = {"machine_cleared": last, "machine_is_standing": False}
        noted = self.machine_noted
        is_quiet = self.machine_is_flood or self._is_snoozed(last)
        if not is_quiet and (not noted or (last - noted).total_seconds() >= NOTE_PAUSE):
            vals["machine_noted"] = last
        self.write(vals)
        if "machine_noted" in vals:
            language, zone = self._reader()
            self._message_log(body=self.with_context(lang=language)._fault_sentence(zone))

    def _reader(self):
        return self.machine_id._maintenance_reader(self.equipment_id)

    def _note_closed(self, occurred):
        """Say on a closed request that its fault is still reported, at most once in a while."""
        if self.machine_noted and (occurred - self.machine_noted).total_seconds() < NOTE_PAUSE:
            return
        self.machine_noted = occurred
        if self.machine_cleared:
            return
        language, zone = self._reader()
        request = self.with_context(lang=language)
        request._message_log(
            body=request.env._(
                "Raised again at %s although this request is closed: the machine has not taken the fault back since. "
                "Once it did, the next occurrence makes a new request.",
                self._moment(occurred, zone),
            )
        )

    # Buttons

    def action_machine_events(self):
        """Open the events that raised and cleared the fault of this request."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_event_action")
        # Of one posting: an event that made another request may have made an alarm of this number.
        of_this = [("res_model", "=", self._name), ("res_id", "=", self.id)]
        action["domain"] = [("posting_ids.posting_id", "any", of_this)]
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
