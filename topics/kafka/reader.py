"""A reader on Kafka: from any place to a place, committed records only, as nobody's consumer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from topics.connection import Connection, client_options
from topics.errors import LogUnavailable
from topics.kafka.faults import log_error, why_unreachable
from topics.kafka.intake import records_of
from topics.reading import Chunk
from topics.record import Partition, Position

STALL_SECONDS = 30.0
_POLL_MS = 500
CHUNK_RECORDS = 500


class KafkaReader:
    """See `topics.reading.Reader`. Use `kafka_reader` to make one."""

    def __init__(self, consumer: Any, chunk_records: int) -> None:
        self._consumer = consumer
        self._chunk_records = chunk_records

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                found = await self._consumer.end_offsets([TopicPartition(p.topic, p.number) for p in partitions])
        except TimeoutError as error:
            raise LogUnavailable(f"the ends of the partitions were not told in {STALL_SECONDS:.0f} seconds") from error
        except KafkaError as error:
            raise log_error(error, "reading the ends of the partitions") from error
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
        try:
            async with asyncio.timeout(STALL_SECONDS):
                while True:
                    found = await self._consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=self._chunk_records)
                    # A stretch of nothing but transaction markers brings no record and still moves the position.
                    reached = await self._consumer.position(partition)
                    if reached > at:
                        return found.get(partition, ()), int(reached)
        except TimeoutError as error:
            sentence = f"{partition.topic}/{partition.partition} gave nothing for {STALL_SECONDS:.0f} seconds at offset {at}"
            raise LogUnavailable(sentence) from error
        except KafkaError as error:
            raise log_error(error, f"reading {partition.topic}") from error


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
        async with asyncio.timeout(STALL_SECONDS):
            await consumer.start()
        yield KafkaReader(consumer, chunk_records)
    except TimeoutError as error:
        raise LogUnavailable(f"no broker answered in {STALL_SECONDS:.0f} seconds") from error
    except KafkaConnectionError as error:
        raise await why_unreachable(connection) from error
    except KafkaError as error:
        raise log_error(error, "connecting") from error
    finally:
        await consumer.stop()
