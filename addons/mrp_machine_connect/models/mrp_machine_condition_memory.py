"""What does a condition remember of a machine, and who looks when time alone decides?

Values that the poller reads it looks at itself, in the transaction that stores the readings (``polling_conditions.py``). All
else is looked at where events are posted, under the machine's lock. So there is one who writes each row.
"""

import logging

from psycopg2 import OperationalError

from odoo import SUPERUSER_ID, api, fields, models

from ..fields import BigInteger
from ..machine_connect import clock
from ..machine_connect.condition import Evaluation, Raised, RuleInvalid
from ..machine_connect.event import Event, microseconds
from ..machine_connect.instants import instant

_logger = logging.getLogger(__name__)

#: Seconds that news of a machine may take to come: before time alone decides, it is waited so long for them.
PATIENCE = 60


class MachineConditionMemory(models.Model):
    """What one condition remembers of one machine."""

    _name = "mrp.machine.condition.memory"
    _description = "Condition of a Machine"
    _log_access = False
    _rec_name = "condition_id"

    condition_id = fields.Many2one(
        "mrp.machine.condition", required=True, readonly=True, index=True, ondelete="cascade", help="The rule."
    )
    machine_id = fields.Many2one(
        "mrp.machine", required=True, readonly=True, index=True, ondelete="cascade", help="The machine."
    )
    memory = fields.Json(readonly=True, help="What the rule remembers between two pieces of news.")
    due_us = BigInteger(readonly=True, help="When time alone may decide, in microseconds since 1970.")
    is_raised = fields.Boolean("Raised", readonly=True, help="Something is wrong now.")
    failed_us = BigInteger("Failed (µs)", readonly=True, help="The moment of failure, in microseconds since 1970.")
    failed = fields.Datetime("Since", compute="_compute_failed", help="The moment of failure, by the machine's clock.")

    _machine_unique = models.UniqueIndex("(condition_id, machine_id)", "A condition remembers each machine once.")
    _due = models.Index("(due_us) WHERE due_us IS NOT NULL")

    @api.depends("failed_us")
    def _compute_failed(self):
        for row in self:
            row.failed = instant(row.failed_us).replace(tzinfo=None) if row.failed_us else False

    @api.model
    def _rows(self, machine, conditions):
        """Return ``{condition: row}`` of a machine; rows that are missing are made."""
        rows = {
            row.condition_id: row
            for row in self.search([("machine_id", "=", machine.id), ("condition_id", "in", conditions.ids)])
        }
        for condition in conditions - self.env["mrp.machine.condition"].concat(*rows):
            rows[condition] = self.create({"condition_id": condition.id, "machine_id": machine.id})
        return rows

    @api.model
    def _keep(self, row, evaluation):
        """Write down what an evaluation remembers."""
        memory = evaluation.memory
        active = memory.get("active")
        row.write(
            {
                "memory": memory,
                "due_us": evaluation.due or False,
                "is_raised": evaluation.is_active,
                "failed_us": active["since"] if active else False,
            }
        )

    @api.model
    def _look(self, machine, news, conditions=None):
        """Let a machine's conditions look at news, keep what they find in the log, and return it.

        :param news: ``[(microseconds, {kind of news: what, …})]`` in their order; a key ``signal`` names the signal of a value
        :return: ``[(condition, Raised or Cleared)]``
        """
        found = []
        if conditions is None:
            conditions = self._watching(machine)
        for condition, row in self._rows(machine, conditions).items():
            try:
                evaluation = Evaluation(condition._rule(), row.memory)
            except RuleInvalid as invalid:
                # The form refuses such a rule; what came in another way costs only itself.
                _logger.warning("condition %s cannot be used: %s", condition.id, invalid)
                continue
            looks_at, signal = evaluation.rule.looks_at, condition.signal_name
            heard = False
            for moment, said in news:
                known = {key: value for key, value in said.items() if key in looks_at}
                if "value" in known and said.get("signal") != signal:
                    del known["value"]
                if said and not known:
                    continue
                if "value" in known:
                    known["value"] = _nearest(evaluation.rule, known["value"])
                if "state" in known:
                    known["reason"] = said.get("reason") or ""
                found += [(condition, item) for item in evaluation.feed(moment, **known)]
                heard = True
            if heard:
                self._keep(row, evaluation)
        found.sort(key=lambda pair: pair[1].at)
        self._tell(machine, found)
        return found

    @api.model
    def _restart(self, machine, condition):
        """Count the use of a machine anew from what its meter shows now."""
        row, meter = self._rows(machine, condition)[condition], condition.meter_id
        evaluation = Evaluation(condition._rule(), row.memory)
        found = evaluation.restart(microseconds(clock.now()), meter.value)
        self._keep(row, evaluation)
        self._tell(machine, [(condition, item) for item in found])

    @api.model
    def _watching(self, machine):
        """Return the conditions of a machine that events and time decide on."""
        conditions = self.env["mrp.machine.condition"]._of_machine(machine)
        return conditions.filtered(lambda condition: not condition._is_polled(machine))

    @api.model
    def _tell(self, machine, found):
        """Keep what was found on a machine in the log, as an event of our own rules at the machine's own time; return it."""
        if not found:
            return machine.env["mrp.machine.event"]
        events = [self._event(machine, condition, item) for condition, item in found]
        log = machine.env["mrp.machine.event"]
        received = log._receive(
            machine.env.ref("mrp_machine_connect.source_rules"),
            [(machine, machine._stream(f"rules:{machine.id}"), {}, machine.mapping_version, events)],
        )
        machine.env["mrp.machine.poster"]._wake()
        return received

    @api.model
    def _event(self, machine, condition, item):
        kind = "alarm.raised" if isinstance(item, Raised) else "alarm.cleared"
        data = condition._data(machine, item.since, item.evidence)
        return Event(type=kind, occurred=instant(item.at), recorded=clock.now(), data=data)

    # When time alone decides

    @api.model
    def _cron_look(self):
        """Look at what has lasted long enough by now, at use, and bring shelved alarms back."""
        self.env["mrp.machine.alarm"]._unshelve_due()
        for machine_id in self._due_machines():
            try:
                with self.env.registry.cursor() as cr:
                    self._look_locked(cr, machine_id)
            except Exception:  # one machine's trouble must not keep the others' conditions
                _logger.exception("the conditions of machine %s could not be looked at", machine_id)

    @api.model
    def _due_machines(self):
        """Return the ids of the machines of which time or use may decide something by now."""
        self.flush_model()
        usage = self.env["mrp.machine.condition"].search([("kind", "=", "usage"), ("armed", "=", True)])
        # By SQL: the partial index on what is due finds the few of them.
        self.env.cr.execute(
            "SELECT DISTINCT machine_id FROM mrp_machine_condition_memory WHERE due_us <= %s", [_border()]
        )
        return sorted({row[0] for row in self.env.cr.fetchall()} | set(usage._machines().ids))

    @api.model
    def _look_locked(self, cr, machine_id):
        """Let time pass for a machine, under its lock; whoever posts its events just now is done within the minute."""
        poster = self.env["mrp.machine.poster"]
        if not poster._lock(cr, machine_id, ()):
            return
        env = api.Environment(cr, SUPERUSER_ID, {})
        try:
            env[self._name]._pass_time(env["mrp.machine"].browse(machine_id), _border())
            env.flush_all()
        except OperationalError:
            cr.rollback()

    @api.model
    def _pass_time(self, machine, until):
        """Let time pass for the conditions of a machine, and look at its meters; return what was found.

        :param int until: up to when, in microseconds since 1970
        """
        watching = self._watching(machine)
        usage = watching.filtered(lambda condition: condition.kind == "usage")
        due = self.search(
            [("machine_id", "=", machine.id), ("condition_id", "in", (watching - usage).ids), ("due_us", "!=", False)]
        ).filtered(lambda row: row.due_us <= until)
        found = self._look(machine, [(until, {})], due.condition_id)
        for condition in usage:
            used, known_until = condition.meter_id._sum(until)
            if known_until:
                found += self._look(machine, [(known_until, {"usage": used})], condition)
        return found


def _border():
    """Return up to when time may decide: a little while ago."""
    return microseconds(clock.now()) - PATIENCE * 1_000_000


def _nearest(rule, value):
    """Return of a summary the value that comes nearest to what a rule calls wrong; a plain value as it is."""
    if not isinstance(value, dict):
        return value
    if rule.below is None and value.get("max") is not None:
        return value["max"]
    if rule.above is None and value.get("min") is not None:
        return value["min"]
    return value.get("last")
