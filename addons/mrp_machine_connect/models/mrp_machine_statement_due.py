"""When is a statement made, and when is one looked at again? At the end of a shift, and when news of it came."""

from datetime import timedelta

from odoo import api, fields, models

from ..moments import microseconds_of
from .mrp_machine_reconciliation import TELLING

#: Statements that one pass makes or looks at again; the next one goes on.
PASS = 100
#: Up to so long a transaction that took events in may have lasted.
LAG = timedelta(minutes=5)
#: So often the mark is moved up to which news were looked at: moving it costs all processes their caches.
MARK_EVERY = timedelta(hours=1)
MARK = "mrp_machine_connect.statements_seen_us"


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    unsigned_statement_count = fields.Integer(
        compute="_compute_unsigned_statement_count",
        string="Statements to Sign",
        help="Statements of this machine's shifts that nobody has signed yet.",
    )

    def _compute_unsigned_statement_count(self):
        counts = self._count_each("mrp.machine.statement", [("state", "=", "open")])
        for machine in self:
            machine.unsigned_statement_count = counts.get(machine, 0)

    def action_statements(self):
        """Open the statements of this machine's shifts."""
        return self._action_records("mrp_machine_connect.mrp_machine_statement_action", [("machine_id", "=", self.id)])

    def _make_statements(self, now, limit=PASS):
        """Make the statements of the shifts of this machine that are over, the earliest first, and return them.

        A machine that never had one begins with the last shift that is over.

        :param now: naive UTC
        :param int limit: of shifts looked at
        """
        self.ensure_one()
        statements = self.env["mrp.machine.statement"]
        if self.statement_shifts == "none":
            return statements
        since = self.statement_until
        if not since:
            ended = self._shifts((now - timedelta(days=8)).replace(microsecond=0), now)
            if len(ended) < 2:
                return statements
            last = statements.search([("machine_id", "=", self.id)], order="date_end desc", limit=1)
            since = max(ended[-1][0], last.date_end or ended[-1][0])
        for start, end, is_shift in self._shifts(since, min(now, since + timedelta(days=32)))[:limit]:
            if self._has_to_tell(start, end, is_shift):
                statements |= statements.create(
                    {"machine_id": self.id, "date_start": start, "date_end": end, "is_shift": is_shift}
                )
            self.statement_until = end
        statements._fill()
        return statements

    def _make_statement_at(self, moment):
        """Make the statement of a time that had none, since nothing was counted then as far as anybody knew, and return it.

        :param moment: when something was counted, naive UTC
        """
        self.ensure_one()
        statements = self.env["mrp.machine.statement"]
        here = [("machine_id", "=", self.id)]
        before = statements.search([*here, ("date_end", "<=", moment)], order="date_end desc", limit=1)
        after = statements.search([*here, ("date_start", ">", moment)], order="date_start", limit=1)
        if not before or self.statement_shifts == "none":
            return statements  # what happened before statements began has none
        around = self._shifts((moment - timedelta(days=8)).replace(microsecond=0), moment + timedelta(days=8))
        for start, end, is_shift in around:
            if start <= moment < end:
                values = {
                    "machine_id": self.id,
                    "date_start": max(start, before.date_end),
                    "date_end": min(filter(None, (end, after.date_start, self.statement_until))),
                }
                return statements.create({**values, "is_shift": is_shift})
        return statements

    def _has_to_tell(self, start, end, is_shift):
        """Return whether anything was counted in a time, or an order was loaded in a shift."""
        if is_shift and self.env["mrp.machine.loading"]._between(self, start, end - timedelta(seconds=1)):
            return True
        # By SQL: one step on the index of machine and time, whatever else the log holds.
        self.env.cr.execute(
            """SELECT EXISTS (SELECT FROM mrp_machine_event WHERE machine_id = %s AND type IN %s
                                 AND occurred_us >= %s AND occurred_us < %s)""",
            [self.id, TELLING, microseconds_of(start), microseconds_of(end)],
        )
        return self.env.cr.fetchone()[0]


