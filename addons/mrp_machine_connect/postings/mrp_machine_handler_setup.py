from odoo import api, models

from ..models.mrp_machine_setup import STARTED


class MachineHandlerSetup(models.AbstractModel):
    """What a machine says of its setups is laid over its timeline: when one began, and when it ended."""

    _name = "mrp.machine.handler.setup"
    _inherit = "mrp.machine.handler"
    _description = "Setup"
    _event_types = ("production.setup_started", "production.setup_ended")
    _touches_documents = False
    _handler_sequence = 6

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id
        # One whose end was not told may end here by now.
        machine._lay_setup(event.occurred_us - 1, event)
        machine._lay_setup(event.occurred_us, event)
        # sudo: the timeline is the poster's own
        interval = (
            self.env["mrp.machine.interval"]
            .sudo()
            .search(
                [("machine_id", "=", machine.id), ("start_us", "<=", event.occurred_us)], order="start_us desc", limit=1
            )
        )
        words = self.env._("%s: setup began") if event.type == STARTED else self.env._("%s: setup ended")
        return self._posting(
            rows,
            words % machine.name,
            interval or None,
            production_id=interval.production_id.id,
            workorder_id=interval.workorder_id.id,
        )
