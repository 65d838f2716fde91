"""The demonstration's side of the broker: makes topics, sends the samples, reads what is published. Never the worker's side."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from topics import provision
from topics.connection import Connection, client_options
from topics.kafka.faults import log_errors
from topics.provision import WantedTopic
from workers.demo.plan import Part
from workers.demo.tally import Published, Sent, Tally
from workers.evaluating.outcome import Origin

PARTITIONS = 3
_MOST_REPLICAS = 3
_POLL_MS = 100
_END_SECONDS = 20.0
_IN_FLIGHT = 500


def topics_of(parts: Sequence[Part]) -> list[str]:
    """Return every topic of the run."""
    return sorted({topic for part in parts for topic in (part.task.source.topic, *part.task.routes.topics())})


async def make_topics(connection: Connection, parts: Sequence[Part]) -> None:
    """Make the run's topics, with up to three replicas. Raises topics.errors.LogError."""
    async with _admin(connection) as admin:
        brokers = len((await admin.describe_cluster())["brokers"])
    wanted = [WantedTopic(name, PARTITIONS, min(_MOST_REPLICAS, brokers)) for name in topics_of(parts)]
    await provision.apply(connection, provision.plan({}, wanted))


async def delete_topics(connection: Connection, parts: Sequence[Part]) -> None:
    """Delete the run's topics: they are the run's own. Raises topics.errors.LogError."""
    async with _admin(connection) as admin:
        await admin.delete_topics(topics_of(parts))


async def send(connection: Connection, parts: Sequence[Part], tally: Tally) -> None:
    """Send every input, the tasks in turns, and tell the tally where each one lies."""
    producer = AIOKafkaProducer(**client_options(connection), acks="all", enable_idempotence=True, linger_ms=5)
    try:
        async with log_errors("sending the samples", connection):
            await producer.start()
            lines = [(part, each) for part in parts for each in part.inputs]
            for start in range(0, len(lines), _IN_FLIGHT):
                some = lines[start : start + _IN_FLIGHT]
                waiting = [await producer.send(part.task.source.topic, each.value, each.key) for part, each in some]
                for (part, each), taken in zip(some, await asyncio.gather(*waiting), strict=True):
                    sent = Sent(part.task.name, each, taken.timestamp)
                    tally.send(Origin(taken.topic, taken.partition, taken.offset), sent)
    finally:
        await producer.stop()


class Reading:
    """Reads the output topics from their beginning, committed records only."""

    def __init__(self, consumer: Any, partitions: Sequence[Any], tally: Tally) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._tally = tally

    async def some(self) -> None:
        """Tell the tally of the next records, or wait a moment."""
        found = await self._consumer.getmany(timeout_ms=_POLL_MS)
        for records in found.values():
            for record in records:
                headers = tuple((name, bytes(value)) for name, value in record.headers)
                self._tally.see(Published(record.topic, record.key, record.value, headers, record.timestamp))

    async def to_the_end(self) -> bool:
        """Read all that is committed by now; return whether that was possible."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                ends = await self._consumer.end_offsets(self._partitions)
                while any([await self._consumer.position(p) < end for p, end in ends.items()]):
                    await self.some()
                return True
        return False


@asynccontextmanager
async def reading(connection: Connection, parts: Sequence[Part], tally: Tally) -> AsyncIterator[Reading]:
    """Give a reader of the run's output topics."""
    consumer = AIOKafkaConsumer(
        **client_options(connection), isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        async with log_errors("reading the events", connection):
            await consumer.start()
            topics = sorted({topic for part in parts for topic in part.task.routes.topics()})
            partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
            consumer.assign(partitions)
            yield Reading(consumer, partitions, tally)
    finally:
        await consumer.stop()


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**client_options(connection))
    try:
        async with log_errors("changing the topics", connection):
            await admin.start()
            yield admin
    finally:
        await admin.close()
