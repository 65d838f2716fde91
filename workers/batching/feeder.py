"""The feeder: the window's thin driver. Wakes when something arrives, its turn for a slot comes or a linger ends.

A batch closes when its call may really start. Closed earlier it would wait for the limits beside others as small as itself,
and hold a slot meanwhile; open, it grows.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Generic, TypeVar

from workers.batching.slots import Slots
from workers.batching.window import Batch, Limits, Load, Window

T = TypeVar("T")


OpensIn = Callable[[Load, Callable[[], None]], float]
"""In how many seconds a call with this load may start: 0 is now. What is given with it is called once when that has changed."""


class Feeder(Generic[T]):
    """Bounded: `room` says how many items may still be added; the owner pulls no more than that."""

    def __init__(
        self,
        name: str,
        window: Window[T],
        slots: Slots,
        *,
        max_waiting: int,
        clock: Callable[[], float],
        opens_in: OpensIn = lambda _load, _wake: 0.0,
    ) -> None:
        self._name = name
        self._window = window
        self._slots = slots
        self._max_waiting = max_waiting
        self._clock = clock
        self._opens_in = opens_in
        self._changed = asyncio.Event()
        self._draining = False
        self._held_since: float | None = None

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

    def remove(self, gone: Callable[[T], bool]) -> None:
        """Let nobody wait of whom that is true."""
        self._window.remove(gone)
        self._changed.set()

    @property
    def max_items(self) -> int:
        """How many messages a batch should hold now."""
        return self._window.limits.max_items

    def resize(self, limits: Limits) -> None:
        """Let batches be as large, and linger as long, as these limits say from now on."""
        if limits != self._window.limits:
            self._window.resize(limits)
            self._changed.set()

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Give flows turns in proportion to these weights from now on; a flow that is not named has 1."""
        self._window.weigh(weights)

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
        """Return the next batch, for a call that starts now; its slot is taken until `slot_freed`. None once drained."""
        try:
            while True:
                self._changed.clear()
                load = self._window.closable(self._clock(), draining=self._draining)
                if load is not None:
                    timeout = self._wait_seconds(load)
                    if timeout == 0 and (batch := self._closed()) is not None:
                        return batch
                else:
                    if not self.waiting:
                        self._held_since = None  # whoever was held is gone
                    self._slots.disclaim(self._name)
                    if self._draining:
                        return None
                    due = self._window.due_at()
                    timeout = max(0.0, due - self._clock()) if due is not None else inf
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout if timeout < inf else None):
                        await self._changed.wait()
        finally:
            self._slots.disclaim(self._name)  # whoever waits no longer must not be waited for

    def _wait_seconds(self, load: Load) -> float:
        """Return how long a call has to wait: 0 if a slot is free, it is this task's turn, and the limits let it start."""
        if not self._slots.claim(self._name, self._changed.set):
            return inf
        seconds = self._opens_in(load, self._changed.set)
        if seconds > 0 and self._held_since is None:
            self._held_since = self._clock()
        return seconds

    def _closed(self) -> Batch[T] | None:
        """Close the batch that may go now, and take its slot."""
        now, held_since = self._clock(), self._held_since
        batch = self._window.close(now, draining=self._draining)
        if batch is None:
            return None
        self._slots.take(self._name)
        self._held_since = None
        return batch if held_since is None else replace(batch, held_seconds=now - held_since)
