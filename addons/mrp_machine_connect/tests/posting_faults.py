"""Posting that goes wrong half-way, within a test's one transaction."""

from contextlib import contextmanager
from unittest.mock import patch

from psycopg2 import OperationalError

from odoo.tools import mute_logger

from .common import MachineConnectCommon


class PostingFaults(MachineConnectCommon):
    """What a poster's transaction writes may be cut off at any effect; what a handler raises may be any bug."""

    def post_all(self, machines):
        """Post until nothing is due any more: an effect may decide on another one."""
        poster = self.env["mrp.machine.poster"]
        while sum(poster._post_machine(machine) for machine in machines):
            pass

    def crash_half_way(self, machines, number):
        """Begin to post, and be gone after the writes of the effect of this number; all of it is taken back.

        :param int number: from 0; where there are fewer effects the commit does not come through
        """
        before = self.facts()
        try:
            with (
                self.env.cr.savepoint(),
                self.after_effect(number, OperationalError("the server closed the connection")),
            ):
                self.post_all(machines)
                raise OperationalError("the commit did not come through")
        except OperationalError:
            self.env.invalidate_all()
        self.assertEqual(self.facts(), before, "nothing of a transaction that was cut is left")

    def post_with_a_bug(self, machines, number):
        """Post while the effect of this number, from 0, raises after its writes: a bug of the handler."""
        with (
            self.after_effect(number, ValueError("a bug")),
            mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_poster"),
        ):
            self.post_all(machines)

    def post_what_pauses(self, machines):
        """Post without waiting for the pause after a technical error."""
        self.env.flush_all()
        self.env.cr.execute("UPDATE mrp_machine_queue SET not_before = NULL WHERE machine_id = ANY(%s)", [machines.ids])
        self.post_all(machines)

    @contextmanager
    def after_effect(self, number, error):
        handler = self.registry["mrp.machine.handler"]
        posting, left = handler._posting, [number]

        def raising(handler, *arguments, **values):
            made = posting(handler, *arguments, **values)
            left[0] -= 1
            if left[0] == -1:
                handler.env.flush_all()
                raise error
            return made

        with patch.object(handler, "_posting", raising):
            yield

    def facts(self):
        """Return how many rows there are of all that posting makes, and what lies in stock."""
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT (SELECT count(*) FROM mrp_machine_queue), (SELECT count(*) FROM mrp_machine_event),
                      (SELECT count(*) FROM mrp_machine_event_posting), (SELECT count(*) FROM mrp_machine_posting),
                      (SELECT sum(posted) FROM mrp_machine_ledger), (SELECT count(*) FROM mrp_machine_interval),
                      (SELECT count(*) FROM stock_move), (SELECT sum(quantity) FROM stock_quant)"""
        )
        return self.env.cr.fetchone()
