from odoo.http import request

from ..machine_connect.heartbeat import parse
from .door import DoorController, door_route


class MachineHeartbeatController(DoorController):
    @door_route("heartbeat", "POST")
    def heartbeat(self, **_query):
        """Keep what a sender says of itself; answer the time, what its configuration is, and how far its streams are."""
        return self._answer("heartbeat", self._hear)

    def _hear(self, source, body):
        heartbeat = parse(body, request.httprequest.headers.get("Content-Encoding", ""))
        _content, tag = source.env["mrp.machine.configuration"]._content(source)
        answer, offset = source.env["mrp.machine.source.status"]._note_heartbeat(source, heartbeat, tag)
        return request.make_json_response(answer), {"clock_offset": offset}
