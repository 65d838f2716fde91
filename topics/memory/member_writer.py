"""A writer without transactions in memory."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable, WriterFenced, WriterLost
from topics.memory.writer import check_sizes, check_topics
from topics.record import Committed, Outgoing

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster
    from topics.memory.intake import MemoryIntake


class MemoryMemberWriter:
    """See `topics.log.Writer`: at least once. Its member may be a zombie and not know it until a commit is refused."""

    def __init__(self, cluster: "MemoryCluster", group: str, member: "MemoryIntake") -> None:
        self._cluster = cluster
        self._group = group
        self._member = member
        self._generation: int | None = None
        self._keyless = 0

    async def open(self) -> None:
        await asyncio.sleep(self._cluster.delays.request())
        if self._cluster.down:
            raise LogUnavailable("the cluster is down")
        if self._member.generation is None:
            raise LogUnavailable("we are no member of the group now")
        self._generation = self._member.generation

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        generation, self._generation = self._generation, None  # after any error this writer is good for nothing
        if generation is None:
            raise WriterLost("the writer is not open")
        if self._member.generation != generation:
            raise WriterFenced("the group has moved on since the writer was opened")
        check_sizes(outgoing, self._cluster.max_record_bytes)
        self._keyless += 1
        half = (len(outgoing) + 1) // 2
        for records in (outgoing[:half], outgoing[half:]):
            if records:
                await self._request()
                self._publish(records)
        await self._request()
        self._end(generation, committed)
        self._generation = generation

    def discard(self) -> None:
        self._generation = None

    async def _request(self) -> None:
        """Return when a request has arrived."""
        await asyncio.sleep(self._cluster.delays.request())
        if self._cluster.down:
            raise WriterLost("the cluster is down")

    def _publish(self, records: Sequence[Outgoing]) -> None:
        check_topics(records, self._cluster)
        for record in records:
            self._cluster.append(record, self._keyless, None)
        self._cluster.changes.tell()

    def _end(self, generation: int, committed: Committed) -> None:
        """Send the OffsetCommit. Raises WriterLost when its answer is lost, wherever the request itself went."""
        if not self._seated(generation):
            if self._member.generation == generation:
                self._member.generation = None
            raise WriterFenced(f"group {self._group} has given {committed.position.partition} to another member")
        lost = self._cluster.take_loss()
        if lost is None or lost.applied:
            self._take(generation, committed)
        if lost is not None:
            if lost.late_seconds is not None:
                asyncio.get_running_loop().call_later(lost.late_seconds, self._take, generation, committed)
            raise WriterLost("the answer was lost")

    def _take(self, generation: int, committed: Committed) -> None:
        if self._seated(generation):
            self._cluster.transactions.commit_offset(self._group, committed)

    def _seated(self, generation: int) -> bool:
        group = self._cluster.group(self._group)
        return self._member in group and group.generation == generation
