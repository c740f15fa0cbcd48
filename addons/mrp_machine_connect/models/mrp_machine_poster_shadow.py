"""Casting a shadow: the true effects in a savepoint, which is rolled back. What would have been stays in words and figures.

An order has nothing of what was shadowed before. Its counts are kept beside it and written back at first, and each effect
is made for all that was counted since the order began; of that the lines of earlier shadows are taken away. So a count costs
one write of MRP and a beat costs one posting, as they do when they stay.
"""

import contextlib

from odoo import fields, models

from ..shadow import Shadow
from .mrp_machine_shadow import COUNTED, SHADOW, Undone
from .mrp_workorder import CLOSED

#: Kinds of lines that are made for all that was counted, and not only for what is new.
CUMULATIVE = ("move", "scrap")
#: Fields of a line that may name what was made in the shadow alone.
NAMED = {
    "production_id": "mrp.production",
    "workorder_id": "mrp.workorder",
    "product_id": "product.product",
    "event_id": "mrp.machine.event",
    "interval_id": "mrp.machine.interval",
}


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _post_shadow(self, handler, machine, entries, locked, again):
        """Say what the effects of these events would be, and write down that they had none."""
        events, name = entries.event_id, handler._handler_name()

        def work(poster, _machine):
            context = poster.env.context
            poster._post_automatic(handler.with_context(**context), entries.with_env(poster.env), locked, again={})

        shadow = Shadow(machine, events)
        self._keep(shadow, self._cast(shadow, machine, work, locked, events))
        alike = {}
        for (of, event_id), ending in shadow.endings.items():
            if of == name and event_id in set(shadow.event_ids):
                alike.setdefault(ending, []).append(event_id)
        for (state, reason, message, detail), ids in alike.items():
            if state == "posted":
                words = self.env._("In shadow: %s", message)
                self._note(name, ids, "ignored", "shadow", words, detail)
            else:
                self._note(name, ids, state, reason, message, detail)
        entry_of = {entry.event_id.id: entry for entry in entries}
        for of, event_id, error in shadow.failures:
            if of == name and event_id in entry_of:
                self._note_technical(handler, entry_of[event_id], error, again)
        self.env["mrp.machine.event.posting"].browse(sorted(shadow.again)).exists()._requeue()

    def _cast(self, shadow, machine, work, locked, events):
        """Do something and all that follows from it by rules, note what came of it, and undo it.

        :param work: function of a poster and the machine, both in the shadow's context
        :return: ``{production id: what the order has come to}``, see mrp.machine.shadow.memory
        """
        poster, machine = (record.with_context(**{SHADOW: shadow}) for record in (self, machine))
        postponed = list(self.env.cr.postcommit._funcs)
        with contextlib.suppress(Undone), self.env.cr.savepoint():
            poster._remember(shadow, machine, events)
            before = poster._last_event_id()
            work(poster, machine)
            poster._follow(shadow, before, locked)
            self.env.flush_all()
            kept = poster._memories_after(shadow)
            raise Undone
        # What was to be told or sent afterwards did not happen.
        self.env.cr.postcommit._funcs.clear()
        self.env.cr.postcommit._funcs.extend(postponed)
        self.env.invalidate_all(flush=False)
        return kept

    def _remember(self, shadow, machine, events):
        """Write the counts of earlier shadows into the ledger again."""
        moments = (events[:1].occurred, events[-1:].occurred) if events else None
        named = {(event.data or {}).get("production_id") for event in events if event.type == "correction.adjust"}
        # sudo: the memory is the poster's own
        memories = self.env["mrp.machine.shadow.memory"].sudo()._of(machine, moments, list(named - {None}))
        memories._write_rows(self.env)
        memories._write_ledgers(self.env)
        for memory in memories:
            shadow.memories[memory.production_id.id] = {
                "id": memory.id,
                "finished": dict(memory.finished or {}),
                "began_at": memory.began_at,
                "in_stock": memory.in_stock,
                "entered_at": memory.entered_at,
                "closed_at": memory.closed_at,
                "really": memory.production_id.qty_produced if memory.in_stock else 0.0,
                "ledgers": memory.ledgers,
            }

    def _last_event_id(self):
        return self.env["mrp.machine.event"].search([], order="id desc", limit=1).id or 0

    def _follow(self, shadow, before, locked):
        """Give what Odoo's rules decided since an event its effect as well, until nothing more follows."""
        rules = self.env.ref("mrp_machine_connect.source_rules")
        while True:
            decided = self.env["mrp.machine.event"].search([("id", ">", before), ("source_id", "=", rules.id)])
            if not decided:
                return
            before = max(decided.ids)
            for machine, theirs in decided.grouped("machine_id").items():
                self._post_machine(machine, locked, theirs.ids)

    # While it is cast

    def _note(self, name, event_ids, state, reason=None, message=None, detail=None, posting=None):
        shadow = self.env.context.get(SHADOW)
        if shadow:
            if posting and name == "production_count":
                # What was counted in a shadow has no posting, and is asked for by later ones.
                order, step = posting.production_id.id, posting.workorder_id.id or 0
                detail = COUNTED % (order, step, posting.kind or "")
            for event_id in event_ids:
                shadow.endings[name, event_id] = (state, reason or None, message or None, detail or None)
            if posting:
                self._note_posting(shadow, posting)
            elif state in ("waiting", "held", "failed") and set(event_ids) - set(shadow.event_ids):
                self._note_refused(shadow, name, event_ids, message)
            detail = None if posting else detail
        return super()._note(name, event_ids, state, reason, message, detail, posting)

    def _note_posting(self, shadow, posting):
        """Keep an effect as lines of the shadow."""
        production = posting.production_id
        if production:
            shadow.production_ids.add(production.id)
        if posting.handler == "work_time":
            return  # see mrp.machine.interval
        shadow.lines.append(
            {
                "posting_id": posting.id,
                "kind": "quantity" if posting.kind else "document",
                "handler": posting.handler,
                "production_id": production.id,
                "workorder_id": posting.workorder_id.id,
                "quantity": posting.quantity,
                "date": posting.occurred_to,
                "event_id": shadow.last_event_id,
                "summary": posting.summary,
                "explanation": posting.explanation,
            }
        )

    def _note_refused(self, shadow, name, event_ids, message):
        """Keep that a rule decided something that Odoo would not have let pass."""
        event = self.env["mrp.machine.event"].browse(event_ids)[-1:]
        shadow.lines.append(
            {
                "kind": "refused",
                "handler": name,
                "production_id": (event.data or {}).get("production_id"),
                "date": event.occurred,
                "event_id": shadow.last_event_id,
                "summary": message,
            }
        )

    def _note_technical(self, handler, entry, error, again):
        shadow = self.env.context.get(SHADOW)
        if not shadow:
            return super()._note_technical(handler, entry, error, again)
        shadow.failures.append((handler._handler_name(), entry.event_id.id, error))
        shadow.endings.pop((handler._handler_name(), entry.event_id.id), None)
        return None

    def _post_together(self, handler, groups):
        if self.env.context.get(SHADOW):
            return False  # what each effect moves is kept by itself
        return super()._post_together(handler, groups)

    def _post_group(self, handler, group, entries, again):
        shadow = self.env.context.get(SHADOW)
        if not shadow or shadow.is_posting:
            return super()._post_group(handler, group, entries, again)
        shadow.is_posting, count = True, len(shadow.lines)
        try:
            production = handler._order_of(group, entries)
            if production and handler._needs_order:
                production.with_env(handler.env)._shadow_again(shadow)
            super()._post_group(handler, group, entries, again)
        finally:
            shadow.is_posting = False
        # A group that fell apart was undone before its events were tried one by one.
        made = shadow.lines[count:]
        there = self.env["mrp.machine.posting"].browse(line["posting_id"] for line in made if "posting_id" in line)
        there = set(there.exists().ids)
        shadow.lines[count:] = [line for line in made if line.pop("posting_id", None) in {*there, None}]
        self._note_moves(shadow, handler, made[-1].get("explanation") if made else None)
        return None

    def _note_moves(self, shadow, handler, explanation):
        """Keep what was moved since the last time as lines of the shadow."""
        moves = handler.env["stock.move"].sudo().browse(shadow.moved).exists()  # sudo: it is only read
        lines = moves.filtered(lambda move: move.state == "done")._shadow_lines()
        made = []
        for line in lines:
            move, before = line["move"], shadow.moved[line["move"].id]
            if before is not None:  # it was done in truth: only what changed
                share = (move.quantity - before) / move.quantity if move.quantity else 0.0
                line.update(quantity=line["quantity"] * share, value=line["value"] * share)
            else:
                self._only_new(shadow, line, line["lot_name"])
                made.append(line)
        for line in made:
            # Of the product, what was made before may have had another lot, and have that of the latest pieces now.
            self._only_new(shadow, line, None)
        for line in lines:
            move = line["move"]
            if not move.product_uom.is_zero(line["quantity"]):
                shadow.lines.append(
                    {
                        "kind": line["kind"],
                        "handler": handler._handler_name(),
                        "production_id": line["production"].id,
                        "workorder_id": move.workorder_id.id,
                        "product_id": move.product_id.id,
                        "lot_name": line["lot_name"],
                        "quantity": line["quantity"],
                        "uom_id": move.product_uom.id,
                        "location_id": line["location"].id,
                        "location_dest_id": line["destination"].id,
                        "value": line["value"],
                        "date": move.date,
                        "event_id": shadow.last_event_id,
                        "summary": move.product_id.display_name,
                        "explanation": explanation,
                    }
                )
        shadow.moved.clear()

    def _only_new(self, shadow, line, lot):
        """Take from a line what earlier shadows have of it.

        :param str lot: of which lot; None for any
        """
        production = line["production"]
        if production.id not in shadow.earlier:
            shadow.earlier[production.id] = self._earlier(production)
        place = (line["kind"], line["move"].product_id.id, line["location"].id, line["destination"].id)
        for key, (quantity, value) in shadow.earlier[production.id].items():
            taken = min(quantity, line["quantity"])
            if key[:4] != place or (lot is not None and key[4] != lot) or taken <= 0:
                continue
            share = taken / quantity
            shadow.earlier[production.id][key] = (quantity - taken, value * (1 - share))
            line.update(quantity=line["quantity"] - taken, value=line["value"] - value * share)

    def _earlier(self, production):
        """Return ``{key: (quantity, value)}`` of what earlier shadows moved for an order."""
        memory = self.env["mrp.machine.shadow.memory"].sudo().search([("production_id", "=", production.id)])
        if not memory:
            return {}
        found = {}
        # sudo: what the poster wrote itself
        lines = self.env["mrp.machine.shadow"].sudo()
        groups = lines._read_group(
            [
                ("production_id", "=", production.id),
                ("kind", "in", CUMULATIVE),
                ("proposal_id", "=", False),
                ("id", ">", memory.began_after),
            ],
            ["kind", "product_id", "lot_name", "location_id", "location_dest_id"],
            ["quantity:sum", "value:sum"],
        )
        for kind, product, lot, source, destination, quantity, value in groups:
            key = (kind, product.id, source.id, destination.id, lot or "")
            so_far = found.get(key, (0.0, 0.0))
            found[key] = (so_far[0] + quantity, so_far[1] + value)
        return found

    def _memories_after(self, shadow):
        """Return ``{production id: values}`` of what orders have come to now."""
        kept = {}
        # sudo: the memory is the poster's own
        memories = self.env["mrp.machine.shadow.memory"].sudo()
        for production in self.env["mrp.production"].browse(sorted(shadow.production_ids)).exists():
            before = shadow.memory(production) or {}
            values = {
                "ledgers": memories._read_ledgers(production),
                "rows": memories._read_rows(production),
                "finished": before.get("finished", {}),
            }
            for step in production.workorder_ids.filtered(lambda step: step.state == "done"):
                values["finished"].setdefault(str(step.id), fields.Datetime.to_string(step.date_finished))
            entered = [
                line
                for line in shadow.lines
                if line["kind"] == "move"
                and line["production_id"] == production.id
                and line["product_id"] == production.product_id.id
            ]
            began = production.date_start if production.state != "confirmed" else False
            values["began_at"] = min(filter(None, [before.get("began_at"), began]), default=False)
            values["in_stock"] = before.get("in_stock", 0.0) + sum(line["quantity"] for line in entered)
            values["entered_at"] = max((line["date"] for line in entered), default=before.get("entered_at"))
            values["closed_at"] = before.get("closed_at") or (production.state in CLOSED and production.date_finished)
            kept[production.id] = values
        return kept

    # Afterwards

    def _keep(self, shadow, kept):
        """Write down what would have been."""
        # sudo: shadows are the poster's own; the orders themselves were undone
        memories, lines = self.env["mrp.machine.shadow.memory"].sudo(), self.env["mrp.machine.shadow"].sudo()
        there = {production.id for production in self.env["mrp.production"].browse(kept).exists()}
        for production_id, values in kept.items():
            if production_id not in there:
                continue  # it was made in the shadow, such as a backorder
            values["ledgers"] = self._without_undone(values["ledgers"])
            production = self.env["mrp.production"].browse(production_id)
            done = production.workorder_ids.filtered(lambda step: step.state == "done").ids
            values["finished"] = {step: at for step, at in values["finished"].items() if int(step) not in done}
            if production.state in CLOSED:
                values["closed_at"] = False
            ended = values["closed_at"] and not (shadow.memory(production) or {}).get("closed_at")
            if ended:
                self._time_ends(production, values["closed_at"])
            links = [(4, row["machine_id"]) for row in values["ledgers"]]
            links.append((4, shadow.machine_id))
            memory = memories.search([("production_id", "=", production_id)])
            if memory:
                memory.write({**values, "machine_ids": links})
            else:
                last = lines.search([], order="id desc", limit=1).id or 0
                memories.create({**values, "production_id": production_id, "machine_ids": links, "began_after": last})
        if shadow.times:
            lines.search([("interval_id", "in", list(shadow.times)), ("proposal_id", "=", False)]).unlink()
        made = self._real_lines(shadow)
        if shadow.times:
            # sudo: the timeline is the poster's own
            self.env["mrp.machine.interval"].sudo().browse(shadow.times).exists().is_due = False
        lines.create(
            [
                {**line, "machine_id": shadow.machine_id}
                for line in made
                if line["kind"] != "refused" or self._is_news(lines, line)
            ]
        )

    def _time_ends(self, production, moment):
        """Let the time of an order that ended in the shadow be reckoned anew from then on."""
        # sudo: the timeline is the poster's own
        intervals = self.env["mrp.machine.interval"].sudo()
        intervals.search(
            [("production_id", "=", production.id), "|", ("date_end", "=", False), ("date_end", ">", moment)]
        )._schedule_projection()

    def _real_lines(self, shadow):
        """Return the lines of a shadow; what they name that was undone, such as a backorder, is left out of them."""
        lines = list(shadow.lines)
        for interval_id, times in shadow.times.items():
            lines += [{"kind": "time", "handler": "work_time", "interval_id": interval_id, **line} for line in times]
        for name, model in NAMED.items():
            named = self.env[model].browse({line.get(name) for line in lines} - {None, False})
            there = set(named.exists().ids)
            lines = [{**line, name: line.get(name) if line.get(name) in there else False} for line in lines]
        return lines

    def _without_undone(self, ledgers):
        """Return those rows of the ledger whose work order there is in truth."""
        steps = self.env["mrp.workorder"].browse(row["workorder_id"] for row in ledgers if row["workorder_id"]).exists()
        return [row for row in ledgers if not row["workorder_id"] or row["workorder_id"] in steps.ids]

    def _is_news(self, lines, line):
        """Return whether a refusal is not the last that was said of the same order."""
        last = lines.search(
            [
                ("production_id", "=", line["production_id"]),
                ("handler", "=", line["handler"]),
                ("kind", "!=", "quantity"),
            ],
            limit=1,
        )
        return (last.kind, last.summary) != ("refused", line["summary"])


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _requeue(self):
        """Note what is put back to work in a shadow: it is so afterwards, and finds there what it waited for."""
        if shadow := self.env.context.get(SHADOW):
            shadow.again.update(self.filtered(lambda row: row.state == "waiting").ids)
        return super()._requeue()
