"""A reader of a cluster in memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable
from topics.reading import Chunk
from topics.record import Partition, Position

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster


class MemoryReader:
    """See `topics.reading.Reader`. Gives at most so many records in a chunk."""

    def __init__(self, cluster: "MemoryCluster", chunk_records: int = 500) -> None:
        self._cluster = cluster
        self._chunk_records = chunk_records

    async def ends(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        self._reach()
        return {p: self._cluster.partition_log(p).last_stable for p in partitions}

    async def read(self, start: Position, end: int) -> AsyncIterator[Chunk]:
        at = start.offset
        while at < end:
            self._reach()
            records, reached = self._cluster.partition_log(start.partition).read(at, self._chunk_records)
            if reached <= at:
                raise LogUnavailable(f"{start.partition} gives nothing at offset {at}")
            yield Chunk(at, min(reached, end), [record for record in records if record.offset < end])
            at = reached

    def _reach(self) -> None:
        if self._cluster.down:
            raise LogUnavailable("the cluster is down")
