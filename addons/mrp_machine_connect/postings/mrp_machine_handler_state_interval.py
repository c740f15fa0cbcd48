from odoo import api, models

from .outcome import Ignored, Waiting


class MachineHandlerStateInterval(models.AbstractModel):
    """State changes become the machine's timeline; one that comes late splices into it."""

    _name = "mrp.machine.handler.state_interval"
    _inherit = "mrp.machine.handler"
    _description = "Timeline"
    _event_types = ("machine.state_changed",)
    _touches_documents = False
    _handler_sequence = 5

    @api.model
    def _state_of(self, event):
        """Return ``(state, reason, code record)`` of an event; a code mapped or a table chosen since then counts.

        :raise Waiting: the machine's own word for its state is not mapped
        """
        data = event.data or {}
        raw = data.get("raw_value")
        code = self.env["mrp.machine.code"]
        if raw not in (None, ""):
            code = code._lookup(event.machine_id, "state", raw)
        if code:
            return code.state, code.label or data.get("reason") or "", code
        unmapped = data.get("unmapped")
        if unmapped not in (None, ""):
            state = event.signal_id._state_for(raw) if event.signal_id else None
            if state:
                return state, data.get("reason") or "", code
            raise Waiting("unknown_code", self._unknown_words(event.signal_id, unmapped), detail=f"state:{unmapped}")
        return data["state"], data.get("reason") or "", code

    @api.model
    def _is_known(self, event):
        """Return whether it is known by now which state an event tells."""
        if (event.data or {}).get("unmapped") in (None, ""):
            return True
        try:
            self._state_of(event)
        except Waiting:
            return False
        return True

    @api.model
    def _unknown_words(self, signal, word):
        if signal and not signal.state_table:
            return self.env._(
                "The machine says «%(word)s», and the signal «%(signal)s» has no State Table that says which state that is.",
                word=word,
                signal=signal.name,
            )
        return self.env._("The machine says «%s», and nobody has said yet which state that is.", word)

    @api.model
    def _said_again(self, interval, at, end):
        """Return the next event after a moment that said the state of an interval again, or None.

        :param int at: the moment, in microseconds since 1970
        :param int end: up to where; 0 when the state lasts
        """
        self.env["mrp.machine.event.posting"].flush_model()
        # By SQL: the log is large, and the index on machine and time makes this one step.
        self.env.cr.execute(
            """SELECT event.id FROM mrp_machine_event event
                 JOIN mrp_machine_event_posting row ON row.event_id = event.id
                WHERE event.machine_id = %(machine)s AND row.handler = %(handler)s
                  AND (row.state = 'posted' OR row.reason = 'no_change')
                  AND event.occurred_us > %(at)s AND event.occurred_us < coalesce(%(end)s, 9223372036854775807)
                ORDER BY event.occurred_us, event.id LIMIT 20""",
            {
                "machine": interval.machine_id.id,
                "handler": self._handler_name(),
                "at": at,
                "end": end or None,
            },
        )
        for event in self.env["mrp.machine.event"].browse([row[0] for row in self.env.cr.fetchall()]):
            # One that another word of the same moment took back says nothing.
            if self._is_known(event) and self._state_of(event)[:2] == (interval.state, interval.reason or ""):
                return event
        return None

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id
        waiting = None
        try:
            state, reason, code = self._state_of(event)
        except Waiting as unmapped:
            # The former state is over all the same: from here on the time is nobody's, until the word has a meaning.
            state, reason, code, waiting = "unknown", "", self.env["mrp.machine.code"], unmapped
        said = {
            "state": state,
            "reason": reason,
            "raw_value": (event.data or {}).get("raw_value"),
            "loss_id": code.loss_id.id,
            "event_id": event.id,
        }
        # sudo: the timeline is the poster's own; people only read it
        timeline = self.env["mrp.machine.interval"].sudo()
        interval = timeline.search([("machine_id", "=", machine.id), ("event_id", "=", event.id)], order="start_us")
        if not interval:
            interval = self._splice(timeline, event, said, waiting)
        elif not waiting:
            # It stood there as unknown, in several pieces where the order changed meanwhile.
            interval.write(said)
            interval._schedule_projection()
            machine._lay_setup(event.occurred_us)
            interval = self._joined(timeline, machine, interval)
        if waiting:
            return waiting
        status = machine.sudo().status_id  # sudo: the hot row is the engine's own
        if (status.state, status.reason or "") != (state, reason):
            # The hot row showed what the event said when it came, or nothing of one that was held. It refuses older
            # news, and is left alone where it is right: the next poll writes it while this posting goes on.
            self.env["mrp.machine.event"].sudo()._show_state(machine, state, reason, event.occurred)
        interval = interval[:1]
        return self._posting(
            rows,
            self.env._("%(machine)s: %(state)s", machine=machine.name, state=interval._state_label()),
            interval,
            production_id=interval.production_id.id,
            workorder_id=interval.workorder_id.id,
        )

    @api.model
    def _splice(self, timeline, event, said, waiting):
        """Let a state begin in the timeline at the moment of its event, and return its interval.

        :param dict said: the values of the interval that the event knows of
        :param waiting: why the meaning of the event is not known yet, or None
        :raise Ignored: the machine was in this state already
        """
        machine = event.machine_id
        at = event.occurred_us
        current = timeline.search(
            [
                ("machine_id", "=", machine.id),
                ("start_us", "<=", at),
                "|",
                ("end_us", "=", False),
                ("end_us", ">", at),
            ],
            order="start_us desc",
            limit=1,
        )
        if current and self._says_the_same(current, said, waiting):
            raise Ignored("no_change", self.env._("The machine was in this state already."))
        if current.event_id.occurred_us == at and current.event_id.id > event.id:
            raise Ignored("no_change", self.env._("The machine took this back at the same moment."))
        if current:
            interval = self._say_within(timeline, current, event, said)
        else:
            following = timeline.search(
                [("machine_id", "=", machine.id), ("start_us", ">", at)], order="start_us", limit=1
            )
            interval = timeline.create(
                {
                    **said,
                    **self._place(event),
                    "machine_id": machine.id,
                    "start_us": at,
                    "end_us": following.start_us or False,
                }
            )
            interval._schedule_projection()
        machine._divide_time(interval)
        machine._lay_setup(at)
        return self._joined(timeline, machine, interval)

    @api.model
    def _place(self, event):
        """Return the values that say where the machine was and what it worked on at the moment of an event."""
        production, workorder = event.machine_id._order_for_time(event)
        return {
            "workcenter_id": event.machine_id.workcenter_id.id,
            "production_id": production.id,
            "workorder_id": workorder.id,
        }

    @api.model
    def _say_within(self, timeline, current, event, said):
        """Let a state take the place of another from its moment on, up to where the machine spoke next.

        The other may lie there in several pieces, where the order changed or a setup began; none of them was a word.

        :param current: the interval that covers the moment
        :return: the interval that begins at the moment
        """
        machine, at, former = event.machine_id, event.occurred_us, current.event_id
        pieces = [("machine_id", "=", machine.id), ("event_id", "=", former.id), ("start_us", ">=", current.start_us)]
        again = self._said_again(current, at, timeline.search(pieces, order="start_us desc", limit=1).end_us)
        machine._cut_time(at)
        if again:
            # The machine came back to the former state, which was no news at the time.
            machine._cut_time(again.occurred_us)
        pieces = timeline.search([*pieces, ("start_us", ">=", at)], order="start_us")
        for piece in pieces:
            if again and piece.start_us >= again.occurred_us:
                place = self._place(again) if piece.start_us == again.occurred_us else {}
                piece.write({"event_id": again.id, **place})
            else:
                place = self._place(event) if piece.start_us == at else {}
                piece.write({**said, **place})
        (current | pieces)._schedule_projection()
        return pieces[:1]

    @api.model
    def _joined(self, timeline, machine, intervals):
        """Return the interval that an event's state begins in or goes on in, once neighbours that say the same are one."""
        first, last = intervals[0].start_us, intervals[-1].end_us
        machine._join_time(first, last)
        return timeline.search(
            [("machine_id", "=", machine.id), ("start_us", "<=", first)], order="start_us desc", limit=1
        )

    @api.model
    def _says_the_same(self, interval, said, waiting):
        """Return whether what an event says of the state is what its interval says already.

        A word without a meaning is never the same as another, nor as a state that is unknown for a reason: each may come
        to mean something else.
        """
        if waiting or not self._is_known(interval.event_id):
            return False
        return interval.state == said["state"] and (interval.reason or "") == said["reason"]
