"""The poster's part at the desk: it does what people decided for all alike, and holds an event once."""

from odoo import api, models


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _take_decided(self, registry, look):
        """Take a pass of what people decided for all events of a cause."""
        took = super()._take_decided(registry, look)
        return self.env["mrp.machine.remedy"]._pass(registry, look) or took

    def _note(self, name, event_ids, state, reason=None, message=None, detail=None, posting=None):
        """Write down what became of events; one that is held is held once, whatever effects it is to have.

        A person decides about the event, not about each of its effects: the others come once it is released.
        """
        if state == "held":
            rows = self.env["mrp.machine.event.posting"]
            rows.flush_model()
            # By SQL: what was written a moment ago by SQL is not in any cache.
            self.env.cr.execute(
                """SELECT other.event_id FROM mrp_machine_event_posting other
                    WHERE other.event_id = ANY(%(events)s) AND other.state = 'held' AND other.handler != %(name)s
                      AND NOT EXISTS (SELECT FROM mrp_machine_event_posting mine
                                       WHERE mine.event_id = other.event_id AND mine.handler = %(name)s)""",
                {"events": list(event_ids), "name": name},
            )
            known = {number for (number,) in self.env.cr.fetchall()}
            event_ids = [number for number in event_ids if number not in known]
            if not event_ids:
                return
        super()._note(name, event_ids, state, reason, message, detail, posting)
