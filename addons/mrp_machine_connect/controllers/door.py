"""What every request of others goes through: it is verified, handed over and answered; nothing else happens here."""

import logging

from psycopg2 import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge

from odoo import http
from odoo.exceptions import ConcurrencyError
from odoo.http import request

from ..machine_connect.body import Bounds
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.signature import Request
from ..models.mrp_machine_door import DoorClosed, environment_name, superuser

_logger = logging.getLogger(__name__)

#: Content types whose body Werkzeug takes apart before anybody can read it.
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def door_route(path, *methods):
    """Return the decorator of a route that others call without session, cookie or user.

    :param str path: under ``/machine/v1/``
    :param str methods: ``"GET"``, ``"POST"``
    """
    return http.route(
        f"/machine/v1/{path}",
        type="http",
        auth="none",
        methods=list(methods),
        csrf=False,
        save_session=False,
        readonly=False,
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


class DoorController(http.Controller):
    """What the routes of others share."""

    def _answer(self, action, act):
        """Do what is asked if whoever asks may, and answer; problems are told by RFC 9457.

        :param str action: what is asked for: one of :data:`mrp_machine_door.ACTIONS`
        :param act: a function of source (mrp.machine.source) and body (bytes) that returns the answer
        """
        begin(request.env.cr)
        env = superuser(request.env)
        door = env["mrp.machine.door"]
        sent, source = request.httprequest, None
        try:
            asked = self._asked(env)
            source = door._let_in(asked, sent.headers, sent.remote_addr, action)
            return act(source, asked.body)
        except DoorClosed as closed:
            code = closed.reason if closed.told else "unauthorized"
            return self._problem(door, 401, code, "The request is not let in.", closed.reason, closed.source_id)
        except RequestRefused as refused:
            words = str(refused).partition(": ")[2]
            return self._problem(door, refused.status, refused.code, words, refused.code, source.id if source else None)
        except (OperationalError, ConcurrencyError):
            raise  # Odoo tries again
        except Exception:
            _logger.exception("a request at the door failed")
            return self._problem(door, 500, "server_failed", "The server failed; send the request again later.")

    @staticmethod
    def _asked(env):
        """Return the request as it was signed."""
        sent = request.httprequest
        if sent.mimetype in FORMS:
            raise RequestRefused("media_type_unsupported", supported=[])
        try:
            body = sent.get_data(cache=True)
        except RequestEntityTooLarge:
            raise RequestRefused("body_too_big", limit=Bounds.sent) from None
        target = sent.environ.get("REQUEST_URI") or sent.environ.get("RAW_URI") or sent.full_path.rstrip("?")
        database = env["ir.config_parameter"].get_param("database.uuid") or ""
        return Request(sent.method, target, body, environment_name(), database)

    def _problem(self, door, status, code, words, reason="", source_id=None):
        """Return an answer by RFC 9457 for a request of which nothing was stored."""
        begin(door.env.cr)
        door.env.invalidate_all(flush=False)
        if reason:
            door._note_refusals({reason: 1}, source_id, request.httprequest.remote_addr)
        problem = {"type": "about:blank", "title": words, "status": status, "code": code}
        return request.make_json_response(
            problem, headers=[("Content-Type", "application/problem+json")], status=status
        )
