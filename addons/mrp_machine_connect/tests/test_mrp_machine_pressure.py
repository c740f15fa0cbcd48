import itertools
import json
import time

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..machine_connect.body import Bounds
from ..machine_connect.envelope import BATCH, Rejected, parse
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.timestamps import timestamp
from ..machine_connect.token_bucket import TokenBucket
from ..models import mrp_machine_pressure
from ..models.mrp_machine_pressure import KINDS, LIMITS, RefusalMemory
from .test_mrp_machine_door import DoorCommon

STOP = ("machine.state_changed", {"state": "fault", "previous": "running"})


class PressureCommon(DoorCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pressure = cls.env["mrp.machine.pressure"]

    def setUp(self):
        super().setUp()
        self.patch(mrp_machine_pressure, "_memory", mrp_machine_pressure._Memory())

    def another_process(self):
        """From now on, what is done is done by a process that knows nothing."""
        self.patch(mrp_machine_pressure, "_memory", mrp_machine_pressure._Memory())

    def limit(self, **limits):
        for name, value in limits.items():
            self.env["ir.config_parameter"].set_param(f"mrp_machine_connect.{name}", str(value))

    def parsed(self, *events):
        return parse(json.dumps(events).encode(), BATCH, bounds=Bounds())

    def fates_of(self, admitted):
        return [event.reason if isinstance(event, Rejected) else "" for event in admitted]


@tagged("post_install", "-at_install")
class TestMachinePressureRate(PressureCommon):
    """No more than so much is taken in a second, from each source and from all, by all processes together."""

    def setUp(self):
        super().setUp()
        self.limit(source_requests=5, source_events=1000, all_requests=1000, all_events=100_000)

    def enter(self, times=1, source=None):
        """Return for how many of these requests there was room."""
        return sum(not self.pressure._enter(source or self.source)[0] for _time in range(times))

    def test_two_seconds_of_requests_may_come_at_once_and_no_more(self):
        self.assertEqual(self.enter(50), 10)
        wait, _is_written = self.pressure._enter(self.source)
        self.assertEqual(wait, 1)

    def test_another_source_has_a_bucket_of_its_own(self):
        other = self.env["mrp.machine.source"].create({"name": "Other", "machine_ids": self.machine.ids})
        self.assertEqual((self.enter(50), self.enter(50, other)), (10, 10))

    def test_all_sources_share_one(self):
        self.limit(source_requests=0, all_requests=6)
        other = self.env["mrp.machine.source"].create({"name": "Other", "machine_ids": self.machine.ids})
        self.assertEqual((self.enter(8), self.enter(50, other)), (8, 4))

    def test_processes_share_the_buckets(self):
        self.assertEqual(self.enter(7), 7)
        self.hand_in()
        self.another_process()
        self.assertEqual(self.enter(50), 3)

    def hand_in(self):
        """Have this process hand in what it took, as it does five times a second."""
        for share in mrp_machine_pressure._memory.shares.values():
            share.settled = 0.0
        taken = self.pressure._enter(self.source)
        self.assertTrue(taken[1])
        # The request that hands in takes one itself, and hands that in the next time.
        for share in mrp_machine_pressure._memory.shares.values():
            for bucket in share.buckets.values():
                bucket.claim()

    def test_a_big_batch_passes_and_is_waited_for_afterwards(self):
        self.assertEqual(self.enter(), 1)
        self.pressure._charge(self.source, 7000)

        self.assertEqual(self.pressure._enter(self.source)[0], 6)

    def test_the_rows_are_written_now_and_then_only(self):
        written = [self.pressure._enter(self.source)[1] for _time in range(5)]
        self.assertEqual(written, [True, False, False, False, False])

    def test_without_limits_all_may_come(self):
        self.limit(source_requests=0, source_events=0, all_requests=0, all_events=0)
        self.assertEqual(self.enter(5000), 5000)
        self.assertFalse(self.env["mrp.machine.bucket"].search([("source_id", "=", self.source.id)]))

    def test_a_limit_that_is_changed_counts_at_once(self):
        self.assertEqual(self.enter(50), 10)
        self.limit(source_requests=100)
        self.assertGreaterEqual(self.enter(50), 1)

    def test_a_limit_that_is_no_number_is_the_usual_one(self):
        self.limit(source_requests="many", readings="")
        for name in ("source_requests", "readings"):
            self.assertEqual(self.pressure._limit(name), LIMITS[name])

    def test_the_database_reckons_as_the_bucket_does(self):
        """The statement and the pure bucket say the same, step for step."""
        rate, burst = 50.0, 100.0
        buckets = {kind: TokenBucket(rate, burst, 0.0) for kind in KINDS}
        pure, last = TokenBucket(rate, burst, 0.0), None
        for taken in (0, 30, 90, 5, 40, 0):
            levels = self.pressure._settle(self.source.id, buckets, {"requests": taken, "events": taken})
            self.env.cr.execute("SELECT extract(epoch FROM at) FROM mrp_machine_bucket WHERE source_id = %s", [self.source.id])  # fmt: skip
            at = float(self.env.cr.fetchone()[0])
            last = at if last is None else last
            pure.take(at - last, taken)
            self.assertAlmostEqual(levels["requests"], pure.level(at - last), places=2)
            self.assertEqual(levels["requests"], levels["events"])
            time.sleep(0.05)


@tagged("post_install", "-at_install")
class TestMachinePressureBacklog(PressureCommon):
    """While too much waits for its effect, bulk is asked to wait first, and stops and alarms last."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source.event_types = "*"

    def setUp(self):
        super().setUp()
        self.patch(mrp_machine_pressure, "BACKLOG_BELIEVED", 0.0)
        self.patch(mrp_machine_pressure, "BACKLOG_PATIENCE", 0.0)
        self.names = (f"n{number}" for number in itertools.count())
        self.env.cr.execute("SELECT count(*) FROM mrp_machine_queue")
        self.before = self.env.cr.fetchone()[0]

    def wait_for_effect(self, count):
        self.send(*(self.said(next(self.names)) for _event in range(count)))

    def batch(self, *kinds):
        events = []
        for kind in kinds:
            event_type, data = STOP if kind == "stop" else ("production.count", None)
            events.append(self.said(next(self.names), kind=event_type, data=data))
        return self.parsed(*events)

    def admit(self, *kinds):
        try:
            return self.fates_of(self.pressure._admit(self.source, self.batch(*kinds)))
        except RequestRefused as refused:
            return refused.code, refused.status, refused.params["retry_after"] > 0

    def test_below_at_and_above_the_thresholds(self):
        self.limit(backlog_bulk=self.before + 10, backlog_all=self.before + 20)
        refused = "backlog_full", 429, True
        for waiting, bulk, mixed, stop in (
            (9, [""], ["", ""], [""]),
            (10, refused, ["backlog_full", ""], [""]),
            (19, refused, ["backlog_full", ""], [""]),
            (20, refused, refused, refused),
        ):
            self.env.cr.execute("SELECT count(*) FROM mrp_machine_queue")
            self.wait_for_effect(self.before + waiting - self.env.cr.fetchone()[0])
            with self.subTest(waiting=waiting):
                self.assertEqual(
                    (self.admit("bulk"), self.admit("bulk", "stop"), self.admit("stop")), (bulk, mixed, stop)
                )

    def test_each_threshold_may_be_left_out(self):
        self.wait_for_effect(5)
        for bulk, everything, expected in (
            (0, 0, ["", ""]),
            (1, 0, ["backlog_full", ""]),
            (0, 1, ("backlog_full", 429, True)),
        ):
            with self.subTest(bulk=bulk, everything=everything):
                self.limit(backlog_bulk=bulk, backlog_all=everything)
                self.assertEqual(self.admit("bulk", "stop"), expected)

    def test_what_is_urgent(self):
        self.wait_for_effect(1)
        self.limit(backlog_bulk=1)
        stop = self.batch("stop")[0]
        for kind, expected in (
            ("machine.state_changed", ""),
            ("alarm.raised", ""),
            ("quality.measurement", ""),
            ("downtime.started", ""),
            ("machine.program_changed", "backlog_full"),
            ("production.count", "backlog_full"),
            ("process.summary", "backlog_full"),
            ("correction.adjust", "backlog_full"),
        ):
            with self.subTest(kind=kind):
                self.assertEqual(self.fates_of(self.pressure._within_backlog([stop, self.typed(kind)]))[1], expected)

    def typed(self, kind):
        event = self.batch("bulk")[0]
        event.type = kind
        return event

    def test_what_cannot_be_read_is_told_so_beside_it(self):
        self.wait_for_effect(1)
        self.limit(backlog_bulk=1)
        parsed = self.parsed(self.said("a", kind="production.miracle"), self.said("b", kind=STOP[0], data=STOP[1]))

        self.assertEqual(self.fates_of(self.pressure._admit(self.source, parsed)), ["type_unknown", ""])

    def test_an_answer_says_what_to_send_again(self):
        self.wait_for_effect(1)
        self.limit(backlog_bulk=1)
        admitted = self.pressure._admit(self.source, self.batch("bulk", "stop"))
        results = self.intake._take(self.source, admitted)["results"]

        self.assertEqual(
            [(result["status"], result["reason"]) for result in results],
            [("rejected", "backlog_full"), ("accepted", "")],
        )
        self.assertEqual(results[0]["source"], "line/1")
        self.assertIn("later", results[0]["message"])

    def test_it_is_counted_only_where_there_may_be_many(self):
        self.limit(backlog_bulk=self.before + 1_000_000)
        self.wait_for_effect(3)
        with self.assertQueryCount(1):
            self.pressure._backlog(self.before + 1_000_000, 2_000_000)

    def test_it_is_believed_for_a_second(self):
        self.patch(mrp_machine_pressure, "BACKLOG_BELIEVED", 60.0)
        self.pressure._backlog(10, 20)
        with self.assertQueryCount(0):
            self.pressure._backlog(10, 20)


@tagged("post_install", "-at_install")
class TestMachinePressureTelemetry(PressureCommon):
    """Raw readings are refused with a word about summaries; pieces never are."""

    def readings(self, count, seconds=60, signal="temperature", step=1000, first=0, kind="meter.reading"):
        data = {"unit": "HUR", "value": 1.5} if kind == "meter.reading" else {"kind": "good", "delta": 1}
        occurred = int(self.at(seconds).timestamp() * 1e6)
        return [
            self.said(
                f"{signal}-{seconds}-{number}",
                kind=kind,
                data=data,
                time=timestamp(occurred + step * number),
                signal=signal,
            )
            for number in range(first, first + count)
        ]

    def admit(self, *events):
        return self.fates_of(self.pressure._admit(self.source, self.parsed(*events)))

    def test_as_many_as_are_allowed_and_no_more(self):
        self.limit(readings=10)
        self.assertEqual(self.admit(*self.readings(13)), [""] * 10 + ["telemetry"] * 3)

    def test_of_each_signal_and_second_so_many(self):
        self.limit(readings=10)
        self.assertEqual(self.admit(*self.readings(10), *self.readings(10, signal="pressure")), [""] * 20)
        self.assertEqual(self.admit(*self.readings(10, seconds=61)), [""] * 10)

    def test_the_signal_may_be_named_in_the_data(self):
        self.limit(readings=1)
        data = {"unit": "HUR", "value": 1.5}
        events = [
            self.said(f"{name}{number}", kind="meter.reading", data={**data, "signal": name})
            for name in ("a", "b")
            for number in range(2)
        ]
        self.assertEqual(self.admit(*events), ["", "telemetry", "", "telemetry"])

    def test_over_several_requests_as_well(self):
        self.limit(readings=10)
        self.admit(*self.readings(6))
        self.assertEqual(self.admit(*self.readings(6, first=6)), [""] * 4 + ["telemetry"] * 2)

    def test_what_is_sent_again_is_known_and_not_refused(self):
        self.limit(readings=10)
        fates = self.admit(*self.readings(13))
        self.assertEqual(self.admit(*reversed(self.readings(13))), fates[::-1])

    def test_after_an_outage_all_of_it_may_come_at_once(self):
        self.limit(readings=1)
        events = [event for second in range(300) for event in self.readings(1, seconds=second)]
        self.assertEqual(self.admit(*events), [""] * 300)

    def test_pieces_are_never_refused(self):
        self.limit(readings=1)
        self.assertEqual(self.admit(*self.readings(50, kind="production.count", step=0)), [""] * 50)

    def test_none_or_any_number(self):
        self.limit(readings=0)
        self.assertEqual(self.admit(*self.readings(100)), [""] * 100)

    def test_what_is_remembered_is_bounded(self):
        self.patch(mrp_machine_pressure, "READINGS_REMEMBERED", 50)
        self.admit(*(event for second in range(200) for event in self.readings(1, seconds=second)))
        self.assertEqual(len(mrp_machine_pressure._memory.readings), 50)


@tagged("post_install", "-at_install")
class TestMachinePressureRefusals(PressureCommon):
    """Under attack rows are written now and then; what was refused is counted all the same."""

    def test_a_few_are_written_at_once(self):
        memory = RefusalMemory(rate=1, burst=3)
        written = []
        for _time in range(3):
            memory.add("plant", 7, "signature_wrong", "10.0.0.9")
            written += memory.due("plant")
        self.assertEqual(written, [(7, {"signature_wrong": 1}, "10.0.0.9")] * 3)

    def test_of_very_many_none_is_forgotten(self):
        memory, counts, writes = RefusalMemory(rate=50, burst=3), {}, 0
        for number in range(20_000):
            memory.add("plant", number % 3 or None, "key_unknown", f"10.0.0.{number % 9}")
            found = memory.due("plant")
            writes += bool(found)
            self.add_up(counts, found)
        time.sleep(0.05)
        memory.add("plant", 1, "key_unknown", "10.0.0.1")
        self.add_up(counts, memory.due("plant"))

        self.assertEqual(sum(counts.values()), 20_001)
        self.assertLess(writes, 200)
        self.assertEqual(memory.due("plant"), [])

    @staticmethod
    def add_up(counts, found):
        for source_id, reasons, _address in found:
            counts[source_id] = counts.get(source_id, 0) + sum(reasons.values())

    def test_databases_do_not_mix_and_the_order_is_one(self):
        memory = RefusalMemory()
        for dbname, source_id in (("a", 9), ("a", None), ("b", 1), ("a", 3)):
            memory.add(dbname, source_id, "key_unknown", "")
        self.assertEqual([source_id for source_id, _counts, _address in memory.due("a")], [None, 3, 9])
        self.assertEqual(len(memory.due("b")), 1)


@tagged("post_install", "-at_install")
class TestMachinePressureSettings(PressureCommon):
    def test_limits_are_set_and_read_back(self):
        form = self.env["res.config.settings"].create({})
        self.assertEqual({name: form[f"machine_{name}"] for name in LIMITS}, LIMITS)
        form.write({"machine_source_requests": 0, "machine_readings": 25})
        form.execute()

        self.assertEqual((self.pressure._limit("source_requests"), self.pressure._limit("readings")), (0, 25))
        again = self.env["res.config.settings"].create({})
        self.assertEqual((again.machine_source_requests, again.machine_readings), (0, 25))

    def test_what_makes_no_sense_is_refused(self):
        for values in (
            {"machine_source_requests": -1},
            {"machine_readings": -5},
            {"machine_backlog_bulk": 200, "machine_backlog_all": 100},
        ):
            with self.subTest(values=values), self.assertRaises(ValidationError):
                self.env["res.config.settings"].create(values)
