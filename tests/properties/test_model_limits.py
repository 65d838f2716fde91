"""The fake provider's limits: whatever is asked, no second gives more than its share."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.model_limits import Limits, duration

CALLS = st.lists(st.tuples(st.floats(0, 0.3), st.integers(1, 400)), min_size=1, max_size=150)


@given(CALLS)
def test_no_window_exceeds_both_the_bucket_and_the_rate(calls):
    """In any stretch, at most one second's worth more than the rate allows is taken, of requests and of tokens alike."""
    limits, now, taken = Limits(600, 60_000), 0.0, []
    for pause, tokens in calls:
        now += pause
        if limits.take(tokens, now) is None:
            taken.append((now, tokens))
    for first in range(0, len(taken), 7):
        seconds = taken[-1][0] - taken[first][0]
        assert len(taken) - first <= 10 + 10 * seconds + 1e-6
        assert sum(tokens for _, tokens in taken[first:]) <= 1000 + 1000 * seconds + 1e-6


@given(CALLS)
def test_what_is_refused_has_room_after_the_time_told(calls):
    """Who waits as long as the refusal says is served, if nobody else asks meanwhile."""
    limits, now = Limits(600, 60_000), 0.0
    for pause, tokens in calls:
        now += pause
        refused = limits.take(tokens, now)
        if refused is not None:
            now += refused.after_seconds + 1e-9
            assert limits.take(tokens, now) is None


def test_durations_are_written_as_go_does():
    """The forms that providers send."""
    assert [duration(s) for s in (0.012, 1.0, 1.5, 360.0, 61.25)] == ["12ms", "1s", "1.5s", "6m0s", "1m1.25s"]
