from odoo import api, models


class MachineHandlerOperator(models.AbstractModel):
    """Who works at a machine, by its own word for it. A name that nobody mapped is kept as it is."""

    _name = "mrp.machine.handler.operator"
    _inherit = "mrp.machine.handler"
    _description = "Operator at the Machine"
    _event_types = ("identity.operator",)
    _touches_documents = False
    _handler_sequence = 7

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id.with_env(self.env)
        word = str((event.data or {}).get("value") or "").strip()
        name, user = machine._person(word) if word else ("", self.env["res.users"])
        return self._log_on(rows, machine, name or word, user)

    @api.model
    def _log_on(self, rows, machine, name, user):
        """Write down who is at the machine from an event on.

        :raise Ignored: it was so already
        """
        event = rows.event_id
        # sudo: who was where is written by nobody; a badge or the machine's word does
        person = self.env["mrp.machine.operator"].sudo()._change(machine, name, user, event)
        if name:
            words = self.env._("%(name)s logged on at %(machine)s", name=name, machine=machine.name)
        else:
            words = self.env._("Nobody is logged on at %s any more", machine.name)
        return self._posting(rows, words, person or None)
