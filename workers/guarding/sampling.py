"""Sampling: which answered messages are asked again, and what it means that the answers agree or not. Pure.

A message is asked again alone. If its labels differ from those of the call that it shared, it is asked alone once more: a
model that answers by chance alone is as likely to go back to the shared call's labels as to stand by its second answer, so
scores of 1 and -1 cancel, and what is left is what sharing did. A whole call is asked again too, in another order: what that
shows, by place, is counted and decides nothing, because messages still share it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

from schemas.message import Message

Labels = Mapping[str, str | None]
"""Labels by field; None is unknown."""


class Outcome(StrEnum):
    """What comparing a message's labels says. A metric label."""

    SAME = "same"
    FLIPPED = "flipped"  # alone it has other labels, twice the same
    BACK = "back"  # asked alone once more it has the first labels again
    OTHER = "other"  # three answers, three different labels

    @property
    def score(self) -> int:
        """How it counts towards the rate of flips."""
        return {Outcome.FLIPPED: 1, Outcome.BACK: -1}.get(self, 0)


def judged(shared: Labels, alone: Labels, again: Labels) -> Outcome:
    """Return what it means that a message had these labels in a shared call, then alone, and then alone once more."""
    if shared == alone:
        return Outcome.SAME
    if again == alone:
        return Outcome.FLIPPED
    return Outcome.BACK if again == shared else Outcome.OTHER


def band_of(place: int) -> str:
    """Return the name of the places that this one, counted from 0, is counted with: 1, 2, 3-4, 5-8 and so on."""
    last = 1 << place.bit_length()
    return str(place + 1) if place < 2 else f"{last // 2 + 1}-{last}"  # noqa: PLR2004  # the first two stand alone


@dataclass(frozen=True, slots=True)
class Alone:
    """Ask about this message alone. `place` counts from 0 among the `items` of the call that it shared."""

    message: Message
    labels: Labels
    place: int
    items: int


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Ask about these messages together again, in this order; `places` are those they had."""

    messages: Sequence[Message]
    labels: Sequence[Labels]
    places: Sequence[int]


Sample = Alone | Shuffled


class Sampling:
    """Chooses this share of the messages to be asked alone, and this share of the calls to be asked in another order."""

    def __init__(self, share: float) -> None:
        if not 0 < share < 1:
            raise ValueError("a share of messages is above 0 and below 1")
        self._share = share
        self._messages_to_go: int | None = None
        self._calls_to_go: int | None = None

    def choose(self, messages: Sequence[Message], labels: Sequence[Labels | None], chance: Callable[[], float]) -> list[Sample]:
        """Return what to ask again of an answered call; labels are None for what could not be read. `chance` is below 1."""
        if len(messages) < 2:  # noqa: PLR2004  # who is alone has no neighbour
            return []
        if self._messages_to_go is None or self._calls_to_go is None:
            self._messages_to_go, self._calls_to_go = self._skip(chance), self._skip(chance)
        chosen: list[Sample] = []
        while self._messages_to_go < len(messages):
            place = self._messages_to_go
            if (known := labels[place]) is not None:
                chosen.append(Alone(messages[place], known, place, len(messages)))
            self._messages_to_go += 1 + self._skip(chance)
        self._messages_to_go -= len(messages)
        if self._calls_to_go == 0:
            chosen += _shuffled(messages, labels, chance)
            self._calls_to_go = 1 + self._skip(chance)
        self._calls_to_go -= 1
        return chosen

    def _skip(self, chance: Callable[[], float]) -> int:
        """Draw how many are left out before the next one: geometric, so that one draw serves many messages."""
        return int(log(1 - chance()) / log(1 - self._share))


def _shuffled(messages: Sequence[Message], labels: Sequence[Labels | None], chance: Callable[[], float]) -> list[Sample]:
    known = [(place, found) for place, found in enumerate(labels) if found is not None]
    if len(known) < len(messages):
        return []
    order = sorted(known, key=lambda _: chance())
    if order == known:
        order.reverse()
    return [Shuffled([messages[place] for place, _ in order], [found for _, found in order], [place for place, _ in order])]
