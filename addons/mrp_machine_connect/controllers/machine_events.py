"""The door for events of others: each request is verified, read and handed over; nothing else happens here."""

from collections import Counter

from odoo.http import request

from .door import DoorController, door_route


class MachineEventsController(DoorController):
    @door_route("events", "POST")
    def events(self, **_query):
        """Take events (CloudEvents 1.0, structured JSON, or what a source translates); answer what became of each."""
        return self._answer("deliver", self._deliver)

    def _deliver(self, source, body):
        headers = request.httprequest.headers
        content = headers.get("Content-Type", ""), headers.get("Content-Encoding", "")
        parsed = source.env["mrp.machine.source.translation"]._read_events(source, body, *content)
        parsed = source.env["mrp.machine.pressure"]._admit(source, parsed)
        answer = source.env["mrp.machine.intake"]._take(source, parsed)
        became = Counter([result["status"] for result in answer["results"]])
        if became["rejected"]:
            refused = Counter(result["reason"] for result in answer["results"] if result["status"] == "rejected")
            source.env["mrp.machine.door"]._note_refusals(refused, source.id, request.httprequest.remote_addr)
        return request.make_json_response(answer), became
