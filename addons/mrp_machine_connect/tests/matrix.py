"""Which cases must booking come through, and what is true in each?

A case has one value of every dimension. Two thousand would be all of them; the suite takes so many that each two values
of different dimensions meet, and each three of those that act on each other most: how much was made, when stock is
booked, and how the events arrived. All others run with ``--full``.

What is true of a case is said here, by arithmetic alone: from what the machines made, never from what was booked.
"""

import random
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
#: What the books hold beside quantities: how the product is tracked, and who says which lots or serial numbers there are.
BOOKS = {
    **DIMENSIONS,
    "tracking": ("none", "lot", "serial"),
    "lots": ("machine", "scan", "sequence"),
}
#: Those of them of which each combination is one; of the others there is any value.
BOOKED = ("tracking", "lots", "beat", "delivery")
#: The same with how stock is valued; only where that is known is it one.
COSTED = {**DIMENSIONS, "costing": ("standard", "average", "fifo")}

#: Pieces that an order is about, and that the machines made: good ones and, on top, rejects.
ORDERED = 12
GOOD = {"under": 8, "equal": 12, "over": 15, "early": 7}
REJECTS = 2
#: Pieces of each component in one finished piece.
SHEETS, RIVETS = 1, 4
#: Components at hand: in the warehouse, and beside the machines where they are brought there first.
AT_HAND, BESIDE = 400, 100
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

    @property
    def name(self):
        """Return the end of a test's name that says what is tried.

        >>> Case(3, 2, "over", "strict", "pieces", "late", "fifo").name
        '3_work_orders_2_steps_over_strict_pieces_late_fifo'
        """
        orders = "1_work_order" if self.workorders == 1 else f"{self.workorders}_work_orders"
        steps = "1_step" if self.steps == 1 else f"{self.steps}_steps"
        books = f"{self.tracking}_by_{self.lots}" if self.lots else ""
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


def booked_cases():
    """Return cases in which all meet of what the books hold, and of everything else any value."""
    others = {name: values for name, values in BOOKS.items() if name not in BOOKED}
    chance = random.Random(0)  # the same cases each time
    return [
        Case(
            **dict(zip(BOOKED, values, strict=True)),
            **{name: chance.choice(choices) for name, choices in others.items()},
        )
        for values in product(*(BOOKS[name] for name in BOOKED))
    ]


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
    missing, cases = combinations_of(dimensions, together), []
    while missing:
        first = max(missing, key=lambda met: (len(met), sorted(map(repr, met))))
        values = dict(first)
        for name in dimensions:
            if name not in values:
                values[name] = max(
                    dimensions[name], key=lambda value, name=name: _newly_met(missing, {**values, name: value})
                )
        missing = {met for met in missing if not met <= values.items()}
        cases.append(Case(**values))
    return sorted(cases, key=lambda case: case.name)


def _newly_met(missing, values):
    return sum(met <= values.items() for met in missing)
