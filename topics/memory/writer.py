"""A transactional writer in memory."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from topics.errors import LogUnavailable, RecordTooLarge, WriterFenced, WriterLost
from topics.record import Committed, Outgoing

if TYPE_CHECKING:
    from topics.memory.cluster import MemoryCluster

ANSWER_SECONDS = 15.0
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
        cluster = self._cluster
        await asyncio.sleep(cluster.delays.request())
        if cluster.down:
            raise LogUnavailable("the cluster is down")
        if not await cluster.changes.wait_for(self._fence, ANSWER_SECONDS):
            raise LogUnavailable(f"the last transaction of {self._id} is not decided")

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        check_sizes(outgoing, self._cluster.max_record_bytes)
        epoch, self._epoch = self._epoch, None  # after any error this writer is good for nothing
        if epoch is None:
            raise WriterLost("the writer is not open")
        self._keyless += 1
        half = (len(outgoing) + 1) // 2
        for records in (outgoing[:half], outgoing[half:]):  # to several brokers: the end of a transaction may come between
            if records:
                await self._request(epoch)
                self._send(records)
        await self._request(epoch)
        self._cluster.transactions.add_offset(self._id, self._group, committed)
        await self._request(epoch)
        self._end(epoch)
        self._epoch = epoch

    def discard(self) -> None:
        self._epoch = None

    def _fence(self) -> bool:
        self._epoch = self._cluster.transactions.fence(self._id)
        return self._epoch is not None

    async def _request(self, epoch: int) -> None:
        """Return when a request has arrived and the coordinator takes it."""
        cluster, transactions = self._cluster, self._cluster.transactions
        await asyncio.sleep(cluster.delays.request())
        self._check(epoch)
        if transactions.deciding(self._id):
            if not await cluster.changes.wait_for(lambda: not transactions.deciding(self._id), ANSWER_SECONDS):
                raise WriterLost(f"the last transaction of {self._id} is not decided")
            self._check(epoch)

    def _check(self, epoch: int) -> None:
        if self._cluster.down:
            raise WriterLost("the cluster is down")
        if self._cluster.transactions.is_fenced(self._id, epoch):
            raise WriterFenced(f"another writer of {self._id} has taken over")

    def _send(self, outgoing: Sequence[Outgoing]) -> None:
        check_topics(outgoing, self._cluster)
        transaction = self._cluster.transactions.join(self._id)
        for record in outgoing:
            self._cluster.append(record, self._keyless, transaction)

    def _end(self, epoch: int) -> None:
        """Send the EndTxn. Raises WriterLost when its answer is lost, wherever the request itself went."""
        transactions, lost = self._cluster.transactions, self._cluster.take_loss()
        if lost is None or lost.applied:
            transactions.commit(self._id, epoch)
        if lost is not None:
            if lost.late_seconds is not None:
                asyncio.get_running_loop().call_later(lost.late_seconds, transactions.commit, self._id, epoch)
            raise WriterLost("the answer was lost")


def check_sizes(outgoing: Sequence[Outgoing], max_record_bytes: int) -> None:
    """Raise RecordTooLarge for the first record above the limit."""
    for index, record in enumerate(outgoing):
        if (size := size_bytes(record)) > max_record_bytes:
            raise RecordTooLarge(index, size)


def check_topics(outgoing: Sequence[Outgoing], cluster: "MemoryCluster") -> None:
    """Raise WriterLost for the first record whose topic does not exist."""
    for record in outgoing:
        if not cluster.partitions(record.topic):
            raise WriterLost(f"topic {record.topic} does not exist")


def size_bytes(record: Outgoing) -> int:
    """Return about what the record takes in a Kafka batch of its own, not compressed."""
    headers = sum(len(name) + len(value) + _HEADER_OVERHEAD_BYTES for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _RECORD_OVERHEAD_BYTES
