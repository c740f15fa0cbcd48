from functools import cache

from odoo import http
from odoo.http import request

from ..machine_connect.entity_tags import canonical_json, entity_tag, is_known
from ..machine_connect.openapi import document
from ..models.mrp_machine_intake import RIGHT_REASONS
from .door import door_route


@cache
def _content():
    content = canonical_json(document(tuple(RIGHT_REASONS)))
    return content, entity_tag(content)


class MachineOpenapiController(http.Controller):
    @door_route("openapi.json", "GET", readonly=True)
    def openapi(self, **_query):
        """Say what can be asked of the door, to anybody; it is the same on every server of this version."""
        content, tag = _content()
        headers = [("ETag", tag), ("Content-Type", "application/json; charset=utf-8")]
        if is_known(request.httprequest.headers.get("If-None-Match"), tag):
            return request.make_response(b"", headers, status=304)
        return request.make_response(content, headers)
