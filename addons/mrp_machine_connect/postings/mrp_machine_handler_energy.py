from odoo import api, models

from ..moments import moment_words
from ..quantities import number_text
from .outcome import Held


class MachineHandlerEnergy(models.AbstractModel):
    """What a machine used within a time, shared out among the orders that it worked on meanwhile.

    It touches no document: a machine that is only observed uses energy all the same.
    """

    _name = "mrp.machine.handler.energy"
    _inherit = "mrp.machine.handler"
    _description = "Energy"
    _event_types = ("energy.interval",)
    _touches_documents = False
    # After orders are loaded.
    _handler_sequence = 30

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id.with_env(self.env)
        # sudo: what a machine used is written by nobody; its events do
        energy = self.env["mrp.machine.energy"].sudo()
        told = energy._told(event.data or {})
        self._check(machine, told)
        used = energy._share(machine, told, event)
        words = self.env._(
            "%(quantity)s %(unit)s %(carrier)s used by %(machine)s",
            quantity=number_text(told["quantity"]),
            unit="kWh" if told["unit"] == "KWH" else told["unit"],
            carrier=told["carrier"],
            machine=machine.name,
        )
        orders = used.production_id
        return self._posting(
            rows,
            words,
            orders if len(orders) == 1 else None,
            production_id=orders.id if len(orders) == 1 else False,
            workorder_id=used.workorder_id.id if len(used.workorder_id) == 1 else False,
            explanation=self._explanation(used),
        )

    @api.model
    def _check(self, machine, told):
        """Hold what cannot be.

        :raise Held: it ends before it begins, names no amount, or another event told of that time already
        """
        _ = self.env._
        if not told["date_start"] < told["date_end"]:
            raise Held("energy_time", _("It ends before it begins."))
        if not told["unit"]:
            raise Held("energy_amount", _("It names neither kWh nor a quantity with its unit."))
        # sudo: as above
        known = (
            self.env["mrp.machine.energy"]
            .sudo()
            .search(
                [
                    ("machine_id", "=", machine.id),
                    ("carrier", "=", told["carrier"]),
                    ("meter", "=", told["meter"]),
                    ("date_start", "<", told["date_end"]),
                    ("date_end", ">", told["date_start"]),
                ],
                limit=1,
            )
        )
        if known:
            raise Held(
                "energy_twice",
                _(
                    "The same meter has told of a part of that time already: %(quantity)s %(unit)s from %(start)s.",
                    quantity=number_text(known.quantity),
                    unit=known.unit,
                    start=moment_words(machine, known.date_start),
                ),
            )

    @api.model
    def _explanation(self, used):
        """Return how energy was shared out."""
        lines = used.filtered("production_id")
        if not lines:
            return self.env._("No order ran meanwhile.")
        if len(used) == 1:
            return self.env._("%s ran all the time.", lines.production_id.display_name)
        shares = ", ".join(
            f"{number_text(line.quantity)} {line.production_id.display_name or self.env._('no order')}" for line in used
        )
        return self.env._("Shared out by time: %s.", shares)
