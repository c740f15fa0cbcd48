import gzip
import json
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import json_default

#: Rows of the log, of the timeline or of the workers deleted in one transaction.
BATCH = 5000
#: Events whose effect is not settled are never touched.
OPEN_STATES = ("received", "waiting", "held", "failed")


class MachineRetention(models.AbstractModel):
    """Keeps log, postings and timeline at a constant size: archive to a file, then delete, in bounded batches."""

    _name = "mrp.machine.retention"
    _description = "Machine Data Retention"

    @api.model
    def _cron_trim(self):
        """Archive and delete what is older than the settings say, as far as one pass gets."""
        while True:
            deleted = self._trim_batch()
            remaining = BATCH if deleted else 0
            if not self.env["ir.cron"]._commit_progress(deleted, remaining=remaining) or not deleted:
                return

    @api.model
    def _trim_batch(self):
        """Delete one batch of each kind of rows that has a time of its own, and return how many they were."""
        return self._trim_events() + self._trim_intervals() + self._trim_workers()

    def _days(self, name):
        # sudo: settings are readable by administrators only; the scheduled action may run as somebody else
        return int(self.env["ir.config_parameter"].sudo().get_param(f"mrp_machine_connect.{name}_days") or 0)

    def _trim_events(self, limit=BATCH):
        """Delete one batch of settled events, with their effects and the postings that no other event has a part in."""
        days = self._days("event")
        if not days:
            return 0
        border = fields.Datetime.now() - timedelta(days=days)
        for model in ("mrp.machine.event", "mrp.machine.event.posting", "mrp.machine.interval", "mrp.machine.queue"):
            self.env[model].flush_model()
        # By SQL: the batch is found by the index on the time of receipt, and nobody waits for open ones.
        self.env.cr.execute(
            """SELECT event.id FROM mrp_machine_event event
                WHERE event.received < %s
                  AND NOT EXISTS (SELECT FROM mrp_machine_queue queue WHERE queue.event_id = event.id)
                  AND NOT EXISTS (SELECT FROM mrp_machine_event_posting row
                                   WHERE row.event_id = event.id AND row.state IN %s)
                  AND NOT EXISTS (SELECT FROM mrp_machine_interval interval WHERE interval.event_id = event.id
                                   AND interval.end_us IS NULL)
                ORDER BY event.received_us LIMIT %s""",
            [border, OPEN_STATES, limit],
        )
        ids = [row[0] for row in self.env.cr.fetchall()]
        if not ids:
            return 0
        events = self.env["mrp.machine.event"].browse(ids)
        effects = events.posting_ids
        postings = effects.posting_id.filtered(lambda posting: posting.event_posting_ids <= effects)
        # Together they answer what was said, who decided on it and why, and what it did to which document.
        self._archive("events", events)
        self._archive("effects", effects)
        self._archive("postings", postings)
        self.env["mrp.machine.interval"].search([("event_id", "in", ids)]).event_id = False
        effects.unlink()
        postings.unlink()
        events.with_context(machine_connect_retention=True).unlink()
        return len(ids)

    def _trim_intervals(self, limit=BATCH):
        """Delete one batch of the timeline's ended intervals whose time is booked."""
        ended = [("date_end", "!=", False), ("is_due", "=", False)]
        return self._trim_older("interval", "timeline", "date_end", ended, "start_us", limit)

    def _trim_workers(self, limit=BATCH):
        """Delete one batch of the workers that are gone; one that somebody is still told to look after stays."""
        untold = [("silence_activity_ids", "not any", [("active", "=", True)])]
        return self._trim_older("worker", "workers", "last_seen", untold, "last_seen", limit)

    def _trim_older(self, kind, what, moment, domain, order, limit):
        """Archive and delete one batch of the rows that are older than their setting says, and return how many they were.

        :param str kind: the end of the model's name, and the beginning of the setting's
        :param str what: the kind of rows, as their archive is named
        :param str moment: the field that tells how old a row is
        :param domain: what else must be true of a row
        """
        days = self._days(kind)
        if not days:
            return 0
        border = fields.Datetime.now() - timedelta(days=days)
        rows = self.env[f"mrp.machine.{kind}"].search([(moment, "<", border), *domain], order=order, limit=limit)
        self._archive(what, rows)
        rows.unlink()
        return len(rows)

    def _archive(self, what, records):
        """Write records as JSON lines to a compressed attachment, unless there are none or the settings say not to.

        :param str what: the kind of rows, which the file is named after
        """
        # sudo: see _days; attachments of settings are the administrators'
        if not records or self.env["ir.config_parameter"].sudo().get_param("mrp_machine_connect.archive") == "no":
            return
        names = [
            name
            for name, field in records._fields.items()
            if field.store and field.type not in ("one2many", "many2many") and field.column_type
        ]
        lines = [
            json.dumps(values, default=json_default, ensure_ascii=False, sort_keys=True)
            for values in records.read(names, load=None)
        ]
        self.env["ir.attachment"].sudo().create(
            {
                "name": f"machine-{what}-{fields.Datetime.now():%Y%m%dT%H%M%S}-{min(records.ids)}.jsonl.gz",
                "raw": gzip.compress("\n".join(lines).encode()),
                "mimetype": "application/gzip",
                "description": self.env._("Archived by the retention of machine data"),
            }
        )
