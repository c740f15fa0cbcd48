import logging

from psycopg2 import OperationalError

from odoo import api, fields, models

_logger = logging.getLogger(__name__)

#: A worker that did not say goodbye and was not heard for so long is gone.
WORKER_SILENT_SECONDS = 90


class MachineWatch(models.AbstractModel):
    """Notices who falls silent, tells the person who is named for it once, and takes it back when all is well again."""

    _name = "mrp.machine.watch"
    _description = "Machine Watch"

    @api.model
    def _cron_watch(self):
        """Look once at all connections and workers."""
        self._watch_connections()
        self._watch_workers()

    @api.model
    def _watch_connections(self):
        """Raise and clear the activity of each connection whose machine is silent longer than it may be."""
        for model in ("mrp.machine", "mrp.machine.connection", "mrp.machine.connection.status"):
            self.env[model].flush_model()
        # By SQL: one look at all connections by PostgreSQL's clock.
        self.env.cr.execute(
            """SELECT status.id,
                      machine.silent_after > 0 AND connection.active AND machine.active
                      AND coalesce(status.last_ok, connection.create_date)
                          < (clock_timestamp() AT TIME ZONE 'UTC')
                            - greatest(machine.silent_after * 60, 3 * connection.interval) * interval '1 second'
                 FROM mrp_machine_connection_status status
                 JOIN mrp_machine_connection connection ON connection.id = status.connection_id
                 JOIN mrp_machine machine ON machine.id = connection.machine_id"""
        )
        silent_by_status = dict(self.env.cr.fetchall())
        statuses = self.env["mrp.machine.connection.status"].browse(silent_by_status)
        for status in statuses:
            silent = silent_by_status[status.id]
            if silent and not status.silent_since:
                self._one(self._connection_silent, status)
            elif status.silent_since and not silent:
                self._one(self._connection_back, status)

    def _one(self, tell, status):
        """Tell of one connection in a savepoint: what fails for it must not keep the others from being told."""
        try:
            with self.env.cr.savepoint():
                tell(status)
        except OperationalError:
            raise
        except Exception:
            _logger.exception("nobody could be told of %s", status.connection_id.name)

    def _connection_silent(self, status):
        connection = status.connection_id
        machine = connection.machine_id
        since = status.last_ok or connection.create_date
        status.silent_since = fields.Datetime.now()
        machine.status_id.health = "silent"
        self._tell(
            machine,
            machine.responsible_id,
            self.env._("%s is silent", machine.name),
            self.env._(
                "Nothing was heard by %(connection)s since %(since)s (UTC). %(why)s",
                connection=connection.name,
                since=fields.Datetime.to_string(since),
                why=connection.health_message if status.code else self._no_poller_words(connection),
            ),
        )

    def _no_poller_words(self, connection):
        if connection.polled_by == "worker":
            return self.env._("No worker polls it: is «odoo machine_worker» running?")
        return self.env._("The scheduled action did not poll it: are scheduled actions running?")

    def _connection_back(self, status):
        machine = status.connection_id.machine_id
        status.silent_since = False
        if any(machine.connection_ids.status_id.mapped("silent_since")):
            return
        if machine.status_id.health == "silent":
            machine.status_id.health = "ok" if machine.connection_ids else "none"
        self._clear(machine, self.env._("Heard again at %s (UTC).", status.last_ok))

    @api.model
    def _watch_workers(self):
        """Raise and clear the activity of each worker process that is gone without a word."""
        workers = self.env["mrp.machine.worker"].search([("kind", "=", "worker")])
        now = fields.Datetime.now()
        alive = workers.filtered(
            lambda worker: not worker.stopped and (now - worker.last_seen).total_seconds() < WORKER_SILENT_SECONDS
        )
        machines = self.env["mrp.machine"].search([("connection_ids.polled_by", "=", "worker")])
        if not machines:
            return
        gone = workers.filtered(lambda worker: not worker.stopped and worker not in alive and not worker.silent_since)
        for worker in gone:
            worker.silent_since = now
            if alive:
                # Another worker took over; the responsible person learns of it without an alarm.
                _logger.warning("machine worker %s is gone; its connections are polled by another", worker.name)
                continue
            machine = machines[:1]
            self._tell(
                machine,
                machine.responsible_id,
                self.env._("No machine worker is running"),
                self.env._(
                    "The worker %(name)s was last heard at %(time)s (UTC) and no other one runs, so %(count)s machines "
                    "are not polled. Start «odoo machine_worker» again.",
                    name=worker.name,
                    time=fields.Datetime.to_string(worker.last_seen),
                    count=len(machines),
                ),
                kind="worker",
            )
        if alive:
            lost = workers.filtered("silent_since") - alive
            if lost:
                for machine in machines:
                    self._clear(machine, self.env._("A worker runs again."), kind="worker")
                lost.write({"silent_since": False, "stopped": now})

    def _activity_type(self, kind):
        return self.env.ref(f"mrp_machine_connect.activity_type_{kind}_silent")

    def _tell(self, machine, user, title, text, kind="machine"):
        """Give a person an activity on the machine and a mail."""
        user = user or machine.create_uid
        activity_type = self._activity_type(kind)
        # The template below is the one mail; the activity's own would be a second.
        machine.with_context(mail_activity_quick_update=True).activity_schedule(
            activity_type_id=activity_type.id,
            summary=title,
            note=text,
            user_id=user.id,
            date_deadline=fields.Date.today(),
        )
        template = self.env.ref("mrp_machine_connect.mail_template_silent")
        template.with_context(silent_title=title, silent_text=text).send_mail(
            machine.id, email_values={"recipient_ids": [(4, user.partner_id.id)]}
        )
        _logger.warning("%s: %s", title, text)

    def _clear(self, machine, text, kind="machine"):
        """Take the activity back, with a line in the chatter."""
        machine.activity_ids.filtered(
            lambda activity: activity.activity_type_id == self._activity_type(kind)
        ).action_feedback(feedback=text)
