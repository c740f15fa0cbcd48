"""Which conditions look at the values that the poller reads? In the transaction that stores the readings, after the events.

What a rule finds and what it remembers are committed together, so that a crash at any point neither loses nor doubles an
alarm. What goes wrong here costs no count: it is told in the log, and the readings are stored all the same.
"""

import logging
import time
from dataclasses import dataclass, field

from psycopg2.extras import Json

from .machine_connect.condition import Evaluation, Rule, RuleInvalid
from .moments import microseconds_of
from .polling_hot_rows import execute_values

_logger = logging.getLogger(__name__)

#: What a rule remembers that may be lost is written down so often, in seconds.
QUIET_WRITE = 15.0


@dataclass(eq=False)
class Watch:
    """A condition of a signal as the poller holds it between two reads."""

    condition_id: int
    row_id: int
    rule: Rule
    memory: dict = field(default_factory=dict)
    written: float = float("-inf")


def watches(connection):
    """Return ``{signal id: the Watches of its value}`` of a connection, whose poller is the one who looks at them.

    :param connection: the mrp.machine.connection, as the superuser sees it
    """
    machine = connection.machine_id
    conditions = machine.env["mrp.machine.condition"]._of_machine(machine)
    conditions = conditions.filtered(
        lambda condition: condition._is_polled(machine) and condition._signal_of(machine).connection_id == connection
    )
    found = {}
    for condition, row in machine.env["mrp.machine.condition.memory"]._rows(machine, conditions).items():
        try:
            watch = Watch(condition.id, row.id, condition._rule(), row.memory or {})
        except RuleInvalid as invalid:
            # The form refuses such a rule; what came in another way costs only itself.
            _logger.warning("condition %s cannot be used: %s", condition.id, invalid)
            continue
        found.setdefault(condition._signal_of(machine).id, []).append(watch)
    return found


def look(env, heard):
    """Let conditions look at values in the transaction of an environment; return what to remember once it is committed.

    :param heard: ``[(machine id, Watches, microseconds, value)]`` in their order; the value None: there is none
    :return: ``[(Watch, memory, written)]``, and the events that were made
    """
    states = _states(env, heard)
    evaluations, found = {}, {}
    for machine_id, watching, moment, value in heard:
        for watch in watching:
            evaluation = evaluations.get(watch)
            if evaluation is None:
                evaluation = evaluations[watch] = Evaluation(watch.rule, watch.memory)
                if watch.rule.only_while and machine_id in states:
                    since, state = states[machine_id]
                    _add(found, machine_id, watch, evaluation.feed(since, state=state))
            _add(found, machine_id, watch, evaluation.feed(moment, value=value))
    now, rows, learned = time.monotonic(), [], []
    for watch, evaluation in evaluations.items():
        memory, write = evaluation.memory, evaluation.changed or now - watch.written >= QUIET_WRITE
        learned.append((watch, memory, write))
        if write:
            since = memory["active"]["since"] if evaluation.is_active else None
            rows.append((watch.row_id, Json(memory), evaluation.is_active, since))
    _write(env.cr, rows)
    rememberer, conditions = env["mrp.machine.condition.memory"], env["mrp.machine.condition"]
    events = env["mrp.machine.event"]
    for machine_id, items in found.items():
        items.sort(key=lambda pair: pair[1].at)
        told = [(conditions.browse(watch.condition_id), item) for watch, item in items]
        events += rememberer._tell(env["mrp.machine"].browse(machine_id), told)
    env.flush_all()
    return learned, events


def remember(learned):
    """Adopt what :func:`look` returned, after its transaction is committed."""
    for watch, memory, written in learned:
        watch.memory = memory
        if written:
            watch.written = time.monotonic()


def _add(found, machine_id, watch, items):
    if items:
        found.setdefault(machine_id, []).extend((watch, item) for item in items)


def _states(env, heard):
    """Return ``{machine id: (since, state)}`` of the machines some of whose rules apply in certain states only."""
    wanted = {machine for machine, watching, _at, _value in heard if any(watch.rule.only_while for watch in watching)}
    if not wanted:
        return {}
    # By SQL: the hot row is read as this transaction has just written it.
    env.cr.execute(
        """SELECT machine_id, state, state_since FROM mrp_machine_status
            WHERE machine_id = ANY(%s) AND state_since IS NOT NULL""",
        [sorted(wanted)],
    )
    return {machine_id: (microseconds_of(since), state) for machine_id, state, since in env.cr.fetchall()}


def _write(cr, rows):
    """Write what rules remember: ``(id of the row, memory, whether it is raised, since when)``, each row once."""
    if not rows:
        return
    execute_values(
        cr,
        """UPDATE mrp_machine_condition_memory hot
              SET memory = new.memory::jsonb, is_raised = new.is_raised, failed_us = new.failed_us, due_us = NULL
             FROM (VALUES %s) AS new (id, memory, is_raised, failed_us) WHERE hot.id = new.id""",
        rows,
        template="(%s, %s, %s::boolean, %s::int8)",
    )
