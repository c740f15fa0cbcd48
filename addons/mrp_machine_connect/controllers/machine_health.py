from odoo import http
from odoo.http import request


class MachineHealthController(http.Controller):
    @http.route("/machine/v1/health", type="http", auth="none", methods=["GET"], csrf=False, save_session=False)
    def health(self, **_query):
        """Say that the server and its database are up, to anybody."""
        request.env.cr.execute("SELECT 1")
        return request.make_json_response({"status": "up"})
