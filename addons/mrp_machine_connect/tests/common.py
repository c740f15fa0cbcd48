"""The plant that the tests of the addons run in: one press with one order, no hardware."""

from datetime import datetime, timedelta, timezone

from odoo.fields import Command
from odoo.tests import TransactionCase

from ..machine_connect.event import Event

#: When the tests' machine day begins.
T0 = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)


class MachineConnectCommon(TransactionCase):
    """A work center «Press line», a press of its own, a product of two components, an order of 1,000."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True, no_reset_password=True))
        # The demo plant is another plant.
        cls.env["mrp.machine"].search([]).active = False
        cls.company = cls.env.company
        cls.workcenter = cls.env["mrp.workcenter"].create(
            {"name": "Press line", "resource_calendar_id": False, "costs_hour": 60.0, "time_start": 0, "time_stop": 0}
        )
        cls.component_a, cls.component_b, cls.product = cls.env["product.product"].create(
            [
                {"name": "Sheet", "is_storable": True},
                {"name": "Rivet", "is_storable": True},
                {"name": "Bracket", "is_storable": True},
            ]
        )
        cls.bom = cls.env["mrp.bom"].create(
            {
                "product_tmpl_id": cls.product.product_tmpl_id.id,
                "product_qty": 1.0,
                "operation_ids": [
                    Command.create({"name": "Press", "workcenter_id": cls.workcenter.id, "time_cycle_manual": 0.1})
                ],
                "bom_line_ids": [
                    Command.create({"product_id": cls.component_a.id, "product_qty": 1.0}),
                    Command.create({"product_id": cls.component_b.id, "product_qty": 4.0}),
                ],
            }
        )
        cls.location = cls.env["stock.warehouse"].search([("company_id", "=", cls.company.id)], limit=1).lot_stock_id
        for component in (cls.component_a, cls.component_b):
            cls.env["stock.quant"]._update_available_quantity(component, cls.location, 10_000)
        cls.machine = cls.make_machine("t-press", workcenter=cls.workcenter)
        cls.idle_machine = cls.make_machine("t-idle", workcenter=cls.workcenter.copy({"name": "Idle line"}))
        cls.order = cls.make_order(1000)
        cls.workorder = cls.order.workorder_ids
        cls.env["mrp.machine.loading"]._load(cls.machine, cls.order, cls.workorder, T0.replace(tzinfo=None))

    @classmethod
    def make_machine(cls, code, workcenter=None, **values):
        """Return a machine that accepts events of any age: the tests' day is not today."""
        return cls.env["mrp.machine"].create(
            {
                "name": code.title(),
                "code": code,
                "workcenter_id": workcenter and workcenter.id,
                "late_window": 0,
                **values,
            }
        )

    @classmethod
    def make_order(cls, quantity, bom=None, **values):
        """Return a confirmed manufacturing order."""
        bom = bom or cls.bom
        order = cls.env["mrp.production"].create(
            {
                "product_id": (bom.product_id or bom.product_tmpl_id.product_variant_id).id,
                "bom_id": bom.id,
                "product_qty": quantity,
                "date_start": T0.replace(tzinfo=None),
                **values,
            }
        )
        order.action_confirm()
        return order

    # Events

    def at(self, seconds):
        """Return a moment of the tests' day, in seconds since it began."""
        return T0 + timedelta(seconds=seconds)

    def event(self, kind, seconds, data, **values):
        return Event(type=kind, occurred=self.at(seconds), recorded=self.at(seconds), data=data, **values)

    def count(self, pieces, seconds=60, kind="good", before=0, **data):
        """Return a count of pieces; ``before`` makes two counts of one second different events."""
        return self.event(
            "production.count",
            seconds,
            {
                "kind": kind,
                "delta": pieces,
                "total_before": before,
                "total_after": before + pieces,
                "unit": "C62",
                **data,
            },
        )

    def cycle(self, seconds, qty=1):
        return self.event("production.cycle_completed", seconds, {"qty": qty})

    def state(self, state, seconds, raw=None, **data):
        return self.event("machine.state_changed", seconds, {"state": state, "raw_value": raw, **data})

    def receive(self, machine, *events, source="source_poller"):
        """Store events of a machine as its poller would, and return their records in the order given."""
        log = self.env["mrp.machine.event"]
        source = self.env.ref(f"mrp_machine_connect.{source}")
        new = log._receive(source, [(machine, machine._stream(), {}, machine.mapping_version, list(events))])
        return new.sorted("id")

    def post(self, *machines):
        """Give all queued events of the machines (all of the tests' by default) their effects."""
        for machine in machines or (self.machine, self.idle_machine):
            self.env["mrp.machine.poster"]._post_machine(machine)

    def rows(self, events, handler="production_count"):
        return events.posting_ids.filtered(lambda row: row.handler == handler).sorted(
            lambda row: (row.event_id.occurred_us, row.event_id.id)
        )

    def states(self, events, handler="production_count"):
        return self.rows(events, handler).mapped("state")