class MachineStatement(models.Model):
    _inherit = "mrp.machine.statement"

    @api.model
    def _cron_statements(self):
        """Make the statements that are due, and look again at those that news came of; every ten minutes."""
        for _done in self._pass(fields.Datetime.now()):
            self.env["ir.cron"]._commit_progress(1)

    @api.model
    def _pass(self, now):
        """Do what is due at a moment (naive UTC), as far as one pass gets; yields after each part that stands by itself."""
        made = 0
        for machine in self.env["mrp.machine"].search([("statement_shifts", "!=", "none")]):
            made += len(machine._make_statements(now, max(1, PASS - made)))
            yield machine
        for statement in self._with_news(now):
            statement._fill()
            yield statement

    @api.model
    def _with_news(self, now):
        """Return the statements to be looked at again: those that events came for, and those that something waits in.

        :param now: naive UTC
        """
        # sudo: a mark of our own, which is nobody's setting
        parameters = self.env["ir.config_parameter"].sudo()
        mark = int(parameters.get_param(MARK) or microseconds_of(now))
        lag = LAG // timedelta(microseconds=1)
        self._make_missing(mark - lag)
        self.env.flush_all()
        # By SQL: what came since the mark, by the index on the time of receipt; folded to hours before statements are
        # looked for, so that a machine of ten events a second asks for few. What comes late also tells how far a counter
        # had come, so that the next statements are about less: up to the one in which each counter moved again.
        self.env.cr.execute(
            """WITH news AS (
                   SELECT machine_id, max(received) AS latest,
                          to_timestamp(occurred_us / 3600000000 * 3600) AT TIME ZONE 'UTC' AS hour
                     FROM mrp_machine_event
                    WHERE received_us > %(mark)s AND type IN %(types)s GROUP BY 1, 3),
               told AS (
                   SELECT news.*, COALESCE(max(again.moved), hour + interval '1 hour') AS until FROM news
                     LEFT JOIN LATERAL (
                          SELECT min(statement.date_start) AS moved FROM mrp_machine_statement statement
                            JOIN mrp_machine_statement_counter counter ON counter.statement_id = statement.id
                           WHERE statement.machine_id = news.machine_id AND statement.date_start >= hour
                             AND (counter.pieces <> 0 OR counter.moved <> 0)
                           GROUP BY counter.name) again ON true
                    GROUP BY 1, 2, 3)
               SELECT DISTINCT statement.id FROM told
                 JOIN mrp_machine_statement statement ON statement.machine_id = told.machine_id
                  AND statement.date_end > hour AND statement.date_start <= until
                WHERE statement.checked IS NULL OR statement.checked <= told.latest + %(lag)s
                ORDER BY statement.id LIMIT %(limit)s""",
            {"mark": mark - lag, "types": TELLING, "lag": LAG, "limit": PASS},
        )
        found = self.browse([row[0] for row in self.env.cr.fetchall()])
        found |= self.search([("is_settled", "=", False)], order="checked, id", limit=PASS // 5)
        if not parameters.get_param(MARK) or microseconds_of(now) - mark > MARK_EVERY // timedelta(microseconds=1):
            parameters.set_param(MARK, str(microseconds_of(now)))
        return found[:PASS]

    @api.model
    def _make_missing(self, mark):
        """Make statements of times for which the first event came when all shifts of that time were looked at.

        :param int mark: of events that were received since, in microseconds
        """
        for _number in range(PASS):
            self.env.flush_all()
            # By SQL: as above; the current shift's events are told apart by one comparison.
            self.env.cr.execute(
                """SELECT event.machine_id, min(event.occurred) FROM mrp_machine_event event
                     JOIN mrp_machine machine ON machine.id = event.machine_id
                      AND event.occurred < machine.statement_until AND machine.statement_shifts <> 'none'
                    WHERE event.received_us > %(mark)s AND event.type IN %(types)s
                      AND event.occurred >= (SELECT min(date_start) FROM mrp_machine_statement first
                                              WHERE first.machine_id = event.machine_id)
                      AND NOT EXISTS (SELECT FROM mrp_machine_statement statement
                                       WHERE statement.machine_id = event.machine_id
                                         AND statement.date_start <= event.occurred
                                         AND statement.date_end > event.occurred)
                    GROUP BY event.machine_id""",
                {"mark": mark, "types": TELLING},
            )
            made = [
                self.env["mrp.machine"].browse(machine_id)._make_statement_at(moment)
                for machine_id, moment in self.env.cr.fetchall()
            ]
            if not any(made):
                return
