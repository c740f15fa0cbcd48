"""When do finished goods of a running order enter stock? By pieces, by minutes, at the end of a shift, or at the close."""

from datetime import timedelta
from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..shifts import last_change, times_of_day
from .mrp_machine_mode import POSTS
from .mrp_workorder import CLOSED

#: Beats by the clock: those that a pass looks after where no count comes.
BY_CLOCK = ("minutes", "shift")
#: Counted orders that one pass looks at; the next one, a minute later, goes on.
PASS = 500


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    stock_beat = fields.Selection(
        [
            ("close", "When the order is closed"),
            ("pieces", "Every so many pieces"),
            ("minutes", "Every so many minutes"),
            ("shift", "At the end of each shift"),
        ],
        string="Pieces Enter Stock",
        default="close",
        required=True,
        tracking=True,
        help="When what was made is in stock, with its components used up. At the close: one movement a component and "
        "order, the cheapest, and what is made today shows when the order ends. On a beat: it can be delivered while the "
        "order runs; each beat costs about four counts of work and one more movement for the product and for each "
        "component, so choose a pallet or an hour rather than a box. The pieces that reach the order's quantity enter "
        "with its close.",
    )
    beat_pieces = fields.Float(
        string="Pieces a Beat",
        default=100.0,
        help="Once so many pieces are not in stock yet, all of them enter it: a pallet, a container.",
    )
    beat_minutes = fields.Float(
        string="Minutes a Beat",
        default=60.0,
        help="So long after the last pieces entered stock, by the machine's time, those made since then do.",
    )
    beat_shifts = fields.Char(
        string="Shifts End At",
        default="06:00, 14:00, 22:00",
        help="Times of the day at which shifts end, in the time zone of the work center.",
    )

    @api.constrains("stock_beat", "beat_pieces", "beat_minutes", "beat_shifts")
    def _check_beat(self):
        for machine in self:
            for beat, name in (("pieces", "beat_pieces"), ("minutes", "beat_minutes")):
                if machine.stock_beat == beat and not (isfinite(machine[name]) and machine[name] > 0):
                    raise ValidationError(
                        self.env._(
                            "%(machine)s: «%(field)s» must be a number greater than 0.",
                            machine=machine.name,
                            field=self._fields[name]._description_string(self.env),
                        )
                    )
            if machine.stock_beat != "shift":
                continue
            try:
                times_of_day(machine.beat_shifts or "")
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "%(machine)s: «%(text)s» is no time of the day. Enter when shifts end, such as "
                        "06:00, 14:00, 22:00.",
                        machine=machine.name,
                        text=error,
                    )
                ) from error

    def _counted_on(self, production, workorder, events):
        """Let what was made enter stock where the beat says so."""
        if self.stock_beat != "close":
            self._decide_beat(production, max(events.mapped("occurred")))
        return super()._counted_on(production, workorder, events)

    def _decide_beat(self, production, at, counted=None):
        """Decide that what was made of an order enters stock, if it is due and not decided already.

        :param at: when it is looked at, naive UTC
        :param counted: when the last piece was made, naive UTC; the same when not given
        """
        if production._stock_due() and self._is_beat(production, at) and not self._has_open_beat(production):
            moment = counted or at
            if self.stock_beat == "shift":
                moment = max(moment, self._shift_end(at))
            self._decide_stock(production, moment, self.stock_beat)

    def _decide_stock(self, production, moment, rule):
        """Keep in the log that goods of an order enter stock, or leave it as scrap.

        :param moment: naive UTC
        :param str rule: the beat that says so, or ``close``
        """
        data = {
            "production_id": production.id,
            "workorder_id": None,
            "rule": rule,
            # Another decision at the same moment is another one where goods entered or left stock in between.
            "in_stock": production.qty_produced,
            "scrapped": production._machine_scrapped(),
            "explained": sum(production._reject_rows().mapped("quantity")),
        }
        return self._decide("production.stock_due", moment, data)

    def _is_beat(self, production, at):
        """Return whether the beat of this machine is reached for an order, which has something that is not in stock."""
        unit = production.product_uom_id
        if self.stock_beat == "pieces":
            row = production._machine_rows().filtered(lambda row: row.machine_id == self)[:1]
            beat = row._uom()._compute_quantity(self.beat_pieces, unit, round=False) if row else self.beat_pieces
            return unit.compare(production._stock_due(), beat) >= 0
        since = production._last_entered()
        if self.stock_beat == "minutes":
            return at - since >= timedelta(minutes=self.beat_minutes)
        return self.stock_beat == "shift" and since < self._shift_end(at)

    def _shift_end(self, at):
        """Return when a shift ended last, naive UTC."""
        zone = self.workcenter_id.tz or self.company_id.resource_calendar_id.tz or "UTC"
        return last_change(self.beat_shifts, zone, at)

    def _has_open_beat(self, production):
        """Return whether goods of an order are still to enter stock by an earlier decision, queued or waiting."""
        for model in ("mrp.machine.queue", "mrp.machine.event.posting"):
            self.env[model].flush_model()
        # By SQL: the order stands in the event's data. Few decisions are open, and the partial index on open effects
        # finds them.
        self.env.cr.execute(
            """SELECT EXISTS (
                   SELECT FROM mrp_machine_event_posting effect
                     JOIN mrp_machine_event event ON event.id = effect.event_id
                    WHERE effect.handler = 'stock_beat' AND effect.state IN ('received', 'waiting', 'held', 'failed')
                      AND (event.data->>'production_id')::int = %(order)s)
                OR EXISTS (
                   SELECT FROM mrp_machine_queue queue JOIN mrp_machine_event event ON event.id = queue.event_id
                    WHERE queue.machine_id = ANY(%(machines)s) AND event.type = 'production.stock_due'
                      AND (event.data->>'production_id')::int = %(order)s
                      AND NOT EXISTS (SELECT FROM mrp_machine_event_posting effect
                                       WHERE effect.event_id = event.id AND effect.handler = 'stock_beat'))""",
            {"order": production.id, "machines": production._machine_rows().machine_id.ids},
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _cron_beat(self):
        """Let goods enter stock whose time has come although nothing was counted since; bounded, once a minute."""
        now = fields.Datetime.now()
        machines = self.search([("stock_beat", "in", BY_CLOCK), ("posting_mode", "in", POSTS)])
        rows = self.env["mrp.machine.ledger"].search(
            [("machine_id", "in", machines.ids), ("production_id.state", "not in", CLOSED)],
            order="write_date desc, id desc",
            limit=PASS,
        )
        for production, theirs in rows.grouped("production_id").items():
            if not production._stock_due():
                continue
            last = self.env["mrp.machine.posting"].search(
                [("production_id", "=", production.id), ("handler", "=", "production_count")],
                order="occurred_to desc",
                limit=1,
            )
            for machine in theirs.machine_id:
                machine._decide_beat(production, now, min(now, last.occurred_to or now))
