"""Which numbers of a stream are missing? Ranges of sequence numbers, while events come late, twice and in any order.

A stream begins with the first number that is heard of it; one that comes later and is lower moves that beginning. What is
missing between beginning and end is a range ``(first, last)``, both of them missing.
"""

from bisect import bisect_left, bisect_right


def extend(lowest, highest, numbers):
    """Return ``(lowest, highest, opened)`` once these numbers have arrived.

    :param lowest: the lowest number that has arrived before, None before the first of all
    :param highest: the highest number that has arrived before, or None
    :param numbers: those that arrive, in any order; some may have arrived before
    :return: ``opened`` are the ranges that are missing now and were not known before, ascending
    """
    arrived = sorted(set(numbers))
    if not arrived:
        return lowest, highest, []
    if highest is None:
        lowest = highest = arrived[0]
    below = arrived[: bisect_left(arrived, lowest)]
    above = arrived[bisect_right(arrived, highest) :]
    steps = [*below, lowest], [highest, *above]
    opened = [
        (before + 1, after - 1)
        for numbers_of in steps
        for before, after in zip(numbers_of, numbers_of[1:], strict=False)
        if after - before > 1
    ]
    return steps[0][0], steps[1][-1], opened


def fill(missing, numbers):
    """Return what is missing of some ranges once these numbers have arrived.

    :param missing: ranges, ascending and apart from each other
    :param numbers: those that arrive, in any order
    :return: ranges as they were given
    """
    arrived = sorted(set(numbers))
    left = []
    for first, last in missing:
        for number in arrived[bisect_left(arrived, first) : bisect_right(arrived, last)]:
            if number > first:
                left.append((first, number - 1))
            first = number + 1
        if first <= last:
            left.append((first, last))
    return left


def watermark(highest, missing):
    """Return up to which number all has arrived since the stream began: from the one after it on a sender resumes.

    :param int highest: the highest number that has arrived
    :param missing: all ranges that are missing
    """
    return min((first for first, _last in missing), default=highest + 1) - 1
