"""Which order does an event of a machine belong to?"""

from math import floor

from odoo import models

from ..moments import moment_words, naive_of_iso
from ..postings.outcome import Waiting
from ..quantities import pieces_text
from .mrp_workorder import CLOSED

#: Events that speak of pieces.
COUNTS = ("production.count", "production.cycle_completed", "production.part_completed", "correction.adjust")
#: Seconds that the clocks of the machine and of Odoo may differ by, where a work order began after an event.
CLOCKS_DIFFER = 600


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _order_at(self, event):
        """Return ``(production, work order, why)`` that an event of this machine belongs to.

        :raise Waiting: see :meth:`_orders_at`
        """
        found = self._orders_at(event)[event.id]
        if isinstance(found, Waiting):
            raise found
        return found

    def _orders_at(self, events):
        """Find the orders that events of this machine belong to, of many events at once.

        The order that a person named; else the one loaded at the event's own time, by the machine's own word or by a
        person; else the single work order in progress on the work center, unless the machine itself said that it works
        on none.

        :return: ``{event id: (production, work order, why)}``, and instead of that the Waiting to be raised where there
            is none, there are several, or the order changed within the event's window
        """
        self.ensure_one()
        if not events:
            return {}
        moments = dict(zip(events.ids, events.mapped("occurred"), strict=True))
        first, last = min(moments.values()), max(moments.values())
        loaded = [
            (loading.date_start, loading.date_end, self._loaded_order(loading))
            for loading in self.env["mrp.machine.loading"]._between(self, first, last)
        ]
        running, silent, ended, named, orders = None, None, None, {}, {}
        for event_id, kind, data in zip(events.ids, events.mapped("type"), events.mapped("data"), strict=True):
            at = moments[event_id]
            order = self._named_order(events.browse(event_id), named) if data and "production_id" in data else None
            window = [naive_of_iso(moment) for moment in data["window"]] if data and "window" in data else None
            if order is None and window:
                order = self._change_of_loading(window, data)
            if order is None:
                order = next((found for start, end, found in loaded if start <= at and (not end or end > at)), None)
            if order is None and (kind in COUNTS or kind == "quality.scrap"):
                # The last piece of an order, and that it is complete, come at one and the same moment.
                ended = self._loaded_until(first, last) if ended is None else ended
                order = ended.get(at)
            if order is None and window:
                order = self._change_of_work_order(window, data)
            if order is None:
                silent = self._silent_since(first, last) if silent is None else silent
                order = next((why for moment, why in silent if moment <= at), None)
            if order is None:
                running = self._running_orders() if running is None else running
                order = self._order_in_progress(running, at)
            orders[event_id] = order
        return orders

    def _named_order(self, event, known):
        """Return the order that a person named in a correction, None where it was no person.

        :param dict known: what was found for other events of the same call
        """
        if event.type != "correction.adjust" or not event.user_id:
            return None
        key = event.data["production_id"], event.data.get("workorder_id") or 0
        if key not in known:
            production = self.env["mrp.production"].browse(key[0]).exists()
            workorder = production.workorder_ids.filtered(lambda order: order.id == key[1])
            if production and workorder.id == (key[1] or False):
                known[key] = (production, workorder, self.env._("The order that was named with the pieces."))
            else:
                known[key] = Waiting("no_order", self.env._("The order that was named with the pieces is no more."))
        return known[key]

    def _loaded_order(self, loading):
        """Return ``(production, work order, why)`` of a loading, or a Waiting where pieces cannot go there."""
        production, workorder = loading.production_id, loading.workorder_id
        if production.state == "draft":
            return Waiting(
                "order_draft",
                self.env._("%s is a draft. It takes pieces once it is confirmed.", production.display_name),
                detail=f"production:{production.id}",
            )
        if not workorder and production.workorder_ids:
            return Waiting(
                "ambiguous",
                self.env._(
                    "%s was loaded at that time, and which of its work orders is not known.", production.display_name
                ),
            )
        return production, workorder, self._loaded_words(loading)

    def _loaded_words(self, loading):
        """Return in a sentence how it is known that an order was loaded, and where it was planned if not here."""
        words = loading.explanation or self.env._("Loaded on the machine at that time.")
        planned = loading.workorder_id.workcenter_id
        if not planned or not self.workcenter_id or planned == self.workcenter_id:
            return words
        return self.env._(
            "%(words)s Planned on %(planned)s, made on %(here)s.",
            words=words,
            planned=planned.name,
            here=self.workcenter_id.name,
        )

    def _loaded_until(self, first, last):
        """Return ``{moment: order}`` of what the machine itself left at moments from first to last (naive UTC)."""
        # A search looks at whole seconds: it finds more than is asked for, and each is looked up by its very moment.
        loadings = self.env["mrp.machine.loading"].search(
            [("machine_id", "=", self.id), ("date_end", ">=", first), ("date_end", "<=", last)]
        )
        return {
            loading.date_end: self._loaded_order(loading)
            for loading in loadings
            if loading.left_event_id and loading.date_end != loading.date_start
        }

    def _silent_since(self, first, last):
        """Return since when the machine itself says that it works on no order, or on one that nobody knows.

        :param first: and last: of the events that ask, naive UTC
        :return: ``[(moment, a Waiting, or None where an order was loaded from then on)]``, the latest first
        """
        words, loadings = [], self.env["mrp.machine.loading"]
        here = [("machine_id", "=", self.id), ("date_start", "<=", last)]
        before = loadings.search([*here, ("date_start", "<=", first)], limit=1)
        for loading in before | loadings.search([*here, ("date_start", ">", first)]):
            words.append((loading.date_start, 0, None))
            if loading.left_event_id:
                why = self.env._(
                    "The machine itself said at %(time)s that it no longer works on %(order)s, and has named no "
                    "other order since.",
                    time=moment_words(self, loading.date_end),
                    order=(loading.workorder_id or loading.production_id).display_name,
                )
                words.append((loading.date_end, 1, Waiting("no_order", why)))
        # sudo: effects are the poster's matter; what the machine said is asked for here
        rows = self.env["mrp.machine.event.posting"].sudo()
        for row in rows.search(
            [("machine_id", "=", self.id), ("handler", "=", "order_loading"), ("state", "=", "waiting")]
        ):
            event = row.event_id
            if event.type.startswith("production.") and event.occurred <= last:
                why = self.env._(
                    "The machine said at %(time)s which order it works on, and that waits itself: %(why)s",
                    time=moment_words(self, event.occurred),
                    why=row.message,
                )
                words.append((event.occurred, 2, Waiting("order_untold", why)))
        words.sort(key=lambda word: word[:2], reverse=True)
        return [(moment, why) for moment, _rank, why in words]

    def _change_of_loading(self, window, data):
        """Return a Waiting when another order was loaded within a time in which nobody looked, else None.

        :param list window: when the machine was read before, and when it was read again (naive UTC)
        :param dict data: what the event says
        """
        loadings = self.env["mrp.machine.loading"]._between(self, *window)
        if not any(
            _within(window, moment) for loading in loadings for moment in (loading.date_start, loading.date_end)
        ):
            return None
        return self._spans_change(
            window,
            data,
            [
                (loading.production_id, loading.workorder_id, loading.date_start, loading.date_end)
                for loading in loadings.sorted("date_start")
            ],
        )

    def _change_of_work_order(self, window, data):
        """Return a Waiting when a work order of the work center began or ended while nobody looked, else None."""
        if not self.workcenter_id:
            return None
        start, end = window
        workorders = self.env["mrp.workorder"].search(
            [
                ("workcenter_id", "=", self.workcenter_id.id),
                ("date_start", "<", end),
                "|",
                ("state", "=", "progress"),
                "&",
                ("state", "=", "done"),
                ("date_finished", ">", start),
            ],
            order="date_start, id",
        )
        # The end of a work order in progress is only planned.
        ran = [
            (order.production_id, order, order.date_start, order.state == "done" and order.date_finished)
            for order in workorders
        ]
        if not any(_within(window, moment) for order in ran for moment in order[2:]):
            return None
        return self._spans_change(window, data, ran)

    def _spans_change(self, window, data, ran):
        """Return a Waiting that says between which orders pieces are to be split, and proposes how.

        :param list ran: ``(production, work order, start, end)`` of each order that ran within the window
        """
        pieces = data.get("delta", data.get("qty", 1))
        clipped = [(max(start, window[0]), min(end or window[1], window[1])) for _order, _work, start, end in ran]
        shares = _shares(pieces, [max(0.0, (end - start).total_seconds()) for start, end in clipped])
        return Waiting(
            "spans_change",
            self.env._(
                "Between %(start)s and %(end)s nobody could read the machine, and the order changed meanwhile: "
                "%(orders)s. Counted in all: %(pieces)s; by the time that each ran, %(shares)s. Book the part of each by "
                "«Add or Correct Pieces» at a time when it ran, and ignore this. If one order made them all, load it from "
                "%(start)s on.",
                start=moment_words(self, window[0]),
                end=moment_words(self, window[1]),
                orders=", ".join(self._ran_words(window, *order) for order in ran),
                pieces=pieces_text(self.env, pieces),
                shares=", ".join(
                    self.env._(
                        "%(pieces)s on %(order)s",
                        pieces=pieces_text(self.env, share),
                        order=(workorder or production).display_name,
                    )
                    for share, (production, workorder, _start, _end) in zip(shares, ran, strict=True)
                ),
            ),
        )

    def _ran_words(self, window, production, workorder, start, end):
        """Return an order with when within a window it began and ended, and whether it still takes pieces."""
        _ = self.env._
        words = {
            "order": (workorder or production).display_name,
            "start": moment_words(self, start) if start else "",
            "end": moment_words(self, end) if end else "",
        }
        match _within(window, start), _within(window, end):
            case True, True:
                text = _("%(order)s from %(start)s to %(end)s", **words)
            case True, False:
                text = _("%(order)s from %(start)s", **words)
            case False, True:
                text = _("%(order)s until %(end)s", **words)
            case _neither:
                text = words["order"]
        if (workorder or production).state in ("done", "cancel"):
            return _("%s (closed by now)", text)
        return text

    def _running_orders(self):
        """Return the work orders in progress on the work center."""
        workorders = self.env["mrp.workorder"]
        if not self.workcenter_id:
            return workorders
        return workorders.search([("workcenter_id", "=", self.workcenter_id.id), ("state", "=", "progress")])

    def _order_in_progress(self, running, at):
        """Return ``(production, work order, why)`` of the one work order that ran at a moment, or a Waiting."""
        if not self.workcenter_id:
            return Waiting("no_order", self.env._("The machine has no work center, and no order was loaded on it."))
        # A work order that began long after the event cannot be its own.
        running = running.filtered(
            lambda order: not order.date_start or (order.date_start - at).total_seconds() < CLOCKS_DIFFER
        )
        if not running:
            return Waiting("no_order", self.env._("No manufacturing order ran on this machine at that time."))
        if len(running) > 1:
            return Waiting(
                "ambiguous",
                self.env._("Several work orders are in progress: %s.", ", ".join(running.mapped("display_name"))),
            )
        return running.production_id, running, self.env._("The only work order in progress on the work center.")

    def _order_for_time(self, event):
        """Return ``(production, work order)`` of an event, both empty when that is not certain."""
        try:
            return self._order_at(event)[:2]
        except Waiting:
            return self.env["mrp.production"], self.env["mrp.workorder"]

    def _products_ahead(self):
        """Return ``{machine id: ids of the products that its next events will probably touch}``."""
        for model in ("mrp.machine", "mrp.machine.loading", "mrp.workorder", "stock.move"):
            self.env[model].flush_model()
        # By SQL: one statement for all machines that are due, before each transaction of the poster.
        self.env.cr.execute(
            """SELECT ahead.machine_id, array_agg(DISTINCT move.product_id)
                 FROM (SELECT machine_id, production_id FROM mrp_machine_loading
                        WHERE machine_id = ANY(%(machines)s) AND date_end IS NULL
                        UNION
                       SELECT machine.id, workorder.production_id FROM mrp_machine machine
                         JOIN mrp_workorder workorder ON workorder.workcenter_id = machine.workcenter_id
                        WHERE machine.id = ANY(%(machines)s) AND workorder.state = 'progress') ahead
                 JOIN stock_move move ON ahead.production_id IN (move.raw_material_production_id, move.production_id)
                GROUP BY ahead.machine_id""",
            {"machines": self.ids},
        )
        return {**dict.fromkeys(self.ids, frozenset()), **{row[0]: frozenset(row[1]) for row in self.env.cr.fetchall()}}

    def _show_order(self, production, workorder, ledger=None):
        """Show on the machine's hot row which order runs and how far it is.

        :param ledger: what this machine counted on it, where the caller knows. Pieces that come late, or are corrected,
            do not bring an order back that is closed, or in whose place another one is loaded
        """
        self.ensure_one()
        shown = self.env["mrp.machine.progress"]._of(self)
        if ledger is None:
            # sudo: the hot row and the ledger are the poster's own
            ledger = (
                self.env["mrp.machine.ledger"]
                .sudo()
                .search(
                    [
                        ("machine_id", "=", self.id),
                        ("production_id", "=", production.id),
                        ("workorder_id", "=", workorder.id),
                    ]
                )
            )
        elif production.state in CLOSED or workorder.state in CLOSED:
            return
        elif (shown.production_id, shown.workorder_id) != (production, workorder):
            current = self.env["mrp.machine.loading"].sudo()._current(self)
            if current and (current.production_id, current.workorder_id) != (production, workorder):
                return
            if (
                not current
                and self.env["mrp.machine.loading"].sudo().search([("machine_id", "=", self.id)], limit=1).left_event_id
            ):
                # The machine itself said that it works on none by now.
                return
        shown.write(
            {
                "production_id": production.id,
                "workorder_id": workorder.id,
                "good": ledger.good_on_order,
                "reject": ledger.rejects_shown,
                "target": production.product_qty if production else 0.0,
            }
        )


def _within(window, moment):
    return bool(moment and window[0] < moment < window[1])


def _shares(pieces, weights):
    """Return pieces in parts that are to each other as the weights; whole pieces stay whole."""
    total = sum(weights)
    exact = [pieces * weight / total if total else pieces / len(weights) for weight in weights]
    if pieces != floor(pieces):
        return exact
    parts = [floor(part) for part in exact]
    # What is left goes to those that lost most by rounding down.
    for place in sorted(range(len(exact)), key=lambda place: parts[place] - exact[place])[: int(pieces) - sum(parts)]:
        parts[place] += 1
    return parts
