"""How the effect of an event may end other than by being posted. Handlers raise these; the poster writes them down.

A handler that raises one has done nothing: what it wrote is undone. One that returns it from ``_post`` has done what can
be done by now, and that stays: the state of a machine whose word nobody knows is *unknown* from that moment on, although
its event still waits.
"""


class Outcome(Exception):
    """An effect that did not come about, and why.

    :param str reason: a stable code; ``mrp.machine.event.posting`` knows what a person can do about it
    :param str message: why, in words for a supervisor, translated
    :param str detail: what exactly is missing, so that the effect is tried again by itself once it is there
    """

    state = None

    def __init__(self, reason, message, detail=""):
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.detail = detail


class Waiting(Outcome):
    """A person or master data is missing."""

    state = "waiting"


class Held(Outcome):
    """The data itself is in doubt."""

    state = "held"


class Ignored(Outcome):
    """By a rule with a name, nothing is to be done."""

    state = "ignored"


class LocksNeeded(Exception):
    """The effect touches products that this transaction did not lock; it is tried again with them.

    :param set product_ids: all products that it touches
    """

    def __init__(self, product_ids):
        super().__init__(f"locks needed for products {sorted(product_ids)}")
        self.product_ids = product_ids
