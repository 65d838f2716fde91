"""Token estimates: proportional to bytes, corrected by what providers count, never out of bounds."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from workers.batching.tokens import TokenRatio


@given(st.text(), st.text())
def test_a_longer_text_never_costs_less(text, more):
    """By its bytes in UTF-8, and an item costs something even when it is empty."""
    ratio = TokenRatio()
    assert 0 < ratio.estimate("") <= ratio.estimate(text) <= ratio.estimate(text + more)
    assert ratio.estimate(text) == int(len(text.encode()) / ratio.bytes_per_token) + ratio.estimate("")


@given(st.lists(st.tuples(st.integers(-5, 10**9), st.integers(-5, 10**9)), max_size=200))
def test_any_counts_keep_the_ratio_within_bounds(calls):
    """A provider that counts nonsense cannot make a batch empty or boundless."""
    ratio = TokenRatio()
    for prompt_bytes, prompt_tokens in calls:
        ratio.learn(prompt_bytes, prompt_tokens)
        assert 1.5 <= ratio.bytes_per_token <= 8.0


@pytest.mark.parametrize(("bytes_per_token"), [2.0, 3.6, 6.0])
def test_it_learns_what_the_provider_counts(bytes_per_token):
    """After a hundred calls the estimate is the provider's."""
    ratio = TokenRatio()
    for _ in range(100):
        ratio.learn(int(1000 * bytes_per_token), 1000)
    assert ratio.bytes_per_token == pytest.approx(bytes_per_token, rel=0.01)


def test_a_missing_count_teaches_nothing():
    """Some routes report no usage."""
    ratio = TokenRatio()
    ratio.learn(10_000, 0)
    assert ratio == TokenRatio()
