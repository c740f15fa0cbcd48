import logging
import time
from collections import defaultdict

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api, fields, models, tools
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..polling_host import PASSING
from ..postings.outcome import LocksNeeded, Outcome

_logger = logging.getLogger(__name__)

#: Readings and sums of readings: they are looked at, and never become documents.
TELEMETRY = ("meter.", "process.")
#: Seconds that a scheduled pass may take.
CRON_BUDGET = 8.0
#: Events of one machine in one transaction; of those that only patient effects are left of, so that pieces wait no longer
#: than for some of them; and of these while there are pieces all the time.
BATCH, PATIENT_BATCH, PRESSED_BATCH = 2000, 200, 50
#: Advisory locks: one space for machines, one for products («mm» and «mp» in ASCII).
LOCK_MACHINE, LOCK_PRODUCT = 0x6D6D, 0x6D70
#: What routing and most handlers look at of an event; the rest is read where it is needed.
LOOKED_AT = ("type", "occurred", "occurred_us", "data", "disposition", "reason", "signal_id")
#: Tries of an effect that fails for a technical reason, and the pause before each, in seconds.
PAUSES = (5, 60, 600)
#: Tries of a transaction that met another one.
CONFLICTS = 5
#: In a context: whoever posts looks at the queue again once this is committed, and need not be woken.
LOOKS_AGAIN = "machine_poster_looks_again"


