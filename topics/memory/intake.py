"""A membership of a group in memory."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable, missing_topic
from topics.log import AssignmentListener
from topics.memory.member_writer import MemoryMemberWriter
from topics.record import Partition, Position, Record

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster

_log = logging.getLogger(__name__)

REVOKE_SECONDS = 10.0


class MemoryIntake:
    """See `topics.log.Intake`; also a `Member` of its group."""

    def __init__(self, cluster: "MemoryCluster", group: str) -> None:
        self._cluster = cluster
        self._group_name = group
        self._group = cluster.group(group)
        self.generation: int | None = None  # as far as this member knows
        self._listener: AssignmentListener | None = None
        self._topics: Collection[str] = ()
        self._ours: frozenset[Partition] = frozenset()
        self._offsets: dict[Partition, int] = {}

    async def start(self, topics: Collection[str], listener: AssignmentListener) -> None:
        if self._cluster.down:
            raise LogUnavailable("the cluster is down")
        for topic in topics:
            if not self._cluster.partitions(topic):
                raise missing_topic(topic)
        self._listener, self._topics = listener, frozenset(topics)
        await self._group.join(self, self._topics)

    async def poll(self, wanted: Collection[Partition], max_records: int, wait_seconds: float) -> Sequence[Record]:
        # The broker may be slower than the caller: other tasks always get a turn, as with a socket.
        await asyncio.sleep(0)
        await self._cluster.changes.wait_for(lambda: self._any_readable(wanted), wait_seconds)
        records: list[Record] = []
        if self._cluster.down:
            return records
        for partition in wanted:
            if partition in self._offsets and len(records) < max_records:
                log = self._cluster.partition_log(partition)
                read, self._offsets[partition] = log.read(self._offsets[partition], max_records - len(records))
                records += read
        return records

    def seek(self, position: Position) -> None:
        if position.partition in self._ours:
            self._offsets[position.partition] = position.offset
            self._cluster.changes.tell()

    def reached(self, partition: Partition) -> Position | None:
        return Position.restored(partition, self._offsets[partition]) if partition in self._offsets else None

    def end_offset(self, partition: Partition) -> int | None:
        return self._cluster.partition_log(partition).end if partition in self._offsets else None

    def writer(self) -> MemoryMemberWriter:
        return MemoryMemberWriter(self._cluster, self._group_name, self)

    def partitions(self, topic: str) -> int:
        return len(self._cluster.partitions(topic))

    async def stop(self) -> None:
        self._listener = self.generation = None
        self._drop()
        self._group.leave(self)
        await asyncio.sleep(0)

    async def rejoin(self) -> None:
        """Come back after `MemoryCluster.expel`: give up what was believed to be owned, then get a share."""
        await self.revoke()
        await self._group.join(self, self._topics)

    async def revoke(self) -> Collection[Partition]:
        listener, had = self._listener, self._drop()
        if listener is not None and had:
            try:
                async with asyncio.timeout(REVOKE_SECONDS):
                    await listener.revoked(had)
            except Exception:  # noqa: BLE001  # as in Kafka, a listener that fails must not stop the group
                _log.exception("the listener failed to give up %d partitions", len(had))
        return had

    def assign(self, partitions: Collection[Partition]) -> None:
        if self._listener is not None:
            self._ours = frozenset(partitions)
            self.generation = self._group.generation
            self._listener.assigned(self._ours)

    def _drop(self) -> frozenset[Partition]:
        had, self._ours = self._ours, frozenset()
        self._offsets.clear()
        return had

    def _any_readable(self, wanted: Collection[Partition]) -> bool:
        if self._cluster.down:
            return False
        return any(self._cluster.partition_log(p).readable(self._offsets[p]) for p in wanted if p in self._offsets)
