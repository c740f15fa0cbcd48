"""What every request of others goes through: it is verified, handed over and answered; nothing else happens here."""

import logging
import time

from psycopg2 import OperationalError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from odoo import http
from odoo.exceptions import ConcurrencyError
from odoo.http import request

from ..machine_connect.body import Bounds
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.signature import KEY_HEADER, TIME_HEADER, Request
from ..models.mrp_machine_door import DoorClosed, environment_name, superuser
from .door_dispatcher import PLACE, SERVER_FAILED, DoorDispatcher, problem

_logger = logging.getLogger(__name__)

#: Content types of forms, which any page of the web may make a browser send; nothing of the door comes in one.
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def door_route(path, *methods, readonly=False):
    """Return the decorator of a route that others call without session, cookie or user.

    :param str path: under ``/machine/v1/``
    :param str methods: ``"GET"``, ``"POST"``
    :param bool readonly: whether it may be answered by a replica of the database
    """
    return http.route(
        f"{PLACE}{path}",
        type=DoorDispatcher.routing_type,
        auth="none",
        methods=list(methods),
        csrf=False,
        save_session=False,
        readonly=readonly,
        # More than is taken, so that who sends a little too much gets our answer and not Werkzeug's.
        max_content_length=8 * Bounds.sent,
    )


def begin(cr):
    """Begin a transaction in which what others commit meanwhile is seen.

    Two requests with the same events at the same time are no error: the second finds them stored. Under Odoo's REPEATABLE
    READ, PostgreSQL would refuse it, and Odoo would sleep before it tries again.
    """
    cr.rollback()
    cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def is_signed(headers):
    """Return whether a request claims to come from somebody."""
    return bool(headers.get(KEY_HEADER) or headers.get("Authorization"))


def _pair(found):
    return found if isinstance(found, tuple) else (found, {})


class DoorController(http.Controller):
    """What the routes of others share.

    Odoo makes one class of all controllers that inherit from this one: no two of them may have a method of the same name.
    """

    def _answer(self, action, act):
        """Do what is asked if whoever asks may, and answer; problems are told by RFC 9457.

        :param str action: what is asked for: one of :data:`mrp_machine_door.ACTIONS`
        :param act: a function of source (mrp.machine.source) and body (bytes) that returns the answer, or the answer and
            what is counted of it, see :meth:`MachineSourceFigure._note`
        """
        started = time.perf_counter()
        begin(request.env.cr)
        env = superuser(request.env)
        door = env["mrp.machine.door"]
        sent, source = request.httprequest, None
        try:
            asked = self._asked(env)
            source = door._let_in(asked, sent.headers, sent.remote_addr, action)
            wait, is_written = env["mrp.machine.pressure"]._enter(source)
            if is_written:  # now, so that nobody waits for the rows that many share
                door._write_refusals()
                env.cr.commit()
                begin(env.cr)
            if wait:
                raise RequestRefused("rate_exceeded", retry_after=wait)
            answer, counted = _pair(act(source, asked.body))
            # Last of all: the row that is counted in is locked from here to the commit, and no longer.
            seconds, said = time.perf_counter() - started, sent.headers.get(TIME_HEADER)
            env["mrp.machine.source.figure"]._note(source.id, action, seconds, counted, said)
            return answer
        except DoorClosed as closed:
            code = closed.reason if closed.told else "unauthorized"
            words = "The request is not let in."
            return self._problem(door, closed.status, code, words, closed.reason, closed.source_id)
        except RequestRefused as refused:
            words = str(refused).partition(": ")[2]
            source_id = source.id if source else None
            return self._problem(door, refused.status, refused.code, words, refused.code, source_id, refused.params)
        except (OperationalError, ConcurrencyError):
            raise  # Odoo tries again
        except Exception:
            _logger.exception("a request at the door failed")
            return self._problem(door, 500, *SERVER_FAILED)

    @staticmethod
    def _asked(env):
        """Return the request as it was signed."""
        sent = request.httprequest
        try:
            body = sent.get_data(cache=True)
        except RequestEntityTooLarge:
            raise RequestRefused("body_too_big", limit=Bounds.sent) from None
        except (ClientDisconnected, OSError, ValueError):  # the two last: chunks (RFC 9112, 7.1) that are none
            raise RequestRefused("body_cut") from None
        if sent.mimetype in FORMS:  # now that it is read: who is still sending would not hear the answer
            raise RequestRefused("media_type_unsupported", supported=[])
        target = sent.environ.get("REQUEST_URI") or sent.environ.get("RAW_URI") or sent.full_path.rstrip("?")
        database = env["ir.config_parameter"].get_param("database.uuid") or ""
        return Request(sent.method, target, body, environment_name(), database)

    def _problem(self, door, status, code, words, reason="", source_id=None, params=None):
        """Return an answer by RFC 9457 for a request of which nothing was stored.

        :param dict params: of the problem; ``limit`` and ``retry_after`` (seconds) are told
        """
        begin(door.env.cr)
        door.env.invalidate_all(flush=False)
        sent = request.httprequest
        # A plain GET writes nothing: who asks without a key leaves no trace.
        if reason and (sent.method not in ("GET", "HEAD") or is_signed(sent.headers)):
            door._count_refusal(reason, source_id, sent.remote_addr)
        told = {name: params[name] for name in ("limit", "retry_after") if name in (params or {})}
        return problem(status, code, words, **told)
