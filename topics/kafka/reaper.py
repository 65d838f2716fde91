"""Closes what is no longer wanted, in the background: aiokafka's own stop() can wait for a broker for ever."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import ProducerClosed

GRACE_SECONDS = 5.0


class Reaper:
    """Holds every closing that is under way, so none is garbage-collected half done."""

    def __init__(self) -> None:
        self._closings: set[asyncio.Task[None]] = set()

    def take(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)
        task.add_done_callback(retrieve)

    async def finish(self, seconds: float) -> None:
        """Wait for every closing, at most so long, then cancel the rest."""
        if self._closings:
            await asyncio.wait(self._closings, timeout=seconds)
        for task in list(self._closings):
            task.cancel()
        if self._closings:
            await asyncio.wait(self._closings, timeout=1)


def retrieve(future: "asyncio.Future[Any]") -> None:
    """Take the exception of a future nobody waits for any more, which asyncio would report."""
    if future.done() and not future.cancelled():
        future.exception()


def silence(producer: AIOKafkaProducer) -> None:
    """Stop the producer from beginning any further request, now. Call `close_producer` afterwards."""
    sender = producer._sender.sender_task  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
    if sender is not None:
        sender.cancel()


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Close a silenced producer's connections without flushing anything; whoever waits for a record of it is told.

    Bounded: about three times GRACE_SECONDS.
    """
    sender = producer._sender.sender_task  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
    if sender is not None:
        await asyncio.wait({sender}, timeout=GRACE_SECONDS)
        if not sender.done():
            # A request in flight looks for its coordinator until one answers: make the look-up fail.
            producer.client.coordinator_lookup = _closed
            await asyncio.wait({sender}, timeout=GRACE_SECONDS)
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001  # see the same
    _retrieve_all(producer)
    # stop() would flush, so only its mark is set: without it the destructor warns of an unclosed producer.
    producer._closed = True  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
    await _within_grace(producer.client.close())


def _retrieve_all(producer: AIOKafkaProducer) -> None:
    """Take what a fenced producer told its waiters: the writer has raised it already, asyncio would report it again."""
    transaction = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
    if transaction is not None:
        retrieve(transaction)
    accumulator = producer._message_accumulator  # noqa: SLF001  # see the same
    waiting = [batch for batches in accumulator._batches.values() for batch in batches]  # noqa: SLF001  # see the same
    for batch in [*waiting, *accumulator._pending_batches]:  # noqa: SLF001  # see the same
        retrieve(batch._drain_waiter)  # noqa: SLF001  # see the same


async def close_consumer(consumer: AIOKafkaConsumer, stopping: "asyncio.Task[None]") -> None:
    """Give a consumer's stop() a last chance; if it hangs or fails half way, close what it would have closed."""
    await asyncio.wait({stopping}, timeout=GRACE_SECONDS)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    stopping.cancel()
    await asyncio.wait({stopping}, timeout=GRACE_SECONDS)
    fetcher = consumer._fetcher  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
    if fetcher is not None:
        # Its close() ends at the first fetch that was cancelled while it waited to retry.
        for fetch in fetcher._pending_tasks:  # noqa: SLF001  # see the same
            fetch.cancel()
        await _within_grace(fetcher.close())
    await _within_grace(consumer._client.close())  # noqa: SLF001  # see the same


async def _within_grace(closing: Coroutine[Any, Any, None]) -> None:
    """Run in a task of its own: aiokafka's closings may raise CancelledError though nobody cancelled us."""
    task = asyncio.get_running_loop().create_task(closing)
    task.add_done_callback(retrieve)
    await asyncio.wait({task}, timeout=GRACE_SECONDS)
    task.cancel()


async def _closed(*_: object) -> NoReturn:
    raise ProducerClosed
