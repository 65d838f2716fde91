"""Evidence that two samples differ: its expectation is one, exactly and at any size, when they do not."""

import random
from itertools import product
from math import comb, exp, isclose, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.promising.two_samples import burst, evidence, rise, stability, times

NAMES = "abcd"
margins = st.lists(st.integers(0, 6), min_size=2, max_size=4)


def named(counts):
    return dict(zip(NAMES, counts, strict=False))


def splits(pooled, n):
    """Yield every way in which n of the pooled may be those of now, with its probability if all are exchangeable."""
    for found in product(*(range(count + 1) for count in pooled)):
        if sum(found) == n:
            ways = prod(comb(count, taken) for count, taken in zip(pooled, found, strict=True))
            yield found, ways / comb(sum(pooled), n)


@settings(max_examples=60)
@given(margins, st.data())
def test_the_evidence_is_one_in_expectation(pooled, data):
    """Over every split of the same messages, weighted by its probability: so it exceeds 1/risk with that risk at most."""
    n = data.draw(st.integers(0, sum(pooled)))
    rows = [(found, [a - b for a, b in zip(pooled, found, strict=True)], p) for found, p in splits(pooled, n)]
    assert isclose(sum(p * exp(evidence(named(now), named(before))) for now, before, p in rows), 1.0, rel_tol=1e-9)


@given(st.integers(0, 30), st.integers(1, 30), st.data())
def test_a_rise_is_one_in_expectation(marked, rest, data):
    """The same of a share."""
    n = data.draw(st.integers(1, marked + rest))
    total = sum(p * exp(rise(now[0], n, marked - now[0], marked + rest - n)) for now, p in splits([marked, rest], n))
    assert isclose(total, 1.0, rel_tol=1e-9)


@given(st.integers(0, 40), st.integers(1, 5), st.integers(1, 50))
def test_a_burst_is_one_in_expectation(both, span, before_span):
    """Given the sum of two Poisson counts of one rate, that of now is binomial."""
    part = span / (span + before_span)
    chances = (comb(both, now) * part**now * (1 - part) ** (both - now) for now in range(both + 1))
    total = sum(p * exp(burst(now, span, both - now, before_span)) for now, p in enumerate(chances))
    assert isclose(total, 1.0, rel_tol=1e-9)


def drawn(shares, n, chance):
    found = chance.choices(range(len(shares)), shares, k=n)
    return {f"label_{place}": found.count(place) for place in range(len(shares))}


@pytest.mark.parametrize(("labels", "n"), [(27, 450), (77, 800)])
def test_a_large_shift_is_proven_in_few_messages(labels, n):
    """Whether every label changes by half, or one of them takes a tenth: evidence of a million in five of six draws."""
    chance, before = random.Random(3), [1.0] * labels
    all_over = [1.5 if place % 2 else 0.5 for place in range(labels)]
    one = [*before[:-1], 0.15 * labels]
    for after in (all_over, one):
        proven = [evidence(drawn(after, n, chance), drawn(before, 10 * n, chance)) > 13.8 for _ in range(6)]
        assert sum(proven) >= 5


def test_large_counts_take_no_time_and_no_leave_of_reason():
    """A hundred thousand messages of a look: finite, nothing for the same mix, a lot for one that is well apart."""
    same = evidence({"a": 50_100, "b": 49_900}, {"a": 1_000_000, "b": 1_000_000})
    other = evidence({"a": 56_000, "b": 44_000}, {"a": 1_000_000, "b": 1_000_000})
    assert same < 1.0
    assert other > 20.0


def test_the_index_of_two_draws_from_one_source_is_small():
    """What chance makes of few messages is taken off: without it, 77 labels in 300 messages look like a drift."""
    chance, shares = random.Random(5), [1.0] * 77
    sizes = [stability(drawn(shares, 300, chance), drawn(shares, 30_000, chance)) for _ in range(10)]
    assert sum(sizes) / len(sizes) < 0.1
    assert stability({"a": 80, "b": 20}, {"a": 500, "b": 500}) > 0.25
    assert times(30, 100, 100, 1000) == pytest.approx(3.0, rel=0.05)


def test_nothing_is_evidence_of_nothing():
    """No messages, one category, no baseline."""
    assert evidence({}, {"a": 3}) == evidence({"a": 3}, {}) == evidence({"a": 2}, {"a": 3}) == 0.0
    assert rise(0, 0, 1, 2) == rise(1, 2, 0, 0) == 0.0
    assert stability({}, {"a": 1}) == 0.0
