"""What handlers say of themselves, so that their effects can be shadowed."""

from odoo import api, models

from ..models.mrp_machine_shadow import SHADOW
from ..models.mrp_production_late import LATE
from .mrp_machine_handler_production_count_lot import LOT
from .outcome import Waiting


class MachineHandler(models.AbstractModel):
    _inherit = "mrp.machine.handler"  # pylint: disable=consider-merging-classes-inherited; one question a file

    #: Whether it looks at what was counted on its order before; where it does, a shadow writes that first.
    _needs_order = True

    @api.model
    def _order_of(self, group, rows):
        """Return the order that the effect of a group is on; by default what is loaded on the machine at that time.

        :param group: what :meth:`_group` returned
        :param rows: the mrp.machine.queue entries of the group
        """
        event = rows.event_id[:1]
        return self.env["mrp.machine.loading"]._at(event.machine_id, event.occurred).production_id

    @api.model
    def _proposed_as(self, group):
        """Return what the pieces of a group would be booked as, None where it is not about pieces."""
        return None


class MachineHandlerProductionCount(models.AbstractModel):
    _inherit = "mrp.machine.handler.production_count"  # pylint: disable=consider-merging-classes-inherited; as above

    _needs_order = False

    @api.model
    def _order_of(self, group, rows):
        return self._orders_of(group)[0]

    @api.model
    def _proposed_as(self, group):
        while group[0] in (LATE, LOT):
            group = group[2]
        return group[0]

    @api.model
    def _groups(self, rows):
        """Let pieces of what is closed in the shadow wait, as they would."""
        groups, refused = super()._groups(rows)
        shadow = self.env.context.get(SHADOW)
        if not shadow:
            return groups, refused
        open_ones = {}
        for group, ids in groups.items():
            production, _workorder = self._orders_of(group)
            memory = shadow.memory(production)
            if not memory or not memory["closed_at"]:
                open_ones[group] = ids
                continue
            words = self.env._("In shadow, %s is closed already.", production.display_name)
            refused.update((row_id, Waiting("order_closed", words)) for row_id in ids)
        return open_ones, refused

    @api.model
    def _found(self, production, workorder, ledgers):
        """Go on from what the shadow had come to; what people book beside it are the same pieces."""
        shadow = self.env.context.get(SHADOW)
        if shadow and shadow.memory(production):
            here = ledgers.filtered(lambda row: row.workorder_id == workorder)[:1]
            return here.last_written, here.kept_on_order
        return super()._found(production, workorder, ledgers)

    @api.model
    def _write_total(self, production, workorder, total, kept, began):
        if shadow := self.env.context.get(SHADOW):
            production._shadow_again(shadow, but=workorder)
            memory = shadow.memory(production)
            began = min(filter(None, [began, memory and memory["began_at"]]))
            shadow.written.update([(production.id, workorder.id or False), (production.id, "order")])
        return super()._write_total(production, workorder, total, kept, began)


class MachineHandlerStockBeat(models.AbstractModel):
    _inherit = "mrp.machine.handler.stock_beat"  # pylint: disable=consider-merging-classes-inherited; as above

    @api.model
    def _order_of(self, group, rows):
        return self.env["mrp.production"].browse(group)


class MachineHandlerOrderFinish(models.AbstractModel):
    _inherit = "mrp.machine.handler.order_finish"  # pylint: disable=consider-merging-classes-inherited; as above

    @api.model
    def _order_of(self, group, rows):
        return self.env["mrp.production"].browse(group[1])


class MachineHandlerOrderStart(models.AbstractModel):
    _inherit = "mrp.machine.handler.order_start"  # pylint: disable=consider-merging-classes-inherited; as above

    _needs_order = False

    @api.model
    def _order_of(self, group, rows):
        return self.env["mrp.production"].browse(group[1])


class MachineHandlerWorkTime(models.AbstractModel):
    _inherit = "mrp.machine.handler.work_time"  # pylint: disable=consider-merging-classes-inherited; as above

    _needs_order = False
