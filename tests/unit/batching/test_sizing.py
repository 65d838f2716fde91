"""The batch size follows what is scarce: requests, tokens or the time of the slots; it does not flutter, and it comes back."""

import random
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from workers.batching.climb import Climb
from workers.batching.sizing import Allowed, Sizing, size_under_limits
from workers.batching.tokens import ITEM_BYTES, Call, TokenCost
from workers.batching.window import Limits

STATIC_BYTES = 3_600
NO_LIMITS = Allowed()
PER_SECOND = {"linear": lambda n: 0.3 + 0.02 * n, "steep": lambda n: 0.05 + 0.004 * n**2, "flat": lambda n: 0.5}


def sizing(most=64, allowed=NO_LIMITS, max_tokens=100_000):
    return Sizing(Limits(most, max_tokens, 0.2), TokenCost(STATIC_BYTES), lambda: allowed)


def call(items, static=1_000, per_item=100):
    """A call whose provider counts so many tokens for the static part and for each message."""
    bytes_each = int(per_item * 0.8 * 3.6) - ITEM_BYTES
    body = STATIC_BYTES + items * (bytes_each + ITEM_BYTES)
    return Call(body, items, static + int(items * per_item * 0.8), int(items * per_item * 0.2))


def throughput(allowed, size, static, per_item):
    """Messages a minute under the limits: the lesser of what requests and tokens allow."""
    return min(allowed.requests_per_minute * size, allowed.tokens_per_minute * size / (static + size * per_item))


@given(st.floats(1, 10_000), st.floats(100, 1e7), st.floats(1, 3_000), st.floats(5, 500))
def test_the_size_wastes_neither_requests_nor_tokens(requests, tokens, static, per_item):
    """At it, requests do not bind, and no larger batch would get a ninth more done."""
    allowed = Allowed(requests, tokens)
    size = size_under_limits(allowed, static, per_item)
    reached = throughput(allowed, size, static, per_item)
    assert requests * size >= reached * (1 - 1e-9)
    assert throughput(allowed, 1e6 * size, static, per_item) <= reached / 0.9 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("allowed", "static", "per_item", "expected"),
    [
        (Allowed(100, 400_000), 100, 130, 30),  # (400,000 / 100 - 100) / 130: both are used up
        (Allowed(100, 10_000_000), 100, 130, 64),  # requests are scarce: as many messages as the settings allow
        (Allowed(10_000, 100_000), 500, 300, 15),  # tokens are scarce: the static part is a tenth of a call
        (Allowed(10_000, 100_000), 1_000, 100, 64),
        (Allowed(100, None), 100, 130, 64),
        (Allowed(None, 100_000), 500, 300, 15),
        (Allowed(), 500, 300, 64),
    ],
)
def test_the_size_is_that_of_the_limits(allowed, static, per_item, expected):
    """Learned from calls of different sizes, which tell the static part from the messages."""
    draw, batches = random.Random(1), sizing(allowed=allowed)
    for _ in range(300):
        batches.answered(call(draw.randint(1, 40), static, per_item), 1.0)
    assert batches.limits().max_items == pytest.approx(expected, rel=0.15)


def test_the_size_does_not_flutter():
    """Noise in what the provider counts moves the size once in a while, not with each call."""
    draw, batches, sizes = random.Random(2), sizing(allowed=Allowed(100, 300_000)), []
    for _ in range(2_000):
        wrong = draw.uniform(0.9, 1.1)
        batches.answered(call(draw.randint(1, 40), int(100 * wrong), int(130 * wrong)), 1.0)
        sizes.append(batches.limits().max_items)
    assert sum(a != b for a, b in pairwise(sizes[200:])) <= 5


def test_the_whole_call_is_bounded():
    """What the static part takes is not there for messages, and something always is."""
    roomy, tight = sizing(max_tokens=6_000), sizing(max_tokens=900)
    for _ in range(100):
        roomy.answered(call(8), 1.0)
        tight.answered(call(8), 1.0)
    assert roomy.limits().max_tokens == pytest.approx(5_000, rel=0.15)
    assert tight.limits().max_tokens == 1


