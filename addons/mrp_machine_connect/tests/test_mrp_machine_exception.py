"""The supervisor's desk: what waits, by its cause, and what is done about all alike."""

from contextlib import contextmanager
from dataclasses import replace

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..models import mrp_machine_event_posting, mrp_machine_remedy
from .common import MachineConnectCommon


class DeskCase(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.supervisor = new_test_user(cls.env, "desk-supervisor", "mrp_machine_connect.group_supervisor")
        cls.operator = new_test_user(cls.env, "desk-operator", "mrp_machine_connect.group_operator")

    def unmapped(self, word, seconds):
        return self.state("unknown", seconds, raw=word, unmapped=word)

    def lines(self, *domain):
        """Return the lines of the desk of the tests' machines, as a request of its own reads them."""
        self.env["mrp.machine.exception"].invalidate_model()
        machines = (self.machine | self.idle_machine).ids
        return self.env["mrp.machine.exception"].search([("machine_id", "in", machines), *domain])

    def shown(self, *domain):
        return {(line.machine_id, line.reason, line.cause, line.events) for line in self.lines(*domain)}

    def run_remedies(self):
        """Let the passes and the poster do their work, in the transaction of the test."""
        remedies = self.env["mrp.machine.remedy"].sudo()
        while remedies.search([("state", "=", "running")]):
            for remedy in remedies.search([("state", "=", "running")]):
                remedy._take()
            self.post()
        self.env.invalidate_all()

    def lost_counts(self, number, machine=None, seconds=0):
        """Store counts of a machine that has no order."""
        return self.receive(
            machine or self.idle_machine,
            *(self.count(1, seconds + place, before=place) for place in range(number)),
        )


@tagged("post_install", "-at_install")
class TestException(DeskCase):
    def test_what_waits_for_the_same_is_one_line(self):
        self.lost_counts(3)
        self.receive(self.machine, *(self.unmapped(word, place) for place, word in enumerate(("42", "7", "42", "42"))))
        self.post()

        self.assertEqual(
            {line[:2] + line[3:] for line in self.shown()},
            {
                (self.idle_machine, "no_order", 3),
                (self.machine, "unknown_code", 3),
                (self.machine, "unknown_code", 1),
            },
        )
        self.assertEqual(
            {line[2:] for line in self.shown(("reason", "=", "unknown_code"))}, {("state:42", 3), ("state:7", 1)}
        )
        most = self.lines(("cause", "=", "state:42"))
        self.assertIn("«42»", most.message)
        self.assertIn("Map the code", most.remedy)
        self.assertEqual((most.since, most.until), (self.at(0).replace(tzinfo=None), self.at(3).replace(tzinfo=None)))

    def test_every_open_effect_stands_in_exactly_one_line(self):
        self.lost_counts(4)
        self.receive(self.machine, self.unmapped("1", 1), replace(self.count(5, 2), held="jump"))
        self.post()
        open_rows = self.env["mrp.machine.event.posting"].search(
            [
                ("machine_id", "in", (self.machine | self.idle_machine).ids),
                ("state", "in", ("waiting", "held", "failed")),
            ]
        )

        found = [row for line in self.lines() for row in line._rows()]

        self.assertEqual(len(open_rows), 6)
        self.assertEqual(sorted(row.id for row in found), sorted(open_rows.ids))
        self.assertEqual(sum(self.lines().mapped("events")), 6)

    def test_amounts_in_words_do_not_tell_causes_apart_and_names_of_orders_do(self):
        self.lost_counts(4)
        self.post()
        rows = self.lines()._rows()
        for row, words in zip(
            rows,
            (
                "WH/MO/0012 is closed: 3 of 1,000 missing.",
                "WH/MO/0012 is closed: 250.5 of 1,000 missing.",
                "WH/MO/0013 is closed: 3 of 1,000 missing.",
                "WH/MO/0012 is closed: 3 of 1,000 there.",
            ),
            strict=True,
        ):
            row.message = words

        self.assertEqual(sorted(self.lines().mapped("events")), [1, 1, 2])

    def test_a_held_event_stands_there_once_and_is_decided_once(self):
        held = self.receive(self.machine, replace(self.state("fault", 100), held="clock_late"))
        self.receive(self.machine, self.state("off", 700))
        self.post()
        [line] = self.lines()
        self.assertEqual((line.state, line.reason, line.events), ("held", "clock_late", 1))

        line.with_user(self.supervisor).action_release()
        self.run_remedies()

        self.assertFalse(self.lines())
        self.assertEqual(set(held.posting_ids.mapped("state")), {"posted"})
        self.assertEqual(set(held.posting_ids.mapped("handler")), {"state_interval", "work_time"})

    def test_a_held_event_that_is_ignored_has_no_effect_at_all(self):
        held = self.receive(self.machine, replace(self.state("fault", 100), held="clock_late"))
        self.post()
        self.lines()._rows()._ignore("Clock of the trial")
        self.receive(self.machine, self.state("off", 700))
        self.post()

        self.assertEqual(held.posting_ids.mapped("state"), ["ignored"])
        self.assertEqual(self.machine.interval_ids.mapped("state"), ["off"])

    def test_a_code_is_mapped_for_all_that_wait_for_it(self):
        events = self.receive(self.machine, *(self.unmapped("42", 10 * place) for place in range(6)))
        other = self.receive(self.machine, self.unmapped("7", 100))
        self.post()
        line = self.lines(("cause", "=", "state:42")).with_user(self.supervisor)
        action = line.action_map_code()
        wizard = self.env[action["res_model"]].with_user(self.supervisor).with_context(**action["context"]).create({})
        self.assertEqual(wizard.events, 6)
        with self.assertRaises(UserError):
            wizard.action_map()

        wizard.write({"state": "setup", "label": "Tool change"})
        wizard.action_map()
        remedy = self.env["mrp.machine.remedy"].search([], limit=1)
        self.assertEqual((remedy.total, remedy.settled, remedy.state, remedy.progress), (6, 0, "running", 0.0))
        self.assertEqual(self.lines(("cause", "=", "state:42")).running_id, remedy)
        self.run_remedies()

        self.assertFalse(self.rows(events, "state_interval").filtered(lambda row: row.state in ("waiting", "received")))
        self.assertEqual(self.states(other, "state_interval"), ["waiting"])
        self.assertEqual((remedy.state, remedy.settled, remedy.waiting), ("done", 6, 0))
        self.assertEqual(remedy.user_id, self.supervisor)
        self.assertIn("means Setup", remedy.name)
        first = self.machine.interval_ids.sorted("start_us")[0]
        self.assertEqual((first.state, first.reason), ("setup", "Tool change"))

    def test_a_code_for_all_machines_settles_all_of_them(self):
        self.receive(self.machine, self.unmapped("6", 0))
        self.receive(self.idle_machine, self.unmapped("6.0", 0), self.unmapped("7", 5))
        self.post()
        line = self.lines(("machine_id", "=", self.machine.id))
        wizard = self.env["mrp.machine.map"].with_context(**line.action_map_code()["context"]).create({})
        self.assertEqual(wizard.events, 1)

        wizard.write({"state": "idle", "for_company": True})
        self.assertEqual(wizard.events, 2, "6 and 6.0 are one word")
        wizard.action_map()
        self.run_remedies()

        self.assertEqual({line[2] for line in self.shown()}, {"state:7"})
        self.assertEqual(self.machine.interval_ids.mapped("state"), ["idle"])

    def test_all_of_a_cause_is_ignored_with_name_and_reason_and_taken_back(self):
        events = self.lost_counts(5)
        self.post()
        line = self.lines().with_user(self.supervisor)
        action = line.action_ignore()
        wizard = self.env["mrp.machine.ignore"].with_user(self.supervisor).with_context(**action["context"])
        wizard = wizard.create({"reason": "Trial parts"})
        self.assertEqual(wizard.count, 5)
        wizard.action_ignore()
        self.run_remedies()
        rows = self.rows(events)
        self.assertEqual(set(rows.mapped("state")), {"ignored"})
        self.assertEqual(set(rows.mapped("release_reason")), {"Trial parts"})
        self.assertEqual(rows.released_by, self.supervisor)
        remedy = rows.remedy_id
        self.assertTrue(remedy.can_undo)

        remedy.with_user(self.supervisor).action_undo()
        self.run_remedies()

        self.assertEqual(set(self.rows(events).mapped("state")), {"waiting"})
        self.assertEqual({line[1::2] for line in self.shown()}, {("no_order", 5)})
        self.assertFalse(rows.released_by)
        self.assertFalse(remedy.can_undo)
        with self.assertRaises(UserError):
            remedy.with_user(self.supervisor).action_undo()

    def test_a_held_event_that_is_taken_back_is_held_again_and_can_be_released(self):
        held = self.receive(self.machine, replace(self.count(5, 60), held="jump"))
        self.post()
        row = self.rows(held)
        words = row.message
        row._ignore("Was a test")
        self.assertFalse(self.lines())

        row.with_user(self.supervisor).action_undo()

        self.assertEqual((row.state, row.reason, row.message), ("held", "jump", words))
        self.lines().with_user(self.supervisor).action_release()
        self.run_remedies()
        self.assertEqual(self.order.qty_producing, 5)

    def test_time_that_was_ignored_is_booked_once_it_is_taken_back(self):
        self.machine.write({"pause_until": "2099-01-01 00:00:00", "pause_reason": "Trial run"})
        events = self.receive(self.machine, self.state("fault", 0), self.state("off", 600))
        self.post()
        rows = self.rows(events, "work_time")
        rows._ignore("Trial run")
        self.machine.write({"pause_until": False, "pause_reason": False})
        self.post()
        self.assertFalse(self.workcenter.time_ids)

        rows.action_undo()
        self.post()

        self.assertEqual(set(rows.mapped("state")), {"posted"})
        self.assertEqual(self.workcenter.time_ids.mapped("duration"), [10.0])

    def test_a_remedy_takes_a_bounded_part_each_pass_and_what_came_later_is_not_meant(self):
        self.patch(mrp_machine_remedy, "PASS", 2)
        first = self.lost_counts(5)
        self.post()
        remedy = self.env["mrp.machine.remedy"]._start([self.lines()._key()], "ignore", "Trial parts")
        later = self.lost_counts(1, seconds=500)
        self.post()
        steps = []
        while remedy.state == "running":
            remedy.sudo()._take()
            steps.append((remedy.taken, remedy.settled, round(remedy.progress)))

        self.assertEqual(steps, [(2, 2, 40), (4, 4, 80), (5, 5, 100), (5, 5, 100)])
        self.assertEqual(set(self.states(first)), {"ignored"})
        self.assertEqual(self.states(later), ["waiting"])

    def test_a_remedy_that_is_stopped_leaves_the_rest(self):
        self.patch(mrp_machine_remedy, "PASS", 2)
        events = self.lost_counts(5)
        self.post()
        remedy = self.env["mrp.machine.remedy"]._start([self.lines()._key()], "ignore", "Trial parts")
        remedy.sudo()._take()
        remedy.with_user(self.supervisor).action_stop()
        self.run_remedies()

        self.assertEqual(sorted(self.states(events)), ["ignored"] * 2 + ["waiting"] * 3)
        self.assertEqual(remedy.state, "stopped")

    def test_only_a_supervisor_decides(self):
        self.lost_counts(2)
        self.post()
        line = self.lines().with_user(self.operator)
        self.assertEqual(line.events, 2)
        for decide in (line.action_retry, line.action_ignore, line.action_release):
            with self.assertRaises(UserError):
                decide()
        remedy = self.env["mrp.machine.remedy"]._start([self.lines()._key()], "ignore", "Trial parts")
        with self.assertRaises(UserError):
            remedy.with_user(self.operator).action_stop()
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            remedy.with_user(self.supervisor).words = "Something else"
        with self.assertRaises(AccessError), mute_logger("odoo.addons.base.models.ir_model"):
            self.env["mrp.machine.remedy"].with_user(self.supervisor).create({"name": "By hand", "what": "ignore"})

    def test_another_company_sees_and_decides_nothing(self):
        self.lost_counts(2)
        self.post()
        key = self.lines()._key()
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "desk-stranger", "mrp_machine_connect.group_manager", company_id=other.id, company_ids=other.ids
        )
        self.assertFalse(self.env["mrp.machine.exception"].with_user(stranger).search([]))
        self.assertEqual(self.env["mrp.machine.exception"].with_user(stranger).desk()["events"], 0)
        self.assertFalse(self.env["mrp.machine.remedy"].with_user(stranger)._start([key], "ignore", "No"))

    def test_a_line_that_is_settled_meanwhile_says_so(self):
        self.lost_counts(2)
        self.post()
        line = self.lines()
        line._rows()._ignore("Trial parts")
        self.env.invalidate_all()

        for click in (
            line.action_retry,
            line.action_ignore,
            line.action_map_code,
            line.action_events,
            line.action_replay,
        ):
            with self.assertRaises(UserError) as refused:
                click()
            self.assertIn("settled by now", str(refused.exception))

    def test_a_remedy_that_cannot_go_on_says_why(self):
        self.lost_counts(2)
        self.post()
        self.env.flush_all()
        remedy = (
            self.env["mrp.machine.remedy"].with_user(self.supervisor)._start([self.lines()._key()], "ignore", "Trial")
        )
        self.supervisor.group_ids = self.env.ref("mrp_machine_connect.group_operator")
        with self.in_passes() as registry, mute_logger("odoo.addons.mrp_machine_connect.models.mrp_machine_remedy"):
            with registry.cursor() as look:
                self.env["mrp.machine.remedy"]._pass(registry, look)
        self.env.invalidate_all()

        self.assertEqual(remedy.state, "failed")
        self.assertIn("Only a supervisor", remedy.failure)
        self.assertEqual(sum(self.lines().mapped("events")), 2)

    @contextmanager
    def in_passes(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            yield self.registry

    def test_the_desk_says_what_waits_and_what_is_done(self):
        before = self.env["mrp.machine.exception"].desk()
        self.lost_counts(3)
        self.receive(self.machine, self.unmapped("42", 0))
        self.post()
        remedy = self.env["mrp.machine.remedy"]._start(
            [self.lines(("machine_id", "=", self.idle_machine.id))._key()], "retry"
        )

        desk = self.env["mrp.machine.exception"].with_user(self.operator).desk()

        self.assertEqual(desk["causes"] - before["causes"], 2)
        self.assertEqual(desk["events"] - before["events"], 4)
        self.assertEqual([(r["id"], r["total"], r["settled"]) for r in desk["running"]], [(remedy.id, 3, 0)])
        employee = new_test_user(self.env, "desk-employee", "base.group_user")
        self.assertEqual(
            self.env["mrp.machine.exception"].with_user(employee).desk(), {"causes": 0, "events": 0, "running": []}
        )

    def test_the_order_is_loaded_from_the_first_of_all_on(self):
        self.lost_counts(3, seconds=500)
        self.lost_counts(2, seconds=100)
        self.post()

        action = self.lines().action_load_order()

        self.assertEqual(action["context"]["default_date_start"], self.at(100).replace(tzinfo=None))
        self.assertEqual(action["context"]["default_machine_id"], self.idle_machine.id)

    def test_many_codes_are_put_back_in_passes_by_whatever_way_they_are_mapped(self):
        self.patch(mrp_machine_event_posting, "AT_ONCE", 2)
        self.receive(self.machine, *(self.unmapped("42", 10 * place) for place in range(4)))
        self.post()
        self.env["mrp.machine.code"].create(
            {"kind": "state", "code": "42", "machine_id": self.machine.id, "state": "idle"}
        )
        self.assertEqual(self.lines().running_id.total, 4)

        self.run_remedies()

        self.assertFalse(self.lines())
        self.assertEqual(self.machine.interval_ids.mapped("state"), ["idle"])


@tagged("post_install", "-at_install")
class TestWatchExceptions(DeskCase):
    def activities(self):
        kind = self.env.ref("mrp_machine_connect.activity_type_exceptions")
        return self.env["mail.activity"].search(
            [("activity_type_id", "=", kind.id), ("res_id", "=", self.idle_machine.id)]
        )

    def age(self, minutes):
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE mrp_machine_event_posting SET write_date = write_date - %s * interval '1 minute' WHERE machine_id = %s",
            [minutes, self.idle_machine.id],
        )
        self.env.invalidate_all()

    def watch(self):
        self.env["mrp.machine.watch"]._watch_exceptions()

    def test_the_responsible_person_is_told_once_and_it_is_taken_back(self):
        self.idle_machine.responsible_id = self.supervisor
        self.lost_counts(3)
        self.post()
        self.watch()
        self.assertFalse(self.activities(), "it waits for a moment only")

        self.age(31)
        self.watch()
        [activity] = self.activities()
        self.assertEqual(activity.user_id, self.supervisor)
        self.assertIn("3", activity.note)
        self.lost_counts(2, seconds=900)
        self.post()
        self.age(31)
        self.watch()
        self.assertEqual(self.activities(), activity, "the same cause is no news")

        self.lines()._rows()._ignore("Trial parts")
        self.watch()
        self.assertFalse(self.activities())

    def test_what_a_person_ticked_off_is_not_told_again_but_a_new_cause_is(self):
        self.lost_counts(1)
        self.post()
        self.age(31)
        self.watch()
        self.activities().action_feedback()
        self.watch()
        self.assertFalse(self.activities())

        self.receive(self.idle_machine, self.unmapped("42", 5))
        self.post()
        self.age(31)
        self.watch()

        self.assertEqual(len(self.activities()), 1)

    def test_nobody_is_told_where_the_machine_says_so_and_of_a_pause(self):
        self.idle_machine.exceptions_after = 0
        self.lost_counts(1)
        self.post()
        self.age(9999)
        self.watch()
        self.assertFalse(self.activities())

        self.lines()._rows()._ignore("Trial parts")
        self.idle_machine.write({"exceptions_after": 5, "pause_until": "2099-01-01 00:00:00", "pause_reason": "Trial"})
        self.lost_counts(1, seconds=50)
        self.post()
        self.assertEqual(self.lines().mapped("reason"), ["paused"])
        self.age(9999)
        self.watch()
        self.assertFalse(self.activities())


@tagged("post_install", "-at_install")
class TestEnterLot(DeskCase):
    def test_pieces_that_wait_for_their_lot_get_it_from_the_desk(self):
        self.product.tracking = "lot"
        self.machine.lot_source = "scan"
        events = self.receive(self.machine, self.count(4, 60), self.count(6, 120, before=4))
        self.post()
        [line] = self.lines()
        self.assertEqual((line.reason, line.events, line.lacks_lot), ("lot", 2, True))
        action = line.with_user(self.supervisor).action_enter_lot()
        self.assertEqual(action["context"]["default_date_start"], self.at(60).replace(tzinfo=None))
        wizard = self.env[action["res_model"]].with_user(self.supervisor).with_context(**action["context"])

        wizard.create({"name": "L-77"}).action_enter()
        self.post()

        self.assertEqual(set(self.states(events)), {"posted"})
        self.assertEqual(self.order.lot_producing_ids.mapped("name"), ["L-77"])
        self.assertEqual(self.order.qty_producing, 10)
        with self.assertRaises(UserError):
            self.env[action["res_model"]].with_context(**action["context"]).create(
                {"name": "L-78", "date_start": "2099-01-01 00:00:00"}
            ).action_enter()
