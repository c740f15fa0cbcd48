"""What of asyncua do we use, how is a host found, and what do a library's and a network's errors say?

By OPC UA Part 6, 7.2: OPC UA over TCP.
"""

import asyncio
import errno
import logging
import socket
import threading
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

from ..errors import ConnectionFailed, DriverUnavailable
from .opcua_status import service_failure, status_name


@cache
def library():
    """Return what is used of asyncua, imported when first asked for.

    :raise DriverUnavailable: it is not installed, or broken
    """
    try:
        from asyncua import Client, ua
        from asyncua.client.ua_client import UASocketState
        from asyncua.crypto import security_policies, uacrypto
    except Exception as error:  # a broken one, or one that lies on a broken one, may raise anything
        raise DriverUnavailable("asyncua", "asyncua>=2.1,<3") from error
    asyncua_logger = logging.getLogger("asyncua")
    if asyncua_logger.level == logging.NOTSET:
        # It writes a line a request, and tracebacks for what we report in one word. Whoever sets a level keeps it.
        asyncua_logger.setLevel(logging.CRITICAL + 1)
    return SimpleNamespace(
        Client=Client, ua=ua, UASocketState=UASocketState, policies=security_policies, uacrypto=uacrypto
    )


def resolve(settings):
    """Return the addresses of the host of a connection, as text, in the order to be tried.

    A name server that does not answer cannot be interrupted, so it is waited for apart, no longer than the time-out.

    :raise ConnectionFailed: unknown_host, connection_timeout
    """
    host, port = settings.host, settings.port
    try:
        return [socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4][0]]
    except (socket.gaierror, UnicodeError):
        pass  # it is a name
    found = []

    def look_up():
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            found.append([])

    thread = threading.Thread(target=look_up, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(settings.timeout)
    if not found:
        raise ConnectionFailed("connection_timeout", "url", timeout=settings.timeout, step="name", **settings.where)
    addresses = list(dict.fromkeys(entry[4][0] for entry in found[0]))
    if not addresses:
        raise ConnectionFailed("unknown_host", "url", **settings.where)
    return addresses


@contextmanager
def said(settings, greeting=False):
    """Turn what asyncua raises into what we say. Only calls of asyncua stand inside, no logic of ours.

    :param Settings settings: of the connection
    :param bool greeting: whether the server has yet to show that it speaks OPC UA
    :raise ConnectionFailed: whatever went wrong inside
    """
    ua = library().ua
    try:
        yield
    except ua.UaStatusCodeError as error:
        code, field = service_failure(error.code, settings.user)
        status = {"status": status_name(error.code), "number": error.code}
        raise ConnectionFailed(code, field, **status, **settings.where) from error
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise ConnectionFailed("connection_timeout", "url", timeout=settings.timeout, **settings.where) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectionFailed(_network_code(error, greeting), "url", reason=reason, **settings.where) from error
    except Exception as error:
        # What arrived can be anything, and so can what a decoder raises on it.
        raise ConnectionFailed("protocol_error", "url", reason=type(error).__name__, **settings.where) from error


def _network_code(error, greeting):
    if isinstance(error, ConnectionRefusedError):
        return "connection_refused"
    if isinstance(error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
        return "connection_lost"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM):
        return "unreachable"
    # asyncua's own, without a number: the other side hung up, or asyncua did because it could not read the answer.
    return "protocol_error" if greeting else "connection_lost"
