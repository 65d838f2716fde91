"""The promise about unknown messages: over many draws no more of them are labelled than it says, and the error is kept beside it."""

import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.promise import REST, Promise
from tests.properties.test_promise import overconfident
from workers.evaluating.calibrating import Evidence, thresholds
from workers.promising.binomial import at_most
from workers.promising.threshold import ANY, Example, Kept, NotKept, keep
from workers.promising.unknowns import Above, TooFew, limit

DRAWS = 200
UNKNOWN = Promise(error=0.05, unknown=0.05)
RISK = 1 - UNKNOWN.confidence
NOISE = 3.1 * sqrt(RISK * UNKNOWN.confidence / DRAWS)


def score(rng: random.Random) -> float:
    """Of an unknown message: lower than others on the whole, and sometimes as high as any."""
    return round(rng.betavariate(2, 1), 6)


@pytest.mark.parametrize(("unknowns", "power"), [(70, 0.1), (400, 0.3)])
def test_both_promises_are_broken_together_in_no_more_draws_than_one_may_be(unknowns: int, power: float) -> None:
    """One threshold passes both tests at full risk; the control, without the second promise, labels far too many."""
    rng = random.Random(unknowns)
    population, everyone = overconfident(7, wrong=0.1, gap=1.6), sorted(score(rng) for _ in range(40_000))
    broken = careless = covered = 0.0
    for _ in range(DRAWS):
        drawn = rng.choices(everyone, k=unknowns)
        known = population.draw(rng, 1_500)
        seen = Evidence({REST: known}, {REST: []}, {REST: drawn}, unknowns, {}, 1_500, 1_500)
        least, control = (
            thresholds(seen, promise)[0][REST].least or 2.0
            for promise in (UNKNOWN, UNKNOWN.model_copy(update={"unknown": None}))
        )
        error, coverage = population.truth(least)
        broken += error > UNKNOWN.error or sum(one >= least for one in everyone) > 0.05 * len(everyone)
        careless += sum(one >= control for one in everyone) > 0.05 * len(everyone)
        covered += coverage
    assert broken / DRAWS <= RISK + NOISE
    assert careless / DRAWS > 0.9
    assert covered / DRAWS > power


@given(st.lists(st.integers(0, 1_000), max_size=300), st.integers(0, 200), st.sampled_from([0.02, 0.05, 0.2]))
def test_the_limit_is_as_low_as_the_exact_test_lets_it_be(marks: list[int], others: int, share: float) -> None:
    """Above it so few examples lie that the tail is within the risk; a limit just below would be too low."""
    scores, examples = [mark / 1_000 for mark in marks], len(marks) + others
    match limit(scores, examples, share, 0.1):
        case Above(score=above):
            assert at_most(sum(one > above for one in scores), examples, share) <= 0.1
            assert above == ANY or at_most(sum(one >= above for one in scores), examples, share) > 0.1
        case TooFew(missing=missing):
            assert at_most(0, examples, share) > 0.1
            assert isinstance(limit(scores, examples + missing, share, 0.1), Above)
            assert isinstance(limit(scores, examples + missing - 1, share, 0.1), TooFew)


def test_no_threshold_is_taken_at_the_limit_or_below_it() -> None:
    """It ends the sequence of thresholds, and where it ends it at the first step nothing is accepted."""
    examples = [Example(1 - place / 1_000, right=True) for place in range(1_000)]
    assert keep(examples, [], 0.05, 0.1) == keep(examples, [], 0.05, 0.1, ANY)
    kept = keep(examples, [], 0.05, 0.1, 0.6)
    assert isinstance(kept, Kept)
    assert 0.6 < kept.least <= 0.62
    assert keep(examples, [], 0.05, 0.1, 0.99) == NotKept(0, 0, None)


def test_with_several_thresholds_what_is_promised_of_unknown_messages_has_its_own_part_of_the_risk() -> None:
    """Bonferroni's split; one threshold passes both tests at each step and splits nothing."""
    labels = {"field": "intent", "errors": {"refund": 0.01}}
    assert Promise(error=0.05).risk() == UNKNOWN.risk() == pytest.approx(0.1)
    assert Promise(error=0.05, labels=labels).risk() == pytest.approx(0.1 / 2)
    assert Promise(error=0.05, unknown=0.05, labels=labels, stages=2).risk() == pytest.approx(0.1 / 6)
