from odoo import api, models


class MachineHandlerWorkTime(models.AbstractModel):
    """The timeline becomes time on the work center, with the right loss, at the machine's own time."""

    _name = "mrp.machine.handler.work_time"
    _inherit = "mrp.machine.handler"
    _description = "Work Center Time"
    _event_types = ("machine.state_changed", "production.setup_started", "production.setup_ended")
    _handler_sequence = 20

    @api.model
    def _takes(self, event):
        # An event whose state nobody knows yet has no time to book either, and waits once: in the timeline. When its
        # word has a meaning, that effect is tried again, and this one comes with it.
        return super()._takes(event) and self.env["mrp.machine.handler.state_interval"]._is_known(event)

    @api.model
    def _group(self, row):
        return "time"

    @api.model
    def _post(self, group, rows):
        machine = rows.machine_id
        # sudo: the timeline is the poster's own; the time lines themselves are written as the service user
        intervals = (
            self.env["mrp.machine.interval"]
            .sudo()
            .search([("machine_id", "=", machine.id), ("is_due", "=", True)])
            ._bookable()
        )
        lines = intervals._project(self.env)
        return self._posting(
            rows,
            self._summarize(len(lines), machine.workcenter_id),
            lines[-1:] or None,
            duration=sum(intervals.mapped("duration")),
        )

    @api.model
    def _summarize(self, lines, workcenter):
        _ = self.env._
        if not workcenter:
            return _("No work center, no time booked")
        if lines == 1:
            return _("1 time line on %s", workcenter.name)
        return _("%(count)s time lines on %(workcenter)s", count=lines, workcenter=workcenter.name)
