"""How much energy did a machine use, and for which order? What it tells is shared out by the time of each order."""

from odoo import api, fields, models

from ..moments import naive_of_iso
from ..wording import unit_text
from . import mrp_machine_timeline  # noqa: F401 - extended here, so it must be there

#: Words for the carrier that is meant where an event names none.
ELECTRICITY = "electricity"


class MachineEnergy(models.Model):
    """Energy of one carrier that a machine used within a time, all of it for one order or for none."""

    _name = "mrp.machine.energy"
    _description = "Energy Used by a Machine"
    _order = "date_start desc, id desc"
    _check_company_auto = True

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    workcenter_id = fields.Many2one(related="machine_id.workcenter_id", string="Work Center")
    production_id = fields.Many2one(
        "mrp.production",
        string="Order",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The order that ran meanwhile. Empty: none did.",
    )
    workorder_id = fields.Many2one(
        "mrp.workorder", string="Work Order", readonly=True, index="btree_not_null", ondelete="set null"
    )
    carrier = fields.Char(
        required=True, readonly=True, help="As the machine names it: electricity, gas, compressed air."
    )
    quantity = fields.Float(required=True, readonly=True, digits=(16, 6), help="In its unit; fed back where negative.")
    meter = fields.Char(readonly=True, help="The signal that told it, where the machine has several meters.")
    unit = fields.Char(
        string="Code of the Unit", required=True, readonly=True, help="UN/CEFACT Recommendation 20: KWH, MTQ."
    )
    unit_sign = fields.Char(string="Unit", compute="_compute_unit_sign", help="What the quantity is in.")
    date_start = fields.Datetime(string="From", required=True, readonly=True)
    date_end = fields.Datetime(string="To", required=True, readonly=True)
    event_id = fields.Many2one(
        "mrp.machine.event", readonly=True, index="btree_not_null", ondelete="set null", help="Where it was told."
    )

    @api.depends("unit")
    def _compute_unit_sign(self):
        for row in self:
            row.unit_sign = unit_text(row.unit)

    @api.model
    def _share(self, machine, told, event):
        """Share out what a machine used within a time among the orders that it worked on meanwhile, by their time.

        :param dict told: carrier, quantity, unit, date_start and date_end (naive UTC)
        :param event: the mrp.machine.event that says so
        :return: the rows; their quantities add up to what was told
        """
        start, end = told["date_start"], told["date_end"]
        parts, whole, left = self._orders_within(machine, start, end, event), end - start, told["quantity"]
        rows = []
        for place, (first, last, production, workorder) in enumerate(parts, 1):
            quantity = left if place == len(parts) else round(told["quantity"] * ((last - first) / whole), 6)
            left -= quantity
            rows.append(
                {
                    **told,
                    "machine_id": machine.id,
                    "event_id": event.id,
                    "quantity": quantity,
                    "date_start": first,
                    "date_end": last,
                    "production_id": production.id,
                    "workorder_id": workorder.id,
                }
            )
        used = self.create(rows)
        self._given(machine, used.production_id, event)
        return used

    @api.model
    def _given(self, machine, orders, event):
        """Called when the energy of these orders changed, in the same transaction; what it costs them is another addon's."""

    @api.model
    def _orders_within(self, machine, start, end, event):
        """Return ``[(from, to, order, work order)]`` of a time without gaps, the order empty where none was loaded."""
        parts, at = [], start
        none = self.env["mrp.production"], self.env["mrp.workorder"]
        loadings = self.env["mrp.machine.loading"]._between(machine, start, end)
        for loading in loadings.sorted("date_start"):
            first, last = max(loading.date_start, at), min(loading.date_end or end, end)
            if first >= last:
                continue
            if first > at:
                parts.append((at, first, *none))
            parts.append((first, last, loading.production_id, loading.workorder_id))
            at = last
        if not parts:
            # Nothing was loaded: the only work order in progress on the work center, as for pieces.
            found = machine._orders_at(event)[event.id]
            return [(start, end, *(found[:2] if isinstance(found, tuple) else none))]
        if at < end:
            parts.append((at, end, *none))
        return parts

    @api.model
    def _share_anew(self, machine, start, end):
        """Share out again what was used within a time (naive UTC), since another order had it; to no end where False."""
        domain = [("machine_id", "=", machine.id), ("date_end", ">", start)]
        if end:
            domain.append(("date_start", "<", end))
        for event in self.search(domain).event_id:
            rows = self.search([("event_id", "=", event.id), ("machine_id", "=", machine.id)])
            told = {
                "carrier": rows[0].carrier,
                "meter": rows[0].meter,
                "unit": rows[0].unit,
                "quantity": sum(rows.mapped("quantity")),
                "date_start": min(rows.mapped("date_start")),
                "date_end": max(rows.mapped("date_end")),
            }
            parts = self._orders_within(machine, told["date_start"], told["date_end"], event)
            known = [
                (row.date_start, row.date_end, row.production_id, row.workorder_id) for row in rows.sorted("date_start")
            ]
            if parts != known:
                before = rows.production_id
                rows.unlink()
                after = self._share(machine, told, event).production_id
                self._given(machine, before - after, event)

    @api.model
    def _told(self, data):
        """Return what an event says of energy: carrier, quantity, unit and times.

        :param dict data: of an ``energy.interval``; amounts of other units than kWh by ``quantity`` and ``unit``
        """
        in_kwh = data.get("kwh") is not None
        return {
            "carrier": str(data.get("carrier") or ELECTRICITY).strip().lower() or ELECTRICITY,
            "meter": str(data.get("signal") or ""),
            "quantity": float(data["kwh"] if in_kwh else data.get("quantity") or 0.0),
            "unit": "KWH" if in_kwh else str(data.get("unit") or "").strip().upper(),
            "date_start": naive_of_iso(data["start"]),
            "date_end": naive_of_iso(data["end"]),
        }


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _give_time(self, start, end, production, workorder):
        """Let energy go with the time of an order."""
        result = super()._give_time(start, end, production, workorder)
        # sudo: what a machine used is written by nobody; its events do
        self.env["mrp.machine.energy"].sudo()._share_anew(self, start, end)
        return result

    def action_energy(self):
        """Open what this machine used."""
        return self._action_records("mrp_machine_connect.mrp_machine_energy_action", [("machine_id", "=", self.id)])


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "energy_time": _("Put right what sends it, and ignore this."),
            "energy_amount": _("Let the sender name kWh, or a quantity with its unit, and ignore this."),
            "energy_twice": _("Find out which of the two is right, and ignore this where it is the other one."),
        }
