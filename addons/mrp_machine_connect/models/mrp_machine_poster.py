import logging
import time

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError

from ..postings.outcome import LocksNeeded, Outcome

_logger = logging.getLogger(__name__)

#: Seconds that a scheduled pass may take.
CRON_BUDGET = 8.0
#: Events of one machine in one transaction.
BATCH = 2000
#: Advisory locks: one space for machines, one for products («mm» and «mp» in ASCII).
LOCK_MACHINE, LOCK_PRODUCT = 0x6D6D, 0x6D70
#: Tries of an effect that fails for a technical reason, and the pause before each, in seconds.
PAUSES = (5, 60, 600)
#: Tries of a transaction that met another one.
CONFLICTS = 5


class MachinePoster(models.AbstractModel):
    """Gives each stored event its effect, once: the only place where events become documents.

    Per machine in order; independent machines in parallel. A transaction begins with try-locks on the machine and on
    the products of its order, so that two posters never meet on the same stock. Effect, posting and event-posting rows
    are committed together.
    """

    _name = "mrp.machine.poster"
    _description = "Machine Poster"

    @api.model
    def _wake(self):
        """Let the scheduled poster run as soon as this transaction is committed."""
        # sudo: a trigger is no right of the user whose work made the events
        cron = self.env.ref("mrp_machine_connect.ir_cron_post", raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger()

    @api.model
    def _cron_post(self):
        """Post what is due, within the budget of one pass; what remains is called for at once."""
        self._release_paused()
        if not self._post_due(self.env.registry, CRON_BUDGET):
            self._wake()

    @api.model
    def _release_paused(self):
        ended = self.env["mrp.machine"].search([("pause_until", "!=", False), ("pause_until", "<=", fields.Datetime.now())])
        if ended:
            ended.write({"pause_until": False, "pause_reason": False})

    @api.model
    def _post_due(self, registry, budget):
        """Post the queue in transactions of its own, at most ``budget`` seconds.

        :return: whether nothing is left that could be posted now
        """
        ends = time.monotonic() + budget
        while True:
            with registry.cursor() as cr:
                work = self._due_machines(cr)
            if not work:
                return True
            progress = False
            for machine_id, products in work:
                if time.monotonic() > ends:
                    return False
                progress |= self._post_machine_locked(registry, machine_id, products)
            if not progress:
                # All that is left is in another poster's hands, who will finish it.
                return True

    def _due_machines(self, cr):
        """Return ``[(machine id, products its next events will touch)]``, the longest waiting first."""
        cr.execute(
            """SELECT machine_id FROM mrp_machine_queue
                WHERE not_before IS NULL OR not_before <= clock_timestamp() AT TIME ZONE 'UTC'
                GROUP BY machine_id ORDER BY min(event_id)"""
        )
        ids = [row[0] for row in cr.fetchall()]
        machines = api.Environment(cr, SUPERUSER_ID, {})["mrp.machine"].browse(ids)
        return [(machine.id, machine._products_ahead()) for machine in machines]

    def _post_machine_locked(self, registry, machine_id, products):
        """Post one machine's queue under locks; return whether anything came of it."""
        for attempt in range(CONFLICTS):
            try:
                with registry.cursor() as cr:
                    if not self._lock(cr, machine_id, products):
                        return False
                    env = api.Environment(cr, SUPERUSER_ID, {})
                    return bool(env[self._name]._post_machine(env["mrp.machine"].browse(machine_id), products))
            except LocksNeeded as needed:
                products = products | needed.product_ids
            except OperationalError as conflict:
                _logger.info("posting of machine %s met another transaction: %s", machine_id, conflict)
                time.sleep(0.02 * 2**attempt)
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
        intervals = env["mrp.machine.interval"].search(
            [("machine_id", "=", machine_id), "|", ("end_us", "=", False), ("is_due", "=", True)]
        )
        try:
            if not machine.is_paused:
                intervals._project(self._service(machine).env)
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
        user = self.env.ref("mrp_machine_connect.user_machine_connect")
        return (
            machine.with_user(user)
            .with_company(machine.company_id)
            .with_context(allowed_company_ids=machine.company_id.ids, tracking_disable=False, lang=user.lang)
        )

    @api.model
    def _post_machine(self, machine, locked=None):
        """Post the queued events of one machine in the current transaction.

        :param set locked: ids of the products that this transaction locked; None when the caller needs no locks
        :return: number of events that left the queue
        """
        self.env.cr.execute(
            """SELECT queue.event_id FROM mrp_machine_queue queue
                 JOIN mrp_machine_event event ON event.id = queue.event_id
                WHERE queue.machine_id = %s
                  AND (queue.not_before IS NULL OR queue.not_before <= clock_timestamp() AT TIME ZONE 'UTC')
                ORDER BY event.occurred_us, event.id LIMIT %s""",
            [machine.id, BATCH],
        )
        events = self.env["mrp.machine.event"].browse([row[0] for row in self.env.cr.fetchall()])
        if not events:
            return 0
        self._route(events)
        rows = self.env["mrp.machine.event.posting"].search([("event_id", "in", events.ids), ("state", "=", "received")])
        position = {event.id: index for index, event in enumerate(events)}
        again = {}
        service = self._service(machine)
        for handler in self._handlers():
            mine = rows.filtered(lambda row, name=handler._handler_name(): row.handler == name)
            if mine:
                mine = mine.sorted(lambda row: position[row.event_id.id])
                self._post_rows(service.env[handler._name], service, mine, locked, again)
        self.env.flush_all()
        done = [event_id for event_id in events.ids if event_id not in again]
        if done:
            self.env.cr.execute("DELETE FROM mrp_machine_queue WHERE event_id = ANY(%s)", [done])
        for event_id, pause in again.items():
            self.env.cr.execute(
                """UPDATE mrp_machine_queue
                      SET not_before = (clock_timestamp() AT TIME ZONE 'UTC') + %s * interval '1 second'
                    WHERE event_id = %s""",
                [pause, event_id],
            )
        return len(done)

    @api.model
    def _handlers(self):
        """Return all handlers that the installed addons bring, in the order in which they see an event."""
        prefix = "mrp.machine.handler."
        handlers = [self.env[name] for name in sorted(self.env.registry.models) if name.startswith(prefix)]
        return sorted(handlers, key=lambda handler: handler._handler_sequence)

    def _route(self, events):
        """Make the row of each event and each handler that takes it, or one that says that nobody does."""
        handlers = [(handler, handler._handler_name()) for handler in self._handlers()]
        values = []
        now = fields.Datetime.now()
        reasons = self._held_words(events)
        for event in events:
            names = [name for handler, name in handlers if handler._takes(event)]
            if not names:
                values.append(
                    (event.id, "none", event.machine_id.id, event.company_id.id, "ignored", "no_handler",
                     self.env._("Kept in the log; no installed addon does more with it."), now, now)
                )  # fmt: skip
            for name in names:
                held = event.disposition == "held"
                values.append(
                    (event.id, name, event.machine_id.id, event.company_id.id, "held" if held else "received",
                     event.reason if held else None, reasons.get(event.reason) if held else None, now, now)
                )  # fmt: skip
        # By SQL: one statement for the batch, and rows that exist already (a retry) are left as they are.
        self.env["mrp.machine.event.posting"].flush_model()
        self.env.cr.execute_values(
            """INSERT INTO mrp_machine_event_posting
                   (event_id, handler, machine_id, company_id, state, reason, message, create_date, write_date)
               VALUES %s ON CONFLICT (event_id, handler) DO NOTHING""",
            values,
            page_size=len(values),
        )
        self.env["mrp.machine.event.posting"].invalidate_model()
        events.invalidate_recordset(["posting_ids", "state"])

    def _held_words(self, events):
        """Return ``{reason: sentence}`` of why events are held."""
        if not any(event.disposition == "held" for event in events):
            return {}
        _ = self.env._
        return {
            "jump": _("The counter moved faster than the machine can work."),
            "interrupted": _("The machine itself had no value in between, so nobody knows how this came about."),
            "implausible_drop": _("The counter fell, and neither a reset nor a rollover explains to where."),
            "clock_late": _("The machine's clock says that this happened longer ago than its late window allows."),
            "clock_early": _("The machine's clock says that this is still to happen."),
        }

    def _post_rows(self, handler, machine, rows, locked, again):
        """Give the events of one handler their effects: grouped, and a group that fails falls apart."""
        if handler._touches_documents:
            if machine.posting_mode == "observe":
                rows._settle("ignored", "observe", self.env._("The machine is only observed."))
                return
            if machine.is_paused:
                rows._settle(
                    "waiting", "paused", self.env._("Posting is paused: %s", machine.pause_reason or machine.pause_until)
                )
                return
        groups = {}
        for row in rows:
            try:
                groups.setdefault(handler._group(row.with_env(handler.env)), []).append(row.id)
            except Outcome as outcome:
                row._settle_outcome(outcome)
            except UserError as refused:
                row._settle("failed", "error", str(refused))
        for group, ids in groups.items():
            if locked is not None and not handler._products(group) <= locked:
                raise LocksNeeded(handler._products(group))
            self._post_group(handler, group, rows.browse(ids), again)

    def _post_group(self, handler, group, rows, again):
        """Post a group in a savepoint. When it fails it falls apart, so that only the guilty event does not pass."""
        try:
            with self.env.cr.savepoint():
                posting = handler._post(group, rows.with_env(handler.env))
                rows._settle_posted(posting)
                self.env.flush_all()
                self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")
                self.env.cr.execute("SET CONSTRAINTS ALL DEFERRED")
            return
        except OperationalError:
            raise  # the whole transaction is to be tried again
        except Outcome as outcome:
            if len(rows) == 1:
                rows._settle_outcome(outcome)
                return
        except UserError as refused:
            if len(rows) == 1:
                rows._settle("failed", "error", str(refused))
                return
        except Exception as error:
            if len(rows) == 1:
                self._note_technical(handler, rows, error, again)
                return
        for row in rows:
            self._post_group(handler, group, row, again)

    def _note_technical(self, handler, row, error, again):
        """An effect failed by a bug or a broken database: tried again with growing pauses, then failed."""
        row.attempts += 1
        if row.attempts <= len(PAUSES):
            _logger.warning("%s of event %s failed", handler._description, row.event_id.id, exc_info=error)
            again[row.event_id.id] = PAUSES[row.attempts - 1]
            row.message = f"{type(error).__name__}: {error}"
        else:
            _logger.error("%s of event %s failed for good", handler._description, row.event_id.id, exc_info=error)
            row._settle("failed", "error", self.env._("A technical error: %s", error))
