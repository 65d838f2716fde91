"""No point of the plan asks what the model cannot take."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.message import Message
from schemas.verdict import SignalKind
from workers.asking.prompt import Dialect, Prompt
from workers.batching.room import ENDLESS, Room
from workers.batching.tokens import TokenCost
from workers.measuring.fitting import most_that_fit
from workers.taskfiles import load_task

PROMPT = Prompt(load_task("support_tickets").task, Dialect("nano", SignalKind.BAND))


def messages_of(lengths):
    return [Message("x" * length, "", None, None, {}) for length in lengths]


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=40), st.integers(500, 40_000), st.integers(1, 64))
def test_the_longest_of_them_fit_with_their_answer(lengths, context, most):
    """As many as are allowed fit together by the worker's own estimate, whichever messages these are."""
    messages, cost = messages_of(lengths), TokenCost(PROMPT.overhead(1).static_bytes)
    count = most_that_fit(PROMPT, Room(context_tokens=context), messages, most)
    assert 0 <= count <= most
    longest = max(cost.estimate(message.text) for message in messages)
    average = sum(sorted((cost.estimate(message.text) for message in messages), reverse=True)[:count])
    if count:
        static = PROMPT.static_bytes / cost.bytes_per_token
        assert static + average + PROMPT.overhead(count).output_tokens <= context
    elif context > 20_000:
        assert longest > 1_000


def test_what_is_not_known_bounds_nothing():
    """A model that tells nothing of itself is asked as much as was wished."""
    assert most_that_fit(PROMPT, ENDLESS, messages_of([300] * 5), 256) == 256


def test_an_answer_needs_room_too():
    """A model that writes little is asked about few."""
    assert most_that_fit(PROMPT, Room(output_tokens=32 + 120 * 3), messages_of([10]), 16) == 3
    assert most_that_fit(PROMPT, Room(output_tokens=100), messages_of([10]), 16) == 0
