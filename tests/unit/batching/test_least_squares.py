"""The law that is learned from calls: as good after a week as after an hour."""

import random

import pytest

from workers.batching.least_squares import LeastSquares

LAW = (1.1, 0.8, 1.3)


def alike(_chance):
    return [1.0, 1.0, 1.0]


def of_all_sizes(chance):
    items = chance.randint(1, 64)
    return [chance.uniform(0.5, 1.5), items * chance.uniform(0.8, 1.2) / 30, items * chance.uniform(0.3, 1.0) / 30]


def learned(rows, observations, noise=0.02):
    chance = random.Random(5)
    law = LeastSquares([1.0, 1.0, 1.0], 25.0)
    for _ in range(observations):
        terms = rows(chance)
        law.learn(terms, sum(true * term for true, term in zip(LAW, terms, strict=True)) + chance.gauss(0, noise))
    return law


@pytest.mark.parametrize("observations", [500, 5_000, 20_000])
def test_a_law_stays_learned_however_many_observations_follow(observations):
    """Forgetting multiplies at each one, so what rounding leaves behind must not grow with it."""
    assert learned(of_all_sizes, observations).coefficients == pytest.approx(LAW, abs=0.08)


def test_observations_that_are_all_alike_teach_their_sum_for_ever_and_nothing_else():
    """The next ones that differ are learned from as if they were the first."""
    law = learned(alike, 20_000)
    assert law.predict([1.0, 1.0, 1.0]) == pytest.approx(sum(LAW), abs=0.02)
    assert max(law.coefficients) - min(law.coefficients) < 0.01
    for terms in ([1.0, 2.0, 1.0], [1.0, 1.0, 3.0], [2.0, 1.0, 1.0]) * 10:
        law.learn(terms, sum(true * term for true, term in zip(LAW, terms, strict=True)))
    assert law.coefficients == pytest.approx(LAW, abs=0.02)


def test_an_observation_of_nothing_changes_nothing():
    """All its terms are zero."""
    law = learned(of_all_sizes, 500)
    before = list(law.coefficients)
    for _ in range(1_000):
        law.learn([0.0, 0.0, 0.0], 7.0)
    assert law.coefficients == before
