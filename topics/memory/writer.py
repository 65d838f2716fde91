"""A transactional writer in memory."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.memory.partition import Fate
from topics.partitioner import partition_of
from topics.record import Committed, Outgoing

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster

_RECORD_OVERHEAD_BYTES = 82
_HEADER_OVERHEAD_BYTES = 2


class MemoryWriter:
    """See `topics.log.Writer`."""

    def __init__(self, cluster: "MemoryCluster", transactional_id: str, group: str) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._group = group
        self._epoch: int | None = None
        self._keyless = zlib.crc32(transactional_id.encode())

    async def open(self) -> None:
        await asyncio.sleep(0)
        if self._cluster.down:
            raise LogUnavailable("the cluster is down")
        self._epoch = self._cluster.transactions.fence(self._id)
        self._cluster.changes.tell()

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        for index, record in enumerate(outgoing):
            if (size := size_bytes(record)) > self._cluster.max_record_bytes:
                raise RecordTooLarge(index, size)
        epoch, self._epoch = self._epoch, None  # after any error this writer is good for nothing
        if epoch is None:
            raise WriterLost("the writer is not open")
        self._check(epoch)
        self._send(outgoing, committed)
        await asyncio.sleep(0)  # a successor may fence us between the records and the end
        self._check(epoch)
        loss = self._cluster.take_loss()
        if loss is None or loss:
            self._cluster.transactions.settle(self._id, Fate.COMMITTED)
            self._cluster.changes.tell()
        if loss is not None:
            raise WriterLost("the answer was lost")
        self._epoch = epoch

    def discard(self) -> None:
        self._epoch = None

    def _check(self, epoch: int) -> None:
        if self._cluster.down:
            raise WriterLost("the cluster is down")
        if self._cluster.transactions.is_fenced(self._id, epoch):
            raise WriterFenced(f"another writer of {self._id} has taken over")

    def _send(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        for record in outgoing:
            if not self._cluster.partitions(record.topic):
                raise WriterLost(f"topic {record.topic} does not exist")
        transaction = self._cluster.transactions.begin(self._id, self._group, committed)
        self._keyless += 1
        for record in outgoing:
            partitions = self._cluster.partitions(record.topic)
            number = partition_of(record.key, len(partitions), self._keyless)
            log = self._cluster.partition_log(partitions[number])
            log.append(record.key, record.value, record.headers, self._cluster.now_ms(), transaction)


def size_bytes(record: Outgoing) -> int:
    """Return about what the record takes in a Kafka batch of its own, not compressed."""
    headers = sum(len(name) + len(value) + _HEADER_OVERHEAD_BYTES for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _RECORD_OVERHEAD_BYTES
