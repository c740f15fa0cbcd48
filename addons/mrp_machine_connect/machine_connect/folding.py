"""How do many small counts become one quantity in another unit, without the rounding of each adding up?"""

from decimal import ROUND_HALF_UP, Decimal


def rounded(quantity, digits):
    """Return a quantity rounded half up, away from zero, as people round.

    :param float quantity: any
    :param int digits: behind the point, 0 or more

    >>> rounded(0.125, 2), rounded(-0.125, 2), rounded(2.675, 2)
    (0.13, -0.13, 2.68)
    """
    step = Decimal(1).scaleb(-digits)
    # By what the number is written as: 2.675 is a little less in binary, and nobody means that.
    return float(Decimal(repr(float(quantity))).quantize(step, rounding=ROUND_HALF_UP))


def folded(found, before, after, digits):
    """Return the quantity to write to an order: what is found there and what was counted since.

    The cumulative totals are rounded and not their difference: twelve pieces one by one would make 0.96 dozen.

    :param float found: the quantity that the order shows
    :param float before: counted until then, in the order's unit, not rounded
    :param float after: counted by now, in the order's unit, not rounded
    :param int digits: that the order keeps behind the point

    >>> total = 0.0
    >>> for piece in range(12):
    ...     total = folded(total, piece / 12, (piece + 1) / 12, 2)
    >>> total
    1.0
    """
    return rounded(found + rounded(after, digits) - rounded(before, digits), digits)
