"""A lane's transactional producer on aiokafka."""

import asyncio
import logging
import zlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from topics.connection import Connection, client_options
from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.kafka.faults import TOO_LARGE, log_error, why_unreachable, writer_error
from topics.kafka.packing import Packet, pack
from topics.kafka.reaper import Reaper, close_producer, retrieve, silence
from topics.kafka.settings import WriterSettings
from topics.kafka.strays import Strays
from topics.record import Committed, Outgoing

_log = logging.getLogger(__name__)


class BatchLimit:
    """The size in bytes a batch is filled to, shared by all writers of a log: it shrinks when the broker refuses a batch.

    A topic's max.message.bytes may be smaller than our batches although each record in them fits.
    """

    def __init__(self, size_bytes: int) -> None:
        self.bytes = size_bytes

    def shrink(self, topic: str) -> None:
        self.bytes = max(1, self.bytes // 2)
        _log.warning("topic %s refuses batches of our size: they are now filled to %d bytes", topic, self.bytes)


class KafkaWriter:
    """See `topics.log.Writer`."""

    def __init__(
        self,
        connection: Connection,
        settings: WriterSettings,
        batch_limit: BatchLimit,
        reaper: Reaper,
        *,
        transactional_id: str,
        group: str,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._batch_limit = batch_limit
        self._reaper = reaper
        self._transactional_id = transactional_id
        self._group = group
        self._producer: AIOKafkaProducer | None = None
        self._strays: Strays | None = None
        # Lanes start at different partitions, so records without a key spread also when bursts are few.
        self._keyless = zlib.crc32(transactional_id.encode())

    async def open(self) -> None:
        producer = self._producer = self._new_producer()
        self._strays = Strays(producer)
        try:
            async with asyncio.timeout(self._settings.open_seconds):
                await producer.start()
        except TimeoutError as error:
            self.discard()
            raise LogUnavailable(f"no producer id for {self._transactional_id} in time") from error
        except KafkaConnectionError as error:
            self.discard()
            raise await why_unreachable(self._connection) from error
        except Exception as error:
            self.discard()
            raise log_error(error, f"opening the writer {self._transactional_id}") from error

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        producer, strays = self._producer, self._strays
        if producer is None or strays is None:
            raise WriterLost("the writer is not open")
        try:
            async with asyncio.timeout(self._settings.commit_seconds):
                packets = await self._pack(producer, outgoing)
                await producer.begin_transaction()
                await self._send(producer, packets)
                await producer.send_offsets_to_transaction(_offsets(committed), self._group)
                await producer.commit_transaction()
        except (RecordTooLarge, WriterLost, WriterFenced):
            raise
        except Exception as error:
            raise writer_error(error) from error
        if strays.seen:
            raise WriterLost("a request of the transaction was sent twice: the first one may still arrive")

    def discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            silence(producer)
            self._reaper.take(close_producer(producer))

    def _new_producer(self) -> AIOKafkaProducer:
        settings = self._settings
        return AIOKafkaProducer(
            **client_options(self._connection),
            transactional_id=self._transactional_id,
            acks="all",
            compression_type=settings.compression,
            max_batch_size=self._batch_limit.bytes,
            max_request_size=settings.max_record_bytes,
            transaction_timeout_ms=int(settings.transaction_seconds * 1000),
            request_timeout_ms=int(settings.request_seconds * 1000),
            retry_backoff_ms=20,
            metadata_max_age_ms=30_000,
        )

    async def _pack(self, producer: AIOKafkaProducer, outgoing: Sequence[Outgoing]) -> Sequence[Packet]:
        topics = {record.topic for record in outgoing}
        partitions = {topic: len(await producer.partitions_for(topic)) for topic in topics}
        self._keyless += 1
        return pack(
            outgoing,
            partitions,
            self._keyless,
            new_batch=producer.create_batch,
            max_bytes=self._settings.max_record_bytes,
        )

    async def _send(self, producer: AIOKafkaProducer, packets: Sequence[Packet]) -> None:
        """Send every packet and wait for every acknowledgement: commit_transaction would not notice a missing one."""
        sent: list[asyncio.Future[Any]] = []
        for packet in packets:
            packet.batch.close()
            future = await producer.send_batch(packet.batch, packet.topic, partition=packet.partition)
            future.add_done_callback(retrieve)
            sent.append(future)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        for packet, answer in zip(packets, answers, strict=True):
            if isinstance(answer, TOO_LARGE):
                raise self._too_large(packet)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    def _too_large(self, packet: Packet) -> RecordTooLarge | WriterLost:
        if packet.records == 1:
            return RecordTooLarge(packet.largest, packet.largest_bytes)
        self._batch_limit.shrink(packet.topic)
        return WriterLost(f"topic {packet.topic} refuses a batch of {packet.records} records as too large")


def _offsets(committed: Committed) -> dict[TopicPartition, OffsetAndMetadata]:
    position = committed.position
    partition = TopicPartition(position.partition.topic, position.partition.number)
    return {partition: OffsetAndMetadata(position.offset, committed.metadata)}
