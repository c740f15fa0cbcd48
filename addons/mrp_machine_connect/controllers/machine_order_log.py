from odoo import http
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request

#: So many bytes are read and sent at once.
CHUNK = 1 << 16


class MachineOrderLogController(http.Controller):
    @http.route("/machine/orders/<int:number>/log", type="http", auth="user", methods=["GET"], readonly=False)
    def order_log(self, number):
        """Send all that machines said and booked on an order, as one file; see :mod:`mrp_machine_order_log`."""
        production = request.env["mrp.production"].browse(number)
        try:
            file, name = request.env["mrp.machine.order.log"]._open(production)
        except (AccessError, MissingError):
            # Whether there is such an order is not told to whoever may not read it.
            raise request.not_found() from None
        file.seek(0, 2)
        size = file.tell()
        file.seek(0)
        headers = [
            ("Content-Type", "application/zip"),
            ("Content-Length", str(size)),
            ("Content-Disposition", content_disposition(name)),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
        response = request.make_response(iter(lambda: file.read(CHUNK), b""), headers=headers)
        response.call_on_close(file.close)
        return response
