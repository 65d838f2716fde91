"""The log on Kafka: makes intakes and writers, and answers about offsets."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from topics.connection import Connection
from topics.kafka.intake import KafkaIntake, Member
from topics.kafka.producer import Producers
from topics.kafka.questions import Questions
from topics.kafka.reader import KafkaReader, kafka_reader
from topics.kafka.reaper import Reaper
from topics.kafka.settings import IntakeTimings, WriterSettings, quiet_aiokafka
from topics.kafka.writer import KafkaWriter
from topics.record import Committed, Outgoing, Partition, Position

CLOSE_SECONDS = 10.0


class KafkaLog:
    """See `topics.log.Log`. `instance_id` makes the membership static (KIP-345): one per process, never shared."""

    def __init__(
        self,
        connection: Connection,
        *,
        timings: IntakeTimings | None = None,
        writers: WriterSettings | None = None,
        instance_id: str | None = None,
    ) -> None:
        quiet_aiokafka()
        self._connection = connection
        self._timings = timings or IntakeTimings()
        self._instance_id = instance_id
        self._reaper = Reaper()
        self._producers = Producers(connection, writers or WriterSettings(), self._reaper)
        # Its own producer: a failure here must not cost the lanes theirs.
        self._publishing = Producers(connection, writers or WriterSettings(), self._reaper)
        self._questions = Questions(connection, self._reaper)

    def intake(self, group: str) -> KafkaIntake:
        member = Member(group, self._instance_id)
        return KafkaIntake(self._connection, self._timings, self._questions, self._reaper, self._producers, member)

    def writer(self, transactional_id: str, group: str) -> KafkaWriter:
        return KafkaWriter(self._producers, transactional_id=transactional_id, group=group)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        await self._publishing.publish(records)

    def reader(self) -> AbstractAsyncContextManager[KafkaReader]:
        return kafka_reader(self._connection)

    async def committed(self, group: str, partition: Partition) -> Committed | None:
        return await self._questions.committed(group, partition)

    async def earliest(self, partition: Partition) -> Position:
        return await self._questions.earliest(partition)

    async def partitions(self, topic: str) -> Sequence[Partition]:
        return await self._questions.partitions(topic)

    async def cluster_id(self) -> str:
        return await self._questions.cluster_id()

    async def metadata_version(self) -> int | None:
        return await self._questions.metadata_version()

    async def close(self) -> None:
        self._producers.close()
        self._publishing.close()
        self._reaper.take(self._questions.close())
        await self._reaper.finish(CLOSE_SECONDS)
