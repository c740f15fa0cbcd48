"""Which lot of a component is on a machine from when to when?"""

from datetime import timezone

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..machine_connect import clock
from ..machine_connect.event import Event
from ..postings.outcome import Ignored, Waiting
from ..quantities import number_text


class MachineMaterial(models.Model):
    """Which lot of a component was on which machine from when to when, so that pieces are made of what was there."""

    _name = "mrp.machine.material"
    _description = "Material on a Machine"
    _order = "date_start desc, id desc"
    _check_company_auto = True

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The order that ran when it was loaded; it stays on the machine for the ones that follow.",
    )
    product_id = fields.Many2one("product.product", string="Component", required=True, readonly=True, index=True)
    lot_id = fields.Many2one("stock.lot", required=True, readonly=True, index=True, ondelete="restrict")
    uom_id = fields.Many2one(related="product_id.uom_id", string="Unit")
    quantity = fields.Float(
        readonly=True, digits=(16, 6), help="How much was brought, in the component's unit; 0: nobody said."
    )
    rest = fields.Float(
        readonly=True, digits=(16, 6), help="How much of it was taken off again, in the component's unit."
    )
    is_rest_known = fields.Boolean(
        "Rest Known", readonly=True, help="It was said how much was taken off: what was used is the difference."
    )
    date_start = fields.Datetime(string="From", required=True, readonly=True)
    date_end = fields.Datetime(string="To", readonly=True, help="Empty: still there.")
    user_id = fields.Many2one("res.users", string="Loaded by", readonly=True, default=lambda self: self.env.user)
    event_id = fields.Many2one(
        "mrp.machine.event",
        string="Told With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event by which it was loaded.",
    )
    left_event_id = fields.Many2one(
        "mrp.machine.event",
        string="Left With",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The event by which it was taken off.",
    )

    _one_at_a_time = models.UniqueIndex(
        "(machine_id, product_id) WHERE date_end IS NULL", "Another lot of this component is on the machine."
    )

    def _compute_display_name(self):
        for load in self:
            load.display_name = self.env._(
                "%(product)s, lot %(lot)s", product=load.product_id.display_name, lot=load.lot_id.name
            )

    def _is_weighed(self):
        """Return whether it is known how much of this load was used."""
        return bool(self.is_rest_known and self.quantity)

    def _used(self):
        """Return how much of a load was used whose rest is known, in the component's unit."""
        return max(0.0, self.quantity - self.rest)

    @api.model
    def _at(self, machine, product, moment):
        """Return what of a component was on a machine at a moment (naive UTC)."""
        return self._of(machine, product).filtered(lambda load: load._was_there(moment))[:1]

    def _was_there(self, moment):
        """Return whether this load was on its machine at a moment (naive UTC)."""
        return self.date_start <= moment and (not self.date_end or self.date_end > moment)

    @api.model
    def _last_change(self, machine, product):
        """Return what tells apart what is known of a component on a machine from what was known before."""
        loads = self.search([("machine_id", "=", machine.id), ("product_id", "=", product.id)])
        return f"{len(loads)}/{max(loads.mapped('write_date'), default='')}"

    @api.model
    def _of(self, machine, product):
        """Return all that was on a machine of a component, the latest first; what lasted no time was never there."""
        loads = self.search([("machine_id", "=", machine.id), ("product_id", "=", product.id)])
        return loads.filtered(lambda load: load.date_start != load.date_end)


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    material_ids = fields.One2many(
        "mrp.machine.material",
        "machine_id",
        readonly=True,
        groups="mrp_machine_connect.group_operator",
        help="Lots of components that are on the machine, or were. Pieces are made of the lot that was there when they were.",
    )

    def _load_material(self, product, lot, moment, quantity=0.0, event=None):
        """Let a lot of a component be on this machine from a moment on, in place of the one that was.

        What comes late splices in: up to the next lot that was loaded. What is in stock of the pieces since then is put
        right, in a transaction of its own.

        :param moment: naive UTC
        :param float quantity: how much was brought, in the component's unit; 0 where nobody said
        :param event: the mrp.machine.event that says so
        :return: the load
        :raise Waiting: the lot is expired or blocked
        :raise Ignored: it is there already
        """
        self.ensure_one()
        if refusal := lot._machine_refusal(moment, used=True):
            raise Waiting(*refusal, detail=f"stock.lot:{lot.id}")
        # sudo: a load is written by nobody; who may say so was asked before
        loads = self.env["mrp.machine.material"].sudo()
        all_loads = loads._of(self, product)
        before = loads._at(self, product, moment)
        if before.lot_id == lot:
            if not quantity:
                raise Ignored("no_change", self.env._("%s is loaded already.", before.display_name))
            before.quantity += quantity
            return before
        later = min((load.date_start for load in all_loads if load.date_start > moment), default=False)
        until = before.date_end or later
        if before:
            before.date_end = moment
            # Before the next one is inserted: only one may be there.
            before.flush_recordset(["date_end"])
        load = loads.create(
            {
                "machine_id": self.id,
                "production_id": self.env["mrp.machine.loading"].sudo()._at(self, moment).production_id.id,
                "product_id": product.id,
                "lot_id": lot.id,
                "quantity": quantity,
                "date_start": moment,
                "date_end": until,
                "user_id": (event.user_id if event else self.env.user).id or self.env.uid,
                "event_id": event.id if event else False,
            }
        )
        self._material_changed(product, moment, until)
        return load

    def _unload_material(self, product, lot, moment, rest=None, event=None):
        """Take a lot of a component off this machine at a moment.

        :param lot: the stock.lot; empty for whichever is there
        :param moment: naive UTC
        :param float rest: how much of it was taken off, in the component's unit; None where nobody said
        :param event: the mrp.machine.event that says so
        :return: the load that ended
        :raise Waiting: it was not there
        """
        self.ensure_one()
        loads = self.env["mrp.machine.material"].sudo()  # sudo: see _load_material
        # What a lot that followed has ended already may be weighed afterwards.
        load = loads._of(self, product).filtered(
            lambda load: load.date_start <= moment and (not lot or load.lot_id == lot)
        )[:1]
        told = load.date_end and load.left_event_id
        if not load or (told and (rest is None or load.is_rest_known)):
            raise Waiting(
                "not_loaded",
                self.env._(
                    "%(lot)s of %(product)s was not on the machine then.",
                    lot=lot.name or self.env._("No lot"),
                    product=product.display_name,
                ),
                detail=f"lot:{lot.name}",
            )
        if rest is not None and load.quantity and product.uom_id.compare(rest, load.quantity) > 0:
            raise Waiting(
                "rest_too_much",
                self.env._(
                    "%(rest)s %(unit)s of lot %(lot)s were taken off, and only %(quantity)s had been loaded.",
                    rest=number_text(rest),
                    unit=product.uom_id.name,
                    lot=load.lot_id.name,
                    quantity=number_text(load.quantity),
                ),
            )
        values = {"left_event_id": event.id if event else False}
        if not load.date_end or load.date_end > moment:
            values["date_end"] = moment
        if rest is not None:
            values |= {"rest": rest, "is_rest_known": True}
        until = load.date_end
        load.write(values)
        load.flush_recordset()
        self._material_changed(product, load.date_start if rest is not None else moment, until, rest is not None)
        return load

    def _material_changed(self, product, start, end, is_weighed=False):
        """Let what was made within a time, and is booked by now, be of the lots that are known now.

        :param start: naive UTC
        :param end: naive UTC; False for all since then
        :param bool is_weighed: it became known how much was used
        """
        postings = self.env["mrp.machine.posting"].sudo()  # sudo: only to find the orders of that time
        domain = [
            ("machine_id", "=", self.id),
            ("handler", "=", "production_count"),
            ("occurred_to", ">=", start.replace(microsecond=0)),
        ]
        if end:
            domain.append(("occurred_from", "<=", end))
        orders = self.env["mrp.production"].concat(
            *(production for (production,) in postings._read_group(domain, ["production_id"]))
        )
        # Counts that come with the same batch are booked after this.
        loadings = self.env["mrp.machine.loading"].sudo()
        orders |= loadings._between(self, start, end or fields.Datetime.now()).production_id
        for production in orders:
            moves = production.move_raw_ids.filtered(lambda move: move.product_id == product)
            if moves and (is_weighed or "done" in moves.mapped("state")):
                self._decide_consumption(production, product, start, "material")
        orders._components_are_known()

    def _tell_material(self, what, lot, at, quantity=None):
        """Say for a person that a lot of a component was loaded on this machine, or taken off, through the log.

        :param str what: ``loaded`` or ``unloaded``
        :param at: naive UTC
        :param float quantity: what was brought, or is left, in the component's unit; None where nobody knows
        :return: the event
        """
        self.ensure_one()
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_operator"):
            raise UserError(self.env._("Only an operator of the machines may say which material is on them."))
        self.check_access("read")
        now = clock.now()
        data = {
            "lot": lot.name,
            "lot_id": lot.id,
            "product": lot.product_id.display_name,
            "who": self.env.user.login,
            "entered": now.isoformat(),
        }
        if quantity is not None:
            data["qty"] = quantity
        event = Event(type=f"material.{what}", occurred=at.replace(tzinfo=timezone.utc), recorded=now, data=data)
        # sudo: the log is written by no one directly; the person's right was checked above
        machine = self.sudo()
        received = machine.env["mrp.machine.event"]._receive(
            machine.env.ref("mrp_machine_connect.source_people"),
            [(machine, self._people_stream(), {}, machine.mapping_version, [event])],
            user=self.env.user,
        )
        machine.env["mrp.machine.poster"]._wake()
        return received

    def action_load_material(self):
        """Ask which lot of a component is on the machine, and from when on."""
        return self._action_wizard("mrp.machine.load.material", self.env._("Load Material"))
