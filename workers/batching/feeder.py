"""The feeder: the window's thin driver. Wakes when something arrives, its turn for a slot comes or a linger ends."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from workers.batching.slots import Slots
from workers.batching.window import Batch, Limits, Window

T = TypeVar("T")


class Feeder(Generic[T]):
    """Bounded: `room` says how many items may still be added; the owner pulls no more than that."""

    def __init__(self, name: str, window: Window[T], slots: Slots, *, max_waiting: int, clock: Callable[[], float]) -> None:
        self._name = name
        self._window = window
        self._slots = slots
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
        """Let another call start, of this task or another one."""
        self._slots.free()

    def slot_taken_back(self) -> None:
        """Go on with a call whose slot was freed while it waited for something other than the model."""
        self._slots.take_back()

    async def next(self) -> Batch[T] | None:
        """Return the next batch; its slot is taken until `slot_freed`. None once drained."""
        try:
            while True:
                self._changed.clear()
                timeout: float | None = None
                if self._window.may_close(self._clock(), draining=self._draining):
                    batch = self._claimed()
                    if batch is not None:
                        return batch
                else:
                    self._slots.disclaim(self._name)
                    if self._draining:
                        return None
                    due = self._window.due_at()
                    timeout = max(0.0, due - self._clock()) if due is not None else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
        finally:
            self._slots.disclaim(self._name)  # whoever waits no longer must not be waited for

    def _claimed(self) -> Batch[T] | None:
        """Return the batch that may go now, in a slot of its own; None if it is not this task's turn."""
        if not self._slots.claim(self._name, self._changed.set):
            return None
        batch = self._window.close(self._clock(), draining=self._draining)
        if batch is not None:
            self._slots.take(self._name)
        return batch
