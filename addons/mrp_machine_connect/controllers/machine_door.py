"""The door for events of others: each request is verified, read and handed over; nothing else happens here."""

import logging
from collections import Counter

from psycopg2 import OperationalError
from werkzeug.exceptions import RequestEntityTooLarge

from odoo import http
from odoo.exceptions import ConcurrencyError
from odoo.http import request

from ..machine_connect.body import Bounds
from ..machine_connect.envelope import parse
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.signature import Request
from ..models.mrp_machine_door import DoorClosed, environment_name, superuser

_logger = logging.getLogger(__name__)

#: Content types whose body Werkzeug takes apart before anybody can read it.
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def begin(cr):
    """Begin a transaction in which what others commit meanwhile is seen.

    Two requests with the same events at the same time are no error: the second finds them stored. Under Odoo's REPEATABLE
    READ, PostgreSQL would refuse it, and Odoo would sleep before it tries again.
    """
    cr.rollback()
    cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


class MachineDoorController(http.Controller):
    @http.route(
        "/machine/v1/events",
        type="http",
        auth="none",
        methods=["POST"],
        csrf=False,
        save_session=False,
        readonly=False,
        # More than is taken, so that who sends a little too much gets our answer and not Werkzeug's.
        max_content_length=8 * Bounds.sent,
    )
    def events(self, **_query):
        """Take one event or a batch (CloudEvents 1.0, structured JSON), signed; answer what became of each."""
        door = self._door()
        asked, source = None, None
        try:
            asked = self._asked(door)
            source = door._let_in(asked, request.httprequest.headers, request.httprequest.remote_addr)
            headers = request.httprequest.headers
            parsed = parse(asked.body, headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
            answer = door._take(source, parsed)
            refused = Counter(result["reason"] for result in answer["results"] if result["status"] == "rejected")
            door._note_refusals(refused, source.id, request.httprequest.remote_addr)
            return request.make_json_response(answer)
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

    @http.route("/machine/v1/health", type="http", auth="none", methods=["GET"], csrf=False, save_session=False)
    def health(self, **_query):
        """Say that the server and its database are up, to anybody."""
        request.env.cr.execute("SELECT 1")
        return request.make_json_response({"status": "up"})

    @staticmethod
    def _door():
        begin(request.env.cr)
        return superuser(request.env)["mrp.machine.door"]

    @staticmethod
    def _asked(door):
        """Return the request as it was signed."""
        sent = request.httprequest
        if sent.mimetype in FORMS:
            raise RequestRefused("media_type_unsupported", supported=[])
        try:
            body = sent.get_data(cache=True)
        except RequestEntityTooLarge:
            raise RequestRefused("body_too_big", limit=Bounds.sent) from None
        target = sent.environ.get("REQUEST_URI") or sent.environ.get("RAW_URI") or sent.full_path.rstrip("?")
        database = door.env["ir.config_parameter"].get_param("database.uuid") or ""
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
