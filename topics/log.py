"""The log as the worker sees it: what Kafka and the log in memory both promise (tests/contracts/test_log*.py).

Three parts: an `Intake` is this process's membership of a consumer group, a `Writer` is what one lane publishes and commits
with, `Log` makes both and answers questions about offsets. No method leaks an exception that is not in
`topics.errors`, and none waits for ever: each has a bound of its own below Kafka's request timeout.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from topics.reading import Reader
from topics.record import Committed, Outgoing, Partition, Position, Record


class AssignmentListener(Protocol):
    """Told of rebalances, in this order: everything is revoked, then what is ours is assigned (eager protocol)."""

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """Give the partitions up. Heartbeats go on, but the group waits: cancelled after a deadline below its timeout.

        Not called when there is nothing to give up.
        """

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Record the assignment and return at once: no heartbeat is sent while this runs."""


class Intake(Protocol):
    """One member of a consumer group. One task polls, for ever; a poll is never cancelled."""

    async def start(self, topics: Collection[str], listener: AssignmentListener) -> None:
        """Join the group. Raises LogUnavailable, or LogRefused for a missing topic or refused credentials."""

    async def poll(self, wanted: Collection[Partition], max_records: int, wait_seconds: float) -> Sequence[Record]:
        """Return records of the wanted partitions, each partition's in offset order, or nothing after the wait.

        Keeps the membership alive whatever is wanted, also when nothing is. A wanted partition that is no longer ours is
        ignored. A partition is not read from before `seek` was called for it in this assignment. Broker outages return
        nothing. Raises LogRefused when access is withdrawn, and LogUnavailable when the membership broke for good: then
        only a new intake helps.
        """

    def seek(self, position: Position) -> None:
        """Read the partition from here on. Ignored when the partition is no longer ours."""

    def reached(self, partition: Partition) -> Position | None:
        """Return up to where polls have returned every record of the partition, or None before it was sought.

        It lies beyond the last record's place where something follows that is no record: a transaction's marker, records
        of an aborted one, a gap that compaction left.
        """

    def end_offset(self, partition: Partition) -> int | None:
        """Return the last known end of the partition, or None before the first fetch; for lag."""

    def writer(self) -> "Writer":
        """Return a writer without transactions, for one lane of this member: at least once."""

    def partitions(self, topic: str) -> int:
        """Return the last known number of the topic's partitions; 0 while it is not known."""

    async def stop(self) -> None:
        """Leave the group; `revoked` is not called. Returns within ten seconds, also when no broker answers."""


class Writer(Protocol):
    """What one lane publishes and commits with. It is used by one task; after any error it is only good for `discard`.

    A log's writer is transactional; an intake's publishes at least once, in the name of the member it was opened for.
    """

    async def open(self) -> None:
        """Make ready to commit.

        A transactional writer fences every earlier one of its transactional id and settles the last transaction. A member's
        writer takes the member's present seat in the group, which has fenced whoever had the partition before. Raises
        LogUnavailable, also while we are no member, or LogRefused.
        """

    async def commit(self, outgoing: Sequence[Outgoing], committed: Committed) -> None:
        """Publish all the records and commit the position with its metadata.

        Transactional: returns when it is decided; a read_committed reader sees everything, or nothing of it until it does.
        Otherwise: the position is committed once every record is acknowledged. Raises RecordTooLarge, WriterFenced, or
        WriterLost for every other failure. After the first two nothing of a transaction will ever be visible; without
        transactions some records, or all, may be visible after any error.
        """

    def discard(self) -> None:
        """Let go of the producer; its closing is reaped in the background and cannot block or raise."""


class Log(Protocol):
    """A cluster."""

    def intake(self, group: str) -> Intake: ...

    def writer(self, transactional_id: str, group: str) -> Writer:
        """Return a transactional writer: exactly once."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        """Publish beside all transactions, and return when every record is acknowledged.

        After an error some may be there, and published again they may be there twice. Raises RecordTooLarge, LogUnavailable
        or LogRefused.
        """

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """Give a reader that joins no group. Entering raises LogUnavailable or LogRefused."""

    async def committed(self, group: str, partition: Partition) -> Committed | None:
        """Return the group's committed position, waiting for pending transactional offsets to be decided (KIP-447).

        Call it after `Writer.open`. Raises LogUnavailable or LogRefused.
        """

    async def earliest(self, partition: Partition) -> Position:
        """Return the first position still in the log. Raises LogUnavailable."""

    async def partitions(self, topic: str) -> Sequence[Partition]:
        """Return the topic's partitions in order, empty if it does not exist. Raises LogUnavailable or LogRefused."""

    async def cluster_id(self) -> str:
        """Return the cluster's id. Raises LogUnavailable or LogRefused."""

    async def metadata_version(self) -> int | None:
        """Return the cluster's feature level (KIP-584), None where it tells none. Raises LogUnavailable or LogRefused."""

    async def close(self) -> None:
        """Wait a bounded time for discarded writers and close every connection."""
