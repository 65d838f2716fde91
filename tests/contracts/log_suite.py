"""What the contract suite of the log needs of each implementation, and small helpers."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest

from topics.connection import Connection
from topics.kafka import IntakeTimings, KafkaLog
from topics.kafka.intake import records_of
from topics.log import Intake, Log
from topics.memory import MemoryCluster
from topics.record import Committed, Headers, Outgoing, Partition, Position, Record

QUICK = IntakeTimings(session=6, heartbeat=0.3, revoke=4, rebalance=5, request=10, start=20, metadata_max_age=1)


class Bench(Protocol):
    """One cluster under test. `log` stands for one process, `other_log` for another."""

    log: Log
    other_log: Log

    async def create(self, partitions: int) -> str:
        """Create a topic with a new name."""

    async def grow(self, topic: str, partitions: int) -> None: ...

    async def produce(
        self,
        partition: Partition,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = 1,
    ) -> None: ...

    async def read(self, topic: str) -> Sequence[Record]:
        """Return all that a read_committed reader sees."""

    async def trim(self, partition: Partition, before_offset: int) -> None: ...

    async def abandon_transaction(self, transactional_id: str, group: str, record: Outgoing, committed: Committed) -> None:
        """Write a record and an offset in a transaction, and never end it."""

    async def expel(self, intake: Intake, group: str) -> None:
        """Make the group forget a member that does not know it."""

    async def close(self) -> None: ...


class MemoryBench:
    def __init__(self) -> None:
        self.cluster = MemoryCluster(max_record_bytes=1024 * 1024)
        self.log = self.cluster.log()
        self.other_log = self.cluster.log()

    async def create(self, partitions: int) -> str:
        topic = new_name()
        self.cluster.create(topic, partitions)
        return topic

    async def grow(self, topic: str, partitions: int) -> None:
        self.cluster.create(topic, partitions)

    async def produce(self, partition, value, *, key=None, headers=(), timestamp_ms=1):
        self.cluster.produce(partition.topic, key, value, headers, partition=partition.number, timestamp_ms=timestamp_ms)

    async def read(self, topic: str) -> Sequence[Record]:
        return self.cluster.read(topic)

    async def trim(self, partition: Partition, before_offset: int) -> None:
        self.cluster.trim(partition, before_offset)

    async def abandon_transaction(self, transactional_id, group, record, committed):
        writer = self.log.writer(transactional_id, group)
        await writer.open()
        self.cluster.lose_next_commit(applied=False)
        with contextlib.suppress(Exception):
            await writer.commit([record], committed)

    async def expel(self, intake, group):
        self.cluster.expel(intake)

    async def close(self) -> None:
        await self.log.close()
        await self.other_log.close()


class KafkaBench:
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.log = KafkaLog(Connection(bootstrap), timings=QUICK)
        self.other_log = KafkaLog(Connection(bootstrap), timings=QUICK)

    async def create(self, partitions: int) -> str:
        topic = new_name()
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(topic, partitions, 1)])
        await self._wait_for(topic, partitions)
        return topic

    async def grow(self, topic: str, partitions: int) -> None:
        from aiokafka.admin import NewPartitions  # noqa: PLC0415  # used once

        async with self._admin() as admin:
            await admin.create_partitions({topic: NewPartitions(partitions)})
        await self._wait_for(topic, partitions)

    async def produce(self, partition, value, *, key=None, headers=(), timestamp_ms=1):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await producer.start()
        try:
            # By batch, since `send` refuses a record without key and value.
            batch = producer.create_batch()
            batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers))
            await (await producer.send_batch(batch, partition.topic, partition=partition.number))
        finally:
            await producer.stop()

    async def read(self, topic: str) -> Sequence[Record]:
        reader = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, isolation_level="read_committed")
        await reader.start()
        try:
            partitions = [TopicPartition(topic, p.number) for p in await self.log.partitions(topic)]
            reader.assign(partitions)
            await reader.seek_to_beginning()
            ends = await reader.end_offsets(partitions)
            records: dict[TopicPartition, list[Record]] = {partition: [] for partition in partitions}
            deadline = time.monotonic() + 10
            while any([await reader.position(p) < ends[p] for p in partitions]):
                assert time.monotonic() < deadline, f"cannot read {topic} to its end"
                for partition, batch in (await reader.getmany(timeout_ms=100)).items():
                    records[partition] += records_of(partition, batch)
            return [record for partition in partitions for record in records[partition]]
        finally:
            await reader.stop()

    async def trim(self, partition: Partition, before_offset: int) -> None:
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(partition.topic, partition.number): RecordsToDelete(before_offset)})

    async def abandon_transaction(self, transactional_id, group, record, committed):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=transactional_id)
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(record.topic, record.value, record.key)
        place = committed.position.partition
        await producer.send_offsets_to_transaction(
            {TopicPartition(place.topic, place.number): (committed.position.offset, committed.metadata)}, group
        )
        # Killed: the connections go, the transaction stays open.
        producer._sender.sender_task.cancel()
        await producer.client.close()
        producer._closed = True

    async def expel(self, intake, group):
        coordinator = intake._consumer._coordinator
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap)
        await client.bootstrap()
        response = await client.send(coordinator.coordinator_id, LeaveGroupRequest(group, coordinator.member_id))
        assert response.error_code == 0
        await client.close()

    async def close(self) -> None:
        await asyncio.gather(self.log.close(), self.other_log.close())

    @contextlib.asynccontextmanager
    async def _admin(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    async def _wait_for(self, topic: str, partitions: int) -> None:
        deadline = time.monotonic() + 10
        while len(await self.log.partitions(topic)) < partitions:
            assert time.monotonic() < deadline, f"{topic} does not come up"
            await asyncio.sleep(0.02)
        # A partition without a leader yet is not there for its users.
        for number in range(partitions):
            await self.log.earliest(Partition(topic, number))


@dataclass
class Member:
    """An assignment listener that writes down what it is told."""

    intake: Intake
    owned: frozenset[Partition] = frozenset()
    told: list[tuple[str, frozenset[Partition]]] = field(default_factory=list)
    stopped: bool = False

    async def revoked(self, partitions: Collection[Partition]) -> None:
        self.told.append(("revoked", frozenset(partitions)))
        self.owned = frozenset()

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.told.append(("assigned", frozenset(partitions)))
        self.owned = frozenset(partitions)

    async def take(self, count: int, wanted: Collection[Partition] | None = None, seconds: float = 10) -> list[Record]:
        """Poll until so many records came."""
        records: list[Record] = []
        deadline = time.monotonic() + seconds
        while len(records) < count:
            assert time.monotonic() < deadline, f"only {len(records)} of {count} records came"
            records += await self.intake.poll(wanted or self.owned, 1000, 0.1)
        return records

    async def poll_for(self, seconds: float, wanted: Collection[Partition] | None = None) -> list[Record]:
        """Return what comes in this time."""
        records: list[Record] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            records += await self.intake.poll(self.owned if wanted is None else wanted, 1000, 0.05)
        return records

    async def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            await self.intake.stop()


def new_name() -> str:
    return f"contract-{uuid.uuid4().hex[:12]}"


def seek_all(member: Member, offset: int = 0) -> None:
    for partition in member.owned:
        member.intake.seek(Position.restored(partition, offset))


async def until_owned(count: int, *members: Member) -> None:
    """Poll all members until they own so many partitions between them."""

    async def settled() -> bool:
        await asyncio.gather(*(member.intake.poll((), 1, 0.02) for member in members))
        return sum(len(member.owned) for member in members) == count and all(member.owned for member in members)

    deadline = time.monotonic() + 20
    while not await settled():
        assert time.monotonic() < deadline, f"the group did not settle: {[member.told for member in members]}"


def at(partition, offset, metadata=""):
    return Committed(Position.restored(partition, offset), metadata)


def values(records):
    return [record.value for record in records]
