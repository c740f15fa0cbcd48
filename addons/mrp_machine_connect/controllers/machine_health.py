from odoo import http
from odoo.http import request

from .door import door_route


class MachineHealthController(http.Controller):
    @door_route("health", "GET", readonly=True)
    def health(self, **_query):
        """Say that the server and its database are up, to anybody."""
        request.env.cr.execute("SELECT 1")
        return request.make_json_response({"status": "up"})
