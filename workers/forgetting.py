"""Erasure of a conversation: tombstones through every topic of ours that holds its key.

The keeper of conversations writes the context's tombstones, because it would else publish the window anew from its table; it
is asked through a topic, by the key's SHA-256, and answers with a marker in the context topic. A turn that was said before the
request and is read again is not kept then. Events of the key are erased where their topic is compacted; where it is not, only
the topic's retention erases them, and that is said.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.context import ContextRule
from schemas.task import Task
from topics import provision
from topics.connection import Connection, client_options
from topics.errors import missing_topic
from topics.kafka.faults import log_errors
from topics.partitioner import partition_of
from topics.provision import LogTopic, WantedTopic
from workers.remembering.wire import MARKER, conversation_key, digest_of

_POLL_MS = 200
_ASKED = {"cleanup.policy": "", "retention.ms": ""}


@dataclass(frozen=True, slots=True)
class Request:
    """Whom to forget. `id` tells this request's answers from another's."""

    key: bytes
    tenant: str | None
    id: str
    until_ms: int

    @property
    def digest(self) -> str:
        return digest_of(conversation_key(self.tenant, self.key))

    def body(self) -> bytes:
        """Return what the keeper is told: no byte of the key."""
        return orjson.dumps({"sha256": self.digest, "until_ms": self.until_ms, "id": self.id})


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one topic: tombstones written, not asked for by anybody yet, or left to the topic's retention."""

    topic: str
    outcome: Literal["erased", "waiting", "kept"]
    detail: str


async def forget(connection: Connection, task: Task, rule: ContextRule, request: Request, wait_seconds: float) -> list[Row]:
    """Ask for the conversation's tombstones and write those of its events. Raises topics.errors.LogError."""
    copies = {task.routes.audit} - {None}
    routes = sorted(topic for topic in task.routes.topics() | copies if topic is not None)
    names = [rule.topic, rule.forget_topic, *routes]
    have = await provision.read_topics(connection, [WantedTopic(name, 1, 1, _ASKED) for name in names])
    if missing := [name for name in names if name not in have]:
        raise missing_topic(missing[0])
    async with _clients(connection) as (producer, consumer):
        await _watch_from_end(consumer, have[rule.topic])
        for partition in range(have[rule.forget_topic].partitions):
            await producer.send_and_wait(rule.forget_topic, request.body(), partition=partition)
        rows = [await _erased(producer, have[topic], rule, request) for topic in routes]
        answered = await _answers(consumer, request, have[rule.topic].partitions, wait_seconds)
    return [_context_row(have[rule.topic], answered), *rows]


def _context_row(topic: LogTopic, answered: int) -> Row:
    if answered < topic.partitions:
        said = f"the keeper has answered for {answered} of {topic.partitions} partitions; the request waits for it in its topic"
        return Row(topic.name, "waiting", said)
    return Row(topic.name, "erased", "gone after the next compaction")


async def _erased(producer: Any, topic: LogTopic, rule: ContextRule, request: Request) -> Row:
    if rule.conversation is not None or request.tenant is not None:  # a tombstone would take other conversations' events along
        return Row(topic.name, "kept", "its events are not keyed by the conversation alone: only retention erases them")
    if "compact" not in (topic.config.get("cleanup.policy") or ""):
        kept = topic.config.get("retention.ms")
        return Row(topic.name, "kept", f"not compacted: events of the key stay until retention.ms={kept} has passed")
    await producer.send_and_wait(topic.name, None, request.key, partition=partition_of(request.key, topic.partitions, 0))
    return Row(topic.name, "erased", "gone after the next compaction")


async def _watch_from_end(consumer: Any, topic: LogTopic) -> None:
    places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer.assign(places)
    for place, end in (await consumer.end_offsets(places)).items():
        consumer.seek(place, end)


async def _answers(consumer: Any, request: Request, partitions: int, wait_seconds: float) -> int:
    """Return how many partitions' markers of this request came in time."""
    marker, answered = MARKER + request.digest.encode(), set[int]()
    try:
        async with asyncio.timeout(wait_seconds):
            while len(answered) < partitions:
                answered |= _answered(await consumer.getmany(timeout_ms=_POLL_MS), marker, request.id)
    except TimeoutError:
        pass
    return len(answered)


def _answered(found: Mapping[Any, Sequence[Any]], marker: bytes, name: str) -> set[int]:
    rows = (record for records in found.values() for record in records if record.key == marker and record.value)
    return {record.partition for record in rows if orjson.loads(record.value).get("id") == name}


@asynccontextmanager
async def _clients(connection: Connection) -> Any:
    options = client_options(connection)
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    try:
        async with log_errors("connecting", connection, provision.APPLY_SECONDS):
            await producer.start()
            await consumer.start()
        async with log_errors("erasing", connection):
            yield producer, consumer
    finally:
        await producer.stop()
        await consumer.stop()
