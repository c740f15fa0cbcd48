from odoo.http import request

from ..machine_connect.entity_tags import is_known
from .door import DoorController, door_route


class MachineConfigController(DoorController):
    @door_route("config", "GET")
    def config(self, **_query):
        """Say what a source reads and what it means, or that nothing of it has changed (RFC 9110, 13.1.2)."""
        return self._answer("config", self._tell_configuration)

    def _tell_configuration(self, source, _body):
        content, tag = source.env["mrp.machine.configuration"]._content(source)
        headers = [("ETag", tag), ("Cache-Control", "private, no-cache")]
        if is_known(request.httprequest.headers.get("If-None-Match"), tag):
            return request.make_response(b"", headers, status=304)
        return request.make_response(content, [("Content-Type", "application/json; charset=utf-8"), *headers])
