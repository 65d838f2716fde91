"""What a member holds between two rebalances, and the translation of aiokafka's rebalance callbacks."""

import asyncio
import logging
from collections.abc import Collection, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from topics.errors import LogRefused
from topics.kafka.static_member import StaticMember
from topics.log import AssignmentListener
from topics.record import Partition, Position, Record

_log = logging.getLogger(__name__)


class Assignment:
    """The partitions that are ours now, those of them that were sought, and records fetched but not yet taken."""

    def __init__(self) -> None:
        self.closed = False
        self.refused: LogRefused | None = None  # why there will never be another
        self._ours: frozenset[Partition] = frozenset()
        self._sought: dict[Partition, Position] = {}  # and up to where it was fetched
        self._held: dict[Partition, list[Record]] = {}

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._ours

    def replace(self, partitions: Collection[Partition]) -> frozenset[Partition]:
        """Begin another assignment, in which nothing is sought; return the partitions of the last."""
        previous, self._ours = self._ours, frozenset(partitions)
        self._sought.clear()
        self._held.clear()
        return previous

    def sought(self, position: Position) -> None:
        self._held.pop(position.partition, None)
        self._sought[position.partition] = position

    def fetched(self) -> Collection[Position]:
        """Return up to where each partition that is read was fetched: behind the last record that was held."""
        return self._sought.values()

    def drained(self, partition: Partition) -> bool:
        """Whether the partition is read and everything fetched of it was taken."""
        return partition in self._sought and not self._held.get(partition)

    def readable(self, wanted: Collection[Partition]) -> Sequence[Partition]:
        return [partition for partition in wanted if partition in self._sought]

    def hold(self, partition: Partition, records: list[Record]) -> None:
        """Keep what was fetched; records of a partition that was not sought are dropped, a later seek fetches them again."""
        if partition in self._sought and records:
            self._held.setdefault(partition, []).extend(records)
            self._sought[partition] = records[-1].position_after()

    def take(self, wanted: Collection[Partition], max_records: int) -> list[Record]:
        taken: list[Record] = []
        for partition in wanted if self._held else ():
            if held := self._held.get(partition):
                room = max_records - len(taken)
                taken += held[:room]
                self._held[partition] = held[room:]
        return taken

    def close(self) -> None:
        self.closed = True
        self.replace(())


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Tells our listener. aiokafka swallows what a callback raises, and sends no heartbeat while "assigned" runs."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        assignment: Assignment,
        listener: AssignmentListener,
        revoke_seconds: float,
        static: StaticMember | None,
    ) -> None:
        self._consumer = consumer
        self._assignment = assignment
        self._listener = listener
        self._revoke_seconds = revoke_seconds
        self._static = static

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        del revoked  # aiokafka's is empty after a failed join; ours is what the listener was told of
        lost = self._assignment.replace(())
        if self._assignment.closed:
            return
        if lost:
            await self._give_up(lost)
        if self._static is not None and self._unknown() and (refused := await self._static.replaced()) is not None:
            self._assignment.refused = refused
            raise asyncio.CancelledError  # ends aiokafka's coordination, which would join again

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if self._assignment.closed:
            return
        # Otherwise aiokafka would fetch from the committed offset before anybody sought.
        self._consumer.pause(*assigned)
        gained = frozenset(Partition(partition.topic, partition.partition) for partition in assigned)
        self._assignment.replace(gained)
        if self._static is not None:
            self._static.member_id = self._consumer._coordinator.member_id  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        self._listener.assigned(gained)

    async def _give_up(self, lost: Collection[Partition]) -> None:
        try:
            async with asyncio.timeout(self._revoke_seconds):
                await self._listener.revoked(lost)
        except TimeoutError:
            _log.warning("giving up %d partitions took more than %.0f s", len(lost), self._revoke_seconds)

    def _unknown(self) -> bool:
        """Whether the coordinator said that it does not know us; an ordinary rebalance keeps the generation."""
        return bool(self._consumer._coordinator.generation < 0)  # noqa: SLF001  # see the same
