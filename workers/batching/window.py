"""The window: messages that wait to share a prompt, and the rule by which a batch closes. Pure; time is an argument.

A batch closes when it is full (`count`, `tokens`), when its oldest message has waited long enough (`linger`), or when a
call could start now and the queue will not fill in time at the present rate of arrival (`free_slot`): waiting would then
cost latency and save nothing. Under load batches fill by themselves; alone, a message is asked at once. `drain` closes
whatever is left when the worker stops.

Messages of different tenants share no batch when `apart` names one per message. Every window is bounded by its owner.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

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
    """Messages to ask about together, oldest first, and why there are not more of them."""

    items: tuple[T, ...]
    closed_because: ClosedBecause

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


@dataclass(slots=True)
class _Waiting(Generic[T]):
    items: deque[tuple[T, int, float]] = field(default_factory=deque)  # item, tokens, arrived
    tokens: int = 0


class Window(Generic[T]):
    """See the module's docstring."""

    def __init__(self, limits: Limits, apart: Callable[[T], Hashable] = lambda _: None) -> None:
        self._limits = limits
        self._apart = apart
        self._groups: OrderedDict[Hashable, _Waiting[T]] = OrderedDict()
        self._size = 0
        self._rate = ArrivalRate()

    def __len__(self) -> int:
        return self._size

    def add(self, item: T, tokens: int, now: float) -> None:
        """Let an item wait. `tokens` is its estimated share of the prompt and the answer."""
        group = self._groups.setdefault(self._apart(item), _Waiting())
        group.items.append((item, tokens, now))
        group.tokens += tokens
        self._size += 1
        self._rate.arrived(now)

    def close(self, now: float, *, free_slots: int, draining: bool) -> Batch[T] | None:
        """Return the next batch that should be asked now, or None. Without a free slot nothing closes."""
        if free_slots < 1:
            return None
        for name, group in self._groups.items():
            because = self._why(group, now, draining=draining)
            if because is not None:
                return self._cut(name, group, because)
        return None

    def due_at(self) -> float | None:
        """Return when a batch closes at the latest if nothing more arrives, or None when nothing waits.

        That is when the oldest message has lingered long enough, or when the rate has faded and no company is expected.
        """
        arrivals = [group.items[0][2] for group in self._groups.values()]
        return min(min(arrivals) + self._limits.linger_seconds, self._rate.faded_at) if arrivals else None

    def _why(self, group: _Waiting[T], now: float, *, draining: bool) -> ClosedBecause | None:
        limits, count = self._limits, len(group.items)
        if count >= limits.max_items:
            return ClosedBecause.COUNT
        if group.tokens >= limits.max_tokens:
            return ClosedBecause.TOKENS
        if draining:
            return ClosedBecause.DRAIN
        left = group.items[0][2] + limits.linger_seconds - now
        if left <= 0:
            return ClosedBecause.LINGER
        if count + self._rate.per_second(now) * left < limits.max_items:
            return ClosedBecause.FREE_SLOT
        return None

    def _cut(self, name: Hashable, group: _Waiting[T], because: ClosedBecause) -> Batch[T]:
        chosen: list[T] = []
        tokens = 0
        while group.items and len(chosen) < self._limits.max_items:
            item, size, _ = group.items[0]
            if chosen and tokens + size > self._limits.max_tokens:
                because = ClosedBecause.TOKENS
                break
            group.items.popleft()
            chosen.append(item)
            tokens += size
        group.tokens -= tokens
        self._size -= len(chosen)
        if group.items:
            self._groups.move_to_end(name)  # the next batch is another tenant's
        else:
            del self._groups[name]
        return Batch(tuple(chosen), because)


class ArrivalRate:
    """An exponentially weighted rate of arrivals, forgetting with a time constant of one second."""

    def __init__(self, memory_seconds: float = 1.0) -> None:
        self._memory = memory_seconds
        self._weight = 0.0
        self._at = float("-inf")

    def arrived(self, now: float) -> None:
        self._weight = self.per_second(now) * self._memory + 1.0
        self._at = now

    @property
    def faded_at(self) -> float:
        """When the rate is zero if nothing more arrives."""
        return self._at + self._memory

    def per_second(self, now: float) -> float:
        """Return the rate. Linear decay, so that it is cheap and reaches zero."""
        faded = 1.0 - (now - self._at) / self._memory
        return self._weight * max(0.0, faded) / self._memory
