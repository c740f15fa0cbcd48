"""What do the tables of the machine log of an order hold? Their columns, and how the largest of them are read."""

EVENT_COLUMNS = (
    *("id", "occurred", "recorded", "received", "machine", "type", "type_version", "source", "stream", "uid", "epoch"),
    *("sequence", "signal", "quality", "status", "disposition", "reason", "user", "mapping_version", "correlation"),
    *("counter_before", "counter_after", "state", "summary", "data", "rules", "attributes", "digest", "digest_check"),
)
EFFECT_COLUMNS = (
    *("event_id", "handler", "state", "reason", "message", "attempts", "released_by", "release_reason", "pieces"),
    *("posting_id", "created", "changed"),
)
POSTING_COLUMNS = (
    *("id", "booked", "machine", "handler", "kind", "quantity", "counted_before", "counted_after", "seconds"),
    *("occurred_from", "occurred_to", "work_order", "document_model", "document_id", "document"),
    *("document_before", "document_after", "late", "corrected_by", "summary", "explanation", "events"),
    *("pieces_of_events", "adds_up"),
)
#: Rows of the log with the names of what they refer to; the columns are named as those of the table.
EVENT_SQL = """
    SELECT event.id, event.occurred_us, event.recorded_us, event.received_us, event.machine_id, machine.code AS machine,
           event.type, event.type_version, source.name AS source, event.stream, event.uid, event.epoch, event.sequence,
           signal.name AS signal, event.quality, event.status, event.disposition, event.reason, people.login AS "user",
           event.mapping_version, event.correlation, event.rules, event.attributes, event.digest,
           (SELECT array_agg(effect.state::text) FROM mrp_machine_event_posting effect
             WHERE effect.event_id = event.id) AS states
      FROM mrp_machine_event event
      JOIN mrp_machine machine ON machine.id = event.machine_id
      JOIN mrp_machine_source source ON source.id = event.source_id
      LEFT JOIN mrp_machine_signal signal ON signal.id = event.signal_id
      LEFT JOIN res_users people ON people.id = event.user_id
     WHERE event.id = ANY(%(ids)s)
     ORDER BY event.occurred_us, event.id"""
EFFECT_SQL = """
    SELECT effect.id, effect.event_id, effect.handler, effect.state, effect.reason, effect.message, effect.attempts,
           people.login AS released_by, effect.release_reason, effect.posting_id, effect.create_date, effect.write_date,
           coalesce(posting.quantity, 0) AS quantity
      FROM mrp_machine_event_posting effect
      LEFT JOIN res_users people ON people.id = effect.released_by
      LEFT JOIN mrp_machine_posting posting ON posting.id = effect.posting_id
     WHERE effect.event_id = ANY(%(ids)s)
     ORDER BY effect.id"""
CORRECTION_COLUMNS = (
    *("event_id", "occurred", "received", "who", "name", "why", "kind", "pieces", "corrects_uid", "corrects_event_id"),
    *("corrects", "state", "posting_id", "counted_before", "counted_after"),
)
DOCUMENT_COLUMNS = (
    *("model", "id", "document", "product", "state", "quantity", "unit", "start", "end", "posting_id", "created_by"),
    "created",
)
CHANGE_COLUMNS = ("message_id", "date", "who", "field", "before", "after", "note")
LOADING_COLUMNS = ("id", "machine", "work_order", "start", "end", "created_by", "created")
COUNT_COLUMNS = (
    *("machine", "work_order", "good", "reject", "rework", "total", "cycle", "adjusted", "posted", "changed_by_hand"),
    "last_written",
)
MAPPING_COLUMNS = ("machine", "version", "date", "user", "changes", "snapshot")
