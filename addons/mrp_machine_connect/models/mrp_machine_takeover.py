"""What becomes of pieces that were booked already, when it turns out that another order had run?"""

from odoo import models
from odoo.tools import float_is_zero

from ..moments import microseconds_of, moment_words
from .mrp_workorder import CLOSED


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _booked_elsewhere(self, start, end, production, workorder):
        """Return what other orders got of the pieces that this machine made within a time.

        :param start: naive UTC
        :param end: naive UTC; False for all since then
        :param production: the order that is not meant, with its work order
        :return: ``[(production, work order, kind, pieces)]``
        """
        self.ensure_one()
        for model in ("mrp.machine.posting", "mrp.machine.event.posting"):
            self.env[model].flush_model()
        # By SQL: the sum over a day of counts. What was sent from one order to another counts as if it had arrived, whatever
        # became of it: it must not be sent twice.
        self.env.cr.execute(
            """SELECT production_id, workorder_id, kind, sum(pieces)
                 FROM (SELECT posting.production_id, posting.workorder_id, posting.kind,
                              CASE event.type WHEN 'production.cycle_completed'
                                              THEN coalesce((event.data->>'qty')::float8, 1) * %(cavities)s
                                              WHEN 'production.part_completed' THEN 1
                                              ELSE (event.data->>'delta')::float8 END AS pieces
                         FROM mrp_machine_event event
                         JOIN mrp_machine_event_posting effect
                           ON effect.event_id = event.id AND effect.handler = 'production_count'
                         JOIN mrp_machine_posting posting ON posting.id = effect.posting_id
                        WHERE event.machine_id = %(machine)s AND effect.state = 'posted'
                          AND posting.kind IN ('good', 'reject', 'rework')
                          AND event.occurred_us >= %(start)s AND event.occurred_us < %(end)s
                        UNION ALL
                       SELECT (event.data->>'production_id')::int, (event.data->>'workorder_id')::int,
                              event.data->>'kind', (event.data->>'delta')::float8
                         FROM mrp_machine_event event
                         LEFT JOIN mrp_machine_event_posting effect
                           ON effect.event_id = event.id AND effect.handler = 'production_count'
                        WHERE event.machine_id = %(machine)s AND event.type = 'correction.adjust'
                          AND event.data->>'production_id' IS NOT NULL AND event.user_id IS NOT NULL
                          AND coalesce(effect.state, 'received') <> 'posted'
                          AND event.occurred_us >= %(start)s AND event.occurred_us < %(end)s) booked
                GROUP BY production_id, workorder_id, kind
                ORDER BY production_id, workorder_id, kind""",
            {
                "machine": self.id,
                "cavities": self.cavities,
                "start": microseconds_of(start),
                "end": microseconds_of(end) if end else 2**63 - 1,
            },
        )
        orders, steps = self.env["mrp.production"], self.env["mrp.workorder"]
        booked = [
            (orders.browse(order_id), steps.browse(step_id), kind, pieces)
            for order_id, step_id, kind, pieces in self.env.cr.fetchall()
        ]
        # Where more was taken away than was booked since then, that was for pieces from before.
        return [
            row
            for row in booked
            if (row[0].id, row[1].id) != (production.id, workorder.id)
            and row[3] > 0
            and not float_is_zero(row[3], precision_digits=6)
        ]

    def _take_over_pieces(self, start, end, production, workorder):
        """Move to an order what others got of the pieces made within a time: a correction on each, through the log.

        Done twice, it moves nothing the second time. Of an order that is closed nothing can be taken.
        """
        for other, step, kind, pieces in self._booked_elsewhere(start, end, production, workorder):
            if other.state in CLOSED or step.state in CLOSED:
                continue
            why = self.env._(
                "%(order)s ran from %(start)s on",
                order=(workorder or production).display_name,
                start=moment_words(self, start),
            )
            self._adjust(kind, -pieces, why, at=start, order=(other, step))
            self._adjust(kind, pieces, why, at=start, order=(production, workorder))
