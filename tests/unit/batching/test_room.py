"""No call is made that the model cannot take: batches are bounded, and one that grew too large is not sent."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from workers.batching.room import ENDLESS, Room, too_long, within
from workers.batching.window import Limits

MOST = Limits(16, 6_000)


def answer_tokens(items):
    return 32 + 120 * items


def test_without_a_known_room_the_settings_count():
    """As they are."""
    assert within(MOST, ENDLESS, 500, answer_tokens) == MOST
    assert within(MOST, Room(1_000_000, 32_768), 500, answer_tokens) == MOST


@given(st.integers(600, 20_000), st.integers(50, 2_000), st.integers(1, 256), st.floats(10, 5_000))
def test_a_full_batch_fits_with_the_room_for_its_answer(context, output, items, static):
    """Whatever the model takes: the texts that a batch may hold, the static part and the longest answer are within it."""
    limits = within(Limits(items, 100_000), Room(context, output), static, answer_tokens)
    if limits is not None:
        assert limits.max_tokens + answer_tokens(limits.max_items) <= context
        assert answer_tokens(limits.max_items) <= output


def test_a_prompt_that_fills_the_model_leaves_nothing():
    """Nothing to ask, so the start is refused."""
    assert within(MOST, Room(2_000), 1_700, answer_tokens) is None
    assert within(MOST, Room(None, 100), 10, answer_tokens) is None


@pytest.mark.parametrize(
    ("items", "needed", "made"), [(4, 8_000, True), (4, 8_200, False), (1, 8_200, True), (1, 16_300, True), (1, 16_500, False)]
)
def test_a_batch_beyond_the_room_is_not_asked_and_a_message_only_far_beyond_it(items, needed, made):
    """A batch can be halved; of a message alone the model may count fewer tokens than we."""
    why = too_long(Room(8_192), items, needed)
    assert (why is None) == made
    assert why is None or "8,192" in why
    assert too_long(ENDLESS, items, needed) is None
