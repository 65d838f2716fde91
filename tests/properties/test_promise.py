"""The promise: over many draws of the examples it is broken no more often than it says, and the naive threshold breaks it."""

import random
from fractions import Fraction
from math import comb, exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.promises import Population, naive
from workers.promising.binomial import at_most, least_sample, upper_bound
from workers.promising.threshold import Example, Kept, NotKept, keep, least_escalated

ERROR, CONFIDENCE = 0.05, 0.9
RISK = 1 - CONFIDENCE
DRAWS = 300
# What chance alone adds to a share of DRAWS in all but one of a thousand runs of these tests (which are seeded).
NOISE = 3.1 * sqrt(RISK * CONFIDENCE / DRAWS)


def overconfident(seed: int, *, wrong: float, gap: float, size: int = 60_000) -> Population:
    """Return answers by an overconfident model: the scores of wrong answers are high too, only less so."""
    rng = random.Random(seed)
    found = []
    for _ in range(size):
        right = rng.random() >= wrong
        odds = 2.0 * rng.gauss(gap if right else 0.0, 1.0) + 2.0
        found.append(Example(round(1 / (1 + exp(-odds)), 6), right))
    return Population(found)


@pytest.mark.parametrize("count", [300, 1_000])
@pytest.mark.parametrize("unlabelled", [0, 2_000])
@pytest.mark.parametrize(("wrong", "gap"), [(0.175, 1.6), (0.06, 0.8), (0.4, 2.5)])
def test_the_promise_is_broken_in_no_more_draws_than_it_says(count, unlabelled, wrong, gap):
    """With and without unlabelled traffic, few examples and many, a good model and a bad one."""
    population, rng = overconfident(count, wrong=wrong, gap=gap), random.Random(unlabelled)
    broken = careless = 0
    for _ in range(DRAWS):
        examples = population.draw(rng, count)
        traffic = [one.score for one in population.draw(rng, unlabelled)]
        kept = keep(examples, traffic, ERROR, RISK)
        broken += isinstance(kept, Kept) and population.truth(kept.least)[0] > ERROR
        careless += population.truth(naive(examples, ERROR))[0] > ERROR
    assert broken / DRAWS <= RISK + NOISE
    assert careless / DRAWS > 0.3, "the control: without the test the promise is broken far more often"


def test_scores_that_tell_nothing_keep_no_promise():
    """Where right and wrong have the same scores, no threshold helps, and nearly every draw says so."""
    population, rng = overconfident(1, wrong=0.08, gap=0.0), random.Random(1)
    kept = sum(isinstance(keep(population.draw(rng, 1_000), [], ERROR, RISK), Kept) for _ in range(DRAWS))
    assert kept / DRAWS <= RISK + NOISE


def test_most_of_what_could_be_accepted_is():
    """A threshold that accepts nothing keeps every promise: ours reaches most of what an oracle could accept."""
    population, rng = overconfident(5, wrong=0.175, gap=1.6), random.Random(5)
    found = [keep(population.draw(rng, 3_000), [], ERROR, RISK) for _ in range(30)]
    reached = [population.truth(one.least)[1] for one in found if isinstance(one, Kept)]
    assert len(reached) == 30
    assert sum(reached) / 30 > 0.8 * population.oracle(ERROR)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=400), st.data())
def test_one_more_mistake_never_loosens_the_threshold(rows, data):
    """Whatever is right may turn out wrong: the threshold rises or stays, or none is left."""
    examples = [Example(score / 40, right) for score, right in rows]
    place = data.draw(st.integers(0, len(examples) - 1))
    worse = [one._replace(right=False) if i == place else one for i, one in enumerate(examples)]
    before, after = keep(examples, [], 0.1, 0.2), keep(worse, [], 0.1, 0.2)
    if isinstance(after, Kept):
        assert isinstance(before, Kept)
        assert after.least >= before.least


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=400))
def test_what_is_said_of_a_threshold_is_so(rows):
    """Its counts are those of the examples that reach it, and its bound is below the promise."""
    examples = [Example(score / 40, right) for score, right in rows]
    kept = keep(examples, [], 0.1, 0.2)
    if isinstance(kept, Kept):
        reached = [one for one in examples if one.score >= kept.least]
        assert (kept.accepted, kept.wrong) == (len(reached), sum(not one.right for one in reached))
        assert kept.bound <= 0.1 + 1e-9
    else:
        assert kept.missing is None or kept.missing > 0


