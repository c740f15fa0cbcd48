import time

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..polling_host import PollingHost
from .common import MachineConnectCommon
from .modbus_device import ModbusDevice

HOST_LOG = "odoo.addons.mrp_machine_connect.polling_host"


@tagged("post_install", "-at_install")
class TestMachinePoller(MachineConnectCommon):
    """The polling host against a real Modbus device; processes, leases between them and kills are integration tests."""

    def setUp(self):
        super().setUp()
        self.device = ModbusDevice()
        self.device.__enter__()
        self.addCleanup(self.device.__exit__)
        self.connection = self.env["mrp.machine.connection"].create(
            {
                "machine_id": self.machine.id,
                "protocol": "modbus",
                "host": "127.0.0.1",
                "port": self.device.port,
                "timeout": 0.5,
                "polled_by": "worker",
                "interval": 0.2,
            }
        )
        self.good, self.state_signal = self.env["mrp.machine.signal"].create(
            [
                {
                    "machine_id": self.machine.id,
                    "name": "Good",
                    "role": "good",
                    "address": "holding:2",
                    "data_type": "u32",
                    "fastest_cycle": 0.001,
                },
                {
                    "machine_id": self.machine.id,
                    "name": "State",
                    "role": "state",
                    "address": "holding:0",
                    "data_type": "u16",
                    "state_table": "packml_opc_30050",
                },
            ]
        )
        self.env["mrp.machine.loading"].search([("machine_id", "=", self.machine.id)]).date_end = False
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.registry_enter_test_mode()

    def host(self, polled_by="worker", holder="test:1"):
        host = PollingHost(self.env.registry, holder, polled_by, threads=4)
        self.addCleanup(host.close)
        return host

    def until(self, host, condition, seconds=10):
        """Let a host turn until a condition holds."""
        ends = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), ends, "it did not come to that in time")
            host.tick(0.05)
            self.env.invalidate_all()

    def events(self, kind="production.count"):
        return self.env["mrp.machine.event"].search(
            [("machine_id", "=", self.machine.id), ("type", "=", kind)], order="id"
        )

    def test_readings_become_events_and_these_quantity(self):
        host = self.host()
        self.device.set_u32(2, 70_000)
        self.device.registers[0] = 6
        self.until(host, lambda: self.good.last_value == "70000")
        self.assertFalse(self.events(), "the first value is a baseline")
        self.assertEqual(self.machine.state, "running")

        self.device.set_u32(2, 70_004)
        self.until(host, self.events)
        self.post()

        event = self.events()
        self.assertEqual(event.data["delta"], 4)
        self.assertEqual((event.data["total_before"], event.data["total_after"]), (70_000, 70_004))
        self.assertEqual(event.data["raw"]["registers"], [1, 4464 + 4])
        self.assertEqual((event.signal_id, event.stream), (self.good, f"urn:mmc:odoo:t-press:{self.connection.id}"))
        self.assertEqual(self.order.qty_producing, 4)
        self.assertEqual(self.machine.health, "ok")

    def test_counting_goes_on_where_another_host_left_off(self):
        first = self.host()
        self.device.set_u32(2, 100)
        self.until(first, lambda: self.good.last_value == "100")
        first.close()
        self.device.set_u32(2, 103)

        second = self.host(holder="test:2")
        self.until(second, self.events)

        self.assertEqual(self.events().data["delta"], 3)

    def test_while_one_host_holds_the_lease_the_other_does_not_poll(self):
        first, second = self.host(), self.host(holder="test:2")
        self.until(first, lambda: self.good.last_value is not False)

        second.tick(0.05)

        self.assertEqual(len(first.leases), 1)
        self.assertFalse(second.leases)

    def test_results_are_not_stored_once_the_lease_is_anothers(self):
        host = self.host()
        self.device.set_u32(2, 100)
        self.until(host, lambda: self.good.last_value == "100")
        self.device.set_u32(2, 105)
        self.env.cr.execute(
            "UPDATE mrp_machine_endpoint SET token = token + 1, holder = 'thief' WHERE id = %s",
            [self.connection.status_id.endpoint_id.id],
        )
        reads = self.device.reads
        ends = time.monotonic() + 5
        while self.device.reads == reads and time.monotonic() < ends:
            host.tick(0.05)
        host.tick(0.2)

        self.env.invalidate_all()
        self.assertFalse(self.events())
        self.assertEqual(self.good.last_value, "100")

    def test_a_lost_device_is_said_once_and_found_again(self):
        host = self.host()
        self.until(host, lambda: self.good.last_value is not False)
        port = self.device.port
        with self.assertLogs(HOST_LOG, "WARNING") as lost:
            self.device.__exit__()
            self.until(host, lambda: self.connection.failures >= 2)
        self.assertEqual(len(lost.output), 1, lost.output)
        self.assertIn("is lost", lost.output[0])
        self.assertEqual(self.machine.health, "failing")
        self.assertEqual(self.good.last_quality, "stale")
        self.assertTrue(self.connection.health_message)

        self.device = ModbusDevice(port)
        self.device.__enter__()
        self.addCleanup(self.device.__exit__)
        self.until(host, lambda: not self.connection.failing_since)
        self.assertFalse(self.connection.status_id.code)
        self.assertEqual(self.machine.health, "ok")

    def test_a_changed_address_is_followed_and_starts_from_a_baseline(self):
        host = self.host()
        self.device.set_u32(2, 100)
        self.device.set_u32(10, 5_000)
        self.until(host, lambda: self.good.last_value == "100")

        self.good.address = "holding:10"
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.until(host, lambda: self.good.last_value == "5000")
        self.device.set_u32(10, 5_002)
        self.until(host, self.events)

        self.assertEqual(self.events().mapped("data")[0]["delta"], 2)

    def test_one_bad_register_spoils_no_other(self):
        bad = self.env["mrp.machine.signal"].create(
            {"machine_id": self.machine.id, "name": "Nowhere", "address": "holding:900", "data_type": "u16"}
        )
        self.env.cr.precommit.run()
        self.env.flush_all()
        host = self.host()
        self.device.set_u32(2, 77)

        self.until(host, lambda: self.good.last_value == "77" and bad.last_quality)

        self.assertEqual(bad.last_quality, "bad")
        self.assertEqual(bad.value_id.code, "illegal_address")
        self.assertEqual(self.machine.health, "ok")

    def test_the_scheduled_action_reads_once_what_is_due(self):
        self.connection.write({"polled_by": "cron", "interval": 60})
        self.env.flush_all()
        self.device.set_u32(2, 41)

        self.env["mrp.machine.poller"]._cron_poll()
        reads = self.device.reads
        self.env["mrp.machine.poller"]._cron_poll()

        self.env.invalidate_all()
        self.assertEqual(self.good.last_value, "41")
        self.assertEqual(self.device.reads, reads, "not due yet")
        self.assertFalse(self.connection.status_id.endpoint_id.holder)

    def test_the_scheduled_action_never_raises(self):
        self.connection.write({"polled_by": "cron", "interval": 60})
        self.env.flush_all()
        self.device.__exit__()

        with mute_logger(HOST_LOG):
            self.env["mrp.machine.poller"]._cron_poll()

        self.env.invalidate_all()
        self.assertEqual(self.connection.status_id.code, "connection_refused")
