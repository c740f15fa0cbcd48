from odoo import api, fields, models


class MrpWorkcenter(models.Model):
    _inherit = "mrp.workcenter"  # pylint: disable=consider-merging-classes-inherited; one question a file

    machine_time_guard = fields.Integer(
        "Writes of Machine Time",
        readonly=True,
        copy=False,
        help="Grows with each time that is booked where several machines share a work center: two writers at once, of "
        "which neither sees the other's, are told from each other by it.",
    )


class WorkcenterProductivity(models.Model):
    _inherit = "mrp.workcenter.productivity"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        lines._let_machines_follow()
        return lines

    def write(self, vals):
        """Let the machine's time on a work order follow when a person's own is corrected, however late."""
        moved = bool({"date_start", "date_end", "workorder_id", "user_id"} & vals.keys())
        if moved:
            self._let_machines_follow()
        result = super().write(vals)
        if moved:
            self._let_machines_follow()
        return result

    def unlink(self):
        self._let_machines_follow()
        return super().unlink()

    def _let_machines_follow(self):
        """Note that the time of machines beside these timers of people is to be booked anew."""
        service = self.env.ref("mrp_machine_connect.user_machine_connect")
        for line in self.filtered(lambda line: line.workorder_id and line.user_id != service):
            domain = [
                ("workorder_id", "=", line.workorder_id.id),
                "|",
                ("date_end", "=", False),
                ("date_end", ">", line.date_start),
            ]
            if line.date_end:
                domain.append(("date_start", "<", line.date_end))
            # sudo: whoever keeps their own time need not be allowed to touch what machines do
            self.env["mrp.machine.interval"].sudo().search(domain)._schedule_projection()
