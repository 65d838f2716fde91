"""The waiting messages of one window in the order of fairness. Pure.

Three rules, from the outside in:

    priorities   high, normal and low share the model 16 : 4 : 1 while all of them wait (`shares`): a lone message of a
                 high priority is next, and a flood of it starves nobody, which is what aging is for
    flows        within a priority the flows (tenants, or else partitions) take turns by tokens: deficit round robin
                 (Shreedhar, Varghese: "Efficient Fair Queuing Using Deficit Round-Robin", SIGCOMM 1995). A flood of one
                 delays another's lone message by one round at most: `QUANTUM` tokens and a message of each other flow.
                 A flow with a weight gets that many times the quantum
    deadlines    within a flow the message that became due first goes first, whenever it arrived

The cost of a message does not grow with the number of those that wait, except by the logarithm of those of its own flow
that came out of order.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from schemas.priority import Priority
from workers.batching.shares import Shares

T = TypeVar("T")
QUANTUM = 512
"""Tokens of a flow's turn: a few short messages. A longer message saves up for as many rounds as it needs."""


WEIGHTS = {Priority.HIGH: 16.0, Priority.NORMAL: 4.0, Priority.LOW: 1.0}

Waiting = tuple[float, int, T, int, float]
"""Due, number of arrival, item, tokens, arrived. Ordered by the first two; no two have the same number."""


class Taken(NamedTuple, Generic[T]):
    """Items taken together, their tokens, and whether the next one did not fit."""

    items: Sequence[T]
    tokens: int
    no_room: bool


class _Flow(Generic[T]):
    """One flow's items: in order of due as long as they come so, and a heap for those that come late."""

    __slots__ = ("credit", "late", "name", "punctual")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.punctual: deque[Waiting[T]] = deque()
        self.late: list[Waiting[T]] = []
        self.credit = 0

    def __bool__(self) -> bool:
        return bool(self.punctual or self.late)

    def first(self) -> Waiting[T]:
        return self.late[0] if self._late_first() else self.punctual[0]

    def drop_first(self) -> None:
        if self._late_first():
            heappop(self.late)
        else:
            self.punctual.popleft()

    def _late_first(self) -> bool:
        return bool(self.late) and (not self.punctual or self.late[0] < self.punctual[0])


class _Turns(Generic[T]):
    """The flows of one priority, the one whose turn it is in front."""

    __slots__ = ("flows", "ring", "weights")

    def __init__(self, weights: Mapping[Hashable, float]) -> None:
        self.flows: dict[Hashable, _Flow[T]] = {}
        self.ring: deque[_Flow[T]] = deque()
        self.weights = weights

    def new_flow(self, name: Hashable) -> _Flow[T]:
        flow = self.flows[name] = _Flow(name)
        self.ring.append(flow)
        return flow

    def current(self) -> _Flow[T]:
        """Return the flow that can pay for its first item, or is alone; asked again, the same one."""
        ring = self.ring
        while len(ring) > 1 and ring[0].credit < ring[0].first()[3]:
            ring.rotate(-1)
            self._earn(ring[0])
        return ring[0]

    def serve(self, chosen: list[T], used: int, most_items: int, most_tokens: int) -> tuple[int, bool]:
        """Move the items of one turn to the chosen ones; return the tokens used by now, and whether the next item fits."""
        flow = self.current()
        pays, late, punctual = len(self.ring) > 1, flow.late, flow.punctual
        while (punctual or late) and len(chosen) < most_items:
            first = flow.first() if late else punctual[0]
            tokens = first[3]
            if pays and tokens > flow.credit:
                return used, True
            if chosen and used + tokens > most_tokens:
                return used, False
            if late:
                flow.drop_first()
            else:
                punctual.popleft()
            chosen.append(first[2])
            used += tokens
            if pays:
                flow.credit -= tokens
        if not flow:
            self._ended(flow)
        return used, True

    def _ended(self, flow: _Flow[T]) -> None:
        """Forget the current flow, which has no item left, and its credit with it."""
        self.ring.popleft()
        del self.flows[flow.name]
        if self.ring:
            self._earn(self.ring[0])

    def _earn(self, flow: _Flow[T]) -> None:
        flow.credit += int(QUANTUM * self.weights.get(flow.name, 1.0)) if self.weights else QUANTUM


class FairQueue(Generic[T]):
    """See the module's docstring. `weights` may change at any time; a flow that is not in it has 1, and none is below 1/512."""

    def __init__(self, weights: Mapping[Hashable, float] = MappingProxyType({})) -> None:
        self._priorities: tuple[_Turns[T], ...] = tuple(_Turns(weights) for _ in Priority)
        self._shares: Shares[int] = Shares({int(priority): weight for priority, weight in WEIGHTS.items()})

    def push(self, waiting: Waiting[T], flow: Hashable, priority: Priority) -> None:
        turns = self._priorities[priority]
        its = turns.flows.get(flow)
        if its is None:
            its = turns.new_flow(flow)
        punctual = its.punctual
        if punctual and waiting < punctual[-1]:
            heappush(its.late, waiting)
        else:
            punctual.append(waiting)

    def take(self, most_items: int, most_tokens: int) -> Taken[T]:
        """Take the next items, as many as fit; the first one always does."""
        chosen: list[T] = []
        used, fits = 0, True
        while fits and len(chosen) < most_items:
            waiting = [number for number, turns in enumerate(self._priorities) if turns.ring]
            if not waiting:
                break
            if len(waiting) == 1:
                used, fits = self._priorities[waiting[0]].serve(chosen, used, most_items, most_tokens)
                continue
            before, priority = used, self._shares.next(waiting)
            used, fits = self._priorities[priority].serve(chosen, used, len(chosen) + 1, most_tokens)
            self._shares.charge(priority, used - before)
        return Taken(chosen, used, not fits)

    def remove(self, gone: Callable[[T], bool]) -> tuple[int, int]:
        """Let nobody wait of whom that is true; return how many these were, and their tokens. Looks at every item."""
        removed = [waiting for waiting in self._all() if gone(waiting[2])]
        numbers = {waiting[1] for waiting in removed}
        for turns in self._priorities:
            for flow in list(turns.ring):
                flow.punctual = deque(waiting for waiting in flow.punctual if waiting[1] not in numbers)
                flow.late = sorted(waiting for waiting in flow.late if waiting[1] not in numbers)  # which is a heap
                if not flow:
                    turns.ring.remove(flow)
                    del turns.flows[flow.name]
        return len(removed), sum(waiting[3] for waiting in removed)

    def oldest_arrival(self) -> float:
        """Return when the item that waits longest arrived. Looks at every item: for short queues."""
        return min(waiting[4] for waiting in self._all())

    def _all(self) -> Iterator[Waiting[T]]:
        for turns in self._priorities:
            for flow in turns.ring:
                yield from flow.punctual
                yield from flow.late
