"""What the machine itself says of the order that it works on: in order or late, each word splices into what was loaded."""

from datetime import timedelta

from odoo import api, models
from odoo.fields import Domain

from ..machine_connect.state import same
from ..moments import microseconds_of, moment_words
from ..order_words import BEGUN, LEFT
from ..postings.outcome import Ignored

#: What may have waited for the order of its time.
FOR_ORDER = (
    *("no_order", "order_untold", "ambiguous", "order_closed", "order_draft"),
    *("draft_order", "order_complete", "over_production"),
)
#: The shortest time there is in the log.
INSTANT = timedelta(microseconds=1)


class MachineLoading(models.Model):
    _inherit = "mrp.machine.loading"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _tell(self, machine, production, workorder, event, **values):
        """Let an order begin on a machine by its own word: up to its next word, or to the next order that was loaded.

        Where another one had that time, it ends there: what the machine says at a moment counts from that moment.

        :param event: the mrp.machine.event that says so
        :param values: further values of the loading
        :return: the loading
        :raise Ignored: it ran already
        """
        at = event.occurred
        before = self._at(machine, at)
        if before._is_of(production, workorder):
            raise Ignored("no_change", self.env._("%s is loaded already.", (workorder or production).display_name))
        if before.date_start == at and before.event_id.id > event.id:
            raise Ignored("no_change", self.env._("The machine named another order at the same moment."))
        until = min(filter(None, [before.date_end, self._next_start(machine, at)]), default=False)
        word = self._next_word(before, event, until)
        if before:
            before._cut(at)
        loading = self._put(machine, production, workorder, at, word.occurred or until, event_id=event.id, **values)
        if word:
            self._after_word(machine, loading, before, word, until)
        return loading

    def _leave_by(self, event):
        """End a loading, if there is one, by the machine's own word: up to its next word the time is nobody's.

        Pieces made since then are taken back from the order, and wait for one.

        :param event: the mrp.machine.event that says so, within the loading
        """
        if not self:
            return
        at, until, machine = event.occurred, self.date_end, event.machine_id
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        word = self._next_word(self, event, until)
        self._cut(at)
        self.left_event_id = event
        if not until and not word:
            machine._show_order(*none)
        machine._give_time(at, word.occurred or until, *none)
        self._give_back_pieces(at + INSTANT, word.occurred or until)
        if word:
            self._after_word(machine, self.browse(), self, word, until)

    @api.model
    def _after_word(self, machine, loading, before, word, until):
        """Let things be, from a later word of the machine on, what that word said when it was no news.

        :param loading: what lasted up to the word, or an empty recordset
        :param before: the loading that lasted across it
        :param until: naive UTC, when that ended, or False
        """
        if word.type in BEGUN and before and not before._is_closed():
            self._put(
                machine,
                before.production_id,
                before.workorder_id,
                word.occurred,
                until,
                found_by=before.found_by,
                explanation=before.explanation,
                event_id=word.id,
            )
            return
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        loading.left_event_id = word
        machine._give_time(word.occurred, until, *none)
        if not until:
            machine._show_order(*none)

    @api.model
    def _next_word(self, before, event, until):
        """Return the machine's next word after an event, up to a moment, that was no news or waits; or an empty recordset.

        :param before: the loading that covers the event
        :param until: naive UTC, or False
        """
        log = self.env["mrp.machine.event"]
        self.env["mrp.machine.event.posting"].flush_model()
        # By SQL: the log is large, and the index on machine and time makes this one step.
        self.env.cr.execute(
            """SELECT event.id, row.reason FROM mrp_machine_event event
                 JOIN mrp_machine_event_posting row ON row.event_id = event.id AND row.handler = 'order_loading'
                WHERE event.machine_id = %(machine)s AND event.type = ANY(%(types)s)
                  AND event.occurred_us > %(at)s AND event.occurred_us < %(until)s
                  AND (row.state = 'waiting' OR row.reason IN ('no_change', 'not_loaded'))
                ORDER BY event.occurred_us, event.id""",
            {
                "machine": event.machine_id.id,
                "types": [*BEGUN, *LEFT],
                "at": event.occurred_us,
                "until": microseconds_of(until) if until else 2**63 - 1,
            },
        )
        for event_id, reason in self.env.cr.fetchall():
            word = log.browse(event_id)
            if reason == "not_loaded":
                if not self._is_about(word, event):
                    continue
            elif reason == "no_change" and not before:
                continue
            return word
        return log

    @api.model
    def _is_about(self, word, event):
        """Return whether the machine left with a word what it began with an event, or whatever it worked on."""
        said, begun = word.data or {}, event.data or {}
        return said.get("value") == "" or same(said.get("order")) == same(begun.get("order") or begun.get("value"))

    def _give_back_pieces(self, start, end):
        """Take from the order of a loading what it got of the pieces made within a time; they wait for another one.

        Of an order that is closed nothing can be taken.

        :param start: naive UTC
        :param end: naive UTC; False for all since then
        """
        machine, order = self.machine_id.with_env(self.env), (self.production_id, self.workorder_id)
        if self._is_closed():
            return
        why = self.env._(
            "The machine left %(order)s at %(end)s",
            order=(self.workorder_id or self.production_id).display_name,
            end=moment_words(machine, self.date_end),
        )
        for other, step, kind, pieces in machine._booked_elsewhere(start, end, *(record.browse() for record in order)):
            if (other, step) == order:
                machine._adjust(kind, -pieces, why, at=start, order=order)
                machine._adjust(kind, pieces, why, at=start)

    @api.model
    def _retry_since(self, machine, start, end, beside):
        """Let what waited for an order on a machine within a time try again.

        :param start: naive UTC
        :param end: naive UTC; False for all since then
        :param beside: the events whose effects are being brought about right now
        """
        # sudo: the rows are the poster's own
        rows = (
            self.env["mrp.machine.event.posting"]
            .sudo()
            .search(
                Domain("machine_id", "=", machine.id)
                & Domain("state", "=", "waiting")
                & Domain("reason", "in", FOR_ORDER)
            )
        )
        rows.filtered(
            lambda row: row.event_id not in beside and start <= row.occurred and (not end or row.occurred <= end)
        )._requeue()
