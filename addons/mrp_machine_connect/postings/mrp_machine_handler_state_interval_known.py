"""A word of the machine gets its meaning: all states that waited for it, at once."""

from odoo import api, models

#: What the group of such states begins with.
KNOWN = "known"


class MachineHandlerStateInterval(models.AbstractModel):
    _inherit = "mrp.machine.handler.state_interval"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _groups(self, rows):
        """Sort events by their effect: those that stand in the timeline as unknown and have one meaning by now go together.

        A thousand of them are one change of the timeline, and one effect.
        """
        waited = rows.filtered(lambda row: (row.event_id.data or {}).get("unmapped") not in (None, ""))
        if len(waited) < 2:
            return super()._groups(rows)
        # sudo: the timeline is the poster's own; people only read it
        timeline = self.env["mrp.machine.interval"].sudo()
        standing = timeline.search_fetch(
            [("machine_id", "=", rows.machine_id.id), ("event_id", "in", waited.event_id.ids)], ["event_id"]
        ).event_id

        def group_of(row):
            if row.event_id not in standing or not self._is_known(row.event_id):
                return row.id
            state, reason, code = self._state_of(row.event_id)
            return KNOWN, state, reason, code.id

        return self._sort(rows, group_of)

    @api.model
    def _post(self, group, rows):
        if not isinstance(group, tuple) or group[0] != KNOWN:
            return super()._post(group, rows)
        _known, state, reason, code_id = group
        events, machine = rows.event_id, rows.machine_id
        # sudo: as above
        timeline = self.env["mrp.machine.interval"].sudo()
        intervals = timeline.search([("machine_id", "=", machine.id), ("event_id", "in", events.ids)], order="start_us")
        code = self.env["mrp.machine.code"].browse(code_id or [])
        intervals.write({"state": state, "reason": reason, "loss_id": code.loss_id.id})
        intervals._schedule_projection()
        if machine._knows_setup(events[-1].occurred_us):
            for event in events:
                machine._lay_setup(event.occurred_us)
        first, last = intervals[0].start_us, intervals[-1].end_us
        machine._join_time(first, last)
        self._show_latest(machine, events, state, reason)
        interval = timeline.search(
            [("machine_id", "=", machine.id), ("start_us", "<=", first)], order="start_us desc", limit=1
        )
        return self._posting(
            rows,
            self.env._("%(machine)s: %(state)s", machine=machine.name, state=interval._state_label()),
            interval,
            production_id=interval.production_id.id,
            workorder_id=interval.workorder_id.id,
        )

    @api.model
    def _show_latest(self, machine, events, state, reason):
        """Show on the machine what the latest of some events said; its hot row refuses older news."""
        status = machine.sudo().status_id  # sudo: the hot row is the engine's own
        if (status.state, status.reason or "") != (state, reason):
            self.env["mrp.machine.event"].sudo()._show_state(machine, state, reason, events[-1].occurred)
