from odoo import api, fields, models
from odoo.tools import plaintext2html

from ..moments import moment_words


class MachineSourceWatch(models.AbstractModel):
    """Notices sources that fall silent, and those that are refused again and again, and tells the person who is named."""

    _name = "mrp.machine.source.watch"
    _inherit = "mrp.machine.watch"
    _description = "Machine Event Source Watch"

    @api.model
    def _watch_sources(self):
        """Raise the activities of sources, one for each cause however often it occurs, and clear those that are over.

        To ask for an event that has not come yet is no mistake of its sender.
        """
        self.env.flush_all()
        # By SQL: one look at all sources. Who has no key yet is not missed.
        self.env.cr.execute(
            """SELECT source.id, heard.last,
                      source.active AND source.silent_after > 0 AND heard.last
                          < (now() AT TIME ZONE 'UTC') - source.silent_after * interval '1 minute',
                      source.active AND source.refused_limit > 0 AND refused.count >= source.refused_limit,
                      status.silent_since IS NOT NULL,
                      status.refused_told IS NOT DISTINCT FROM (now() AT TIME ZONE 'UTC')::date
                 FROM mrp_machine_source source
                 LEFT JOIN mrp_machine_source_status status ON status.source_id = source.id
                CROSS JOIN LATERAL (SELECT GREATEST(
                      (SELECT max(last) FROM mrp_machine_source_figure WHERE source_id = source.id),
                      (SELECT max(COALESCE(last_used, valid_from)) FROM mrp_machine_source_key
                        WHERE source_id = source.id)) AS last) heard
                CROSS JOIN LATERAL (SELECT sum(count) AS count FROM mrp_machine_refusal
                      WHERE source_id = source.id AND day = (now() AT TIME ZONE 'UTC')::date
                        AND reason <> 'trace_unknown') refused
                WHERE source.kind NOT IN ('poller', 'people', 'rules')"""
        )
        for source_id, last, is_silent, is_refused, told_silent, told_refused in self.env.cr.fetchall():
            source = self.env["mrp.machine.source"].browse(source_id)
            if is_silent and not told_silent:
                self._one(source.name, self._source_silent, source, last)
            elif told_silent and not is_silent:
                self._one(source.name, self._source_back, source)
            if is_refused and not told_refused:
                self._one(source.name, self._source_refused, source)

    def _source_status(self, source):
        statuses = self.env["mrp.machine.source.status"]
        return source.status_ids[:1] or statuses.create({"source_id": source.id})

    def _source_silent(self, source, last):
        self._source_status(source).silent_since = fields.Datetime.now()
        self._tell_source(
            source,
            "silent",
            self.env._("%s is silent", source.name),
            self.env._(
                "Nothing was heard of it since %(since)s. Is the sender running, and does it reach Odoo? Look also at "
                "what was refused of it: who is refused is not heard.",
                since=moment_words(source, last.replace(microsecond=0)),
            ),
        )

    def _source_back(self, source):
        self._source_status(source).silent_since = False
        self._source_activities(source, "silent").action_feedback(
            feedback=self.env._("It is heard again, or nobody waits for it any more.")
        )

    def _source_refused(self, source):
        self._source_status(source).refused_told = fields.Date.context_today(self.with_context(tz="UTC"))
        if self._source_activities(source, "refused"):
            return  # told already, on another day
        lines = source.refusal_ids.filtered(lambda line: line.day == fields.Datetime.now().date())
        most = lines.sorted("count", reverse=True)[:3]
        words = "\n".join(f"{line.words} ({line.count})" for line in most)
        self._tell_source(
            source,
            "refused",
            self.env._("Much of %s is refused", source.name),
            self.env._(
                "Requests and events that were refused today: %(count)s. Most often:", count=sum(lines.mapped("count"))
            )
            + "\n"
            + words,
        )

    def _source_activity_type(self, cause):
        return self.env.ref(f"mrp_machine_connect.activity_type_source_{cause}")

    def _source_activities(self, source, cause):
        kind = self._source_activity_type(cause)
        return source.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)

    def _tell_source(self, source, cause, title, text):
        """Give the person who is named for a source an activity."""
        user = source.responsible_id or source.create_uid
        source.with_context(mail_activity_quick_update=True).activity_schedule(
            activity_type_id=self._source_activity_type(cause).id,
            summary=title,
            note=plaintext2html(text),
            user_id=user.id,
            date_deadline=fields.Date.today(),
        )
