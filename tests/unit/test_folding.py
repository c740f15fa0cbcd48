"""Whatever small counts are folded in whatever groups, the total is that of one count."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.folding import folded, rounded

#: A machine's unit in the order's: pieces in dozens, grams in kilograms, thirds, seconds in hours.
FACTORS = st.sampled_from([Fraction(1), Fraction(1, 12), Fraction(1, 1000), Fraction(1, 3), Fraction(1, 3600)])
COUNTS = st.lists(st.integers(min_value=-50, max_value=5000), min_size=1, max_size=300)


@given(counts=COUNTS, factor=FACTORS, digits=st.integers(min_value=0, max_value=4))
def test_the_total_does_not_depend_on_how_counts_are_grouped(counts, factor, digits):
    one_by_one, counted = 0.0, 0
    for count in counts:
        before, counted = counted, counted + count
        one_by_one = folded(one_by_one, float(before * factor), float(counted * factor), digits)
    assert one_by_one == folded(0.0, 0.0, float(sum(counts) * factor), digits)


@settings(max_examples=5, deadline=None)
@given(eighths=st.integers(min_value=1, max_value=999), factor=FACTORS)
def test_ten_thousand_fractions_are_exact(eighths, factor):
    total, counted = 0.0, Fraction(0)
    for _number in range(10_000):
        before, counted = counted, counted + Fraction(eighths, 8)
        total = folded(total, float(before * factor), float(counted * factor), 2)
    truth = Decimal((counted * factor).numerator) / Decimal((counted * factor).denominator)
    assert abs(Decimal(repr(total)) - truth) <= Decimal("0.005")


@given(found=st.integers(min_value=0, max_value=10**6), counts=COUNTS)
def test_what_a_person_changed_stays_beside_it(found, counts):
    cents, total, counted = found / 100, found / 100, 0
    for count in counts:
        before, counted = counted, counted + count
        total = folded(total, before / 12, counted / 12, 2)
    assert total == rounded(cents + rounded(counted / 12, 2), 2)


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=4), st.integers(min_value=0, max_value=3))
def test_it_rounds_as_people_do(number, digits):
    step = Decimal(1).scaleb(-digits)
    assert rounded(float(number), digits) == float(number.quantize(step, rounding=ROUND_HALF_UP))
