"""Why is something not taken at the door? A stable code for each reason, for whoever sent it and for the log.

A request that cannot be read as a whole is refused as a whole, with the HTTP status (RFC 9110) that fits. Of one that can
be read each event is judged alone: one that cannot be taken holds up no other.
"""

from .errors import MachineConnectError

#: Why a request as a whole is refused: its HTTP status, and what it says in English.
REQUEST_REFUSALS = {
    "media_type_unsupported": (415, "the content type is not one of CloudEvents 1.0 in structured JSON"),
    "charset_unsupported": (415, "the character set is not UTF-8"),
    "encoding_unsupported": (415, "the content encoding is not gzip"),
    "body_too_big": (413, "the body is too big"),
    "unpacked_too_big": (413, "the body is too big once it is unpacked"),
    "too_many_values": (413, "the body holds too many values"),
    "too_many_events": (413, "the batch holds too many events"),
    "rate_exceeded": (429, "more comes in a second than is taken"),
    "backlog_full": (429, "too many events wait for their effect"),
    "body_cut": (400, "the body did not come to its end"),
    "gzip_broken": (400, "the body is not one whole gzip member"),
    "byte_order_mark": (400, "the body begins with a byte order mark"),
    "not_utf8": (400, "the body is not UTF-8"),
    "not_json": (400, "the body is not JSON"),
    "too_deep": (400, "the body is nested too deeply"),
    "not_an_object": (400, "a single event is a JSON object"),
    "not_an_array": (400, "a batch is a JSON array"),
    "body_unfit": (400, "a value of the body does not keep to the schema"),
    "query_unfit": (400, "the query does not name what is asked for"),
    "trace_unknown": (404, "no event of this source has this stream and id"),
}

#: Why one event is rejected, with what it says in English.
EVENT_REFUSALS = {
    "missing": "a required key is missing",
    "wrong_type": "the value is not of a type that may stand there",
    "out_of_range": "the number is outside its range",
    "not_finite": "the number is not finite, which JSON has no word for",
    "too_long": "the text, array or object is too long",
    "too_short": "the text or array is too short",
    "unknown_choice": "the value is not one of the choices",
    "malformed": "the text is not of the form that is needed",
    "key_twice": "an object says the same key twice",
    "nul": "a text holds a NUL",
    "half_surrogate": "a text holds half a surrogate pair",
    "type_unknown": "there is no such type of event",
    "version_unknown": "there is no such version of this type of event",
    "data_not_json": "the data is not a JSON object",
    "event_too_big": "the event is too big",
    "translation_missing": "no translation of this source is for this metric",
    "telemetry": "these are more readings a second than are taken; send a summary of them, process.summary",
    "backlog_full": "too many events wait for their effect; send it again later",
}

#: Reasons that say nothing against an event: the same one is to be sent again later.
SEND_AGAIN = frozenset({"backlog_full"})


class RequestRefused(MachineConnectError):
    """A request cannot be taken as a whole.

    :param str code: from :data:`REQUEST_REFUSALS`
    :param params: what a sentence about it needs, JSON only; nothing of what was sent
    """

    def __init__(self, code, **params):
        self.status, words = REQUEST_REFUSALS[code]
        super().__init__(f"{code}: {words}")
        self.code = code
        self.params = params
