"""The firewall between messages that share a call: who is asked about alone, and beside whom canaries stand. Pure.

    hostile      asked about alone: an order that it gives has no neighbour to be about
    suspicious   may share a call in which canaries stand; if either's answer is wrong the whole answer is void, nothing of it
                 is published, and everybody is asked about alone

Both cost calls and change no label. Where no canaries are known (yet), the suspicious are asked about alone, too.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from schemas.message import Message
from schemas.task import Task
from workers.guarding.canaries import Canaries, Canary, Pair, candidates
from workers.guarding.suspicion import Suspicion, of_message

T = TypeVar("T")
PLACES = 2
"""Places of a call that its canaries take."""


class Firewall:
    """One task's. `most` messages, canaries among them, share a call now; `always` sets canaries beside everybody."""

    def __init__(self, task: Task, most: Callable[[], float], draw: Callable[[int], int], *, always: bool) -> None:
        self._task = task
        self._most = most
        self._draw = draw
        self._always = always
        self.canaries = Canaries()

    def groups(self, items: Sequence[T], message_of: Callable[[T], Message]) -> tuple[list[Sequence[T]], list[Suspicion]]:
        """Return the items in groups that may share a call, each once, and why those were isolated that are alone.

        With `always`, everybody is alone until the model was asked about the candidates.
        """
        found = [of_message(message_of(item)) for item in items]
        if self._always and not self.canaries.asked:
            return [[item] for item in items], []
        watched = self.canaries.ready and (self._always or any(found)) and self._most() > PLACES
        if not watched and not any(found):
            return [items], []
        doubtful = found.count(Suspicion.SUSPICIOUS)
        cramped = len(items) - found.count(Suspicion.HOSTILE) + PLACES > self._most()
        keeps = watched and (self._always or not (cramped and doubtful == 1))  # else it costs no more to isolate that one
        apart = {Suspicion.HOSTILE} if keeps else {Suspicion.HOSTILE, Suspicion.SUSPICIOUS}
        alone = [(item, why) for item, why in zip(items, found, strict=True) if why in apart]
        together = [item for item, why in zip(items, found, strict=True) if why not in apart]
        room = int(self._most()) - PLACES if keeps and (self._always or doubtful) else len(items)
        return [*([item] for item, _ in alone), *_evenly(together, room)], [why for _, why in alone if why is not None]

    def beside(self, messages: Sequence[Message]) -> Pair | None:
        """Return the canaries that are to stand in a call about these messages, if any are."""
        if len(messages) == 1 or len(messages) + PLACES > self._most() or not self.canaries.ready:
            return None
        return self.canaries.pair(self._draw) if self._always or any(map(of_message, messages)) else None

    def candidates(self) -> Sequence[Canary]:
        """Return what the model is to be asked about alone, so that there are canaries."""
        return candidates(self._task, self._draw)


def around(pair: Pair | None, messages: Sequence[Message]) -> Sequence[Message]:
    """Return what a call is about: the messages, and the canaries, if any, before and after them."""
    return messages if pair is None else [pair[0].message, *messages, pair[1].message]


def _evenly(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """Cut the items into as few groups of at most so many as there can be, of about the same size."""
    count = -(-len(items) // most)
    bounds = [number * len(items) // count for number in range(count + 1)] if count else []
    return [items[start:end] for start, end in pairwise(bounds)]
