"""The chaos run's own decisions: which fault comes when, and when a run was back at full rate."""

import pytest

from tests.chaos.nemesis import MODEL_MODES
from tests.chaos.recovery import Sample, longest_standstill_seconds, recovery_seconds
from tests.chaos.run import Plan
from tests.chaos.schedule import BROKERS, LANES, MODEL_KINDS, TOPICS, Kind, lane_of, schedule
from tests.chaos.slope import slope
from tests.fakes.model_server import FAULTS

SEEDS = range(20)


def test_the_same_seed_makes_the_same_schedule():
    """And another seed another one."""
    assert schedule(1, 5, 700) == schedule(1, 5, 700)
    assert schedule(1, 5, 700) != schedule(2, 5, 700)


@pytest.mark.parametrize("seed", SEEDS)
def test_faults_of_one_lane_never_overlap_and_end_in_time(seed):
    """Hence never more than one broker is down."""
    for lane in LANES:
        faults = [fault for fault in schedule(seed, 5, 700) if lane_of(fault.kind) == lane.name]
        ends = [fault.at_seconds + fault.seconds for fault in faults]
        assert all(end <= later.at_seconds for end, later in zip(ends, faults[1:], strict=False))
        assert all(fault.at_seconds >= 5 for fault in faults)
        assert max(ends) <= 700
        assert len(faults) <= lane.most


@pytest.mark.parametrize("seed", SEEDS)
def test_the_full_plan_has_every_kind_and_enough_of_them(seed):
    """At least 60 faults, with time to spare, and each kind at least once."""
    faults = Plan(780, 220_000, seed).faults()
    assert len(faults) >= 90
    assert {fault.kind for fault in faults} == set(Kind)


def test_every_kind_belongs_to_one_lane():
    """Brokers fall one after the other; each kind of model fault is one the model server knows."""
    assert sorted(kind for lane in LANES for kind in lane.kinds) == sorted(Kind)
    assert set(MODEL_MODES) == set(MODEL_KINDS)
    assert {wanted["mode"] for wanted in MODEL_MODES.values()} <= FAULTS
    assert TOPICS.most < BROKERS.most


def history(rates, per_second=100):
    done, samples = 0, []
    for second, rate in enumerate(rates):
        samples.append(Sample(second, done, second * per_second))
        done += rate
    return samples


def test_a_run_without_trouble_is_back_at_once():
    """Nothing was slow, so nothing had to recover."""
    assert recovery_seconds(history([100] * 20), 10, 100) == 0


def test_full_rate_is_measured_over_the_next_three_seconds():
    """A standstill from 5 to 12, the fault's end at 8: a little before the standstill's end three seconds hold enough."""
    samples = history([100] * 5 + [0] * 7 + [200] * 10 + [100] * 5)
    assert recovery_seconds(samples, 8, 100) == 3


def test_a_run_that_stays_slow_never_recovers():
    """Half the rate is not full rate."""
    assert recovery_seconds(history([100] * 5 + [50] * 40), 6, 100) is None


def test_the_longest_standstill_counts_from_progress_to_progress():
    """Samples that show no progress lengthen it."""
    assert longest_standstill_seconds(history([100] * 5 + [0] * 7 + [100] * 3)) == 8
    assert longest_standstill_seconds([]) == 0


def test_the_slope_is_that_of_the_line_nearest_to_all_points():
    """Exact for a line; noise that is even to both sides does not tilt it; too few points have none."""
    assert slope([(x, 3 + 2 * x) for x in range(10)]) == pytest.approx(2)
    assert slope([(0, 1), (1, -1), (2, -1), (3, 1)]) == pytest.approx(0)
    assert slope([(1, 5), (1, 9)]) == 0
    assert slope([]) == 0
