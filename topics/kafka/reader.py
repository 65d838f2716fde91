"""A reader on Kafka: from any place to a place, committed records only, as nobody's consumer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from topics.connection import Connection, client_options
from topics.kafka.faults import log_errors
from topics.kafka.intake import records_of
from topics.reading import Chunk
from topics.record import Partition, Position

STALL_SECONDS = 30.0
_POLL_MS = 500
CHUNK_RECORDS = 500


class KafkaReader:
    """See `topics.reading.Reader`. Use `kafka_reader` to make one."""

    def __init__(self, consumer: Any, connection: Connection, chunk_records: int) -> None:
        self._consumer = consumer
        self._connection = connection
        self._chunk_records = chunk_records

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        async with log_errors("reading the ends of the partitions", self._connection, STALL_SECONDS):
            found = await self._consumer.end_offsets([TopicPartition(p.topic, p.number) for p in partitions])
        return {p: int(found[TopicPartition(p.topic, p.number)]) for p in partitions}

    async def read(self, start: Position, end: int) -> AsyncIterator[Chunk]:
        partition, at = start.partition, start.offset
        if at >= end:
            return
        theirs = TopicPartition(partition.topic, partition.number)
        self._consumer.assign([theirs])
        self._consumer.seek(theirs, at)
        while at < end:
            records, reached = await self._some(theirs, at)
            # What was written since is another reading's.
            yield Chunk(at, min(reached, end), [r for r in records_of(theirs, records) if r.offset < end])
            at = reached

    async def _some(self, partition: Any, at: int) -> tuple[Sequence[Any], int]:
        """Return the next records, perhaps none, and the offset they reach, which is beyond `at`."""
        async with log_errors(f"reading {partition.topic}/{partition.partition} at {at}", self._connection, STALL_SECONDS):
            while True:
                found = await self._consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=self._chunk_records)
                # A stretch of nothing but transaction markers brings no record and still moves the position.
                reached = await self._consumer.position(partition)
                if reached > at:
                    return found.get(partition, ()), int(reached)


@asynccontextmanager
async def kafka_reader(connection: Connection, chunk_records: int = CHUNK_RECORDS) -> AsyncIterator[KafkaReader]:
    """Give a reader of the cluster, with so many records in a chunk at most. Raises topics.errors.LogError."""
    consumer = AIOKafkaConsumer(
        **client_options(connection),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    try:
        async with log_errors("connecting", connection, STALL_SECONDS):
            await consumer.start()
        yield KafkaReader(consumer, connection, chunk_records)
    finally:
        await consumer.stop()
