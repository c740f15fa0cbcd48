import socket
import time
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from .. import polling_host
from ..machine_connect import clock
from ..machine_connect.event import instant
from ..polling_host import PollingHost
from .common import MachineConnectCommon
from .modbus_device import ModbusDevice

HOST_LOG = "odoo.addons.mrp_machine_connect.polling_host"


class PollerCommon(MachineConnectCommon):
    """A real Modbus device with a counter and a state, and hosts that poll it."""

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

    def later(self, hours):
        """Let hours pass: where the time is asked, it is that much later."""
        real = clock.now
        return patch.object(clock, "now", lambda: real() + timedelta(hours=hours))

    def device_returns(self):
        self.device = ModbusDevice(self.device.port)
        self.device.registers[0] = 6
        self.device.__enter__()
        self.addCleanup(self.device.__exit__)

    def kill(self, host):
        """End a host without a word; its lease has run out by the time that anybody looks."""
        host.hang_up()
        self.env.cr.execute("UPDATE mrp_machine_endpoint SET lease_until = NULL")
        self.env.cr.execute("UPDATE mrp_machine_worker SET last_seen = last_seen - interval '1 hour'")

    def told(self):
        """Return what the machine's state was said to be, in the order of the log."""
        events = self.events("machine.state_changed")
        return [(data["previous"], data["state"], data.get("reason")) for data in events.mapped("data")]

    def timeline(self):
        """Return the machine's states with how many hours each lasted; None for the last."""
        intervals = self.env["mrp.machine.interval"].search([("machine_id", "=", self.machine.id)], order="start_us")
        return [(line.state, round(line.duration / 3600) if line.end_us else None) for line in intervals]


