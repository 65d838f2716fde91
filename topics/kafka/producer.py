"""A log's producers on aiokafka: one for each transactional id, and one without for everybody who needs no transaction."""

import asyncio
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from topics.connection import Connection, client_options
from topics.errors import LogUnavailable, RecordTooLarge, WriterLost
from topics.kafka.faults import TOO_LARGE, log_error, why_unreachable
from topics.kafka.fresh import keep_fresh
from topics.kafka.packing import Packet, pack
from topics.kafka.reaper import Reaper, close_producer, retrieve, silence
from topics.kafka.settings import WriterSettings
from topics.record import Outgoing

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class BatchLimit:
    """The size in bytes a batch is filled to, shared by all producers of a log: it shrinks when the broker refuses a batch.

    A topic's max.message.bytes may be smaller than our batches although each record in them fits.
    """

    bytes: int

    def shrink(self, topic: str) -> None:
        self.bytes = max(1, self.bytes // 2)
        _log.warning("topic %s refuses batches of our size: they are now filled to %d bytes", topic, self.bytes)


class Producer:
    """An idempotent producer that waits for every in-sync replica. With a transactional id it begins by fencing."""

    def __init__(
        self,
        connection: Connection,
        settings: WriterSettings,
        batch_limit: BatchLimit,
        reaper: Reaper,
        transactional_id: str | None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._batch_limit = batch_limit
        self._reaper = reaper
        self._name = transactional_id or "of events"
        # Lanes start at different partitions, so records without a key spread also when bursts are few.
        self._keyless = zlib.crc32(self._name.encode())
        self.aiokafka = AIOKafkaProducer(
            **client_options(connection),
            transactional_id=transactional_id,
            enable_idempotence=True,
            acks="all",
            compression_type=settings.compression,
            max_batch_size=batch_limit.bytes,
            max_request_size=settings.max_record_bytes,
            transaction_timeout_ms=int(settings.transaction_seconds * 1000),
            request_timeout_ms=int(settings.request_seconds * 1000),
            retry_backoff_ms=20,
            metadata_max_age_ms=30_000,
        )
        keep_fresh(self.aiokafka.client, connection)

    async def start(self) -> None:
        """Get a producer id. Raises LogUnavailable or LogRefused; then the producer is discarded."""
        try:
            async with asyncio.timeout(self._settings.open_seconds):
                await self.aiokafka.start()
        except TimeoutError as error:
            self.discard()
            raise LogUnavailable(f"no producer id for {self._name} in time") from error
        except KafkaConnectionError as error:
            self.discard()
            raise await why_unreachable(self._connection) from error
        except Exception as error:
            self.discard()
            raise log_error(error, f"opening the writer {self._name}") from error
        except BaseException:  # cancelled: whoever wanted it has gone
            self.discard()
            raise

    async def pack(self, outgoing: Sequence[Outgoing]) -> Sequence[Packet]:
        """Pack the records; nothing is sent. Raises RecordTooLarge."""
        topics = {record.topic for record in outgoing}
        partitions = {topic: len(await self.aiokafka.partitions_for(topic)) for topic in topics}
        self._keyless += 1
        return pack(
            outgoing,
            partitions,
            self._keyless,
            new_batch=self.aiokafka.create_batch,
            max_bytes=self._settings.max_record_bytes,
        )

    async def send(self, packets: Sequence[Packet]) -> None:
        """Send every packet and wait for every acknowledgement: commit_transaction would not notice a missing one.

        Raises RecordTooLarge, WriterLost, and whatever aiokafka raises.
        """
        sent: list[asyncio.Future[Any]] = []
        for packet in packets:
            packet.batch.close()
            future = await self.aiokafka.send_batch(packet.batch, packet.topic, partition=packet.partition)
            future.add_done_callback(retrieve)
            sent.append(future)
        answers = await asyncio.gather(*sent, return_exceptions=True)
        for packet, answer in zip(packets, answers, strict=True):
            if isinstance(answer, TOO_LARGE):
                raise self._too_large(packet)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    def discard(self) -> None:
        """Begin no further request from now on; the rest is closed in the background."""
        silence(self.aiokafka)
        self._reaper.take(close_producer(self.aiokafka))

    def _too_large(self, packet: Packet) -> RecordTooLarge | WriterLost:
        if packet.records == 1:
            return RecordTooLarge(packet.largest, packet.largest_bytes)
        self._batch_limit.shrink(packet.topic)
        return WriterLost(f"topic {packet.topic} refuses a batch of {packet.records} records as too large")


class Producers:
    """Makes the producers of a log."""

    def __init__(self, connection: Connection, settings: WriterSettings, reaper: Reaper) -> None:
        self.settings = settings
        self._connection = connection
        self._reaper = reaper
        self._batch_limit = BatchLimit(settings.batch_bytes)
        self._shared: Producer | None = None
        self._starting = asyncio.Lock()

    async def transactional(self, transactional_id: str) -> Producer:
        """Return a started producer of this id, which fences every earlier one. Raises LogUnavailable or LogRefused."""
        return await self._started(transactional_id)

    async def shared(self) -> Producer:
        """Return the one producer without a transactional id, started when needed. Raises LogUnavailable or LogRefused."""
        async with self._starting:
            if self._shared is None:
                self._shared = await self._started(None)
            return self._shared

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """See `topics.log.Log.publish`."""
        producer = await self.shared()
        try:
            async with asyncio.timeout(self.settings.commit_seconds):
                await producer.send(await producer.pack(outgoing))
        except BaseException as error:  # also when cancelled: what is left in it may not follow what is published later
            self.drop(producer)
            if isinstance(error, RecordTooLarge) or not isinstance(error, Exception):
                raise
            raise log_error(error, "publishing") from error

    def drop(self, producer: Producer) -> None:
        """Let go of the shared producer after an error: whoever asks next gets a new one."""
        if self._shared is producer:
            self._shared = None
            producer.discard()

    def close(self) -> None:
        if self._shared is not None:
            self.drop(self._shared)

    async def _started(self, transactional_id: str | None) -> Producer:
        producer = Producer(self._connection, self.settings, self._batch_limit, self._reaper, transactional_id)
        await producer.start()
        return producer
