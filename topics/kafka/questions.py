"""What a log is asked about topics and offsets, and told to commit, over one client that is shared and replaced when broken."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import errors
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from topics.broker_features import METADATA_VERSION, BrokerFeatures, finalized_level
from topics.connection import Connection, client_options
from topics.errors import LogError, LogUnavailable, WriterFenced
from topics.kafka.faults import log_error, refusal, why_unreachable
from topics.kafka.fresh import keep_fresh
from topics.kafka.reaper import Reaper
from topics.offset_fetch import NO_OFFSET, UNSTABLE_OFFSET_COMMIT, FetchedOffset, StableOffsetFetch
from topics.record import Committed, Partition, Position

ANSWER_SECONDS = 15.0
RETRY_SECONDS = 0.05
_EARLIEST = -2
_READ_COMMITTED = 1
_NOT_A_MEMBER = (errors.IllegalGenerationError, errors.UnknownMemberIdError, errors.RebalanceInProgressError)
_UNKNOWN_TOPIC = errors.UnknownTopicOrPartitionError.errno

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class NotYet:
    """The broker has no answer yet; `why` is told if it never has."""

    why: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place in one generation of its group: what the coordinator checks an offset commit against."""

    group: str
    generation: int
    member_id: str


class Questions:
    """Each question is retried while the broker says "not yet", at most ANSWER_SECONDS."""

    def __init__(self, connection: Connection, reaper: Reaper) -> None:
        self._connection = connection
        self._reaper = reaper
        self._client: AIOKafkaClient | None = None
        self._connecting = asyncio.Lock()
        self._coordinators: dict[str, int] = {}

    async def partitions(self, topic: str) -> Sequence[Partition]:
        async def ask(client: AIOKafkaClient) -> Sequence[Partition] | NotYet:
            response = await _metadata(client, [topic])
            for code, name, _, rows in response.topics:
                if name == topic and code == _UNKNOWN_TOPIC:
                    return ()
                if name == topic and (failed := _failure(code, topic)) is None:
                    return tuple(sorted(Partition(topic, row[1]) for row in rows))
                return NotYet(f"metadata of {name}: {failed}")
            return NotYet(f"no metadata of {topic}")

        return await self._ask(ask, f"reading the partitions of {topic}")

    async def cluster_id(self) -> str:
        async def ask(client: AIOKafkaClient) -> str | NotYet:
            return (await _metadata(client, [])).cluster_id or NotYet("the broker names no cluster id")

        return await self._ask(ask, "reading the cluster id")

    async def metadata_version(self) -> int | None:
        async def ask(client: AIOKafkaClient) -> int | None:
            try:
                return finalized_level(await client.send(_any_node(client), BrokerFeatures()), METADATA_VERSION)
            except NotImplementedError:  # the broker speaks no version that tells
                return None

        return await self._ask(ask, "reading the cluster's features")

    async def earliest(self, partition: Partition) -> Position:
        async def ask(client: AIOKafkaClient) -> Position | NotYet:
            leader = _leader(await _metadata(client, [partition.topic]), partition)
            if isinstance(leader, NotYet):
                return leader
            question = [(partition.topic, [(partition.number, _EARLIEST)])]
            response = await client.send(leader, OffsetRequest(-1, _READ_COMMITTED, question))
            _, rows = response.topics[0]
            _, code, _, offset = rows[0]
            failed = _failure(code, partition.topic)
            return Position.restored(partition, offset) if failed is None else NotYet(f"{partition}: {failed}")

        return await self._ask(ask, f"reading the first offset of {partition}")

    async def committed(self, group: str, partition: Partition) -> Committed | None:
        async def ask(client: AIOKafkaClient) -> Committed | NotYet | None:
            coordinator = await _coordinator(client, group)
            if isinstance(coordinator, NotYet):
                return coordinator
            response = await client.send(coordinator, StableOffsetFetch(group, partition))
            fetched = FetchedOffset.of(response)
            if fetched.error_code == UNSTABLE_OFFSET_COMMIT:
                return NotYet("a transaction with this offset is not decided")
            if (failed := _failure(fetched.error_code, group)) is not None:
                return NotYet(f"the group's coordinator: {failed}")
            if fetched.offset == NO_OFFSET:
                return None
            return Committed(Position.restored(partition, fetched.offset), fetched.metadata)

        return await self._ask(ask, f"reading the committed offset of {partition}")

    async def members(self, group: str) -> Sequence[str]:
        """Return the ids of the group's members."""

        async def ask(client: AIOKafkaClient) -> Sequence[str] | NotYet:
            coordinator = await _coordinator(client, group)
            if isinstance(coordinator, NotYet):
                return coordinator
            (described,) = (await client.send(coordinator, DescribeGroupsRequest([group]))).groups
            code, _, _, _, _, rows, *_ = described
            failed = _failure(code, group)
            return [row[0] for row in rows] if failed is None else NotYet(f"the group's coordinator: {failed}")

        return await self._ask(ask, f"reading the members of group {group}")

    async def commit(self, seat: Seat, committed: Committed) -> None:
        """Commit the position as this member. Raises WriterFenced when the group has moved on, LogUnavailable, LogRefused."""
        position, group = committed.position, seat.group
        place, row = position.partition, (position.partition.number, position.offset, committed.metadata)
        retention = OffsetCommitRequest.DEFAULT_RETENTION_TIME
        request = OffsetCommitRequest(group, seat.generation, seat.member_id, retention, [(place.topic, [row])])

        async def tell(client: AIOKafkaClient) -> NotYet | None:
            coordinator: int | NotYet | None = self._coordinators.get(group)
            if coordinator is None:
                coordinator = await _coordinator(client, group)
            if isinstance(coordinator, NotYet):
                return coordinator
            self._coordinators.pop(group, None)  # known again once it answers well
            response = await client.send(coordinator, request)
            code = response.topics[0][1][0][1]
            if issubclass(errors.for_code(code), _NOT_A_MEMBER):
                raise WriterFenced(f"group {group} has given {place} to another member, or is about to")
            if (failed := _failure(code, group)) is not None:
                return NotYet(f"the group's coordinator: {failed}")
            self._coordinators[group] = coordinator
            return None

        await self._ask(tell, f"committing the offset of {place}")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, attempt: Callable[[AIOKafkaClient], Awaitable[Answer | NotYet]], doing: str) -> Answer:
        why = "no broker answers"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    client = await self._connected()
                    try:
                        answer = await attempt(client)
                    except LogError:
                        raise
                    except Exception as error:  # aiokafka raises more than its own errors, assertions too
                        if (refused := refusal(error)) is not None:
                            raise refused from error
                        why = repr(error)
                        self._drop(client)
                    else:
                        if not isinstance(answer, NotYet):
                            return answer
                        why = answer.why
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            raise LogUnavailable(f"{doing} took more than {ANSWER_SECONDS:.0f} seconds: {why}") from error

    async def _connected(self) -> AIOKafkaClient:
        async with self._connecting:
            if self._client is None:
                client = AIOKafkaClient(**client_options(self._connection), request_timeout_ms=10_000, retry_backoff_ms=50)
                keep_fresh(client, self._connection)
                try:
                    await client.bootstrap()
                except errors.KafkaError as error:
                    self._reaper.take(client.close())
                    raise await self._why(error) from error
                self._client = client
            return self._client

    async def _why(self, error: errors.KafkaError) -> LogError:
        if isinstance(error, errors.KafkaConnectionError):
            return await why_unreachable(self._connection)
        return log_error(error, "connecting")

    def _drop(self, client: AIOKafkaClient) -> None:
        """Replace a broken client at the next question; a moved cluster is found again by its bootstrap addresses."""
        ours = self._client is client
        if ours:
            self._client = None
            self._reaper.take(client.close())


async def _metadata(client: AIOKafkaClient, topics: Sequence[str]) -> Any:
    return await client.send(_any_node(client), MetadataRequest(list(topics), allow_auto_topic_creation=False))


def _any_node(client: AIOKafkaClient) -> Any:
    node = client.get_random_node()
    if node is None:
        raise errors.NoBrokersAvailable
    return node


async def _coordinator(client: AIOKafkaClient, group: str) -> int | NotYet:
    found = await client.send(_any_node(client), FindCoordinatorRequest(group, 0))
    failed = _failure(found.error_code, group)
    return int(found.coordinator_id) if failed is None else NotYet(f"the group's coordinator: {failed}")


def _leader(metadata: Any, partition: Partition) -> int | NotYet:
    for _, topic, _, rows in metadata.topics:
        for _, number, leader, *_ in rows:
            if topic == partition.topic and number == partition.number and leader >= 0:
                return int(leader)
    return NotYet(f"{partition} has no leader")


def _failure(code: int, about: str) -> str | None:
    """Return the name of the error to wait out, None if there is none; raises what only an operator can change."""
    if code == 0:
        return None
    kind = errors.for_code(code)
    if (refused := refusal(kind(about))) is not None:
        raise refused
    return f"{kind.__name__} ({code})"
