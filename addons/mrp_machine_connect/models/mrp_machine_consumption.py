"""How do components leave stock: by the bill of materials, by what the machine says it used, or by the lots on it?"""

from math import isfinite

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from . import mrp_machine_posting  # noqa: F401 - extended here, so it must be there


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    consumption_way = fields.Selection(
        [
            ("bom", "By the bill of materials"),
            ("signal", "By what the machine says it used"),
            ("lot", "By the lots that are loaded"),
        ],
        string="Components Are Used",
        default="bom",
        required=True,
        tracking=True,
        help="By the bill of materials: for all that was made; what the machine says of its consumption is only compared. "
        "By the machine: what it says (material.consumed) is booked, where it is within the tolerance; components that it "
        "says nothing of follow the bill of materials. By the lots: each piece takes its components of the lot that was on "
        "the machine when it was made, and none without a lot; where a lot was weighed when it came and when it left, the "
        "difference is what was used. A bill of materials with blocked consumption allows no difference without approval, "
        "one with flexible consumption any.",
    )
    consumption_tolerance = fields.Float(
        string="Consumption Tolerance (%)",
        default=5.0,
        tracking=True,
        help="By how much what was used may differ from the bill of materials. What differs more is proposed to a "
        "supervisor, and until it is approved the bill of materials holds.",
    )
    variance_count = fields.Integer(
        compute="_compute_variance_count",
        string="Consumption to Approve",
        help="Differences of consumption that a supervisor is to approve or refuse.",
    )

    @api.constrains("consumption_tolerance")
    def _check_consumption_tolerance(self):
        for machine in self:
            if not (isfinite(machine.consumption_tolerance) and machine.consumption_tolerance >= 0):
                raise ValidationError(
                    self.env._("%s: the tolerance of consumption is a number from 0 up.", machine.name)
                )

    def _compute_variance_count(self):
        counts = self._count_each("mrp.machine.variance", [("state", "=", "proposed")])
        for machine in self:
            machine.variance_count = counts.get(machine, 0)

    def action_variances(self):
        """Open what differs on this machine from the bills of materials and is to be decided."""
        return self._action_records(
            "mrp_machine_connect.mrp_machine_variance_action",
            [("machine_id", "=", self.id)],
            search_default_proposed=1,
        )

    def _counted_on(self, production, workorder, events):
        """Let what machines said of the consumption be believed, or doubted, by what is made now."""
        told = production._told()
        if told or self.consumption_way == "lot":
            production._book_consumption(told)
        return super()._counted_on(production, workorder, events)

    def _decide_consumption(self, production, product, moment, rule):
        """Decide that what is booked of a component is put right, by what is known of it now.

        :param moment: naive UTC, from when on it is known
        :param str rule: what became known: ``material`` (a lot was loaded or taken off), ``variance`` (a person decided),
            ``late`` (late pieces were booked)
        """
        moves = production.move_raw_ids.filtered(lambda move: move.product_id == product)
        event = self._decide(
            "material.consumed",
            moment,
            {
                "qty": 0,
                "production_id": production.id,
                "product_id": product.id,
                "rule": rule,
                "made": production.qty_produced,
                # The same decision again is another one where something changed in between.
                "known": self.env["mrp.machine.material"].sudo()._last_change(self, product),
                "decided": production._variances(moves).filtered(lambda row: row.state != "proposed").ids[:1000],
                "booked": sum(moves.filtered(lambda move: move.state == "done").mapped("quantity")),
            },
        )
        if event:
            # Its effect is to be tried with the next pass; what machines say may be gathered for a while.
            # sudo: see _decide
            self.env["mrp.machine.event.posting"].sudo().create(
                {
                    "event_id": event.id,
                    "handler": "consumption",
                    "machine_id": event.machine_id.id,
                    "company_id": event.company_id.id,
                    "state": "received",
                }
            )
        return event


class MachineConsumption(models.Model):
    """What a machine said that it used of one component, and lot, on one order: a sum that only grows."""

    _name = "mrp.machine.consumption"
    _description = "Consumption Told by a Machine"
    _order = "id desc"
    _rec_name = "product_id"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one("mrp.production", string="Order", required=True, readonly=True, index=True)
    workorder_id = fields.Many2one("mrp.workorder", string="Work Order", readonly=True, index="btree_not_null")
    product_id = fields.Many2one("product.product", string="Component", required=True, readonly=True, index=True)
    lot_id = fields.Many2one("stock.lot", readonly=True, index="btree_not_null")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(
        readonly=True, digits=(16, 9), help="What the machine said in all, in the component's unit."
    )
    last_told = fields.Datetime(readonly=True, help="When the machine used the last of it.")

    _consumption_unique = models.UniqueIndex(
        "(machine_id, production_id, COALESCE(workorder_id, 0), product_id, COALESCE(lot_id, 0))"
    )

    @api.model
    def _row_of(self, machine, production, workorder, product, lot):
        """Return the row of a machine, an order, a component and a lot, made when it is new."""
        key = {
            "machine_id": machine.id,
            "production_id": production.id,
            "workorder_id": workorder.id,
            "product_id": product.id,
            "lot_id": lot.id,
        }
        return self.search([(name, "=", value) for name, value in key.items()]) or self.create(key)

    @api.model_create_multi
    def create(self, vals_list):
        rows = super().create(vals_list)
        rows.production_id.filtered(lambda order: not order.is_consumption_told).is_consumption_told = True
        return rows

    def _quantity_in(self, unit):
        """Return how much these rows say in all, in a unit of the component's and not rounded."""
        return sum(row.product_id.uom_id._compute_quantity(row.quantity, unit, round=False) for row in self)


class MachinePosting(models.Model):
    _inherit = "mrp.machine.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    kind = fields.Selection(selection_add=[("consumed", "Consumed material")])
