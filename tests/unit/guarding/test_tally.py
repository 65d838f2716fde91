"""Rates of flips by place and by label."""

from workers.guarding.tally import Tally


def test_each_key_has_a_bound_of_its_own():
    """Flips at one place say nothing of another, and more comparisons without any make its bound tighter."""
    tally = Tally()
    calm = [tally.add("1", 0) for _ in range(200)]
    wild = [tally.add("9-16", int(number % 4 == 0)) for number in range(200)]
    assert calm == sorted(calm, reverse=True)
    assert calm[-1] < 0.03
    assert wild[-1] > 0.25
