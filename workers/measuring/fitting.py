"""How many messages a call may be about at most, so that no point of the plan asks what the model cannot take. Pure."""

from collections.abc import Sequence
from itertools import accumulate, cycle, islice

from schemas.message import Message
from workers.asking.backends import Backend
from workers.batching.room import Room, within
from workers.batching.tokens import TokenCost
from workers.batching.window import Limits

_ENDLESS = 2**31


def most_that_fit(backend: Backend, room: Room, messages: Sequence[Message], most_items: int) -> int:
    """Return how many of these messages, even of the longest, fit into one call with its answer; 0 when not even one does."""
    cost = TokenCost(backend.overhead(1).static_bytes)
    static = backend.largest.overhead(1).static_bytes / cost.bytes_per_token
    most = within(Limits(most_items, _ENDLESS), room, static, lambda items: backend.largest.overhead(items).output_tokens)
    if most is None:
        return 0
    longest = sorted((cost.estimate(message.words) for message in messages), reverse=True)
    if not backend.together:  # each has a call of its own
        return most.max_items if static + longest[0] <= most.max_tokens else 0
    taken = accumulate(islice(cycle(longest), most.max_items), initial=static)
    return sum(tokens <= most.max_tokens for tokens in islice(taken, 1, None))
