"""Of which lot, or with which serial numbers, are the pieces that a machine counts?"""

from odoo import api, models

from ..models.mrp_production_lot import COUNTED_LOT
from ..models.mrp_workorder import CLOSED
from ..moments import moment_words, naive_of_iso
from ..quantities import number_text
from .mrp_machine_handler_production_count_limits import MISSING
from .outcome import Outcome, Waiting

#: First of a group of pieces whose lot, or serial numbers, are known.
LOT = "lot"
#: What a group of pieces with a lot has second: how its lot is known.
ROW, EARLIER, NEXT, NAMED = "row", "earlier", "next", "named"
ENTERED, SEQUENCE, SERIALS = "entered", "sequence", "serials"
#: In a context, before a count: ``(ids of the ledger's row, what was fed to the order by then)``, see ``_fed``.
FED_BEFORE = "machine_fed_before"
#: In a context, before a count: ``(id of the order, ids of the ledger's rows of all machines on it)``.
LEDGERS = "machine_ledgers"


class MachineHandlerProductionCount(models.AbstractModel):
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited; as above

    @api.model
    def _orders_of(self, group):
        return super()._orders_of(group[2] if group[0] == LOT else group)

    @api.model
    def _products(self, group):
        return super()._products(group[2] if group[0] == LOT else group)

    @api.model
    def _groups(self, rows):
        """Break each group where the lot changes: what was made on one lot is booked apart from the next."""
        groups, refused = super()._groups(rows)
        machine, by_lot, serials, before = rows[:1].machine_id.with_env(self.env), {}, {}, {}
        # Asked a group and not a row: counts come by the hundred.
        tracked = {group: self._orders_of(group)[0] for group in groups if self._needs_lot(group, machine)}
        if not tracked:
            return groups, refused
        events = rows.event_id
        said = zip(
            rows.ids, events, events.mapped("occurred"), events.mapped("data"), events.mapped("type"), strict=True
        )
        group_of = {row_id: group for group, ids in groups.items() for row_id in ids}
        by_serial = {production for production in tracked.values() if production.product_id.tracking == "serial"}
        # In the order in which they were made: numbers that were told are taken in that order.
        for row_id, event, moment, data, kind in said:
            if (group := group_of.get(row_id)) is None:
                continue
            if (production := tracked.get(group)) is None:
                by_lot.setdefault(group, []).append(row_id)
                continue
            if production in by_serial:
                if production not in serials:
                    serials[production] = self._told_serials(production, events)
                found = self._serials_of(machine, production, event, serials[production])
            else:
                told = data and data.get("lot")
                is_plain = not (data and data.get("window")) and kind != "quality.scrap"
                again = is_plain and before.get("of") == (production.id, told) and _is_within(moment, *before["span"])
                found = before["found"] if again else self._lot_anew(machine, production, event, is_plain, before)
            if isinstance(found, Outcome):
                refused[row_id] = found
            else:
                by_lot.setdefault((LOT, found, group), []).append(row_id)
        return by_lot, refused

    @api.model
    def _needs_lot(self, group, machine):
        """Return whether pieces of a group become finished pieces of a product that is tracked."""
        if group[0] in (MISSING, LOT):
            return False
        production, workorder = self._orders_of(group)
        inner, tracking = _inner(group), production.product_id.tracking
        if tracking == "none" or not inner[-1]:
            return False
        if tracking == "serial" and inner[0] == "reject" and self._way(production, machine) != "gross":
            return False  # it is no piece of the order, so that it never gets a number
        return not workorder or len(production._steps()) < 2 or production._lot_step() == workorder

    # Lots

    @api.model
    def _lot_anew(self, machine, production, event, is_plain, before):
        """Return what :meth:`_lot_of` says of a count, and keep for how long it must say the same.

        Counts come by the hundred and are of one lot mostly, and each question is two searches.

        :param bool is_plain: it has no window, and is no scrap that was told
        :param dict before: what is kept while counts are sorted, for nothing is written meanwhile
        """
        told = (event.data or {}).get("lot")
        name = str(told or "").strip()
        before.clear()
        found = self._lot_of(machine, production, event)
        if not is_plain or isinstance(found, Outcome):
            return found
        # sudo: the rows are the poster's own
        rows, (how, number) = self.env["mrp.machine.lot"].sudo(), found
        if how == ROW:
            row = rows.browse(number)
            # None begins within it: what begins ends the one before.
            span = row.date_start, row.date_end or None
        elif how == NAMED and not self._rows_of_lot(machine, production, name):
            span = None, None  # a lot that is new, whenever its pieces were made
        else:
            return found
        before.update(of=(production.id, told), found=found, span=span)
        return found

    @api.model
    def _rows_of_lot(self, machine, production, name):
        """Return when a machine made pieces of an order of the lot of a name, the latest first."""
        # sudo: the rows are the poster's own
        rows = production.sudo().machine_lot_ids
        return rows.filtered(lambda row: row.machine_id == machine and row.lot_id.name == name).sorted(
            lambda row: (row.date_start, row.id), reverse=True
        )

    @api.model
    def _lot_of(self, machine, production, event):
        """Return how the lot of a count is known: ``(how, what)``, or why it waits."""
        data, moment = event.data or {}, event.occurred
        # sudo: the rows are the poster's own
        rows = self.env["mrp.machine.lot"].sudo()
        if (name := str(data.get("lot") or "").strip()) and machine.lot_source == "machine":
            known = self._rows_of_lot(machine, production, name)
            near = known.filtered(lambda row: row.date_start <= moment)[:1] or known[-1:]
            # What lasts is the latest, for what begins ends the one before: what else there is need not be read.
            lasts = near and not near.date_end and near.date_start <= moment
            # What is told of scrap may be of a lot that is not worked on any more.
            if near and (lasts or event.type == "quality.scrap" or near == rows._at(machine, moment)):
                return (ROW, near.id)
            return (NAMED, name)
        if spans := self._spans_lots(machine, rows, data):
            return spans
        row = rows._at(machine, moment)
        if row.lot_id and row.production_id == production:
            return (ROW, row.id)
        if self._goes_on(row, production):
            return (NEXT, row.id)
        if not row:
            later = rows._next(machine, moment)
            if later.production_id == production and later.source in ("sequence", "person") and not later.event_id:
                # Not told by anybody: it began with the first piece, and this one was made before.
                return (EARLIER, later.id)
        entered = production.lot_producing_ids[:1]
        if entered and entered not in rows.search([("production_id", "=", production.id)]).lot_id:
            return (ENTERED, entered.id)
        if machine.lot_source == "sequence":
            return (SEQUENCE, 0)
        return Waiting(
            "lot",
            self.env._(
                "%(product)s is tracked by lot, and at %(time)s nobody had said which lot of it %(machine)s makes.",
                product=production.product_id.display_name,
                time=moment_words(machine, moment),
                machine=machine.name,
            ),
            detail=f"lot:{production.id}",
        )

    @api.model
    def _spans_lots(self, machine, rows, data):
        """Return a Waiting where the lot changed within a time in which nobody could read the machine, else None."""
        if not data.get("window"):
            return None
        start, end = (naive_of_iso(moment) for moment in data["window"])
        changes = rows.search([("machine_id", "=", machine.id), ("date_start", ">=", start), ("date_start", "<=", end)])
        changes = changes.filtered(
            lambda row: start < row.date_start < end and row.date_end != row.date_start and row.event_id
        )
        if not changes:
            return None
        return Waiting(
            "lot_change",
            self.env._(
                "Between %(start)s and %(end)s nobody could read %(machine)s, and its lot changed meanwhile: %(lots)s.",
                start=moment_words(machine, start),
                end=moment_words(machine, end),
                machine=machine.name,
                lots=", ".join(
                    (rows._at(machine, start) | changes).mapped(lambda row: row.lot_id.name or row.told or "–")
                ),
            ),
        )

    @api.model
    def _goes_on(self, row, production):
        """Return whether a lot that was told for nothing, or for another order, is that of this order's pieces as well."""
        if not row or not (row.lot_id or row.told):
            return False
        before = row.production_id
        if not before:
            return True
        if before.product_id != production.product_id:
            return False
        group = production.production_group_id
        if group and before.production_group_id == group:
            return True
        return row.source == "machine" and row.machine_id.lot_source != "sequence"

    @api.model
    def _row_of(self, machine, production, how, what, events):
        """Return the row of the lot that counts are on, made where there is none."""
        # sudo: as above
        rows, moment = self.env["mrp.machine.lot"].sudo(), events[:1].occurred
        if how in (ROW, EARLIER):
            row = rows.browse(what)
            if how == EARLIER:
                row.date_start = min(row.date_start, moment)
            return row
        if how == NAMED:
            return machine._take_lot(production, what, moment, "machine", events[:1])
        if how == ENTERED:
            lot = self.env["stock.lot"].browse(what)
            if refusal := lot._machine_refusal(moment):
                raise Waiting(*refusal, detail=f"stock.lot:{lot.id}")
            return rows._begin(machine, production, lot, lot.name, moment, "person", None)
        if how == SEQUENCE:
            # Another group of the same batch may have begun it.
            row = rows._at(machine, moment)
            if row.production_id == production and row.lot_id:
                return row
            lot = production._next_lot()
            return rows._begin(machine, production, lot, lot.name, moment, "sequence", None)
        told = rows.browse(what)
        lot = told.lot_id.with_env(self.env) if told.production_id else self.env["stock.lot"]
        if not lot:
            by_sequence = machine.lot_source == "sequence"
            lot = production._next_lot() if by_sequence else production._finished_lot(told.told, moment)
        if not told.production_id:
            told.write({"production_id": production.id, "lot_id": lot.id})
            production._lot_is_known()
            return told
        return rows._begin(machine, production, lot, told.told, moment, told.source, told.event_id)

    # Serial numbers

    @api.model
    def _told_serials(self, production, events):
        """Return what is known of serial numbers before counts are looked at one by one.

        :return: ``refused``: ``{serial number: why}``; ``free``: rows of numbers that were told and not counted yet;
            ``taken``: names that parts of this call have; ``waiting``: when the first pieces were made that wait for numbers,
            in microseconds, None where none do
        """
        names = {str(event.data["serial"]).strip() for event in events if "serial" in (event.data or {})}
        # sudo: as above
        rows = self.env["mrp.machine.lot"].sudo()
        free = rows.search(
            [("production_id", "=", production.id), ("lot_id", "!=", False), ("quantity", "=", 0.0)],
            order="date_start, id",
        )
        waiting = (
            self.env["mrp.machine.event.posting"]
            .sudo()
            .search(
                [
                    ("state", "=", "waiting"),
                    ("reason", "=", "serial"),
                    ("detail", "=", f"lot:{production.id}"),
                    ("event_id", "not in", [event.id for event in events]),
                ]
            )
        )
        return {
            "refused": production._serial_refusals(names) if names else {},
            "free": free.ids,
            "taken": set(),
            "waiting": min(waiting.event_id.mapped("occurred_us"), default=None),
        }

    @api.model
    def _serials_of(self, machine, production, event, serial):
        """Return how the serial numbers of pieces are known: ``(how, what)``, or why they wait."""
        data, _ = event.data or {}, self.env._
        if "serial" in data and event.type == "production.part_completed" and machine.lot_source != "scan":
            name = str(data["serial"]).strip()
            if name in serial["refused"]:
                return Waiting("serial_twice", serial["refused"][name])
            if name in serial["taken"]:
                return Waiting("serial_twice", _("%s was reported twice.", name))
            serial["taken"].add(name)
            return (SERIALS, 0)
        words = {"product": production.product_id.display_name}
        pieces = self._counted(event, machine, machine.counting_role)[1]
        if event.type == "correction.adjust" or pieces != int(pieces) or pieces < 0:
            return Waiting("serial", _("%(product)s is tracked by serial number: whole pieces with one each.", **words))
        if machine.lot_source == "sequence":
            return (SERIALS, 0)
        wanted = int(pieces)
        # Numbers are taken in the order in which pieces were made: what waits has the first ones that come.
        if serial["waiting"] is not None and serial["waiting"] < event.occurred_us:
            return Waiting(
                "serial",
                _(
                    "%(product)s is tracked by serial number, one a piece, and pieces that were made before these wait for "
                    "theirs.",
                    **words,
                ),
                detail=f"lot:{production.id}",
            )
        if wanted > len(serial["free"]):
            serial["waiting"] = event.occurred_us
            return Waiting(
                "serial",
                _(
                    "%(product)s is tracked by serial number, one a piece, and of %(wanted)s only %(told)s are told.",
                    wanted=number_text(wanted),
                    told=number_text(len(serial["free"])),
                    **words,
                ),
                detail=f"lot:{production.id}",
            )
        mine, serial["free"] = tuple(serial["free"][:wanted]), serial["free"][wanted:]
        return (SERIALS, mine)

    @api.model
    def _serial_rows(self, machine, production, what, events):
        """Return the rows of the pieces that are counted, one a piece, made where there are none."""
        # sudo: as above
        rows = self.env["mrp.machine.lot"].sudo()
        if what:
            return rows.browse(what)
        values, role = [], machine.counting_role
        for event in events:
            data = event.data or {}
            if "serial" in data and event.type == "production.part_completed":
                names, source = [str(data["serial"]).strip()], "machine"
            else:
                names, source = [False] * int(self._counted(event, machine, role)[1]), "sequence"
            values += [(name, source, event) for name in names]
        told = [name for name, _source, _event in values if name]
        lots = {lot.name: lot for lot in production._known_lots(told)}
        for lot in lots.values():
            if refusal := lot._machine_refusal(events[:1].occurred):
                raise Waiting(*refusal, detail=f"stock.lot:{lot.id}")
        new = [name for name in told if name not in lots]
        lots |= {lot.name: lot for lot in production._make_lots(new)}
        expected = rows.search([("production_id", "=", production.id), ("lot_id.name", "in", told)])
        expected, found, create = {row.lot_id.name: row for row in expected}, rows, []
        for name, source, event in values:
            if name in expected:
                found |= expected[name]
                continue
            lot = lots[name] if name else production._next_lot()
            create.append(
                {
                    "machine_id": machine.id,
                    "production_id": production.id,
                    "lot_id": lot.id,
                    "told": lot.name,
                    "date_start": event.occurred,
                    "date_end": event.occurred,
                    "source": source,
                    "event_id": event.id,
                }
            )
        return found | rows.create(create)

    # Booked

    @api.model
    def _post(self, group, rows):
        if group[0] != LOT:
            return self._post_elsewhere(group, rows)
        (how, what), inner = group[1:]
        production = self._orders_of(inner)[0]
        machine, events = rows[:1].machine_id.with_env(self.env), rows.event_id
        if how == SERIALS:
            lots = self._serial_rows(machine, production, what, events)
        else:
            lots = self._row_of(machine, production, how, what, events)
        return self._post_on(lots, inner, rows)

    @api.model
    def _post_elsewhere(self, group, rows):
        """Count pieces without a lot; or those that have one on an order of their own, where theirs was closed already."""
        # sudo: as above
        lots = self.env["mrp.machine.lot"].sudo().browse(self.env.context.get(COUNTED_LOT, ()))
        production = None if group[0] == MISSING or not lots else self._orders_of(group)[0]
        if not production or production == lots.production_id:
            return super()._post(group, rows)  # pylint: disable=super-method-mismatch; a branch of _post
        new = lots.filtered(lambda row: not row.quantity and row.date_end == row.date_start)
        new.production_id = production
        moment = rows.event_id[:1].occurred
        for row in lots - new:
            own = {
                "production_id": production.id,
                "date_start": moment,
                "date_end": moment,
                "quantity": 0,
                "rejected": 0,
            }
            new |= row.copy(own)
        return self._post_on(new, group, rows)

    @api.model
    def _post_on(self, lots, group, rows):
        """Count pieces on a lot, or one on each serial number."""
        production, workorder = self._orders_of(group)
        machine = rows[:1].machine_id.with_env(self.env)
        if production.state not in CLOSED:
            theirs = lots
            if production.product_id.tracking == "lot":
                theirs = (production._machine_lots() | lots).sorted(lambda row: (row.date_start, row.id))[-1:]
            production._show_lot(theirs.lot_id.with_env(self.env))
        ledgers = production._machine_rows()
        ledger = self._ledger_of(machine, workorder, ledgers)
        before = self._fed(ledger)
        known = {COUNTED_LOT: lots.ids, FED_BEFORE: (ledger.ids, before), LEDGERS: (production.id, ledgers.ids)}
        counting = super(MachineHandlerProductionCount, self.with_context(**known))
        posting = counting._post(group, rows)  # pylint: disable=super-method-mismatch; a branch of _post
        if isinstance(posting, Outcome):
            return posting
        # The first count makes the row.
        after = self._fed(ledger or self._ledger_of(machine, workorder, production._machine_rows()))
        self._count_on(lots, *(now - earlier for now, earlier in zip(after, before, strict=True)))
        production._decide_lots(machine)
        return posting

    @api.model
    def _count_on(self, lots, quantity, rejected):
        """Keep that pieces were made on a lot, or one on each serial number."""
        if len(lots) == 1:
            made = lots.quantity + quantity
            unit = lots.production_id.product_uom_id
            in_stock = lots.production_id._lots_in_stock().get(lots.lot_id, 0.0) if quantity < 0 else 0.0
            if unit.compare(made, in_stock) < 0:
                raise Waiting(
                    "in_stock",
                    self.env._(
                        "%(stock)s of lot %(lot)s are in stock already, so no less can have been made.",
                        stock=number_text(in_stock),
                        lot=lots.lot_id.name,
                    ),
                )
            lots.write({"quantity": made, "rejected": lots.rejected + rejected})
        elif lots:
            lots.write({"quantity": quantity / len(lots), "rejected": rejected / len(lots)})

    @api.model
    def _posting_values(self, rows, summary, document=None, **values):
        """Keep with an effect which lot its pieces are of."""
        values = super()._posting_values(rows, summary, document, **values)
        # sudo: as above
        lots = self.env["mrp.machine.lot"].sudo().browse(self.env.context.get(COUNTED_LOT, ()))
        # What is on an order of its own keeps it there.
        if lots and lots.production_id.id == values.get("production_id"):
            ledger_ids, before = self.env.context[FED_BEFORE]
            # sudo: the ledger is the poster's own
            ledger = self.env["mrp.machine.ledger"].sudo().browse(ledger_ids)
            if not ledger:  # the count has just made it
                machine = rows[:1].machine_id.with_env(self.env)
                workorder = self.env["mrp.workorder"].browse(values.get("workorder_id") or ())
                ledger = self._ledger_of(machine, workorder, lots.production_id._machine_rows())
            quantity, rejected = (now - earlier for now, earlier in zip(self._fed(ledger), before, strict=True))
            values.update(machine_lot_id=lots[:1].id, lot_quantity=quantity, lot_rejected=rejected)
        return values

    @api.model
    def _ledgers_of(self, production):
        production_id, ledger_ids = self.env.context.get(LEDGERS) or (None, None)
        if production_id == production.id:  # read a moment ago
            return self.env["mrp.machine.ledger"].sudo().browse(ledger_ids)  # sudo: as above
        return super()._ledgers_of(production)

    @api.model
    def _ledger_of(self, machine, workorder, rows):
        """Return the row of what a machine counted on an order, or on a step of it; empty before its first count.

        :param rows: of all machines on that order
        """
        return rows.filtered(lambda row: (row.machine_id, row.workorder_id) == (machine, workorder))

    @api.model
    def _fed(self, ledger):
        """Return ``(pieces, rejects among them)`` that a machine fed to an order until now, in the order's unit."""
        unit = ledger.production_id.product_uom_id
        return ledger._quantity_in(unit), ledger._rejected_in(unit)


def _inner(group):
    """Return the group of counts that a late group, or one with a lot, is about."""
    while len(group) == 3:
        group = group[2]
    return group


def _is_within(moment, start, end):
    """Return whether a moment is in a span; None: it has no start, or no end."""
    return (start is None or start <= moment) and (end is None or moment < end)