class MachinePoster(models.AbstractModel):
    """Gives each stored event its effect, once: the only place where events become documents.

    Per machine in order; independent machines in parallel. A transaction begins with try-locks on the machine and on
    the products of its order, so that two posters never meet on the same stock. Effect, posting and event-posting rows
    are committed together.

    Effects that can wait a moment, such as those of a flood of alarms, come in a transaction of their own when no machine
    has others left, or one machine a round when there are always others.
    """

    _name = "mrp.machine.poster"
    _description = "Machine Poster"

    @api.model
    def _wake(self, at=None):
        """Let the scheduled posters run as soon as this transaction is committed, or at a moment (naive UTC)."""
        if not at and self.env.context.get(LOOKS_AGAIN):
            return
        for name in ("ir_cron_post", "ir_cron_post_2"):
            # sudo: a trigger is no right of the user whose work made the events
            cron = self.env.ref(f"mrp_machine_connect.{name}", raise_if_not_found=False)
            if cron and cron.sudo().active:
                cron.sudo()._trigger(at=at)

    @api.model
    def _cron_post(self, shard=0):
        """Post what is due, within the budget of one pass; what remains is called for at once.

        :param int shard: 0, or 1 for a second poster at the same time, which begins with the other half of the machines
        """
        if not shard:
            self._release_paused()
        if not self._post_due(self.env.registry, CRON_BUDGET, shard):
            self._wake()

    @api.model
    def _release_paused(self):
        ended = (
            self.env["mrp.machine"]
            .with_context(active_test=False)
            .search([("pause_until", "!=", False), ("pause_until", "<=", fields.Datetime.now())])
        )
        if ended:
            ended.write({"pause_until": False, "pause_reason": False})
        self.env["mrp.machine"]._begin_planned()
        rows = self.env["mrp.machine.event.posting"]
        # A poster that saw the pause may have written its rows after the pause was over.
        waiting = rows.search([("state", "=", "waiting"), ("reason", "=", "paused")])
        waiting.filtered(lambda row: not row.machine_id.is_paused)._requeue()
        # By SQL: an effect that is due and not queued is nobody's; the partial index on open rows finds it.
        self.env.cr.execute(
            """INSERT INTO mrp_machine_queue (event_id, machine_id)
               SELECT row.event_id, row.machine_id FROM mrp_machine_event_posting row
                WHERE row.state = 'received'
                  AND NOT EXISTS (SELECT FROM mrp_machine_queue queue WHERE queue.event_id = row.event_id)
                   ON CONFLICT (event_id) DO NOTHING"""
        )
        self.env["ir.cron"]._commit_progress()

    @api.model
    def _post_due(self, registry, budget, shard=0):
        """Post the queue in transactions of its own, at most ``budget`` seconds.

        :param int shard: see :meth:`_cron_post`; the locks make sure that no two posters ever work on one machine
        :return: whether nothing is left that could be posted now
        """
        ends = time.monotonic() + budget
        # One line to the database for all that is only looked at: to take and give it back costs more than the look.
        with registry.cursor() as look:
            while True:
                took = self._take_decided(registry, look)
                done = self._post_rounds(registry, look, ends, shard)
                if not took:
                    return done
                if time.monotonic() > ends:
                    return False

    @api.model
    def _take_decided(self, registry, look):
        """Put what people decided into the queue, in transactions of its own.

        :param look: a cursor for what is only looked at
        :return: whether there was anything, so that there may be more
        """
        return False

    @api.model
    def _post_rounds(self, registry, look, ends, shard):
        """Post the queue, round by round: in each, what is due of one machine after the other.

        :param look: a cursor for what is only looked at
        :param float ends: when to stop, by ``time.monotonic``
        :return: whether nothing is left that could be posted now
        """
        while True:
            work = self._due_machines(look)
            look.rollback()  # each look is to see what is there then
            if not work:
                return True
            if shard:
                middle = len(work) // 2
                work = work[middle:] + work[:middle]
            progress, was_patient = False, False
            patient_batch = PATIENT_BATCH if all(is_patient for is_patient, *_machine in work) else PRESSED_BATCH
            # Sorted: those with effects that cannot wait come first.
            for is_patient, machine_id, products in sorted(work, key=lambda item: item[0]):
                is_over = time.monotonic() > ends
                if was_patient and (is_over or self._is_pressed(look)):
                    break
                if is_over and not is_patient:
                    continue  # one machine's patient effects come about in each pass, whatever there is to do
                try:
                    limit = patient_batch if is_patient else BATCH
                    progress |= self._post_machine_locked(registry, machine_id, products, not is_patient, limit)
                    was_patient |= is_patient
                except PASSING:
                    raise  # the database is away, for all machines
                except Exception:  # one machine's trouble must not keep the others' events
                    _logger.exception("events of machine %s could not be posted", machine_id)
            if time.monotonic() > ends:
                return False
            if not progress:
                # All that is left is in another poster's hands, who will finish it.
                return True

    def _due_machines(self, cr):
        """Return ``[(whether only patient effects are left, machine id, products its next events will touch)]``.

        The longest waiting come first.
        """
        cr.execute(
            """SELECT bool_and(is_patient IS TRUE), machine_id FROM mrp_machine_queue
                WHERE not_before IS NULL OR not_before <= clock_timestamp() AT TIME ZONE 'UTC'
                GROUP BY machine_id ORDER BY min(event_id)"""
        )
        if not (found := cr.fetchall()):
            return []
        machines = api.Environment(cr, SUPERUSER_ID, {})["mrp.machine"].browse(row[1] for row in found)
        products = machines._products_ahead()
        return [(is_patient, machine_id, products[machine_id]) for is_patient, machine_id in found]

    @staticmethod
    def _is_pressed(look):
        """Return whether a machine has effects due that cannot wait."""
        look.execute(
            """SELECT EXISTS (SELECT FROM mrp_machine_queue
                               WHERE is_patient IS NOT TRUE
                                 AND (not_before IS NULL OR not_before <= clock_timestamp() AT TIME ZONE 'UTC'))"""
        )
        is_pressed = look.fetchone()[0]
        look.rollback()
        return is_pressed

    def _post_machine_locked(self, registry, machine_id, products, only_pressing, limit):
        """Post one machine's queue under locks, so many events at most; return whether anything came of it."""
        conflicts = 0
        while conflicts < CONFLICTS:
            try:
                with registry.cursor() as cr:
                    if not self._lock(cr, machine_id, products):
                        return False
                    env = api.Environment(cr, SUPERUSER_ID, {LOOKS_AGAIN: True})
                    machine = env["mrp.machine"].browse(machine_id)
                    return bool(
                        env[self._name]._post_machine(machine, products, only_pressing=only_pressing, limit=limit)
                    )
            except LocksNeeded as needed:
                # Each round knows more products, so this ends.
                products = products | needed.product_ids
            except PASSING as conflict:
                if _line_is_cut(conflict):
                    raise
                _logger.info("posting of machine %s met another transaction: %s", machine_id, conflict)
                time.sleep(0.02 * 2**conflicts)
                conflicts += 1
        _logger.warning("posting of machine %s met others %s times and is tried again later", machine_id, conflicts)
        return False

    @staticmethod
    def _lock(cr, machine_id, products):
        """Try all locks in one statement, the first of the transaction; False when one is taken."""
        cr.execute(
            """SELECT bool_and(pg_try_advisory_xact_lock(space, key))
                 FROM unnest(%s::int[], %s::int[]) AS wanted (space, key)""",
            [
                [LOCK_MACHINE, *[LOCK_PRODUCT] * len(products)],
                [machine_id, *sorted(products)],
            ],
        )
        return cr.fetchone()[0]

    def _extend(self, cr, machine_id):
        """Let the time line of a machine's open interval grow, under the machine's lock."""
        if not self._lock(cr, machine_id, ()):
            return
        env = api.Environment(cr, SUPERUSER_ID, {})
        machine = env["mrp.machine"].browse(machine_id)
        cr.execute(
            """SELECT id FROM mrp_machine_interval WHERE machine_id = %(machine)s AND end_us IS NULL
               UNION SELECT id FROM mrp_machine_interval WHERE machine_id = %(machine)s AND is_due""",
            {"machine": machine_id},
        )
        intervals = env["mrp.machine.interval"].browse([row[0] for row in cr.fetchall()])
        try:
            if not machine.is_paused:
                intervals._bookable()._project(self._service(machine).env)
                env.flush_all()
        except OperationalError:
            cr.rollback()
        except UserError as refused:
            cr.rollback()
            _logger.info("the time of machine %s could not be extended: %s", machine.display_name, refused)

    # One machine, in the transaction that is open

    @api.model
    def _service(self, machine):
        """Return the machine as the service user sees it, in the machine's company: effects are made in its name."""
        # Both from Odoo's caches, for this is asked for each machine in each transaction.
        user = self.env["res.users"].browse(
            self.env["ir.model.data"]._xmlid_to_res_id("mrp_machine_connect.user_machine_connect", True)
        )
        return (
            machine.with_user(user)
            .with_company(machine.company_id)
            .with_context(
                allowed_company_ids=machine.company_id.ids,
                tracking_disable=False,
                lang=user.with_user(user).context_get().get("lang"),
            )
        )

    @api.model
    def _post_machine(self, machine, locked=None, only=None, only_pressing=False, limit=BATCH):
        """Post the queued events of one machine in the current transaction.

        :param set locked: ids of the products that this transaction locked; None when the caller needs no locks
        :param list only: ids of the events to be posted; None for all that are due
        :param bool only_pressing: leave the effects of patient handlers for later
        :param int limit: events at most
        :return: number of events that left the queue, or are left for their patient effects
        """
        if machine.pause_until and not machine.is_paused:
            # The pause is over: what waited for that comes first, and not after what happened later.
            machine.write({"pause_until": False, "pause_reason": False})
        sync = self.env["mrp.machine.sync"]
        if only is None and sync._sets_apart(machine):
            sync._set_apart(machine)
        self.env.cr.execute(
            SQL(
                """SELECT queue.id, event.id, %s FROM mrp_machine_queue queue
                     JOIN mrp_machine_event event ON event.id = queue.event_id
                    WHERE queue.machine_id = %s
                      AND (queue.not_before IS NULL OR queue.not_before <= clock_timestamp() AT TIME ZONE 'UTC')
                      AND (%s::int[] IS NULL OR queue.event_id = ANY(%s::int[]))
                      AND NOT (%s AND queue.is_patient IS TRUE)
                    ORDER BY event.occurred_us, event.id LIMIT %s""",
                SQL(", ").join(SQL.identifier("event", name) for name in LOOKED_AT),
                machine.id,
                only,
                only,
                only_pressing,
                limit,
            )
        )
        if not (found := self.env.cr.fetchall()):
            return 0
        entry_ids, event_ids, *columns = zip(*found, strict=True)
        entries = self.env["mrp.machine.queue"].browse(entry_ids)
        events = self.env["mrp.machine.event"].browse(event_ids)
        # Into Odoo's cache, where handlers look: to read them by the ORM would be two more statements, and twice the time.
        entries._fields["event_id"]._insert_cache(entries, event_ids)
        entries._fields["machine_id"]._insert_cache(entries, [machine.id] * len(entries))
        for name, values in zip(LOOKED_AT, columns, strict=True):
            events._fields[name]._insert_cache(events, values)
        handlers = self._handlers()
        due = self._route(events, handlers)
        again, put_off = {}, set()
        service = self._service(machine)
        for handler in handlers:
            if only_pressing and handler._is_patient:
                put_off |= due.get(handler._handler_name(), set())
            elif wanted := due.get(handler._handler_name()):
                mine = [
                    entry_id for entry_id, event_id in zip(entries.ids, events.ids, strict=True) if event_id in wanted
                ]
                self._post_entries(service.env[handler._name], service, entries.browse(mine), locked, again)
        self.env.flush_all()
        left = [entry_id for entry_id, event_id in zip(entries.ids, events.ids, strict=True) if event_id in put_off]
        if left:
            self.env.cr.execute("UPDATE mrp_machine_queue SET is_patient = TRUE WHERE id = ANY(%s)", [left])
        done = [entry_id for entry_id in entries.ids if entry_id not in {*again, *left}]
        if done:
            # What an effect of this very batch put back to work, such as pieces that had no order until now, stays.
            self.env.cr.execute(
                """DELETE FROM mrp_machine_queue queue
                    WHERE id = ANY(%s)
                      AND NOT EXISTS (SELECT FROM mrp_machine_event_posting row
                                       WHERE row.event_id = queue.event_id AND row.state = 'received'
                                         AND row.handler = ANY(%s))""",
                [done, [handler._handler_name() for handler in handlers]],
            )
        for entry_id, pause in again.items():
            self.env.cr.execute(
                """UPDATE mrp_machine_queue
                      SET not_before = (clock_timestamp() AT TIME ZONE 'UTC') + %s * interval '1 second'
                    WHERE id = %s""",
                [pause, entry_id],
            )
        self.env["mrp.machine.queue"].invalidate_model()
        return len(done) + len(left)

    @api.model
    def _handlers(self):
        """Return all handlers that the installed addons bring, in the order in which they see an event."""
        prefix = "mrp.machine.handler."
        handlers = [self.env[name] for name in sorted(self.env.registry.models) if name.startswith(prefix)]
        return sorted(handlers, key=lambda handler: handler._handler_sequence)

    @api.model
    @tools.ormcache()
    def _patient_types(self):
        """Return the types of events that have patient effects alone: none of them is looked at before pieces are.

        Asked for each event that is stored, so it is kept until rules change.
        """
        pressing, patient = set(), set()
        for handler in self._handlers():
            (patient if handler._is_patient else pressing).update(handler._event_types)
        return frozenset(patient - pressing)

    def _route(self, events, handlers):
        """Find out which handlers the events go to, and write down why the others go to none.

        Held events wait for a person; of those that no handler takes one row says so.

        :return: ``{handler name: ids of the events to which it is to give their effect}``
        """
        takers, every = defaultdict(list), self.env["mrp.machine.handler"]._takes.__func__
        for handler in handlers:
            # Not asked where it takes all events of a type.
            asked = () if handler._takes.__func__ is every else handler._asked_types or handler._event_types
            for event_type in handler._event_types:
                takes = handler._takes if event_type in asked else None
                takers[event_type].append((handler._handler_name(), takes))
        self.env["mrp.machine.event.posting"].flush_model()
        self.env.cr.execute(
            """SELECT event_id, handler, state, released_by IS NOT NULL AND reason IS DISTINCT FROM 'by_person'
                 FROM mrp_machine_event_posting WHERE event_id = ANY(%s)""",
            [events.ids],
        )
        due, known, released = defaultdict(set), set(), set()
        for event_id, name, state, is_released in self.env.cr.fetchall():
            known.add((event_id, name))
            if is_released:
                released.add(event_id)
            if state == "received":  # a person, or a pause after a technical error, lets it be tried again
                due[name].add(event_id)
        log_only = {signal.id for signal in events.signal_id if signal.business_relevance == "log"}
        lookers = {handler._handler_name() for handler in handlers if handler._takes_telemetry}
        aside = defaultdict(list)
        for event_id, event in zip(events.ids, events, strict=True):
            event_type, why = event.type, "no_handler"
            names = [name for name, takes in takers[event_type] if takes is None or takes(event)]
            is_kept = log_only and event.signal_id.id in log_only
            if names and (is_kept or event_type.startswith(TELEMETRY)):
                # What had an effect, or waits for it, keeps that; what comes from now on has none.
                takes_it = set() if is_kept else lookers
                names, why = [name for name in names if (event_id, name) in known or name in takes_it], "not_relevant"
            if not names and (event_id, "none") not in known:
                aside["none", "ignored", why].append(event_id)
            for name in names:
                if (event_id, name) in known:
                    continue
                # What a person found right once is not held again for an effect that comes later.
                if event.disposition == "held" and event_id not in released:
                    aside[name, "held", event.reason].append(event_id)
                else:
                    due[name].add(event_id)
        for (name, state, reason), ids in aside.items():
            self._note(name, ids, state, reason, self._words().get(reason))
        return due

    def _words(self):
        """Return ``{reason: sentence}`` of why events do not go on to their handlers."""
        _ = self.env._
        return {
            "no_handler": _("Kept in the log; no installed addon does more with it."),
            "not_relevant": _("Kept in the log only: its signal, or its kind, is not meant to have effects."),
            "jump": _("The counter moved faster than the machine can work."),
            "interrupted": _("The machine itself had no value in between, so nobody knows how this came about."),
            "implausible_drop": _("The counter fell, and neither a reset nor a rollover explains to where."),
            "clock_late": _("The machine's clock says that this happened longer ago than its late window allows."),
            "clock_early": _("The machine's clock says that this is still to happen."),
        }

    def _post_entries(self, handler, machine, entries, locked, again):
        """Give the events of one handler their effects, as the machine's mode has it."""
        name = handler._handler_name()
        if not handler._touches_documents:
            self._post_automatic(handler, entries, locked, again)
            return
        for mode, theirs in machine._by_mode(entries).items():
            if mode == "observe":
                words = self.env._("The machine is only observed.")
                self._note(name, theirs.event_id.ids, "ignored", "observe", words)
            elif machine.is_paused:
                words = self.env._("Posting is paused: %s", machine.pause_reason or machine.pause_until)
                self._note(name, theirs.event_id.ids, "waiting", "paused", words)
            elif mode == "automatic":
                self._post_automatic(handler, theirs, locked, again)
            else:
                # One of _post_shadow and _post_propose.
                getattr(self, f"_post_{mode}")(handler, machine, theirs, locked, again)

    def _post_automatic(self, handler, entries, locked, again):
        """Give the events of one handler their effects: grouped, and a group that fails falls apart."""
        groups = {group: entries.browse(ids) for group, ids in self._group(handler, entries, locked, again).items()}
        if handler._posts_together and len(groups) > 1 and self._post_together(handler, groups):
            return
        for group, theirs in groups.items():
            self._post_group(handler, group, theirs, again)

    def _group(self, handler, entries, locked, again):
        """Return the events of one handler by the effect that they have together, and write down what has none.

        :raise LocksNeeded: their effects touch products that are not locked
        """
        name = handler._handler_name()
        groups, refused = handler._groups(entries.with_env(handler.env))
        alike = defaultdict(list)
        for entry_id, error in refused.items():
            if isinstance(error, (Outcome, UserError)):
                alike[self._ending(error)].append(entry_id)
            else:
                self._note_technical(handler, entries.browse(entry_id), error, again)
        for ending, ids in alike.items():
            self._note(name, entries.browse(ids).event_id.ids, *ending)
        if locked is not None:
            missing = set().union(*(handler._products(group) for group in groups)) - locked
            if missing:
                raise LocksNeeded(missing)
        return groups

    def _post_together(self, handler, groups):
        """Post all groups in one savepoint; return whether that was possible. If not, each is to be posted alone."""
        name = handler._handler_name()
        try:
            with self.env.cr.savepoint():
                made = handler._post_groups({group: entries.with_env(handler.env) for group, entries in groups.items()})
                posted = {}
                for group, entries in groups.items():
                    posting = made[group]
                    if isinstance(posting, Outcome):
                        self._note(name, entries.event_id.ids, *self._ending(posting))
                    else:
                        posted[posting] = entries.event_id.ids
                self._note_posted(name, posted)
                self._see_through()
        except PASSING:
            raise  # the whole transaction is to be tried again
        except Exception as error:  # whichever group it was finds out alone, and keeps no other
            # What was refused in words is told of its event; anything else would hide here, and only cost time.
            is_refused = isinstance(error, (Outcome, UserError))
            log = _logger.info if is_refused else _logger.warning
            log("%s: effects are posted one by one after %r", name, error, exc_info=None if is_refused else error)
            return False
        return True

    def _see_through(self):
        """Let the database say now, and not at the end of the transaction, what it does not take."""
        self.env.flush_all()
        self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    def _post_group(self, handler, group, entries, again):
        """Post a group in a savepoint. When it fails it falls apart, so that only the guilty event does not pass."""
        name = handler._handler_name()
        try:
            with self.env.cr.savepoint():
                posting = handler._post(group, entries.with_env(handler.env))
                if isinstance(posting, Outcome):
                    # Returned and not raised: what was written by now stays, and goes with its row.
                    self._note(name, entries.event_id.ids, *self._ending(posting))
                else:
                    self._note(name, entries.event_id.ids, "posted", message=posting.summary, posting=posting)
                self._see_through()
            return
        except PASSING:
            raise  # the whole transaction is to be tried again; a line that is cut cannot even roll back
        except (Outcome, UserError) as refused:
            if len(entries) == 1:
                self._note(name, entries.event_id.ids, *self._ending(refused))
                return
        except Exception as error:
            if len(entries) == 1:
                self._note_technical(handler, entries, error, again)
                return
        for entry in entries:
            self._post_group(handler, group, entry, again)

    @staticmethod
    def _ending(error):
        """Return state, reason, message and detail of an effect that was refused."""
        if isinstance(error, Outcome):
            return error.state, error.reason, error.message, error.detail
        return "failed", "error", str(error), ""

    def _note(self, name, event_ids, state, reason=None, message=None, detail=None, posting=None):
        """Write down what became of events with a handler, in one statement, however many."""
        ending = (state, reason or None, message or None, detail or None, posting and posting.id)
        self._note_endings(name, [(event_ids, ending)])

    def _note_posted(self, name, posted):
        """Write down of the events of many effects that they had them.

        :param dict posted: ``{mrp.machine.posting: [event id]}``
        """
        if posted:
            self._note_endings(
                name, [(ids, ("posted", None, made.summary or None, None, made.id)) for made, ids in posted.items()]
            )

    def _note_endings(self, name, endings):
        """Write down what became of events with a handler.

        By SQL: a counter's events come by the hundred and end alike, and a row that is written once in its final state
        costs a third of one that is created, read and changed in the same transaction.

        :param endings: ``[([event id], (state, reason, message, detail, posting id))]``
        """
        rows = self.env["mrp.machine.event.posting"]
        rows.flush_model()
        event_ids = [event_id for ids, _ending in endings for event_id in ids]
        states, reasons, messages, details, postings = zip(*(ending for _ids, ending in endings), strict=True)
        self.env.cr.execute(
            """INSERT INTO mrp_machine_event_posting AS row
                      (event_id, machine_id, company_id, handler, state, reason, message, detail, posting_id,
                       create_date, write_date)
               SELECT event.id, event.machine_id, event.company_id, %(handler)s, ending.state, ending.reason,
                      ending.message, ending.detail, ending.posting, %(now)s, %(now)s
                 FROM unnest(%(events)s::int[], %(numbers)s::int[]) AS ended (event_id, number)
                 JOIN mrp_machine_event event ON event.id = ended.event_id
                 JOIN unnest(%(states)s::varchar[], %(reasons)s::varchar[], %(messages)s::text[], %(details)s::text[],
                             %(postings)s::int[])
                      WITH ORDINALITY AS ending (state, reason, message, detail, posting, number) USING (number)
                ORDER BY event.id
                   ON CONFLICT (event_id, handler) DO UPDATE
                  SET state = EXCLUDED.state, reason = EXCLUDED.reason, message = EXCLUDED.message,
                      detail = EXCLUDED.detail, posting_id = EXCLUDED.posting_id, write_date = EXCLUDED.write_date
                WHERE row.state = 'received'""",
            {
                "handler": name,
                "events": event_ids,
                "numbers": [number for number, (ids, _ending) in enumerate(endings, 1) for _event_id in ids],
                "states": list(states),
                "reasons": list(reasons),
                "messages": list(messages),
                "details": list(details),
                "postings": list(postings),
                "now": fields.Datetime.now(),
            },
        )
        if self.env.cr.rowcount != len(event_ids):
            raise ValueError(
                f"{name}: of {len(event_ids)} events {self.env.cr.rowcount} were still to have their effect"
            )
        rows.invalidate_model()
        self.env["mrp.machine.event"].invalidate_model(["posting_ids", "state"], flush=False)

    def _note_technical(self, handler, entry, error, again):
        """An effect failed by a bug or a broken database: tried again with growing pauses, then failed."""
        name, event = handler._handler_name(), entry.event_id
        self._note(name, event.ids, "received", message=f"{type(error).__name__}: {error}")
        row = self.env["mrp.machine.event.posting"].search([("event_id", "=", event.id), ("handler", "=", name)])
        row.attempts += 1
        if row.attempts <= len(PAUSES):
            _logger.warning("%s of event %s failed", handler._description, event.id, exc_info=error)
            again[entry.id] = PAUSES[row.attempts - 1]
        else:
            _logger.error("%s of event %s failed for good", handler._description, event.id, exc_info=error)
            self._note(name, event.ids, "failed", "error", self.env._("A technical error: %s", error))


def _line_is_cut(error):
    """Return whether there is no database to try again with, instead of another transaction that was quicker.

    What PostgreSQL itself refuses has an SQLSTATE; classes 08 (connection exception) and 57P (shutdown, starting up) end
    the line all the same.
    """
    return not error.pgcode or error.pgcode.startswith(("08", "57P"))
