"""A lane's transactional writer on aiokafka."""

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from topics.errors import RecordTooLarge, WriterFenced, WriterLost
from topics.kafka.faults import writer_error
from topics.kafka.producer import Producer, Producers
from topics.kafka.strays import Strays
from topics.record import Committed, Outgoing


class KafkaWriter:
    """See `topics.log.Writer`: exactly once."""

    def __init__(self, producers: Producers, *, transactional_id: str, group: str) -> None:
        self._producers = producers
        self._transactional_id = transactional_id
        self._group = group
        self._producer: Producer | None = None
        self._strays: Strays | None = None

    async def open(self) -> None:
        self._producer = await self._producers.transactional(self._transactional_id)
        self._strays = Strays(self._producer.aiokafka)

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        producer, strays = self._producer, self._strays
        if producer is None or strays is None:
            raise WriterLost("the writer is not open")
        try:
            async with asyncio.timeout(self._producers.settings.commit_seconds):
                packets = await producer.pack(outgoing)
                await producer.aiokafka.begin_transaction()
                await producer.send(packets)
                await producer.aiokafka.send_offsets_to_transaction(_offsets(committed), self._group)
                await producer.aiokafka.commit_transaction()
        except (RecordTooLarge, WriterLost, WriterFenced):
            raise
        except Exception as error:
            raise writer_error(error) from error
        if strays.seen:
            raise WriterLost("a request of the transaction was sent twice: the first one may still arrive")

    def discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.discard()


def _offsets(committed: Committed) -> dict[TopicPartition, OffsetAndMetadata]:
    position = committed.position
    partition = TopicPartition(position.partition.topic, position.partition.number)
    return {partition: OffsetAndMetadata(position.offset, committed.metadata)}
