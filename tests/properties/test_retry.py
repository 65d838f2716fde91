"""Retrying ends: a bound on the calls of a batch that holds for any model, and waits that stay within theirs."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from schemas.verdict import Refusal
from tests.unit.asking.spoiler import Spoiler, calls_of
from workers.asking.model import Barred, Broken, Refused, TooBig, Trouble, TryAgain
from workers.asking.retry import GiveUp, Halve, Stop, Wait, after_fault, after_reading, halves
from workers.patience import Patience

PATIENCE = Patience(first_seconds=0.5, most_seconds=60.0)
TRIES = st.integers(1, 10_000)
JITTER = st.floats(0, 1, exclude_max=True)
ASKED = st.none() | st.floats(0, 1e12)


def bound(size):
    return 2 * size - 1 if size > 1 else 2


@given(st.integers(1, 40), st.data())
def test_no_model_makes_a_batch_cost_more_than_2n_minus_1_calls(size, data):
    """Whatever each answer leaves unread, and whatever faults come between, every item ends once within the bound."""
    ended, calls = calls_of(
        size, lambda part: data.draw(st.sets(st.sampled_from(part)) | st.sampled_from([TooBig("x"), Refused("x"), Broken("x")]))
    )
    assert sorted(ended) == list(range(size))
    assert calls <= bound(size)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_bound_is_exact(size):
    """The worst model needs exactly that many calls, by search over everything it could do."""
    assert Spoiler().most_calls(size) == bound(size)


@given(st.integers(1, 64))
def test_a_model_that_reads_one_item_a_call_costs_n_calls(size):
    """Progress is never punished by halving."""
    ended, calls = calls_of(size, lambda part: {part[0]})
    assert sorted(ended) == list(range(size))
    assert calls == size


@given(st.lists(st.integers(), min_size=2, max_size=99))
def test_halves_are_the_whole_in_order_and_both_smaller(items):
    """Nothing is lost where a part is cut, and cutting ends."""
    first, second = halves(items)
    assert [*first, *second] == items
    assert first
    assert second


@given(ASKED, TRIES, JITTER, st.sampled_from([Trouble.LIMIT, Trouble.SLOW_DOWN]))
def test_a_refusal_for_limits_is_waited_off_by_the_limiter(asked, tries, jitter, trouble):
    """The part itself does not wait besides: it joins the queue that the limiter holds back."""
    assert after_fault(TryAgain("x", asked, trouble), 4, tries, jitter, PATIENCE) == Wait(0.0)


@given(ASKED, TRIES, JITTER)
def test_a_wait_is_bounded_and_never_below_half_of_the_backoff(asked, tries, jitter):
    """Between half the back-off and the most; a Retry-After within the most is obeyed, a longer one is cut to it."""
    waited = PATIENCE.wait_seconds(asked, tries, jitter)
    assert min(60.0, 0.5 * 2 ** min(tries - 1, 30)) / 2 <= waited <= 60.0
    if asked is not None:
        assert waited >= min(asked, 60.0)


@given(ASKED, TRIES, TRIES, JITTER)
def test_waits_grow_with_the_tries(asked, tries, more, jitter):
    """The second failure in a row never waits less than the first would."""
    first, second = sorted((tries, more))
    assert PATIENCE.wait_seconds(asked, first, jitter) <= PATIENCE.wait_seconds(asked, second, jitter)


@given(TRIES, JITTER, JITTER)
def test_jitter_spreads_a_fleet_over_half_of_the_backoff(tries, one, other):
    """More chance is a longer wait, and two workers differ."""
    low, high = sorted((one, other))
    assert PATIENCE.wait_seconds(None, tries, low) <= PATIENCE.wait_seconds(None, tries, high)
    assert PATIENCE.wait_seconds(None, tries, 0.0) < PATIENCE.wait_seconds(None, tries, 0.5)


@given(st.integers(1, 300), TRIES, JITTER, ASKED)
def test_a_providers_fault_only_ever_waits_and_an_accounts_only_ever_stops(size, tries, jitter, asked):
    """No number of either makes a dead letter."""
    assert isinstance(after_fault(TryAgain("x", asked), size, tries, jitter, PATIENCE), Wait)
    assert after_fault(Barred("spent"), size, tries, jitter, PATIENCE) == Stop("spent")


@pytest.mark.parametrize(
    ("fault", "refusal", "said"),
    [
        (TooBig("why"), Refusal.TOO_LARGE, "too long for the model: why"),
        (Refused("why"), Refusal.CONTENT_REFUSED, "why"),
        (Broken("why"), Refusal.NO_VALID_ANSWER, "why"),
    ],
)
def test_a_texts_fault_halves_and_then_gives_up_the_one(fault, refusal, said):
    """Its batch mates are asked without it."""
    assert after_fault(fault, 2, 1, 0.0, PATIENCE) == Halve()
    assert after_fault(fault, 1, 1, 0.0, PATIENCE) == GiveUp(refusal, said)


def test_nothing_unread_is_nothing_to_ask():
    """A part that was read as a whole is over."""
    assert after_reading([], asked=3, tries=0) == []


def test_patience_is_a_value():
    """A line may have another patience, and none is changed."""
    assert replace(PATIENCE, first_seconds=1.0).wait_seconds(None, 1, 0.0) == 0.5
