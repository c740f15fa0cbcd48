from odoo import api, models


class MachineHandlerWorkTime(models.AbstractModel):
    """The timeline becomes time on the work center, with the right loss, at the machine's own time."""

    _name = "mrp.machine.handler.work_time"
    _inherit = "mrp.machine.handler"
    _description = "Work Center Time"
    _event_types = ("machine.state_changed",)
    _handler_sequence = 20

    @api.model
    def _group(self, row):
        # An event whose state is not known yet has no time to book either.
        self.env["mrp.machine.handler.state_interval"]._state_of(row.event_id)
        return "time"

    @api.model
    def _post(self, group, rows):
        machine = rows.machine_id
        # sudo: the timeline is the poster's own; the time lines themselves are written as the service user
        intervals = (
            self.env["mrp.machine.interval"].sudo().search([("machine_id", "=", machine.id), ("is_due", "=", True)])
        )
        lines = intervals._project(self.env)
        return self._posting(
            rows,
            self.env._(
                "%(count)s time lines on %(workcenter)s", count=len(lines), workcenter=machine.workcenter_id.name
            )
            if machine.workcenter_id
            else self.env._("No work center, no time booked"),
            lines[-1:] or None,
            duration=sum(intervals.mapped("duration")),
        )
