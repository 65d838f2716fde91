"""A membership of a consumer group on aiokafka."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaConnectionError

from topics.connection import Connection, client_options
from topics.errors import LogUnavailable, missing_topic
from topics.kafka.faults import log_error, refusal, why_unreachable
from topics.kafka.fresh import keep_fresh
from topics.kafka.member_writer import KafkaMemberWriter, Seating
from topics.kafka.producer import Producers
from topics.kafka.questions import Questions, Seat
from topics.kafka.reaper import Reaper, close_consumer, retrieve
from topics.kafka.rebalance import Assignment, Rebalances
from topics.kafka.settings import IntakeTimings
from topics.kafka.static_member import StaticMember
from topics.log import AssignmentListener
from topics.record import Headers, Partition, Position, Record

_log = logging.getLogger(__name__)

STOP_SECONDS = 8.0
# Asked for when nothing is wanted: aiokafka takes "no partitions" for "all partitions".
_NOTHING = TopicPartition("", -1)


@dataclass(frozen=True, slots=True)
class Member:
    """Who we are in which group. An `instance_id` makes the membership static (KIP-345)."""

    group: str
    instance_id: str | None


class KafkaIntake:
    """See `topics.log.Intake`.

    aiokafka's getmany waits without a bound while the group rebalances, and leaks a counter when cancelled. So it runs in
    a task of its own that outlives a poll; what it brings is held until wanted, and forgotten at a rebalance or a seek.
    """

    def __init__(
        self,
        connection: Connection,
        timings: IntakeTimings,
        questions: Questions,
        reaper: Reaper,
        producers: Producers,
        member: Member,
    ) -> None:
        self._connection = connection
        self._timings = timings
        self._questions = questions
        self._reaper = reaper
        self._producers = producers
        self._group = member.group
        self._instance_id = member.instance_id
        self._static = StaticMember(questions, member.group, member.instance_id) if member.instance_id else None
        self._consumer: AIOKafkaConsumer | None = None
        self._assignment = Assignment()
        self._fetching: asyncio.Task[None] | None = None
        self._seating = Seating(self._seat)
        self._apart: list[Partition] = []  # to be fetched one by one, after a fetch of several failed
        self._complained = False

    async def start(self, topics: Collection[str], listener: AssignmentListener) -> None:
        for topic in topics:
            if not await self._questions.partitions(topic):
                raise missing_topic(topic)
        consumer = self._consumer = self._new_consumer()
        rebalances = Rebalances(consumer, self._assignment, listener, self._timings.revoke, self._static)
        consumer.subscribe(list(topics), listener=rebalances)
        try:
            async with asyncio.timeout(self._timings.start):
                await consumer.start()
        except TimeoutError as error:
            await self.stop()
            raise LogUnavailable(f"group {self._group} let us not join in time") from error
        except KafkaConnectionError as error:
            await self.stop()
            raise await why_unreachable(self._connection) from error
        except Exception as error:
            await self.stop()
            raise log_error(error, f"joining group {self._group}") from error

    async def poll(self, wanted: Collection[Partition], max_records: int, wait_seconds: float) -> Sequence[Record]:
        if self._consumer is None:
            raise LogUnavailable("the intake is not started")
        if held := self._assignment.take(wanted, max_records):
            return held
        if self._fetching is None:
            fetching = self._fetch(self._consumer, wanted, max_records, wait_seconds)
            self._fetching = asyncio.get_running_loop().create_task(fetching)
            self._fetching.add_done_callback(retrieve)
        fetched = self._fetching
        await asyncio.wait({fetched}, timeout=wait_seconds)
        if self._assignment.refused is not None:
            raise self._assignment.refused
        if fetched.done():
            self._fetching = None
            await self._check(None if fetched.cancelled() else fetched.exception(), wait_seconds)
        return self._assignment.take(wanted, max_records)

    def seek(self, position: Position) -> None:
        partition = position.partition
        if self._consumer is None or partition not in self._assignment:
            return
        kafka_partition = TopicPartition(partition.topic, partition.number)
        self._consumer.seek(kafka_partition, position.offset)
        self._consumer.resume(kafka_partition)
        self._assignment.sought(position)

    def reached(self, partition: Partition) -> Position | None:
        # What aiokafka has handed to `_fetch` is held at once, so its position is ours while nothing is held.
        if self._consumer is None or not self._assignment.drained(partition):
            return None
        subscription = self._consumer._subscription.subscription  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        assignment = None if subscription is None else subscription.assignment
        state = None if assignment is None else assignment.state_value(TopicPartition(partition.topic, partition.number))
        if state is None or not state.has_valid_position:
            return None
        return Position.restored(partition, state.position)

    def end_offset(self, partition: Partition) -> int | None:
        if self._consumer is None or partition not in self._assignment:
            return None
        end = self._consumer.highwater(TopicPartition(partition.topic, partition.number))
        return None if end is None else int(end)

    def writer(self) -> KafkaMemberWriter:
        return KafkaMemberWriter(self._producers, self._questions, self._seating)

    def partitions(self, topic: str) -> int:
        return len((self._consumer and self._consumer.partitions_for_topic(topic)) or ())

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._assignment.close()
        if consumer is None:
            return
        stopping = asyncio.get_running_loop().create_task(consumer.stop())
        stopping.add_done_callback(retrieve)
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
        self._reaper.take(close_consumer(consumer, stopping))
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            await asyncio.wait({fetching}, timeout=1)

    def _new_consumer(self) -> AIOKafkaConsumer:
        timings = self._timings
        # The assignor keeps its last assignment in class attributes: two members of one process need two classes.
        assignor = type("StickyAssignor", (StickyPartitionAssignor,), {})
        consumer = AIOKafkaConsumer(
            **client_options(self._connection),
            group_id=self._group,
            group_instance_id=self._instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=(assignor,),
            session_timeout_ms=int(timings.session * 1000),
            heartbeat_interval_ms=int(timings.heartbeat * 1000),
            rebalance_timeout_ms=int(timings.rebalance * 1000),
            request_timeout_ms=int(timings.request * 1000),
            max_poll_interval_ms=int(timings.max_poll_interval * 1000),
            metadata_max_age_ms=int(timings.metadata_max_age * 1000),
        )
        keep_fresh(consumer._client, self._connection)  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        return consumer

    async def _fetch(
        self, consumer: AIOKafkaConsumer, wanted: Collection[Partition], max_records: int, wait_seconds: float
    ) -> None:
        """Fetch into the assignment. Nothing is awaited between getmany's return and holding what it brought."""
        readable = self._assignment.readable(wanted)
        places = self._next(readable)
        asked = [TopicPartition(p.topic, p.number) for p in places] or [_NOTHING]
        try:
            batches = await consumer.getmany(*asked, timeout_ms=int(wait_seconds * 1000), max_records=max_records)
        except Exception:
            # A batch that fails its checksum takes along what aiokafka had already taken of other partitions.
            for position in self._assignment.fetched():
                if position.partition in places:
                    consumer.seek(TopicPartition(position.partition.topic, position.partition.number), position.offset)
            if len(places) > 1:
                self._apart = list(places)
            raise
        if places and len(places) == len(readable):
            self._complained = False
        for partition, records in batches.items():
            self._assignment.hold(Partition(partition.topic, partition.partition), records_of(partition, records))

    def _next(self, readable: Sequence[Partition]) -> Sequence[Partition]:
        """Return what to fetch: everything, or after a failure one after the other: what cannot be read stops nothing else.

        A broker answers for many partitions at once, so a damaged batch would come with the same neighbours again and again.
        """
        while self._apart:
            if (place := self._apart.pop()) in readable:
                return [place]
        return readable

    async def _check(self, error: BaseException | None, wait_seconds: float) -> None:
        """Raise what ends the membership; say once, and wait out, what does not."""
        if error is None:
            return
        refused = refusal(error)
        if refused is None and self._static is not None:
            refused = await self._static.replaced()
        if refused is not None:
            raise refused from error
        if self._broken():
            raise LogUnavailable(f"the membership of group {self._group} broke: {error!r}") from error
        if not self._complained:
            self._complained = True
            _log.warning("reading as group %s fails and is tried again: %r", self._group, error)
        await asyncio.sleep(wait_seconds)

    def _seat(self) -> Seat | None:
        """Return our place in the group's generation, None while we have none."""
        coordinator = None if self._consumer is None else self._consumer._coordinator  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        if coordinator is None or coordinator.generation < 0:
            return None
        return Seat(self._group, coordinator.generation, coordinator.member_id)

    def _broken(self) -> bool:
        coordinator = None if self._consumer is None else self._consumer._coordinator  # noqa: SLF001  # see tests/contracts/test_aiokafka_private.py
        return coordinator is None or coordinator._coordination_task.done()  # noqa: SLF001  # see the same


def records_of(partition: Any, records: Sequence[Any]) -> list[Record]:
    """Translate aiokafka's records of one partition."""
    ours = Partition(partition.topic, partition.partition)
    return [Record(ours, r.offset, r.key, r.value, _headers(r.headers), r.timestamp) for r in records]


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Kafka's headers may have null values, ours not: they become empty."""
    return tuple([(name, value if value is not None else b"") for name, value in headers]) if headers else ()
