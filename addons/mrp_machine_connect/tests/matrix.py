"""Which cases must booking come through, and what is true in each?

A case has one value of every dimension. Two thousand would be all of them; the suite takes so many that each two values
of different dimensions meet, and each three of those that act on each other most: how much was made, when stock is
booked, and how the events arrived. All others run with ``--full``.

What is true of a case is said here, by arithmetic alone: from what the machines made, never from what was booked.
"""

import os
import random
from collections import Counter
from itertools import combinations, product
from typing import NamedTuple

#: What may differ from case to case.
DIMENSIONS = {
    "workorders": (0, 1, 3),
    "steps": (1, 2, 3),
    "made": ("under", "equal", "over", "early"),
    "consumption": ("strict", "warning", "flexible"),
    "beat": ("close", "pieces"),
    "delivery": ("in_order", "twice", "late", "out_of_order", "crash", "after_close"),
}
#: The dimensions of which each three values meet, beside each two of any others.
TOGETHER = ("made", "beat", "delivery")
#: The same of what the books hold.
TOGETHER_IN_BOOKS = ("tracking", "reject_booking", "consumption_way")
#: What the books hold beside quantities: how the product is tracked, who says which lots or serial numbers there are, what
#: becomes of rejects, and who says what was used of the components.
BOOKS = {
    **DIMENSIONS,
    "tracking": ("none", "lot", "serial"),
    "lots": ("machine", "scan", "sequence"),
    "reject_booking": ("gross", "net", "component"),
    "consumption_way": ("bom", "signal", "lot"),
}
#: Those of them of which each combination is one; of the others there is any value.
BOOKED = ("tracking", "lots", "reject_booking", "consumption_way", "delivery")
#: The same with how stock is valued; only where that is known is it one.
COSTINGS = {"costing": ("standard", "average", "fifo")}
COSTED = {**DIMENSIONS, **COSTINGS}
COSTED_BOOKS = {**BOOKS, **COSTINGS}
COSTED_BOOKED = ("tracking", "reject_booking", "consumption_way", "costing", "beat")

#: What any value is chosen by. ``MATRIX_SEED=1 ./dev test --full odoo -k WholeBooks`` tries others.
SEED = int(os.environ.get("MATRIX_SEED", "0"))
#: Seeds that were tried as a whole.
SEEDS = (0, 1)

#: Pieces that an order is about, and that the machines made: good ones and, on top, rejects.
ORDERED = 12
GOOD = {"under": 8, "equal": 12, "over": 15, "early": 7}
REJECTS = 2
#: Pieces of each component in one finished piece.
SHEETS, RIVETS = 1, 4
#: Components at hand: in the warehouse, and beside the machines where they are brought there first.
AT_HAND, BESIDE = 400, 100
#: Rivets that a machine uses on top of what its pieces have, where it says what it used: less than the tolerance.
LOST = 1
#: A beat of stock, in pieces.
BEAT = 4
#: Seconds from a piece to the next, of one machine.
CYCLE = 60


