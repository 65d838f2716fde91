"""The `Log` of a cluster in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable, missing_topic
from topics.memory.intake import MemoryIntake
from topics.memory.reader import MemoryReader
from topics.memory.writer import MemoryWriter, check_sizes
from topics.record import Committed, Outgoing, Partition, Position

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster

ANSWER_SECONDS = 15.0


class MemoryLog:
    """See `topics.log.Log`. Several logs of one cluster stand for several processes."""

    def __init__(self, cluster: "MemoryCluster") -> None:
        self._cluster = cluster

    def intake(self, group: str) -> MemoryIntake:
        return MemoryIntake(self._cluster, group)

    def writer(self, transactional_id: str, group: str) -> MemoryWriter:
        return MemoryWriter(self._cluster, transactional_id, group)

    async def publish(self, records: Sequence[Outgoing]) -> None:
        await asyncio.sleep(self._cluster.delays.request())
        await self._reach()
        check_sizes(records, self._cluster.max_record_bytes)
        for topic in {record.topic for record in records}:
            if not self._cluster.partitions(topic):
                raise missing_topic(topic)
        for number, record in enumerate(records):
            self._cluster.append(record, number, None)
        self._cluster.changes.tell()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[MemoryReader]:
        await self._reach()
        yield MemoryReader(self._cluster)

    async def committed(self, group: str, partition: Partition) -> Committed | None:
        await self._reach()
        transactions = self._cluster.transactions
        if not await self._cluster.changes.wait_for(lambda: not transactions.pending(group, partition), ANSWER_SECONDS):
            raise LogUnavailable(f"a transaction with the offset of {partition} is not decided")
        return transactions.committed(group, partition)

    async def earliest(self, partition: Partition) -> Position:
        await self._reach()
        return Position.restored(partition, self._cluster.partition_log(partition).earliest)

    async def partitions(self, topic: str) -> Sequence[Partition]:
        await self._reach()
        return self._cluster.partitions(topic)

    async def cluster_id(self) -> str:
        await self._reach()
        return self._cluster.name

    async def metadata_version(self) -> int | None:
        await self._reach()
        return None

    async def close(self) -> None:
        """Nothing is held open."""

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self._cluster.down:
            raise LogUnavailable("the cluster is down")
