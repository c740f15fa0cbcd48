from odoo import api, models
from odoo.exceptions import UserError

from ..models.mrp_workorder import CLOSED
from ..quantities import number_text
from .outcome import Ignored, Waiting


class MachineHandlerOrderFinish(models.AbstractModel):
    """A work order, and with the last of them its order, ends when its quantity is reached or the machine says so.

    After the counts of the same batch, so that it ends with all that was made. It is done when the order's state says so;
    what the buttons of MRP return says nothing.
    """

    _name = "mrp.machine.handler.order_finish"
    _inherit = "mrp.machine.handler"
    _description = "End of the Order"
    _event_types = ("production.order_completed",)
    _handler_sequence = 27

    @api.model
    def _group(self, row):
        event = row.event_id
        machine = event.machine_id.with_env(self.env)
        by_rule = event.source_id.kind == "rules"
        self._check_policy(machine, by_rule)
        production, workorder = self._decided(machine, event) if by_rule else self._told(machine, event)
        if production.state in CLOSED:
            raise Ignored("no_change", self.env._("%s is closed already.", production.display_name))
        return (event.id, production.id, workorder.id)

    @api.model
    def _check_policy(self, machine, by_rule):
        """Refuse an end that the machine's setting does not know.

        :raise Ignored: somebody or something else finishes its orders
        """
        if machine.order_finish == ("quantity" if by_rule else "signal"):
            return
        label = dict(machine._fields["order_finish"]._description_selection(self.env))[machine.order_finish]
        raise Ignored("finish_policy", self.env._("Orders of this machine are finished otherwise: %s.", label))

    @api.model
    def _decided(self, machine, event):
        """Return the order that a rule of ours decided about."""
        data = event.data
        production = self.env["mrp.production"].browse(data["production_id"]).exists()
        workorder = self.env["mrp.workorder"].browse(data.get("workorder_id") or []).exists()
        if (
            not production
            or production.company_id != machine.company_id
            or len(workorder) != bool(data.get("workorder_id"))
        ):
            raise Ignored("no_change", self.env._("The order is no more."))
        return production, workorder

    @api.model
    def _told(self, machine, event):
        """Return the order that the machine says is complete, with the work order that it did.

        What ran there up to that moment is the one that is meant, where it is the same order.
        """
        production, workorder, _explanation = machine._order_of_word(str(event.data["order"]).strip())
        if workorder:
            return production, workorder
        ran = self.env["mrp.machine.loading"].search(
            [
                ("machine_id", "=", machine.id),
                ("production_id", "=", production.id),
                ("date_start", "<=", event.occurred),
            ],
            limit=1,
        )
        if ran and ran.workorder_id.state != "cancel":
            return production, ran.workorder_id
        if production.state in CLOSED:
            return production, workorder
        machine._check_told(production, workorder, event.data, event.data["order"])
        return production, machine._step_here(production, event.data.get("operation"), event.data["order"])

    @api.model
    def _products(self, group):
        production = self.env["mrp.production"].browse(group[1])
        return set((production.move_raw_ids | production.move_finished_ids).product_id.ids)

    @api.model
    def _post(self, group, rows):
        _event_id, production_id, workorder_id = group
        event = rows.event_id
        by_rule, moment = event.source_id.kind == "rules", event.occurred
        machine = event.machine_id.with_env(self.env)
        production = self.env["mrp.production"].browse(production_id)
        workorder = self.env["mrp.workorder"].browse(workorder_id)
        self._check_finish(machine, production, workorder, event, by_rule)
        # sudo: a loading is written by nobody; that the order has ended says when it left
        loading = self.env["mrp.machine.loading"].sudo()._at(machine, moment)
        if loading._is_of(production, workorder):
            loading._leave_by(event)
        workorder._finish_at(moment)
        still_open = production._steps().filtered(lambda step: step.state not in CLOSED)
        backorder = production.browse()
        if not still_open:
            backorder = self._close(machine, production, moment)
            if backorder:
                self._go_on(machine, backorder, workorder, event, production)
        production._retry_limited()
        self.env["mrp.machine.loading"]._retry_since(machine, moment, False, event)
        return self._posting(
            rows,
            self._words(production, workorder, still_open, backorder),
            workorder if still_open else production,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=self._explanation(production, workorder, by_rule),
        )

    @api.model
    def _check_finish(self, machine, production, workorder, event, by_rule):
        """Refuse to end what made nothing, or is not complete any more.

        :raise Ignored: it lost pieces meanwhile
        :raise Waiting: nothing was made, or pieces that were made later are still to leave it
        """
        name = (workorder or production).display_name
        if workorder.state == "cancel":
            raise Ignored("no_change", self.env._("%s was cancelled.", name))
        made = workorder.qty_produced if workorder else production.qty_producing
        if production.product_uom_id.compare(made, 0.0) <= 0:
            raise Waiting(
                "nothing_made",
                self.env._("%s is complete, as the machine says, and no piece of it has been counted.", name),
                detail=f"production:{production.id}",
            )
        if by_rule and not machine._is_reached(production, workorder):
            raise Ignored("not_reached", self.env._("%s has not its quantity any more: pieces were taken away.", name))
        if self._are_moving(machine, production, event):
            raise Waiting(
                "pieces_moving",
                self.env._("Pieces that were made after the end of %s leave it first.", name),
                detail=f"production:{production.id}",
            )

    @api.model
    def _are_moving(self, machine, production, event):
        """Return whether corrections that take pieces from an order are still to be posted."""
        corrections = self.env["mrp.machine.event"].search(
            [
                ("machine_id", "=", machine.id),
                ("type", "=", "correction.adjust"),
                ("occurred", ">=", event.occurred),
            ]
        )
        return any(
            correction.data.get("production_id") == production.id
            and not correction.posting_ids.filtered(
                lambda row: row.handler == "production_count" and row.state != "received"
            )
            for correction in corrections
        )

    @api.model
    def _close(self, machine, production, moment):
        """Close an order whose work orders are done, at a machine's time, and return its backorder, if there is one.

        :raise Waiting: MRP asks a question, or refuses
        """
        if production.product_uom_id.is_zero(production.qty_producing):
            production._take_machine_quantity()
        group = production.production_group_id
        known = group.production_ids
        below = production.product_uom_id.compare(production.qty_producing, production.product_qty) < 0
        remains = below and machine.order_remainder == "backorder"
        closing = production.with_context(
            skip_consumption=True,
            skip_backorder=True,
            skip_redirection=True,
            mo_ids_to_backorder=production.ids if remains else [],
        )
        try:
            with self.env.cr.savepoint():
                asked = closing.button_mark_done()
                if production.state != "done":
                    raise Waiting(
                        "not_closed", self._asked_words(production, asked), detail=f"production:{production.id}"
                    )
        except UserError as refused:
            words = self.env._("%(order)s could not be closed: %(why)s", order=production.display_name, why=refused)
            raise Waiting("not_closed", words, detail=f"production:{production.id}") from None
        production._dates_at(None, moment)
        return (group.production_ids - known).filtered(lambda order: order.state not in CLOSED)[:1]

    @api.model
    def _asked_words(self, production, asked):
        """Return in a sentence that MRP asks a person something before it closes an order.

        :param asked: what its button returned
        """
        model = asked.get("res_model") if isinstance(asked, dict) else None
        if model and model in self.env:
            return self.env._(
                "%(order)s is not closed: Odoo asks a person first (%(what)s).",
                order=production.display_name,
                what=asked.get("name") or self.env["ir.model"]._get(model).name,
            )
        return self.env._("%s is not closed, and Odoo does not say why.", production.display_name)

    @api.model
    def _go_on(self, machine, backorder, workorder, event, production):
        """Load the backorder on the machine from the end of its order on, unless something else was loaded then."""
        # sudo: as above
        loadings = self.env["mrp.machine.loading"].sudo()
        step = backorder.workorder_ids.filtered(
            lambda step: (step.operation_id, step.workcenter_id) == (workorder.operation_id, workorder.workcenter_id)
        )
        if loadings._at(machine, event.occurred) or len(step) != bool(backorder.workorder_ids):
            return
        loadings._put(
            machine,
            backorder,
            step,
            event.occurred,
            loadings._next_start(machine, event.occurred),
            found_by="rule",
            event_id=event.id,
            explanation=self.env._("The backorder of %s, which ended then.", production.display_name),
        )

    @api.model
    def _words(self, production, workorder, still_open, backorder):
        _ = self.env._
        if still_open:
            return _(
                "%(order)s finished; still open: %(steps)s",
                order=workorder.display_name,
                steps=", ".join(still_open.mapped("name")),
            )
        words = {"order": production.display_name, "made": number_text(production.qty_produced)}
        if backorder:
            return _("%(order)s closed with %(made)s; %(rest)s is the rest", rest=backorder.display_name, **words)
        return _("%(order)s closed with %(made)s", **words)

    @api.model
    def _explanation(self, production, workorder, by_rule):
        if by_rule:
            return self.env._("Its quantity was reached, and the machine's setting finishes orders then.")
        return self.env._("By the machine's own word.")
