"""What happens while a shadow is cast, beside the database: it is what remains when all else is undone."""


class Shadow:
    """Collects what effects of a machine's events would be; part of a context, so two of them are never the same.

    :param machine: mrp.machine
    :param events: those that are given their effects, in the order in which they occurred; may be none
    """

    __eq__, __hash__ = object.__eq__, object.__hash__

    def __init__(self, machine, events):
        self.machine_id = machine.id
        self.event_ids = events.ids
        self.last_event_id = events[-1:].id
        #: ``{(handler, event id): (state, reason, message, detail)}``: what became of events, the last word counts.
        self.endings = {}
        #: ``[(handler, event id, error)]`` of effects that failed for a technical reason.
        self.failures = []
        #: ``{production id: values}``: what the orders had come to before, see mrp.machine.shadow.memory.
        self.memories = {}
        #: Ids of productions that effects were on.
        self.production_ids = set()
        #: ``(production id, work order id)`` whose quantity of the shadow is written by now; ``order`` and ``time`` in place
        #: of a work order say that of the order itself and of its time.
        self.written = set()
        #: ``(move id, quantity it had before)`` of moves that were done or changed since the last :meth:`taken`.
        self.moved = {}
        #: ``{interval id: [values of its time lines]}``.
        self.times = {}
        #: Values of mrp.machine.shadow, without machine.
        self.lines = []
        #: What earlier lines have of the same, by order and kind of line: ``{key: [quantity, value]}``.
        self.earlier = {}
        #: Ids of effects that were put back to work: what they waited for is there in the shadow.
        self.again = set()
        #: Whether a group of events is given its effect just now.
        self.is_posting = False

    def memory(self, production):
        """Return what an order had come to in the shadow, or None."""
        return self.memories.get(production.id)
