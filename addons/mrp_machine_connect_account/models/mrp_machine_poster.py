from odoo import models

from ..books import BOOKS, Books


class MachinePoster(models.AbstractModel):
    _inherit = "mrp.machine.poster"

    def _post_group(self, handler, group, entries, again):
        """Let what an effect writes into the books know whose it is and when it was."""
        if handler._touches_documents:
            machine = self._service(entries.machine_id)
            books = Books(machine, entries.event_id[-1:].occurred)
            handler = handler.with_context(**{BOOKS: books})
        return super()._post_group(handler, group, entries, again)