@tagged("post_install", "-at_install")
class TestMachinePoller(PollerCommon):
    """The polling host against a real Modbus device; processes, leases between them and kills are integration tests."""

    OUTAGE = [
        (None, "running", None),
        ("running", "unknown", "no_contact"),
        ("unknown", "running", None),
    ]

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

    @mute_logger(HOST_LOG)
    def test_an_outage_is_unknown_and_said_once_whoever_is_killed_meanwhile(self):
        self.device.registers[0] = 6
        first = self.host()
        self.until(first, lambda: self.machine.state == "running")
        reads = self.device.reads
        self.until(first, lambda: self.device.reads > reads + 2)
        self.device.__exit__()
        self.until(first, lambda: self.connection.failing_since)
        (plan,) = first.plans.values()
        heard = plan.signals[str(self.state_signal.id)].memory["seen"]
        self.kill(first)
        self.assertEqual(self.told(), self.OUTAGE[:1], "it is not long enough")

        with self.later(hours=1):
            second = self.host(holder="test:2")
            self.until(second, lambda: self.machine.state == "unknown")
            self.kill(second)
            third = self.host(holder="test:3")
            failures = self.connection.failures
            self.until(third, lambda: self.connection.failures > failures)
        self.assertEqual(self.told(), self.OUTAGE[:2])
        self.assertEqual(self.events("machine.state_changed")[1].occurred_us, heard)
        self.assertEqual(self.machine.state_reason, "no_contact")

        self.device_returns()
        with self.later(hours=2):
            self.until(third, lambda: self.machine.state == "running")
        self.post()

        self.assertEqual(self.told(), self.OUTAGE)
        self.assertEqual(self.timeline(), [("running", 0), ("unknown", 2), ("running", None)])

    def test_an_hour_without_a_worker_is_unknown(self):
        self.device.registers[0] = 6
        # Else what was stored of the last fifteen seconds is that they began.
        self.startPatcher(patch.object(polling_host, "QUIET_WRITE", 0.0))
        first = self.host()
        self.until(first, lambda: self.machine.state == "running")
        reads = self.device.reads
        self.until(first, lambda: self.device.reads > reads + 2)
        self.kill(first)

        with self.later(hours=1):
            second = self.host(holder="test:2")
            self.until(second, lambda: len(self.told()) == 3)
        self.post()

        self.assertEqual(self.told(), self.OUTAGE)
        self.assertEqual(self.timeline(), [("running", 0), ("unknown", 1), ("running", None)])
        self.assertEqual(self.machine.state, "running")
        booked = self.env["mrp.workcenter.productivity"].search([("workcenter_id", "=", self.workcenter.id)])
        self.assertLess(sum(booked.mapped("duration")), 1, "minutes")

    def test_a_short_outage_is_none(self):
        self.device.registers[0] = 6
        first = self.host()
        self.until(first, lambda: self.machine.state == "running")
        self.kill(first)
        reads = self.device.reads

        with self.later(hours=(self.machine.silent_after - 1) / 60):
            second = self.host(holder="test:2")
            self.until(second, lambda: self.device.reads > reads + 2)

        self.assertEqual(self.told(), self.OUTAGE[:1])

    def test_a_state_that_alone_cannot_be_read_is_unknown(self):
        self.device.registers[0] = 6
        host = self.host()
        self.until(host, lambda: self.machine.state == "running")
        moved = self.state_signal.value_id.memory
        self.env.cr.execute(
            "UPDATE mrp_machine_signal SET address = 'holding:900' WHERE id = %s", [self.state_signal.id]
        )
        self.env.invalidate_all()
        self.assertTrue(moved["seen"])
        self.kill(host)

        with self.later(hours=1):
            second = self.host(holder="test:2")
            self.until(second, lambda: self.machine.state == "unknown")

        self.assertEqual(self.told(), self.OUTAGE[:2])
        self.assertEqual(self.machine.health, "ok")
        self.assertEqual(self.events("machine.state_changed")[1].occurred, instant(moved["seen"]).replace(tzinfo=None))

    @mute_logger(HOST_LOG)
    def test_an_outage_is_unknown_for_the_scheduled_action_too(self):
        self.connection.write({"polled_by": "cron", "interval": 60})
        self.device.registers[0] = 6

        def one_pass():
            self.env.flush_all()
            self.env.cr.execute("UPDATE mrp_machine_connection_status SET next_poll = NULL")
            self.env["mrp.machine.poller"]._cron_poll()
            self.env.invalidate_all()

        one_pass()
        self.device.__exit__()
        one_pass()
        self.assertEqual(self.told(), self.OUTAGE[:1])
        with self.later(hours=1):
            one_pass()
            one_pass()
        self.assertEqual(self.told(), self.OUTAGE[:2])
        self.device_returns()
        with self.later(hours=2):
            one_pass()
            one_pass()

        self.assertEqual(self.told(), self.OUTAGE)

    def test_the_silence_that_a_machine_may_keep(self):
        self.assertEqual(self.connection._silence(), 300)
        self.machine.silent_after = 0
        self.assertEqual(self.connection._silence(), 60)
        self.connection.interval = 3600
        self.assertEqual(self.connection._silence(), 3 * 3600)

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

    def test_a_device_that_answers_without_a_good_value_is_not_well(self):
        """A gateway that lost its machine, a program that was loaded anew: somebody must hear of it."""
        host = self.host()
        self.device.set_u32(2, 77)
        self.until(host, lambda: self.good.last_value == "77")
        self.until(host, lambda: self.machine.health == "ok")

        self.env["mrp.machine.signal"].search([("machine_id", "=", self.machine.id)]).write({"address": "holding:900"})
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.until(host, lambda: self.machine.health == "failing")

        self.assertEqual(self.connection.status_id.code, "illegal_address")
        self.assertTrue(self.connection.status_id.failing_since)
        self.until(host, lambda: self.connection.status_id.failures > 3, seconds=2)  # asked on, without growing pauses

        self.good.address = "holding:2"
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.until(host, lambda: self.machine.health == "ok")
        self.assertFalse(self.connection.status_id.failing_since)

    def test_a_value_that_means_nothing_says_so_and_the_last_one_keeps_its_time(self):
        self.good.data_type = "f32"
        self.env.cr.precommit.run()
        self.env.flush_all()
        host = self.host()
        self.device.set_u32(2, 0x429A0000)  # 77.0, IEEE 754
        self.until(host, lambda: self.good.last_value == "77")
        heard = self.good.value_id.at

        self.device.set_u32(2, 0x40200000)  # 2.5: half a piece is no count
        self.until(host, lambda: self.good.value_id.code)

        self.assertEqual(self.good.value_id.code, "not_whole")
        self.assertEqual((self.good.last_value, self.good.value_id.at), ("77", heard))

    def test_what_cannot_be_stored_is_logged_once_and_shown(self):
        host = self.host()
        self.until(host, lambda: self.machine.health == "ok")
        broken = patch.object(type(self.env["mrp.machine.event"]), "_receive", side_effect=ZeroDivisionError)

        with broken, self.assertLogs(HOST_LOG, "ERROR") as log:
            self.until(host, lambda: self.connection.status_id.code == "internal")
            reads = self.device.reads
            self.until(host, lambda: self.device.reads > reads + 3)
        self.assertEqual(len(log.output), 1)
        self.assertEqual(self.machine.health, "failing")

        self.until(host, lambda: self.machine.health == "ok")
        self.assertFalse(self.connection.status_id.failing_since)

    def test_in_a_scheduled_pass_dead_devices_do_not_take_the_time_of_the_others(self):
        self.connection.write({"polled_by": "cron", "interval": 60})
        dead = self.env["mrp.machine.connection"]
        lines = [socket.create_server(("127.0.0.1", 0)) for _number in range(6)]
        for number, line in enumerate(lines):
            self.addCleanup(line.close)
            dead += self.connection.copy(
                {"name": f"Dead {number}", "port": line.getsockname()[1], "timeout": 3.0, "active": True}
            )
        self.env["mrp.machine.signal"].create(
            [
                {
                    "machine_id": self.machine.id,
                    "connection_id": connection.id,
                    "name": connection.name,
                    "address": "holding:0",
                    "data_type": "u16",
                }
                for connection in dead
            ]
        )
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE mrp_machine_connection_status SET failures = 3, code = 'no_answer',
                      failing_since = now() AT TIME ZONE 'UTC', last_try = '2020-01-01' WHERE connection_id = ANY(%s)""",
            [dead.ids],
        )
        self.device.set_u32(2, 41)

        host = PollingHost(self.env.registry, "test:cron", "cron", threads=4)
        self.addCleanup(host.close)
        with mute_logger(HOST_LOG):
            host.run_pass(1.5)

        self.env.invalidate_all()
        self.assertEqual(self.good.last_value, "41")
