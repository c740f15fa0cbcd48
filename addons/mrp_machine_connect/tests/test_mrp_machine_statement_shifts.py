"""Five hundred shifts made up at random: each statement balances, or names what is missing.

What is true is known by how the pieces were made up: piece by piece, told, late, lost, by hand. The statement knows none of
that; it sees events and what the poster made of them.
"""

import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from .common import T0, MachineConnectCommon

MACHINES, SHIFTS = 10, 50
MODULUS = 65_536
#: In the night to the 29th of March 2026 the clocks go forward there.
PLACE = ZoneInfo("Europe/Berlin")
FIRST_DAY = datetime(2026, 3, 20, tzinfo=PLACE)
FIGURES = ("movement", "good", "reject", "waiting", "held", "explained")


def shift_starts(count):
    """Return when the shifts begin, and the last one ends: 6, 14 and 22 o'clock in the plant."""
    local = [FIRST_DAY + timedelta(days=number // 3, hours=6 + 8 * (number % 3)) for number in range(count + 1)]
    return [moment.astimezone(timezone.utc).replace(tzinfo=None) for moment in local]


class Life:
    """What happened on a machine, made up: facts in the order of time, and the events that tell of some of them."""

    def __init__(self, seed, starts):
        self.random = random.Random(seed)
        self.starts = starts
        self.wraps = seed % 2
        self.face = {"good": 65_000 if self.wraps else 100, "reject": 7}
        self.loaded = True
        #: ``(shift, what, counter, pieces, outcome)``
        self.facts = []
        #: for each shift: what is done to it, ``(seconds since T0, word, arguments)``
        self.shifts = []
        for number in range(len(starts) - 1):
            self.shifts.append(self.shift(number))

    def shift(self, number):
        start, end = self.starts[number], self.starts[number + 1]
        length, begin = (end - start).total_seconds(), (start - T0.replace(tzinfo=None)).total_seconds()
        deeds = []
        # Not at the end: what no count comes after would be found by one that comes late.
        if 0 < number < len(self.starts) - 12 and self.random.random() < 0.1:
            deeds.append((begin, "order", self.random.choice((-1, 1, 4))))
        if not number:
            # Where its counters stood before their first word nobody can know.
            deeds = [(begin + 1, "good", self.good(0)), (begin + 2, "reject", self.reject(0))]
        moments = sorted(self.random.sample(range(10, int(length)), self.random.randint(0, 8)))
        for moment in moments:
            word = self.random.choices(
                ("good", "reject", "lost", "late", "reset", "restart", "jump", "hand", "loading"),
                (40, 15, 8, 8, 5, 5, 4, 5, 6),
            )[0]
            deed = getattr(self, word)(number)
            if deed:
                deeds.append((begin + moment, word, deed))
        return deeds

    def outcome(self, figure):
        return figure if self.loaded else "waiting"

    def move(self, counter, pieces):
        before, after = self.face[counter], self.face[counter] + pieces
        wrapped = bool(self.wraps and after >= MODULUS)
        self.face[counter] = after - MODULUS if wrapped else after
        return before, self.face[counter], wrapped

    def good(self, number, counter="good"):
        pieces = self.random.randint(1, 30)
        before, after, wrapped = self.move(counter, pieces)
        self.facts.append((number, "wrap" if wrapped else "told", counter, pieces, self.outcome(counter)))
        return {
            "kind": counter, "delta": pieces, "total_before": before, "total_after": after,
            "cause": "rollover" if wrapped else "advance",
        }  # fmt: skip

    def reject(self, number):
        return self.good(number, "reject")

    def lost(self, number, what="lost"):
        counter, pieces = self.random.choice(("good", "reject")), self.random.randint(1, 5)
        if self.wraps and self.face[counter] + pieces >= MODULUS:
            return None
        before, after, _wrapped = self.move(counter, pieces)
        self.facts.append((number, what, counter, pieces, self.outcome(counter)))
        return {"kind": counter, "delta": pieces, "total_before": before, "total_after": after, "cause": "advance"}

    def late(self, number):
        return self.lost(number, "late")

    def reset(self, number):
        before = self.face["good"]
        if not before:
            return None
        self.face["good"] = 0
        self.facts.append((number, "back", "good", before, ""))
        return {"from": before, "to": 0, "cause": "reset", "counter": "good"}

    def restart(self, number):
        before, pieces = self.face["good"], self.random.randint(1, 9)
        if before < 10:
            return None
        self.face["good"] = pieces
        self.facts.append((number, "back", "good", before, ""))
        self.facts.append((number, "told", "good", pieces, self.outcome("good")))
        return {
            "kind": "good", "delta": pieces, "total_before": before, "total_after": pieces, "cause": "reset",
            "counter": "good",
        }  # fmt: skip

    def jump(self, number):
        pieces = self.random.randint(500, 900)
        if not self.loaded or self.wraps and self.face["good"] + pieces >= MODULUS:
            return None
        before, after, _wrapped = self.move("good", pieces)
        self.facts.append((number, "told", "good", pieces, "held"))
        return {"kind": "good", "delta": pieces, "total_before": before, "total_after": after, "cause": "jump"}

    def hand(self, number):
        if not self.loaded:
            return None
        pieces = self.random.randint(1, 6)
        self.facts.append((number, "hand", None, pieces, "good"))
        return pieces

    def loading(self, number):
        self.loaded = not self.loaded
        return "load" if self.loaded else "unload"

    # The truth

    def truth(self, late_is_told, decided=False):
        """Return ``{shift: {figure or cause: pieces}}``.

        :param bool late_is_told: what came late is there
        :param bool decided: what was held or waited was decided: held pieces released, waiting ones ignored
        """
        found, unseen = defaultdict(lambda: defaultdict(float)), defaultdict(float)
        changes = list(self.changes())
        for number, what, counter, pieces, outcome in self.facts:
            here = found[number]
            if what == "lost" or (what == "late" and not late_is_told):
                unseen[counter] += pieces
                continue
            if what == "hand":
                here["good"] += pieces
                here["by_hand"] -= pieces
                continue
            here["gap"] += unseen[counter]
            here["movement"] += unseen.pop(counter, 0)
            if what == "back":
                here["reset"] -= pieces
                here["movement"] -= pieces
                continue
            if what == "wrap":
                here["rollover"] -= MODULUS
                here["movement"] -= MODULUS
            here["movement"] += pieces
            if decided:
                outcome = {"held": "good", "waiting": "ignored"}.get(outcome, outcome)
            here[outcome] += pieces
        for number, pieces in changes:
            found[number]["good"] += pieces
            found[number]["order_by_hand"] -= pieces
        for here in found.values():
            here["explained"] = sum(
                here[cause] for cause in ("gap", "by_hand", "reset", "rollover", "ignored", "order_by_hand")
            )
        return found

    def changes(self):
        """Yield ``(shift, pieces)`` of what was changed on the order, in the shift whose count found it."""
        fed = {
            number
            for number, what, _counter, _pieces, outcome in self.facts
            if what in ("told", "wrap", "hand") and outcome in ("good", "reject")
        }
        pending = 0
        for number, deeds in enumerate(self.shifts):
            pending += sum(argument for _at, word, argument in deeds if word == "order")
            if pending and number in fed:
                yield number, pending
                pending = 0


@tagged("post_install", "-at_install")
class TestMachineStatementShifts(MachineConnectCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.supervisor = cls.env["res.users"].create(
            {
                "name": "Supervisor",
                "login": "shifts-supervisor",
                "group_ids": [Command.set([cls.env.ref("mrp_machine_connect.group_supervisor").id])],
            }
        )
        cls.plain = cls.env["product.product"].create({"name": "Plain", "is_storable": True})
        cls.starts = shift_starts(SHIFTS)

    def plant(self, number):
        """Return a machine with an order of a product that takes no components."""
        center = self.workcenter.copy({"name": f"Line {number}", "tz": "Europe/Berlin"})
        machine = self.make_machine(
            f"t-shifts-{number}", workcenter=center, statement_shifts="times", beat_shifts="22:00, 14:00, 06:00"
        )
        order = self.env["mrp.production"].create(
            {"product_id": self.plain.id, "product_qty": 1_000_000, "bom_id": False, "date_start": self.starts[0]}
        )
        order.action_confirm()
        self.load(machine, order, 0)
        machine.statement_until = self.starts[0]
        return machine, order

    def load(self, machine, order, seconds):
        at = self.starts[0] if not seconds else self.at(seconds).replace(tzinfo=None)
        self.env["mrp.machine.loading"]._load(machine, order, order.workorder_ids, at)

    def live(self, machine, order, life):
        """Let a life happen, shift by shift, each signed at its end; return what is to come late."""
        late = []
        for number, deeds in enumerate(life.shifts):
            events = []
            for at, word, argument in deeds:
                match word:
                    case "lost":
                        pass
                    case "late":
                        late.append(self.event("production.count", at, argument))
                    case "reset":
                        events.append(self.event("production.counter_reset", at, argument))
                    case "order":
                        order.qty_producing += argument
                    case "hand":
                        self.env["mrp.machine.adjust"].create(
                            {
                                "machine_id": machine.id,
                                "quantity": argument,
                                "reason": f"Box {at}",
                                "at": self.at(at).replace(tzinfo=None),
                            }
                        ).action_apply()
                    case "loading" if argument == "load":
                        self.load(machine, order, at)
                    case "loading":
                        self.env["mrp.machine.loading"]._unload(machine, self.at(at).replace(tzinfo=None))
                    case _:
                        if argument["cause"] == "reset":
                            reset = {"from": argument["total_before"], "to": argument["total_after"]}
                            told = {**reset, "cause": "reset", "counter": "good"}
                            events.append(self.event("production.counter_reset", at, told))
                        held = "jump" if word == "jump" else ""
                        events.append(self.event("production.count", at, argument, held=held))
            self.receive(machine, *events)
            self.post(machine)
            for statement in machine._make_statements(self.starts[number + 1]):
                self.sign(statement)
        return late

    def sign(self, statements):
        """Sign as the supervisor does."""
        action = statements.with_user(self.supervisor).action_sign()
        if isinstance(action, dict):
            values = {name.removeprefix("default_"): ids for name, ids in action["context"].items()}
            wizard = self.env["mrp.machine.sign"].with_user(self.supervisor)
            wizard.create(
                {"reason": "Seen", **{name: [Command.set(ids)] for name, ids in values.items()}}
            ).action_sign()

    def check(self, machine, truth, with_corrections):
        statements = self.env["mrp.machine.statement"].search([("machine_id", "=", machine.id)])
        found = {self.starts.index(statement.date_start): statement for statement in statements}
        for number in range(SHIFTS):
            statement, wanted = found.get(number, statements.browse()), truth[number]
            corrections = statement.correction_ids if with_corrections else statement.correction_ids.browse()
            for figure in FIGURES:
                said = sum(statement.mapped(figure)) + sum(corrections.mapped(figure))
                self.assertAlmostEqual(said, wanted[figure], 3, (machine.name, number, figure))
            for line in statement.line_ids:
                parts = sum(line[figure] for figure in ("good", "reject", "scrap", "waiting", "held", "explained"))
                self.assertAlmostEqual(line.movement, parts, 3, (machine.name, number, line.display_name))
            if not with_corrections:
                causes = defaultdict(float)
                for difference in statement.difference_ids:
                    self.assertTrue(difference.words)
                    causes[difference.cause] += difference.amount
                for cause in ("gap", "reset", "rollover", "by_hand", "order_by_hand", "ignored"):
                    self.assertAlmostEqual(causes.pop(cause, 0.0), wanted[cause], 3, (machine.name, number, cause))
                self.assertFalse(causes)
        return statements

    def test_each_statement_balances_or_names_the_difference(self):
        told = 0
        for number in range(MACHINES):
            life = Life(number, self.starts)
            machine, order = self.plant(number)
            late = self.live(machine, order, life)
            statements = self.check(machine, life.truth(late_is_told=False), with_corrections=False)
            self.assertEqual(set(statements.mapped("state")), {"signed"})
            signed = {statement: statement._content() for statement in statements}
            told += len(statements)

            # What was late comes in, and the supervisor decides on what waited and was held.
            self.receive(machine, *reversed(late))
            self.post(machine)
            rows = self.env["mrp.machine.event.posting"].search([("machine_id", "=", machine.id)])
            rows.filtered(lambda row: row.state == "waiting")._ignore("Trial")
            rows.filtered(lambda row: row.state == "held").action_release()
            self.post(machine)
            self.env["mrp.machine.statement"]._with_news(fields.Datetime.now()).filtered(
                lambda statement, machine=machine: statement.machine_id == machine
            )._fill()
            statements.filtered(lambda statement: not statement.is_settled)._fill()

            truth = life.truth(late_is_told=True, decided=True)
            statements = self.check(machine, truth, with_corrections=True)
            self.assertEqual({statement: statement._content() for statement in signed}, signed)
            self.sign(statements)
            self.assertEqual(set(statements.mapped("unsigned_count")), {0})
            # One pass looks at so many: as if the next machine's news came long after this one's were looked at.
            statements.checked = fields.Datetime.now() + timedelta(hours=1)
            made = sum(here["good"] + here["reject"] for here in truth.values())
            self.assertAlmostEqual(order.qty_producing, made, 3)
        self.assertGreater(told, MACHINES * SHIFTS * 0.9)
