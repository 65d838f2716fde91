"""Which settings are tried, and which is best."""

from dataclasses import replace

import pytest

from workers.measuring.plan import Measure, Point, best, climb, doubling, goes_on, most_calls, sizes


def measure(batch, concurrency, per_second, failed=0):
    return Measure(Point(batch, concurrency), 1.0, 1000, per_second, failed, 100, 0, 10, (0.1, 0.2))


def test_points_double_up_to_the_most_and_try_it():
    """The largest setting is always tried, a power of two or not."""
    assert list(doubling(12)) == [1, 2, 4, 8, 12]
    assert list(doubling(1)) == [1]
    assert sizes(4, 2) == (Point(1, 2), Point(2, 2), Point(4, 2))
    assert climb(4, 3) == (Point(4, 1), Point(4, 2), Point(4, 3))


def test_the_smallest_setting_that_is_nearly_the_best_wins():
    """Beyond the limit only waiting grows."""
    found = [measure(16, 1, 50), measure(16, 4, 196), measure(16, 8, 200), measure(16, 16, 199)]
    assert best(found).point == Point(16, 4)


def test_a_setting_that_is_refused_is_not_best():
    """The endpoint's limit shows as failed calls; without any sound one the least bad is told."""
    found = [measure(16, 4, 100), measure(16, 8, 300, failed=5)]
    assert best(found).point == Point(16, 4)
    assert best(found[1:]).point == Point(16, 8)


@pytest.mark.parametrize(
    ("found", "on"),
    [
        ([], True),
        ([measure(8, 1, 10)], True),
        ([measure(8, 1, 10), measure(8, 2, 19)], True),
        ([measure(8, 1, 10), measure(8, 2, 10.5)], False),
        ([measure(8, 1, 10), measure(8, 2, 19, failed=3)], False),
    ],
)
def test_concurrency_rises_while_it_pays(found, on):
    """Until it brings less than a tenth, or calls fail."""
    assert goes_on(found) is on


def test_the_most_calls_are_counted_beforehand():
    """So that a price can be said before anything is spent."""
    assert most_calls(2, 2) == (3 * 2 * 2 + 3 * (1 + 2), 3 * 2 * (1 + 2) + 3 * (1 + 2) * 2)


def test_what_is_unknown_is_none():
    """No tokens counted is not zero tokens."""
    one = measure(1, 1, 10)
    assert one.tokens_per_message == 11
    assert replace(one, tokens_in=0, tokens_out=0).tokens_per_message is None
    assert replace(one, latencies=()).latency(0.5) is None
    assert one.latency(0.95) == 0.2
