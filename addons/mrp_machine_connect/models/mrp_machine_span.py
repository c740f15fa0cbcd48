from odoo import api, models


class MachineSpanMixin(models.AbstractModel):
    """What holds on a machine from ``date_start`` up to ``date_end``, both naive UTC; without an end it lasts.

    A search looks at whole seconds, and a machine's word comes between them: what is found is looked at once more. What was
    taken back at the moment it began holds at none.
    """

    _name = "mrp.machine.span.mixin"
    _description = "From When to When on a Machine"

    #: Fields that are read with what is found.
    _span_fields = ("date_start", "date_end")

    @api.model
    def _between(self, machine, first, last):
        """Return what holds on a machine at any moment from first to last (naive UTC), the latest first."""
        found = self.search_fetch(
            [
                ("machine_id", "=", machine.id),
                ("date_start", "<=", last),
                "|",
                ("date_end", "=", False),
                ("date_end", ">=", first),
            ],
            self._span_fields,
        )
        return found.filtered(
            lambda row: (
                row.date_start <= last and (not row.date_end or row.date_end > first) and row.date_end != row.date_start
            )
        )

    @api.model
    def _at(self, machine, moment):
        """Return what holds on a machine at a moment (naive UTC), or an empty recordset."""
        return self._between(machine, moment, moment)[:1]

    @api.model
    def _next(self, machine, moment):
        """Return what begins next on a machine after a moment (naive UTC), or an empty recordset."""
        later = self.search([("machine_id", "=", machine.id), ("date_start", ">=", moment)], order="date_start, id")
        return later.filtered(lambda row: row.date_start > moment and row.date_end != row.date_start)[:1]

    @api.model
    def _next_start(self, machine, moment):
        """Return when the next one begins on a machine after a moment (naive UTC), or False."""
        return self._next(machine, moment).date_start
