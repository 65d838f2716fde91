"""The evidence that calls get smaller or larger by: what it promises is counted over many draws."""

import random

import pytest

from workers.guarding.evidence import Alarm, Scores


def first_alarm(rate, seed, most, bearable=0.02, run_length=200):
    rng, alarm = random.Random(seed), Alarm(bearable, run_length)
    return next((n for n in range(1, most + 1) if alarm.hears(int(rng.random() < rate))), most + 1)


def test_at_the_bearable_rate_a_false_alarm_takes_the_promised_run_on_average():
    """Of 200 runs that end at 400 scores at the latest, the mean length is above the 200 that were asked for."""
    assert sum(first_alarm(0.02, seed, 400) for seed in range(200)) / 200 >= 200


def test_below_the_bearable_rate_alarms_are_rare():
    """At half of it, one run in twenty or fewer has an alarm within 2,000 scores."""
    assert sum(first_alarm(0.01, seed, 2_000) <= 2_000 for seed in range(40)) <= 2


@pytest.mark.parametrize(("rate", "most"), [(0.1, 250), (0.3, 60)])
def test_a_rate_far_above_is_found_soon(rate, most):
    """Nine runs in ten end within so many scores."""
    assert sum(first_alarm(rate, seed, most) <= most for seed in range(50)) >= 45


def test_after_a_long_calm_an_alarm_comes_as_soon_as_after_none():
    """Ten thousand scores without a flip are no capital that a bad model could live on."""
    alarm = Alarm(0.02, 200)
    assert not any(alarm.hears(0) for _ in range(10_000))
    fresh = Alarm(0.02, 200)
    assert [alarm.hears(1) for _ in range(20)] == [fresh.hears(1) for _ in range(20)]


def test_scores_that_cancel_are_no_alarm():
    """As many ups as downs, however many there are."""
    rng, alarm = random.Random(1), Alarm(0.02, 1_000)
    assert not any(alarm.hears(rng.choice([-1, 0, 1])) for _ in range(2_000))


def test_the_bound_holds_at_any_time():
    """Looked at after every tenth of 500 scores, it falls below the truth at any of them in fewer than the risked 10 % of runs."""
    broken = 0
    for seed in range(100):
        rng, scores, failed = random.Random(seed), Scores(), False
        for n in range(1, 501):
            scores.add(int(rng.random() < 0.05))
            failed = failed or (n % 10 == 0 and scores.at_most(0.1) < 0.05)
        broken += failed
    assert broken <= 10


def test_the_bound_gets_tight():
    """Four hundred comparisons without a flip show a rate below one per cent; none show nothing."""
    assert Scores(0, 400, 0).at_most(0.1) < 0.01
    assert Scores().at_most(0.1) == pytest.approx(1.0)
    assert Scores(40, 360, 0).at_most(0.1) > 0.1
