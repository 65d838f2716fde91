"""What is watched all the time: false alarms stay below the stated risk, changes are found, and looking on is allowed."""

import random
from statistics import median

import pytest

from schemas.calibration import ScoreSketch
from workers.promising.binomial import at_most, upper_bound
from workers.promising.evidence import ErrorTest
from workers.promising.sequence import bounds
from workers.promising.shift import ShiftTest, sketch_of

ERROR, RISK = 0.05, 0.05
RUNS, LONG = 200, 600


def alarm_at(rng: random.Random, shares) -> int | None:
    """Return after how many findings, of these shares of wrong ones, the promise is called broken."""
    test = ErrorTest(ERROR)
    for place, share in enumerate(shares):
        test.see(right=rng.random() >= share)
        if test.evidence >= 1 / RISK:
            return place
    return None


def test_a_promise_that_is_just_kept_is_rarely_called_broken() -> None:
    """At the very edge of the promise, looking after each of 600 findings: below the stated risk."""
    alarms = sum(alarm_at(random.Random(seed), [ERROR] * LONG) is not None for seed in range(RUNS))
    assert alarms <= RISK * RUNS


def test_a_plain_test_repeated_after_each_finding_breaks_its_own_risk() -> None:
    """The control: with an exact binomial test at the same risk the same looks call it broken far more often."""

    def broken(seed: int) -> bool:
        rng, wrong = random.Random(seed), 0
        for of in range(1, LONG + 1):
            wrong += rng.random() < ERROR
            if of % 10 == 0 and 1.0 - at_most(wrong - 1, of, ERROR) <= RISK:
                return True
        return False

    assert sum(broken(seed) for seed in range(RUNS)) > 3 * RISK * RUNS


@pytest.mark.parametrize(("before", "most"), [(0, 20), (300, 50), (1500, 60)])
def test_a_model_gone_bad_is_found_after_some_dozen_findings(before, most) -> None:
    """From 3 to 30 percent wrong: at the start, and nearly as soon after a long good time."""
    found = [alarm_at(random.Random(seed), [0.03] * before + [0.3] * 200) for seed in range(40)]
    assert all(place is not None for place in found)
    assert median(place - before for place in found) <= most
    assert sum(place < before for place in found) <= 2


def test_bounds_hold_at_all_times_together() -> None:
    """The true precision leaves them in at most the stated share of runs; Clopper-Pearson's bound, looked at as often, in more."""
    broken = naive = 0
    for seed in range(RUNS):
        rng, wrong, ours, theirs = random.Random(seed), 0, False, False
        for of in range(1, LONG + 1):
            wrong += rng.random() < ERROR
            if of % 20 == 0:
                low, high = bounds(wrong, of, 0.1)
                ours |= not low <= ERROR <= high
                theirs |= upper_bound(wrong, of, 0.1) < ERROR
        broken += ours
        naive += theirs
    assert broken <= 0.1 * RUNS < naive


def test_bounds_of_nothing_and_of_much() -> None:
    """Nothing bounds nothing; bounds hold what was seen, and close in on it."""
    assert bounds(0, 0, 0.1) == (0.0, 1.0)
    assert bounds(0, 50, 0.1)[0] == 0.0
    assert bounds(50, 50, 0.1)[1] == 1.0
    low, high = bounds(9_500, 10_000, 0.1)
    assert 0.94 < low < 0.95 < high < 0.96


def usual(rng: random.Random) -> float:
    return round(rng.betavariate(8, 1.2), 6)


def shifted_at(seed: int, size: int, draws, least: float = 0.0) -> int | None:
    """Return after how many live scores they are found to be others than `size` usual ones."""
    rng = random.Random(seed)
    sketch = sketch_of([usual(rng) for _ in range(size)])
    assert sketch is not None
    test = ShiftTest(sketch)
    for place, draw in enumerate(draws):
        test.see(draw(rng))
        if test.evidence >= 1 / RISK and test.size() >= least:
            return place
    return None


@pytest.mark.parametrize("size", [60, 1000])
def test_scores_like_the_calibration_s_rarely_raise_an_alarm(size) -> None:
    """However small the calibration: its own chance is part of the test."""
    alarms = sum(shifted_at(seed, size, [usual] * 1000) is not None for seed in range(60))
    assert alarms <= RISK * 60 + 2


@pytest.mark.parametrize("other", [lambda rng: rng.betavariate(4, 1.5), lambda rng: rng.betavariate(20, 1)])
@pytest.mark.parametrize("before", [0, 800])
def test_lower_and_higher_scores_are_both_a_shift(other, before) -> None:
    """A model that has become unsure is found, and one that has become too sure of itself."""
    found = [shifted_at(seed, 500, [usual] * before + [other] * 700, least=0.25) for seed in range(8)]
    assert all(place is not None and place >= before for place in found)


def test_a_real_but_small_shift_is_no_alarm() -> None:
    """With enough traffic everything is proven; what is small does not stop a worker."""

    def nearly(rng: random.Random) -> float:
        return rng.betavariate(7.2, 1.25)

    proven = [shifted_at(seed, 2000, [nearly] * 2000) for seed in range(6)]
    assert any(place is not None for place in proven)
    assert [shifted_at(seed, 2000, [nearly] * 2000, least=0.25) for seed in range(6)] == [None] * 6


def test_three_bands_are_scores_too() -> None:
    """Few distinct scores make few bins, and a score never seen has one."""
    sketch = sketch_of([0.9] * 70 + [0.6] * 20 + [0.3] * 10)
    assert sketch == ScoreSketch(edges=(0.6, 0.9), counts=(10, 20, 70))
    assert sketch_of([]) is None
    one = sketch_of([1.0] * 50)
    assert one == ScoreSketch(edges=(), counts=(50,))
    test = ShiftTest(one)
    test.see(0.2)
    assert test.size() == pytest.approx(0.0)
