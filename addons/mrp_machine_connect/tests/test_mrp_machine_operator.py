"""Who was logged on at a machine from when to when: by badge, by the machine's own word, in order or late."""

from odoo.tests import tagged

from .test_mrp_machine_scan import ScanCommon

#: A GS1 Global Service Relation Number of the prefix for examples, its check digit worked out by hand.
GSRN = "950600013400000015"


@tagged("post_install", "-at_install")
class TestOperator(ScanCommon):
    def word(self, name, seconds, post=True):
        """The machine says who is there."""
        event = self.receive(self.scanner, self.event("identity.operator", seconds, {"value": name}))
        if post:
            self.post(self.scanner)
        return event

    def people(self):
        found = self.env["mrp.machine.operator"].search([("machine_id", "=", self.scanner.id)], order="date_start")
        began = self.naive(0)
        return [
            (
                person.name,
                (person.date_start - began).total_seconds(),
                person.date_end and (person.date_end - began).total_seconds(),
            )
            for person in found
        ]

    def badge(self, code, **values):
        return self.env["mrp.machine.code"].create({"kind": "operator", "code": code, **values})

    def test_the_machine_says_who_is_there_and_that_nobody_is(self):
        self.word("Meier", 0)
        self.word("Schulz", 100)
        self.word("", 200)
        event = self.word("Meier", 300)

        self.assertEqual(self.people(), [("Meier", 0, 100), ("Schulz", 100, 200), ("Meier", 300, False)])
        self.assertEqual(self.scanner.operator_name, "Meier")
        self.assertEqual(self.rows(event, "operator").posting_id.summary, "Meier logged on at T-Idle")

    def test_what_is_told_late_splices_in(self):
        self.word("A", 0)
        self.word("C", 300)
        self.word("B", 100)
        self.word("", 200)
        self.word("early", -50)

        self.assertEqual(self.people(), [("early", -50, 0), ("A", 0, 100), ("B", 100, 200), ("C", 300, False)])

    def test_the_same_person_again_is_no_change(self):
        self.word("A", 0)
        event = self.word(" a ", 50)
        self.assertEqual(self.rows(event, "operator").reason, "no_change")
        self.assertEqual(self.people(), [("A", 0, False)])

    def test_a_badge_says_whose_it_is(self):
        self.badge("0815", user_id=self.operator.id)
        self.badge("0816", label="Paul Packer", machine_id=self.scanner.id)
        self.scan("0815", 10)
        self.scan("0816", 20)

        self.assertEqual(self.people(), [("Olga Operator", 10, 20), ("Paul Packer", 20, False)])
        people = self.env["mrp.machine.operator"]
        self.assertEqual(people._at(self.scanner, self.naive(15)).user_id, self.operator)
        self.assertFalse(people._at(self.scanner, self.naive(5)))
        self.assertEqual(people._between(self.scanner, self.naive(0), self.naive(15)).mapped("name"), ["Olga Operator"])

    def test_a_badge_counts_for_the_machine_s_own_word_too(self):
        self.badge("0815", user_id=self.operator.id)
        self.word("0815", 0)
        self.assertEqual(self.people(), [("Olga Operator", 0, False)])

    def test_a_gs1_relation_number_is_a_person(self):
        self.scan(f"]d28018{GSRN}", 10)
        self.badge(GSRN, label="Petra Press")
        self.scan(f"]d28018{GSRN}", 20)

        self.assertEqual(self.people(), [(GSRN, 10, 20), ("Petra Press", 20, False)])

    def test_a_badge_that_nobody_mapped_waits_until_it_is(self):
        event = self.scan("0817", 10)
        self.assertEqual(self.row(event).reason, "unknown_scan")

        self.badge("0817", label="Quentin")
        self.post(self.scanner)
        self.assertEqual(self.row(event).state, "posted")
        self.assertEqual(self.people(), [("Quentin", 10, False)])

    def test_a_badge_counts_while_posting_is_paused(self):
        self.badge("0815", user_id=self.operator.id)
        self.scanner.pause_until = "2099-01-01"
        self.scan("0815", 10)
        self.assertEqual(self.people(), [("Olga Operator", 10, False)])
