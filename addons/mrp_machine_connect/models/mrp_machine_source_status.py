from psycopg2.extras import Json

from odoo import api, fields, models

from ..fields import BigInteger
from ..machine_connect import clock
from ..machine_connect.gaps import watermark
from ..machine_connect.instants import microseconds
from ..machine_connect.timestamps import timestamp

#: Streams whose marks stand in the answer to a heartbeat that names none.
MOST_STREAMS = 1_000


class MachineSourceStatus(models.Model):
    """The source's hot row: written by its heartbeats, so that none meets a person saving the form."""

    _name = "mrp.machine.source.status"
    _description = "Status of a Machine Event Source"
    _log_access = False
    _rec_name = "source_id"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="source_id.company_id")
    heard = fields.Datetime(readonly=True, help="When its last heartbeat came.")
    clock_offset = fields.Float(
        readonly=True, digits=(16, 6), help="Seconds by which its clock was ahead of ours then."
    )
    software = fields.Char(readonly=True, help="What it runs, as it says itself.")
    version = fields.Char(readonly=True, help="The version of that.")
    spool_depth = BigInteger(readonly=True, help="Events that it has not delivered yet.")
    spool_oldest = fields.Float(readonly=True, help="Seconds for which the oldest of them waits.")
    streams = fields.Json(readonly=True, help="The last number that it gave in each stream.")
    silent_since = fields.Datetime(readonly=True, help="Since when its silence is told.")
    refused_told = fields.Date(readonly=True, help="The last day on which it was told that much is refused.")

    _source_unique = models.UniqueIndex("(source_id)")

    @api.model
    def _note_heartbeat(self, source, heartbeat, config_tag):
        """Keep what a sender says of itself, and return the answer.

        :param source: the mrp.machine.source that signed the request
        :param heartbeat: :class:`machine_connect.heartbeat.Heartbeat`
        :param str config_tag: the entity tag of its configuration
        :return: the answer, and the seconds by which its clock is ahead of ours, or None
        """
        now = clock.now()
        offset = None if heartbeat.time is None else (heartbeat.time - microseconds(now)) / 1e6
        # By SQL: one statement that is right for any number of workers and hosts.
        self.env.cr.execute(
            """INSERT INTO mrp_machine_source_status
                      (source_id, heard, clock_offset, software, version, spool_depth, spool_oldest, streams)
               VALUES %s
               ON CONFLICT (source_id) DO UPDATE SET
                      heard = EXCLUDED.heard, clock_offset = EXCLUDED.clock_offset, software = EXCLUDED.software,
                      version = EXCLUDED.version, spool_depth = EXCLUDED.spool_depth,
                      spool_oldest = EXCLUDED.spool_oldest, streams = EXCLUDED.streams""",
            [
                (
                    source.id,
                    now.replace(tzinfo=None),
                    offset,
                    heartbeat.software,
                    heartbeat.version,
                    heartbeat.spool_depth,
                    heartbeat.oldest_age,
                    Json([list(stream) for stream in heartbeat.streams]),
                )
            ],
        )
        answer = {
            "time": timestamp(microseconds(now)),
            "config": config_tag,
            "watermarks": self._watermarks(source, {stream[:2] for stream in heartbeat.streams}),
        }
        return answer, offset

    def _watermarks(self, source, wanted):
        """Return up to where streams of a source are complete: those asked for, else the first so many by name.

        :param wanted: ``(stream, epoch)``
        """
        cr = self.env.cr
        # By SQL: the log's own tables, at each heartbeat.
        cr.execute(
            """SELECT id, name, epoch, sequence FROM mrp_machine_stream
                WHERE source_id = %s AND lowest IS NOT NULL AND (%s OR (name, epoch) IN %s)
                ORDER BY name, epoch LIMIT %s""",
            [source.id, not wanted, tuple(wanted) or (("", 0),), MOST_STREAMS],
        )
        streams = cr.fetchall()
        cr.execute(
            "SELECT stream_id, missing FROM mrp_machine_gap WHERE closed IS NULL AND stream_id = ANY(%s)",
            [[stream[0] for stream in streams]],
        )
        missing = {}
        for stream_id, ranges in cr.fetchall():
            missing.setdefault(stream_id, []).extend(tuple(found) for found in ranges)
        return [
            {"source": name, "epoch": epoch, "sequence": watermark(highest, missing.get(stream_id, ()))}
            for stream_id, name, epoch, highest in streams
        ]
