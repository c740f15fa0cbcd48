"""Does what a machine's counters moved by equal what became of it?

The pieces of a time are laid out by order: what the counters moved by is what was posted as good or as reject, what was
scrapped, what waits, what is held, and differences, each of which has a name. Nothing is left over: a step of a counter
that no event tells of is a difference as well.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

#: What a piece of a counter's movement may be found as, beside differences.
FIGURES = ("good", "reject", "scrap", "waiting", "held")
#: Differences of one cause, counter and order that are told one by one; further ones are told as one.
TOLD_APART = 50
#: What sums of many small floats may be off by, in pieces.
EPSILON = 1e-6
#: Differences that are about no counter.
WITHOUT_COUNTER = ("ignored", "by_hand", "told_scrap", "noted")
#: By which name a step of a counter that is no pieces goes, by what the event says caused it.
_TURNS = {
    "reset": "reset",
    "rollover": "rollover",
    "returned": "returned",
    "interrupted": "returned",
    "implausible_drop": "drop",
}


class Told(NamedTuple):
    """One event that speaks of pieces or of a counter, and what became of it.

    :param int at: microseconds since 1970
    :param counter: hashable: which counter, if it runs on from value to value; None where it does not, or names no values
    :param str place: ``in``: its pieces are what the machine made; ``within``: they are part of what another counter
        counts already; ``beside``: they are only compared
    :param str figure: ``good``, ``reject`` or ``scrap``: what its pieces are once they are posted
    :param float pieces: that it tells; 0 where a counter was only set back
    :param before: and after: values of the counter, None where they are not known
    :param str cause: why the counter moved
    :param order: hashable: whose pieces they are; None where nobody knows
    :param str state: of the effect: posted, waiting, held, failed, received, ignored
    :param str reason: why it was not posted
    :param bool by_hand: a person said it, or somebody beside the counters: none of them moved
    :param str other: ``good`` or ``reject``: what pieces within are taken from; not given: the other of the two
    :param bool noted: where they are rejects within: they stay in the order's quantity as well
    :param float factor: how many of the line's unit one of the event's is; pieces and values are as the event says them
    """

    event_id: int
    at: int
    counter: object
    place: str
    figure: str
    pieces: float
    before: float | None = None
    after: float | None = None
    cause: str = ""
    order: object = None
    state: str = "posted"
    reason: str = ""
    by_hand: bool = False
    noted: bool = False
    factor: float = 1.0
    other: str = ""


@dataclass
class Difference:
    """What the counters moved by less what was found of it, for one named cause.

    :param float amount: pieces; negative where more was booked than the counter moved by
    :param int count: of events that it is made of
    :param int event_id: the first of them, 0 where there is none
    :param before: and after: values of the counter, where it is about one step
    """

    cause: str
    order: object
    counter: object = None
    reason: str = ""
    amount: float = 0.0
    count: int = 0
    event_id: int = 0
    at: int = 0
    before: float | None = None
    after: float | None = None


@dataclass
class Line:
    """The pieces of one order."""

    movement: float = 0.0
    good: float = 0.0
    reject: float = 0.0
    scrap: float = 0.0
    waiting: float = 0.0
    held: float = 0.0
    events: set = field(default_factory=set)
    #: events whose pieces are still to be booked or decided on
    open: int = 0


@dataclass
class Counter:
    """One counter: where it stood at the beginning and at the end; None where nobody knows."""

    opening: float | None = None
    closing: float | None = None
    place: str = ""
    pieces: float = 0.0
    #: whether the last event told a value that began at zero: two of them in a row tell of a counter without memory
    from_zero: bool = False


class Reconciliation:
    """Takes what was told in the order in which it happened, and says what the counters moved by and what became of it.

    >>> day = Reconciliation({})
    >>> day.take(Told(1, 10, "c", "in", "good", 5, 100, 105, order="MO/1"))
    >>> day.take(Told(2, 20, "c", "in", "good", 2, 108, 110, order="MO/1", state="waiting"))
    >>> day.close()
    >>> line = day.lines["MO/1"]
    >>> line.movement, line.good, line.waiting, [(gap.cause, gap.amount) for gap in day.differences]
    (10.0, 5.0, 2.0, [('gap', 3.0)])
    """

    def __init__(self, opening):
        """:param dict opening: ``{counter: (value, place)}`` at the beginning"""
        self.lines = {}
        self.counters = {name: Counter(value, value, place) for name, (value, place) in opening.items()}
        self._differences = {}
        self._pending = {}
        self._told_apart = {}

    @property
    def differences(self):
        """All that has an amount, in the order in which it was found."""
        return [found for found in self._differences.values() if abs(found.amount) > EPSILON]

    def explained(self, order):
        """Return how many pieces of an order the named differences make up for."""
        return sum(found.amount for found in self._differences.values() if found.order == order)

    def take(self, told):
        """Add what one event told."""
        if not told.pieces and told.before is not None and not told.by_hand:
            # Set back. Where pieces were made since, a count of the same step follows and says all of it.
            self._settle(told.counter, told)
            self._pending[told.counter] = told
            return
        if told.counter is not None:
            self._settle(told.counter, told)
        self._count(told)

    def close(self):
        """All was told."""
        for counter in list(self._pending):
            self._settle(counter, None)
        for order, line in self.lines.items():
            if line.reject < -EPSILON:
                # More was told as scrap than counted as rejects. Or rejects are what the total counter has more, and it has
                # less: one of the two was read too late.
                self._differ("told_scrap" if line.scrap else "derived", order, line.reject)
                line.reject = 0.0

    def hand(self, order, pieces, at, event_id=0):
        """Add what a person changed on an order itself, which no counter tells."""
        self._line(order).good += pieces
        self._differ("order_by_hand", order, -pieces, at=at, event_id=event_id, apart=True)

    def _settle(self, counter, following):
        """Count what was only set back, unless the event that follows says the same step with its pieces."""
        pending = self._pending.pop(counter, None)
        if pending is None:
            return
        if following is not None:
            same = (following.at, following.before, following.after) == (pending.at, pending.before, pending.after)
            if same and following.pieces:
                return
            if not pending.place:
                pending = pending._replace(place=following.place)
        self._count(pending)

    def _count(self, told):
        line = self._line(told.order) if told.place in ("in", "within") else None
        if line is not None:
            line.events.add(told.event_id)
            line.open += bool(told.pieces) and told.state not in ("posted", "ignored")
        moved = self._moved(told, line) * told.factor
        if told.place == "beside":
            return
        pieces = told.pieces * told.factor
        if told.place == "in":
            line.movement += moved
            turned = moved - pieces if not told.by_hand else 0.0
            if abs(turned) > EPSILON:
                cause = _TURNS.get(told.cause, "contradiction")
                self._differ(cause, told.order, turned, told, apart=True)
        if told.pieces:
            self._book(told, line, pieces)

    def _moved(self, told, line):
        """Return by how much an event says that its counter moved, and note where it stands by now."""
        if told.by_hand:
            return 0.0
        if told.counter is None or told.before is None or told.after is None:
            return float(told.pieces)
        counter = self.counters.setdefault(told.counter, Counter())
        counter.place = told.place or counter.place
        before, after = told.before, told.after
        from_zero = before == 0 and after == told.pieces and told.pieces > 0
        if from_zero and counter.from_zero:
            # A sender that tells of each value by itself.
            counter.closing = after
            return float(told.pieces)
        if counter.opening is None:
            counter.opening = counter.closing = before
        step = before - counter.closing
        if abs(step) > EPSILON and told.place == "in":
            cause = "returned" if told.cause in ("returned", "interrupted") else "gap"
            line.movement += step * told.factor
            told = told._replace(before=counter.closing, after=told.before)
            self._differ(cause, told.order, step * told.factor, told, apart=True)
        counter.closing, counter.from_zero = after, from_zero
        counter.pieces += told.pieces
        return float(after - before)

    def _book(self, told, line, pieces):
        """Add the pieces of an event to what became of them."""
        if told.place == "within":
            if told.state == "posted" and told.noted:
                line.reject += pieces
                self._differ("noted", told.order, -pieces, told)
            elif told.state == "posted":
                # Part of what another counter counts: it was taken for the other of the two until now.
                other = told.other or ("good" if told.figure == "reject" else "reject")
                setattr(line, told.figure, getattr(line, told.figure) + pieces)
                setattr(line, other, getattr(line, other) - pieces)
            return
        figure = {"posted": told.figure, "held": "held", "ignored": None}.get(told.state, "waiting")
        if told.by_hand:
            if told.state == "posted":
                setattr(line, told.figure, getattr(line, told.figure) + pieces)
                cause = "told_scrap" if told.figure == "scrap" else "by_hand"
                self._differ(cause, told.order, -pieces, told, apart=True)
            return
        if figure is None:
            self._differ("ignored", told.order, pieces, told, reason=told.reason)
        else:
            setattr(line, figure, getattr(line, figure) + pieces)

    def _line(self, order):
        return self.lines.setdefault(order, Line())

    def _differ(self, cause, order, amount, told=None, reason="", at=0, event_id=0, apart=False):
        """Add to a named difference.

        :param bool apart: each is told by itself, as long as there are not too many
        """
        counter = told.counter if told is not None and cause not in WITHOUT_COUNTER else None
        key = (cause, order, counter, reason)
        event_id = told.event_id if told is not None else event_id
        if apart:
            number = self._told_apart[key] = self._told_apart.get(key, 0) + 1
            key = (*key, min(number, TOLD_APART))
        found = self._differences.get(key)
        if found is None:
            found = self._differences[key] = Difference(
                cause, order, counter, reason, event_id=event_id, at=told.at if told is not None else at
            )
            if apart and told is not None:
                found.before, found.after = told.before, told.after
        else:
            found.before = found.after = None
        found.amount += amount
        found.count += 1


def balance(line, explained):
    """Return what is left over of a line: 0 where all is found."""
    return line.movement - sum(getattr(line, figure) for figure in FIGURES) - explained
