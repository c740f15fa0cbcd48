"""What did a machine's counters move by in a time, and what became of it? From the log alone, read once and in order."""

from collections import namedtuple

from odoo import models

from ..moments import microseconds_of
from ..postings.mrp_machine_handler_production_count import COLUMNS, WITHOUT_REJECTS
from ..postings.outcome import Waiting
from ..reconciliation import Reconciliation, Told
from .mrp_machine_order import COUNTS

RESET, SCRAP = "production.counter_reset", "quality.scrap"
#: Events that tell of pieces or of a counter.
TELLING = (*COUNTS, RESET, SCRAP)
#: Events read in one statement.
CHUNK = 10_000
#: Events before a time among which the counters' values at its beginning are looked for.
LOOK_BACK = 10_000
#: Counters whose values stand for themselves.
UNTETHERED = ("delta", "pulse")

#: As much of an event as the handler of counts looks at.
Said = namedtuple("Said", "id type data")

#: The events of a machine and a time with what became of them: the index on machine and time, then two unique keys. To go
#: on after an event is said in words that no index on time alone could serve: that would read all other machines' events.
PIECES = """
    SELECT event.id, event.type, event.occurred_us, event.stream, event.signal_id, event.data - 'raw',
           COALESCE(effect.state, unheard.state), COALESCE(effect.reason, unheard.reason),
           COALESCE(posting.production_id, noted.production_id), COALESCE(posting.workorder_id, noted.workorder_id),
           posting.kind, reason.state
      FROM mrp_machine_event event
      LEFT JOIN mrp_machine_event_posting effect ON effect.event_id = event.id AND effect.handler = 'production_count'
      LEFT JOIN mrp_machine_event_posting unheard ON unheard.event_id = event.id AND unheard.handler = 'none'
      LEFT JOIN mrp_machine_event_posting reason ON reason.event_id = event.id AND reason.handler = 'scrap'
      LEFT JOIN mrp_machine_posting posting ON posting.id = effect.posting_id
      LEFT JOIN mrp_machine_posting noted ON noted.id = reason.posting_id
     WHERE event.machine_id = %(machine)s AND event.type IN %(types)s
       AND event.occurred_us >= %(at)s AND event.occurred_us < %(end)s
       AND (event.occurred_us > %(at)s OR event.id > %(after)s)
     ORDER BY event.occurred_us, event.id LIMIT %(limit)s"""
#: Where each counter stood before a time, among the machine's latest events then: the same index, so many steps and no more.
OPENING = """
    SELECT DISTINCT ON (stream, name) id, type, occurred_us, stream, signal_id, data
      FROM (SELECT id, type, occurred_us, stream, signal_id, data - 'raw' AS data,
                   COALESCE(data->>'counter', data->>'kind') AS name
              FROM mrp_machine_event
             WHERE machine_id = %(machine)s AND occurred_us < %(at)s
             ORDER BY occurred_us DESC, id DESC LIMIT %(limit)s) latest
     WHERE type IN %(types)s AND COALESCE(data->>'total_after', data->>'to') IS NOT NULL
     ORDER BY stream, name, occurred_us DESC, id DESC"""


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _reconcile(self, start, end):
        """Return the Reconciliation of a time of this machine; orders are ``(production id, work order id or 0)``.

        No more of the log is read than that time, and so many events before it as it takes to know where the counters
        stood: what lies further back costs nothing.

        :param start: and end: naive UTC, the end not included
        """
        self.ensure_one()
        self.env.flush_all()
        teller = Teller(self)
        found = Reconciliation(teller.opening(microseconds_of(start)))
        for told in self._tell(teller, start, end):
            found.take(told)
        for order, pieces, moment in self._changed_by_hand(start, end, teller):
            found.hand(order, pieces, moment)
        found.close()
        return found

    def _tell(self, teller, start, end):
        """Yield what each event of a time tells, in the order in which they happened; so many are read at once."""
        at, after, last = microseconds_of(start), 0, microseconds_of(end)
        while True:
            # By SQL: a shift has ten thousands of events, of which the sums are wanted and no records.
            self.env.cr.execute(
                PIECES,
                {"machine": self.id, "types": TELLING, "at": at, "after": after, "end": last, "limit": CHUNK},
            )
            rows = self.env.cr.fetchall()
            yield from teller.told(rows)
            if len(rows) < CHUNK:
                return
            at, after = rows[-1][2], rows[-1][0]

    def _changed_by_hand(self, start, end, teller):
        """Return ``[(order, pieces, microseconds)]`` of what people changed on orders of this machine in a time.

        What they changed before the machine counted on was found with its next count; with an order that they closed
        there was none, and its quantity says it.
        """
        changes = self.env["mrp.machine.order.change"].search(
            [
                ("machine_id", "=", self.id),
                ("found_us", ">=", microseconds_of(start)),
                ("found_us", "<", microseconds_of(end)),
            ],
            order="found_us, id",
        )
        found = [
            (order, teller.in_machine_unit(order, change.quantity), change.found_us)
            for change in changes
            for order in [(change.production_id.id, change.workorder_id.id or 0)]
        ]
        closed = self.env["mrp.machine.ledger"].search(
            [
                ("machine_id", "=", self.id),
                ("production_id.state", "=", "done"),
                ("production_id.date_finished", ">=", start),
                ("production_id.date_finished", "<", end),
            ],
            order="id",
        )
        for row in closed:
            change = row._changed_at_close()
            if change:
                order = (row.production_id.id, row.workorder_id.id or 0)
                moment = microseconds_of(row.production_id.date_finished)
                found.append((order, teller.in_machine_unit(order, change), moment))
        return found


