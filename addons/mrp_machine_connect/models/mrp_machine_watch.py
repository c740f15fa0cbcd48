import logging

from odoo import api, fields, models
from odoo.fields import Command

from ..moments import moment_words
from ..polling_host import PASSING

_logger = logging.getLogger(__name__)


class MachineWatch(models.AbstractModel):
    """Notices who falls silent, tells the person who is named for it once, and takes it back when all is well again."""

    _name = "mrp.machine.watch"
    _description = "Machine Watch"

    @api.model
    def _cron_watch(self):
        """Look once at all connections, workers and sources."""
        self._watch_connections()
        self._watch_workers()
        self.env["mrp.machine.source.watch"]._watch_sources()

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
                self._one(status.connection_id.name, self._connection_silent, status)
            elif status.silent_since and not silent:
                self._one(status.connection_id.name, self._connection_back, status)

    def _one(self, name, tell, *arguments):
        """Tell of one thing in a savepoint: what fails for it must not keep the others from being told."""
        try:
            with self.env.cr.savepoint():
                tell(*arguments)
        except PASSING:
            raise
        except Exception:
            _logger.exception("nobody could be told of %s", name)

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
                "Nothing was heard by %(connection)s since %(since)s. %(why)s",
                connection=connection.name,
                since=moment_words(machine, since),
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
        self._clear(machine, self.env._("Heard again at %s.", moment_words(machine, status.last_ok)))

    @api.model
    def _watch_workers(self):
        """Raise and clear the activities of the worker processes that are gone without a word."""
        workers = self.env["mrp.machine.worker"]
        machines = self.env["mrp.machine"].search([("connection_ids.polled_by", "=", "worker")])
        alive = workers._alive()
        missing = workers._missing(alive)
        for worker in workers.search([("silence", "!=", False)]) - missing:
            self._one(worker.name, self._worker_back, worker, missing)
        over = {"alone", "covered"} if not machines else {"alone"} if alive else set()
        for worker in missing.filtered(lambda worker: worker.silence in over):
            self._one(worker.name, self._no_worker_over, worker)
        untold = missing.filtered(lambda worker: not worker.silence)
        if not machines or not untold:
            return
        # Noted whoever can be told: what fails for one person must not tell the others again each minute.
        untold.write({"silent_since": fields.Datetime.now(), "silence": "covered" if alive else "alone"})
        for user, theirs in self._persons(machines).items():
            if alive:
                for worker in untold:
                    self._one(worker.name, self._worker_gone, worker, alive, user, theirs)
            else:
                self._one(untold[-1].name, self._no_worker, untold, user, theirs)

    def _persons(self, machines):
        """Return ``{person to be told: their machines}``."""
        return machines.grouped(lambda machine: machine.responsible_id or machine.create_uid)

    def _worker_gone(self, worker, alive, user, machines):
        """Tell a person that a worker is gone, while others do its work."""
        activity = self._tell(
            machines[0],
            user,
            self.env._(
                "Worker %(name)s is gone; its machines are polled by %(others)s",
                name=worker.name,
                others=", ".join(sorted(alive.mapped("name"))),
            ),
            self.env._(
                "It was last heard at %(time)s and did not say goodbye. No piece is lost, but there is one worker "
                "less for the next failure. Start «odoo machine_worker» on %(host)s again, and look there why it ended.",
                time=moment_words(worker, worker.last_seen),
                host=worker._host(),
            ),
            kind="worker",
        )
        worker.silence_activity_ids = [Command.link(activity.id)]

    def _no_worker(self, workers, user, machines):
        """Tell a person that the last workers are gone, and nobody is left."""
        activity = self._tell(
            machines[0],
            user,
            self.env._("No machine worker is running"),
            self.env._(
                "The worker %(name)s was last heard at %(time)s and no other one runs, so %(count)s machines "
                "are not polled. Start «odoo machine_worker» again.",
                name=", ".join(workers.mapped("name")),
                time=moment_words(workers, max(workers.mapped("last_seen"))),
                count=len(machines),
            ),
            kind="worker",
        )
        workers.silence_activity_ids = [Command.link(activity.id)]

    def _worker_back(self, worker, missing):
        """Take back what was told of a worker: it is heard again, it said goodbye, or another took its place."""
        if heir := worker.replaced_by_id:
            words = self.env._("Worker %(heir)s took the place of %(name)s.", heir=heir.name, name=worker.name)
        elif worker.stopped:
            words = self.env._("Worker %s said goodbye.", worker.name)
        else:
            words = self.env._("Worker %s is heard again.", worker.name)
            worker.silent_since = False
        worker.silence = False
        # One activity may be told of several; it stands as long as one of them is missing.
        (worker.silence_activity_ids - missing.silence_activity_ids).action_feedback(feedback=words)

    def _no_worker_over(self, worker):
        """Take back that nobody polls; that this worker is missing is told anew, unless a person ticked it off."""
        open_activities = worker.silence_activity_ids
        worker.silence = False if open_activities else "covered"
        open_activities.action_feedback(feedback=self.env._("A worker runs again, or none is needed."))

    def _activity_type(self, kind):
        return self.env.ref(f"mrp_machine_connect.activity_type_{kind}_silent")

    def _tell(self, machine, user, title, text, kind="machine"):
        """Give a person an activity on the machine and a mail; return the activity."""
        user = user or machine.create_uid
        activity_type = self._activity_type(kind)
        # The template below is the one mail; the activity's own would be a second.
        activity = machine.with_context(mail_activity_quick_update=True).activity_schedule(
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
        return activity

    def _clear(self, machine, text):
        """Take the activity of a silent machine back, with a line in the chatter."""
        machine.activity_ids.filtered(
            lambda activity: activity.activity_type_id == self._activity_type("machine")
        ).action_feedback(feedback=text)