@pytest.mark.parametrize(("wrong", "accepted", "error"), [(29, 100, 0.35), (13, 90, 0.2)])
def test_what_proves_too_little_is_not_called_enough(wrong, accepted, error):
    """So many errors among the strictest tenth fail, so more examples are needed than there are."""
    strict = [Example(0.9, right=number >= wrong) for number in range(accepted)]
    lax = [Example(0.1, right=True)] * (9 * accepted)
    found = keep(strict + lax, [], error, RISK)
    assert isinstance(found, NotKept)
    assert found.missing is None or found.missing > 0
    assert (found.wrong, found.accepted) == (wrong, accepted)


def test_the_labels_that_are_missing_are_named():
    """Too few examples: how many more. As wrong as the promise or more at the strictest: more would not help."""
    flawless = [Example(1 - place / 100, right=True) for place in range(40)]
    assert keep(flawless, [], ERROR, RISK) == NotKept(40, 0, 5)
    hopeless = [Example(1 - place / 1_000, right=place % 10 > 0) for place in range(1_000)]
    assert keep(hopeless, [], ERROR, RISK) == NotKept(184, 19, None)
    nearly = [Example(1 - place / 1_000, right=place % 25 > 0) for place in range(1_000)]
    found = keep(nearly, [], ERROR, RISK)
    assert isinstance(found, NotKept)
    assert found.missing
    assert isinstance(keep(nearly * (found.missing // 1_000 + 2), [], ERROR, RISK), Kept)


def test_no_rule_can_escalate_less():
    """A fifth of the answers is wrong and a twentieth may be: at least 15.8 % must go (arXiv:2606.29054)."""
    assert least_escalated(0.2, 0.05) == pytest.approx(0.15 / 0.95)
    assert least_escalated(0.04, 0.05) == 0.0


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 99))
def test_the_tail_is_the_exact_sum(wrong, of, percent):
    """Beside rational arithmetic, to eleven digits."""
    p = Fraction(percent, 100)
    exact = sum(comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(min(wrong, of) + 1))
    assert at_most(wrong, of, percent / 100) == pytest.approx(float(exact), rel=1e-11, abs=1e-13)


def test_tails_of_large_samples_stay_finite():
    """Far out and in the middle of a hundred thousand examples."""
    assert at_most(10, 100_000, 0.5) == 0.0
    assert at_most(99_990, 100_000, 0.5) == 1.0
    assert at_most(50_000, 100_000, 0.5) == pytest.approx(0.5, abs=0.002)
    assert at_most(0, 100, 0.01) == pytest.approx(exp(100 * log(0.99)))


def test_the_sizes_of_the_strictest_start_are_the_known_ones():
    """With five errors and with none, at 0.05/0.9, 0.05/0.95, 0.02/0.9, 0.01/0.9 and 0.1/0.9."""
    rules = [(0.05, 0.1), (0.05, 0.05), (0.02, 0.1), (0.01, 0.1), (0.1, 0.1)]
    assert [least_sample(error, risk, 5) for error, risk in rules] == [184, 208, 462, 926, 91]
    assert [least_sample(error, risk, 0) for error, risk in rules] == [45, 59, 114, 230, 22]


@given(st.integers(0, 50), st.integers(1, 500), st.sampled_from([0.05, 0.1, 0.2]))
def test_the_bound_is_where_the_tail_meets_the_risk(wrong, of, risk):
    """Clopper-Pearson: at the bound so few errors have just the probability of the risk."""
    bound = upper_bound(wrong, of, risk)
    assert wrong >= of or at_most(wrong, of, bound) == pytest.approx(risk, rel=1e-6)
    assert bound > wrong / of or wrong >= of
