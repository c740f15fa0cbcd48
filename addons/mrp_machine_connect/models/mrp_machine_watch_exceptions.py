"""Who is told that events wait for a person: once, and taken back when nothing waits any more."""

import json

from odoo import api, fields, models


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    exceptions_after = fields.Float(
        string="Tell of Exceptions After (min)",
        default=30.0,
        help="So long an event waits for a person, and the responsible person gets an activity, one for all that waits on "
        "the machine. 0: nobody is told.",
    )


class MachineStatus(models.Model):
    _inherit = "mrp.machine.status"  # pylint: disable=consider-merging-classes-inherited; one question a file

    exceptions_told = fields.Text(readonly=True, help="The causes of exceptions that the responsible person knows of.")


class MachineWatch(models.AbstractModel):
    _inherit = "mrp.machine.watch"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _cron_watch(self):
        result = super()._cron_watch()
        self._watch_exceptions()
        return result

    @api.model
    def _watch_exceptions(self):
        """Tell the responsible persons of causes that wait for too long, and take it back where nothing waits."""
        rows = self.env["mrp.machine.event.posting"]
        rows.flush_model()
        for model in ("mrp.machine", "mrp.machine.status"):
            self.env[model].flush_model()
        # By SQL: one look at all that is open, by PostgreSQL's clock.
        self.env.cr.execute(
            """SELECT line.machine_id, array_agg(DISTINCT line.handler || '/' || coalesce(line.reason, '')
                                                 || '/' || coalesce(line.detail, ''))
                 FROM mrp_machine_event_posting line
                 JOIN mrp_machine machine ON machine.id = line.machine_id
                WHERE line.state IN ('waiting', 'held', 'failed') AND line.reason IS DISTINCT FROM 'paused'
                  AND machine.exceptions_after > 0 AND machine.active
                  AND line.write_date < (clock_timestamp() AT TIME ZONE 'UTC')
                                        - machine.exceptions_after * interval '1 minute'
                GROUP BY line.machine_id"""
        )
        waits = {machine_id: sorted(causes) for machine_id, causes in self.env.cr.fetchall()}
        told = self.env["mrp.machine.status"].search([("exceptions_told", "!=", False)]).machine_id
        for machine in self.env["mrp.machine"].browse(waits) | told:
            known = json.loads(machine.status_id.exceptions_told or "[]")
            causes = waits.get(machine.id, [])
            if set(causes) - set(known):
                self._one(machine.name, self._exceptions_wait, machine, causes)
            elif known and not causes and not machine.exception_count:
                self._one(machine.name, self._exceptions_over, machine)

    def _exceptions_wait(self, machine, causes):
        """Give the responsible person one activity for all that waits on a machine; an open one says it anew."""
        machine.status_id.exceptions_told = json.dumps(causes)
        lines = self.env["mrp.machine.exception"].search([("machine_id", "=", machine.id), ("reason", "!=", "paused")])
        title = self.env._("%s: events wait for you", machine.name)
        note = "\n".join(
            self.env._("%(count)s: %(why)s", count=line.events, why=line.message or line.reason) for line in lines[:5]
        )
        user = machine.responsible_id or machine.create_uid
        open_one = self._exceptions_activity(machine)
        if open_one:
            open_one.write({"note": note})
            return
        machine.activity_schedule(
            activity_type_id=self.env.ref("mrp_machine_connect.activity_type_exceptions").id,
            summary=title,
            note=note,
            user_id=user.id,
            date_deadline=fields.Date.today(),
        )

    def _exceptions_over(self, machine):
        machine.status_id.exceptions_told = False
        self._exceptions_activity(machine).action_feedback(feedback=self.env._("Nothing waits any more."))

    def _exceptions_activity(self, machine):
        kind = self.env.ref("mrp_machine_connect.activity_type_exceptions")
        return machine.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)[:1]
