"""The window: messages that wait to share a prompt, and the rule by which a batch closes. Pure; time is an argument.

A batch closes when it is full (`count`, `tokens`), when its oldest message has waited long enough (`linger`), or when a
call could start now and the queue will not fill in time at the present rate of arrival (`free_slot`): waiting would then
cost latency and save nothing. While no call may start it stays open, and takes in what comes. Under load batches fill by
themselves; alone, a message is asked at once. `drain` closes whatever is left when the worker stops.

Who shares the next batch is decided by `fair_queue`. Messages of different tenants share none when the task keeps them
apart: then each tenant has a queue of its own, and those that may close take turns. Every window is bounded by its owner.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from typing import Generic, NamedTuple, TypeVar

from schemas.priority import Priority
from workers.batching.arrival_rate import ArrivalRate
from workers.batching.fair_queue import FairQueue

T = TypeVar("T")


class ClosedBecause(StrEnum):
    """Why a batch closed. A metric label."""

    COUNT = "count"
    TOKENS = "tokens"
    LINGER = "linger"
    FREE_SLOT = "free_slot"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Messages to ask about together, in the order of fairness, and why there are not more of them."""

    items: tuple[T, ...]
    closed_because: ClosedBecause
    tokens: int = 0  # about what its messages add to a call
    held_seconds: float = 0.0  # for how long only the limits kept it from going

    @property
    def load(self) -> "Load":
        return Load(len(self.items), self.tokens)

    def __post_init__(self) -> None:
        if not self.items:
            raise ValueError("a batch is not empty")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may be and how long its oldest message may wait. A single message may exceed `max_tokens`."""

    max_items: int = 16
    max_tokens: int = 6_000
    linger_seconds: float = 0.2

    def __post_init__(self) -> None:
        if self.max_items < 1 or self.max_tokens < 1 or self.linger_seconds < 0:
            raise ValueError("a batch needs room for one item and one token, and cannot linger a negative time")


class Load(NamedTuple):
    """How many messages a batch would hold, and about how many tokens they add to a call."""

    items: int
    tokens: int


Place = tuple[Hashable, Hashable, Priority]
"""Where a message waits: with whom it may share a batch, with whom it shares its turns, and how urgent it is."""

ANYWHERE: Place = (None, None, Priority.NORMAL)


class _Group(Generic[T]):
    """Messages that may share a batch. `oldest` is None when nobody needs it, because the group is full or empty."""

    __slots__ = ("count", "name", "oldest", "queue", "ready", "tokens")

    def __init__(self, name: Hashable, oldest: float, weights: Mapping[Hashable, float]) -> None:
        self.name = name
        self.queue: FairQueue[T] = FairQueue(weights)
        self.count = 0
        self.tokens = 0
        self.oldest: float | None = oldest
        self.ready = False


class Window(Generic[T]):
    """See the module's docstring."""

    def __init__(self, limits: Limits, place: Callable[[T], Place] = lambda _: ANYWHERE) -> None:
        self._limits = limits
        self._place = place
        self._groups: dict[Hashable, _Group[T]] = {}
        self._ready: deque[_Group[T]] = deque()  # full or due, whose turn it is in front
        self._due: list[tuple[float, int, _Group[T]]] = []  # a heap; an entry holds while it is of the group's oldest
        self._size = 0
        self._arrivals = 0
        self._waits = 0  # numbers the entries of the heap, so that no two groups are ever compared
        self._rate = ArrivalRate()
        self._weights: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return self._size

    @property
    def limits(self) -> Limits:
        """How large a batch may be now."""
        return self._limits

    def add(self, item: T, tokens: int, now: float, age_seconds: float = 0.0) -> None:
        """Let an item wait. `tokens` is its estimated share of the prompt and the answer; older ones of its flow go first."""
        name, flow, priority = self._place(item)
        self._arrivals += 1
        self._size += 1
        self._rate.arrived(now)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name, now, self._weights)
            self._wait(group, now)
        group.queue.push((now - age_seconds, self._arrivals, item, tokens, now), flow, priority)
        group.count += 1
        group.tokens += tokens
        if not group.ready and self._full(group) is not None:
            self._make_ready(group)

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Give flows turns in proportion to these weights from now on; a flow that is not named has 1."""
        self._weights.clear()
        self._weights.update(weights)

    def resize(self, limits: Limits) -> None:
        """Let batches be of another size, and linger for another time, from now on. Looks at every group."""
        self._limits = limits
        self._ready.clear()
        for group in list(self._groups.values()):
            self._settle(group)

    def remove(self, gone: Callable[[T], bool]) -> None:
        """Let no item wait of which that is true. Looks at every item and every group."""
        self._ready.clear()
        for group in list(self._groups.values()):
            count, tokens = group.queue.remove(gone)
            self._size -= count
            group.count -= count
            group.tokens -= tokens
            self._settle(group)

    def closable(self, now: float, *, draining: bool) -> Load | None:
        """Return what the next batch would hold, or None if none should be asked yet."""
        group = self._closable(now, draining=draining)
        if group is None:
            return None
        return Load(min(group.count, self._limits.max_items), min(group.tokens, self._limits.max_tokens))

    def close(self, now: float, *, draining: bool) -> Batch[T] | None:
        """Return the next batch, for a call that can start now, or None if none should be asked yet."""
        group = self._closable(now, draining=draining)
        if group is None:
            return None
        if group.ready:
            self._ready.popleft()
            return self._cut(group, self._full(group) or (ClosedBecause.DRAIN if draining else ClosedBecause.LINGER))
        return self._cut(group, ClosedBecause.DRAIN if draining else ClosedBecause.FREE_SLOT)

    def due_at(self) -> float | None:
        """Return when a batch closes at the latest if nothing more arrives, or None when nothing waits.

        That is when the oldest message has lingered long enough, or when the rate has faded and no company is expected.
        """
        if self._ready:
            return float("-inf")
        earliest = self._earliest()
        return None if earliest is None else min(earliest[0], self._rate.faded_at)

    def _closable(self, now: float, *, draining: bool) -> _Group[T] | None:
        """Return the group whose batch is next, if one should close now; the first of the ready ones before others."""
        while (earliest := self._earliest()) is not None and earliest[0] <= now:
            self._make_ready(heappop(self._due)[2])
        if self._ready:
            return self._ready[0]
        if draining:
            return next(iter(self._groups.values()), None)
        if earliest is not None and self._cannot_fill(earliest[2], earliest[0] - now, now):
            return earliest[2]
        return None

    def _full(self, group: _Group[T]) -> ClosedBecause | None:
        if group.count >= self._limits.max_items:
            return ClosedBecause.COUNT
        return ClosedBecause.TOKENS if group.tokens >= self._limits.max_tokens else None

    def _make_ready(self, group: _Group[T]) -> None:
        if not group.ready:
            group.ready = True
            self._ready.append(group)

    def _cannot_fill(self, group: _Group[T], left_seconds: float, now: float) -> bool:
        return group.count + self._rate.per_second(now) * left_seconds < self._limits.max_items

    def _cut(self, group: _Group[T], because: ClosedBecause) -> Batch[T]:
        """Take a batch from a group that is not among the ready ones; what is left of it waits on, or is ready again, last."""
        taken = group.queue.take(self._limits.max_items, self._limits.max_tokens)
        group.count -= len(taken.items)
        group.tokens -= taken.tokens
        self._size -= len(taken.items)
        self._settle(group)
        return Batch(tuple(taken.items), ClosedBecause.TOKENS if taken.no_room else because, taken.tokens)

    def _settle(self, group: _Group[T]) -> None:
        """See anew how a group stands that is not among the ready ones; an empty one is forgotten."""
        group.ready = False
        group.oldest = None
        if not group.count:
            del self._groups[group.name]
        elif self._full(group) is not None:
            self._make_ready(group)
        else:
            group.oldest = group.queue.oldest_arrival()
            self._wait(group, group.oldest)

    def _wait(self, group: _Group[T], oldest: float) -> None:
        self._waits += 1
        heappush(self._due, (oldest + self._limits.linger_seconds, self._waits, group))

    def _earliest(self) -> tuple[float, int, _Group[T]] | None:
        """Return the group that is due first, of those that are not known to be full."""
        while self._due:
            due, _, group = self._due[0]
            if group.oldest is not None and due == group.oldest + self._limits.linger_seconds:
                return self._due[0]
            heappop(self._due)
        return None
