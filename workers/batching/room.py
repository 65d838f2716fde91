"""What a model takes in one call: batches are bounded so that none is made that cannot fit. Pure.

A call takes the static part, its texts, and the room that is kept for the answer, which grows with its messages. Estimates
of texts are off by some percent, so a tenth of the context is left free. Of what the static part leaves, answers may keep half.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from workers.batching.window import Limits

_USED = 0.9
_ANSWERS = 0.5
_SURELY = 2.0  # a text of so many times the room does not fit, however wrong the estimate is


@dataclass(frozen=True, slots=True)
class Room:
    """Tokens of one call, in and out, and of one answer. None is not known, and then no bound."""

    context_tokens: int | None = None
    output_tokens: int | None = None

    def __str__(self) -> str:
        """Return it as the rest of a sentence about a model."""
        writes = f" and writes {self.output_tokens} at most" if self.output_tokens else ""
        return f"takes {self.context_tokens or 'any number of'} tokens in one call{writes}"


ENDLESS = Room()


def within(limits: Limits, room: Room, static: float, answer_tokens: Callable[[int], int]) -> Limits | None:
    """Return the limits bounded by the room, None where not even one message has any.

    `static` are the tokens that every call takes; `answer_tokens` how many are kept for the answer about so many messages.
    """
    items, context = limits.max_items, room.context_tokens
    usable = None if context is None else _USED * context - static
    most_answer = min(room.output_tokens or float("inf"), float("inf") if usable is None else _ANSWERS * usable)
    while items > 1 and answer_tokens(items) > most_answer:
        items -= 1
    if answer_tokens(items) > most_answer:
        return None
    most = limits.max_tokens if context is None else int(_USED * context - answer_tokens(items))
    return replace(limits, max_items=items, max_tokens=min(limits.max_tokens, most))


def too_long(room: Room, items: int, needed: float) -> str | None:
    """Return why a call of so many messages that needs so many tokens is not made, None where it may fit.

    A message alone is given the benefit of the doubt, because nobody can ask less of it.
    """
    context = room.context_tokens
    if context is None or needed <= (context if items > 1 else _SURELY * context):
        return None
    what = "the text takes" if items == 1 else f"{items} messages take"
    return f"{what} about {needed:,.0f} tokens with the prompt, and the model takes {context:,} in one call"