class Case(NamedTuple):
    """One way for an order to go."""

    workorders: int
    steps: int
    made: str
    consumption: str
    beat: str
    delivery: str
    costing: str = ""
    tracking: str = "none"
    lots: str = ""
    reject_booking: str = "gross"
    consumption_way: str = "bom"

    @property
    def name(self):
        """Return the end of a test's name that says what is tried.

        >>> Case(3, 2, "over", "strict", "pieces", "late", "fifo").name
        '3_work_orders_2_steps_over_strict_pieces_late_fifo'
        """
        orders = "1_work_order" if self.workorders == 1 else f"{self.workorders}_work_orders"
        steps = "1_step" if self.steps == 1 else f"{self.steps}_steps"
        books = f"{self.tracking}_by_{self.lots}_{self.reject_booking}_{self.consumption_way}" if self.lots else ""
        words = (orders, steps, self.made, self.consumption, self.beat, self.delivery, self.costing, books)
        return "_".join(filter(None, words))

    # What is true

    @property
    def good(self):
        return GOOD[self.made]

    @property
    def gross(self):
        """Return how many pieces went through the machines: what took components."""
        return self.good + REJECTS

    @property
    def quantity(self):
        """Return how many pieces are the quantity of the order: the rejects too only where they are booked gross."""
        return self.gross if self.reject_booking == "gross" else self.good

    @property
    def scrapped(self):
        """Return how many finished pieces are scrapped."""
        return REJECTS if self.reject_booking == "gross" else 0

    @property
    def scrapped_apart(self):
        """Return of how many pieces the components are scrapped, instead of the piece."""
        return REJECTS if self.reject_booking == "component" else 0

    @property
    def sheets(self):
        """Return how many sheets leave stock in all: each piece that went through the machines has taken its own."""
        return SHEETS * self.gross

    @property
    def rivets(self):
        """Return how many rivets leave stock in all.

        One that a machine says it used on top is believed within the tolerance; a bill of materials that blocks differences
        has none.
        """
        return RIVETS * self.gross + self.lost - self.doubted

    @property
    def lost(self):
        """Return how many rivets the machine says that it used on top of what its pieces have."""
        return LOST if self.consumption_way == "signal" else 0

    @property
    def doubted(self):
        """Return how many of those a supervisor is to decide on, and until then are not used."""
        return self.lost if self.consumption == "strict" else 0

    @property
    def sheet_tracking(self):
        """Return how the sheets are tracked: where somebody says which were used, as the product is, or by lot.

        Serial numbers of components that come to be known late wait for a person, and are no case here.
        """
        if self.consumption_way == "signal":
            in_time = self.delivery in ("in_order", "twice", "crash")
            return self.tracking if self.tracking != "serial" or in_time else "none"
        return {"bom": "none", "lot": "lot"}[self.consumption_way]

    @property
    def second_coil(self):
        """Return with which piece, counted from 0, sheets of the second lot are used."""
        return self.gross // 3

    def sheet_lot(self, piece):
        """Return the name of the lot, or the serial number, of the sheet that a piece was made of."""
        match self.sheet_tracking:
            case "lot":
                return "CA" if piece < self.second_coil else "CB"
            case "serial":
                return f"K{piece}"
        return ""

    @property
    def second_lot(self):
        """Return with which piece, counted from 0, the second lot begins: in the midst of what was made."""
        return self.gross // 2

    @property
    def rejected(self):
        """Return which pieces are bad ones, counted from 0: one of each lot."""
        return {2, self.gross - 2}

    @property
    def minutes(self):
        """Return for how long each machine ran: one cycle for each piece that went through it."""
        return self.gross * CYCLE // 60


def every_case(dimensions=None):
    """Return all cases there are."""
    dimensions = dimensions or DIMENSIONS
    return [Case(**dict(zip(dimensions, values, strict=True))) for values in product(*dimensions.values())]


def booked_cases(dimensions=None, booked=BOOKED, seed=SEED):
    """Return cases in which all meet of what the books hold, and of everything else any value."""
    dimensions = dimensions or BOOKS
    others = {name: values for name, values in dimensions.items() if name not in booked}
    chance = random.Random(seed)  # the same cases each time
    return [
        Case(
            **dict(zip(booked, values, strict=True)),
            **{name: chance.choice(choices) for name, choices in others.items()},
        )
        for values in product(*(dimensions[name] for name in booked))
    ]


def cases_named(names, dimensions=None, booked=BOOKED):
    """Return the cases of these names, of any seed that was ever tried.

    :raise KeyError: there is none of that name
    """
    known = {case.name: case for seed in SEEDS for case in booked_cases(dimensions, booked, seed)}
    return [known[name] for name in names]


def combinations_of(dimensions, together=TOGETHER):
    """Return what must meet in at least one case: a set of frozensets of ``(dimension, value)``."""
    groups = [*combinations(dimensions, 2), *([together] if together else [])]
    return {
        frozenset(zip(group, values, strict=True))
        for group in groups
        for values in product(*(dimensions[name] for name in group))
    }


def chosen_cases(dimensions=None, together=TOGETHER):
    """Return few cases in which all meet that must: each is filled with what meets most that has not met yet."""
    dimensions = dimensions or DIMENSIONS
    missing, cases, used = combinations_of(dimensions, together), [], Counter()
    while missing:
        first = max(missing, key=lambda met: (len(met), sorted(map(repr, met))))
        values = dict(first)
        for name in dimensions:
            if name not in values:
                values[name] = max(
                    dimensions[name],
                    key=lambda value, name=name: (
                        _newly_met(missing, {**values, name: value}),
                        -used[name, value],  # where none meets more, the one that was tried least
                    ),
                )
        missing = {met for met in missing if not met <= values.items()}
        used.update(values.items())
        cases.append(Case(**values))
    return sorted(cases, key=lambda case: case.name)


def _newly_met(missing, values):
    return sum(met <= values.items() for met in missing)
