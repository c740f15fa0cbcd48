"""What a machine proposes is booked when a supervisor approves it, once."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .test_mrp_machine_reject import RejectCommon


@tagged("post_install", "-at_install")
class TestProposal(RejectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.posting_mode = "propose"
        cls.supervisor = new_test_user(
            cls.env, "s", groups="mrp_machine_connect.group_supervisor,mrp.group_mrp_user,base.group_user"
        )

    def proposals(self, **values):
        domain = [(name, "=", value) for name, value in {"state": "proposed", **values}.items()]
        return self.env["mrp.machine.proposal"].with_user(self.supervisor).search(domain)

    def test_counts_of_one_order_are_one_proposal(self):
        events = self.told(self.count(5))
        events |= self.told(self.count(7, seconds=90, before=5))

        proposal = self.proposals(handler="production_count")
        self.assertEqual((proposal.production_id, proposal.quantity, proposal.event_count), (self.order, 12, 2))
        self.assertEqual(self.states(events), ["waiting", "waiting"])
        self.assertEqual(self.rows(events).mapped("reason"), ["approval"] * 2)
        self.assertTrue(self.rows(events)[0].remedy)
        self.assertEqual(self.order.qty_producing, 0)

    def test_approved_it_is_posted_once(self):
        events = self.told(self.count(5))
        proposal = self.proposals()
        proposal.action_approve()
        proposal.action_approve()
        self.post_all()
        self.told(self.count(5))  # received twice

        self.assertEqual(self.states(events), ["posted"])
        self.assertEqual(self.order.qty_producing, 5)
        self.assertEqual((proposal.state, proposal.decided_by), ("approved", self.supervisor))
        self.assertTrue(proposal.decided_at)
        self.assertFalse(self.proposals())

    def test_refused_it_is_not(self):
        events = self.told(self.count(5))
        proposal = self.proposals()
        action = proposal.action_refuse()
        wizard = self.env[action["res_model"]].with_user(self.supervisor).with_context(**action["context"])
        wizard.create({"reason": "Booked by hand"}).action_refuse()
        self.post_all()

        row = self.rows(events)
        self.assertEqual((row.state, row.reason, row.release_reason), ("ignored", "by_person", "Booked by hand"))
        self.assertEqual((proposal.state, proposal.reason), ("refused", "Booked by hand"))
        self.assertEqual(self.order.qty_producing, 0)
        proposal.action_approve()
        self.post_all()
        self.assertEqual(self.order.qty_producing, 0)

    def test_what_nobody_saw_stays_proposed(self):
        self.told(self.count(5))
        proposal = self.proposals()
        seen = proposal.event_count
        late = self.told(self.count(7, seconds=90, before=5))
        proposal.with_context(seen_events=seen).action_approve()
        self.post_all()

        self.assertEqual(self.order.qty_producing, 5)
        self.assertEqual((proposal.quantity, proposal.event_count), (5, 1))
        rest = self.proposals()
        self.assertEqual((rest.quantity, rest.event_count, self.states(late)), (7, 1, ["waiting"]))
        rest.action_approve()
        self.post_all()
        self.assertEqual(self.order.qty_producing, 12)

    def test_what_follows_by_a_rule_and_what_people_enter_need_no_second_word(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.count(15))
        self.assertEqual(self.in_stock(self.product), 0)
        self.proposals().action_approve()
        self.post_all()
        self.assertEqual(self.in_stock(self.product), 15)

        self.machine._adjust("good", 2, "Forgotten", at=self.at(100).replace(tzinfo=None))
        self.post_all()
        self.assertEqual(self.order.qty_producing, 17)

    def test_the_preview_says_what_will_be_and_books_nothing(self):
        self.machine.write({"stock_beat": "pieces", "beat_pieces": 10})
        self.told(self.count(15))
        proposal = self.proposals()
        with self.enter_registry_test_mode():
            proposal.action_preview()

        moves = proposal.line_ids.filtered(lambda line: line.kind == "move")
        self.assertEqual(
            sorted((line.product_id.name, line.quantity) for line in moves),
            [("Bracket", 15), ("Rivet", 60), ("Sheet", 15)],
        )
        self.assertEqual(proposal.previewed_count, 1)
        self.assertEqual((self.in_stock(self.product), self.order.qty_producing), (0, 0))
        with self.enter_registry_test_mode():
            proposal.action_preview()
        self.assertEqual(len(proposal.line_ids.filtered(lambda line: line.kind == "move")), 3)
        proposal.action_approve()
        self.post_all()
        self.assertEqual(self.moved(self.order), {"Bracket": 15, "Rivet": 60, "Sheet": 15})

    def test_time_is_proposed_as_well(self):
        self.told(self.state("running", 0), self.count(5, seconds=30))
        self.told(self.state("idle", 600))
        lines = self.env["mrp.workcenter.productivity"]
        domain = [("workcenter_id", "=", self.workcenter.id)]
        self.assertFalse(lines.search(domain))

        self.proposals(handler="work_time").action_approve()
        self.post_all()
        self.assertEqual(sum(lines.search(domain).mapped("duration")), 10)

    def test_who_may_decide(self):
        self.told(self.count(5))
        operator = new_test_user(self.env, "o", groups="mrp_machine_connect.group_operator")
        proposal = self.proposals().with_user(operator)
        for decide in (proposal.action_approve, proposal.action_refuse, proposal.action_preview):
            with self.assertRaisesRegex(UserError, "supervisor"):
                decide()
        with self.assertRaises(AccessError):
            proposal.write({"state": "approved"})

    def test_an_order_that_is_closed_meanwhile_waits_for_that(self):
        events = self.told(self.count(5))
        self.machine.late_booking = "wait"
        self.order.action_cancel()
        self.proposals().action_approve()
        self.post_all()
        self.assertEqual((self.states(events), self.rows(events).reason != "approval"), (["waiting"], True))
