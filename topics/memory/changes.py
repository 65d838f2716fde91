"""Waiting for a state to change, without a clock and without polling."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes everybody who waits for a condition whenever something changed."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds, at most so long; return whether it does."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            return condition()
        return True
