from odoo.http import request

from ..machine_connect.refusals import RequestRefused
from .door import DoorController, door_route

#: Characters of a stream or an id at most, as in the envelope.
LONGEST = 255


class MachineTraceController(DoorController):
    @door_route("trace", "GET")
    def trace(self, **_query):
        """Say what became of an event of this source: ``?source=<its CloudEvents source>&id=<its id>``."""
        return self._answer("trace", self._follow)

    def _follow(self, source, _body):
        query = request.httprequest.args
        stream, uid = query.get("source", ""), query.get("id", "")
        if not (0 < len(stream) <= LONGEST and 0 < len(uid) <= LONGEST) or "\0" in stream + uid:
            raise RequestRefused("query_unfit")
        found = source.env["mrp.machine.trace"]._of(source, stream, uid)
        if found is None:
            raise RequestRefused("trace_unknown")
        return request.make_json_response(found)
