from markupsafe import Markup

from odoo import api, models
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting
from odoo.addons.mrp_machine_connect.quantities import number_text

#: The severity of an alarm that does not say how severe it is: medium, as in the table of codes.
SEVERITY = 500
#: What an alarm's data says beside the values that came with it.
WORDS = ("code", "text", "severity", "since")


class MachineHandlerMaintenanceRequest(models.AbstractModel):
    """An alarm becomes a maintenance request on the machine's equipment: one per fault until a person closes it.

    What the fault does meanwhile is counted on that request, many occurrences in one write; that it cleared is noted.
    """

    _name = "mrp.machine.handler.maintenance_request"
    _inherit = "mrp.machine.handler"
    _description = "Maintenance Request"
    _event_types = ("alarm.raised", "alarm.cleared")
    _handler_sequence = 30

    @api.model
    def _fault_key(self, event):
        """Return what tells this fault of the machine from its others: the alarm's code."""
        data = event.data or {}
        # A sender that gives no code still has a fault; all its nameless ones are one.
        return str(data.get("code") or data.get("text") or data.get("signal") or "alarm").strip()

    @api.model
    def _severity(self, event):
        """Return how severe an alarm is, 1 to 1000."""
        try:
            return min(max(int(float((event.data or {})["severity"])), 1), 1000)
        except (KeyError, TypeError, ValueError, OverflowError):
            return SEVERITY

    @api.model
    def _values(self, event):
        """Return in one line what the machine said with an alarm."""
        return ", ".join(
            f"{key}: {number_text(value)}"
            for key, value in (event.data or {}).items()
            if key not in WORDS and isinstance(value, (str, int, float)) and value != ""
        )

    @api.model
    def _group(self, row):
        event, machine = row.event_id, row.machine_id
        severity = self._severity(event)
        if severity < machine.maintenance_min_severity:
            raise Ignored(
                "below_severity",
                self.env._(
                    "Severity %(severity)s; requests are made from %(limit)s on.",
                    severity=severity,
                    limit=machine.maintenance_min_severity,
                ),
            )
        if not machine.equipment_id:
            raise Waiting(
                "no_equipment",
                self.env._("%s has no equipment yet, so maintenance does not know what this is about.", machine.name),
            )
        return self._fault_key(event)

    @api.model
    def _post(self, group, rows):
        machine = rows.machine_id
        events = rows.event_id
        raised = events.filtered(lambda event: event.type == "alarm.raised")
        requests = self.env["maintenance.request"]
        request = requests._fault_request(machine, group, raised[-1:].occurred)
        if raised:
            severity = max(map(self._severity, raised))
            values = self._values(raised[-1])
            if request:
                request._count_fault(severity, values, raised)
            else:
                request = requests._raise_fault(
                    machine,
                    group,
                    self._team(machine),
                    self._name_request(machine, group, raised[0]),
                    self._describe(machine, group, raised[0], severity),
                    severity,
                    values,
                    raised,
                )
        elif not request:
            raise Ignored("no_request", self.env._("Cleared, and no request is open for this fault."))
        cleared = events - raised
        before_raised = self._cleared_before_raised(machine, group, raised[-1:])
        cleared = (cleared | before_raised.event_id).sorted(lambda event: (event.occurred_us, event.id))
        if cleared:
            request._clear_fault(cleared)
        posting = self._posting(
            rows,
            self._summarize(len(raised), len(cleared), request),
            request,
            explanation=self.env._("Equipment of the machine: %s", request.equipment_id.display_name),
        )
        before_raised.write({"state": "posted", "reason": False, "message": posting.summary, "posting_id": posting.id})
        return posting

    @api.model
    def _cleared_before_raised(self, machine, key, raised):
        """Return the effects of what said that a fault cleared when nobody knew of it yet: its raise comes later.

        :param raised: the event that raised the fault, or none; what cleared before it is another occurrence's
        """
        # sudo: effects are the poster's matter
        effects = self.env["mrp.machine.event.posting"].sudo()
        if not raised:
            return effects
        return effects.search(
            [
                ("machine_id", "=", machine.id),
                ("handler", "=", self._handler_name()),
                ("state", "=", "ignored"),
                ("reason", "=", "no_request"),
                ("event_id.type", "=", "alarm.cleared"),
                ("event_id.occurred_us", ">=", raised.occurred_us),
            ]
        ).filtered(lambda effect: self._fault_key(effect.event_id) == key)

    @api.model
    def _summarize(self, raised, cleared, request):
        _ = self.env._
        words = {"raised": raised, "cleared": cleared, "request": request.display_name}
        if not cleared:
            return _("Raised %(raised)s ×: %(request)s", **words)
        if not raised:
            return _("Cleared %(cleared)s ×: %(request)s", **words)
        return _("Raised %(raised)s ×, cleared %(cleared)s ×: %(request)s", **words)

    @api.model
    def _team(self, machine):
        """Return the team that a request on the machine's equipment goes to."""
        company = machine.company_id
        team = machine.equipment_id.maintenance_team_id
        if not team or team.company_id not in (company, company.browse()):
            teams = self.env["maintenance.team"]
            team = teams.search([("company_id", "=", company.id)], limit=1)
            team = team or teams.search([("company_id", "=", False)], limit=1)
        if not team:
            raise Waiting(
                "no_team", self.env._("%s has no maintenance team, and each request needs one.", company.name)
            )
        return team

    @api.model
    def _name_request(self, machine, key, event):
        text = (event.data or {}).get("text")
        return f"{machine.name}: {text} ({key})" if text and text != key else f"{machine.name}: {key}"

    @api.model
    def _describe(self, machine, key, event, severity):
        """Return as HTML what the person who gets the request should know; the machine's own words are escaped."""
        language, zone = machine._maintenance_reader()
        request = self.env["maintenance.request"].with_context(lang=language)
        _ = request.env._
        data = event.data or {}
        lines = [
            (_("Machine"), machine.display_name),
            (_("Alarm"), f"{key} {data['text']}" if data.get("text") and data["text"] != key else key),
            (_("Severity"), severity),
            (_("First occurred"), request._moment(event.occurred, zone)),
            (_("Values"), self._values(event)),
        ]
        items = Markup().join(Markup("<li>%s: <b>%s</b></li>") % (label, text) for label, text in lines if text)
        return Markup("<p>%s</p><ul>%s</ul>") % (_("Raised by the machine itself."), items)
