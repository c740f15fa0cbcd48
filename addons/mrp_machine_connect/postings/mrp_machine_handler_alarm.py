from odoo import api, models

from ..moments import naive_of_iso
from .outcome import Ignored

#: Characters of a code that are kept.
LONGEST_CODE = 256


class MachineHandlerAlarm(models.AbstractModel):
    """What machines and conditions say of alarms becomes occurrences that people acknowledge and shelve.

    It comes after counts, so that a flood of alarms keeps no piece waiting, and before what alarms bring about.
    """

    _name = "mrp.machine.handler.alarm"
    _inherit = "mrp.machine.handler"
    _description = "Alarm"
    _event_types = (
        "alarm.raised",
        "alarm.cleared",
        "alarm.acked",
        "alarm.shelved",
        "alarm.unshelved",
        "alarm.suppressed",
        "alarm.out_of_service",
    )
    _touches_documents = False
    _handler_sequence = 25

    @api.model
    def _code(self, event):
        """Return what tells this alarm of the machine from its others."""
        data = event.data or {}
        # A sender that gives no code still has an alarm; all its nameless ones are one.
        return str(data.get("code") or data.get("text") or data.get("signal") or "alarm").strip()[:LONGEST_CODE]

    @api.model
    def _group(self, row):
        return self._code(row.event_id)

    @api.model
    def _post(self, group, rows):
        events, machine = rows.event_id, rows.machine_id
        # sudo: alarms are written by nobody; their events do
        alarms = self.env["mrp.machine.alarm"].sudo()
        touched, raised, cleared = alarms.browse(), 0, 0
        # Looked up once, not for each event of a flood: they come in their order, up to an occurrence that is known later.
        alarm, later = alarms._at(machine, group, events[0].occurred_us), alarms._after(machine, group, events[0])
        for event in events:
            if later and event.occurred_us >= later:
                alarm, later = alarms._at(machine, group, event.occurred_us), alarms._after(machine, group, event)
            if event.type == "alarm.raised":
                alarm = alarms._raise(machine.sudo(), group, event, alarm)
                raised += 1
                touched |= alarm
                continue
            if event.type == "alarm.cleared":
                done = alarm._clear(event)
                cleared += done
            else:
                done = alarm and self._said_of(alarm, event)
            if done:
                touched |= alarm
        late = self._cleared_before_raised(machine, group, touched)
        if not touched:
            raise Ignored("no_alarm", self.env._("No alarm of this code was active then."))
        posting = self._posting(rows, self._words(touched[-1], raised, cleared + len(late)), touched[-1])
        late.write({"state": "posted", "reason": False, "message": posting.summary, "posting_id": posting.id})
        return posting

    @api.model
    def _said_of(self, alarm, event):
        """Take in what the machine itself says of an alarm beside raising and clearing it; return whether that is news."""
        data = event.data or {}
        match event.type:
            case "alarm.acked":
                values = {} if alarm.acknowledged else {"acknowledged": event.occurred}
            case "alarm.shelved":
                until = self._until(data)
                values = {"shelved_until": until} if until else {}
            case "alarm.unshelved":
                values = {"shelved_until": False}
            case "alarm.suppressed":
                values = {"is_suppressed": True}
            case _:
                values = {"is_out_of_service": True}
        if values:
            alarm.write(values)
        return bool(values)

    @api.model
    def _until(self, data):
        try:
            return naive_of_iso(str(data["until"]))
        except (KeyError, ValueError):
            return None

    @api.model
    def _cleared_before_raised(self, machine, code, alarms):
        """Return the effects of what cleared one of these alarms before anybody knew of it: its raise came later."""
        # sudo: effects are the poster's matter
        effects = self.env["mrp.machine.event.posting"].sudo()
        found = effects.browse()
        effects.flush_model()
        for alarm in alarms.filtered("is_active"):
            # By SQL: the log is large, and the index on machine and time finds the few events since then.
            self.env.cr.execute(
                """SELECT effect.id FROM mrp_machine_event event
                     JOIN mrp_machine_event_posting effect ON effect.event_id = event.id
                    WHERE event.machine_id = %s AND event.occurred_us >= %s AND event.type = 'alarm.cleared'
                      AND effect.handler = %s AND effect.state = 'ignored' AND effect.reason = 'no_alarm'
                    ORDER BY event.occurred_us, event.id LIMIT 100""",
                [machine.id, alarm.last_raised_us, self._handler_name()],
            )
            for effect in effects.browse([row[0] for row in self.env.cr.fetchall()]):
                if self._code(effect.event_id) == code and alarm._clear(effect.event_id):
                    found |= effect
        return found

    @api.model
    def _words(self, alarm, raised, cleared):
        _ = self.env._
        words = {"alarm": alarm.display_name, "machine": alarm.machine_id.name, "raised": raised, "cleared": cleared}
        if not raised and not cleared:
            return _("%(machine)s: %(alarm)s, set aside or acknowledged by the machine", **words)
        if not cleared:
            return _("%(machine)s: %(alarm)s, raised %(raised)s ×", **words)
        if not raised:
            return _("%(machine)s: %(alarm)s, cleared", **words)
        return _("%(machine)s: %(alarm)s, raised %(raised)s ×, cleared %(cleared)s ×", **words)
