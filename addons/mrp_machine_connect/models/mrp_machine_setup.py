"""When was a machine being set up? It says when a setup began and when it ended, beside the states that it goes through.

A setup lasts from its beginning to its end. Where the end was not told, it lasts until the machine next runs. What the
machine does meanwhile is setup, unless it produces, or stands still for a reason of its own.
"""

from odoo import models

from .mrp_machine_interval import PRODUCTIVE

STARTED, ENDED = "production.setup_started", "production.setup_ended"
#: The last event up to a moment that told of a setup and was taken in, and the first after it.
LAST_WORD = """
    SELECT event.id FROM mrp_machine_event event
     WHERE event.type IN ('production.setup_started', 'production.setup_ended')
       AND event.machine_id = %(machine)s AND event.occurred_us <= %(us)s
       AND (event.id = ANY(%(news)s)
            OR EXISTS (SELECT FROM mrp_machine_event_posting row
                        WHERE row.event_id = event.id AND row.handler = 'setup' AND row.state = 'posted'))
     ORDER BY event.occurred_us DESC, event.id DESC LIMIT 1"""
NEXT_WORD = """
    SELECT event.id FROM mrp_machine_event event
     WHERE event.type IN ('production.setup_started', 'production.setup_ended')
       AND event.machine_id = %(machine)s AND event.occurred_us > %(us)s
       AND (event.id = ANY(%(news)s)
            OR EXISTS (SELECT FROM mrp_machine_event_posting row
                        WHERE row.event_id = event.id AND row.handler = 'setup' AND row.state = 'posted'))
     ORDER BY event.occurred_us, event.id LIMIT 1"""


class MachineEvent(models.Model):
    _inherit = "mrp.machine.event"  # pylint: disable=consider-merging-classes-inherited; one question a file

    _setup = models.Index(
        "(machine_id, occurred_us) WHERE type IN ('production.setup_started', 'production.setup_ended')"
    )


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _lay_setup(self, us, news=None):
        """Tell in the timeline what was within a setup, between the words on setups around a moment.

        :param int us: in microseconds since 1970
        :param news: the event that is just being taken in
        """
        self.ensure_one()
        news = news or self.env["mrp.machine.event"]
        begin = self._setup_word(LAST_WORD, us, news)
        if not begin:
            return
        following = self._setup_word(NEXT_WORD, us, news)
        first, last = begin.occurred_us, following.occurred_us
        timeline = self.env["mrp.machine.interval"].sudo()  # sudo: the timeline is the poster's own
        domain = [("machine_id", "=", self.id), ("start_us", ">=", first)]
        if last:
            domain.append(("start_us", "<", last))
        until = last
        if begin.type == STARTED and following.type != ENDED:
            # One that ran already when the setup began, and whose order changed since, does not begin to run by that.
            runs = [*domain, ("event_id.occurred_us", ">", first), ("state", "in", PRODUCTIVE)]
            until = timeline.search(runs, order="start_us", limit=1).start_us or last
        self._cut_time(first)
        if last:
            self._cut_time(last)
        for interval in timeline.search(domain):
            is_setup = begin.type == STARTED and (not until or interval.start_us < until)
            if interval.is_setup != is_setup:
                interval.is_setup = is_setup
                interval._schedule_projection()
        self._join_time(first, last)

    def _knows_setup(self, us):
        """Return whether anything told of a setup up to a moment, in microseconds since 1970."""
        return bool(self._setup_word(LAST_WORD, us, self.env["mrp.machine.event"]))

    def _setup_word(self, statement, us, news):
        """Return the event that a statement finds at a moment; empty where there is none."""
        self.env["mrp.machine.event.posting"].flush_model()
        # By SQL: the partial index on exactly these types makes it one step.
        self.env.cr.execute(statement, {"machine": self.id, "us": us, "news": news.ids})
        row = self.env.cr.fetchone()
        return self.env["mrp.machine.event"].browse(row and row[0] or [])
