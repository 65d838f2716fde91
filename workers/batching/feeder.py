"""The feeder: the window's thin driver. Wakes when something arrives, a slot frees or a linger ends."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from workers.batching.window import Batch, Limits, Window

T = TypeVar("T")


class Feeder(Generic[T]):
    """Bounded: `room` says how many items may still be added; the owner pulls no more than that."""

    def __init__(self, window: Window[T], *, slots: int, max_waiting: int, clock: Callable[[], float]) -> None:
        self._window = window
        self._free_slots = slots
        self._max_waiting = max_waiting
        self._clock = clock
        self._changed = asyncio.Event()
        self._draining = False

    @property
    def room(self) -> int:
        """How many items may be added; none until an eighth of the bound is free, so that pulls are not dribbles."""
        free = self._max_waiting - len(self._window)
        return 0 if self._draining or free < self._max_waiting // 8 else max(0, free)

    @property
    def waiting(self) -> int:
        return len(self._window)

    def add(self, item: T, tokens: int, age_seconds: float = 0.0) -> None:
        self._window.add(item, tokens, self._clock(), age_seconds)
        self._changed.set()

    @property
    def max_items(self) -> int:
        """How many messages a batch should hold now."""
        return self._window.limits.max_items

    def resize(self, limits: Limits) -> None:
        """Let batches be as large as these limits say from now on; how long a message lingers stays as it is."""
        if limits != self._window.limits:
            self._window.resize(limits.max_items, limits.max_tokens)
            self._changed.set()

    def drain(self) -> None:
        """Hand out what waits without lingering, then end."""
        self._draining = True
        self._changed.set()

    def slot_freed(self) -> None:
        self._free_slots += 1
        self._changed.set()

    async def next(self) -> Batch[T] | None:
        """Return the next batch; its slot is taken until `slot_freed`. None once drained."""
        while True:
            self._changed.clear()
            batch = self._window.close(self._clock(), free_slots=self._free_slots, draining=self._draining)
            if batch is not None:
                self._free_slots -= 1
                return batch
            if self._draining and not len(self._window):
                return None
            due = self._window.due_at()
            timeout = max(0.0, due - self._clock()) if due is not None and self._free_slots > 0 else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
