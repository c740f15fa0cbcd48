"""Was a machine heard all the time? What it did while nobody could hear it is unknown, whatever it says afterwards.

The facts stand in the memory of the signal, so that they outlive whoever polls: ``seen``, when it was last heard by our
clock; ``stamp``, the time that the machine itself gave its value then; ``skew``, how far the machine's clock is known to
be off; and, once contact is lost, ``no_contact``: what was known before.
"""

from .evaluation import Moment
from .instants import instant

#: The reason of a state that is unknown because nobody could hear the machine.
NO_CONTACT = "no_contact"


def is_lost(memory, read_us, silence_us):
    """Return whether a signal that is not heard, or only now heard again, was out of contact for too long.

    :param int read_us: now
    :param int silence_us: so long may nobody hear it
    """
    return "seen" in memory and read_us - memory["seen"] > silence_us


def lost_at(memory):
    """Return when a signal was last heard, by the machine's clock as far as it is known, in microseconds.

    Not before the value that was heard last began: a clock that is ahead would turn the order of the two round.
    """
    return max(memory["seen"] + memory.get("skew", 0), memory["at"])


def lose(memory, state):
    """Return the memory of a signal whose contact was lost.

    :param str state: what it is said to be meanwhile
    """
    at, seen = lost_at(memory), memory["seen"]
    kept = {"raw": None, "state": state, "reason": NO_CONTACT, "at": at, "read": seen, "seen": seen}
    if "skew" in memory:
        kept["skew"] = memory["skew"]
    return {**kept, NO_CONTACT: {key: item for key, item in memory.items() if key not in ("pending", NO_CONTACT)}}


def returned(memory, moment):
    """Return the Moment from which on a value counts that is heard again.

    The machine's own time where that lies in the silence: then it is known since when it is so. Else when it was read.
    """
    if moment.us > memory["at"]:
        return moment
    us = max(moment.read_us + memory.get("skew", 0), memory["at"] + 1)
    return Moment(instant(us), us, moment.read_us)


def hear(memory, before, moment, silence_us):
    """Return the memory of a signal that was heard.

    :param dict memory: what is remembered of the value
    :param dict before: what was remembered until now
    :param Moment moment: of the value, as it was read
    """
    kept = {**memory, "seen": max(moment.read_us, before.get("seen", moment.read_us))}
    facts = {"stamp": moment.us if moment.is_own else None, "skew": _skew(before, moment, silence_us)}
    for name, fact in facts.items():
        if fact:
            kept[name] = fact
        else:
            kept.pop(name, None)
    return kept


def _skew(before, moment, silence_us):
    """Return by how many microseconds the machine's clock is ahead of ours (below 0: behind), as far as that is sure.

    A time that has yet to come is one that is ahead. One that is long past may well be the time of a value that stands
    still; not so when the value was written since it was last heard.
    """
    known = before.get("skew", 0)
    if not moment.is_own:
        return known
    ahead = moment.us - moment.read_us
    written = before.get("stamp") not in (None, moment.us) and not is_lost(before, moment.read_us, silence_us)
    if written:
        return ahead if ahead > 0 or -ahead > silence_us else 0
    return max(known, ahead) if ahead > 0 else known
