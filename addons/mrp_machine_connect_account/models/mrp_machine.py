from odoo import models


class Machine(models.Model):
    _inherit = "mrp.machine"

    def _book_time_of(self, productions):
        """Write this machine's time on orders as far as it is known, as the scheduled action does once a minute."""
        self.ensure_one()
        if not self._posts() or self.is_paused:
            return
        # sudo: the timeline is the poster's own; the time lines themselves are written as the service user
        intervals = self.env["mrp.machine.interval"].sudo()
        still = intervals.search(
            [
                ("machine_id", "=", self.id),
                ("production_id", "in", productions.ids),
                "|",
                ("end_us", "=", False),
                ("is_due", "=", True),
            ]
        )
        still._bookable()._project(productions.env)
