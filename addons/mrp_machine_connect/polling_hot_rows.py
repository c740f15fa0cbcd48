"""How the poller's hot rows are written: many in one statement, in the transaction that stores the events.

By SQL throughout: these rows change with every poll, belong to nobody else, and carry no rule, tracking or computation.
"""

from datetime import timedelta

from psycopg2.extras import Json

#: Now, by PostgreSQL's clock, as Odoo keeps moments.
NOW = "(clock_timestamp() AT TIME ZONE 'UTC')"


def write_values(cr, values):
    """Write the last value of signals: ``(id of the hot row, value as text, Reading, code, memory)``.

    Where nothing was understood the last value stays as it was, with the time at which it was so.
    """
    if not values:
        return
    rows = {
        value_id: (
            value_id,
            text,
            naive(reading.at),
            naive(reading.read_at),
            reading.quality.value,
            code or None,
            Json(reading.raw) if reading.raw else None,
            Json(memory) if memory else None,
        )
        for value_id, text, reading, code, memory in values
    }
    execute_values(
        cr,
        """UPDATE mrp_machine_signal_value hot
              SET value = coalesce(new.value, hot.value), at = CASE WHEN new.value IS NULL THEN hot.at ELSE new.at END,
                  read_at = new.read_at,
                  quality = new.quality, code = new.code, raw = new.raw::jsonb, memory = new.memory::jsonb
             FROM (VALUES %s) AS new (id, value, at, read_at, quality, code, raw, memory)
            WHERE hot.id = new.id""",
        list(rows.values()),
        template="(%s, %s::varchar, %s::timestamp, %s::timestamp, %s, %s::varchar, %s, %s)",
    )


def write_memories(cr, memories):
    """Write what signals remember, and nothing else of them: ``(id of the hot row, memory)``, each row once."""
    if not memories:
        return
    execute_values(
        cr,
        """UPDATE mrp_machine_signal_value hot SET memory = new.memory::jsonb
             FROM (VALUES %s) AS new (id, memory) WHERE hot.id = new.id""",
        [(value_id, Json(memory) if memory else None) for value_id, memory in memories],
        template="(%s, %s)",
    )


def write_statuses(cr, statuses):
    """Write how connections fared: ``(plan, PollOutcome, seconds until the next poll)``."""
    if not statuses:
        return
    rows = {}
    for plan, outcome, pause in statuses:
        ended = naive(outcome.started + timedelta(seconds=outcome.seconds))
        failed = bool(outcome.code)
        rows[plan.connection_id] = (
            plan.connection_id,
            ended,
            None if failed else ended,
            plan.failures if failed else 0,
            outcome.code or None,
            Json(outcome.params) if outcome.params else None,
            outcome.seconds,
            plan.skipped,
            pause,
            failed,
        )
        plan.skipped = 0
    execute_values(
        cr,
        f"""UPDATE mrp_machine_connection_status hot
               SET last_try = new.tried, last_ok = coalesce(new.ok, hot.last_ok), failures = new.failures,
                   code = new.code, params = new.params::jsonb, seconds = new.seconds,
                   skipped = coalesce(hot.skipped, 0) + new.skipped,
                   next_poll = {NOW} + new.pause * interval '1 second',
                   failing_since = CASE WHEN new.failed THEN coalesce(hot.failing_since, new.tried) END
              FROM (VALUES %s) AS new
                   (id, tried, ok, failures, code, params, seconds, skipped, pause, failed)
             WHERE hot.connection_id = new.id""",
        list(rows.values()),
        template="(%s, %s::timestamp, %s::timestamp, %s, %s::varchar, %s, %s, %s, %s, %s)",
    )


def write_machines(cr, machines):
    """Write the health of machines: ``{id: (health, when it was last seen, or None)}``."""
    if not machines:
        return
    execute_values(
        cr,
        """UPDATE mrp_machine_status hot
              SET health = CASE WHEN hot.health = 'silent' AND new.health = 'failing' THEN 'silent'
                                ELSE new.health END,
                  last_seen = coalesce(new.seen, hot.last_seen)
             FROM (VALUES %s) AS new (id, health, seen) WHERE hot.machine_id = new.id""",
        [(machine_id, health, naive(seen)) for machine_id, (health, seen) in machines.items()],
        template="(%s, %s, %s::timestamp)",
    )


def execute_values(cr, query, rows, template=None, fetch=False):
    """Run one statement with the ``VALUES`` of many rows; that it met another transaction is no error to be logged."""
    template = template or f"({', '.join(['%s'] * len(rows[0]))})"
    values = ", ".join(cr.mogrify(template, row).decode() for row in rows)
    cr.execute(query.replace("VALUES %s", f"VALUES {values}"), log_exceptions=False)
    return cr.fetchall() if fetch else None


def naive(moment):
    return moment.replace(tzinfo=None) if moment else None
