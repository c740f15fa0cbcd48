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
    _posts_together = True
    _is_patient = True
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
    def _post_groups(self, groups):
        # sudo: alarms are written by nobody; their events do
        alarms = self.env["mrp.machine.alarm"].sudo()
        machine = next(iter(groups.values())).machine_id
        events = {code: rows.event_id for code, rows in groups.items()}
        # Looked up once, not for each event of a flood: they come in their order, up to an occurrence that is known later.
        known = alarms._around(machine, {code: theirs[0].occurred_us for code, theirs in events.items()})
        begun = alarms._raise_first(
            machine.sudo(),
            {code: (theirs[0], known[code][0]) for code, theirs in events.items() if theirs[0].type == "alarm.raised"},
        )
        told = {
            code: self._tell(machine, code, theirs, *known[code], begun.get(code)) for code, theirs in events.items()
        }
        touched = alarms.concat(*(touched for touched, _raised, _cleared in told.values()))
        late = self._cleared_before_raised(machine, touched)
        made, values = {}, {}
        for code, (touched, raised, cleared) in told.items():
            if not touched:
                made[code] = Ignored("no_alarm", self.env._("No alarm of this code was active then."))
                continue
            words = self._words(touched[-1], raised, cleared + len(late.get(code, ())))
            values[code] = self._posting_values(groups[code], words, touched[-1])
        return made | self._postings(values, late)

    @api.model
    def _tell(self, machine, code, events, alarm, later, begun):
        """Take in what events say of the alarms of one code.

        :param alarm: the occurrence that the first event belongs to, or none
        :param int later: when the next occurrence after it was raised, 0 where there is none
        :param begun: the occurrence that the first event already began, None where it began none
        :return: ``(occurrences touched, how often raised, how often cleared)``
        """
        # sudo: as above
        alarms = self.env["mrp.machine.alarm"].sudo()
        touched, raised, cleared = alarms.browse(), 0, 0
        if begun:
            touched, alarm, raised, events = begun, begun, 1, events[1:]
        for event in events:
            if later and event.occurred_us >= later:
                alarm, later = alarms._around(machine, {code: event.occurred_us})[code]
            if event.type == "alarm.raised":
                alarm = alarms._raise(machine.sudo(), code, event, alarm)
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
        return touched, raised, cleared

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
    def _cleared_before_raised(self, machine, alarms):
        """Return the effects of what cleared these alarms before anybody knew of them: their raise came later.

        :return: ``{code: mrp.machine.event.posting}``
        """
        active, found = alarms.filtered("is_active"), {}
        asked = [(alarm.code, alarm.last_raised_us) for alarm in active]
        for alarm, effects in zip(active, self._cleared_since(machine, self, "no_alarm", asked), strict=True):
            for effect in effects:
                if alarm._clear(effect.event_id):
                    found[alarm.code] = found.get(alarm.code, effects.browse()) | effect
        return found

    @api.model
    def _cleared_since(self, machine, handler, reason, asked):
        """Return what cleared alarms and had no effect with a handler, for it knew of none.

        :param handler: the handler, for whose effects is asked
        :param str reason: for which it let them go
        :param asked: ``[(code, since when, in microseconds since 1970)]``
        :return: for each that was asked the mrp.machine.event.posting of at most 100 events, in their order
        """
        # sudo: effects are the poster's matter
        effects = self.env["mrp.machine.event.posting"].sudo()
        found = [effects.browse() for _asked in asked]
        effects.flush_model()
        # By SQL: the log is large, and the index on machine and time finds the few events since then.
        self.env.cr.execute(
            """SELECT asked.number, cleared.effect_id
                 FROM unnest(%(moments)s::bigint[]) WITH ORDINALITY AS asked (us, number),
                      LATERAL (SELECT effect.id AS effect_id, event.occurred_us, event.id AS event_id
                                 FROM mrp_machine_event event
                                 JOIN mrp_machine_event_posting effect ON effect.event_id = event.id
                                WHERE event.machine_id = %(machine)s AND event.occurred_us >= asked.us
                                  AND event.type = 'alarm.cleared' AND effect.handler = %(handler)s
                                  AND effect.state = 'ignored' AND effect.reason = %(reason)s
                                ORDER BY event.occurred_us, event.id LIMIT 100) AS cleared
                ORDER BY asked.number, cleared.occurred_us, cleared.event_id""",
            {
                "moments": [us for _code, us in asked],
                "machine": machine.id,
                "handler": handler._handler_name(),
                "reason": reason,
            },
        )
        for number, effect_id in self.env.cr.fetchall():
            effect = effects.browse(effect_id)
            if self._code(effect.event_id) == asked[number - 1][0]:
                found[number - 1] |= effect
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
