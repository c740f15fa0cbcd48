"""What stands in the answer to a Read request?

By OPC UA Part 6, 5.2.2.17 (DataValue), 5.2.2.16 (Variant), 5.2.2.5 (DateTime). The values that machines send most,
single numbers, bits and texts, are taken apart here; asyncua does all others. That is for time (a third of asyncua's)
and for truth: asyncua 2.1 expects the picoseconds after both times, while by the standard each time is followed by its
own, so that it misreads the times of servers that send them.
"""

from datetime import datetime, timedelta, timezone
from functools import cache
from struct import Struct

from .opcua_wire import library

#: DateTime counts intervals of 100 ns from here; 0 and less say that there is no time (Part 6, 5.2.2.5).
EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)
TICKS_A_SECOND = 10_000_000
#: The last DateTime that Python knows; the standard uses 9999-12-31 23:59:59 for "never".
LAST = datetime.max.replace(tzinfo=timezone.utc)
_LAST_TICKS = (LAST - EPOCH) // timedelta(microseconds=1) * 10

# Bits of a DataValue's encoding mask (Part 6, table 26)
_VALUE, _STATUS, _SOURCE, _SERVER, _SOURCE_PICOSECONDS, _SERVER_PICOSECONDS = 1, 2, 4, 8, 16, 32
_STRING, _DATE_TIME = 12, 13

_INT32, _UINT32, _INT64 = Struct("<i"), Struct("<I"), Struct("<q")
#: By the number of the built-in type: how a single value is unpacked, and its length in bytes.
_SINGLE = {
    number: (Struct(form).unpack_from, Struct(form).size)
    for number, form in enumerate(("<?", "<b", "<B", "<h", "<H", "<i", "<I", "<q", "<Q", "<f", "<d"), start=1)
}
_SINGLE[_DATE_TIME] = (_INT64.unpack_from, 8)

#: Seconds whose text is kept: most values of an answer share a few.
_KEPT_SECONDS = 4096
_seconds = {}


@cache
def reading_session():
    """Return the class of asyncua's session that answers ``read`` with :func:`read_results`."""
    from asyncua.client.ua_session import UaSession

    class ReadingSession(UaSession):
        async def read(self, parameters):
            body = await self._send_request(library().ua.ReadRequest(Parameters=parameters))
            return read_results(body, len(parameters.NodesToRead))

    return ReadingSession


def read_results(body, asked):
    """Return the answers to a Read request, in the order asked.

    :param body: asyncua's Buffer with a ReadResponse
    :param int asked: how many there must be
    :return: tuples ``(value, type number, is it an array, status, source time, server time)``; the times in intervals
        of 100 ns since 1601, 0 for none
    :raise Exception: the answer cannot be read; asyncua's own for a service that failed
    """
    ua = library().ua
    ua.ua_binary.nodeid_from_binary(body)
    ua.ua_binary.struct_from_binary(ua.ResponseHeader, body).ServiceResult.check()
    content = bytes(body)
    (count,) = _INT32.unpack_from(content)
    if count != asked:
        raise ValueError("the answer does not fit the request")
    return _data_values(content, 4, count)


def _data_values(content, position, count):
    single, uint32, int64 = _SINGLE.get, _UINT32.unpack_from, _INT64.unpack_from
    answers = []
    for _ in range(count):
        mask = content[position]
        position += 1
        value, number, array, status, source, server = None, 0, False, 0, 0, 0
        if mask & _VALUE:
            number = content[position]
            form = single(number)
            if form is not None:
                unpack, size = form
                (value,) = unpack(content, position + 1)
                position += 1 + size
                if number == _DATE_TIME:
                    value = instant(value)
            elif number == _STRING:
                value, position = _string(content, position + 1)
            else:
                value, number, array, position = _by_library(content, position)
        if mask & _STATUS:
            (status,) = uint32(content, position)
            position += 4
        if mask & _SOURCE:
            (source,) = int64(content, position)
            position += 8
        if mask & _SOURCE_PICOSECONDS:
            position += 2
        if mask & _SERVER:
            (server,) = int64(content, position)
            position += 8
        if mask & _SERVER_PICOSECONDS:
            position += 2
        if position > len(content):
            raise ValueError("the answer ends too early")
        answers.append((value, number, array, status, source, server))
    return answers


def _string(content, position):
    (length,) = _INT32.unpack_from(content, position)
    position += 4
    if length < 0:
        return None, position
    end = position + length
    if end > len(content):
        raise ValueError("the answer ends too early")
    return content[position:end].decode("utf-8", "replace"), end


def _by_library(content, position):
    """Return value, type, whether it is an array, and where it ends, of a Variant that asyncua takes apart."""
    ua = library().ua
    buffer = ua.utils.Buffer(content, position)
    variant = ua.ua_binary.variant_from_binary(buffer)
    return variant.Value, variant.VariantType, variant.is_array, buffer.cur_pos


def instant(ticks):
    """Return a DateTime as an aware datetime, or None where there is none.

    >>> instant(0) is None
    True
    >>> instant(116444736000000010)
    datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    if ticks <= 0:
        return None
    if ticks > _LAST_TICKS:
        return LAST
    return EPOCH + timedelta(microseconds=ticks // 10)


def instant_text(ticks):
    """Return a DateTime in ISO 8601 with microseconds, or None where there is none.

    >>> instant_text(116444736000000010)
    '1970-01-01T00:00:00.000001+00:00'
    """
    if ticks <= 0:
        return None
    if ticks > _LAST_TICKS:
        ticks = _LAST_TICKS
    second, rest = divmod(ticks, TICKS_A_SECOND)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= _KEPT_SECONDS:
            _seconds.clear()
        text = _seconds[second] = (EPOCH + timedelta(seconds=second)).isoformat()[:19]
    return f"{text}.{rest // 10:06d}+00:00"
