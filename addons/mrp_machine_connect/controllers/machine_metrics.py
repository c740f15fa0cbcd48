from odoo.http import request

from ..machine_connect.exposition import CONTENT_TYPE
from ..models.mrp_machine_door import superuser
from .door import DoorController, door_route, is_signed


class MachineMetricsController(DoorController):
    @door_route("metrics", "GET")
    def metrics(self, **_query):
        """Say the figures of the door for Prometheus: to a key that may, and to the networks of the settings without one."""
        asked = request.httprequest
        metrics = superuser(request.env)["mrp.machine.metrics"]
        if not is_signed(asked.headers) and metrics._is_open_to(asked.remote_addr):
            return self._figures_page(metrics._text())
        return self._answer("metrics", self._tell_figures)

    def _tell_figures(self, source, _body):
        return self._figures_page(source.env["mrp.machine.metrics"]._text(source.company_id))

    @staticmethod
    def _figures_page(text):
        return request.make_response(text, [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")])
