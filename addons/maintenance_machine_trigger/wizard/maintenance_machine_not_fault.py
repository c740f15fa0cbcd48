"""Nothing is wrong: how would the rule not have raised it, and would it still find what was wrong?"""

from glob import escape

from odoo import api, fields, models
from odoo.addons.mrp_machine_connect.quantities import number_text
from odoo.exceptions import UserError

#: Events of a request that are looked at.
MOST_EVENTS = 2000


class MaintenanceMachineNotFault(models.TransientModel):
    """Close a request because nothing is wrong, and tune the rule by what it found."""

    _name = "maintenance.machine.not.fault"
    _description = "Not a Fault"

    request_ids = fields.Many2many("maintenance.request", string="Requests", readonly=True)
    reason = fields.Char(required=True, help="What it was instead; it stands on the request and with the rule.")
    suggestion = fields.Selection(
        [("limit", "Another limit"), ("delay", "A longer on-delay"), ("template", "No request for this alarm")],
        compute="_compute_suggestion",
        help="What would have kept it from being raised.",
    )
    suggested = fields.Float(
        compute="_compute_suggestion", digits=(16, 6), help="The new limit, or the new on-delay in seconds."
    )
    side = fields.Char(compute="_compute_suggestion", help="Which limit.")
    words = fields.Char(
        string="What Could Change", compute="_compute_suggestion", help="What to change, and what that would do."
    )
    can_apply = fields.Boolean(compute="_compute_can_apply", help="Only managers of the machines change rules.")
    apply = fields.Boolean(string="Change the Rule So", help="The rule is changed with the request.")

    @api.depends("request_ids")
    def _compute_can_apply(self):
        self.can_apply = self.env.user.has_group("mrp_machine_connect.group_manager")

    @api.depends("request_ids")
    def _compute_suggestion(self):
        for wizard in self:
            request = wizard.request_ids._origin[:1]
            request.check_access("read")
            # sudo: what the rule found is looked at for whoever handles the request
            found = wizard.sudo()._suggest(request.sudo()) if request else None
            wizard.suggestion, wizard.side, wizard.suggested, wizard.words = found or (False, False, 0.0, False)

    def _suggest(self, request):
        """Return what to change, which limit, to what, and that in words; None where nothing can be said."""
        _ = self.env._
        condition = request.machine_condition_id
        if not condition:
            if not request.machine_fault_key:
                return None
            words = _(
                "Make no requests of the alarm %(code)s of %(machine)s: it stays among the alarms.",
                code=request.machine_fault_key,
                machine=request.machine_id.name,
            )
            return "template", False, 0.0, words
        wrong = self._occurrences(request)
        others = self.env["maintenance.request"].search(
            [
                ("machine_condition_id", "=", condition.id),
                ("machine_verdict", "=", False),
                ("stage_id.done", "=", True),
                ("id", "!=", request.id),
            ],
            limit=50,
        )
        real = [self._occurrences(other) for other in others]
        options = [*self._limits(condition, wrong, real), *self._delays(condition, wrong, real)]
        if not options:
            return None
        kept, _rank, kind, side, value = max(options, key=lambda option: option[:2])
        words = {
            "value": number_text(value),
            "kept": kept,
            "real": len(real),
            "times": len(wrong),
        }
        if kind == "delay":
            said = _("Raise it only after %(value)s s: then none of the %(times)s times here would have been.", **words)
        elif side == "above":
            said = _(
                "Set the upper limit to %(value)s: then none of the %(times)s times here would have been raised.",
                **words,
            )
        else:
            said = _(
                "Set the lower limit to %(value)s: then none of the %(times)s times here would have been raised.",
                **words,
            )
        if real:
            said += " " + _("Of the %(real)s real faults that it found, %(kept)s would still be.", **words)
        return kind, side, value, said

    def _occurrences(self, request):
        """Return ``[(value or None, seconds that it stood or None)]`` of each time that a request counts."""
        events = self.env["mrp.machine.event"].search(
            request.action_machine_events()["domain"], order="occurred_us", limit=MOST_EVENTS
        )
        found = []
        for event in events:
            if event.type == "alarm.raised":
                value = (event.data or {}).get("value")
                number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
                found.append([number, None, event])
            elif found and found[-1][1] is None:
                raised = found[-1][2]
                found[-1][1] = (event.occurred_us - raised.occurred_us) / 1e6
                found[-1][0] = self._furthest(request.machine_condition_id, found[-1][0], raised, event)
        return [(value, stood) for value, stood, _event in found]

    def _furthest(self, condition, value, raised, cleared):
        """Return how far beyond its limit a value went between two events, as far as that was recorded."""
        if value is None or not condition._looks_at_values():
            return value
        events = self.env["mrp.machine.event"].search(
            [
                ("machine_id", "=", raised.machine_id.id),
                ("type", "in", ("meter.reading", "process.summary")),
                ("occurred", ">=", raised.occurred),
                ("occurred", "<", cleared.occurred),
            ],
            limit=MOST_EVENTS,
        )
        values = [value]
        for event in events:
            data = event.data or {}
            if (data.get("signal") or event.signal_id.name) == condition.signal_name:
                said = (data.get(name) for name in ("value", "min", "max", "last"))
                values += [number for number in said if isinstance(number, (int, float))]
        is_low = condition.has_below and value < condition.below
        return min(values) if is_low else max(values)

    def _limits(self, condition, wrong, real):
        """Return the limit that would have spared what was wrong, as options to choose from."""
        if not condition._looks_at_values():
            return []
        values = [value for value, _stood in wrong if value is not None]
        options = []
        for side, has, furthest in (("above", condition.has_above, max), ("below", condition.has_below, min)):
            limit = condition[side]
            beyond = [value for value in values if (value > limit if side == "above" else value < limit)]
            if not has or not beyond or len(beyond) < len(wrong):
                continue
            new = furthest(beyond)
            kept = sum(
                any(value is not None and (value > new if side == "above" else value < new) for value, _stood in one)
                for one in real
            )
            options.append((kept, 1, "limit", side, new))
        return options

    def _delays(self, condition, wrong, real):
        """Return the on-delay that would have spared what was wrong; none where it still stands."""
        if condition.kind == "usage" or not wrong or any(stood is None for _value, stood in wrong):
            return []
        # What stood so long after it was raised had begun the on-delay before.
        longest = max(stood for _value, stood in wrong)
        new = condition.on_delay + float(int(longest) + 1)
        kept = sum(any(stood is None or stood > longest + 1 for _value, stood in one) for one in real)
        return [(kept, 0, "delay", False, new)]

    def action_not_fault(self):
        """Close the request, and change the rule where that is wanted."""
        self.ensure_one()
        request, reason = self.request_ids[:1], self.reason.strip()
        if self.apply:
            self._apply(request, reason)
        self.request_ids._not_fault(reason)
        return {"type": "ir.actions.act_window_close"}

    def _apply(self, request, reason):
        if not self.can_apply:
            raise UserError(self.env._("Only managers of the machines change rules. Close it without, and tell one."))
        condition = request.machine_condition_id
        if self.suggestion == "limit":
            condition.write({self.side: self.suggested})
        elif self.suggestion == "delay" and condition.kind == "state_longer":
            condition.write({"duration": condition.duration + (self.suggested - condition.on_delay) / 60})
        elif self.suggestion == "delay":
            condition.write({"on_delay": self.suggested})
        elif self.suggestion == "template":
            self.env["maintenance.machine.template"].create(
                {
                    "name": self.env._("Not a fault: %s", reason),
                    "sequence": 1,
                    "company_id": request.company_id.id,
                    "machine_ids": [(6, 0, request.machine_id.ids)],
                    "alarm_code": escape(request.machine_fault_key),
                    "makes": "nothing",
                }
            )
        request._message_log(body=self.env._("The rule was changed: %s", self.words))
