"""What a difference of a statement is about, in a sentence."""

from ..quantities import number_text, pieces_text


def cause_words(env, found, counter, why=""):
    """Return a difference in a sentence.

    :param found: the Difference of a Reconciliation
    :param str counter: name of its counter
    :param str why: why it was ignored, in the words of the rule
    """
    _ = env._
    words = {
        "counter": counter or _("The counter"),
        "pieces": pieces_text(env, abs(found.amount)),
        "before": number_text(found.before),
        "after": number_text(found.after),
        "count": found.count,
    }
    one = found.before is not None and found.after is not None
    match found.cause:
        case "gap" if one:
            return _(
                "%(counter)s stood at %(before)s, and the next event tells of %(after)s: no event tells what happened "
                "between.",
                **words,
            )
        case "gap":
            return _("%(counter)s moved %(count)s times without an event that tells of it.", **words)
        case "reset" if one:
            return _("%(counter)s was set back from %(before)s to %(after)s.", **words)
        case "reset":
            return _("%(counter)s was set back %(count)s times.", **words)
        case "rollover":
            return _("%(counter)s reached its last value and began anew at 0.", **words)
        case "drop" if one:
            return _(
                "%(counter)s fell from %(before)s to %(after)s, and neither a reset nor a rollover explains it.",
                **words,
            )
        case "drop":
            return _("%(counter)s fell %(count)s times, and nothing explains it.", **words)
        case "returned" if one:
            return _("%(counter)s showed %(before)s for a time, and then went on from %(after)s.", **words)
        case "returned":
            return _("%(counter)s showed other values for a time and came back, %(count)s times.", **words)
        case "contradiction":
            return _("Events of %(counter)s tell of other pieces than its values moved by.", **words)
        case "by_hand":
            if found.amount < 0:
                return _("%(pieces)s that a person added; no counter moved.", **words)
            return _("%(pieces)s that a person took away; no counter moved back.", **words)
        case "order_by_hand":
            if found.amount < 0:
                return _("A person raised the order itself by %(pieces)s.", **words)
            return _("A person lowered the order itself by %(pieces)s.", **words)
        case "noted":
            return _("%(pieces)s were rejected and only noted: they are in the order's quantity as well.", **words)
        case "derived":
            return _(
                "The good counter moved by %(pieces)s more than the total counter, of which it is a part.", **words
            )
        case "told_scrap":
            return _("%(pieces)s were told as scrap, and no counter has them.", **words)
        case _:
            return _("%(pieces)s were counted and not booked: %(why)s", why=why or found.reason or "–", **words)
