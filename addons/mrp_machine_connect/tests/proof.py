"""Exactly once, proven by one statement over the log, its effects and what they did."""

#: What must not be found: ``(what is wrong, of which row)``. It compares the log with what was booked, sum by sum.
STATEMENT = """
WITH event AS (
    SELECT * FROM mrp_machine_event WHERE machine_id = ANY(%(machines)s)
), effect AS (
    SELECT effect.*, event.type, event.data FROM mrp_machine_event_posting effect
      JOIN event ON event.id = effect.event_id
), posting AS (
    SELECT * FROM mrp_machine_posting WHERE machine_id = ANY(%(machines)s)
), told AS (
    SELECT posting_id,
           sum(CASE WHEN type = 'production.cycle_completed' THEN coalesce((data->>'qty')::numeric, 1)
                    WHEN type = 'quality.scrap' THEN (data->>'qty')::numeric
                    ELSE (data->>'delta')::numeric END) AS pieces
      FROM effect WHERE handler = 'production_count' AND state = 'posted' GROUP BY posting_id
)
SELECT 'an event without any effect' AS wrong, event.id FROM event
 WHERE NOT EXISTS (SELECT FROM effect WHERE effect.event_id = event.id)
UNION ALL
SELECT 'an event with two effects of one handler', event_id FROM effect GROUP BY event_id, handler HAVING count(*) > 1
UNION ALL
SELECT 'an event stored twice', min(id) FROM event GROUP BY source_id, stream, uid HAVING count(*) > 1
UNION ALL
SELECT 'an effect that was posted and has no posting', id FROM effect WHERE state = 'posted' AND posting_id IS NULL
UNION ALL
SELECT 'an effect that did not come about and has one', id FROM effect WHERE state <> 'posted' AND posting_id IS NOT NULL
UNION ALL
SELECT 'an effect of an event that is not there', lost.id FROM mrp_machine_event_posting lost
 WHERE lost.machine_id = ANY(%(machines)s)
   AND NOT EXISTS (SELECT FROM mrp_machine_event WHERE mrp_machine_event.id = lost.event_id)
UNION ALL
SELECT 'an effect whose posting is not there', id FROM effect WHERE posting_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM mrp_machine_posting WHERE mrp_machine_posting.id = effect.posting_id)
UNION ALL
SELECT 'an effect that is still to come', id FROM effect WHERE state = 'received'
UNION ALL
SELECT 'an effect that did not come about, without a reason or without words', id FROM effect
 WHERE state <> 'posted' AND (reason IS NULL OR message IS NULL)
UNION ALL
SELECT 'a posting of no event', posting.id FROM posting
 WHERE NOT EXISTS (SELECT FROM effect WHERE effect.posting_id = posting.id)
UNION ALL
SELECT 'a posting of another number of pieces than its events told', posting.id FROM posting
  JOIN told ON told.posting_id = posting.id
 WHERE posting.kind IN ('good', 'reject', 'rework') AND abs(posting.quantity - told.pieces) > 0.0001
UNION ALL
SELECT 'a ledger that fed another number of pieces than was posted', ledger.id FROM mrp_machine_ledger ledger
 WHERE ledger.machine_id = ANY(%(machines)s) AND abs(ledger.posted - (
       SELECT coalesce(sum(posting.quantity), 0) FROM posting
        WHERE posting.machine_id = ledger.machine_id AND posting.production_id = ledger.production_id
          AND posting.workorder_id IS NOT DISTINCT FROM ledger.workorder_id AND posting.handler = 'production_count'
          AND posting.kind = 'good')) > 0.0001
UNION ALL
SELECT 'a reason of other pieces than were told for it', reject.id FROM mrp_machine_reject reject
 WHERE reject.machine_id = ANY(%(machines)s) AND abs((
       SELECT sum(same.quantity) FROM mrp_machine_reject same
        WHERE same.machine_id = reject.machine_id AND same.production_id = reject.production_id
          AND same.workorder_id IS NOT DISTINCT FROM reject.workorder_id) - (
       SELECT coalesce(sum(posting.quantity), 0) FROM posting
        WHERE posting.machine_id = reject.machine_id AND posting.production_id = reject.production_id
          AND posting.workorder_id IS NOT DISTINCT FROM reject.workorder_id AND posting.handler = 'scrap')) > 0.0001
UNION ALL
SELECT 'an event that is still queued', event.id FROM event
  JOIN mrp_machine_queue queue ON queue.event_id = event.id
ORDER BY 1, 2
"""


def unproven(env, machines):
    """Return all that speaks against it that each event of machines had each effect once: ``[(what, id)]``."""
    env.flush_all()
    env.cr.execute(STATEMENT, {"machines": machines.ids})
    return env.cr.fetchall()
