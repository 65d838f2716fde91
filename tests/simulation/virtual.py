"""An event loop whose clock jumps to the next timer: hours of waiting cost nothing, and a seed replays exactly."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class StoodStill(Exception):
    """Nothing can ever happen again: every task waits for something that no timer will bring."""


class _Jump(selectors.SelectSelector):
    def __init__(self):
        super().__init__()
        self.jump = lambda _seconds: None

    def select(self, timeout=None):
        ready = super().select(0) if len(self.get_map()) > 1 else []  # else it is only the loop's own pipe
        if not ready:
            if timeout is None:
                raise StoodStill
            self.jump(max(0.0, timeout))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands while anything can run, and jumps when nothing can."""

    def __init__(self):
        selector = _Jump()
        super().__init__(selector)
        self._virtual_now = 0.0
        selector.jump = self._advance

    def time(self):
        return self._virtual_now

    def _advance(self, seconds):
        # A timer is due when it is within the clock's resolution, so never stop short of it.
        self._virtual_now += seconds + 1e-9


def run_virtually(main: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end on a virtual clock."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):  # some leave others behind
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=60))
        loop.close()