class MachineLedger(models.Model):
    _inherit = "mrp.machine.ledger"

    def _changed_at_close(self):
        """Return by how much a closed order, or its step, made more than machines last wrote, in the order's unit.

        Of several machines that fed one step the one that came last tells it.
        """
        self.ensure_one()
        production, workorder = self.production_id, self.workorder_id
        rows = self.search([("production_id", "=", production.id), ("workorder_id", "=", workorder.id)])
        if self != rows.sorted("id")[-1:] or not any(rows.mapped(lambda row: row.posted or row.added)):
            return 0.0
        document = workorder if workorder and len(production._steps()) > 1 else production
        unit = production.product_uom_id
        change = document.qty_produced - self.last_written
        return 0.0 if unit.is_zero(change) else unit.round(change)


class Teller:
    """Says of the rows of the log what they tell; what it looked up for one it knows for the next.

    :param machine: the mrp.machine whose events they are
    """

    def __init__(self, machine):
        self.machine = machine
        self.env = machine.env
        self.counts = self.env["mrp.machine.handler.production_count"]
        self.tethered = {
            signal.id: signal.counter_kind not in UNTETHERED
            for signal in machine.with_context(active_test=False).signal_ids
        }
        self.roles = {signal.id: signal.role for signal in machine.with_context(active_test=False).signal_ids}
        self.derives_by_signals = machine._derives_rejects()
        self.places = {}
        self._orders, self._rows, self._factors = {}, {}, {}

    def opening(self, at):
        """Return ``{counter: (value, place)}`` at a moment in microseconds; of what nobody told since long nothing."""
        self.env.cr.execute(OPENING, {"machine": self.machine.id, "types": TELLING, "at": at, "limit": LOOK_BACK})
        rows = self.env.cr.fetchall()
        role_of = self.machine._roles_of(self.env["mrp.machine.event"].browse([row[0] for row in rows]))
        found = {}
        for event_id, event_type, _at, stream, signal_id, data in rows:
            if not self._is_tethered(event_type, signal_id, data):
                continue
            column, kind = self._column(Said(event_id, event_type, data), signal_id, role_of[event_id])
            counter = self._counter(stream, data, column)
            place = self._place(kind, column, role_of[event_id], None)[0] if column else ""
            if place:
                self.places[counter] = place
            found[counter] = (data["total_after"] if "total_after" in data else data["to"], place)
        return found

    def told(self, rows):
        """Yield what each row tells, in their order."""
        events = self.env["mrp.machine.event"].browse([row[0] for row in rows])
        role_of = self.machine._roles_of(events)
        unposted = events.browse([row[0] for row in rows if row[8] is None])
        found = self.machine._orders_at(unposted)
        for event_id, event_type, at, stream, signal_id, data, state, reason, production, workorder, kind, why in rows:
            role, data = role_of[event_id], data or {}
            if production is not None:
                order = (production, workorder or 0)
            else:
                answer = found[event_id]
                order = None if isinstance(answer, Waiting) else (answer[0].id, answer[1].id or 0)
            said = Said(event_id, event_type, data)
            if event_type == RESET:
                if not self._is_tethered(event_type, signal_id, data):
                    continue
                yield self._set_back(said, at, stream, signal_id, role, order)
                continue
            if event_type == SCRAP:
                if scrap := self._scrapped(events.browse(event_id), at, role, order, state, reason, why):
                    yield scrap
                continue
            column, pieces, code = self.counts._counted_in(said, self.machine, role)
            kind = kind or self.counts._kind(said, column, self.machine, role)
            place, figure = self._place(kind, column, role, order)
            if reason == "not_relevant":
                place = "beside"
            by_hand = event_type == "correction.adjust" and place == "in"
            tethered = event_type == "production.count" and self._is_tethered(event_type, signal_id, data)
            counter = self._counter(stream, data, column) if tethered else None
            if counter:
                self.places[counter] = place
            yield Told(
                event_id,
                at,
                counter,
                place,
                figure,
                pieces,
                data["total_before"] if counter else None,
                data["total_after"] if counter else None,
                data.get("cause") or "",
                order,
                state or "received",
                reason or "",
                by_hand,
                place == "within" and figure == "reject" and self._way(order) == "noted",
                self._factor(code, order),
            )

    def _scrapped(self, event, at, role, order, state, reason, why):
        """Return what it tells that scrap was told with its reason; None where it is about no piece of the order.

        Either it adds rejects that no counter has, and the handler of counts has booked it; or it says why pieces that the
        reject counter has were rejected.

        :param str state: of the effect on the quantity, None where there is none
        :param str why: state of the effect that notes the reason
        """
        if reason == "component" or (state or why or "ignored") == "ignored":
            return None
        orders = self.env["mrp.production"].browse(order[0] if order else [])
        handler = self.env["mrp.machine.handler.scrap"]
        try:
            if orders and handler._product_of(event, orders) != orders.product_id:
                return None
            is_rework = handler._code_of(event, self.machine).is_rework
            column, pieces, code = self.counts._counted_in(event, self.machine, role)
        except Waiting:  # its meaning was changed since; what it was when it was booked nobody can say
            return None
        if is_rework or column == "rework":
            return None
        adds = state is not None
        on_top = adds and role in WITHOUT_REJECTS
        return Told(
            event.id, at, None, "in" if on_top else "within", "scrap", pieces, order=order, by_hand=on_top,
            state=state if adds else why, reason=reason or "", factor=self._factor(code, order),
            other="good" if adds else "reject",
        )  # fmt: skip

    def _set_back(self, said, at, stream, signal_id, role, order):
        """Return what it tells that a counter was set back."""
        column, kind = self._column(said, signal_id, role)
        counter = self._counter(stream, said.data, column)
        place = self.places.get(counter) or (self._place(kind, column, role, order)[0] if column else "")
        return Told(
            said.id, at, counter, place, "good", 0.0, said.data.get("from"), said.data.get("to"),
            cause=said.data.get("cause") or "", order=order,
        )  # fmt: skip

    def _column(self, said, signal_id, role):
        """Return ``(column of the ledger, what its pieces are booked as)`` of an event's counter; Nones where unknown."""
        if said.type == RESET:
            column = COLUMNS.get(self.roles.get(signal_id) or "")
        else:
            column = self.counts._counted_in(said, self.machine, role)[0]
        return column, column and self.counts._kind(said, column, self.machine, role)

    @staticmethod
    def _counter(stream, data, column):
        return (stream, data.get("counter") or column or "")

    def _is_tethered(self, event_type, signal_id, data):
        before, after = ("from", "to") if event_type == RESET else ("total_before", "total_after")
        known = data.get(before) is not None and data.get(after) is not None
        return known and self.tethered.get(signal_id, True)

    def _place(self, kind, column, role, order):
        """Return ``(place, figure)`` of pieces, as :class:`Told` knows them."""
        if role in ("good", "total") and column in ("good", "total", "adjusted") and self._derives(order):
            # Rejects are what the total counter has more.
            return {"total": ("in", "reject"), "good": ("within", "good"), "adjusted": ("in", "good")}[column]
        if kind == "good":
            return "in", "good"
        if kind == "reject":
            return ("in" if role in WITHOUT_REJECTS else "within"), "reject"
        return "beside", "good"

    def _derives(self, order):
        """Return whether rejects of an order are what the total counter has more than the good one."""
        if self._way(order) == "noted":
            return False
        if self.derives_by_signals is not None:
            return self.derives_by_signals
        row = self._row(order)
        return bool(row.good and row.total and not row.reject)

    def _row(self, order):
        """Return the ledger's row of an order; empty where there is none."""
        if order not in self._rows:
            rows = self.env["mrp.machine.ledger"]
            if order:
                rows = rows.search(
                    [
                        ("machine_id", "=", self.machine.id),
                        ("production_id", "=", order[0]),
                        ("workorder_id", "=", order[1] or False),
                    ]
                )
            self._rows[order] = rows
        return self._rows[order]

    def _way(self, order):
        """Return how the rejects of an order are booked."""
        row = self._row(order)
        return (row.reject_booking or "noted") if row else self.machine.reject_booking

    def unit(self, order):
        """Return the unit in which an order's pieces are told: that of the ledger, or pieces."""
        return self._row(order)._uom()

    def _factor(self, code, order):
        """Return how many of the unit of an order's line one of a unit is."""
        if not code:
            return 1.0
        key = code, order
        if key not in self._factors:
            unit, wanted = self.env["uom.uom"]._of_code(code), self.unit(order)
            alike = unit and wanted and unit != wanted and unit._has_common_reference(wanted)
            self._factors[key] = unit._compute_quantity(1.0, wanted, round=False) if alike else 1.0
        return self._factors[key]

    def in_machine_unit(self, order, quantity):
        """Return a quantity of an order, in its own unit, in the unit of its line."""
        production = self.env["mrp.production"].browse(order[0])
        return production.product_uom_id._compute_quantity(quantity, self.unit(order), round=False)
