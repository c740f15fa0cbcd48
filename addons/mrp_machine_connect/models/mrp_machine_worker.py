from datetime import timedelta

from odoo import api, fields, models

#: A worker that did not say goodbye and was not heard for so long is gone.
WORKER_SILENT_SECONDS = 90


class MachineWorker(models.Model):
    """A process that polls and posts (``odoo machine_worker``, or Odoo's cron): when it was last alive."""

    _name = "mrp.machine.worker"
    _description = "Machine Worker"
    _log_access = False
    _order = "last_seen desc, id desc"

    name = fields.Char(required=True, readonly=True, help="Host and process.")
    kind = fields.Selection(
        [("worker", "Worker"), ("cron", "Scheduled action")],
        required=True,
        readonly=True,
        help="A process of its own beside Odoo, or Odoo's scheduled action on that host.",
    )
    started = fields.Datetime(readonly=True, help="When it was first heard.")
    last_seen = fields.Datetime(readonly=True, index=True, help="When it was heard last; it speaks each 10 seconds.")
    stopped = fields.Datetime(readonly=True, help="When it said goodbye; empty while it runs, or when it was killed.")
    connections = fields.Integer(readonly=True, help="Connections whose lease it holds.")
    events = fields.Integer(readonly=True, help="Events stored since it started.")
    silent_since = fields.Datetime(readonly=True, help="Since when the responsible persons know that it is gone.")
    silence = fields.Selection(
        [("alone", "No worker ran"), ("covered", "Another polled")],
        readonly=True,
        help="What the responsible persons were told: that nobody polls, or that another worker does.",
    )
    replaced_by_id = fields.Many2one(
        "mrp.machine.worker",
        readonly=True,
        ondelete="set null",
        index="btree_not_null",
        help="The worker that was started on its host after it was gone.",
    )
    silence_activity_ids = fields.Many2many(
        "mail.activity", string="Open Activities", readonly=True, help="By which it was told that it is gone."
    )

    _name_unique = models.UniqueIndex("(name)")

    def _host(self):
        """Return the name of the computer that this process runs on."""
        self.ensure_one()
        return self.name.partition(":")[0]

    @api.model
    def _alive(self):
        """Return the workers that were heard a moment ago and did not say goodbye."""
        border = fields.Datetime.now() - timedelta(seconds=WORKER_SILENT_SECONDS)
        return self.search([("kind", "=", "worker"), ("stopped", "=", False), ("last_seen", ">", border)])

    @api.model
    def _missing(self, alive):
        """Return the workers that are gone without a word and whose place on their host nobody took, the first gone first.

        A worker that was started on the same host later takes the place of one that is gone, and of no more than one.

        :param alive: the workers that live
        """
        alive.filtered("replaced_by_id").replaced_by_id = False
        gone = self.search(
            [
                ("kind", "=", "worker"),
                ("stopped", "=", False),
                ("replaced_by_id", "=", False),
                ("id", "not in", alive.ids),
            ],
            order="last_seen, id",
        )
        free = alive - self.search([("replaced_by_id", "in", alive.ids)]).replaced_by_id
        for worker in gone:
            heir = free.filtered(
                lambda other, worker=worker: (
                    other._host() == worker._host() and other.started and other.started > worker.last_seen
                )
            )[:1]
            if heir:
                worker.replaced_by_id = heir
                free -= heir
        return gone.filtered(lambda worker: not worker.replaced_by_id)
