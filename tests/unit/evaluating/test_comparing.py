"""Two runs compared: only messages that one has right and the other wrong count."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.evaluating.comparing import compare, comparison, mcnemar

COUNTS = st.integers(0, 60)


def rights(marks):
    return {"intent": {str(place): mark == "+" for place, mark in enumerate(marks)}}


@pytest.mark.parametrize(
    ("one", "other", "p_value"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (2, 10, 158 / 4096)]
)
def test_the_p_value_is_that_of_a_fair_coin(one, other, p_value):
    """Counted by hand: twice the tail of the binomial, never above 1."""
    assert mcnemar(one, other) == pytest.approx(p_value)


def test_many_messages_are_compared_at_once():
    """What hundreds of thousands of messages say is said in less than a second."""
    before = process_time()
    assert mcnemar(99_000, 101_000) == pytest.approx(7.8e-6, rel=0.02)
    assert process_time() - before < 1


@given(COUNTS, COUNTS)
def test_the_test_has_no_favourite(one, other):
    """Both sides alike, and a wider gap is never less surprising."""
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1
    if one < other:
        assert mcnemar(one, other + 1) <= mcnemar(one, other) + 1e-12


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [("+" * 20, "+" * 20, "no difference shown"), ("-" * 20, "+" * 20, "better"), ("+" * 20, "-" * 20, "worse")],
)
def test_the_verdict_says_which_way(before, now, verdict):
    """Twenty messages that changed sides are no accident; none that did say nothing."""
    (found,) = compare(rights(before), rights(now))
    assert found.verdict == verdict
    assert comparison([found])[2][0][-1] == verdict


def test_only_shared_messages_and_fields_are_compared():
    """A message or field that one run lacks takes no part."""
    (found,) = compare({"intent": {"a": True, "b": False}, "mood": {"a": True}}, {"intent": {"b": True, "c": True}})
    assert (found.shared, found.right_before, found.right_now, found.only_before, found.only_now) == (1, 0, 1, 0, 1)
    assert compare({"intent": {"a": True}}, {"intent": {"b": True}}) == []
