"""What follows by a rule from what was counted: decisions of Odoo's own, kept in the log like all that happens."""

from datetime import timezone

from odoo import models

from ..machine_connect import clock
from ..machine_connect.event import Event


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _check_quantity(self, production, workorder, total):
        """Refuse a quantity that a rule of this machine does not allow; each rule extends this.

        :param float total: cumulative, in the order's unit, of the work order or of the order where it has none
        :raise Waiting: a person has to decide
        """

    def _counted_on(self, production, workorder, events):
        """Called when pieces of these events were written to an order, in the same transaction; each rule extends this.

        Nothing else is done here than deciding (:meth:`_decide`): the effect has a transaction of its own, so that one
        that is refused does not take the count with it.
        """

    def _decide(self, event_type, occurred, data):
        """Keep a decision of Odoo's own in the log and queue it for its effect; the same decision twice is one event.

        :param str event_type: ``production.order_completed`` or ``production.stock_due``
        :param occurred: when, by the machine's time: naive UTC
        :param dict data: names the order by ``production_id`` and ``workorder_id``, and the ``rule``
        :return: the event, empty where it was decided already
        """
        self.ensure_one()
        moment = occurred.replace(tzinfo=timezone.utc)
        event = Event(type=event_type, occurred=moment, recorded=clock.now(), data=data)
        # sudo: nobody writes the log; whose work made the decision due need not be allowed to
        machine = self.sudo()
        received = machine.env["mrp.machine.event"]._receive(
            machine.env.ref("mrp_machine_connect.source_rules"),
            [(machine, machine._stream(f"rules:{machine.id}"), {}, machine.mapping_version, [event])],
        )
        machine.env["mrp.machine.poster"]._wake()
        return received
