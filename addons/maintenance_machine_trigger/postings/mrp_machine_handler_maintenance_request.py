from markupsafe import Markup

from odoo import api, models
from odoo.addons.mrp_machine_connect.models.mrp_machine_alarm import SEVERITIES, WARNING_UP_TO
from odoo.addons.mrp_machine_connect.moments import naive_of_iso
from odoo.addons.mrp_machine_connect.postings.outcome import Ignored, Waiting
from odoo.addons.mrp_machine_connect.quantities import number_text

from ..placeholders import fill

#: What an alarm's data says beside the values that came with it.
WORDS = ("code", "text", "severity", "since", "level", "condition_id", "kind", "native_code", "because")


class MachineHandlerMaintenanceRequest(models.AbstractModel):
    """An alarm becomes a maintenance request on the machine's equipment: one per fault until a person closes it.

    What the fault does meanwhile is counted on that request, many occurrences in one write; that it cleared is noted.
    """

    _name = "mrp.machine.handler.maintenance_request"
    _inherit = "mrp.machine.handler"
    _description = "Maintenance Request"
    _event_types = ("alarm.raised", "alarm.cleared")
    _posts_together = True
    _is_patient = True
    _handler_sequence = 30

    @api.model
    def _fault_key(self, event):
        """Return what tells this fault of the machine from its others: the alarm's code."""
        return self.env["mrp.machine.handler.alarm"]._code(event)

    @api.model
    def _severity(self, event):
        """Return how severe an alarm is, 1 to 1000; of one that does not say so as its level has it."""
        data = event.data or {}
        try:
            return min(max(int(float(data["severity"])), 1), 1000)
        except (KeyError, TypeError, ValueError, OverflowError):
            level = str(data.get("level") or data.get("severity") or "").lower()
            return SEVERITIES.get(level, SEVERITIES[None])

    @api.model
    def _level(self, event):
        """Return whether an alarm is a fault or a warning, as it is among the alarms."""
        data = event.data or {}
        for said in (data.get("level"), data.get("severity")):
            if str(said or "").lower() in ("fault", "warning"):
                return str(said).lower()
        return "warning" if self._severity(event) <= WARNING_UP_TO else "fault"

    @api.model
    def _condition_id(self, event):
        """Return the id of the condition that raised an alarm, 0 for none."""
        said = (event.data or {}).get("condition_id")
        return said if isinstance(said, int) and not isinstance(said, bool) else 0

    @api.model
    def _failed(self, event):
        """Return the moment of failure, naive UTC: a rule knows since when it was so, an alarm begins when it is raised."""
        try:
            return min(naive_of_iso(str(event.data["since"])), event.occurred)
        except (KeyError, ValueError):
            return event.occurred

    @api.model
    def _values(self, event):
        """Return in one line what the machine said with an alarm."""
        return ", ".join(
            f"{key}: {number_text(value)}"
            for key, value in (event.data or {}).items()
            if key not in WORDS and isinstance(value, (str, int, float)) and value != ""
        )

    @api.model
    def _template(self, machine, asset, key, event):
        return self.env["maintenance.machine.template"]._for_fault(
            machine, asset, key, self._level(event), self._severity(event), self._condition_id(event)
        )

    @api.model
    def _group(self, row):
        event, machine = row.event_id, row.machine_id
        key = self._fault_key(event)
        signal = event.signal_id.name or (event.data or {}).get("signal")
        asset = machine._asset(key, signal, self._condition_id(event))
        if event.type == "alarm.raised":
            self._check_wanted(machine, asset, key, event)
        if not asset:
            raise Waiting(
                "no_equipment",
                self.env._("%s has no equipment yet, so maintenance does not know what this is about.", machine.name),
            )
        return key, asset.id

    @api.model
    def _check_wanted(self, machine, asset, key, event):
        """Refuse what is to make no request.

        :raise Ignored: it stays an alarm
        """
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
        template = self._template(machine, asset, key, event)
        if template.makes == "nothing":
            raise Ignored("by_template", self.env._("An alarm only, by the template «%s».", template.name))
        if self._level(event) == "warning" and not machine.maintenance_warnings and template.level != "warning":
            raise Ignored("warning", self.env._("A warning: it is shown among the alarms and makes no request."))

    @api.model
    def _post_groups(self, groups):
        machine = next(iter(groups.values())).machine_id
        requests = self.env["maintenance.request"]
        raised = {
            group: rows.event_id.filtered(lambda event: event.type == "alarm.raised") for group, rows in groups.items()
        }
        found = requests._fault_requests(machine, {group: events[-1:].occurred for group, events in raised.items()})
        for group, request in found.items():
            if request and raised[group]:
                request._count_fault(*self._told(raised[group]))
        new = [group for group, events in raised.items() if events and not found[group]]
        made = requests._raise_faults(machine, [self._first(machine, group, raised[group]) for group in new])
        found.update(zip(new, made, strict=True))
        late = self._cleared_before_raised(machine, raised)
        result, values = {}, {}
        for group, rows in groups.items():
            request = found[group]
            if not request:
                words = self.env._("Cleared, and no request is open for this fault.")
                result[group] = Ignored("no_request", words)
                continue
            cleared = rows.event_id - raised[group]
            if group in late:
                cleared |= late[group].event_id
            if cleared:
                request._clear_fault(cleared.sorted(lambda event: (event.occurred_us, event.id)))
            values[group] = self._posting_values(
                rows,
                self._summarize(len(raised[group]), len(cleared), request),
                request,
                explanation=self.env._("Equipment of the machine: %s", request.equipment_id.display_name),
            )
        return result | self._postings(values, late)

    @api.model
    def _told(self, raised):
        """Return what events say that raised a fault: the highest severity, the last values, and each moment of failure."""
        failures = [(self._failed(event), event) for event in raised]
        return max(map(self._severity, raised)), self._values(raised[-1]), failures

    @api.model
    def _first(self, machine, group, raised):
        """Return what :meth:`~MaintenanceRequest._raise_faults` is to know of a fault that occurred for the first time."""
        key, asset_id = group
        asset = self.env["maintenance.equipment"].browse(asset_id)
        severity, said, failures = self._told(raised)
        values = {
            "machine_severity": severity,
            "machine_values": said,
            **self._wanted(machine, asset, key, raised[0], severity),
        }
        return key, asset, values, failures

    @api.model
    def _wanted(self, machine, asset, key, event, severity):
        """Return the values of a request as its template has it."""
        template = self._template(machine, asset, key, event)
        language, zone = machine._maintenance_reader(asset)
        spoken = template.with_context(lang=language)
        said = self._said(machine, asset, key, event, severity, language, zone)
        values = {
            "name": fill(spoken.title, said).strip() if spoken.title else self._name_request(machine, key, event),
            "description": self._describe(machine, asset, key, event, severity, fill(spoken.text, said)),
            "maintenance_team_id": self._team(machine, asset, template).id,
            "maintenance_type": template.maintenance_type or "corrective",
            "priority": template._priority(severity),
            "machine_template_id": template.id,
            "machine_condition_id": self.env["mrp.machine.condition"].browse(self._condition_id(event)).exists().id,
        }
        values["name"] = values["name"] or self._name_request(machine, key, event)
        if template.user_id and machine.company_id in template.user_id.company_ids:
            values["user_id"] = template.user_id.id
        if template.is_scheduled:
            values["schedule_date"] = template._scheduled(self._failed(event))
        return values

    @api.model
    def _said(self, machine, asset, key, event, severity, language, zone):
        """Return what the names in a template's text stand for."""
        data = event.data or {}
        request = self.env["maintenance.request"].with_context(lang=language)
        levels = dict(request.env["maintenance.machine.template"]._fields["level"]._description_selection(request.env))
        return {
            "machine": machine.name,
            "equipment": asset.name,
            "code": key,
            "text": data.get("text") or key,
            "severity": severity,
            "level": levels[self._level(event)],
            "value": number_text(data.get("value", data.get("raw_value"))),
            "limit": number_text(data.get("limit")),
            "unit": data.get("unit"),
            "signal": data.get("signal"),
            "occurred": request._moment(self._failed(event), zone),
            "order": machine.production_id.name,
            "values": self._values(event),
        }

    @api.model
    def _cleared_before_raised(self, machine, raised):
        """Return the effects of what said that faults cleared when nobody knew of them yet: their raise comes later.

        :param dict raised: ``{group: the events that raised its fault, or none}``; what cleared before is another's
        :return: ``{group: mrp.machine.event.posting}``
        """
        asked = {group: (group[0], events[-1].occurred_us) for group, events in raised.items() if events}
        alarms = self.env["mrp.machine.handler.alarm"]
        effects = alarms._cleared_since(machine, self, "no_request", list(asked.values()))
        return {group: theirs for group, theirs in zip(asked, effects, strict=True) if theirs}

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
    def _team(self, machine, asset, template):
        """Return the team that a request goes to: the template's, the equipment's, or the company's first."""
        company = machine.company_id
        for team in (template.maintenance_team_id, asset.maintenance_team_id):
            if team and team.company_id in (company, company.browse()):
                return team
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
        data = event.data or {}
        text = data.get("text")
        if not text or text == key:
            return f"{machine.name}: {key}"
        # A condition's own code says nothing to people.
        return f"{machine.name}: {text}" if self._condition_id(event) else f"{machine.name}: {text} ({key})"

    @api.model
    def _describe(self, machine, asset, key, event, severity, text):
        """Return as HTML what the person who gets the request should know; all words in it are escaped.

        :param str text: what the template says, filled in
        """
        language, zone = machine._maintenance_reader(asset)
        request = self.env["maintenance.request"].with_context(lang=language)
        _ = request.env._
        data = event.data or {}
        called = key if not data.get("text") or data["text"] == key else f"{key} {data['text']}"
        lines = [
            (_("Machine"), machine.display_name),
            (_("Alarm"), data["text"] if self._condition_id(event) and data.get("text") else called),
            (_("Severity"), severity),
            (_("First occurred"), request._moment(self._failed(event), zone)),
            (_("Values"), self._values(event)),
        ]
        items = Markup().join(Markup("<li>%s: <b>%s</b></li>") % (label, value) for label, value in lines if value)
        said = Markup().join(Markup("<p>%s</p>") % line for line in text.splitlines() if line.strip())
        return said + Markup("<p>%s</p><ul>%s</ul>") % (_("Raised by the machine itself."), items)