def test_what_is_too_big_halves_the_size_and_it_comes_back():
    """A model whose context is full, or whose answer was cut, gets half; full calls that go well add one in eight."""
    batches = sizing(most=16)
    batches.too_big(16)
    assert batches.limits().max_items == 8
    batches.too_big(1)
    assert batches.limits().max_items == 1
    calls = 0
    while batches.limits().max_items < 16:
        batches.answered(call(batches.limits().max_items), 1.0)
        calls += 1
    assert calls == 15 * 8


def climbed(seconds, most, rounds, noise=0.0, start=None):
    climb, draw, done, time = start or Climb(most), random.Random(3), 0, 0.0
    for _ in range(rounds * 24):
        taken = seconds(climb.size) * (1 + draw.uniform(-noise, noise))
        climb.answered(climb.size, taken)
        done, time = done + climb.size, time + taken
    return climb, done / time


@pytest.mark.parametrize("law", PER_SECOND)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_slot_gets_nearly_as_much_done_as_at_the_best_size(law, noise):
    """Whether a larger batch costs nothing, little or too much: 0.95 of the best, tries in vain included."""
    seconds = PER_SECOND[law]
    _, speed = climbed(seconds, 16, 1_000, noise)
    best = max(size / seconds(size) for size in (1, 2, 4, 8, 16))
    assert speed >= 0.95 * best


def test_a_model_that_has_changed_is_climbed_anew():
    """A server that was steep and is no longer gets large batches again, and the other way round."""
    climb, _ = climbed(PER_SECOND["steep"], 16, 20)
    assert climb.size == 4
    climbed(PER_SECOND["linear"], 16, 1_500, start=climb)
    _, speed = climbed(PER_SECOND["linear"], 16, 100, start=climb)
    assert speed >= 0.95 * 16 / PER_SECOND["linear"](16)


def test_batches_that_are_not_full_teach_nothing():
    """At a quiet hour a lone message is quick, and that says nothing of the slots."""
    climb = Climb(16)
    for _ in range(10_000):
        climb.answered(1, 0.001)
    assert climb.size == 16


@given(st.integers(1, 256), st.lists(st.floats(0, 100), max_size=600))
def test_the_size_stays_within_its_bounds(most, seconds):
    """Whatever the times are."""
    climb = Climb(most)
    for taken in seconds:
        climb.answered(climb.size, taken)
        assert 1 <= climb.size <= most


def test_sizes_tried_in_vain_cost_less_than_a_hundredth():
    """Of a model that takes as long for many messages as for one."""
    start, _ = climbed(PER_SECOND["flat"], 16, 200)
    _, speed = climbed(PER_SECOND["flat"], 16, 10_000, start=start)
    assert speed >= 0.99 * 16 / PER_SECOND["flat"](16)


def test_calls_made_while_their_number_is_tried_teach_nothing_of_the_size():
    """They take longer or shorter for another reason, and a trial that they fall into is made again."""
    climb = Climb(16)
    for _ in range(10_000):
        climb.answered(climb.size, 1.0, steady=False)
    assert climb.size == 16
    while climb.size == 16:
        climb.answered(16, 1.0)
    climb.answered(8, 0.1, steady=False)
    assert climb.size == 16


def test_an_operators_bound_makes_batches_smaller_at_once_and_gives_all_back():
    """Within the settings, whatever the search and the limits want; the tokens are those that the messages add."""
    free, scarce = sizing(16), sizing(16, Allowed(60, 600_000))
    for one in (free, scarce):
        before = one.limits()
        one.bound(Limits(4, 50_000, 0.0))
        bounded = one.limits()
        assert (bounded.max_items, bounded.linger_seconds) == (4, 0.0)
        assert bounded.max_tokens == pytest.approx(before.max_tokens - 50_000, abs=1)
        one.bound(Limits(64, 1_000_000, 0.2))
        assert one.limits() == before
        assert one.most == Limits(16, 100_000, 0.2)
