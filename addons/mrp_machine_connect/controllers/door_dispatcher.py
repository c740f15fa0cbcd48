"""How Odoo hands requests over to the routes of the door: with a body that nobody took apart, and failures told by RFC 9457."""

from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import HTTPException

from odoo.http import HttpDispatcher, request

#: Where the door's routes are.
PLACE = "/machine/v1/"
#: Code and words of an answer to whoever did nothing wrong.
SERVER_FAILED = ("server_failed", "The server failed; send the request again later.")


def problem(status, code, words, **told):
    """Return an answer by RFC 9457.

    :param told: what it says beside status, code and words; ``retry_after`` (seconds) is told in the header as well
    """
    headers = [("Content-Type", "application/problem+json")]
    if "retry_after" in told:
        headers.append(("Retry-After", str(told["retry_after"])))
    said = {"type": "about:blank", "title": words, "status": status, "code": code, **told}
    return request.make_json_response(said, headers=headers, status=status)


class DoorDispatcher(HttpDispatcher):
    """For routes of the type ``machine``: as those of the type ``http``, and no form is ever taken apart.

    Odoo takes one apart before it calls a controller, whoever sent it. Of many fields it makes many small objects, and of
    the memory that they needed only a part comes back: strangers could make the server grow. The door needs no form.
    """

    routing_type = "machine"

    def __init__(self, request):
        super().__init__(request)
        # As if it had been read and nothing been in it: Odoo looks for forms here, and for files before it tries again.
        request.httprequest.form = request.httprequest.files = ImmutableMultiDict()

    @classmethod
    def is_compatible_with(cls, request):
        """Return whether a request is for the door; Odoo asks for those of all other routes as well."""
        return request.httprequest.path.startswith(PLACE)

    def handle_error(self, exc):
        """Return the answer to what failed around a controller, such as a transaction that the database ended."""
        if isinstance(exc, HTTPException):  # an answer, by somebody else
            return super().handle_error(exc)
        return problem(500, *SERVER_FAILED)
