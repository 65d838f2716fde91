"""The cadence of commits: none waits after a quiet time, and in no span of time are there more than the pace allows."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from topics.cadence import Cadence


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0.01, 2))
def test_the_pace_is_kept_over_any_span(gaps, pause):
    """Between any two commits there are at most four more than the pauses between them."""
    cadence, now, commits = Cadence(pause, 5.0), 100.0, []
    for gap in gaps:
        now += gap
        now += cadence.wait_seconds(now)
        cadence.committed(now)
        commits.append(now)
    for first in range(len(commits)):
        for last in range(first, len(commits)):
            assert last - first <= (commits[last] - commits[first]) / pause + 4 + 1e-6


@given(st.floats(0.01, 30))
def test_after_a_quiet_time_five_commits_wait_for_nothing(pause):
    """And the sixth waits for one pause."""
    cadence = Cadence(pause, 5.0)
    for _ in range(5):
        assert cadence.wait_seconds(1000.0) == pytest.approx(0.0, abs=1e-9)
        cadence.committed(1000.0)
    assert cadence.wait_seconds(1000.0) == pytest.approx(pause)
    assert cadence.wait_seconds(1000.0 + 5 * pause) == 0.0


@given(st.floats(0.01, 2), st.floats(0, 100))
def test_a_lane_is_idle_so_long_after_its_last_commit(pause, idle):
    """One that never committed is idle too: its past may have left something uncommitted."""
    cadence = Cadence(pause, idle)
    assert cadence.idle(0.0)
    cadence.committed(1000.0)
    assert cadence.idle(1000.0 + idle + 1e-6)
    assert idle < 1e-3 or not cadence.idle(1000.0 + idle - 1e-3)
