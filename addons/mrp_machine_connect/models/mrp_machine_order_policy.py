"""How far may a machine carry its orders by itself: beyond their quantity, to their end, without any?"""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .mrp_workorder import CLOSED

#: What waits until an order takes more pieces, or has ended.
LIMITED = ("over_production", "order_complete")


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    over_production = fields.Selection(
        [("allow", "Book them"), ("tolerance", "Book them up to a tolerance"), ("wait", "Let them wait")],
        string="More Pieces Than Ordered",
        default="allow",
        required=True,
        tracking=True,
        help="Book them: the order shows all that was made and takes components for it; nobody is asked, and an order that "
        "was not changed in time grows. Up to a tolerance: the same up to that share; what goes beyond waits for a "
        "supervisor. Let them wait: not one piece too many is booked unseen; pieces that are really there are missing in "
        "stock until a supervisor releases them or the quantity of the order is raised.",
    )
    over_tolerance = fields.Float(
        string="Tolerance (%)",
        default=10.0,
        tracking=True,
        help="So much more than the order's quantity is booked before pieces wait.",
    )
    order_start = fields.Selection(
        [("first_piece", "With its first piece"), ("signal", "When the machine says so")],
        string="Order Starts",
        default="first_piece",
        required=True,
        tracking=True,
        help="With its first piece: the work order begins at the time of the first piece, so the setup before it is not its "
        "own time. When the machine says so: it begins when the machine names the order, setup included; a name that is "
        "read too early makes it look longer than it was.",
    )
    order_finish = fields.Selection(
        [
            ("person", "By a person"),
            ("quantity", "When its quantity is reached"),
            ("signal", "When the machine says so"),
        ],
        string="Order Finishes",
        default="person",
        required=True,
        tracking=True,
        help="By a person: somebody looks before it is closed; until then it stays open and takes further pieces. When its "
        "quantity is reached: it closes with the good piece that completes it, and what is made after that is not its own; "
        "pieces that turn out bad later must be corrected on a closed order. When the machine says so: whatever was "
        "counted by then is what it made; a machine that says so by mistake closes it too early.",
    )
    order_remainder = fields.Selection(
        [("backorder", "Make a backorder"), ("short", "Close it short")],
        string="Fewer Pieces Than Ordered",
        default="backorder",
        required=True,
        tracking=True,
        help="For an order that is finished below its quantity. Make a backorder: the rest stays planned, and the machine "
        "goes on with it; somebody must cancel it when it is not wanted. Close it short: the rest is given up, and what "
        "was promised to others is missing.",
    )

    @api.constrains("over_tolerance")
    def _check_over_tolerance(self):
        for machine in self:
            if not 0 <= machine.over_tolerance <= 1000:
                raise ValidationError(self.env._("%s: the tolerance lies between 0 and 1000 %%.", machine.name))

    def _limits_orders(self):
        """Return whether pieces beyond an order's quantity are asked about at all."""
        self.ensure_one()
        return self.over_production != "allow" or self.order_finish == "quantity"

    def _most_of(self, production, workorder):
        """Return how much of an order may be booked, in its unit; None for any amount."""
        target = self._target_of(production, workorder)
        match self.over_production:
            case "wait":
                return target
            case "tolerance":
                return production.product_uom_id.round(target * (1 + self.over_tolerance / 100))
        return None

    @api.model
    def _target_of(self, production, workorder):
        """Return the quantity that an order, or its work order, is to make, in the order's unit."""
        return production.product_qty - workorder.qty_reported_from_previous_wo

    @api.model
    def _good_of(self, production, workorder):
        """Return how many good pieces of an order, or of its work order, are made by now, in the order's unit.

        Rejects that are part of its quantity are scrapped, and whoever ordered so many wants them good.
        """
        made = workorder.qty_produced if workorder else production.qty_producing
        # sudo: the ledger is the poster's own
        ledgers = self.env["mrp.machine.ledger"].sudo().search([("production_id", "=", production.id)])
        here = ledgers.filtered(lambda row: row.workorder_id == workorder)
        return made - here._rejected_in(production.product_uom_id)

    @api.model
    def _is_reached(self, production, workorder):
        """Return whether as many good pieces were made as an order, or its work order, is to make."""
        good, target = self._good_of(production, workorder), self._target_of(production, workorder)
        return production.product_uom_id.compare(good, target) >= 0

    def _counted_on(self, production, workorder, events):
        """Decide that an order is complete when its quantity is reached, where that is the machine's setting."""
        super()._counted_on(production, workorder, events)
        if self.order_finish != "quantity" or (workorder or production).state in CLOSED:
            return
        if not self._is_reached(production, workorder):
            return
        self._decide(
            "production.order_completed",
            max(events[-1].occurred, self._last_piece(production, workorder) or events[-1].occurred),
            {
                "order": production.name,
                "production_id": production.id,
                "workorder_id": workorder.id or None,
                "rule": "quantity",
            },
        )

    def _last_piece(self, production, workorder):
        """Return when the last piece was made that is booked on an order by now, naive UTC, or False."""
        # sudo: postings are the poster's own
        return (
            self.env["mrp.machine.posting"]
            .sudo()
            .search(
                [
                    ("production_id", "=", production.id),
                    ("workorder_id", "=", workorder.id),
                    ("kind", "=", "good"),
                    ("quantity", ">", 0),
                ],
                order="occurred_to desc",
                limit=1,
            )
            .occurred_to
        )


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def write(self, vals):
        """Let pieces that waited for a greater quantity try again once it is there."""
        result = super().write(vals)
        if "product_qty" in vals:
            self._retry_limited()
        return result

    def _retry_limited(self):
        """Put back to work what waited for these orders to take more, or to end."""
        self._effects_waiting(LIMITED)._requeue()

    def _retry_completed(self, moment):
        """Put back to work that this order is complete, where it was told so before its first piece arrived.

        :param moment: when the first piece was made, naive UTC; what was said before that was said in vain, and no piece ends it
        """
        self.ensure_one()
        waiting = self._effects_waiting(["nothing_made"])
        waiting.filtered(lambda row: row.event_id.occurred >= moment)._requeue()

    def _effects_waiting(self, reasons):
        """Return the effects that wait for these orders, for one of some reasons."""
        # sudo: whoever changes or closes an order need not be allowed to touch effects, which are the poster's matter
        return (
            self.env["mrp.machine.event.posting"]
            .sudo()
            .search(
                [
                    ("state", "=", "waiting"),
                    ("reason", "in", reasons),
                    ("detail", "in", [f"production:{production.id}" for production in self]),
                ]
            )
        )
