"""What many tests do: wait for a condition, with a deadline, instead of sleeping and hoping; ask a prompt for its one call."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from schemas.message import Message
from workers.asking.model import Call
from workers.asking.prompt import Prompt
from workers.asking.refs import distinct_refs


async def until(condition: Callable[[], object], seconds: float = 10.0, every_seconds: float = 0.01) -> None:
    """Return as soon as the condition holds; raise TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # conditions have no event to wait for
            await asyncio.sleep(every_seconds)


async def until_true(ask: Callable[[], Awaitable[object]], seconds: float = 10.0, every_seconds: float = 0.2) -> None:
    """Like `until`, for a condition that must be asked for."""
    async with asyncio.timeout(seconds):
        while not await ask():  # noqa: ASYNC110  # the same
            await asyncio.sleep(every_seconds)


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Like `until`, for tests without an event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not met within {seconds:g} seconds")
        time.sleep(0.01)


def call_of(prompt: Prompt, messages: Sequence[Message], draw: Callable[[int], int]) -> Call:
    """Return the one chat call about the messages."""
    (call,) = prompt.calls(messages, distinct_refs(len(messages), draw))
    return call
